"""What a notebook's parameters may be: their types, and the values that fit them."""

import datetime as dt
import inspect
import json
import re
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook

from nborch import Secret
from nborch.exceptions import (
    InvalidDeclaration,
    NotFound,
    ParameterBindError,
    ParameterTypeError,
    UnknownParameter,
)
from nborch.notebook.parameters import (
    NO_VALUE,
    SourceDefault,
    gather,
    notebook_parameters,
)
from nborch.notebook.parameters.given import Typed, with_environment
from nborch.secrets import redacted


def notebook(*sources, before=(), **metadata):
    cells = [new_code_cell(source) for source in before]
    cells += [new_code_cell(s, metadata={"tags": ["parameters"]}) for s in sources]
    return new_notebook(cells=cells, metadata=metadata)


def of(*sources, **more):
    return notebook_parameters(notebook(*sources, **more), "some/where/report.ipynb")


HINTS = [
    # the parameters cell, the type of its last parameter
    ("x: int", int),
    ("x: int | None = None", int | None),
    ("x: 'int | None' = None", int | None),
    ("from typing import Optional\nx: Optional[int] = None", int | None),
    ("import typing as t\nx: t.Literal['a', 2] = 'a'", Literal["a", 2]),
    ("x: Literal['date'] = 'date'", Literal["date"]),
    ("x: list[int] = []", list[int]),
    ("x: dict[str, tuple[float, ...]] = {}", dict[str, tuple[float, ...]]),
    ("from datetime import date as day\nx: day = day.today()", dt.date),
    ("import datetime\nx: datetime.date = None", dt.date),
    ("import datetime as dt\nx: dt.timedelta = None", dt.timedelta),
    ("from decimal import Decimal\nx: Decimal = 0", Decimal),
    ("from uuid import UUID\nx: list[UUID] = []", list[UUID]),
    ("x: Path = 'a'", Path),
    ("Mode = Literal['a', 'b']\nx: Mode = 'a'", Literal["a", "b"]),
    ("x = 1  # type: str  and help", str),
]


@pytest.mark.parametrize(("source", "hint"), HINTS)
def test_hint(source, hint):
    """An annotation is understood without running the notebook."""
    parameters = of(source)

    assert parameters.hints["x"] == hint


UNRESOLVED = [
    "x: Mystery = 1",
    "from mystery import date\nx: date = 1",
    "import os\nx: os.system('touch touched') = 1",
    "x: __import__('os').system('touch touched') = 1",
    "x: [i for i in 'ab'] = 1",
    "x: int.__class__ = 1",
    "class date: ...\nx: date = 1",
    "x: x = 1",
    "x: list['Mystery'] = 1",
    "x: 'not a type at all' = 1",
]


@pytest.mark.parametrize("source", UNRESOLVED)
def test_unresolved_hint(source, tmp_path, monkeypatch):
    """An annotation that only the running notebook knows allows anything, and nothing
    of it is run.
    """
    monkeypatch.chdir(tmp_path)

    assert of(source).validated({"x": ["anything"]}) == {"x": ["anything"]}
    assert not list(tmp_path.iterdir())


def test_imports_of_earlier_cells():
    """Names that an earlier cell imports are known to the parameters cell."""
    parameters = of("day: date = None", before=["from datetime import date"])

    assert parameters.hints["day"] is dt.date


def test_bounds():
    """Bounds of pydantic's are part of a type; those of the notebook's own are not."""
    source = (
        "from typing import Annotated\nfrom pydantic import Field, AfterValidator\n"
        "x: Annotated[int, Field(ge=0, description='so')] = 1\n"
        "y: Annotated[int, AfterValidator(own)] = 1"
    )
    parameters = of(source)

    assert parameters.schema()["properties"]["x"]["minimum"] == 0
    assert parameters.validated({"y": "7"}) == {"y": 7}
    with pytest.raises(ParameterTypeError, match="got -1; expected a value greater"):
        parameters.validated({"x": -1})


