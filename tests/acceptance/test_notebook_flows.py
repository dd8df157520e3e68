"""Notebook flows as the manual and the command line have them."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
MANUAL = (ROOT / "docs" / "notebook-flows.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", MANUAL, re.MULTILINE | re.DOTALL)

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals of POSIX"),
    pytest.mark.timeout(120),
]


def write(path, *sources):
    """Write a notebook of these cells; a tuple has tags after the text."""
    cells = []
    for source in sources:
        text, *tags = source if isinstance(source, tuple) else (source,)
        metadata = {"tags": tags} if tags else {}
        cells.append(new_code_cell(text.strip(), metadata=metadata))
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": spec}), path)


@pytest.fixture
def start(tmp_path):
    """Start a command in a folder with a home of its own."""
    started = []

    def run(*words):
        process = subprocess.Popen(
            [str(word) for word in words],
            cwd=tmp_path,
            env={
                **os.environ,
                "NBORCH_HOME": str(tmp_path / "home"),
                "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def shell(start):
    """Run a command; return its code and what it printed."""

    def run(*words):
        process = start(*words)
        printed, told = process.communicate(timeout=100)
        return process.returncode, printed, told

    return run


def test_the_manual(shell, tmp_path):
    """What the page on notebook flows shows is what its programs print."""
    parameters, *cells = [text for kind, text in BLOCKS if kind == "ipython"]
    write(tmp_path / "etl.ipynb", (parameters, "parameters"), *cells)
    program = "\n".join(text for kind, text in BLOCKS if kind == "python")
    (tmp_path / "program.py").write_text(program)

    code, printed, told = shell(sys.executable, "program.py")

    assert code == 0, told
    assert printed == "".join(text for kind, text in BLOCKS if kind == "text")
    assert {kind for kind, _ in BLOCKS} == {"python", "text", "ipython", "console"}


def test_results_on_the_command_line(shell, tmp_path):
    """`flow-run result` lists what a run gave, and prints one value."""
    write(
        tmp_path / "etl.ipynb",
        ("month = 1", "parameters"),
        "%%task load\nrows = [month] * 2",
        "import nborch; nborch.result({'n': 2}, name='count')",
    )

    code, _, told = shell("nborch", "run", "etl.ipynb", "-o", "{month}.ipynb")
    assert code == 0, told
    (name,) = re.findall(r"Flow run (\S+) of", told)
    _, listed, _ = shell("nborch", "flow-run", "result", name)
    _, value, _ = shell("nborch", "flow-run", "result", name, "rows")
    _, as_json, _ = shell("nborch", "flow-run", "result", name, "count", "--json")
    code, _, missing = shell("nborch", "flow-run", "result", name, "cuont")

    assert (tmp_path / "1.ipynb").exists()
    assert listed.splitlines() == ["rows: list of 'load'", "count: dict, {'n': 2}"]
    assert value == "[1, 1]\n"
    assert json.loads(as_json) == {"n": 2}
    assert code == 2
    assert "Did you mean 'count'?" in missing


def test_options_of_a_run(shell, tmp_path):
    """A run that fails is tried again; one that takes too long exits with 124."""
    (tmp_path / "elsewhere").mkdir()
    write(
        tmp_path / "flaky.ipynb",
        "from pathlib import Path\nfirst = not Path('tried').exists()\n"
        "Path('tried').touch()\nassert not first",
    )
    write(tmp_path / "slow.ipynb", "import time\ntime.sleep(60)")

    code, _, told = shell(
        "nborch", "run", "flaky.ipynb", "--retries", "1", "--cwd", "elsewhere"
    )
    late, _, why = shell("nborch", "run", "slow.ipynb", "--timeout", "2")

    assert code == 0, told
    assert (tmp_path / "elsewhere" / "tried").exists()
    assert late == 124
    assert "The run took longer than 2 s." in why


def test_ctrl_c_ends_all_notebooks_of_a_map(start, tmp_path, until):
    """A program that is interrupted leaves no kernel, and notebooks that say so."""
    write(
        tmp_path / "slow.ipynb",
        ("n = 0", "parameters"),
        "import os, time\nopen(f'pid-{n}', 'w').write(str(os.getpid()))\ntime.sleep(60)",
    )
    (tmp_path / "program.py").write_text(
        "from nborch import notebook_flow\n"
        "slow = notebook_flow('slow.ipynb', output='out-{n}.ipynb', at_once=2)\n"
        "slow.map(n=[1, 2]).result()\n"
    )
    pids = [tmp_path / "pid-1", tmp_path / "pid-2"]
    process = start(sys.executable, "program.py")
    assert until(lambda: all(pid.exists() and pid.read_text() for pid in pids))

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)

    assert process.returncode == -signal.SIGINT
    assert until(lambda: not any(is_alive(int(pid.read_text())) for pid in pids))
    for path in tmp_path.glob("out-*.ipynb"):
        nbformat.validate(nbformat.read(path, as_version=4))


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143)]
)
def test_a_program_that_is_to_end_ends(start, tmp_path, until, number, code):
    """The notebook is ended in order, and then the program, whatever it catches."""
    write(tmp_path / "slow.ipynb", "import time\nopen('begun', 'w')\ntime.sleep(60)")
    (tmp_path / "program.py").write_text(
        "from nborch import notebook_flow\n"
        "slow = notebook_flow('slow.ipynb', output='out.ipynb')\n"
        "try:\n    slow()\nexcept Exception:\n    print('went on')\n"
    )
    process = start(sys.executable, "program.py")
    assert until((tmp_path / "begun").exists)

    process.send_signal(number)
    printed, _ = process.communicate(timeout=30)

    assert (process.returncode, printed) == (code, "")
    nb = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert nb.metadata.nborch.state.name == "Cancelled"


def is_alive(pid):
    """Tell whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
