"""What two cells could notice of each other: a table of pairs."""

import numpy as np
import pytest

from nborch.notebook.background.early import why_again
from nborch.notebook.background.touching import touched

ROWS = [1, [2]]
ARRAY = np.arange(9)


def _helper():
    return 1


@pytest.mark.parametrize(
    ("one", "other", "meets"),
    [
        pytest.param(("", {"a": ROWS}), ("", {"b": ROWS}), True, id="one object"),
        pytest.param(("", {"a": ROWS}), ("", {"b": ROWS[1]}), True, id="a part of it"),
        pytest.param(("", {"a": ROWS}), ("", {"b": [1, [2]]}), False, id="equal ones"),
        pytest.param(("", {"n": 1, "s": "x"}), ("", {"n": 1, "s": "x"}), False, id="what cannot change"),
        pytest.param(("", {"f": _helper}), ("", {"f": _helper}), False, id="a function both call"),
        pytest.param(("", {"a": ARRAY}), ("", {"b": ARRAY[2:5]}), True, id="a view of an array"),
        pytest.param(("", {"a": ARRAY[:3]}), ("", {"b": ARRAY[3:]}), False, id="views side by side"),
        pytest.param(("x.to_csv('a.csv')", {}), ("read_csv('a.csv')", {}), True, id="a file that is made"),
        pytest.param(("x.to_csv('a.csv')", {}), ("read_csv('b.csv')", {}), False, id="another file"),
        pytest.param(("read_csv('a.csv')", {}), ("open('a.csv')", {}), False, id="both only read"),
        pytest.param(("open(p, 'w')", {"p": "a.csv"}), ("open(p)", {"p": "a.csv"}), True, id="a path in a name"),
        pytest.param(("save(x)", {}), ("load()", {}), True, id="nobody knows which file"),
        pytest.param(("save(x)", {}), ("x + 1", {}), False, id="no files on one side"),
    ],
)  # fmt: skip
def test_what_meets(one, other, meets):
    """Cells meet where one could notice what the other does, whichever is first."""
    first, second = touched(*one), touched(*other)

    assert first.meets(second) is meets
    assert second.meets(first) is meets


def test_names_of_functions():
    """What a function looks up counts as read by who calls it."""
    scope = {"__name__": "__main__"}
    exec("def total():\n    return n + len(rows)", scope)

    assert touched("total()", {"total": scope["total"]}).names >= {"n", "rows", "total"}


def test_why_again():
    """Of why a cell ran again, what only seems out of date is left out."""
    assert (
        why_again("input `n` changed · on older `m`: `t` is stale")
        == "input `n` changed"
    )
    assert why_again("on older `m`: `t` is stale") is None
    assert why_again(None) is None
