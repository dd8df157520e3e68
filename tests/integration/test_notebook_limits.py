"""Notebooks that may not run for ever, or not to their end: limits, and early stops."""

import os
import time
from pathlib import Path

import pytest
from listeners import Silent
from nbformat.v4 import new_code_cell, new_notebook

from nborch.exceptions import InvalidDeclaration, MissingContextError
from nborch.notebook.client import CellOutcome, run_cells
from nborch.notebook.execution import NotebookRun
from nborch.notebook.stopping import stop

COMPLETED, FAILED, CRASHED, CANCELLED, TIMED_OUT, NOT_RUN, KEPT = CellOutcome
ROOT = str(Path(__file__).resolve().parents[2])

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals and sockets of POSIX"),
    # Other packages' event loops and sockets, not ours to fix.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def book(*sources):
    """A notebook of code cells; a tuple is a source with its tags."""
    cells = [
        new_code_cell(source, metadata={"tags": list(tags)})
        for source, *tags in (s if isinstance(s, tuple) else (s,) for s in sources)
    ]
    return new_notebook(cells=cells)


def run(nb, **limits):
    env = {"PYTHONPATH": ROOT}
    return run_cells(nb, kernel_name="python3", env=env, listener=Silent(), **limits)


def outcomes(reports):
    return [report.outcome for report in reports]


def shown(cell):
    return [output.output_type for output in cell.outputs]


STUBBORN = """
import time
while True:
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        print("not now", flush=True)
"""
COMPILED = "sum(range(10**12))"  # looks for no signals


def test_a_cell_has_a_limit_of_its_own():
    """A cell's own time limit holds for it, and the run's for the others."""
    nb = book(
        ("import time; time.sleep(0.8)", "timeout=none"),
        ("time.sleep(60)", "raises-exception"),
        "1",
    )

    reports = run(nb, timeout_seconds=0.5)

    # Then no tag makes a cell that takes too long a success
    assert outcomes(reports) == [COMPLETED, TIMED_OUT, NOT_RUN]
    assert reports[1].error.headline == (
        "TimeoutError: The cell took longer than 0.5 s."
    )
    # And who reads the notebook sees why it was interrupted, and where
    error = nb.cells[1].outputs[-1]
    assert (error.ename, error.evalue) == ("TimeoutError", reports[1].error.message)
    assert "time.sleep(" in "".join(error.traceback)


@pytest.mark.parametrize("source", [STUBBORN, COMPILED], ids=["stubborn", "compiled"])
def test_the_whole_run_has_a_limit(source):
    """When the run's time is up, its cell is interrupted, and killed if it must be."""
    nb = book("1", source, "2")
    started = time.monotonic()

    reports = run(nb, total_seconds=2.5, timeout_seconds=50, grace_seconds=0.5)

    assert outcomes(reports) == [COMPLETED, TIMED_OUT, NOT_RUN]
    told = reports[1].error.message
    assert told.startswith("The run took longer than 2.5 s.")
    assert "so the kernel was killed" in told
    assert time.monotonic() - started < 20


def test_time_is_up_before_the_first_cell():
    """A run whose time is up while its kernel starts is over, and no cell has run."""
    nb = book("print('never')", "2")

    reports = run(nb, total_seconds=0.05)

    assert outcomes(reports) == [TIMED_OUT, NOT_RUN]
    assert "before this cell could start" in reports[0].error.message
    assert shown(nb.cells[0]) == ["error"]


def test_a_wrong_limit_is_told_before_the_run():
    """A time limit that is no number is an error before a kernel is started."""
    nb = book("print('never')", ("2", "timeout=soon"))

    with pytest.raises(InvalidDeclaration, match="Cell 2 has the time limit 'soon'"):
        run(nb)

    assert nb.cells[0].outputs == []


STOPS = {
    "swallowed by except": (
        "import nborch\nprint('so far')\n"
        "try:\n    nborch.stop('no new rows')\nexcept Exception:\n    print('bad')"
    ),
    "timed": ("%%time\nimport nborch\nprint('so far')\nnborch.stop('no new rows')"),
    "in a task": (
        "import nborch\nprint('so far')\n"
        "@nborch.task\ndef look():\n    nborch.stop('no new rows')\nlook()"
    ),
    "a cell task": (
        "%%task look\nimport nborch\nprint('so far')\nnborch.stop('no new rows')"
    ),
}


@pytest.mark.parametrize("source", STOPS.values(), ids=STOPS)
def test_stopping_early_is_a_success(source, home, tmp_path):
    """nborch.stop() ends the run Completed, with the reason and without an error."""
    nb = book(source, "print('never')")
    report = NotebookRun(home, str(tmp_path / "report.ipynb"))

    state = report.execute(nb, "python3", str(tmp_path))

    assert (state.type, state.name) == ("COMPLETED", "StoppedEarly")
    assert state.message == "no new rows"
    assert outcomes(report.reports) == [COMPLETED, NOT_RUN]
    # And the cell shows what it printed, and a notice in place of an error
    first = nb.cells[0].outputs
    assert first[0].text == "so far\n"
    assert "error" not in shown(nb.cells[0])
    notices = [o for o in first if "stopped early" in str(o.get("data"))]
    assert len(notices) == 1
    assert notices[0].data["text/plain"] == "stopped early · no new rows"
    assert nb.cells[1].outputs == []
    # And it is known by the store
    record = home.store.record(report.context.run.id)
    children = home.store.children(record.run.id)
    assert record.state.name == "StoppedEarly"
    assert [child.state.name for child in children][1] == "NotRun"
    assert children[0].state.is_completed()


def test_leaving_shows_a_notice():
    """sys.exit(0) is an early stop without a reason; sys.exit(3) is a failure."""
    left, failed = book("import sys\nprint(1)\nsys.exit(0)", "2"), book("exit_code = 3")
    failed.cells[0].source = "import sys; sys.exit(3)"

    reports = run(left)

    assert outcomes(reports) == [COMPLETED, NOT_RUN]
    assert shown(left.cells[0]) == ["stream", "display_data"]
    assert left.cells[0].outputs[1].data["text/plain"] == "stopped early"
    assert outcomes(run(failed)) == [FAILED]


def test_stopping_in_a_kernel_of_ones_own(kernel):
    """Where a person runs the cell, it ends without an error, and Run All with it."""
    ran = kernel("import nborch\nprint('so far')\nnborch.stop('no new rows')")

    # Then the front end is told that the cell did not end well, and shows no error
    assert not ran.ok
    assert ran.error is None
    assert ran.text("display_data") == "stopped early · no new rows"
    # And the next error is shown as ever
    assert "ZeroDivisionError" in kernel("1 / 0").error


def test_a_stop_that_is_caught(kernel):
    """Who catches the stop goes on, and later errors are shown as ever."""
    ran = kernel(
        "import nborch\ntry:\n    nborch.stop()\nexcept BaseException as error:\n"
        "    print(type(error).__name__)\n1 / 0"
    )

    assert ran.stdout == "StoppedEarly\n"
    assert "ZeroDivisionError" in ran.error


def test_stopping_outside_of_a_notebook(script):
    """In a program that is no notebook, the error says what to do in its place."""
    told = script("import nborch; nborch.stop('enough')").communicate(timeout=60)[1]

    assert "MissingContextError: nborch.stop() ends a notebook" in told
    assert "return Completed(name='StoppedEarly'" in told
    with pytest.raises(MissingContextError):
        stop()
