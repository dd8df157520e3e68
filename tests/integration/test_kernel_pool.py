"""Kernels that are kept warm: like cold ones in all but the time they take."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import pytest
from listeners import Silent
from nbformat.v4 import new_code_cell, new_notebook

from nborch.exceptions import CrashedRun, InvalidDeclaration
from nborch.notebook.client import CellOutcome, run_cells
from nborch.notebook.kernels import warming
from nborch.notebook.kernels.blueprints import Wish
from nborch.notebook.kernels.pool import KernelPool, kernel_pool
from nborch.settings import KernelSettings

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals and sockets of POSIX"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def run(*sources, **options):
    """Run cells; return what each of them printed or showed."""
    nb = new_notebook(cells=[new_code_cell(source) for source in sources])
    reports = run_cells(
        nb, kernel_name="python3", listener=Silent(), **{"env": {}, **options}
    )
    assert [report.outcome for report in reports] == [CellOutcome.COMPLETED] * len(
        nb.cells
    )
    return [
        "".join(o.get("text") or o["data"]["text/plain"] for o in cell.outputs)
        for cell in nb.cells
    ]


@pytest.fixture(autouse=True)
def _nborch_is_found(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


PID = "import os; print(os.getpid(), end='')"

#: Whatever a cell can see of its kernel, as far as two cold ones agree about it.
SEEN = {
    "folder": "__import__('os').getcwd()",
    "variables": "dict(__import__('os').environ)",
    "path": "__import__('sys').path",
    "a module beside the notebook": "__import__('mine').VALUE",
    "arguments": "[a for a in __import__('sys').argv if 'json' not in a and 'extra_ext' not in a]",
    "flags": "str(__import__('sys').flags)",
    "warnings": "str(__import__('warnings').filters)",
    "names": "sorted(globals())",
    "hidden names": "sorted(get_ipython().user_ns_hidden)",
    "inputs": "str(In)",
    "outputs": "str(Out)",
    "count": "get_ipython().execution_count",
    "history": "list(get_ipython().history_manager.get_range(output=True))",
    "last": "[str(globals().get(n)) for n in ('_', '__', '_i', '_ii', '_exit_code')]",
    "extensions": "sorted(get_ipython().extension_manager.loaded)",
    "magics": "sorted(get_ipython().magics_manager.magics['cell'])",
    "streams": "[str(type(s)) + s.encoding for s in (__import__('sys').stdout, __import__('sys').stderr)]",
    "signals": "[str(__import__('signal').getsignal(n)) for n in (2, 15, 14)]",
    "mask": "(m := __import__('os').umask(0), __import__('os').umask(m))[0]",
    "limits": "[__import__('resource').getrlimit(n) for n in range(8)]",
    "threads": "sorted(t.name for t in __import__('threading').enumerate() if 'nborch' in t.name)",
    "modules": "sorted(m for m in __import__('sys').modules if 'nborch' in m)",
    "random": "__import__('random').random() != __import__('random').random()",
    "time zone": "__import__('time').tzname",
    "temporary": "__import__('tempfile').gettempdir()",
}
LOOK = f"import json\nprint(json.dumps({{{', '.join(f'{name!r}: {code}' for name, code in SEEN.items())}}}))"


def test_a_warm_kernel_is_like_a_cold_one(tmp_path, monkeypatch):
    """A notebook cannot tell whether its kernel was warm, whatever it looks at."""
    (tmp_path / "mine.py").write_text("VALUE = 'beside'")
    (tmp_path / "extends.py").write_text(
        "def load_ipython_extension(shell): shell.user_ns['pushed'] = 1"
    )
    monkeypatch.setenv("GONE", "before the run")
    monkeypatch.setenv("CHANGED", "before")
    with KernelPool(size=1) as pool:
        assert pool.wait(), pool.trouble
        monkeypatch.delenv("GONE")
        monkeypatch.setenv("CHANGED", "after")
        options = {
            "cwd": str(tmp_path),
            "env": {"NEW": "of this run", "TERM": "other"},
            "extensions": ["nborch", "extends"],
        }

        waits = pool._warm[0].process.popen.pid
        warm, first, taken = run(LOOK, "'x'", PID, **options)
        assert taken == str(waits), "it was not taken"
    cold, _ = run(LOOK, "'x'", **options)

    cold, warm = json.loads(cold), json.loads(warm)
    for seen in (cold, warm):
        assert seen["folder"] == str(tmp_path)
        assert seen["variables"]["CHANGED"] == "after"
        assert "GONE" not in seen["variables"]
    assert warm == cold
    assert first == "'x'"


def test_each_kernel_is_used_once_and_replaced():
    """A kernel that was taken is never given to another notebook."""
    with KernelPool(size=1) as pool:
        pids = []
        for _ in range(2):
            assert pool.wait(), pool.trouble
            waits = pool._warm[0].process.popen.pid
            pids += run(PID)
            assert pids[-1] == str(waits)

    assert len(set(pids)) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells")
def test_the_variables_of_a_run_are_for_no_other():
    """A kernel that is started after a run has nothing of that run's own variables."""
    reads = (
        "print('hidden' in open('/proc/self/environ').read(), os.environ.get('TOKEN'))"
    )
    with KernelPool(size=1) as pool:
        assert pool.wait(), pool.trouble

        first = run("import os; print(os.environ['TOKEN'])", env={"TOKEN": "hidden"})
        assert pool.wait(), pool.trouble
        second = run(f"import os; {reads}")

    assert (first, second) == (["hidden\n"], ["False None\n"])


