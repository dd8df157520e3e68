"""``nborch run`` as a person types it: what it prints, what it leaves, how it exits."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from nborch.runs import RunKind
from nborch.store.sqlite import SQLiteStore

BIN = Path(sys.executable).parent

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals of POSIX"),
    pytest.mark.timeout(180),
]


@pytest.fixture
def shell(tmp_path):
    """Run a command in a folder with a home of its own; return the finished process."""
    environ = {
        **os.environ,
        "NBORCH_HOME": str(tmp_path / "home"),
        "COLUMNS": "100",
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }

    def run(*words, **more):
        return subprocess.run(
            [str(word) for word in words],
            cwd=tmp_path,
            env={**environ, **more},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    run.environ = environ
    run.home = tmp_path / "home"
    return run


@pytest.fixture
def notebook(tmp_path):
    """Write a notebook of these cells; return its path."""

    def write(*sources, name="report.ipynb", kernel="python3"):
        cells = []
        for number, source in enumerate(sources):
            tags = []
            if isinstance(source, tuple):
                source, tags = source[0], [source[1]]  # noqa: PLW2901
            text = textwrap.dedent(source).strip()
            made = new_markdown_cell if text.startswith("# #") else new_code_cell
            metadata = {"tags": tags} if tags else {}
            cells.append(made(text, id=f"cell-{number}", metadata=metadata))
        spec = {"name": kernel, "display_name": kernel, "language": "python"}
        nb = new_notebook(cells=cells, metadata={"kernelspec": spec})
        path = tmp_path / name
        nbformat.write(nb, path)
        return path

    return write


@pytest.fixture
def report(notebook):
    """A notebook with a parameter, two cell tasks, and a plain cell."""
    return notebook(
        "%load_ext nborch",
        ("n: int = 3  # how many", "parameters"),
        "# # A heading",
        "%%task load\nrows = list(range(n))\nprint('loaded', len(rows))",
        "%%task double\ntwice = [2 * row for row in rows]\nsum(twice)",
        "print('plain', twice)",
    )


def runs(shell):
    """Return the newest flow run, and the runs within it."""
    store = SQLiteStore(shell.home / "nborch.db")
    newest = store.records(kinds=(RunKind.FLOW,))[0]
    within = store.children(newest.run.id)
    store.close()
    return newest, within


def states(records):
    return [(record.run.of, record.state.name) for record in records]


def outputs(path):
    nb = nbformat.read(path, as_version=4)
    nbformat.validate(nb)
    return [
        "".join(
            output.get("text", "") or output.get("data", {}).get("text/plain", "")
            for output in cell.outputs
            if "application/vnd.nborch.cell+json" not in output.get("data", {})
        )
        for cell in nb.cells
        if cell.cell_type == "code"
    ]


def test_run(shell, report, tmp_path):
    """Every code cell is a task run of one flow run, and what it shows is in the
    output notebook.
    """
    done = shell("nborch", "run", report)

    assert done.returncode == 0, done.stderr
    assert "Completed" in done.stderr
    assert "5 of 5 cells completed" in done.stderr
    flow, tasks = runs(shell)
    assert states([flow]) == [("report", "Completed")]
    assert states(tasks) == [
        ("cell 1", "Completed"),
        ("parameters", "Completed"),
        ("load", "Completed"),
        ("double", "Completed"),
        ("cell 6", "Completed"),
    ]
    assert outputs(tmp_path / "report.out.ipynb") == [
        "",
        "",
        "loaded 3\n",
        "6",
        "plain [0, 2, 4]\n",
    ]


def test_run_again(shell, report, tmp_path):
    """A second run restores every cell task and shows the same."""
    shell("nborch", "run", report)
    first = outputs(tmp_path / "report.out.ipynb")

    done = shell("nborch", "run", report, "-o", "again.ipynb")

    assert "2 of 2 cell tasks cached" in done.stderr
    _, tasks = runs(shell)
    assert dict(states(tasks)) == {
        "cell 1": "Completed",
        "parameters": "Completed",
        "load": "Cached",
        "double": "Cached",
        "cell 6": "Completed",
    }
    assert outputs(tmp_path / "again.ipynb") == first


def test_parameters(shell, report, tmp_path):
    """``-p`` sets a parameter for this run, and what does not read it stays cached."""
    shell("nborch", "run", report)

    done = shell("nborch", "run", report, "-p", "n=5")

    assert done.returncode == 0, done.stderr
    assert "0 of 2 cell tasks cached" in done.stderr
    assert outputs(tmp_path / "report.out.ipynb")[-1] == "plain [0, 2, 4, 6, 8]\n"
    flow, tasks = runs(shell)
    assert "injected-parameters" in dict(states(tasks))
    assert flow.run.parameters == {"n": 5}


# Wrong usage: told before a kernel starts, with exit code 2.


def wrong(shell, *words):
    started = time.monotonic()
    done = shell("nborch", "run", *words)
    seconds = time.monotonic() - started
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert seconds < 20
    assert not (shell.home / "nborch.db").exists()
    return " ".join(done.stderr.split())


def test_missing_notebook(shell, report):
    """A notebook that is not there is told, with the name that was meant."""
    told = wrong(shell, "reprot.ipynb")

    assert "reprot.ipynb" in told
    assert "Did you mean" in told
    assert "report.ipynb" in told


def test_no_notebook_at_all(shell, tmp_path):
    """A file that is no notebook is told as such."""
    (tmp_path / "broken.ipynb").write_text("{ not json")
    (tmp_path / "other.ipynb").write_text('{"a": 1}')
    (tmp_path / "folder.ipynb").mkdir()

    for name in ("broken.ipynb", "other.ipynb", "folder.ipynb"):
        assert name in wrong(shell, name)


def test_unknown_parameter(shell, notebook):
    """A parameter that the notebook does not declare is told, with the one meant."""
    path = notebook(("month = 1\nyear = 2013", "parameters"), "month")

    told = wrong(shell, path, "-p", "mont=2")

    assert "'mont'" in told
    assert "Did you mean 'month'?" in told


@pytest.mark.parametrize(
    ("given", "told"), [("month", "month"), ("=3", "''"), ("2x=3", "'2x'")]
)
def test_wrong_assignment(shell, report, given, told):
    """``-p`` wants NAME=VALUE, and a name that can be a variable."""
    assert told in wrong(shell, report, "-p", given)


def test_missing_kernel(shell, notebook):
    """A kernel that is not installed is told, with those that are."""
    path = notebook("1", kernel="pythn3")

    told = wrong(shell, path)

    assert "pythn3" in told
    assert "python3" in told


def test_unwritable_output(shell, report, tmp_path):
    """An output that cannot be written is told before anything runs."""
    (tmp_path / "file").write_text("in the way")

    assert "nowhere" in wrong(shell, report, "-o", "nowhere/out.ipynb")
    assert "file" in wrong(shell, report, "-o", "file/out.ipynb")
    assert "report.ipynb" in wrong(shell, report, "-o", "report.ipynb")


def test_unknown_option(shell, report):
    """An option that does not exist is wrong usage."""
    assert "--nope" in wrong(shell, report, "--nope")


# A cell that fails.


def test_failing_cell_task(shell, notebook):
    """The line at which a cell task failed is shown, as the editor counts it."""
    path = notebook("%load_ext nborch", "%%task broken\nx = 2\nraise ValueError(x)")

    done = shell("nborch", "run", path)

    assert "Cell 2 (broken), line 3:" in done.stderr
    assert "    raise ValueError(x)" in done.stderr


def test_failing_cell(shell, notebook, tmp_path):
    """A failure ends with the cell, the line and the message, and exit code 1."""
    path = notebook(
        "%load_ext nborch",
        "%%task first\nx = 1",
        "x += 1\nraise ValueError(f'bad value {x}')",
        "print('never')",
    )

    done = shell("nborch", "run", path)

    assert done.returncode == 1
    told = done.stderr
    assert "Traceback" not in told
    assert "Cell 3 (cell 3), line 2:" in told
    assert "raise ValueError(f'bad value {x}')" in told
    assert "ValueError: bad value 2" in told
    flow, tasks = runs(shell)
    assert flow.state.name == "Failed"
    assert states(tasks)[-2:] == [("cell 3", "Failed"), ("cell 4", "NotRun")]
    nb = nbformat.read(tmp_path / "report.out.ipynb", as_version=4)
    errors = [
        o for c in nb.cells for o in c.get("outputs", []) if o.output_type == "error"
    ]
    assert [error.ename for error in errors] == ["ValueError"]


def test_syntax_error(shell, notebook):
    """A syntax error is a failed cell, with its line."""
    path = notebook("%load_ext nborch", "%%task broken\nx = 1\ny = (")

    done = shell("nborch", "run", path)

    assert done.returncode == 1
    assert "Cell 2 (broken)" in done.stderr
    assert "SyntaxError" in done.stderr


def test_missing_extension(shell, notebook):
    """A notebook that forgot ``%load_ext nborch`` runs all the same."""
    path = notebook("%%task load\nx = 1")

    done = shell("nborch", "run", path)

    assert done.returncode == 0
    assert "0 of 1 cell tasks cached" in done.stderr


# Live.


def in_terminal(command, environ, folder):
    """Run a command in a pseudo-terminal; return what came, piece by piece, and code."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execvpe(command[0], command, environ)
    pieces = []
    until = time.monotonic() + 90
    while time.monotonic() < until:
        if select.select([terminal], [], [], 1)[0]:
            try:
                data = os.read(terminal, 65536)
            except OSError:
                break
            if not data:
                break
            pieces.append((time.monotonic(), data.decode(errors="replace")))
    _, status = os.waitpid(process, 0)
    os.close(terminal)
    return pieces, os.waitstatus_to_exitcode(status)


