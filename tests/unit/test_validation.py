"""Validation: the parameters of a flow become what its annotations ask for."""

import dataclasses
import datetime as dt
import enum
import inspect
import pickle
import subprocess
import sys
import textwrap
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Optional, TypedDict, Union
from uuid import UUID

import numpy as np
import pandas as pd
import pydantic
import pytest

from nborch.exceptions import ParameterTypeError
from nborch.parameters import bind
from nborch.validation import Validation


class Model(pydantic.BaseModel):
    a: int
    b: list[int] = []


@dataclasses.dataclass
class Point:
    x: int
    frame: pd.DataFrame | None = None


class Pair(NamedTuple):
    left: int
    right: str


class Row(TypedDict):
    n: int
    note: typing.NotRequired[str]


class Tree(TypedDict):
    branches: "list[Tree]"


def _hidden():
    class Hidden(pydantic.BaseModel):
        n: int

    return Hidden


#: A class that cannot be pickled.
Hidden = _hidden()


def takes_hidden(value: "Hidden"): ...


class Colour(enum.Enum):
    RED = "red"


class Plain:
    """A class that says nothing of how to make it."""


def validated(function, *args, **kwargs):
    """Return the parameters of a call as a flow of the function gets them."""
    signature = inspect.signature(function)
    owner = f"Flow {function.__name__!r}"
    parameters = bind(signature, args, kwargs, owner)
    return Validation(function, signature, owner).validated(parameters)


def asking(annotation, default=inspect.Parameter.empty):
    """Return a function with one parameter ``value``."""
    if default is inspect.Parameter.empty:

        def f(value): ...

    else:

        def f(value=default): ...

    f.__annotations__["value"] = annotation
    return f


NOW = dt.datetime(2024, 1, 31, 12, 30)  # as pydantic makes it


@pytest.mark.parametrize(
    ("annotation", "given", "made"),
    [
        (int, "5", 5), (int, 5.0, 5), (int, True, 1), (float, "1.5", 1.5), (float, 1, 1.0), (bool, "yes", True),
        (list, (1, 2), [1, 2]), (list[int], ["1"], [1]), (dict[str, int], {"a": "1"}, {"a": 1}), (set, [1, 1], {1}),
        (tuple[int, str], ["1", "a"], (1, "a")), (Optional[int], "5", 5), (int | None, None, None), (int | str, "5", "5"),  # noqa: UP045  # as many write it
        (Union[Model, Point], {"a": "1"}, Model(a=1)), (Literal["a", "b"], "a", "a"), (Colour, "red", Colour.RED),  # noqa: UP007  # as many write it
        (Annotated[int, pydantic.Field(gt=3)], "4", 4), (Path, "a/b", Path("a/b")), (dt.datetime, "2024-01-31T12:30", NOW),
        (dt.date, "2024-01-31", NOW.date()), (dt.timedelta, 5, dt.timedelta(seconds=5)),
        (UUID, "12345678123456781234567812345678", UUID(int=0x12345678123456781234567812345678)),
        (Model, {"a": "3", "b": ("1",)}, Model(a=3, b=[1])), (Point, {"x": "3"}, Point(3)), (Pair, ("1", "a"), Pair(1, "a")),
        (Pair, Pair("1", "a"), Pair(1, "a")), (Row, {"n": "1"}, {"n": 1}), (list[Row], [{"n": "1", "note": "a"}], [{"n": 1, "note": "a"}]),
        (Row | None, {"n": "1"}, {"n": 1}), (Annotated[Row, "of data"], {"n": "1"}, {"n": 1}),
        (Tree, {"branches": [{"branches": []}]}, {"branches": [{"branches": []}]}), ("list[int]", ["1"], [1]), (list["Model"], [{"a": 1}], [Model(a=1)]),
        (Sequence[int], ("1",), (1,)), (Any, "5", "5"), (object, "5", "5"), (None, None, None),
    ],
)  # fmt: skip
def test_a_value_becomes_what_the_annotation_asks_for(annotation, given, made):
    """A parameter is converted to its annotation wherever pydantic can."""
    found = validated(asking(annotation), given)["value"]

    assert found == made
    assert type(found) is type(made)


