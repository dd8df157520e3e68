"""Rendering: a cell of an executed notebook as HTML, for a frame of its own.

What a run has shown is shown as it is, scripts and all: it was meant to be seen by
whoever runs it. It must therefore never stand in a page of ours, but only in a frame
that belongs to nobody (`nborch.server.frames`).
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from html import escape
from typing import Any

from nborch.server.notebooks import Cell, text_of

__all__ = ["rendered"]

#: Longer texts are cut, in characters: no browser shows them well.
LONGEST = 1_000_000
#: Longer code is not coloured.
LONGEST_CODE = 100_000

_ANSI = re.compile(r"\x1b\[([0-9;]*)m")
#: All other orders to a terminal: they are not shown.
_ORDERS = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-ln-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])"
)
_BOLD, _PLAIN, _NORMAL = 1, 22, 0
_COLOURS, _BRIGHT = range(30, 38), range(90, 98)

_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")


def rendered(cell: Cell, language: str = "python") -> str:
    """Return a cell as HTML.

    Parameters
    ----------
    language
        That of its code.
    """
    source = text_of(cell.content.get("source"))[:LONGEST]
    kind = cell.content.get("cell_type")
    if kind == "markdown":
        return f'<div class="markdown">{_markdown(source)}</div>'
    if kind != "code":
        return f'<pre class="raw">{escape(source)}</pre>'
    count = cell.content.get("execution_count")
    number = f"{count}" if isinstance(count, int) else " "
    outputs = cell.content.get("outputs")
    told = "".join(map(_output, outputs)) if isinstance(outputs, list) else ""
    return (
        f'<div class="code"><span class="count">[{number}]</span>'
        f"<pre>{_code(source, language)}</pre></div>"
        f'<div class="outputs">{told}</div>'
    )


def _output(output: object) -> str:
    if not isinstance(output, dict):
        return ""
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return f'<pre class="{name}">{_terminal(text_of(output.get("text")))}</pre>'
    if kind == "error":
        lines = output.get("traceback")
        lines = lines if isinstance(lines, list) and lines else [_short(output)]
        told = "\n".join(map(str, lines))
        return f'<pre class="error">{_terminal(told)}</pre>'
    data = output.get("data")
    return _shown(data) if isinstance(data, dict) else ""


def _short(output: Mapping[str, Any]) -> str:
    return f"{output.get('ename', '')}: {output.get('evalue', '')}"


def _shown(data: Mapping[str, Any]) -> str:
    """Return the best form that a browser can show."""
    for kind, show in _FORMS.items():
        if kind in data:
            return f'<div class="output">{show(data[kind])}</div>'
    if "text/plain" not in data:
        return f'<pre class="remark">{escape(", ".join(map(str, data)))}</pre>'
    return f"<pre>{_terminal(text_of(data['text/plain']))}</pre>"


def _html(value: object) -> str:
    return text_of(value)


def _script(value: object) -> str:
    return f"<script>{text_of(value)}</script>"


def _image(kind: str) -> Callable[[object], str]:
    def image(value: object) -> str:
        told = re.sub(r"[^A-Za-z0-9+/=]", "", text_of(value))
        return f'<img src="data:{kind};base64,{told}" alt="">'

    return image


def _json(value: object) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2)[:LONGEST])}</pre>"


def _latex(value: object) -> str:
    return f'<pre class="latex">{escape(text_of(value))}</pre>'


def _markdown(value: object) -> str:
    html: str = _parser().render(text_of(value))
    return html


#: What can be shown, the best first.
_FORMS: Mapping[str, Callable[[object], str]] = {
    "text/html": _html,
    "image/svg+xml": _html,
    **{kind: _image(kind) for kind in _IMAGES},
    "text/markdown": _markdown,
    "text/latex": _latex,
    "application/javascript": _script,
    "application/json": _json,
}


@cache
def _parser() -> Any:
    from markdown_it import MarkdownIt

    # NB. As in Jupyter, HTML is HTML: the frame holds whatever it does.
    parser = MarkdownIt("commonmark", {"html": True})
    return parser.enable(["table", "strikethrough"])


def _code(source: str, language: str) -> str:
    """Return code with a class for each kind of its words."""
    if len(source) > LONGEST_CODE:
        return escape(source)
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return escape(source)
    return str(highlight(source, lexer, HtmlFormatter(nowrap=True))).rstrip("\n")


def _terminal(text: str) -> str:
    """Return what a terminal would show, with its colours as classes."""
    text = _ORDERS.sub("", _overwritten(text[:LONGEST]))
    return "".join(_coloured(text))


def _overwritten(text: str) -> str:
    """Return the lines as they stand after the returns of the carriage in them."""
    if "\r" not in text:
        return text
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def _coloured(text: str) -> Iterator[str]:
    place, classes = 0, ""
    for match in _ANSI.finditer(text):
        yield _span(text[place : match.start()], classes)
        classes = _classes(match[1], classes)
        place = match.end()
    yield _span(text[place:], classes)


def _span(text: str, classes: str) -> str:
    told = escape(text)
    return f'<span class="{classes}">{told}</span>' if told and classes else told


def _classes(codes: str, before: str) -> str:
    """Return the classes after an order to change colours."""
    classes = before.split()
    for text in codes.split(";"):
        code = int(text[:4] or 0)
        if code == _NORMAL:
            classes = []
        elif code == _BOLD:
            classes.append("bold")
        elif code == _PLAIN:
            classes = [each for each in classes if each != "bold"]
        elif code in _COLOURS or code in _BRIGHT:
            classes = [each for each in classes if not each.startswith("ink")]
            classes.append(f"ink{code % 10}")
        elif code in {38, 48}:
            break  # a colour out of many: what follows are its parts
    return " ".join(dict.fromkeys(classes))
