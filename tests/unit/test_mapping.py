"""Mapping: the arguments of each call of a map."""

import inspect
import io
from types import SimpleNamespace

import pytest
from pydantic import BaseModel

from nborch.annotations import allow_failure, quote, unmapped
from nborch.exceptions import (
    MappingError,
    MappingLengthMismatch,
    MappingMissingIterable,
    ParameterBindError,
)
from nborch.mapping import mapped
from nborch.states import Completed


def add(a, b=0, *rest, **more):
    return a, b, rest, more


def calls(*args, **kwargs):
    """Return what add() would be called with, in turn."""
    rows = mapped(inspect.signature(add), args, kwargs, "Task 'add'")
    return [(*args, kwargs) for args, kwargs in rows]


class Model(BaseModel):
    a: int = 1


class Table:
    """Iterates over the names of its columns, as tables do."""

    columns = ("a", "b")

    def __iter__(self):
        return iter(self.columns)


@pytest.mark.parametrize(
    ("items", "values"),
    [
        ([1, 2], [1, 2]),
        ((1, 2), [1, 2]),
        (range(2), [0, 1]),
        ((n for n in "ab"), ["a", "b"]),
        ({1: "x", 2: "y"}.keys(), [1, 2]),
        ({1: "x"}.items(), [(1, "x")]),
        (frozenset([5]), [5]),
        (map(str, [1]), ["1"]),
        (Completed(data=[1, 2]), [1, 2]),
    ],
)
def test_iterables_are_mapped_over(items, values):
    """Each call gets an item of whatever can be iterated over."""
    assert calls(items, 10) == [(value, 10, {}) for value in values]


@pytest.mark.parametrize(
    "value",
    [
        5,
        None,
        "text",
        b"bytes",
        bytearray(b"bytes"),
        {"a": 1},
        io.StringIO("a\nb"),
        Model(),
        Table(),
        SimpleNamespace(),
    ],
)
def test_single_values_go_to_every_call(value):
    """Texts, mappings, files, models and tables are one value each."""
    assert calls([1, 2], value) == [(1, value, {}), (2, value, {})]
    assert calls([1], more=value) == [(1, {"more": value})]


def test_what_is_unmapped_goes_to_every_call():
    """unmapped() makes a list one value."""
    assert calls([1, 2], unmapped([3, 4])) == [(1, [3, 4], {}), (2, [3, 4], {})]
    assert unmapped([3, 4])[5] == [3, 4]


def test_marks_go_to_each_item():
    """What is marked is mapped over, and each item has the mark."""
    assert calls(allow_failure([1, 2])) == [
        (allow_failure(1), {}),
        (allow_failure(2), {}),
    ]
    assert calls(quote([1]), quote("x")) == [(quote(1), quote("x"), {})]


def test_names_and_rest_are_mapped_too():
    """Arguments by name, and those beyond the parameters, are like others."""
    assert calls([1, 2], [3, 4], [5, 6], word=["a", "b"]) == [
        (1, 3, 5, {"word": "a"}),
        (2, 4, 6, {"word": "b"}),
    ]


def test_lengths_must_be_equal():
    """Lists of different lengths are told with the length of each."""
    with pytest.raises(MappingLengthMismatch) as caught:
        calls([1, 2], b=[1, 2, 3])

    assert "argument 1 has 2, 'b' has 3. Wrap" in str(caught.value)
    assert isinstance(caught.value, MappingError | ValueError)


@pytest.mark.parametrize("value", [1, "text", unmapped([1, 2]), {"a": 1}])
def test_something_must_be_iterable(value):
    """Without anything to map over there is nothing to be called."""
    with pytest.raises(MappingMissingIterable, match="Task 'add' was given none"):
        calls(value)


def test_an_empty_list_makes_no_call():
    """A map over nothing is empty."""
    assert calls([]) == []
    assert calls([], 1, more=[]) == []


def test_wrong_arguments_are_told_before_any_call():
    """What does not fit is told once, and not by each call."""

    def one(a):
        return a

    with pytest.raises(ParameterBindError, match="Task 'one'"):
        mapped(inspect.signature(one), ([1], [2]), {}, "Task 'one'")