@pytest.mark.parametrize(
    ("annotation", "given", "told"),
    [
        (int, "x", "'x'; expected a whole number."), (int, 5.5, "5.5; expected a whole number."), (float, "x", "'x'; expected a number."),
        (str, 5, "5; expected text."), (bool, "maybe", "'maybe'; expected True or False."), (list, "ab", "'ab'; expected a list."),
        (dict, 5, "5; expected a dictionary."), (int | str, [], "[]; expected a whole number or text."), (Callable, 5, "5; expected a function."),
        (Literal["a", "b"], "c", "'c'; expected 'a' or 'b'."), (Colour, "blue", "'blue'; expected 'red'."), (Plain, 5, "5; expected an instance of Plain."),
        (Annotated[int, pydantic.Field(gt=3)], 1, "1; expected a value greater than 3."), (dt.date, "x", "'x'; expected a date."),
        (Path, 5, "5; expected a path."), (pd.DataFrame, 5, "5; expected an instance of DataFrame."), (None, 5, "5; expected None."),
        (Model, {"a": "x"}, "'x' (at ['a']); expected a whole number."), (Model, {}, "{}; expected a value for 'a'."),
        (list[Row], [{"n": 1}, {"n": "x"}], "'x' (at [1]['n']); expected a whole number."), (Point, {}, "{}; expected a value for 'x'."),
        (dict[str, int], {"items": "x"}, "'x' (at ['items']); expected a whole number."),
        (Union[Model, Point], {"a": "x", "x": "q"}, "'x' (at ['a']); expected a whole number."),  # noqa: UP007  # as many write it
        (dict[str, list[int]], {"k": [1, "x"]}, "'x' (at ['k'][1]); expected a whole number."), (Iterator[int], [1], "[1]; expected an instance of Iterator."),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_told_with_what_was_expected(
    annotation, given, told
):
    """The message names flow and parameter, shows the value and says what is expected."""
    with pytest.raises(ParameterTypeError) as caught:
        validated(asking(annotation), given)

    assert f"parameter 'value' got {told}" in str(caught.value)
    assert str(caught.value).startswith("Flow 'f': ")


def test_all_wrong_parameters_are_told_at_once():
    """Several wrong parameters make one message, one line each."""

    def report(month: int, title: str, ratio: float): ...

    with pytest.raises(ParameterTypeError) as caught:
        validated(report, "x", "Sales", "y")

    assert str(caught.value).splitlines() == [
        "Flow 'report': 2 values do not fit.",
        "  parameter 'month' got 'x'; expected a whole number.",
        "  parameter 'ratio' got 'y'; expected a number.",
    ]


def test_a_message_of_many_wrong_items_is_short():
    """Of a long list of wrong items, the first ten are told and the rest counted."""
    with pytest.raises(ParameterTypeError) as caught:
        validated(asking(list[int]), ["x"] * 500)

    lines = str(caught.value).splitlines()
    assert len(lines) == 12
    assert lines[-1] == "  and 490 more."


@pytest.mark.parametrize("builtin", [TypeError, ValueError])
def test_the_error_is_what_a_newcomer_catches(builtin):
    """A parameter of the wrong type is a `TypeError` and a `ValueError`."""
    with pytest.raises(builtin):
        validated(asking(int), "x")


def test_a_default_is_validated_too():
    """A default becomes what its annotation asks for, as an argument does."""
    assert validated(asking(int, default="5")) == {"value": 5}


def test_a_default_of_none_needs_an_annotation_that_says_so():
    """Where None is the default but not among the types, the message says what to write."""
    with pytest.raises(ParameterTypeError, match=r"add '\| None' to its annotation"):
        validated(asking(int, default=None))


def test_a_field_as_default_gives_default_and_bounds():
    """``Field(default=3, gt=2)`` gives the default, and arguments keep its bounds."""
    bounded = asking(int, default=pydantic.Field(default=3, gt=2))

    assert validated(bounded) == {"value": 3}
    assert validated(bounded, "4") == {"value": 4}
    with pytest.raises(ParameterTypeError, match="expected a value greater than 2"):
        validated(bounded, 1)


def test_many_arguments_are_each_validated():
    """What ``*args`` and ``**kwargs`` collect is converted one by one."""

    def f(*numbers: int, **named: float): ...

    assert validated(f, "1", 2, a="0.5") == {"numbers": (1, 2), "named": {"a": 0.5}}
    with pytest.raises(ParameterTypeError, match=r"'x' \(at \['b'\]\)"):
        validated(f, b="x")


def test_any_parameter_name_works():
    """Names that mean something to pydantic are names like any other."""

    def f(_n: int, schema: int, copy: int, json: int, model_config: int, self: int): ...

    assert set(validated(f, *"123456").values()) == {1, 2, 3, 4, 5, 6}


def test_what_has_no_annotation_is_left_alone():
    """A parameter without an annotation is passed as it is."""

    def f(a, b: int): ...

    assert validated(f, "5", "5") == {"a": "5", "b": 5}


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (pd.DataFrame, pd.DataFrame({"a": [1]})), (np.ndarray, np.zeros(3)), (np.typing.NDArray[np.float64], np.zeros(3)),
        (Plain, Plain()), (list, [1, 2]), (dict, {"a": 1}), (Model, Model(a=1)), (Point, Point(1)), (Iterable[int], [1, 2]), (Any, [1]),
        ("no such name", [1]), ("pd_only_for_the_checker.DataFrame", [1]), (Callable, print), (type[int], bool),
    ],
)  # fmt: skip
def test_a_value_that_fits_is_the_same_object(annotation, value):
    """What already fits, or cannot be checked, is passed on without a copy."""
    assert validated(asking(annotation), value)["value"] is value


