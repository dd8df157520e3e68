"""The header: what the first line of a cell task or a cell flow asks for."""

import re
from datetime import timedelta
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nborch.exceptions import InvalidDeclaration
from nborch.notebook.headers.completion import HeaderCompletion, Seen
from nborch.notebook.headers.header import Header, header_reads, parse_header
from nborch.notebook.headers.manual import manual
from nborch.notebook.headers.options import FLOW, OPTIONS, TASK, options_of, read_span

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("%%task", Header()),
        ("%%task   ", Header()),
        ("%%task clean", Header("clean")),
        ("%%task\tclean", Header("clean")),
        ("%%task clean --refresh", Header("clean", refresh=True)),
        ("%%task --no-cache clean", Header("clean", no_cache=True)),
        ("  %%task clean --refresh --no-cache\n", Header("clean", refresh=True, no_cache=True)),
        ("%%task 'two words'", Header("two words")),
        ("%%task ''", Header()),
        ("%%task clean  # drop empty rows", Header("clean")),
        ("%%task clean  # --retries {many}", Header("clean")),
        ("%%task a --retries 3", Header("a", retries=3)),
        ("%%task a --retries=3", Header("a", retries=3)),
        ("%%task --retries 3 a", Header("a", retries=3)),
        ("%%task --retries 3 --retries 3", Header(retries=3)),
        ("%%task --retry-delay 5", Header(retry_delays=(5.0,))),
        ("%%task --retry-delay 30s", Header(retry_delays=(30.0,))),
        ("%%task --retry-delay 1,10,1m", Header(retry_delays=(1.0, 10.0, 60.0))),
        ("%%task --timeout 5m", Header(timeout=300.0)),
        ("%%task --timeout 0", Header(timeout=None)),
        ("%%task --cache-expiration 1h", Header(cache_expiration=HOUR)),
        ("%%task a --needs b,c", Header("a", needs=("b", "c"))),
        ("%%task --needs b,c a", Header("a", needs=("b", "c"))),
        ("%%task --needs b --needs=c,b", Header(needs=("b", "c"))),
        ("%%task --needs=", Header(needs=())),
        ("%%task --needs ''", Header(needs=())),
        ("%%task --makes 'y, z'", Header(makes=("y", "z"))),
        ("%%task --makes größe", Header(makes=("größe",))),
        ("%%task a --files b.csv c/*.csv --refresh", Header("a", files=("b.csv", "c/*.csv"), refresh=True)),
        ("%%task --files 'my data.csv'", Header(files=("my data.csv",))),
        ("%%task --files b.csv,c.csv a", None),
        ("%%task --files=b.csv,c.csv a", Header("a", files=("b.csv", "c.csv"))),
        ("%%task a --files b --files c", Header("a", files=("b", "c"))),
        ("%%task a --env REGION STAGE", Header("a", env=("REGION", "STAGE"))),
        ("%%task a --tags etl,nightly", Header("a", tags=("etl", "nightly"))),
        ("%%task a --concurrency api --concurrency db", Header("a", concurrency=("api", "db"))),
        ("%%task a --log-prints", Header("a", log_prints=True)),
        ("%%task a --submit", Header("a", submit="process")),
        ("%%task --submit a", Header("a", submit="process")),
        ("%%task a --submit=thread", Header("a", submit="thread")),
        ("%%task --help --nonsense", Header(help=True)),
        ("%%flow", Header()),
        ("%%flow report --retries 2 --tags a,b", Header("report", retries=2, tags=("a", "b"))),
        ("%%flow --timeout 10 --log-prints --retry-delay 1s", Header(timeout=10.0, log_prints=True, retry_delays=(1.0,))),
    ],
)  # fmt: skip
def test_a_header_is_a_name_and_options(line, header):
    """The line names the task and its options, in any order, with a comment."""
    if header is None:
        with pytest.raises(InvalidDeclaration, match="Write the name first"):
            parse_header(line)
        return

    assert parse_header(line) == header


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("%%task --refesh", "%%task has no option '--refesh'. Did you mean '--refresh'? Its options are: --retries, "),
        ("%%task -x", "has no option '-x'. Its options are"),
        ("%%flow --needs a", "%%flow has no option '--needs', which is one of %%task. Its options are: --retries, --retry-delay, --timeout, --tags, --log-prints, --help."),
        ("%%flow --retrys 1", "%%flow has no option '--retrys'. Did you mean '--retries'?"),
        ("%%task a b", "takes one name, not 2: a, b. Join them: a_b."),
        ("%%flow a b", "%%flow takes one name, not 2"),
        ("%%task 'open", "cannot be read: No closing quotation."),
        ("%%task --retries", "%%task --retries needs a value. Write --retries N."),
        ("%%task --retries --refresh", "--retries needs a value"),
        ("%%task --retries three", "%%task --retries takes a whole number from 0, not 'three'."),
        ("%%task --retries -1", "--retries takes a whole number from 0, not '-1'."),
        ("%%task --retries 1.5", "not '1.5'"),
        ("%%task --retries 1 --retries 2", "%%task --retries is given twice."),
        ("%%task --retry-delay soon", "--retry-delay takes a time such as 30, 30s, 5m, 1h30m or 7d, not 'soon'."),
        ("%%task --retry-delay 1,,2", "--retry-delay takes a time"),
        ("%%task --retry-delay " + ",".join("1" * 51), "takes at most 50 delays, of which the last one repeats"),
        ("%%task --timeout -5", "--timeout takes a time"),
        ("%%task --timeout nan", "--timeout takes a time"),
        ("%%task --timeout 5 minutes", None),
        ("%%task --cache-expiration 99999999999d", "--cache-expiration takes a time of less than a million days"),
        ("%%task --needs a-b", "--needs takes names of the notebook with commas between them, not 'a-b'."),
        ("%%task --makes class", "--makes takes names"),
        ("%%task --env A=1", "--env takes names of environment variables, not their values, not 'A=1'."),
        ("%%task --files a.csv b.csv", "Is 'b.csv' the name of the cell, or does it belong to --files? Write the name first, or join what belongs to --files with commas."),
        ("%%task --refresh=yes", "%%task --refresh takes no value. Write --refresh."),
        ("%%task --submit=thred", "--submit takes process or thread after an equals sign, not 'thred'. Did you mean 'thread'?"),
        ("%%task --submit thread", "Is 'thread' the name of the cell, or how to submit it? Write the name first, or --submit=thread."),
    ],
)  # fmt: skip
def test_a_wrong_header_says_what_is_right(line, message):
    """An unknown option, a value that does not fit or a second name is told with what
    to write.
    """
    if message is None:
        # The second word is the name.
        assert parse_header("%%task --timeout 5 minutes") == Header(
            "minutes", timeout=5.0
        )
        return

    with pytest.raises(InvalidDeclaration, match=re.escape(message)):
        parse_header(line)


