"""What is said of a cell's error and of a kernel's death."""

import pytest

from nborch.notebook.kernels.deaths import describe_death
from nborch.notebook.reports import CellError, CellOutcome, crash_line, error_line

TWO_LINES = "x = 1\n1 / 0"

LINES = [
    # traceback, execution count, source, line
    (["Cell In[3], line 2"], 3, TWO_LINES, 2),
    (["Cell In [3], line 2"], 3, TWO_LINES, 2),
    (
        [
            "\x1b[36mCell\x1b[39m\x1b[36m \x1b[39m\x1b[32mIn[3]\x1b[39m\x1b[32m, line 2\x1b[39m"
        ],
        3,
        TWO_LINES,
        2,
    ),
    (["Cell In[3], line 1", "Cell In[3], line 2, in f()"], 3, TWO_LINES, 2),
    (["Cell In[3], line 1", "Cell In[2], line 9, in f()"], 3, TWO_LINES, 1),
    (["Cell In[13], line 1"], 3, TWO_LINES, None),
    (["Cell In[3], line 7"], 3, TWO_LINES, None),  # no such line: another text
    (["Cell In[3], line 2"], None, TWO_LINES, None),
    (["File <timed exec>:1"], 3, TWO_LINES, None),
    (["Cell In[3], line 1", "File <timed exec>:1"], 3, "%%time\n1 / 0", 2),
    ([], 3, TWO_LINES, None),
]


@pytest.mark.parametrize(("traceback", "count", "source", "line"), LINES)
def test_error_line(traceback, count, source, line):
    """The line of an error is the last one of the traceback within the very cell."""
    assert error_line(traceback, count, source) == line


CRASHES = [
    (
        '  File "/x/numpy.py", line 9 in f\n  File "/tmp/ipykernel_7/42.py", line 2 in <module>',
        2,
    ),
    (
        '  File "/tmp/ipykernel_7/41.py", line 1 in f\n  File "/tmp/ipykernel_7/42.py", line 2 in <module>',
        2,
    ),
    ('  File "/tmp/ipykernel_7/42.py", line 9 in <module>', None),
    ('  File "/x/run.py", line 1 in <module>', None),
    ("", None),
]


@pytest.mark.parametrize(("words", "line"), CRASHES)
def test_crash_line(words, line):
    """The line of a crash is that of the cell which the fault handler names last."""
    assert crash_line(words, TWO_LINES) == line


DEATHS = [
    (None, None, "The kernel died."),
    (0, None, "The kernel ended with exit code 0."),
    (3, True, "The kernel ended with exit code 3."),
    (-9, True, "killed by SIGKILL, most likely because it ran out of memory."),
    (-9, False, "killed by SIGKILL; the system was not short of memory at that time."),
    (-9, None, "likely ran out of memory, or that somebody killed it."),
    (-11, None, "killed by SIGSEGV: compiled code in it crashed."),
    (-15, None, "killed by SIGTERM."),
    (-250, None, "killed by signal 250."),
]


@pytest.mark.parametrize(("code", "out_of_memory", "words"), DEATHS)
def test_death(code, out_of_memory, words):
    """A kernel's death is told by its exit code or its signal, with the likely reason."""
    assert describe_death(code, out_of_memory=out_of_memory).endswith(words)


def test_which_outcomes_end_a_run():
    """Every outcome but success and a cell left out ends the run."""
    going_on = {outcome for outcome in CellOutcome if not outcome.ends_the_run}

    kept = CellOutcome.KEPT
    assert going_on == {CellOutcome.COMPLETED, CellOutcome.NOT_RUN, kept}


def test_error_of_a_reply():
    """A reply becomes an error that knows its line and what stands there."""
    reply = {
        "ename": "ZeroDivisionError",
        "evalue": "division by zero\nmore",
        "traceback": ["Cell In[4], line 2"],
    }

    error = CellError.from_reply(reply, "x = 1\n    1 / 0  ", 4)

    assert (error.line, error.source_line) == (2, "1 / 0")
    assert error.headline == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    ("message", "quiet"),
    [("", True), ("0", True), ("None", True), ("1", False), ("bye", False)],
)
def test_which_exits_are_quiet(message, quiet):
    """Only an exit without a code, or with 0, is no failure."""
    assert CellError("SystemExit", message).stops_quietly is quiet
    assert not CellError("ValueError", message).stops_quietly
