"""Nested values: what stands in them is found and replaced, and nothing else changes."""

import time
from collections import Counter, OrderedDict, defaultdict
from dataclasses import dataclass, field
from enum import Enum
from types import SimpleNamespace
from typing import ClassVar, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, RootModel

from nborch.nested import hold, replaced


class Token:
    """What is looked for."""


class Opaque:
    def __init__(self, value):
        self.value = value


class Many(list):
    def __init__(self, first, second):
        super().__init__([first, second])
        self.told = "kept"


class Two(tuple):
    __slots__ = ()

    def __new__(cls, first, second):
        return super().__new__(cls, (first, second))


class Labelled(frozenset):
    pass


class Pair(NamedTuple):
    left: object
    right: object


@dataclass
class Box:
    value: object
    made: int = field(init=False, default=3)
    shared: ClassVar[Token] = Token()


@dataclass(frozen=True, slots=True)
class Frozen:
    value: object


class Model(BaseModel):
    model_config = {"arbitrary_types_allowed": True}
    value: object
    _private: int = 5


class Root(RootModel):
    root: list


class Colour(Enum):
    RED = 1


def holds(value):
    return hold([value], (Token,), Opaque)


def replace(value):
    return replaced(value, (Token,), lambda _: 7)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda t: t, int),
        (lambda t: [t], list),
        (lambda t: (t, 1), tuple),
        (lambda t: {"a": t}, dict),
        (lambda t: {t: "a"}, dict),
        (lambda t: {t}, set),
        (lambda t: frozenset([t]), frozenset),
        (lambda t: OrderedDict(a=1, b=[t]), OrderedDict),
        (lambda t: defaultdict(list, {"a": [t]}), defaultdict),
        (lambda t: Counter({t: 2}), Counter),
        (lambda t: Pair(1, [t]), Pair),
        (lambda t: Many(1, t), Many),
        (lambda t: Two(1, t), Two),
        (lambda t: Labelled([t]), Labelled),
        (Box, Box),
        (lambda t: Box([Box(t)]), Box),
        (Frozen, Frozen),
        (lambda t: Model(value=[t]), Model),
        (lambda t: Root([t]), Root),
        (lambda t: [[[[{"a": ({"b": [t]},)}]]]], list),
    ],
)
def test_a_value_is_replaced_wherever_it_stands(make, kind):
    """Containers, dataclasses and models keep their type and the rest of them."""
    value = make(Token())

    new = replace(value)

    assert holds(value), "the original is as it was"
    assert new == make(7)
    assert type(new) is kind
    assert not holds(new)


@pytest.mark.parametrize(
    "value",
    [
        Opaque(Token()),
        SimpleNamespace(value=Token()),
        Token,
        Colour.RED,
        "text",
        b"bytes",
        lambda: Token(),  # noqa: PLW0108  # it refers to the class
        iter([Token()]),
    ],
)
def test_other_objects_are_not_looked_into(value):
    """What is no container, dataclass or model comes back as it is."""
    assert not holds(value)
    assert replace([value])[0] is value


def test_what_holds_nothing_comes_back_as_it_is():
    """Only what has changed is made anew; the parts beside it are the same objects."""
    plain = {"rows": [1, 2, {"a": (3,)}]}
    mixed = [plain, Token()]

    assert replace(plain) is plain
    assert replace(mixed)[0] is plain


def test_a_copy_keeps_what_it_does_not_hold_as_items():
    """Attributes, default factories and private fields go along."""
    many, model = Many(1, Token()), Model(value=Token())
    model._private = 6
    default = replace(defaultdict(list, {1: Token()}))

    assert replace(many).told == "kept"
    assert replace(model)._private == 6
    assert default["missing"] == []
    assert many[1].__class__ is Token


def test_an_opaque_value_counts_if_it_is_wanted():
    """What is opaque is found itself, though not what is in it."""
    assert hold([Opaque(1)], (Opaque, Token), Opaque)
    assert not hold([Opaque(Token())], (Token,), Opaque)


def test_a_value_that_holds_itself_ends():
    """Circles are walked once."""
    plain, circle = [1], [Token()]
    plain.append(plain)
    circle.append(circle)

    assert not holds(plain)
    assert replace(plain) is plain
    assert holds(circle)
    assert replace(circle)[0] == 7


def test_what_stands_in_two_places_is_one_thing():
    """A part that is shared stays shared, and is walked through once."""
    shared = [Token()]
    tower = [Token()]
    for _ in range(200):
        tower = [tower, tower]

    first, second = replace([shared, shared])

    assert first is second == [7]
    start = time.perf_counter()
    assert holds(tower)
    replace(tower)
    assert time.perf_counter() - start < 5


def test_each_value_is_replaced_where_it_stands():
    """The function is called for each place, in order."""
    tokens = [Token(), Token()]
    seen = []

    replaced({"a": tokens[0], "b": [tokens[1]]}, (Token,), seen.append)

    assert seen == tokens


nested = st.recursive(
    st.integers() | st.floats(allow_nan=False) | st.none(),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(), inner)
        | st.builds(Box, inner)
    ),
    max_leaves=20,
)


@given(nested)
def test_plain_values_hold_nothing(value):
    """Without one of the wanted, nothing is found and nothing made."""
    assert not holds(value)
    assert replace(value) is value


@given(nested)
def test_replacing_and_looking_agree(value):
    """What is found is what would be replaced."""
    found = hold([value], (float,), Opaque)
    new = replaced(value, (float,), lambda _: 0)

    assert found == (new is not value)
    assert not hold([new], (float,), Opaque)