NAMES = {"folder": "my data", "stage": "eu", "n": 2, "keep": ["a", "b"], "_": 0}


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("%%task {stage}", Header("eu")),
        ("%%task load-$stage", Header("load-eu")),
        ("%%task load-{stage.upper()}-{n:03d}", Header("load-EU-002")),
        ("%%task --retries {n + 1}", Header(retries=3)),
        ("%%task --retries={n}", Header(retries=2)),
        ("%%task --files {folder}/*.csv", Header(files=("my data/*.csv",))),
        ("%%task --files '{folder}/*.csv'", Header(files=("my data/*.csv",))),
        ("%%task --needs {','.join(keep)}", Header(needs=("a", "b"))),
        ("%%task a{{b}} --tags $$x", Header("a{b}", tags=("$x",))),
        ("%%task a{}b", Header("a{}b")),
    ],
)
def test_expressions(line, header):
    """Expressions and names of the notebook may stand in the line; what is put in is
    never split.
    """
    assert parse_header(line, NAMES) == header


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("%%task --files {foldr}", "The expression '{foldr}' in the first line raised NameError: name 'foldr' is not defined. Write {{ and }} for braces."),
        ("%%task --files $foldr/a", "'$foldr' in the first line is no name of the notebook. Did you mean 'folder'? Write $$foldr for the characters."),
        ("%%task --retries {folder}", "--retries takes a whole number from 0, not 'my data'."),
    ],
)  # fmt: skip
def test_wrong_expressions(line, message):
    """An expression that cannot be evaluated is told, and nothing else is taken."""
    with pytest.raises(InvalidDeclaration, match=re.escape(message)):
        parse_header(line, NAMES)


