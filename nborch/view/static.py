"""Static output: a run graph as a picture, a table and a text, without any script.

It is what a notebook shows where nothing is live: untrusted, converted, printed.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from nborch.pictures import as_image
from nborch.showing import GLYPHS, SHADES, colour, duration, escaped
from nborch.view.graphs import Message
from nborch.view.grouping import Item, arranged, counted
from nborch.view.portrait import portrait, took

__all__ = ["bundle", "picture"]

#: The rows of a table, and the lines of a text, at most.
ROWS, LINES = 300, 40

#: A message in a row shows at most this many letters.
LONGEST = 200

_FONT = "font: 12px/1.5 var(--jp-ui-font-family, system-ui, sans-serif)"
_CELL = (
    "text-align: left; vertical-align: top; padding: 2px 14px 2px 0; border: none; "
    "white-space: pre-wrap"
)

_GREY = "#757575"

#: Nodes beyond so many are not drawn: the picture could not be read.
DRAWN = 300

_GROUPS = {"flow": "Flow run", "task": "Task run", "session": "Session"}


def picture(snapshot: Message) -> str:
    """Return a run graph as the text of an SVG picture.

    Parameters
    ----------
    snapshot
        What a model of it tells; see `nborch.view.model`.
    """
    scene = arranged(snapshot["nodes"])
    if sum(not item.children for item in scene.walk()) > DRAWN:
        # All of them different: the first ones.
        scene = arranged(snapshot["nodes"][:DRAWN])
    return portrait(scene, _headline(snapshot), snapshot["now"])


def bundle(snapshot: Message) -> dict[str, str]:
    """Return a run graph in the forms that front ends show without being trusted.

    ::

        bundle(RunView.from_store(home.store, run_id).snapshot())["text/plain"]

    Parameters
    ----------
    snapshot
        What a model of it tells; see `nborch.view.model`.
    """
    return {"text/plain": _text(snapshot), "text/html": _html(snapshot)}


def _headline(snapshot: Message) -> str:
    """Return what the graph is of, and where that stands."""
    run = snapshot["run"]
    if snapshot["view"] == "cells":
        return f"Cell tasks of {run['name']}"
    kind, name = run["state"]["type"], run["state"]["name"]
    parts = [_GROUPS.get(run["kind"], "Run"), run["name"]]
    if run["of"] != run["name"]:
        parts.append(f"of {run['of']}")
    parts.append(f"{GLYPHS.get(kind, '·')} {name}")
    seconds = took(run, snapshot["now"])
    if seconds is not None:
        parts.append(f"{'in' if run.get('ended') else 'for'} {duration(seconds)}")
    return " ".join(map(str, parts))


def _summary(snapshot: Message) -> str:
    """Return how many tasks are in which state."""
    nodes = snapshot["nodes"]
    around = {node.get("parent") for node in nodes}
    tasks = [node for node in nodes if node["id"] not in around]
    counts = counted(tasks)
    told = ", ".join(f"{count} {name.lower()}" for (_, name), count in counts.items())
    what = "cell task" if snapshot["view"] == "cells" else "task"
    total = f"{len(tasks)} {what}{'s' if len(tasks) != 1 else ''}"
    return f"{total}: {told}" if told else f"no {what}s yet"


# The text.


def _text(snapshot: Message) -> str:
    """Return the graph as lines: what is within something stands below it."""
    lines = [_headline(snapshot), f"  {_summary(snapshot)}"]
    items = list(arranged(snapshot["nodes"]).walk())
    shown = items[:LINES]
    wide = max((2 * item.level + len(_name(item)) for item in shown), default=0)
    for item in shown:
        kind, _ = item.state
        label = f"{'  ' * item.level}{GLYPHS.get(kind, '·')} {_name(item)}"
        lines.append(f"  {label:<{wide + 2}}  {_said(item, snapshot['now'])}".rstrip())
    if len(items) > LINES:
        lines.append(f"  … and {len(items) - LINES} more")
    message = snapshot["run"]["state"].get("message")
    return "\n".join([*lines, f"  {_one_line(message)}"] if message else lines)


def _name(item: Item) -> str:
    count = f" \N{MULTIPLICATION SIGN} {len(item.members)}" if item.is_many else ""
    return f"{_one_line(item.label, 48)}{count}"


def _said(item: Item, now: float) -> str:
    """Return the state of an item, how long it took, and why."""
    if item.is_many:
        counts = counted(item.members)
        return ", ".join(f"{n} {name.lower()}" for (_, name), n in counts.items())
    node = item.node
    seconds = took(node, now)
    parts = [str(node["state"]["name"])]
    if seconds is not None:
        parts.append(duration(seconds))
    parts += _remarks(node)
    return " · ".join(parts)


def _remarks(node: Mapping[str, Any]) -> Iterator[str]:
    attempts = len(node.get("attempts") or ())
    if attempts > 1:
        yield f"{attempts} attempts"
    saved = node.get("saved_seconds")
    if saved:
        yield f"{duration(saved)} saved"
    told = node.get("why") or node["state"].get("message")
    if told:
        yield _one_line(told)


def _one_line(text: object, longest: int = LONGEST) -> str:
    line = " ".join(str(text)[: 4 * longest].split())
    line = "".join(letter if letter.isprintable() else " " for letter in line)
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


# The HTML.


def _html(snapshot: Message) -> str:
    """Return the graph as HTML without scripts, style sheets or links."""
    headline, nodes = _headline(snapshot), snapshot["nodes"]
    image = as_image(picture(snapshot), _one_line(headline)) if nodes else ""
    message = snapshot["run"]["state"].get("message")
    told = f"<div>{escaped(_one_line(message))}</div>" if message else ""
    table = f"<summary>{escaped(_summary(snapshot))}</summary>{_table(snapshot)}"
    return (
        f'<div style="{_FONT}; margin: 2px 0"><div style="font-weight: bold">'
        f"{escaped(_one_line(headline))}</div>{told}"
        f'<div style="margin: 6px 0; overflow-x: auto">{image}</div>'
        f"<details>{table}</details></div>"
    )


def _table(snapshot: Message) -> str:
    """Return a table with a row for each item, those around others above them."""
    items = list(arranged(snapshot["nodes"]).walk())
    rows = [
        "".join(
            f'<th style="{_CELL}">{head}</th>'
            for head in ("Task", "State", "Took", "Started", "")
        )
    ]
    rows += [_row(item, snapshot) for item in islice(items, ROWS)]
    if len(items) > ROWS:
        more = f"… and {len(items) - ROWS} more"
        rows.append(f'<td colspan="5" style="{_CELL}">{more}</td>')
    body = "".join(f'<tr style="background: none">{row}</tr>' for row in rows)
    look = f"border-collapse: collapse; table-layout: auto; {_FONT}"
    return f'<table style="{look}">{body}</table>'


def _row(item: Item, snapshot: Message) -> str:
    kind, name = item.state
    node, now = item.node, snapshot["now"]
    # NB. JupyterLab takes the page's colours out of notebooks that are not trusted, and
    # leaves the plain ones that stand before them.
    shade = f"{SHADES[kind].line}; color: {colour(kind)}" if kind in SHADES else _GREY
    sign = f'<span style="color: {shade}; font-weight: bold" aria-hidden="true">'
    sign += f"{GLYPHS.get(kind, '·')}</span>\N{NO-BREAK SPACE}"
    state = escaped(_said(item, now) if item.is_many else _one_line(name, 40))
    seconds = None if item.is_many else took(node, now)
    remarks: Iterable[str] = () if item.is_many else _remarks(node)
    indent = f'<span style="padding-left: {14 * item.level}px">'
    cells = (
        f"{indent}{escaped(_name(item))}</span>",
        sign + state,
        duration(seconds) if seconds is not None else "",
        _after(node, snapshot["run"]),
        escaped(" · ".join(remarks)),
    )
    return "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells)


def _after(node: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    """Return how long after the run a task began."""
    began, started = run.get("started"), node.get("started")
    if began is None or started is None or started < began:
        return ""
    return f"+{duration(started - began)}"
