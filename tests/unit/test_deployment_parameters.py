"""Parameters of deployments: what a flow takes as JSON Schema, and what fits it."""

import inspect
from datetime import date
from typing import Literal

import pytest

from nborch.deploy.schemas import as_json, check_values, schema_of, typed_values
from nborch.exceptions import (
    InvalidDeclaration,
    ParameterBindError,
    ParameterTypeError,
)
from nborch.secrets import Secret


def report(  # noqa: PLR0913  # a case for each type
    month: int,
    region: Literal["eu", "us"] = "eu",
    rate: float = 0.5,
    since: date | None = None,
    columns: list[str] | None = None,
    *,
    dry: bool = False,
    **others: int,
): ...


SCHEMA = schema_of(report, inspect.signature(report))
CLOSED = {**SCHEMA, "additionalProperties": False}


def test_the_schema_tells_types_defaults_and_what_is_required():
    """A flow's schema says of each parameter its type and default."""
    properties = SCHEMA["properties"]

    assert SCHEMA["required"] == ["month"]
    assert SCHEMA["additionalProperties"] is True
    assert properties["month"] == {"type": "integer"}
    assert properties["region"]["enum"] == ["eu", "us"]
    assert properties["region"]["default"] == "eu"
    assert {"format": "date", "type": "string"} in properties["since"]["anyOf"]
    assert properties["dry"] == {"type": "boolean", "default": False}


def test_what_cannot_be_told_is_left_open():
    """A type that JSON knows nothing of takes anything, and so does none."""

    def strange(a, b: object, c: "Unknown"): ...  # noqa: F821

    schema = schema_of(strange, inspect.signature(strange))

    assert [schema["properties"][name] for name in "abc"] == [{}, {}, {}]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ({"month": "7"}, {"month": 7}),
        ({"region": "us"}, {"region": "us"}),
        ({"rate": "2"}, {"rate": 2}),
        ({"since": "2026-01-02"}, {"since": "2026-01-02"}),
        ({"since": "null"}, {"since": "null"}),
        ({"columns": '["a", "b"]'}, {"columns": ["a", "b"]}),
        ({"columns": "['a', 'b']"}, {"columns": ["a", "b"]}),
        ({"dry": "true"}, {"dry": True}),
        ({"dry": "True"}, {"dry": True}),
        ({"month": "many"}, {"month": "many"}),
        ({"unknown": "3"}, {"unknown": 3}),
    ],
)
def test_typed_text_means_what_is_asked_for(text, meant):
    """What somebody types becomes the value that the schema asks for, if it can."""
    assert typed_values(text, SCHEMA) == meant


@pytest.mark.parametrize(
    ("values", "error", "told"),
    [
        ({}, ParameterBindError, "needs a value for 'month'. Give it: -p month=VALUE"),
        ({"month": 1, "x": 2}, ParameterBindError, "no parameter 'x'. It takes: month"),
        ({"month": 1, "dri": 2}, ParameterBindError, "Did you mean 'dry'?"),
        ({"month": "7"}, ParameterTypeError, "must be of the type integer, not '7'."),
        ({"month": 1, "region": "asia"}, ParameterTypeError, "one of 'eu', 'us', not"),
        ({"month": 1, "columns": [1]}, ParameterTypeError, "'columns' does not fit"),
        ({"month": 1.5, "dry": 2}, ParameterTypeError, "not 1.5. 'dry' must be of"),
    ],
)
def test_values_that_do_not_fit_are_refused(values, error, told):
    """A value is refused with its name, what is wrong, and what would fit."""
    with pytest.raises(error) as refused:
        check_values(values, CLOSED, "Deployment 'a/b'")

    assert told in str(refused.value)


def test_values_that_fit_are_taken():
    """What fits is taken, with others where the flow takes any."""
    check_values({"month": 7, "columns": ["a"], "rate": 1}, CLOSED, "x")
    check_values({"month": 7, "n": 1}, SCHEMA, "x")
    check_values({}, CLOSED, "x", complete=False)


def test_what_is_no_json_is_told_as_json_or_refused():
    """Dates and sets are kept as JSON; secrets and what JSON cannot tell are not."""
    assert as_json({"day": date(2026, 1, 2)}, "x") == {"day": "2026-01-02"}
    assert as_json({"pair": (1, 2)}, "x") == {"pair": [1, 2]}
    with pytest.raises(InvalidDeclaration, match="'token' is secret, and is not kept"):
        as_json({"token": Secret("s3cr3t-t0ken")}, "x")
    with pytest.raises(InvalidDeclaration, match="'it' cannot be kept as JSON"):
        as_json({"it": object()}, "x")