def test_live(shell, notebook, tmp_path):
    """In a terminal, the running cell and the count are shown while it runs."""
    path = notebook(
        "%load_ext nborch",
        "%%task slow\nimport time\ntime.sleep(2)",
        "%%task quick\ny = 1",
    )
    environ = {**shell.environ, "TERM": "xterm-256color"}

    pieces, code = in_terminal(["nborch", "run", str(path)], environ, tmp_path)

    assert code == 0
    plain = [(at, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)) for at, text in pieces]
    end = plain[-1][0]
    shown = next(at for at, text in plain if "slow" in text)
    assert end - shown > 1.5
    assert any("1/3" in text for at, text in plain if at < end - 0.5)
    assert "Completed" in "".join(text for _, text in plain[-5:])


def test_plain_progress(shell, report):
    """Without a terminal, each cell's end is one line, without control characters."""
    done = shell("nborch", "run", report)

    assert "\x1b" not in done.stderr
    assert "\r" not in done.stderr
    assert "load: Completed" in done.stderr


# Looking at what ran.


def test_flow_run(shell, report):
    """``flow-run ls``, ``inspect`` and ``logs`` show what ran, by name or id."""
    assert "No flow has run yet" in shell("nborch", "flow-run", "ls").stdout
    shell("nborch", "run", report)
    flow, _ = runs(shell)

    listed = shell("nborch", "flow-run", "ls").stdout
    by_name = shell("nborch", "flow-run", "inspect", flow.run.name).stdout
    by_id = shell("nborch", "flow-run", "inspect", flow.run.id).stdout
    logs = shell("nborch", "flow-run", "logs", flow.run.name).stdout
    as_json = json.loads(
        shell("nborch", "flow-run", "logs", flow.run.name, "--json").stdout
    )

    assert flow.run.name in listed
    assert "Completed" in listed
    assert by_name == by_id
    assert "load" in by_name
    assert "report.ipynb" in by_name
    assert "loaded 3" in logs
    assert "plain [0, 2, 4]" in logs
    assert any("loaded 3" in json.dumps(event) for event in as_json)