def test_expressions_outside_the_kernel():
    """Who does not have the names reads the rest of the line."""
    header = parse_header("%%task a --retries {n} --timeout={t} --tags x,y")

    assert header == Header("a", tags=("x", "y"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("1.5", 1.5), ("250ms", 0.25), ("2m", 120), ("1h30m", 5400), ("1d", 86400), ("1w", 604800), (".5h", 1800), ("1e3", 1000)],
)  # fmt: skip
def test_spans(text, seconds):
    """A time is a number of seconds, or numbers with units."""
    assert read_span(text) == seconds


@given(st.text())
@example("''")
@example("\ue0000\ue001")
@example("{a")
def test_any_line_is_read_or_refused(text):
    """Whatever stands in the line, it is a header or one error."""
    for magic in (TASK, FLOW):
        try:
            header = parse_header(f"{magic} {text}", {"a": 1})
        except InvalidDeclaration:
            continue
        assert header.name


def test_the_table_fits_the_header():
    """Every option sets something of the header, and no two the same."""
    fields = [option.field for option in OPTIONS]

    assert sorted(fields) == sorted(set(Header.__dataclass_fields__) - {"name"})
    assert set(options_of(FLOW)) < set(options_of(TASK))


@pytest.mark.parametrize("magic", [TASK, FLOW])
def test_the_manual(magic):
    """The help tells every option of the magic and none else, in lines that fit."""
    told = manual(magic)

    lines = told.splitlines()
    options = [
        line.split()[0].partition("[")[0] for line in lines if line.startswith("    --")
    ]
    examples = [line.strip() for line in lines if line.startswith(f"    {magic}")]
    assert options == list(options_of(magic))
    assert examples
    assert all(parse_header(line, {"month": 3}) for line in examples)
    assert max(map(len, lines)) <= 88


@pytest.mark.parametrize(
    ("line", "token", "offered"),
    [
        ("%%task ", "cl", ["clean"]),
        ("%%task ", "--ta", ["--tags"]),
        ("%%task a ", "c", []),
        ("%%task a --retries ", "", []),
        ("%%task --submit=", "", ["process", "thread"]),
        ("%%task --tags b ", "cl", ["clean"]),
        ("%%task --unknown ", "cl", ["clean"]),
        ("%%tasks ", "cl", []),
    ],
)
def test_what_completion_offers(line, token, offered):
    """What is offered is what may come next."""
    seen = Seen()
    seen.note(Header("clean"))
    seen.note(Header())
    asked = SimpleNamespace(
        full_text=f"{line}{token}",
        cursor_line=0,
        line_with_cursor=f"{line}{token}",
        cursor_position=len(line) + len(token),
        token=token,
    )

    told = HeaderCompletion(SimpleNamespace(user_ns={}, user_ns_hidden={}), seen)(asked)

    assert [each.text for each in told["completions"]] == offered
    assert told["suppress"] is bool(offered)


def test_a_fault_of_completion():
    """Whatever goes wrong, other completion goes on."""
    told = HeaderCompletion(None, Seen())(SimpleNamespace())

    assert not told["completions"]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("%%task clean", set()),
        ("%%task --needs a,b --makes c", {"a", "b"}),
        ("%%task load-{stage.upper()} --tags $x {{y}} $$z", {"stage", "upper", "x"}),
        ("%%task --retries {n + 1} --needs a", {"n", "a"}),
        ("%%task --nonsense {n}", {"n"}),
    ],
)
def test_what_a_header_reads(line, names):
    """A first line reads what it needs, and what stands in its expressions."""
    assert header_reads(line) == names
