"""Showing: small cards that say what a task, a flow or a run is, as HTML and text.

They use JupyterLab's own colours where it is around, in light and in dark.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

__all__ = [
    "GLYPHS",
    "SHADES",
    "WORST",
    "Shade",
    "card",
    "colour",
    "duration",
    "escaped",
    "of_flow",
    "of_future",
    "of_run",
    "of_state",
    "of_task",
    "size",
]

MINUTE = 60
HOUR = 3600
_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_STEP = 1000


class Shade(NamedTuple):
    """The colours of a state: of its sign and lines, of a box, of text in the box."""

    line: str
    fill: str
    text: str


_GREY = Shade("#757575", "#eeeeee", "#424242")
_RED = Shade("#c62828", "#ffebee", "#8e1b1b")
_AMBER = Shade("#b26a00", "#fff3e0", "#6d4200")

#: The colours of each state type; text on its fill can be read in light and in dark.
SHADES: Mapping[str, Shade] = {
    "SCHEDULED": _AMBER,
    "PENDING": _GREY,
    "RUNNING": Shade("#1565c0", "#e3f2fd", "#0d47a1"),
    "COMPLETED": Shade("#2e7d32", "#e8f5e9", "#1b5e20"),
    "FAILED": _RED,
    "CRASHED": Shade("#e65100", "#fbe9e7", "#8c3200"),
    "CANCELLED": _GREY,
    "CANCELLING": _GREY,
    "PAUSED": _AMBER,
}

#: The sign of each state type, for who does not see colours.
GLYPHS: Mapping[str, str] = {
    "SCHEDULED": "◷",
    "PENDING": "○",
    "RUNNING": "◐",
    "COMPLETED": "✓",
    "FAILED": "✕",
    "CRASHED": "‼",
    "CANCELLED": "⊘",
    "CANCELLING": "⊘",
    "PAUSED": "‖",
}

#: What state many runs are in: the first of these that one of them is in.
WORST = (
    "CRASHED",
    "FAILED",
    "CANCELLING",
    "CANCELLED",
    "RUNNING",
    "PAUSED",
    "SCHEDULED",
    "PENDING",
    "COMPLETED",
)

_VARIABLES = {
    "COMPLETED": "--jp-success-color1",
    "FAILED": "--jp-error-color1",
    "RUNNING": "--jp-info-color1",
    "SCHEDULED": "--jp-warn-color1",
}

_ENTITIES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"}
)

_FRAME = (
    "display: inline-block; padding: 6px 12px; margin: 2px 0; border-radius: 4px; "
    "border: 1px solid var(--jp-border-color2, rgba(128, 128, 128, 0.4)); "
    "font: 13px/1.5 var(--jp-ui-font-family, system-ui, sans-serif); "
    "color: var(--jp-ui-font-color1, inherit)"
)
_QUIET = "color: var(--jp-ui-font-color2, inherit); opacity: 0.85"
_CELL = "text-align: left; vertical-align: top; padding: 0 16px 0 0; border: none"

#: A row shows at most this many characters.
LONGEST = 300

Rows = Iterable[tuple[str, object]]


def colour(state: str) -> str:
    """Return the colour of a state type's sign, the page's own if it has one.

    >>> colour("COMPLETED")
    'var(--jp-success-color1, #2e7d32)'
    """
    line = SHADES[state].line
    return f"var({_VARIABLES[state]}, {line})" if state in _VARIABLES else line


def escaped(text: object) -> str:
    """Return a text that HTML shows as it is, in an attribute too.

    >>> escaped("<b>")
    '&lt;b&gt;'
    """
    return str(text).translate(_ENTITIES)


def card(
    kind: str, name: str, rows: Rows = (), *, state: tuple[str, str] | None = None
) -> dict[str, str]:
    """Return a card in the forms that front ends show.

    >>> print(card("Task", "clean", [("retries", 3), ("tags", None)])["text/plain"])
    Task clean
      retries  3

    Parameters
    ----------
    rows
        Labels and values; what is None or empty is left out.
    state
        The type and the name of a state.
    """
    told = [(label, _short(value)) for label, value in rows if _says(value)]
    head = [part for part in (kind, name) if part]
    plain = " ".join([*head, *_signed(state)])
    width = max((len(label) for label, _ in told), default=0)
    lines = [f"  {label:<{width}}  {value}" for label, value in told]
    return {
        "text/plain": "\n".join([plain, *lines]),
        "text/html": _html(kind, name, told, state),
    }


def _says(value: object) -> bool:
    """Tell whether a row is worth its line; a zero or False is."""
    return value is not None and not (isinstance(value, str | tuple) and not value)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _signed(state: tuple[str, str] | None) -> list[str]:
    return [f"{GLYPHS.get(state[0], '·')} {state[1]}"] if state else []


def _html(
    kind: str, name: str, rows: list[tuple[str, str]], state: tuple[str, str] | None
) -> str:
    """Return a card as HTML without scripts, styles or links of its own."""
    head = ""
    if kind:
        head += f'<span style="{_QUIET}">{escaped(kind)}</span> '
    if name:
        head += f"<strong>{escaped(name)}</strong> "
    if state:
        head += _state_html(*state)
    table = "".join(
        f'<tr style="background: none"><td style="{_CELL}; {_QUIET}">{escaped(label)}'
        f'</td><td style="{_CELL}; white-space: pre-wrap">{escaped(value)}</td></tr>'
        for label, value in rows
    )
    if table:
        style = "border-collapse: collapse; margin: 2px 0 0; font-size: 12px"
        table = f'<table style="{style}">{table}</table>'
    return f'<div style="{_FRAME}"><div>{head.strip()}</div>{table}</div>'


def _state_html(type_: str, name: str) -> str:
    """Return a state's sign in its colour, and its name."""
    colour = SHADES.get(type_, _GREY).line
    variable = _VARIABLES.get(type_)
    if variable:
        colour = f"var({variable}, {colour})"
    glyph = GLYPHS.get(type_, "·")
    return (
        f'<span style="color: {colour}; font-weight: bold" aria-hidden="true">'
        f"{glyph}</span> {escaped(name)}"
    )