FITS = [
    # declaration, what is given, what the notebook gets
    ("x: int", "7", 7),
    ("x: float", 7, 7.0),
    ("x: int | None", None, None),
    ("x: int = None", None, None),
    ("x: bool", "yes", True),
    ("x: date", "2026-01-02", dt.date(2026, 1, 2)),
    ("x: datetime", "2026-01-02T03:04Z", dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)),
    ("x: timedelta", "PT1H", dt.timedelta(hours=1)),
    ("x: Path", "a b", Path("a b")),
    ("x: Decimal", "0.10", Decimal("0.10")),
    ("x: tuple[int, str]", [1, "a"], (1, "a")),
    ("x: set[int]", [1, 1], {1}),
    ("x: Literal['a', 'b']", "b", "b"),
    ("x: list[date]", ["2026-01-02"], [dt.date(2026, 1, 2)]),
    ("from pydantic import HttpUrl\nx: HttpUrl", "https://a.org/", "https://a.org/"),
    ("x = 1", "7", 7),
    ("x = 1", 2.5, 2.5),
    ("x = 1", "2.5", 2.5),
    ("x = 1", None, None),
    ("x = 1", True, True),
    ("x = 1.5", 2, 2.0),
    ("x = True", "no", False),
    ("x = True", 1, True),
    ("x = 'a'", 5, 5),
    ("x = []", (1, 2), [1, 2]),
    ("x = ()", [1, 2], (1, 2)),
    ("x = set()", [1, 2], {1, 2}),
    ("x = {'a': 1}", {"b": 2}, {"b": 2}),
    ("x = None", [1], [1]),
    ("x = f()", [1], [1]),
    ("x = date(2026, 1, 1)", "2026-01-02", dt.date(2026, 1, 2)),
    ("x = date.today() - timedelta(days=1)", "2026-01-02", dt.date(2026, 1, 2)),
    ("x = Path('a') / 'b'", "c", Path("c")),
    ("x = date.today()", None, None),
]


@pytest.mark.parametrize(("source", "value", "expected"), FITS)
def test_fits(source, value, expected):
    """A value becomes what its annotation asks for, or what its default is."""
    found = of(source).validated({"x": value})["x"]

    assert found == expected
    assert type(found) is type(expected)


TYPED = [
    # declaration, what is typed on a command line, what the notebook gets
    ("x", "7", 7),
    ("x: str", "007", "007"),
    ("x: str", "'007'", "007"),
    ("x: str | None", "None", None),
    ("x: int", "7", 7),
    ("x: float", "1e3", 1000.0),
    ("x: int | str", "7", 7),
    ("x: Decimal", "0.10", Decimal("0.10")),
    ("x: Path", "2026", Path("2026")),
    ("x: date", "2026-01-02", dt.date(2026, 1, 2)),
    ("x: list[int]", "[1, 2]", [1, 2]),
    ("x: list[str]", "['a']", ["a"]),
    ("x: bool", "False", False),
    ("x: Literal['1', '2']", "1", "1"),
    ("x: Literal[1, 2]", "1", 1),
    ("x = '007'", "008", "008"),
    ("x = 'a'", "None", None),
    ("x = 'a'", "True", "True"),
    ("x = 1", "2", 2),
    ("x = True", "false", False),
    ("x = []", "[1]", [1]),
    ("x = None", "2.5", 2.5),
    ("x: Mystery", "[1]", [1]),
]


@pytest.mark.parametrize(("source", "text", "expected"), TYPED)
def test_typed(source, text, expected):
    """What is typed is read as the type that is asked for."""
    source = source if source != "x" else "x = f()"

    found = of(source).validated({"x": Typed(text)})["x"]

    assert found == expected
    assert type(found) is type(expected)


MISFITS = [
    ("x: int", "abc", "parameter 'x' got 'abc'; expected a whole number."),
    ("x: int | None", "abc", "got 'abc'; expected a whole number."),
    ("x: date", "soon", "got 'soon'; expected a date."),
    ("x: Literal['a', 'b']", "c", "got 'c'; expected 'a' or 'b'."),
    ("x: list[int]", [1, "b"], "got 'b' (at [1]); expected a whole number."),
    ("x = 1", "abc", "got 'abc'; expected a whole number, as its default 1 is."),
    ("x = 1.5", [1], "got [1]; expected a number, as its default 1.5 is."),
    ("x = True", "maybe", "expected True or False, as its default True is."),
    ("x = True", 2, "got 2; expected True or False"),
    ("x = 'a'", [1], "expected text"),
    ("x = []", "UA", "got 'UA'; expected a list"),
    ("x = set()", [[1]], "expected a set"),
    ("x = {}", [1], "expected a dictionary"),
    ("x = f()", object(), "got a object, which cannot be written into a notebook."),
]  # fmt: skip


@pytest.mark.parametrize(("source", "value", "message"), MISFITS)
def test_misfit(source, value, message):
    """What does not fit is told with the value, and with what was expected."""
    with pytest.raises(ParameterTypeError, match=re.escape(message)) as caught:
        of(source).validated({"x": value})

    assert str(caught.value).startswith("Notebook 'report.ipynb': parameter 'x' got")


