"""Placing: where items and arrows go in a picture, those within others too.

Layers are columns, from left to right, or rows, from top to bottom.
"""

from dataclasses import dataclass, field
from math import sqrt

from nborch.layouts import placed
from nborch.pictures import drawable, letters
from nborch.view.grouping import Item, Scene

__all__ = ["CARD", "LABEL", "TITLE", "Picture", "Spot", "pictured"]

#: The height of a card; its least and greatest width.
CARD, NARROWEST, WIDEST = 42.0, 148.0, 220.0

#: Between cards of a column and between columns; of a row, and between rows.
GAP, STEP = 12.0, 48.0
GAP_DOWN, STEP_DOWN = 20.0, 30.0

#: What a frame adds around what is within: at its sides, and above for its title.
FRAME, TITLE = 12.0, 32.0

#: A letter's width in a label, about.
LABEL = 7.0

#: More items that nothing connects are set in rows, so wide at most.
LOOSE, WIDE = 5, 960.0

Point = tuple[float, float]


@dataclass(slots=True)
class Spot:
    """Where an item is."""

    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = CARD


@dataclass(slots=True)
class Picture:
    """Where everything is.

    Parameters
    ----------
    paths
        The points that each arrow passes, two for each layer between.
    """

    is_across: bool
    width: float = 0.0
    height: float = 0.0
    spots: dict[Item, Spot] = field(default_factory=dict)
    paths: list[list[Point]] = field(default_factory=list)
    #: The same, from where the item around them begins.
    within: list[tuple[Item | None, list[Point]]] = field(default_factory=list)


def pictured(scene: Scene, *, is_across: bool) -> Picture:
    """Return where items go.

    Parameters
    ----------
    is_across
        Whether arrows lead from left to right.
    """
    picture = Picture(is_across)
    picture.width, picture.height = _fill(picture, scene.items, scene.arrows)
    _move(picture, scene)
    return picture


def _move(picture: Picture, scene: Scene) -> None:
    """Move what was placed from 0 within an item to where that is."""
    origins: dict[Item | None, Point] = {None: (0.0, 0.0)}
    for item in scene.walk():
        spot, (left, top) = picture.spots[item], origins[item.around]
        spot.x += left
        spot.y += top
        origins[item] = spot.x + FRAME, spot.y + TITLE
    for around, path in picture.within:
        left, top = origins[around]
        picture.paths.append([(x + left, y + top) for x, y in path])


def _fill(
    picture: Picture, items: list[Item], arrows: dict[tuple[Item, Item], None]
) -> tuple[float, float]:
    """Place items side by side, from 0; return how much they take."""
    for item in items:
        _measure(picture, item)
    connected = {item for pair in arrows for item in pair}
    loose = [item for item in items if item not in connected]
    if len(loose) <= LOOSE:
        return _layer(picture, items, arrows)
    bound = [item for item in items if item in connected]
    width, height = _layer(picture, bound, arrows)
    wide, height = _shelve(picture, loose, height + 2 * GAP if bound else 0.0)
    return max(width, wide), height


def _measure(picture: Picture, item: Item) -> None:
    """Find out how large an item is, and place what is within it."""
    label = letters(drawable(item.label)) * LABEL
    if not item.children:
        wished = label + (44 if item.is_one else 80)
        width = min(WIDEST, max(NARROWEST, wished))
        picture.spots[item] = Spot(width=float(round(width)))
        return
    width, height = _fill(picture, item.children, item.arrows)
    spot = Spot(width=max(width, label + 60) + 2 * FRAME, height=height + TITLE + FRAME)
    picture.spots[item] = spot


def _layer(
    picture: Picture, items: list[Item], arrows: dict[tuple[Item, Item], None]
) -> tuple[float, float]:
    """Place items in layers, each after those that it depends on."""
    spots, is_across = picture.spots, picture.is_across
    names = {item: str(n) for n, item in enumerate(items)}
    sizes = {
        names[item]: spots[item].height if is_across else spots[item].width
        for item in items
    }
    told = [(names[a], names[b]) for a, b in arrows]
    gap, step = (GAP, STEP) if is_across else (GAP_DOWN, STEP_DOWN)
    found = placed(sizes, told, gap=gap)
    edges = [0.0] * found.depth
    for item in items:
        spot, layer = spots[item], found.boxes[names[item]][0]
        along = spot.width if is_across else spot.height
        edges[layer] = max(edges[layer], along)
    begins, at = [], 0.0
    for thick in edges:
        begins.append(at)
        at += thick + step
    for item in items:
        spot = spots[item]
        layer, across = found.boxes[names[item]]
        if is_across:
            if not item.children:
                spot.width = max(spot.width, _narrow(edges[layer]))
            spot.x, spot.y = begins[layer], across - spot.height / 2
        else:
            spot.x, spot.y = across - spot.width / 2, begins[layer]
    by_name = {name: item for item, name in names.items()}
    for (a, b), path in found.paths.items():
        points = [
            (edge, across)
            for layer, across in path[1:-1]
            for edge in (begins[layer], begins[layer] + edges[layer])
        ]
        ends = _ends(spots[by_name[a]], spots[by_name[b]], is_across=is_across)
        passed = points if is_across else [(y, x) for x, y in points]
        around = by_name[a].around
        picture.within.append((around, [ends[0], *passed, ends[1]]))
    deep = at - step if edges else 0.0
    return (deep, found.end) if is_across else (found.end, deep)


def _narrow(width: float) -> float:
    """Return how wide the cards of a column are that has something of this width."""
    return min(width, WIDEST)


def _ends(one: Spot, other: Spot, *, is_across: bool) -> tuple[Point, Point]:
    if is_across:
        return (
            (one.x + one.width, one.y + one.height / 2),
            (other.x, other.y + other.height / 2),
        )
    return (
        (one.x + one.width / 2, one.y + one.height),
        (other.x + other.width / 2, other.y),
    )


def _shelve(picture: Picture, items: list[Item], top: float) -> tuple[float, float]:
    """Place items in rows, like words on a page."""
    spots = [picture.spots[item] for item in items]
    widest = max(spot.width for spot in spots)
    area = sum((spot.width + GAP) * (spot.height + GAP) for spot in spots)
    # About twice as wide as high.
    limit = max(min(sqrt(area * 2.4), WIDE), widest)
    if not any(item.children for item in items):
        for spot in spots:
            spot.width = widest
    x, y, high, width = 0.0, top, 0.0, 0.0
    for spot in spots:
        if x > 0 and x + spot.width > limit:
            x, y, high = 0.0, y + high + GAP, 0.0
        spot.x, spot.y = x, y
        x += spot.width + GAP
        high = max(high, spot.height)
        width = max(width, x - GAP)
    return width, y + high
