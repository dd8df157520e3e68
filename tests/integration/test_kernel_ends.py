"""The end of kernels: seen at once, complete, and waited for by nobody."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from listeners import Silent
from nbformat.v4 import new_code_cell, new_notebook

from nborch.notebook.client import CellOutcome, run_cells
from nborch.notebook.kernels import lifelines
from nborch.notebook.kernels.lifelines import Lifeline
from nborch.notebook.kernels.pool import KernelPool

COMPLETED, FAILED, CRASHED = (
    CellOutcome.COMPLETED,
    CellOutcome.FAILED,
    CellOutcome.CRASHED,
)

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals and sockets of POSIX"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def run(*sources, **options):
    nb = new_notebook(cells=[new_code_cell(textwrap.dedent(s)) for s in sources])
    reports = run_cells(nb, kernel_name="python3", listener=Silent(), **options)
    return nb, reports


def is_gone(pid):
    """Whether a process has ended, even if nobody has buried it."""
    asked = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip()[:1] in {"", "Z"}


def refuse(*_):
    raise OSError("not here")


@pytest.mark.parametrize("way", ["of the system", "a process that watches"])
def test_a_lifeline(way, monkeypatch):
    """A process group ends with the line it hangs on, and not before."""
    if way == "a process that watches":
        monkeypatch.setattr(lifelines, "_signal_on_end", refuse)
    line = Lifeline()
    group = subprocess.Popen(
        ["sh", "-c", "sleep 60 & sleep 60"],
        pass_fds=line.ends,
        start_new_session=True,
    )
    line.tie(group.pid)
    assert (line._watcher is None) == (
        way == "of the system"
    ) or sys.platform != "linux"
    # A child of ours that inherits nothing changes nothing
    subprocess.run(["true"], check=True)
    assert group.poll() is None

    line.cut()

    assert group.wait(5) == -signal.SIGKILL


RUNNER = """
    import sys
    from nborch.notebook.kernels import lifelines
    from test_kernel_ends import refuse, run

    if sys.argv[1] == "watched":
        lifelines._signal_on_end = refuse
    run(open(sys.argv[2]).read())
"""

# The child has left the terminal, but not the kernel's group; the last line holds on to
# the interpreter for longer than anybody waits.
STUBBORN = """
    import os, re, subprocess, signal, sys
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "60"])
    with open("pids", "w") as file:
        file.write(f"{os.getpid()} {child.pid} ")
    re.match(r"(a+)+$", "a" * 40 + "b")
"""


@pytest.mark.parametrize("way", ["linux", "watched"])
def test_nothing_outlives_a_runner_that_is_killed(way, script, tmp_path, until):
    """SIGKILL of a run ends its kernel and what its cells started, whatever they do."""
    if way == "linux" and sys.platform != "linux":
        pytest.skip("Linux sends the signal itself")
    source, pids = tmp_path / "source", tmp_path / "pids"
    source.write_text(textwrap.dedent(STUBBORN))
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    runner = script(RUNNER, way, source, PYTHONPATH=paths)
    assert until(lambda: pids.exists() and pids.read_text().endswith(" ")), (
        runner.communicate(timeout=5)
    )
    kernel, child = pids.read_text().split()
    assert not is_gone(kernel)
    assert not is_gone(child)

    runner.kill()
    runner.wait()

    assert until(lambda: is_gone(kernel) and is_gone(child), timeout=5)


DEATHS = [
    ("os.kill(os.getpid(), 9)", "SIGKILL"),
    ("os._exit(0)", "exit code 0"),
]


@pytest.mark.parametrize(("dies", "told"), DEATHS)
def test_a_kernel_that_dies_takes_its_children_along(dies, told, tmp_path, until):
    """A kernel's death is seen at once, and what its cells had started is ended."""
    source = f"""
        import os, subprocess, time
        child = subprocess.Popen(["sleep", "60"])
        with open("noted", "w") as file:
            file.write(f"{{child.pid}} {{time.time()}}")
        {dies}
    """

    _, reports = run(source, "'not run'", cwd=str(tmp_path))

    seen = time.time()
    child, died = (tmp_path / "noted").read_text().split()
    assert [report.outcome for report in reports] == [CRASHED, CellOutcome.NOT_RUN]
    assert told in reports[0].error.message
    assert seen - float(died) < 1.5
    assert until(lambda: is_gone(child), timeout=3)


def test_a_kernel_without_memory():
    """A cell that asks for more memory than it may have fails; the runner lives on."""
    limit = "resource.setrlimit(resource.RLIMIT_AS, (3 * 10**9, -1))"

    _, reports = run(f"import resource; {limit}", "x = bytearray(10**10)", "1")
    _, again = run("x = bytearray(10)")

    assert [r.outcome for r in reports] == [COMPLETED, FAILED, CellOutcome.NOT_RUN]
    assert reports[1].error.name == "MemoryError"
    assert [r.outcome for r in again] == [COMPLETED]


def test_nobody_waits_for_exit_handlers(tmp_path, until):
    """A run is over when its cells are; exit handlers run on, within their time."""
    lasts = f"import atexit, time, os; print(os.getpid(), end='')\n@atexit.register\ndef _():\n    time.sleep(1.5)\n    open({str(tmp_path / 'done')!r}, 'w').close()"

    nb, reports = run(lasts)

    pid = nb.cells[0].outputs[0].text
    assert [report.outcome for report in reports] == [COMPLETED]
    assert not (tmp_path / "done").exists()
    assert until((tmp_path / "done").exists, timeout=5)
    assert until(lambda: is_gone(pid), timeout=5)


def test_a_program_waits_for_exit_handlers(script, tmp_path):
    """A program whose last deed is a run ends when the kernel's exit handlers have run."""
    source = tmp_path / "source"
    source.write_text(
        "import atexit, time\n@atexit.register\ndef _():\n    time.sleep(1.5)\n    open('done', 'w').close()"
    )
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])

    runner = script(RUNNER, "plain", source, PYTHONPATH=paths)
    told = runner.communicate(timeout=30)

    assert (runner.returncode, told) == (0, ("", ""))
    assert (tmp_path / "done").exists()


@pytest.mark.slow
def test_twelve_kernels_at_once():
    """Twelve notebooks begin at the same time, four of them in warm kernels."""
    with KernelPool(size=4) as pool, ThreadPoolExecutor(12) as threads:
        assert pool.wait(), pool.trouble
        asked = [
            threads.submit(run, f"import os; print({n}, os.getpid())")
            for n in range(12)
        ]
        told = [each.result() for each in asked]

    assert all(reports[0].outcome is COMPLETED for _, reports in told)
    said = [nb.cells[0].outputs[0].text.split() for nb, _ in told]
    assert [int(n) for n, _ in said] == list(range(12))
    assert len({pid for _, pid in said}) == 12
