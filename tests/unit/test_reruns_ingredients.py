"""What goes into a cell, and what tells two runs from each other."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nborch.cache.keys import cache_key
from nborch.notebook.ingredients import Ingredients, differences
from nborch.notebook.reached import reached

DIGESTS = st.text("0123456789abcdef", min_size=1, max_size=4)
INPUTS = st.dictionaries(st.sampled_from(["name x", "name y", "module m", "file f"]), DIGESTS)  # fmt: skip


def test_key():
    """The key is made of the body, the inputs and the options, and of nothing else."""
    one = Ingredients("b", {"name x": "1"}, {"sharing": "s"}, text="x")

    assert one.key == cache_key(body="b", inputs={"name x": "1"}, options={"sharing": "s"})  # fmt: skip
    assert one.with_found({"file f": "2"}).key == one.key


@given(DIGESTS, INPUTS, INPUTS)
def test_round_trip(body, inputs, found):
    """Ingredients come back from JSON as they were."""
    made = Ingredients(body, inputs, {"sharing": ""}, found, {"f": {"g": "1"}}, "x = 1")

    assert Ingredients.from_json(json.loads(json.dumps(made.to_json()))) == made


@given(INPUTS, INPUTS)
def test_differences_tell_keys_apart(one, other):
    """Two runs with the same code differ in an ingredient if and only if in the key."""
    old, new = Ingredients("b", one), Ingredients("b", other)

    assert bool(differences(old, new)) == (old.key != new.key)


A = {"name x": "1"}
#: name: (the old ingredients, the new ones, what is said)
TOLD = {
    "nothing": (Ingredients("b", A), Ingredients("b", A), []),
    "code": (Ingredients("b", A), Ingredients("c", A), ["its code changed"]),
    "an input": (Ingredients("b", A), Ingredients("b", {"name x": "2"}), ["input `x` changed"]),
    "a new input": (Ingredients("b", {"name x": "undefined"}), Ingredients("b", A), ["input `x` is new"]),
    "an input that is gone": (Ingredients("b", A), Ingredients("b", {"name x": "undefined"}), ["input `x` is gone"]),
    "a module": (Ingredients("b", {"module m": "1"}), Ingredients("b", {"module m": "2"}), ["module `m` changed"]),
    "what only one code reads": (Ingredients("b", A), Ingredients("c", {"name y": "1"}), ["its code changed"]),
    "a file that was found": (Ingredients("b", found={"file f": "1"}), Ingredients("b", found={"file f": "2"}), ["file `f` changed"]),
    "a file only one has found": (Ingredients("b", found={"file f": "1"}), Ingredients("b"), []),
    "what inputs share": (Ingredients("b", A, {"sharing": "1"}), Ingredients("b", A, {"sharing": ""}), ["its inputs share other parts"]),
    "an input and what it shares": (Ingredients("b", A, {"sharing": "1"}), Ingredients("b", {"name x": "2"}, {"sharing": "2"}), ["input `x` changed"]),
    "a helper": (Ingredients("b", A, reached={"x": {"x": "1", "g": "1"}}), Ingredients("b", {"name x": "2"}, reached={"x": {"x": "1", "g": "2"}}), ["input `x` changed, by `g`"]),
    "a function itself": (Ingredients("b", A, reached={"x": {"x": "1", "g": "1"}}), Ingredients("b", {"name x": "2"}, reached={"x": {"x": "2", "g": "1"}}), ["input `x` changed"]),
}  # fmt: skip


@pytest.mark.parametrize("name", TOLD)
def test_differences_are_told(name):
    """Each ingredient that differs is told in a few words, and nothing twice."""
    old, new, said = TOLD[name]

    assert [str(each) for each in differences(old, new)] == said


K = 1


def inner(value):
    return value + K


def outer(value):
    return inner(value)


class Scaler:
    def scale(self, value):
        return outer(value)


def test_functions_that_are_reached(monkeypatch):
    """Each function and small value that code reaches has a digest of its own."""
    before = reached(outer)
    assert set(before) == {"outer", "inner", "K"}

    monkeypatch.setitem(globals(), "K", 2)

    after = reached(outer)
    assert {n for n in after if after[n] != before[n]} == {"K"}


def test_methods_reach_functions():
    """Of a class all that its methods reach is told."""
    assert set(reached(Scaler)) == {"Scaler", "outer", "inner", "K"}


@pytest.mark.parametrize("value", [1, [outer], print, json])
def test_what_reaches_nothing(value):
    """What is no code of the user's reaches nothing."""
    assert reached(value) == {}