def test_a_kernel_that_does_not_fit_is_not_given():
    """Other variables that Python reads at its start need another kernel, from then on."""
    with KernelPool(size=1) as pool:
        assert pool.wait(), pool.trouble
        waits = pool._warm[0].process.popen.pid
        env = {"PYTHONHASHSEED": "7"}

        cold = run("import os; print(hash('a'), os.getpid(), end='')", env=env)[
            0
        ].split()
        assert pool.wait(), pool.trouble
        fits = pool._warm[0].process.popen.pid
        warm = run("import os; print(hash('a'), os.getpid(), end='')", env=env)[
            0
        ].split()

    assert warm[0] == cold[0]
    assert len({str(waits), cold[1], warm[1]}) == 3
    assert warm[1] == str(fits)


class Spec:
    """A kernel specification."""

    argv = ("python", "-m", "ipykernel_launcher")
    env: ClassVar = {}


ALIKE = [
    # what differs, whether one kernel can stand in for the other
    ({"NBORCH_HOME": "/other", "ANY": "1"}, True),
    ({"PYTHONUTF8": "1"}, False),
    ({"TZ": "Asia/Tokyo"}, False),
    ({"LC_ALL": "C"}, False),
    ({"OMP_NUM_THREADS": "1"}, False),
    ({"TMPDIR": "/var/tmp"}, False),
]


@pytest.mark.parametrize(("differs", "alike"), ALIKE)
def test_what_two_kernels_must_have_in_common(differs, alike, tmp_path):
    """Variables that are read at the start count, and all of them if code runs early."""
    env = {"HOME": str(tmp_path), "PATH": "/bin"}
    one, other = Wish("k", env, "/a"), Wish("k", {**env, **differs}, "/b")

    assert (one.blueprint(Spec, ()) == other.blueprint(Spec, ())) is alike
    assert one.blueprint(Spec, ()) != one.blueprint(Spec, ("pandas",))
    # What pandas reads when it is imported, nobody knows
    assert one.blueprint(Spec, ("pandas",)) != other.blueprint(Spec, ("pandas",))
    # A file that IPython runs at the start sees the folder, too
    assert one.blueprint(Spec, ()) == Wish("k", env, "/b").blueprint(Spec, ())
    startup = tmp_path / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "first.py").touch()
    assert one.blueprint(Spec, ()) != Wish("k", env, "/b").blueprint(Spec, ())
    # A path that is relative means another folder for each
    relative = Wish("k", {**env, "PYTHONPATH": "src"}, "/a")
    assert relative.blueprint(Spec, ()) is None