def test_all_that_is_wrong():
    """One error tells of everything that is wrong."""
    parameters = of("month: int = 1\nday: date = None\ncarrier: str")

    with pytest.raises(UnknownParameter) as caught:
        parameters.validated({"month": "x", "day": "y", "mnth": 3})

    names = "Its parameters are: carrier, day, month."
    assert str(caught.value).splitlines() == [
        "Notebook 'report.ipynb': 4 parameters are wrong.",
        f"  It has no parameter 'mnth'. Did you mean 'month'? {names}",
        "  It needs a value for 'carrier': it declares carrier: str",
        "  parameter 'month' got 'x'; expected a whole number.",
        "  parameter 'day' got 'y'; expected a date.",
    ]


def test_missing():
    """A parameter without a default must be given."""
    with pytest.raises(ParameterBindError, match="needs a value for 'carrier': it"):
        of("carrier: str  # IATA").validated({})


def test_unknown_allowed():
    """Names that are not declared pass if they are allowed to."""
    assert of("x = 1").validated({"y": "2"}, allow_unknown=True) == {"y": "2"}


def test_defaults_fit_themselves():
    """A notebook's own default is never refused, whatever its annotation says."""
    assert of("x: int = 'none'").validated({"x": "none"}) == {"x": "none"}


def test_another_language():
    """Of a notebook in another language nothing is known, and nothing refused."""
    metadata = {"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}}
    parameters = notebook_parameters(notebook("x <- 1", **metadata))

    assert parameters.validated({"x": 1, "y": Typed("2")}) == {"x": 1, "y": 2}
    assert parameters.schema()["additionalProperties"]
    assert str(parameters.signature()) == "(**parameters)"


def test_signature():
    """The parameters are those of a function that takes them by name."""
    source = "n: int = 3\nday = date.today()\ncarrier: str\ntoken: Secret = ''"
    signature = of(source).signature()

    assert str(signature) == "(*, n: int = 3, day=date.today(), carrier: str, token='')"
    assert isinstance(signature.parameters["day"].default, SourceDefault)
    assert signature.parameters["carrier"].default is inspect.Parameter.empty


def test_defaults_of_the_signature_are_not_given():
    """What a call leaves at a default that is no literal is the notebook's to make."""
    parameters = of("day = date.today()\nx = 1")
    bound = parameters.signature().bind(x=2)
    bound.apply_defaults()

    assert parameters.validated(bound.arguments) == {"x": 2}
    assert parameters.validated({"day": NO_VALUE}) == {}


def test_schema():
    """The parameters are a JSON Schema of an object."""
    source = (
        "month: int = 1  # 1 to 12\nlimit: int | None = None\nday: date\nx = 0.5\n"
        "mode: Literal['a', 'b'] = 'a'\ntoken: Secret = 'x'\nwhat: Mystery = (1, 2)"
    )

    schema = json.loads(json.dumps(of(source).schema()))

    assert schema == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "report",
        "type": "object",
        "properties": {
            "month": {"type": "integer", "description": "1 to 12", "default": 1},
            "limit": {
                "anyOf": [{"type": "integer"}, {"type": "null"}],
                "default": None,
            },
            "day": {"type": "string", "format": "date"},
            "x": {"type": "number", "default": 0.5},
            "mode": {"type": "string", "enum": ["a", "b"], "default": "a"},
            "token": {"type": "string", "format": "password", "writeOnly": True},
            "what": {"default": [1, 2]},
        },
        "required": ["day"],
        "additionalProperties": False,
    }


SECRETS = [
    "token: Secret = ''",
    "from nborch import Secret as Hidden\ntoken: Hidden | None = None",
    "token: Annotated[str, Secret] = ''",
    "from pydantic import SecretStr\ntoken: SecretStr = None",
    "token = Secret('')",
]


@pytest.mark.parametrize("source", SECRETS)
def test_secret_types(source):
    """A value is a secret if its annotation says so."""
    parameters = of(source)

    found = parameters.validated({"token": "s3cr3t-by-type"})["token"]

    assert parameters.secret == {"token"}
    assert isinstance(found, Secret)
    assert "s3cr3t-by-type" not in f"{found!r} {found}"


def test_secret_misfit():
    """A secret that does not fit is refused without being told."""
    parameters = of("pin: Annotated[int, Secret] = 0")

    assert parameters.validated({"pin": "1234"})["pin"].reveal() == 1234
    with pytest.raises(ParameterTypeError) as caught:
        parameters.validated({"pin": "abcd-efgh"})
    assert "expected a whole number" in str(caught.value)
    assert "abcd" not in str(caught.value)


