"""What the commands of ``%nborch`` say, and the functions that they write."""

import ast

import pytest

from nborch.exceptions import InvalidDeclaration
from nborch.notebook.headers.header import parse_header
from nborch.notebook.reruns.functions import (
    as_function,
    bound_by,
    identifier,
    imports_in,
)
from nborch.notebook.reruns.manual import COMMANDS, command_named, manual
from nborch.notebook.reruns.reports import Report, Row
from nborch.notebook.reruns.running import Tally
from nborch.notebook.reruns.staleness import Status
from nborch.notebook.reruns.steps import CellRun, Outcome
from nborch.showing import SHADES


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_explained(command):
    """The manual names each command, and explains it by itself."""
    assert f"\n    {command} " in manual()
    assert manual(command).startswith(f"%nborch {command}")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ("help", [])),
        (["run"], ("run", [])),
        (["run", "a", "b"], ("run", ["a", "b"])),
        (["why", "a"], ("why", ["a"])),
        (["export", "f.py", "--force"], ("export", ["f.py", "--force"])),
    ],
)
def test_commands_with_their_words(words, expected):
    """A line asks for a command with the words after it."""
    assert command_named(words) == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu"], "Did you mean 'run'?"),
        (["check"], "Write: %nborch check NAME"),
        (["check", "a", "b"], "%nborch check takes 1 word, not 'a b'."),
        (["status", "a"], "%nborch status takes nothing, not 'a'."),
    ],
)
def test_wrong_words(words, said):
    """What does not fit is named, with what to write instead."""
    with pytest.raises(InvalidDeclaration, match=said.replace("?", r"\?")):
        command_named(words)


def test_report():
    """A report has aligned columns as text, and escapes all as HTML."""
    report = Report(
        "T <", [Row("✓", ["a", "b"]), Row("✕", ["long", "<i>"])], ["end"], "x\ny"
    )

    assert str(report).splitlines() == ["T <", "  ✓ a     b", "  ✕ long  <i>", "end", "    x", "    y"]  # fmt: skip
    html = report._repr_mimebundle_()["text/html"]
    assert "<i>" not in html
    assert "&lt;i&gt;" in html


def test_each_status_can_be_drawn():
    """Each status has a word, a sign of its own and the colours of a state."""
    assert len({status.sign for status in Status}) == len(Status)
    assert all(status.shade in SHADES for status in Status)


def test_tally():
    """A summary counts and names what came of each task; a failure is raised."""
    tally = Tally(ran=["a", "b"], failed={"c": ValueError("no")}, skipped=["d"])

    assert str(tally) == "2 ran (a, b) · 1 failed (c) · 1 skipped (d)"
    with pytest.raises(RuntimeError, match="1 of the cell tasks failed: c") as raised:
        tally.check()
    assert isinstance(raised.value.__cause__, ValueError)


def cell_run(**facts):
    known = {
        "number": 1,
        "task": "cell",
        "cell": None,
        "header": "%%task",
        "body": "x = 1",
    }
    return CellRun(**{**known, "outcome": Outcome.RAN, **facts})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"cell": "a", "body": "x"}, {"cell": "a", "body": "y"}, True),
        ({"cell": "a"}, {"cell": "b"}, False),
        ({"cell": "a", "task": "t"}, {"cell": "a", "task": "u"}, True),
        ({"task": "t", "body": "x"}, {"task": "t", "body": "y"}, True),
        ({"body": "x"}, {"body": "x"}, True),
        ({"body": "x"}, {"body": "y"}, False),
    ],
)
def test_identity(one, other, same):
    """A cell is known by its id; else by its name; else by its text."""
    assert (cell_run(**one).identity == cell_run(**other).identity) == same


# Functions.


def function(body, header="%%task clean", takes=("rows",), returns=("kept",)):
    return as_function("clean", parse_header(header), body, takes, returns)


def test_function_of_a_cell():
    """A cell becomes a function with its comments, without its imports."""
    made = function("import math\n# keep\nkept = [\n    r for r in rows\n]")

    assert made.text == (
        "@task\ndef clean(rows):\n    # keep\n    kept = [\n        r for r in rows\n    ]\n    return kept"
    )  # fmt: skip
    assert made.call() == "kept = clean(rows)"


@pytest.mark.parametrize(
    ("header", "decorator"),
    [
        ("%%task clean", "@task"),
        ("%%task tidy", "@task(name='tidy')"),
        ("%%task clean --retries 2 --retry-delay 3", "@task(retries=2, retry_delay_seconds=[3.0])"),
        ("%%task clean --timeout 5 --tags a,b --log-prints", "@task(timeout_seconds=5.0, tags=['a', 'b'], log_prints=True)"),
        ("%%task clean --refresh", "@task"),
    ],
)  # fmt: skip
def test_options_of_a_cell(header, decorator):
    """What a header says is said by the decorator, as far as a function can."""
    assert function("kept = rows", header).text.splitlines()[0] == decorator


@pytest.mark.parametrize(
    "body",
    ["kept = '''a\nb'''", "kept = f'''{rows}\nb'''", "import a; kept = rows", "import a\nx = (1,\n  2); import b"],
)  # fmt: skip
def test_texts_over_lines_stay_as_they_are(body):
    """Moving the code to the right changes no text, and no import is left over."""
    made = ast.parse(function(body).text).body[0]
    expected = [n for n in ast.parse(body).body if not isinstance(n, ast.Import)]

    inner = made.body[:-1]
    assert [ast.dump(node) for node in inner] == [ast.dump(node) for node in expected]


def test_async_cell():
    """A cell that awaits becomes an async function, which is awaited."""
    made = function("kept = await rows")

    assert "async def clean(rows):" in made.text
    assert made.call() == "kept = await clean(rows)"


def test_empty_cell():
    """A cell of nothing but imports becomes a function that does nothing."""
    assert function("import a", returns=(), takes=()).text.endswith(
        "def clean():\n    pass"
    )


@pytest.mark.parametrize(
    ("name", "taken", "expected"),
    [("clean", (), "clean"), ("my stats", (), "my_stats"), ("2024", (), "task_2024"), ("for", (), "task_for"), ("x", ("x",), "x_task")],
)  # fmt: skip
def test_identifier(name, taken, expected):
    """Any name becomes one that a function can have, and that no other has."""
    assert identifier(name, taken) == expected


def test_imports():
    """Each name that an import binds has an import of its own."""
    tree = ast.parse("import a.b, c as d\nfrom e import f, g as h\ndef k(): import z")

    found = dict(each for node in imports_in(tree) for each in bound_by(node))

    assert found == {
        "a": "import a.b",
        "d": "import c as d",
        "f": "from e import f",
        "h": "from e import g as h",
    }