def test_a_class_within_a_container_passes_by_instance():
    """Classes that pydantic does not know are checked by `isinstance`, at any depth."""
    frame = pd.DataFrame()

    found = validated(asking(dict[str, list[pd.DataFrame]]), {"a": [frame]})

    assert found["value"]["a"][0] is frame
    assert validated(asking(Point), {"x": "1", "frame": frame})["value"].frame is frame


def test_names_around_a_function_are_found():
    """An annotation as text may name what the function has around it."""

    class Local(pydantic.BaseModel):
        n: int

    def f(value: "list[Local]"):
        return Local

    assert validated(f, [{"n": "1"}])["value"] == [Local(n=1)]


def test_a_name_defined_later_counts_from_then_on():
    """An annotation whose class is defined by a later cell is checked once that has run."""
    cells = {}
    exec("def f(value: 'Later', n: int): ...", cells)
    checked = Validation(cells["f"], inspect.signature(cells["f"]), "Flow 'f'")

    assert checked.validated({"value": {"n": "1"}, "n": "2"})["value"] == {"n": "1"}

    exec("import pydantic\nclass Later(pydantic.BaseModel):\n    n: int", cells)

    assert checked.validated({"value": {"n": "1"}, "n": "2"}) == {
        "value": cells["Later"](n=1),
        "n": 2,
    }


def test_a_class_defined_anew_counts_as_long_as_names_are_missing():
    """While an annotation cannot be looked up, the others are looked up at each call."""
    cells = {"pydantic": pydantic}
    define = "class Order(pydantic.BaseModel):\n    {}: int"
    exec("def f(order: 'list[Order]', never: 'NoSuchName'): ...", cells)
    checked = Validation(cells["f"], inspect.signature(cells["f"]), "Flow 'f'")

    for name in ("old", "new"):
        exec(define.format(name), cells)
        found = checked.validated({"order": [{name: "1"}], "never": 0})["order"]
        assert type(found[0]) is cells["Order"]


def test_a_class_defined_anew_is_told():
    """An object of a class that a cell has defined anew gets advice, not a riddle."""
    old = Plain()
    new = type("Plain", (), {"__module__": __name__, "__qualname__": "Plain"})

    with pytest.raises(ParameterTypeError, match="was defined again since"):
        validated(asking(new), old)


def test_a_sentence_of_a_validator_is_told():
    """What the user's own validator says stands in the message."""

    def odd(n):
        if n % 2 == 0:
            raise ValueError("an odd number.")
        return n

    annotation = Annotated[int, pydantic.AfterValidator(odd)]

    with pytest.raises(ParameterTypeError, match=r"got 4; expected an odd number\.$"):
        validated(asking(annotation), 4)


def test_what_was_built_does_not_hinder_pickling():
    """A flow that has been called can be sent to another process."""
    checked = Validation(takes_hidden, inspect.signature(takes_hidden), "Flow 'f'")
    checked.validated({"value": {"n": "1"}})

    again = pickle.loads(pickle.dumps(checked))

    assert again.validated({"value": {"n": "1"}}) == {"value": Hidden(n=1)}


@pytest.mark.parametrize(
    ("annotations", "values", "loads"),
    [
        ("a: int, b: str, c: list, d: dict = {}, e: float | None = None", {"a": 1, "b": "x", "c": [], "d": {}, "e": None}, False),
        ("a, b, *c", {"a": 1, "b": 2, "c": ()}, False),
        ("a: object, b: 'int'", {"a": 1, "b": 2}, False),
        ("a: int", {"a": "1"}, True),
    ],
)  # fmt: skip
def test_plain_values_do_not_load_pydantic(annotations, values, loads):
    """Who passes exactly what the annotations say does not pay for pydantic."""
    code = f"""
        import inspect, sys
        from nborch.validation import Validation
        def f({annotations}): ...
        Validation(f, inspect.signature(f), "Flow 'f'").validated({values!r})
        print("pydantic" in sys.modules)
    """

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.strip() == str(loads)
