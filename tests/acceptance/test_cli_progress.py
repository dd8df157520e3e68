"""What ``nborch run`` says of a run, to people and to programs; and going on with one."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from nborch.store.sqlite import SQLiteStore

BIN = Path(sys.executable).parent
ROOT = str(Path(__file__).resolve().parents[2])

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals of POSIX"),
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
        "PYTHONPATH": ROOT,
    }

    def run(*words):
        return subprocess.run(
            [str(word) for word in words],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    return run


@pytest.fixture
def notebook(tmp_path):
    """Write a notebook of these cells; a tuple is a source with its tags."""

    def write(*sources):
        cells = [
            new_code_cell(source, id=f"cell-{i}", metadata={"tags": list(tags)})
            for i, (source, *tags) in enumerate(
                s if isinstance(s, tuple) else (s,) for s in sources
            )
        ]
        spec = {"name": "python3", "display_name": "python3", "language": "python"}
        path = tmp_path / "report.ipynb"
        nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": spec}), path)
        return path

    return write


LOAD = "%%task load\nrows = [1, 2, 3]"


def test_events_for_programs(shell, notebook, tmp_path):
    """``--json`` prints each state of the run and of its cells as a line of JSON."""
    path = notebook(
        LOAD,
        "total = sum(rows)",
        ("import nborch\nnborch.stop(f'only {total}')",),
        "1 / 0",
    )

    ran = shell("nborch", "run", path, "--json")

    assert (ran.returncode, ran.stderr) == (0, "")
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    first, *between, last = events
    assert (first["event"], first["flow"]) == ("run", "report")
    assert first["output"].endswith("report.out.ipynb")
    assert (last["id"], last["state"]) == (first["id"], "StoppedEarly")
    assert (last["type"], last["message"]) == ("COMPLETED", "only 6")
    told = [(each["name"], each["state"]) for each in between]
    assert [state for name, state in told if name == "load"] == [
        "Pending",
        "Running",
        "Completed",
    ]
    assert told[-1] == ("cell 4", "NotRun")
    ended = [each for each in between if each["name"] == "cell 2"][-1]
    assert ended["cell"] == 1
    assert ended["seconds"] >= 0


def test_going_on(shell, notebook, tmp_path):
    """``--resume`` and ``flow-run retry`` say what will happen, and go on from there."""
    path = notebook(
        ("month = 1", "parameters"),
        LOAD,
        ("open('mails', 'a').write('x')\nprint('mailed')", "once"),
        "import os\nassert os.path.exists('fixed'), f'month {month}'",
        "print('done in month', month)",
    )

    failed = shell("nborch", "run", path, "-p", "month=7", "--quiet")

    # Then a failure is told also to who wants quiet
    assert failed.returncode == 1
    assert "AssertionError: month 7" in failed.stderr
    name = failed.stderr.split("Go on: nborch run --resume ")[1].strip()

    again = shell("nborch", "flow-run", "retry", name)
    (tmp_path / "fixed").touch()
    done = shell("nborch", "run", "--resume", name)

    for ran in (again, done):
        told = ran.stderr.splitlines()[0]
        assert told == (
            f"Resuming {name} (Failed). 6 cells: 1 restored, 1 kept, 4 run."
        )
        assert "\x1b" not in ran.stderr
    assert (again.returncode, done.returncode) == (1, 0)
    assert "  load: Cached in" in done.stderr
    assert "  cell 4: Kept\n" in done.stderr
    assert "1 kept from the earlier run" in done.stderr
    assert (tmp_path / "mails").read_text() == "x"
    # And the document is that of the run before, with its parameters
    cells = nbformat.read(tmp_path / "report.out.ipynb", 4).cells
    assert cells[-1].outputs[0].text == "done in month 7\n"
    assert [c.outputs[0].text for c in cells if c.id == "cell-2"] == ["mailed\n"]
    # And the run knows which one it goes on with
    store = SQLiteStore(tmp_path / "home" / "nborch.db")
    first, newest = store.record(name).run, store.records(of="report")[0].run
    store.close()
    assert newest.details["resumes"] == first.id
    assert newest.parameters == first.parameters == {"month": 7}


def test_quiet_and_a_picture(shell, notebook, tmp_path):
    """``--quiet`` says nothing of a success; ``--graph`` adds a picture of the run."""
    path = notebook(LOAD, "%%task clean\nclean = rows[1:]", "print(clean)")

    ran = shell("nborch", "run", path, "--quiet", "--graph")

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    nb = nbformat.read(tmp_path / "report.out.ipynb", 4)
    nbformat.validate(nb)
    last = nb.cells[-1]
    assert last.source == "![The run of report.ipynb](attachment:graph.svg)"
    picture = base64.b64decode(last.attachments["graph.svg"]["image/svg+xml"]).decode()
    assert picture.startswith("<svg ")
    for label in ("load", "clean", "cell 3"):
        assert f">{label}</text>" in picture
    # And an arrow for each name that one cell makes and another reads
    assert picture.count('marker-end="url(#tip)"') == 2


def test_a_cell_takes_too_long(shell, notebook, tmp_path):
    """``--cell-timeout`` ends a cell that takes too long, with exit code 124."""
    path = notebook("print(1)", "while True: pass", "print(3)")

    ran = shell("nborch", "run", path, "--cell-timeout", "1")

    assert ran.returncode == 124
    assert "TimeoutError: The cell took longer than 1 s." in ran.stderr
    assert "  cell 2: TimedOut in" in ran.stderr
    assert "cell 3:" not in ran.stderr
    nb = nbformat.read(tmp_path / "report.out.ipynb", 4)
    assert nb.metadata.nborch.state["name"] == "TimedOut"