def of_task(
    name: str,
    signature: object,
    *,
    description: str | None = None,
    tags: Iterable[str] = (),
    rows: Rows = (),
) -> dict[str, str]:
    """Return the card of a task.

    >>> print(of_task("clean", "(rows)", tags=["daily"])["text/plain"])
    Task clean
      called as  clean(rows)
      tags       daily

    Parameters
    ----------
    rows
        Further facts: retries, cache policy and the like; None is left out.
    """
    return card("Task", name, _declared(name, signature, description, tags, rows))


def of_flow(
    name: str,
    signature: object,
    *,
    description: str | None = None,
    tags: Iterable[str] = (),
    rows: Rows = (),
) -> dict[str, str]:
    """Return the card of a flow; the parameters are those of `of_task`."""
    return card("Flow", name, _declared(name, signature, description, tags, rows))


def _declared(
    name: str,
    signature: object,
    description: str | None,
    tags: Iterable[str],
    rows: Rows,
) -> list[tuple[str, object]]:
    """Return the rows of what was declared, the first line of its description first."""
    first = (description or "").strip().partition("\n")[0]
    called = f"{name}{signature}" if name.isidentifier() else signature
    return [
        ("", first),
        ("called as", called),
        ("tags", ", ".join(sorted(tags))),
        *rows,
    ]


def of_state(
    type_: str, name: str, message: str | None = None, rows: Rows = ()
) -> dict[str, str]:
    """Return the card of a state.

    >>> print(of_state("COMPLETED", "Cached", "saved 4.1 s")["text/plain"])
    State ✓ Cached
      message  saved 4.1 s
    """
    return card("State", "", [("message", message), *rows], state=(type_, name))


def of_future(
    name: str,
    state: tuple[str, str],
    message: str | None = None,
    rows: Rows = (),
) -> dict[str, str]:
    """Return the card of a future: the run it stands for, and where that is now."""
    return card("Future of", name, [("message", message), *rows], state=state)


def of_run(  # noqa: PLR0913  # each is a fact of the run
    kind: str,
    name: str,
    of: str,
    state: tuple[str, str] | None = None,
    *,
    message: str | None = None,
    seconds: float | None = None,
    parameters: Mapping[str, Any] | None = None,
    tags: Iterable[str] = (),
    rows: Rows = (),
) -> dict[str, str]:
    """Return the card of a run.

    >>> shown = of_run("flow", "calm-owl", "etl", ("FAILED", "Failed"), seconds=4.13)
    >>> print(shown["text/plain"])
    Flow run calm-owl ✕ Failed
      of    etl
      took  4.1 s

    Parameters
    ----------
    state
        The type and the name of its state.
    """
    given = ", ".join(f"{key}={value!r}" for key, value in (parameters or {}).items())
    told = [
        ("of", of),
        ("message", message),
        ("took", None if seconds is None else duration(seconds)),
        ("parameters", given),
        ("tags", ", ".join(sorted(tags))),
        *rows,
    ]
    return card(f"{kind.title()} run", name, told, state=state)


def duration(seconds: float) -> str:
    """Return a duration as people say it.

    >>> duration(0.0031), duration(4.13), duration(83), duration(5400)
    ('3 ms', '4.1 s', '1 min 23 s', '1 h 30 min')
    """
    if seconds < 0.0995:  # noqa: PLR2004  # below it, tenths of a second say nothing
        return f"{max(1, round(seconds * 1000))} ms"
    # NB. Rounded before it is compared: 59.96 seconds are a minute, not 60.0 s.
    tenths = round(seconds * 10)
    if tenths < MINUTE * 10:
        return f"{tenths / 10:.1f} s"
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    minutes = round(whole / MINUTE)
    return f"{minutes // 60} h {minutes % 60} min"


def size(count: float) -> str:
    """Return a number of bytes as people say it.

    >>> size(0), size(1234), size(3_400_000)
    ('0 bytes', '1.2 kB', '3.4 MB')
    """
    unit = 0
    while count >= _STEP and unit < len(_UNITS) - 1:
        count /= _STEP
        unit += 1
    return f"{count:.0f} {_UNITS[0]}" if unit == 0 else f"{count:.1f} {_UNITS[unit]}"
