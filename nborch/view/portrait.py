"""Portraits: a run graph as an SVG picture that needs no script, style or font.

It can be read on a light and on a dark page: cards bring their own ground.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from nborch.pictures import drawable, letters
from nborch.showing import GLYPHS, SHADES, Shade, duration, escaped
from nborch.view.grouping import Item, Scene, counted
from nborch.view.placing import CARD, LABEL, Picture, Spot, pictured

__all__ = ["portrait", "took"]

#: The margin of a picture, and how wide a notebook is.
MARGIN, PAGE = 6.0, 1_000.0

_NEUTRAL = Shade("#757575", "#f2f2f2", "#424242")
_WIRE = "#8c8c8c"

#: Dashes of a card's border, so that no state is told by colour alone.
_DASHES: Mapping[str, str] = {
    "CRASHED": "7 2 2 2",
    "CANCELLING": "1 3",
    "CANCELLED": "1 3",
    "PAUSED": "9 4",
    "PENDING": "3 3",
    "SCHEDULED": "5 3",
}

Node = Mapping[str, Any]


def portrait(scene: Scene, title: str, now: float) -> str:
    """Return a run graph as the text of an SVG picture.

    Parameters
    ----------
    title
        What it is of, for who has it read aloud.
    now
        For how long what runs has been running, in seconds since 1970.
    """
    picture = _fitting(scene)
    width, height = picture.width + 2 * MARGIN, picture.height + 2 * MARGIN
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" role="img"',
        f'  width="{width:g}" height="{height:g}"',
        f'  viewBox="{-MARGIN:g} {-MARGIN:g} {width:g} {height:g}"',
        '  font-family="system-ui, Segoe UI, sans-serif" font-size="11">',
        f"<title>{escaped(drawable(title, 200))}</title>",
    ]
    items = list(scene.walk())
    parts += [_frame(item, picture.spots[item]) for item in items if item.children]
    parts += [_wire(path, is_across=picture.is_across) for path in picture.paths]
    parts += [
        _card(item, picture.spots[item], now) for item in items if not item.children
    ]
    return "\n".join([*parts, "</svg>"])


def took(node: Node, now: float) -> float | None:
    """Return how long a run has been running, None if it has not begun."""
    started, ended = node.get("started"), node.get("ended")
    if started is None:
        return None
    if ended is None and node["state"]["type"] != "RUNNING":
        return None
    return max(0.0, float(now if ended is None else ended) - float(started))


def _fitting(scene: Scene) -> Picture:
    """Return the picture, from left to right if that fits a page, or nearly so."""
    across = pictured(scene, is_across=True)
    if across.width <= PAGE:
        return across
    down = pictured(scene, is_across=False)
    return down if down.width < across.width else across


def _wire(points: Sequence[tuple[float, float]], *, is_across: bool) -> str:
    """Return an arrow as a soft curve, level at each point."""
    path = f"M{points[0][0]:g} {points[0][1]:g}"
    for n, ((x, y), (to_x, to_y)) in enumerate(pairwise(points)):
        if n % 2:
            path += f"L{to_x:g} {to_y:g}"  # through a layer
        elif is_across:
            middle = (x + to_x) / 2
            path += f"C{middle:g} {y:g} {middle:g} {to_y:g} {to_x:g} {to_y:g}"
        else:
            middle = (y + to_y) / 2
            path += f"C{x:g} {middle:g} {to_x:g} {middle:g} {to_x:g} {to_y:g}"
    return f'<path d="{path}" fill="none" stroke="{_WIRE}" stroke-width="1.2"/>'


def _frame(item: Item, spot: Spot) -> str:
    """Return what is drawn around what is within an item: a title, and a border."""
    kind, name = item.state
    shade = SHADES.get(kind, _NEUTRAL)
    text = f"{GLYPHS.get(kind, '·')} {_cut(item.label, (spot.width - 60) / LABEL)}"
    wide = letters(text) * LABEL + 16
    return (
        f"<g><title>{escaped(drawable(f'{item.label}: {name}', 200))}</title>"
        f'<rect x="{spot.x:g}" y="{spot.y:g}" width="{spot.width:g}" '
        f'height="{spot.height:g}" rx="12" fill="#808080" fill-opacity="0.07" '
        f'stroke="{shade.line}" stroke-opacity="0.6"{_dashes(kind)}/>'
        f'<rect x="{spot.x + 8:g}" y="{spot.y + 6:g}" width="{wide:g}" height="20" '
        f'rx="6" fill="{shade.fill}"/><text x="{spot.x + 16:g}" y="{spot.y + 20:g}" '
        f'font-size="12" font-weight="600" fill="{shade.text}">{escaped(text)}</text>'
        "</g>"
    )


def _card(item: Item, spot: Spot, now: float) -> str:
    """Return a run as a card; many of them with a bar of their states."""
    kind, name = item.state
    shade = SHADES.get(kind, _NEUTRAL)
    x, y, width = spot.x, spot.y, spot.width
    count = "" if item.is_one else f"\N{MULTIPLICATION SIGN}{len(item.members)}"
    label = _cut(item.label, (width - 44) / LABEL - len(count))
    told = _told(item, now)
    drawn = _box(x + 4, y + 4, width - 8, shade, "") if count else ""
    drawn += _box(x, y, width, shade, _dashes(kind))
    drawn += (
        f'<text x="{x + 18:g}" y="{y + 26:g}" font-size="14" font-weight="bold" '
        f'text-anchor="middle" fill="{shade.line}">{GLYPHS.get(kind, "·")}</text>'
        f'<text x="{x + 33:g}" y="{y + 18:g}" font-size="12" font-weight="600" '
        f'fill="#1f2328">{escaped(label)}</text>'
        f'<text x="{x + 33:g}" y="{y + 32:g}" fill="{shade.text}">'
        f"{escaped(_cut(told, (width - 40) / 6))}</text>"
    )
    if count:
        drawn += f'<text x="{x + width - 10:g}" y="{y + 18:g}" text-anchor="end" '
        drawn += f'fill="{shade.text}">{count}</text>' + _bar(item, spot)
    tip = f"{item.label}: {name}, {told}"
    return f"<g><title>{escaped(drawable(tip, 300))}</title>{drawn}</g>"


def _box(x: float, y: float, width: float, shade: Shade, more: str) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{CARD:g}" rx="9" '
        f'fill="{shade.fill}" stroke="{shade.line}"{more}/>'
    )


def _bar(item: Item, spot: Spot) -> str:
    """Return a bar of the states that an item's runs are in."""
    drawn, x, room = "", spot.x + 33, spot.width - 43
    for (kind, _), count in sorted(counted(item.members).items()):
        wide = room * count / len(item.members)
        colour = SHADES.get(kind, _NEUTRAL).line
        drawn += f'<rect x="{x:g}" y="{spot.y + CARD - 6:g}" width="{wide:g}" '
        drawn += f'height="3" fill="{colour}"/>'
        x += wide
    return drawn


def _told(item: Item, now: float) -> str:
    """Return the second line of a card."""
    if not item.is_one:
        found = counted(item.members)
        parts = [
            f"{count} {name.lower()}"
            for (kind, name), count in found.items()
            if kind != "COMPLETED" or len(found) == 1
        ]
        return ", ".join(parts) or f"{len(item.members)} completed"
    node = item.node
    seconds = took(node, now)
    name = str(node["state"]["name"])
    return name if seconds is None else f"{name} · {duration(seconds)}"


def _dashes(kind: str) -> str:
    return f' stroke-dasharray="{_DASHES[kind]}"' if kind in _DASHES else ""


def _cut(text: str, room: float) -> str:
    """Return a text that takes no more than so many letters."""
    text = drawable(text)
    while letters(text) > max(room, 3):
        text = f"{text.rstrip('…')[:-1]}…"
    return text
