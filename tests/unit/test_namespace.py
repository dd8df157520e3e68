"""What a cell did to its namespace, found by comparing before and after."""

# ruff: noqa: PD011, PLC3002 (no frames; closures made in a table)

import numpy as np
import pandas as pd
import pytest

from nborch.cache.fingerprints import fingerprint
from nborch.notebook.analysis import analyse
from nborch.notebook.effects.namespace import (
    Changes,
    Uncachable,
    changes,
    inputs_of,
    is_repeatable,
    is_shells,
    rebind,
)


def ran(cell, names):
    """Run a cell on a copy of these names; return what it changed, and the names."""
    analysis = analyse(cell)
    namespace = dict(names)
    fingerprints = {
        name: fingerprint(value) for name, value in inputs_of(analysis, names).items()
    }
    exec(compile(cell, "<cell>", "exec"), namespace)
    namespace.pop("__builtins__")
    return changes(analysis, names, namespace, fingerprints), namespace


def test_values():
    """The names that a cell binds are kept with their values."""
    made, _ = ran("y = x + 1; z = [y]", {"x": 1})

    assert made == Changes(values={"y": 2, "z": [2]})


def test_equal_value():
    """A name that is bound to an equal or to the same value is bound all the same."""
    made, _ = ran("y = 1", {"y": 1})

    assert made.values == {"y": 1}


def test_alias():
    """A second name of an input is kept as such, unless the value is a plain atom."""
    made, _ = ran("y = x; b = a", {"x": [1], "a": "text"})

    assert made == Changes(values={"b": "text"}, aliases={"y": "x"})


def test_changed_in_place():
    """Of an input that is changed in place, the new content is kept."""
    made, _ = ran("x.append(2); y = x", {"x": [1]})

    assert made == Changes(contents={"x": ("list", [1, 2])}, aliases={"y": "x"})


class Rows(list):
    """A list that may keep something besides its items."""


def test_changed_in_place_in_unknown_ways():
    """An input of a class that nobody can give a new content is bound anew."""
    made, _ = ran("x.append(2); y = x", {"x": Rows([1])})

    assert made.mutated == ("x",)
    assert made.values["x"] is made.values["y"]
    assert (made.aliases, made.contents) == ({}, {})


def test_changed_in_place_and_bound_anew():
    """A name that is bound anew after its object was changed is kept with both."""
    made, _ = ran("x.append(2); x = 5", {"x": [1]})

    assert made == Changes(values={"x": 5}, contents={"x": ("list", [1, 2])})
    with pytest.raises(Uncachable, match="changes 'x' in place and binds it anew"):
        ran("x.append(2); x = 5", {"x": Rows([1])})


def test_deleted():
    """A name that is deleted is noted, one that came and went among them."""
    made, _ = ran("del x; t = 1; del t", {"x": 1})

    assert made == Changes(deleted=("t", "x"))


def test_not_written():
    """A name on a way that was not taken is left alone."""
    made, _ = ran("if x: y = 2", {"x": 0, "y": 1})

    assert made == Changes()


def test_history_of_the_shell():
    """The names that IPython binds are nobody's outputs."""
    told = {
        name: is_shells(name) for name in ("_", "__", "_5", "_i", "_i5", "_ii", "Out")
    }

    assert set(told.values()) == {True}
    assert not any(map(is_shells, ["x", "_x", "_tmp", "i5", "__name__"]))


def test_definitions_in_values():
    """A class that is made by calling a function has to be made again."""
    with pytest.raises(Uncachable, match="makes the type 'C'"):
        ran("C = make()", {"make": lambda: type("C", (), {})})


def test_no_content_left():
    """An input that has become incomparable makes the cell uncachable, by name."""
    with pytest.raises(Uncachable, match="leaves 'x' with"):
        ran("import threading\nx.append(threading.Lock())", {"x": []})


def test_changed_helper():
    """A cell whose function changes a global of its own has to be run."""
    names = {"counts": []}
    exec("def count(): counts.append(1)", names)
    names.pop("__builtins__")

    with pytest.raises(Uncachable, match="changes what 'count' refers to"):
        ran("count()", names)


def test_two_inputs_that_are_one():
    """The content of an object that has two names is kept once."""
    rows = [1]

    made, _ = ran("a.append(2); n = len(b)", {"a": rows, "b": rows})

    assert made == Changes(values={"n": 2}, contents={"a": ("list", [1, 2])})


class Holder:
    """An object that refers to another."""

    def __init__(self, held):
        self.held = held


