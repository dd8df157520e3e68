"""Annotations: marks on arguments, with Prefect's names."""

import pickle

import pytest

from nborch.annotations import (
    Annotation,
    NotSet,
    allow_failure,
    freeze,
    opaque,
    quote,
    unmapped,
)

MARKS = [allow_failure, freeze, opaque, quote, unmapped]


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_is_taken_off_again(mark):
    """Whatever the mark, unwrap() gives the value itself."""
    value = [1, 2]

    assert mark(value).unwrap() is value
    assert mark(value).value is value
    assert isinstance(mark(value), Annotation)
    assert repr(mark("x")) == f"{mark.__name__}('x')"


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_travels(mark):
    """A marked value can be pickled."""
    copy = pickle.loads(pickle.dumps(mark([1])))

    assert copy == mark([1])
    assert type(copy) is mark


def test_marks_are_equal_if_kind_and_value_are():
    """Different marks on the same value are different."""
    assert quote(1) == quote(1)
    assert quote(1) != quote(2)
    assert quote(1) != opaque(1)
    assert len({quote(1), quote(1), opaque(1)}) == 2


def test_marks_have_prefects_methods():
    """unquote(), unfreeze() and the item of an unmapped value are what they are there."""
    assert quote(1).unquote() == 1
    assert freeze(1).unfreeze() == 1
    assert unmapped("x")[7] == "x"


def test_not_set_is_one_value():
    """What stands for an argument that was not given is false, and one in the process."""
    assert not NotSet
    assert repr(NotSet) == "NotSet"
    assert pickle.loads(pickle.dumps(NotSet)) is NotSet