def test_a_waiting_kernel_dies_or_grows_old(until):
    """A dead kernel is given to nobody; one that is too old makes room for another."""
    with KernelPool(size=1, preload=["colorsys"]) as pool:
        assert pool.wait(), pool.trouble
        dead = pool._warm[0].process.popen
        os.killpg(dead.pid, signal.SIGKILL)
        dead.wait()

        asked = "import sys; print(os.getpid(), 'colorsys' in sys.modules, end='')"
        first = run(f"import os; {asked}")[0].split()
        assert pool.wait(), pool.trouble
        # And modules are there before they are asked for
        second = run(f"import os; {asked}")[0].split()
        assert pool.wait(), pool.trouble
        old = pool._warm[0].process.popen
        pool.max_age_seconds = 0.01
        pool.resize(1)
        assert until(lambda: old.poll() is not None)
        pool.max_age_seconds = 60

    assert (first[1], second[1]) == ("False", "True")


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A kernel that writes a line when it is started, and ends or never answers."""

    def install(then):
        folder = tmp_path / "kernels" / "broken"
        folder.mkdir(parents=True)
        code = f"import sys, time; open({str(tmp_path / 'starts')!r}, 'a').write('x'); {then}"
        argv = [sys.executable, "-c", code, "ipykernel", "{connection_file}"]
        spec = {"argv": argv, "language": "python", "display_name": "broken"}
        (folder / "kernel.json").write_text(json.dumps(spec))
        monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
        return tmp_path / "starts"

    return install


def test_a_kernel_that_does_not_start_is_not_started_for_ever(broken, until):
    """After each failure a pool waits twice as long, and says what the trouble is."""
    starts = broken("sys.exit(1)")

    with KernelPool(size=2, kernel="broken") as pool:
        assert until(lambda: pool._misses >= 2)
        count = len(starts.read_text())

        # Two at the start and two a second later; then it waits for two seconds
        assert 4 <= count <= 6
        assert pool._not_before > time.monotonic()
    assert "'broken' did not start" in str(pool.trouble)


def test_a_notebook_whose_kernel_never_answers(broken, tmp_path):
    """A kernel that runs but does not answer in time is an error, and is ended."""
    starts = broken(
        f"print(__import__('os').getpid(), file=open({str(tmp_path / 'pid')!r}, 'w'), flush=True); time.sleep(60)"
    )
    nb = new_notebook(cells=[new_code_cell("1")])

    with pytest.raises(CrashedRun, match=r"'broken' did not answer within 1 seconds"):
        run_cells(
            nb, kernel_name="broken", listener=Silent(), startup_timeout_seconds=1
        )

    assert starts.read_text() == "x"
    assert is_gone((tmp_path / "pid").read_text().strip())


def test_a_kernel_that_never_answers_is_given_up(broken, until, monkeypatch):
    """A kernel that runs but does not answer is killed, and no other is tried at once."""
    monkeypatch.setattr(warming, "_READY_SECONDS", 0.3)
    starts = broken("time.sleep(60)")

    with KernelPool(size=1, kernel="broken") as pool:
        assert until(lambda: pool._misses == 1)
        assert len(starts.read_text()) == 1
        assert pool.ready == 0


def test_a_taken_kernel_that_does_not_answer_is_replaced(monkeypatch):
    """A notebook whose warm kernel hangs gets a cold one and does not notice."""
    monkeypatch.setattr("nborch.notebook.launch._WARM_SECONDS", 0.3)
    with KernelPool(size=1) as pool:
        assert pool.wait(), pool.trouble
        hung = pool._warm[0].process.popen
        os.kill(hung.pid, signal.SIGSTOP)

        pid, said = run(PID, "print('here', end='')")

    assert (said, pid != str(hung.pid)) == ("here", True)
    assert hung.wait(5) == -signal.SIGKILL


OWNER = """
    import sys, time
    from nborch.notebook.kernels.pool import KernelPool

    pool = KernelPool(size=1).start()
    assert pool.wait(), pool.trouble
    print(pool._warm[0].process.popen.pid, pool._warm[0].process.folder, flush=True)
    if sys.argv[1] == "waits":
        time.sleep(60)
"""


@pytest.mark.parametrize("end", ["killed", "ends"])
def test_a_pool_ends_with_its_process(script, until, end):
    """Whatever becomes of the process that owns a pool, its kernels are gone at once."""
    owner = script(OWNER, "waits" if end == "killed" else "ends")
    pid, folder = owner.stdout.readline().split()

    if end == "killed":
        owner.kill()
    owner.wait(20)

    assert until(lambda: is_gone(pid), timeout=5)
    assert (end == "killed") == Path(folder).exists()


def is_gone(pid):
    """Whether a process has ended, even if nobody has buried it."""
    asked = subprocess.run(
        ["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip()[:1] in {"", "Z"}


def test_the_pool_of_a_process():
    """There is one pool for all; settings say how large it is, or that there is none."""
    none = kernel_pool(3, KernelSettings(pool=0))
    assert (none.is_open, none.size) == (False, 0)

    pool = kernel_pool(1, KernelSettings())
    try:
        assert (pool.is_open, pool.size) == (True, 1)
        assert kernel_pool(2, KernelSettings()) is pool
        assert pool.size == 2
    finally:
        pool.close()
    with pytest.raises(InvalidDeclaration, match="cannot have -1 kernels"):
        KernelPool(-1)
