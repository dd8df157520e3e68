"""Parameters: what a call gives becomes named values, shown safely."""

import inspect
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nborch.exceptions import ParameterBindError
from nborch.parameters import LONGEST, bind, shown


def clean(rows, /, columns=(), *rest, deep=False, **options):
    """Have one parameter of each kind."""


def narrow(rows, columns):
    """Take two."""


@pytest.mark.parametrize(
    ("args", "kwargs", "bound"),
    [
        (([1],), {}, {"rows": [1], "columns": (), "rest": (), "deep": False, "options": {}}),
        ((1, 2, 3), {"deep": True, "x": 4}, {"rows": 1, "columns": 2, "rest": (3,), "deep": True, "options": {"x": 4}}),
        ((1,), {"rows": 5}, {"rows": 1, "columns": (), "rest": (), "deep": False, "options": {"rows": 5}}),
    ],
)  # fmt: skip
def test_a_call_is_bound_as_python_binds_it(args, kwargs, bound):
    """Each parameter gets its value by name, defaults included."""
    assert bind(inspect.signature(clean), args, kwargs, "Task 'clean'") == bound


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((1,), {"colums": 2}, "Task 'narrow' got an unexpected argument 'colums'. Did you mean 'columns'?"),
        ((1,), {"zzz": 2}, "Task 'narrow' got an unexpected argument 'zzz'. Its parameters are: rows, columns."),
        ((1,), {}, "Task 'narrow' cannot be called like this: missing a required argument: 'columns'. Its signature is (rows, columns)."),
        ((1, 2, 3), {}, "Task 'narrow' cannot be called like this: too many positional arguments. Its signature is (rows, columns)."),
    ],
)  # fmt: skip
def test_a_call_that_does_not_fit_says_what_would(args, kwargs, message):
    """The error names the argument and the nearest parameter."""
    with pytest.raises(ParameterBindError) as told:
        bind(inspect.signature(narrow), args, kwargs, "Task 'narrow'")

    assert str(told.value) == message
    assert isinstance(told.value, TypeError)


class Rude:
    """An object that must not be looked at."""

    def __repr__(self):
        raise RuntimeError("do not look")

    __str__ = __repr__


RUDE = st.builds(Rude)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | RUDE
    # Built when drawn: an int of so many digits has no repr.
    | st.builds(pow, st.just(10), st.just(6000))
    | st.sampled_from(["x" * 10**5, b"x" * 10**5, range(9), print, Rude, float]),
    lambda inner: (
        st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=3))
def test_any_value_can_be_shown(parameters):
    """Whatever a call is given is shown as strict JSON of bounded length."""
    told = shown(parameters)

    assert told.keys() == parameters.keys()
    json.dumps(told, allow_nan=False)
    assert all(len(str(value)) <= LONGEST for value in told.values())


def test_a_value_within_itself_can_be_shown():
    """A list that contains itself is shown to a depth."""
    rows = []
    rows.append(rows)

    assert shown({"rows": rows}) == {"rows": "[[[list of 1]]]"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, 3), (True, True), (None, None), (1.5, 1.5), ("a", "a"),
        (float("nan"), "nan"), ([1, "a"], "[1, 'a']"), ((1,), "(1,)"), ({"a": 1}, "{'a': 1}"),
        (set(), "set()"), (frozenset({1}), "{1}"), (list(range(1000)), "list of 1000"),
        (b"x" * 1000, "bytes of 1000"), (10**6000, "<int>"), ("x" * 1000, "x" * 199 + "…"),
    ],
    ids=[str(number) for number in range(15)],
)  # fmt: skip
def test_values_are_shown_short(value, text):
    """Plain values are shown as they are, large ones by their size, objects by type."""
    assert shown({"value": value}) == {"value": text}


def test_an_object_is_shown_by_its_type():
    """The repr of a user's object is not asked for, not even within a list."""
    told = shown({"one": Rude(), "many": [Rude()]})

    assert told["one"].endswith(".Rude>")
    assert told["many"].endswith(".Rude>]")


def test_showing_a_large_collection_costs_nothing():
    """Items of a large list are not looked at."""
    assert shown({"rows": [Rude()] * 10**5}) == {"rows": "list of 100000"}
