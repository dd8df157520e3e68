"""Pictures: a diagram as SVG, without any program or package to draw it."""

import unicodedata
from itertools import pairwise

from nborch.diagrams import Box, Diagram
from nborch.layouts import laid_out
from nborch.showing import SHADES, Shade, escaped

__all__ = ["as_image", "bundle", "drawable", "letters", "svg"]

#: The height of a box, and the margin of a picture.
HEIGHT, MARGIN = 32.0, 8.0

#: A letter's width at this size, about; those of East Asia have twice of it.
FONT, LETTER = 13, 7.3

#: A label shows at most this many letters.
LONGEST = 40

#: Of what has no state: it can be read on a light and on a dark page.
_PLAIN = Shade("#5f7f9f", "#eef3f8", "#1f2d3d")

_TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
    'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#888"/></marker>'
    "</defs>"
)

Point = tuple[float, float]


def svg(diagram: Diagram, title: str = "") -> str:
    """Return a diagram as the text of an SVG picture; equal diagrams give equal ones.

    The boxes around others are not drawn, only what they hold.

    >>> svg(Diagram([Box("a", "load")])).startswith("<svg ")
    True

    Parameters
    ----------
    title
        What the picture is of, for who has it read aloud.
    """
    around = {box.within for box in diagram.boxes}
    boxes = {box.id: box for box in diagram.boxes if box.id not in around}
    labels = {box.id: drawable(box.label) for box in boxes.values()}
    widths = {box: _width(label) for box, label in labels.items()}
    layout = laid_out(widths, diagram.arrows)
    width, height = layout.width + 2 * MARGIN, layout.height
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" role="img"',
        f'  width="{width:g}" height="{height:g}"',
        f'  viewBox="{-MARGIN:g} 0 {width:g} {height:g}"',
        f'  font-family="system-ui, sans-serif" font-size="{FONT}">',
        f"<title>{escaped(drawable(title))}</title>",
        _TIP,
    ]
    parts += [_arrow(points) for points in layout.paths.values()]
    parts += [
        _box(box, labels[name], layout.middles[name], widths[name])
        for name, box in boxes.items()
    ]
    return "\n".join([*parts, "</svg>"])


def drawable(text: str, most: int = LONGEST) -> str:
    """Return a text as a picture can show it, with at most so many letters."""
    # NB. XML forbids control characters, even escaped.
    text = "".join(c if c.isprintable() else " " for c in text[: most + 1])
    return text if len(text) <= most else f"{text[: most - 1]}…"


def letters(text: str) -> int:
    """Return how many letters' room a text takes.

    >>> letters("load"), letters("日本")
    (4, 4)
    """
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _width(label: str) -> float:
    """Return the width of a box for a label."""
    return round(letters(label) * LETTER + 24)


def _arrow(points: list[Point]) -> str:
    """Return an arrow from below its first box, in soft curves, to above its last."""
    (first_x, first_y), (last_x, last_y) = points[0], points[-1]
    ends = (first_x, first_y + HEIGHT / 2), (last_x, last_y - HEIGHT / 2 - 1)
    passed = [ends[0], *points[1:-1], ends[1]]
    path = f"M{passed[0][0]:g} {passed[0][1]:g}"
    for (x, y), (to_x, to_y) in pairwise(passed):
        middle = (y + to_y) / 2
        path += f"C{x:g} {middle:g} {to_x:g} {middle:g} {to_x:g} {to_y:g}"
    return f'<path d="{path}" fill="none" stroke="#888" marker-end="url(#tip)"/>'


def _box(box: Box, label: str, middle: Point, width: float) -> str:
    """Return a box with its label; that of a flow has a double border."""
    shade = SHADES[box.state] if box.state else _PLAIN
    x, y = middle[0] - width / 2, middle[1] - HEIGHT / 2
    frame = f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{HEIGHT:g}" rx="5" '
    frame += f'fill="{shade.fill}" stroke="{shade.line}"/>'
    if box.is_flow:
        frame += f'<rect x="{x + 3:g}" y="{y + 3:g}" width="{width - 6:g}" '
        frame += f'height="{HEIGHT - 6:g}" rx="3" fill="none" stroke="{shade.line}"/>'
    return (
        f"<g><title>{escaped(drawable(box.label))}</title>{frame}<text "
        f'x="{middle[0]:g}" y="{middle[1] + 4.5:g}" text-anchor="middle" '
        f'fill="{shade.text}">{escaped(label)}</text></g>'
    )


def bundle(diagram: Diagram, title: str) -> dict[str, str]:
    """Return a diagram in the forms that front ends show."""
    text = diagram.mermaid()
    return {
        "text/plain": text,
        "text/html": as_image(svg(diagram, title), title),
        "text/vnd.mermaid": text,
    }


def as_image(picture: str, title: str) -> str:
    """Return HTML that shows an SVG picture, also in a notebook that is not trusted."""
    from base64 import b64encode

    # NB. As an image: notebooks that are not trusted lose the SVG in their HTML.
    encoded = b64encode(picture.encode()).decode()
    return (
        f'<img alt="{escaped(title)}" style="max-width: 100%" '
        f'src="data:image/svg+xml;base64,{encoded}">'
    )