def test_unknown_run(shell, report):
    """A run that does not exist is told in a sentence, with exit code 2."""
    shell("nborch", "run", report)

    for command in ("inspect", "logs"):
        done = shell("nborch", "flow-run", command, "no-such-run")
        assert done.returncode == 2
        assert "no-such-run" in done.stderr
        assert "Traceback" not in done.stderr


# papermill.


def test_papermill_with_our_engine(shell, report, tmp_path):
    """``papermill --engine nborch`` keeps the same records as ``nborch run``."""
    done = shell("papermill", "--engine", "nborch", report, "out.ipynb", "-p", "n", "4")
    assert done.returncode == 0, done.stderr
    flow, tasks = runs(shell)

    shell("nborch", "run", report, "-p", "n=4")
    again, cached = runs(shell)

    assert states([flow]) == states([again]) == [("report", "Completed")]
    assert [name for name, _ in states(tasks)] == [name for name, _ in states(cached)]
    assert dict(states(cached))["double"] == "Cached"
    assert outputs(tmp_path / "out.ipynb") == outputs(tmp_path / "report.out.ipynb")


def test_papermill_function(shell, report, tmp_path):
    """``papermill.execute_notebook(engine_name="nborch")`` keeps them, too."""
    code = (
        "import papermill\n"
        "papermill.execute_notebook('report.ipynb', 'out.ipynb', {'n': 2},"
        " engine_name='nborch', progress_bar=False)"
    )
    done = shell(sys.executable, "-c", code)

    assert done.returncode == 0, done.stderr
    flow, tasks = runs(shell)
    assert states([flow]) == [("report", "Completed")]
    assert dict(states(tasks))["load"] == "Completed"
    assert outputs(tmp_path / "out.ipynb")[-1] == "plain [0, 2]\n"


def test_papermill_tells_a_failure(shell, notebook):
    """Under papermill, a failing cell is papermill's own error and exit code."""
    path = notebook("raise KeyError('lost')")

    done = shell("papermill", "--engine", "nborch", path, "out.ipynb")

    assert done.returncode == 1
    assert "PapermillExecutionError" in done.stderr
    assert "KeyError: 'lost'" in done.stderr


def test_plain_papermill_shares(shell, report, tmp_path):
    """Plain papermill and ``nborch run`` reuse each other's results."""
    done = shell("papermill", report, "plain.ipynb")
    assert done.returncode == 0, done.stderr

    after = shell("nborch", "run", report)

    assert "2 of 2 cell tasks cached" in after.stderr
    assert outputs(tmp_path / "plain.ipynb") == outputs(tmp_path / "report.out.ipynb")


def test_kernel_shares(shell, report, kernel, tmp_path):
    """A kernel in which a person runs the cells reuses what ``nborch run`` made."""
    shell("nborch", "run", report)

    kernel("n: int = 3")
    load = kernel("%%task load\nrows = list(range(n))\nprint('loaded', len(rows))")
    double = kernel("%%task\ntwice = [2 * row for row in rows]\nsum(twice)")

    assert (load.outcome, double.outcome) == ("cached", "cached")
    assert load.stdout == "loaded 3\n"
    assert double.result == "6"
