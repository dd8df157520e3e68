"""The header: what the first line of a cell task asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nborch.exceptions import InvalidDeclaration
from nborch.notebook.header import Header, parse_header


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("%%task", Header()),
        ("%%task   ", Header()),
        ("%%task clean", Header("clean")),
        ("%%task clean --refresh", Header("clean", refresh=True)),
        ("%%task --no-cache clean", Header("clean", no_cache=True)),
        (
            "  %%task clean --refresh --no-cache\n",
            Header("clean", refresh=True, no_cache=True),
        ),
        ("%%task 'two words'", Header("two words")),
        ("%%task clean  # drop empty rows", Header("clean")),
    ],
)
def test_a_header_is_a_name_and_options(line, header):
    """The line names the task and its options, in any order, with a comment."""
    assert parse_header(line) == header


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "%%task --refesh",
            r"has no option '--refesh'. Did you mean '--refresh'\? Its options are: --refresh, --no-cache.",
        ),
        ("%%task -x", "has no option '-x'. Its options are"),
        ("%%task a b", "takes one name, not 2: a, b. Join them: a_b."),
        ("%%task 'open", "cannot be read: No closing quotation."),
    ],
)
def test_a_wrong_header_says_what_is_right(line, message):
    """An unknown option or a second name is told with what to write."""
    with pytest.raises(InvalidDeclaration, match=message):
        parse_header(line)


@given(st.text())
def test_any_line_is_read_or_refused(text):
    """Whatever stands in the line, it is a header or one error."""
    try:
        header = parse_header(f"%%task {text}")
    except InvalidDeclaration:
        return
    assert header.name
