"""The README does what it says: every block of it is executed."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from serving import free_port

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(
    r"^```(\w+)\n(.*?)^```",
    (ROOT / "README.md").read_text("utf-8"),
    re.MULTILINE | re.DOTALL,
)
NBORCH = Path(sys.executable).with_name("nborch")
PAPERMILL = Path(sys.executable).with_name("papermill")


def blocks(language):
    """Return the README's blocks in a language, in order."""
    return [text for found, text in BLOCKS if found == language]


def like(expected):
    """Return a pattern for output in which times and run names may differ."""
    text = re.escape(expected.strip())
    text = re.sub(r"\d+:\d+:\d+\\\.\d+", r"\\d+:\\d+:\\d+\\.\\d+", text)
    text = re.sub(r"nimble\\-falcon", r"\\w+-\\w+", text)
    text = re.sub(r"\d+(\\\.\d+)?\\ (ms|s)\b", r"[\\d.]+\\ (ms|s|min)", text)
    text = re.sub(r"\d+\\ of\\ \d+", r"\\d+\\ of\\ \\d+", text)
    return text.replace(r"\ ", r"\s+")


PARAMETERS = """
from datetime import date

month = 1
day = date(2026, 1, 1)
token = ""
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with a notebook like the README's ``report.ipynb``."""
    cells = [
        nbformat.v4.new_code_cell("%load_ext nborch"),
        nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("%%task load\nrows = list(range(100))"),
        nbformat.v4.new_code_cell("%%task report\nprint(month * sum(rows))"),
    ]
    nb = nbformat.v4.new_notebook(cells=cells)
    nb.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    nbformat.write(nb, tmp_path / "report.ipynb")
    return tmp_path


def run(folder, *command):
    """Run a command in the folder with a home of its own; return all it printed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "NBORCH_HOME": str(folder / "home"), "API_TOKEN": "s3cr3t"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def serve(folder, *command):
    """Run a command that serves until somebody presses Ctrl-C; return what it said."""
    environ = {**os.environ, "NBORCH_HOME": str(folder / "home")}
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        printed = b""
        for line in process.stdout:
            printed += line
            if b"Ctrl-C" in line:
                process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, printed
    return printed.decode()


def test_cells_of_the_readme(kernel):
    """The cells of the README's first screen show what it says, the second time too."""
    load, cell = [b for b in blocks("python") if b.startswith("%")]
    shown = blocks("text")[0]

    kernel(load)
    first, second = kernel(cell), kernel(cell)

    assert first.outcome == "ran"
    printed = f"{second.stdout.strip()}\n{second.result}\n{second.badge}"
    assert re.fullmatch(like(shown), printed), printed


def test_functions_of_the_readme(folder):
    """The pipeline of the README prints the lines that stand below it."""
    (program,) = [b for b in blocks("python") if "@flow" in b]
    (shown,) = [b for b in blocks("text") if "nborch.engine" in b]
    (folder / "program.py").write_text(program)

    printed = run(folder, sys.executable, "program.py")

    lines = sorted(shown.strip().splitlines())
    for line in lines:
        assert re.search(like(line), printed), (line, printed)


def test_notebooks_of_the_readme(folder):
    """The notebook of the README is called like a function."""
    (program,) = [b for b in blocks("python") if "notebook_flow" in b]
    (folder / "report.ipynb").rename(folder / "etl.ipynb")
    (folder / "program.py").write_text(
        f"{program}\nprint(len(rows), [len(r['rows']) for r in runs.result()])"
    )

    printed = run(folder, sys.executable, "program.py")

    assert "100 [100, 100, 100]" in printed


def test_commands_of_the_readme(folder):
    """The commands of the README run, in their order."""
    shell = [line for b in blocks("sh") for line in b.strip().splitlines()]
    (summary,) = [b for b in blocks("text") if "Flow run nimble" in b]
    elsewhere = {"pip install nborch", "make demo"}
    name = None
    tried = set()

    for line in shell:
        if line in elsewhere:
            continue
        program, *arguments = shlex.split(line)
        path = {"nborch": NBORCH, "papermill": PAPERMILL}[program]
        arguments = [name if a == "nimble-falcon" else a for a in arguments]
        is_served = arguments[0] == "serve" or arguments[1] == "start"
        if arguments[:2] == ["server", "start"]:
            # The usual port may be taken by the page of who runs this.
            arguments += ["--port", str(free_port()), "--no-browser"]
        printed = (serve if is_served else run)(folder, path, *arguments)
        tried.add(program)
        if name is None and arguments[:2] == ["run", "report.ipynb"]:
            run(folder, path, *arguments)
            printed = run(folder, path, *arguments)
            name = re.search(r"Flow run (\S+) of", printed)[1]
            assert re.search(like(summary), printed), printed

    assert tried == {"nborch", "papermill"}


def test_no_block_of_the_readme_is_left_out():
    """Whoever adds a block to the README in another language adds a test of it."""
    assert {language for language, _ in BLOCKS} == {"python", "sh", "text"}
