"""Parts of the server that need no connection: bodies, cells as HTML, rings, names."""

import json
import re

import pytest

from nborch.server import bodies
from nborch.server.listening import address_of, is_loopback
from nborch.server.notebooks import Cell
from nborch.server.problems import Problem
from nborch.server.rendering import rendered
from nborch.server.topics import KEPT, Ring, merged


def cell(source="", *, kind="code", outputs=(), count=1):
    content = {
        "cell_type": kind,
        "source": source,
        "outputs": list(outputs),
        "execution_count": count,
        "metadata": {},
    }
    return Cell(0, "one", "v", content)


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def display(**data):
    kinds = {name.replace("_", "/", 1): value for name, value in data.items()}
    return {"output_type": "display_data", "data": kinds, "metadata": {}}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain <b>&", "plain &lt;b&gt;&amp;"),
        (
            "\x1b[31mred\x1b[0m and \x1b[1mbold",
            '<span class="ink1">red</span> and <span class="bold">bold</span>',
        ),
        (
            "\x1b[1;94mbright\x1b[22mthin",
            '<span class="bold ink4">bright</span><span class="ink4">thin</span>',
        ),
        ("\x1b[38;5;200mmany\x1b[m.", "many."),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x07", "link"),
        ("\x1b[2J\x1b[Hcleared", "cleared"),
        ("10%\r50%\r100%\ndone\r\n", "100%\ndone\n"),
        ("\x1b[9999999999m<x>", "&lt;x&gt;"),
    ],
)
def test_what_was_printed_looks_as_on_a_terminal(text, shown):
    """Colours are classes, other orders to a terminal are gone, and text is text."""
    html = rendered(cell(outputs=[stream(text)]))

    assert f'<pre class="stdout">{shown}</pre>' in html


def test_code_is_text_with_colours():
    """Source is escaped, whatever its language is called."""
    source = "x = '</pre><script>alert(1)</script>'"

    for language in ("python", "no such language", "r"):
        html = rendered(cell(source), language)
        assert "<script" not in html
        assert "&lt;script&gt;" in re.sub(r"</?span[^>]*>", "", html)
    assert '<span class="s' in rendered(cell(source))


def test_the_best_form_of_an_output_is_shown():
    """HTML before pictures, pictures before text; what has no form is named."""
    everything = display(text_html="<i>h</i>", image_png="aGk=\n", text_plain="t")
    picture = display(image_png=["aGk", '="><script>'], text_plain="t")
    widget = display(
        **{"application_vnd.jupyter.widget-view+json": {}, "text_plain": "Slider()"}
    )
    unknown = display(**{"application_x-y": "z"})

    assert '<div class="output"><i>h</i></div>' in rendered(cell(outputs=[everything]))
    html = rendered(cell(outputs=[picture]))
    assert 'src="data:image/png;base64,aGk=script"' in html
    assert "<script" not in html
    assert "<pre>Slider()</pre>" in rendered(cell(outputs=[widget]))
    assert "application/x-y" in rendered(cell(outputs=[unknown]))


def test_markdown_and_raw_cells_have_no_output():
    """Markdown is rendered, raw text is not."""
    assert "<h1>Title</h1>" in rendered(cell("# Title", kind="markdown"))
    assert rendered(cell("<b>", kind="raw")) == '<pre class="raw">&lt;b&gt;</pre>'


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"cell_type": None, "source": 5},
        {"cell_type": "code", "outputs": {"a": 1}, "execution_count": "x"},
        {"cell_type": "code", "outputs": [None, 5, {}, {"output_type": "error"}]},
        {"cell_type": "code", "outputs": [{"output_type": "stream", "text": [1, "a"]}]},
        {
            "cell_type": "code",
            "outputs": [{"output_type": "error", "traceback": [None]}],
        },
        {
            "cell_type": "code",
            "outputs": [{"data": {"image/png": 5, "text/plain": {}}}],
        },
        {"cell_type": "code", "outputs": [{"data": {"application/json": {"a": [1]}}}]},
    ],
)
def test_a_broken_cell_is_shown_as_far_as_it_goes(content):
    """S26: What is no notebook's makes no fault of ours."""
    shown = Cell(0, "one", "v", content)

    assert isinstance(rendered(shown), str)
    assert json.dumps(shown.told())


def test_a_ring_tells_who_has_fallen_behind():
    """Whoever asks for what is not kept any more is told so."""
    ring = Ring()
    assert ring.after(0) == ()

    for number in range(KEPT + 10):
        ring.add(number)

    assert ring.after(9) is None
    assert ring.after(10) == tuple(range(10, KEPT + 10))
    assert ring.after(ring.last) == ()


def test_a_run_that_changed_twice_is_told_once():
    """Of several states of a thing the latest is told."""
    told = merged("runs", [{"a": b'"old"'}, {"b": b"1"}, {"a": b'"new"'}])

    assert json.loads(told[0][1][0])["items"] == ["new", 1]
    assert merged("runs", [{}]) == []


@pytest.mark.parametrize(
    "value",
    [{"a": float("nan")}, ["\ud800"], {"a": [float("-inf"), (1,)]}, "</script>"],
)
def test_an_answer_is_always_json(value):
    """What a run has left behind may be no JSON: the answer is."""
    assert json.loads(bodies.written(value))


def test_a_body_is_refused_in_a_sentence():
    """The refusal has a status, a name and a reason."""
    with pytest.raises(Problem) as refused:
        bodies.read(b'{"a": 1, "a": 2}')

    assert refused.value.told() == {
        "type": "urn:nborch:invalid-request",
        "title": "Invalid request",
        "status": 400,
        "detail": "The body cannot be read as JSON. An object says the same name twice.",
    }


@pytest.mark.parametrize(
    ("host", "told"),
    [("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("::1", "[::1]"), ("box", "box")],
)
def test_an_address_is_one_that_a_browser_takes(host, told):
    """Whatever it listens at, the address leads there from this machine."""

    class Listening:
        def getsockname(self):
            return host, 4200

    assert address_of(host, [Listening()]) == f"http://{told}:4200/"


def test_loopback_is_this_machine_alone():
    """Only what surely is one counts as an address of this machine."""
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "box", "")))
