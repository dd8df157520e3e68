"""What is sent to the API, checked by the same forms that describe it."""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from nborch.control.forms import Bounds
from nborch.control.pages import page_of, place_of, told_place
from nborch.exceptions import InvalidDeclaration
from nborch.server.api import ALL
from nborch.server.openapi import described
from nborch.server.queries import read_query
from nborch.server.shapes import objections, schema_of


class Inner(TypedDict):
    """Within another one."""

    name: Annotated[str, Bounds(minLength=1, maxLength=5)]


class Outer(TypedDict):
    """Has all that forms have."""

    count: Annotated[int, Bounds(minimum=0, maximum=9), "How many."]
    ratio: NotRequired[Annotated[float | None, Bounds(minimum=0)]]
    kind: NotRequired[Literal["a", "b"]]
    inner: NotRequired[Inner | None]
    items: NotRequired[Annotated[list[Inner], Bounds(maxItems=2)]]
    any: NotRequired[dict[str, Any]]
    is_so: NotRequired[bool]


KNOWN = {}
SCHEMA = schema_of(Outer, KNOWN)


def wrong(value):
    """Return what is wrong with a value, as one text."""
    return [f"{name} {told}" for name, told in objections(value, SCHEMA, KNOWN)]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"count": 1}, []),
        ({"count": 3.0, "ratio": 1, "kind": "a", "any": {"x": [1]}}, []),
        ({"count": 1, "inner": None, "ratio": None, "items": [{"name": "x"}]}, []),
        ({}, ["count is missing"]),
        ([], [" must be of the type object"]),
        ({"count": True}, ["count must be of the type integer"]),
        ({"count": 1.5}, ["count must be of the type integer"]),
        ({"count": -1}, ["count must be at least 0"]),
        ({"count": 10}, ["count must be at most 9"]),
        ({"count": 1, "ratio": -0.5}, ["ratio must be at least 0"]),
        ({"count": 1, "ratio": "1"}, ["ratio must be of the type number or null"]),
        ({"count": 1, "kind": "c"}, ["kind must be one of a, b"]),
        ({"count": 1, "is_so": 1}, ["is_so must be of the type boolean"]),
        ({"count": 1, "colour": 1}, ["colour is not known here"]),
        ({"count": 1, "inner": {"name": ""}}, ["inner.name must not be empty"]),
        ({"count": 1, "inner": {}}, ["inner.name is missing"]),
        (
            {"count": 1, "items": [{"name": "x"}, {"name": "too long"}]},
            ["items[1].name must have 5 characters at most"],
        ),
        (
            {"count": 1, "items": [{"name": "x"}] * 3},
            ["items must have 2 items at most"],
        ),
    ],
)
def test_what_is_wrong_is_told(value, told):
    """Each thing that is wrong with a body is told with its place."""
    assert wrong(value) == told


#: Near to what fits, so that many do.
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 12)
    | st.floats(-1, 2)
    | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "x"]), inner, max_size=2)
    ),
    max_leaves=5,
)
BODIES = st.dictionaries(
    st.sampled_from([*Outer.__annotations__, "other"]), JSON, max_size=5
)


@given(BODIES)
def test_the_check_agrees_with_the_description(value):
    """What is refused is what the described schema does not allow, and nothing else."""
    schemas = {"components": {"schemas": KNOWN}, **SCHEMA}
    fits = Draft202012Validator(schemas).is_valid(value)

    assert (not wrong(value)) == fits


def test_the_description_names_all():
    """All that a route says stands in the description, under its name."""
    told = described(ALL, "/api")

    operation = told["paths"]["/runs/{run}/log"]["get"]
    names = [each["name"] for each in operation["parameters"]]
    assert names == ["run", "after", "before", "level", "q", "limit"]
    body = told["paths"]["/work-pools"]["post"]["requestBody"]["content"]
    assert body["application/json"]["schema"]["$ref"].endswith("/PoolRequest")
    assert told["components"]["schemas"]["PoolRequest"]["required"] == ["name"]


QUERY = {
    "properties": {
        "limit": {"type": "integer", "minimum": 1},
        "since": {"type": "number"},
        "state": {"type": "array", "items": {"type": "string", "enum": ["A", "B"]}},
        "top": {"type": "boolean"},
        "q": {"type": "string"},
    }
}


@pytest.mark.parametrize(
    ("given_", "values"),
    [
        ({"limit": ["5"], "q": ["5"]}, {"limit": 5, "q": "5"}),
        ({"since": ["1.5e3"]}, {"since": 1500.0}),
        ({"state": ["A", "B"]}, {"state": ["A", "B"]}),
        ({"top": ["TRUE"]}, {"top": True}),
        ({"top": ["0"]}, {"top": False}),
        ({"q": [""]}, {"q": ""}),
    ],
)
def test_a_query_becomes_values(given_, values):
    """Texts of a query become the values that are asked for."""
    assert read_query(given_, QUERY) == (values, [])


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        ({"limit": ["five"]}, "must be of the type integer"),
        ({"limit": ["\u0665"]}, "must be of the type integer"),
        ({"limit": ["0"]}, "must be at least 1"),
        ({"limit": ["1", "2"]}, "is given more than once"),
        ({"since": ["nan"]}, "must be of the type number"),
        ({"since": ["-inf"]}, "must be of the type number"),
        ({"state": ["C"]}, "must be one of A, B"),
        ({"top": [""]}, "must be of the type boolean"),
        ({"other": ["x"]}, "is not known here"),
    ],
)
def test_a_wrong_query_is_refused(given_, told):
    """A query that does not fit is refused with what is wrong."""
    _, wrong_ = read_query(given_, QUERY)

    assert [each for _, each in wrong_] == [told]


@given(st.text(min_size=1).filter(lambda text: text.isprintable()))
def test_a_cursor_leads_to_its_place(place):
    """A cursor is plain text for an address, and leads back to its place."""
    cursor = told_place(place)

    assert place_of(cursor) == place
    assert cursor.replace("-", "").replace("_", "").isalnum()


@given(st.lists(st.integers(0, 30), unique=True).map(sorted), st.integers(1, 7))
def test_pages_are_the_whole_list(items, limit):
    """The pages of a list put together are the list."""
    names = [f"{each:02}" for each in items]
    found, cursor = [], None

    while True:
        page, cursor = page_of(names, str, limit, cursor)
        assert len(page) <= limit
        found += page
        if cursor is None:
            break

    assert found == names


@pytest.mark.parametrize("cursor", ["", "x", "YQ==", "Y Q", "ü"])
def test_a_cursor_of_somebody_else_is_refused(cursor):
    """What is no cursor of ours is refused."""
    with pytest.raises(InvalidDeclaration, match="is no cursor"):
        place_of(cursor)
