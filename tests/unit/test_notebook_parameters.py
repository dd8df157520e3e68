"""What a notebook's parameters cell declares, and what may be given to it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from nborch.exceptions import InvalidDeclaration, UnknownParameter
from nborch.notebook.parameters import (
    NO_VALUE,
    NotebookParameter,
    check_parameters,
    declared_parameters,
    parse_assignment,
)


def notebook(*sources, tags=("parameters",)):
    cells = [new_code_cell(source, metadata={"tags": list(tags)}) for source in sources]
    return new_notebook(cells=[new_markdown_cell("# Report"), *cells])


DECLARATIONS = [
    # source, name, annotation, default source, default, help
    ("month = 1", ("month", "", "1", 1, "")),
    ("month: int = 1  # 1 to 12", ("month", "int", "1", 1, "1 to 12")),
    ("limit: int | None = None", ("limit", "int | None", "None", None, "")),
    (
        'url = "https://x.org/?a=b"',
        ("url", "", '"https://x.org/?a=b"', "https://x.org/?a=b", ""),
    ),
    (
        'mode: Literal["fast", "slow"] = "fast"',
        ("mode", 'Literal["fast", "slow"]', '"fast"', "fast", ""),
    ),
    (
        'colour = "#ff0000"  # as in CSS',
        ("colour", "", '"#ff0000"', "#ff0000", "as in CSS"),
    ),
    ("day = date.today()", ("day", "", "date.today()", NO_VALUE, "")),
    ("carrier: str", ("carrier", "str", "", NO_VALUE, "")),
    ("low = -1.5e3", ("low", "", "-1.5e3", -1500.0, "")),
    (
        "names = [\n    'a',\n    'b',  # inner\n]  # outer",
        ("names", "", "[\n    'a',\n    'b',  # inner\n]", ["a", "b"], "outer"),
    ),
    ("größe = 3", ("größe", "", "3", 3, "")),
]


@pytest.mark.parametrize(("source", "expected"), DECLARATIONS)
def test_declaration(source, expected):
    """A parameter is read with its type, its default and the comment behind it."""
    (found,) = declared_parameters(notebook(source))

    assert found == NotebookParameter(*expected)


def test_several_on_a_line():
    """Every assignment counts, also two on one line and two names for one value."""
    found = declared_parameters(notebook("flag: bool = True; other = 3\na = b = 0"))

    assert [parameter.name for parameter in found] == ["flag", "other", "a", "b"]


NO_DECLARATIONS = [
    'text = """\nhidden = 1\n"""',  # a line of a string
    "_private = 1",
    "import pandas as pd",
    "a.b = 1",
    "a[0] = 1",
    "def f():\n    local = 1",
    "# nothing = 1",
    "",
]


@pytest.mark.parametrize("source", NO_DECLARATIONS)
def test_no_declaration(source):
    """Only names that are assigned at the top of the cell are parameters."""
    names = {parameter.name for parameter in declared_parameters(notebook(source))}

    assert names <= {"text"}


def test_all_tagged_cells_count():
    """All cells with the tag are read; the later default and the first type stand."""
    nb = notebook(
        "month: int = 1  # the month\ncarrier = 'UA'", "month = 2\nyear = 2013"
    )

    found = declared_parameters(nb)

    assert found[0] == NotebookParameter("month", "int", "2", 2, "the month")
    assert [parameter.name for parameter in found] == ["month", "carrier", "year"]


def test_untagged_cells_declare_nothing():
    """A cell without the tag declares nothing."""
    assert declared_parameters(notebook("month = 1", tags=())) == ()


def test_magics_are_passed_over():
    """Lines of IPython's own syntax are passed over."""
    found = declared_parameters(notebook("%matplotlib inline\n!ls\nmonth = 1  # help"))

    assert found == (NotebookParameter("month", "", "1", 1, "help"),)


def test_broken_parameters_cell():
    """A parameters cell that is no Python is named by its place and line."""
    with pytest.raises(InvalidDeclaration, match=r"cell 2 .* \(line 2\)"):
        declared_parameters(notebook("month = 1\nyear = = 2"))


def test_required_and_described():
    """A parameter that is only annotated is required, and is shown as code."""
    first, second = declared_parameters(notebook("carrier: str  # IATA\nmonth = 7"))

    assert first.required
    assert not second.required
    assert first.describe() == "carrier: str  # IATA"
    assert second.describe() == "month = 7"


ASSIGNMENTS = [
    ("month=7", 7),
    ("rate=0.5", 0.5),
    ("rate=1e-3", 0.001),
    ("flag=True", True),
    ("flag=False", False),
    ("none=None", None),
    ("carrier=UA", "UA"),
    ("empty=", ""),
    ("text=a=b", "a=b"),
    ("flag=true", "true"),
    ("days=[1, 2]", [1, 2]),
    ("map={'a': 1}", {"a": 1}),
    ("code='007'", "007"),
    ('code="007"', "007"),
    ("pair=(1, 2)", (1, 2)),
    ("broken=[1, 2", "[1, 2"),
    ("call=[f(1)]", "[f(1)]"),
    ("date=2013-01-05", "2013-01-05"),
]


@pytest.mark.parametrize(("text", "value"), ASSIGNMENTS)
def test_assignment(text, value):
    """A value given on the command line is the literal that it looks like, or text."""
    name, parsed = parse_assignment(text)

    assert name == text.partition("=")[0]
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize("text", ["month", "=7", "a b=1", "1a=1", "class=1", "a.b=1"])
def test_bad_assignment(text):
    """What is no name=value, or no variable's name, is refused with the reason."""
    with pytest.raises(InvalidDeclaration, match=r"name=value|no Python variable"):
        parse_assignment(text)


literals = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(literals)
def test_assignment_of_any_literal(value):
    """Whatever Python writes as a literal is read as the same value."""
    assert parse_assignment(f"x={value!r}") == ("x", value)


@given(st.text())
def test_assignment_never_raises_for_a_value(text):
    """Any text is some value."""
    name, _ = parse_assignment("x=" + text)

    assert name == "x"


def test_unknown_parameter():
    """A parameter that is not declared is refused, with the one probably meant."""
    declared = [NotebookParameter("month"), NotebookParameter("carrier")]
    message = (
        "Notebook 'flights.ipynb' has no parameter 'mont'. Did you mean 'month'? "
        "Its parameters are: carrier, month."
    )

    with pytest.raises(UnknownParameter, match=f"^{re.escape(message)}$"):
        check_parameters({"mont": 7}, declared, "some/where/flights.ipynb")


def test_several_unknown_parameters():
    """Several unknown parameters are named together."""
    with pytest.raises(UnknownParameter, match="no parameters 'a', 'b'"):
        check_parameters(["a", "month", "b"], [NotebookParameter("month")], "f.ipynb")


def test_no_parameters_cell():
    """A notebook without parameters says how to declare one."""
    with pytest.raises(UnknownParameter, match="Add the tag 'parameters'"):
        check_parameters({"month": 7}, [], "f.ipynb")


def test_known_parameters():
    """Declared parameters pass, and so does giving none."""
    check_parameters({"month": 7}, [NotebookParameter("month")], "f.ipynb")
    check_parameters({}, [], "f.ipynb")