def test_environment():
    """What names a variable of the environment gets its value, as a secret."""
    environ = {"USER_NAME": "ada-l", "PASSWORD": "pass-w0rd"}
    url = with_environment("db://${env:USER_NAME}:${env:PASSWORD}@host", environ)
    nested = with_environment({"db": ["${env:PASSWORD}"]}, environ)

    assert url.reveal() == "db://ada-l:pass-w0rd@host"
    assert str(url) == "db://${env:USER_NAME}:${env:PASSWORD}@host"
    assert nested.reveal() == {"db": ["pass-w0rd"]}
    assert str(nested) == "{'db': ['${env:PASSWORD}']}"
    assert with_environment([1, "plain"], environ) == [1, "plain"]
    # What is put together may be taken apart again.
    assert redacted("a pass-w0rd by itself") == "a •••• by itself"


def test_missing_variable():
    """A variable that is not set is named, with the one probably meant."""
    with pytest.raises(
        NotFound, match=r"'API_TOKN' is not set.*Did you mean 'API_TOKEN'"
    ):
        with_environment("${env:API_TOKN}", {"API_TOKEN": "x"})


def test_gathered(tmp_path):
    """Values come from files, from YAML and from assignments; the closest counts."""
    path = tmp_path / "params.yaml"
    path.write_text("month: 1\nday: 2026-01-02\ncarrier: UA\nx: 1\ny: 1\n")

    given = gather(
        ["x=[1, 2]", "y=3"],
        raw=["y=4"],
        files=[str(path)],
        yaml=["{month: 2}"],
        base64=["bW9udGg6IDMKYTogW3RydWVd"],
    )

    assert given == {
        "month": 2,
        "a": [True],
        "day": "2026-01-02",
        "carrier": "UA",
        "x": "[1, 2]",
        "y": "4",
    }
    assert type(given["x"]) is Typed
    assert type(given["y"]) is str


UNREADABLE = [
    ({"yaml": ["[1, 2]"]}, "holds a list. Write one 'name: value' a line."),
    ({"yaml": ["a: [1"]}, "is no valid YAML"),
    ({"yaml": ["{a b: 1}"]}, "'a b' cannot be the name of a parameter"),
    ({"yaml": ["{1: 1}"]}, "1 cannot be the name of a parameter"),
    ({"base64": ["§"]}, "is no base64"),
    ({"raw": ["month"]}, "has no '='"),
    ({"assignments": ["class=1"]}, "no Python variable"),
]


@pytest.mark.parametrize(("options", "message"), UNREADABLE)
def test_unreadable(options, message):
    """What cannot be read is told in a sentence."""
    with pytest.raises(InvalidDeclaration, match=re.escape(message)):
        gather(**options)


def test_missing_file(tmp_path):
    """A parameter file that does not exist is told with the one probably meant."""
    (tmp_path / "params.yaml").write_text("")

    assert gather(files=[str(tmp_path / "params.yaml")]) == {}
    with pytest.raises(NotFound, match=r"Did you mean 'params\.yaml'"):
        gather(files=[str(tmp_path / "parms.yaml")])


@settings(deadline=None)
@given(st.text(), st.text())
def test_any_cell_can_be_read(annotation, default):
    """Whatever stands in a parameters cell, its types can be asked for."""
    try:
        parameters = of(f"x: ({annotation}) = ({default})")
    except InvalidDeclaration:
        return

    parameters.schema()
    parameters.signature()


annotations = st.recursive(
    st.sampled_from(["int", "str", "date", "None", "Mystery", "1", "'a'", "Path()"]),
    lambda inner: (
        st.builds("list[{}]".format, inner)
        | st.builds("{} | {}".format, inner, inner)
        | st.builds("dict[{}, {}]".format, inner, inner)
        | st.builds("Literal[{}]".format, inner)
        | st.builds("Annotated[{}, {}]".format, inner, inner)
        | st.builds("Field(ge={})".format, inner)
    ),
    max_leaves=5,
)


@settings(deadline=None)
@given(annotations, st.none() | st.integers() | st.text() | st.lists(st.integers()))
def test_any_annotation_answers(annotation, value):
    """Whatever an annotation says, a value fits it or is refused in words."""
    parameters = of(f"x: {annotation} = 1")
    parameters.schema()

    with suppress(ParameterTypeError):
        parameters.validated({"x": value})


def test_annotations_of_the_signature():
    """A bound of pydantic's is kept in the signature's annotation."""
    (x,) = of("x: Annotated[int, Field(ge=0)] = 1").signature().parameters.values()

    assert x.annotation.__origin__ is int
    assert x.annotation.__metadata__[0].metadata[0].ge == 0
