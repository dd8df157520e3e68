"""``kill -9`` of anything, at any moment: what was finished is kept, nothing hangs."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from nborch.runs import RunKind
from nborch.store.sqlite import SQLiteStore

BIN = Path(sys.executable).parent
KILLED = 137

CELLS = [
    "%load_ext nborch",
    "import os, pathlib, time\npathlib.Path('kernel.pid').write_text(str(os.getpid()))",
    "%%task first\na = [0.5] * 20_000\nprint('first is done')",
    "%%task second\nimport numpy as np\nb = np.arange(200_000.0)\nprint('second is done')",
    "pathlib.Path('both').touch()",
    "%%task third\nimport time\nfor step in range(10):\n    print('step', step)\n    time.sleep(0.2)\nc = sum(a)",
    "%%task fourth\nd = float(b.sum()) + c",
    "assert d == 19999900000.0 + 10000, d",
]  # fmt: skip

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals of POSIX"),
    pytest.mark.slow,
    pytest.mark.timeout(180),
]


class Folder:
    """A notebook of four cell tasks, the third slow, in a folder of its own."""

    def __init__(self, path):
        self.path = path
        self.environ = {**os.environ, "NBORCH_HOME": str(path / "home")}
        cells = [new_code_cell(c, id=f"cell-{n}") for n, c in enumerate(CELLS)]
        spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nb = new_notebook(cells=cells, metadata={"kernelspec": spec})
        nbformat.write(nb, path / "work.ipynb")

    def start(self):
        """Start ``nborch run`` in a session of its own."""
        return subprocess.Popen(
            [BIN / "nborch", "run", "work.ipynb"],
            cwd=self.path,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self):
        """Run to the end; return the state of each cell task."""
        process = self.start()
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
        return self.states()

    def listed(self):
        """Return the state names of all runs, as ``flow-run ls`` tells them."""
        done = subprocess.run(
            [BIN / "nborch", "flow-run", "ls", "--json"],
            cwd=self.path,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return [run["state"]["name"] for run in json.loads(done.stdout)]

    def states(self):
        """Return the state of each task run within the newest flow run."""
        store = SQLiteStore(self.path / "home" / "nborch.db")
        newest = store.records(kinds=(RunKind.FLOW,))[0]
        states = {r.run.of: r.state.name for r in store.children(newest.run.id)}
        store.close()
        return states

    def unfinished(self):
        """Return the names of the runs that have not ended."""
        store = SQLiteStore(self.path / "home" / "nborch.db")
        names = [record.run.of for record in store.unfinished()]
        store.close()
        return names

    def await_file(self, name, process=None, seconds=60):
        """Wait until a cell has made a file."""
        until = time.monotonic() + seconds
        while not (self.path / name).exists() or not (self.path / name).stat().st_size:
            if name == "both" and (self.path / name).exists():
                return
            assert time.monotonic() < until, f"no {name}"
            assert process is None or process.poll() is None, "it ended too early"
            time.sleep(0.02)

    def kernel(self):
        """Return the kernel's process id."""
        self.await_file("kernel.pid")
        return int((self.path / "kernel.pid").read_text())


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def is_alive(pid):
    """Tell whether a process runs; one that waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return not Path("/proc/self/stat").exists()
    return stat.rpartition(")")[2].split()[0] != "Z"


def is_gone(pid, seconds):
    until = time.monotonic() + seconds
    while is_alive(pid):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def test_kernel_killed(folder):
    """A killed kernel ends the run as Crashed, in words, with what was finished kept."""
    process = folder.start()
    folder.await_file("both", process)
    time.sleep(0.5)

    os.kill(folder.kernel(), signal.SIGKILL)
    _, said = process.communicate(timeout=30)

    assert process.returncode == KILLED
    assert "Traceback" not in said
    assert "third" in said
    assert folder.listed() == ["Crashed"]
    states = folder.states()
    assert (states["first"], states["second"]) == ("Completed", "Completed")
    assert states["third"] == "Crashed"
    assert states["fourth"] == "NotRun"
    assert folder.unfinished() == []
    nb = nbformat.read(folder.path / "work.out.ipynb", as_version=4)
    nbformat.validate(nb)
    shown = {cell.id: str(cell.get("outputs")) for cell in nb.cells}
    assert "first is done" in shown["cell-2"]
    assert "step 0" in shown["cell-5"]
    again = folder.run()
    assert (again["first"], again["second"]) == ("Cached", "Cached")
    assert (again["third"], again["fourth"]) == ("Completed", "Completed")


def test_runner_killed(folder):
    """When ``nborch run`` is killed its kernel ends, and its run is Crashed as soon as
    somebody looks.
    """
    process = folder.start()
    folder.await_file("both", process)
    time.sleep(0.5)
    kernel = folder.kernel()

    process.kill()
    process.communicate(timeout=30)

    assert is_gone(kernel, seconds=5)
    assert folder.listed() == ["Crashed"]
    assert folder.unfinished() == []
    states = folder.states()
    assert (states["first"], states["second"]) == ("Completed", "Completed")
    nbformat.validate(nbformat.read(folder.path / "work.out.ipynb", as_version=4))
    again = folder.run()
    assert (again["first"], again["second"]) == ("Cached", "Cached")
    assert folder.listed() == ["Completed", "Crashed"]


def test_interrupted(folder):
    """Ctrl-C ends the run as Cancelled, with exit code 130, and leaves no kernel."""
    process = folder.start()
    folder.await_file("both", process)
    time.sleep(0.5)
    kernel = folder.kernel()

    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)

    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert is_gone(kernel, seconds=5)
    assert folder.listed() == ["Cancelled"]
    assert folder.unfinished() == []


def test_terminated(folder):
    """SIGTERM, as schedulers send it, leaves no kernel and no open run."""
    process = folder.start()
    folder.await_file("both", process)
    kernel = folder.kernel()

    process.terminate()
    process.communicate(timeout=30)

    assert process.returncode != 0
    assert is_gone(kernel, seconds=5)
    assert folder.listed()[0] in {"Cancelled", "Crashed"}
    assert folder.unfinished() == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("whom", ["kernel", "runner"])
def test_killed_at_any_moment(folder, whom, seed):
    """Whenever a process is killed, the store opens, no run stays open, the notebook
    can be read, and the next run completes from what was finished.
    """
    process = folder.start()
    kernel = folder.kernel()
    time.sleep(random.Random(f"{whom}{seed}").uniform(0, 1.5))

    os.kill(kernel if whom == "kernel" else process.pid, signal.SIGKILL)
    process.communicate(timeout=30)

    assert is_gone(kernel, seconds=5)
    assert folder.listed() == ["Crashed"]
    assert folder.unfinished() == []
    finished = [n for n, state in folder.states().items() if state == "Completed"]
    nbformat.validate(nbformat.read(folder.path / "work.out.ipynb", as_version=4))
    again = folder.run()
    tasks = {"first", "second", "third", "fourth"}
    assert {again[name] for name in tasks.intersection(finished)} <= {"Cached"}
    assert set(again.values()) <= {"Completed", "Cached"}


def test_session_killed(kernel, new_kernel, tmp_path):
    """A killed kernel's session is Crashed at the next look, and its cells are hits."""
    mine = new_kernel()
    mine.start_over(tmp_path / "home", tmp_path)
    body = "%%task kept\ny = list(range(1000))"
    assert mine(body).outcome == "ran"
    pid = int(mine("import os; os.getpid()").result)

    os.kill(pid, signal.SIGKILL)
    assert is_gone(pid, seconds=5)

    assert Folder(tmp_path).listed() == ["Crashed"]
    assert kernel(body).outcome == "cached"