ROWS = [1]
LOOP = [1]
LOOP.append(LOOP)
ARRAY = np.zeros(5)
FRAME = pd.DataFrame({"a": [1.0, 2.0]})
#: Before pandas 3 a column is the frame's own memory.
COPIES = int(pd.__version__.partition(".")[0]) >= 3

#: name: (names, which of them is changed, whether giving its object a new content
#: does it, whether binding its names anew does)
REPEATABLE = {
    "nothing": ({"x": ROWS, "d": [ROWS]}, [], True, True),
    "alone": ({"x": ROWS, "z": [1]}, ["x"], True, True),
    "another name": ({"x": ROWS, "same": ROWS}, ["x"], True, True),
    "two names": ({"x": ROWS, "same": ROWS}, ["x", "same"], True, True),
    "in a dict": ({"x": ROWS, "d": {"k": ROWS}}, ["x"], True, False),
    "deep": ({"x": ROWS, "d": [({"k": [ROWS]},)]}, ["x"], True, False),
    "in an instance": ({"x": ROWS, "o": Holder(ROWS)}, ["x"], True, False),
    "in a closure": ({"x": ROWS, "f": (lambda rows: lambda: rows)(ROWS)}, ["x"], True, False),
    "in a default": ({"x": ROWS, "f": lambda rows=ROWS: rows}, ["x"], True, False),
    "an instance": ({"x": Holder(ROWS), "p": ROWS}, ["x"], False, False),
    "a part": ({"x": [ROWS], "p": ROWS}, ["x"], False, False),
    "a part in a closure": ({"x": [ROWS], "f": (lambda rows: lambda: rows)(ROWS)}, ["x"], False, False),
    "both hold a part": ({"x": [ROWS], "p": [ROWS]}, ["x"], False, False),
    "both are changed": ({"x": [ROWS], "p": [ROWS]}, ["x", "p"], True, True),
    "immutable parts": ({"x": [(1, "a")], "p": (1, "a")}, ["x"], True, True),
    "in the history": ({"x": ROWS, "Out": {1: ROWS}, "_1": ROWS, "_": ROWS}, ["x"], True, True),
    "with a view": ({"x": ARRAY, "v": ARRAY[1:]}, ["x"], True, False),
    "a view": ({"a": ARRAY, "x": ARRAY[1:][1:]}, ["x"], True, False),
    "two arrays": ({"x": ARRAY, "v": np.zeros(5)}, ["x"], True, True),
    "a frame": ({"x": FRAME, "v": FRAME["a"]}, ["x"], COPIES, COPIES),
    "a frame in a list": ({"x": FRAME, "v": [FRAME]}, ["x"], True, False),
    "a frame's memory": ({"x": FRAME, "v": FRAME["a"].to_numpy()}, ["x"], False, False),
    "a cycle": ({"x": LOOP, "z": []}, ["x"], True, True),
    "gone": ({"z": ROWS}, ["x"], True, True),
}  # fmt: skip


@pytest.mark.parametrize(
    ("names", "changed", "given", "anew"), REPEATABLE.values(), ids=REPEATABLE
)
def test_repeatable(names, changed, given, anew):
    """A change in place is repeated only if nothing else holds what would be left."""
    assert is_repeatable(names, [], changed) is given
    assert is_repeatable(names, changed) is anew


def test_new_content():
    """An object that the cell changed in place is given its content, whoever holds it."""
    x, held = [1], Holder(ROWS)
    namespace = {"x": x, "holder": {"k": x}, "held": held}
    made = Changes(
        contents={"x": ("list", [1, 2]), "held": ("attributes", Holder(3))},
        aliases={"y": "x"},
        inputs={"x": x, "held": held},
    )

    rebind(namespace, {"x": 5}, made)

    assert namespace["holder"]["k"] is namespace["y"] is x
    assert (x, held.held, namespace["x"]) == ([1, 2], 3, 5)


def test_rebind():
    """Rebinding does what the cell did: values, aliases, changes in place, deletions."""
    x, other = [1], {"o": 1}
    namespace = {"x": x, "same": x, "other": other, "gone": 1, "_1": x}
    made = Changes(
        aliases={"alias": "other"}, mutated=("x",), deleted=("gone", "never")
    )

    rebind(namespace, {"x": [1, 2], "y": 3}, made)

    assert namespace == {
        "x": [1, 2],
        "same": [1, 2],
        "other": other,
        "_1": [1],
        "y": 3,
        "alias": other,
    }
    assert namespace["same"] is namespace["x"]
    assert namespace["alias"] is other
