"""Prints: pieces of text become lines of a run's log."""

from contextvars import copy_context

import pytest

from nborch.lines import formatted
from nborch.outlets import Outlet, current_outlet, outlet_here

CASES = [
    (["a", " ", "1", "\n"], ["a 1"], "pieces of one print are one line"),
    (["a", "b", "\n", "c", "\n"], ["ab", "c"], "end='' joins the next print"),
    (["one\ntwo", "\n"], ["one\ntwo"], "what is printed at once stays together"),
    (["a\n", "\n", "  \n", "b\n"], ["a", "b"], "blank lines are left out"),
    (["a \t\n"], ["a"], "trailing space is left out"),
    (["  a\n"], ["  a"], "leading space stays"),
    (["a\r\n"], ["a"], "a Windows line end is a line end"),
    (["\r1 of 2", "\r2 of 2", "\n"], ["2 of 2"], "a progress bar is one line"),
    (["\r1 of 2\r2 of 2\n"], ["2 of 2"], "however it is written"),
    (["a"], ["a"], "an unfinished line is logged at the end"),
    ([], [], "nothing is nothing"),
]


@pytest.mark.parametrize(("pieces", "lines", "why"), CASES, ids=[c[2] for c in CASES])
def test_pieces_become_lines(pieces, lines, why):
    """A run's log has a line for each line that a terminal would show in the end."""
    logged = []
    outlet = Outlet(None, logged.append)

    for piece in pieces:
        outlet.write(piece)
    outlet.close()

    assert logged == lines, why


def test_a_line_that_never_ends_is_not_held():
    """A line without an end is logged in parts, so that it takes no memory."""
    logged = []
    outlet = Outlet(None, logged.append)

    for _ in range(1_000):
        outlet.write("x" * 1_000)

    assert sum(map(len, logged)) > 900_000
    assert max(map(len, logged)) < 100_000


def test_what_a_handler_prints_is_not_logged_again():
    """A handler that writes to the same outlet does not call itself for ever."""
    inner = []
    outlet = Outlet(object(), lambda line: inner.append(outlet_here()))

    def prints():
        current_outlet.set(outlet)
        outlet.write("line\n")

    copy_context().run(prints)

    assert inner == [None]


def test_a_line_is_printed_with_its_time_level_and_source():
    """Lines look the same at every level, and show milliseconds."""
    plain = formatted(1_000_000.5, 20, "Task run 'x'", "Finished")
    odd = formatted(1_000_000.0625, 25, "Task run 'x'", "Finished")

    assert plain[8:] == ".500 | INFO    | Task run 'x' - Finished"
    assert odd[8:] == ".062 | Level 25 | Task run 'x' - Finished"
