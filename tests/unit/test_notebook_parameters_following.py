"""What follows from a parameter that a run overrides."""

import copy

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nborch.notebook.parameters.following import followers

CASES = [
    # the parameters cell, what is given, what is run again
    ("a = 2\nb = a * 2", {"a"}, ["b = a * 2"]),
    ("a = 2\nb = a * 2", {"a", "b"}, []),
    ("a = 2\nb = a * 2\nc = b + 1\nd = 4", {"a"}, ["b = a * 2", "c = b + 1"]),
    ("a = 2\nb: int = a  # why", {"a"}, ["b: int = a"]),
    ("start = date(2026, 1, 1)\nend = start + week", {"start"}, ["end = start + week"]),
    ("a = 1\nb = 0\nb += a", {"a"}, ["b = 0", "b += a"]),
    ("a = 1\nrows = []\nrows.append(a)", {"a"}, ["rows = []", "rows.append(a)"]),
    ("a = 1\nb = {}\nb['x'] = a", {"a"}, ["b = {}", "b['x'] = a"]),
    (
        "a = 1\nb = 'low'\nif a > 3:\n    b = 'high'",
        {"a"},
        ["b = 'low'", "if a > 3:\n    b = 'high'"],
    ),
    ("a = 1\nb = a\nb = 5", {"a"}, ["b = a", "b = 5"]),
    ("a = 1\nx = 1\nb = a + x\nx = 5", {"a"}, ["x = 1", "b = a + x", "x = 5"]),
    ("a = 1\ndef f():\n    return a\nb = f()", {"a"}, ["b = f()"]),
    ("a = 1\ndef f(x=a):\n    return x", {"a"}, ["def f(x=a):\n    return x"]),
    ("import random\nseed = 1\nrandom.seed(seed)", {"seed"}, ["random.seed(seed)"]),
    (
        "import os\nout = 'x'\nos.makedirs(out)\nos.sep = '/'",
        {"out"},
        ["os.makedirs(out)"],
    ),
    ("a = 1\nassert a > 0", {"a"}, ["assert a > 0"]),
    ("a = 1\nprint(a)\na", {"a"}, []),
    ("%matplotlib inline\na = 1\nb = a", {"a"}, ["b = a"]),
    ("a = 1\nb: int", {"a"}, []),
    ("a = 1\na += 1", {"a"}, []),
    ("b = 1", {"a"}, []),
    ("a = = 1", {"a"}, []),
]


@pytest.mark.parametrize(("source", "names", "expected"), CASES)
def test_followers(source, names, expected):
    """Statements that depend on a given name are run again, with what they need."""
    assert [statement for statement, _ in followers(source, names)] == expected


def test_a_given_name_is_not_overwritten():
    """A statement that sets another given name, too, is told to be corrected."""
    found = followers("a = 1\nb = 2\nb, c = a, a", {"a", "b"})

    assert found == [("b, c = a, a", ["b"])]


names = st.sampled_from("abcd")
numbers = st.integers(0, 9).map(str)
values = names | numbers
terms = st.builds("{} * 3 + {}".format, values, values)
statements = st.one_of(
    st.builds("{} = {}".format, names, terms),
    st.builds("{} += {}".format, names, values),
    st.builds("{}, {} = {}, {}".format, names, names, values, terms),
    st.builds("rows.append({})".format, values),
    st.builds("rows = [{}]".format, values),
    st.builds("if {} % 2:\n    {} = {}".format, names, names, terms),
    st.builds("def f():\n    return {}".format, terms),
    st.builds("{} = f()".format, names),
)
programs = st.lists(statements, max_size=8).map(
    lambda found: [
        "a = 1",
        "b = 2",
        "c = 3",
        "d = 4",
        "rows = []",
        "def f():\n    return 0",
        *found,
    ]
)


def _plain(namespace):
    return {
        name: value for name, value in namespace.items() if name in {*"abcd", "rows"}
    }


@settings(deadline=None)
@given(programs, st.dictionaries(names, st.integers(10, 99), min_size=1))
@example(["a = 1", "x = 1", "b = a + x", "x = 5"], {"a": 7})
def test_the_law(program, overrides):
    """The cell and then what is run again leave what the cell would leave if the given
    values had been there from the start, and for good.
    """
    expected = dict(overrides)
    for statement in program:
        exec(statement, expected)
        expected |= overrides

    found = {}
    source = "\n".join(program)
    exec(source, found)
    found |= copy.deepcopy(overrides)
    for statement, overwritten in followers(source, overrides):
        exec(statement, found)
        found |= {name: overrides[name] for name in overwritten}

    assert _plain(found) == _plain(expected)
