"""Layouts: where the boxes of a diagram go, layer by layer.

After Sugiyama, Tagawa and Toda (1981): a box stands one layer behind the last of all
that it depends on, long arrows pass through places of their own in the layers between,
boxes of a layer are ordered by the mean place of their neighbours, and then move along
their layer towards them as far as their order allows (least squares by pooling adjacent
violators). `placed` tells a layer and a place *across* for each box, and leaves it to
the drawing whether layers are rows or columns, and how far from each other.

``static/layout.js`` does the same in the browser, number for number; golden cases in
``tests/unit/layout_cases.json`` hold both. So all is done in one order:

1. *Arrows*: each once, in the order given; not those of unknown boxes, nor to itself.
2. *Layers* (`_depths`): boxes without upstream wait in a queue, in the order given. The
   first is taken; each box below it that was not taken yet goes to a layer of at least
   one more, and into the queue when nothing else is missing. If the queue is empty and
   boxes are left, the first of them in the order given goes into it: a circle is cut
   there. Only arrows to a later layer are kept.
3. *Places*: those of the boxes, in the order given, each at the end of its layer. Then
   passages, for arrows of more than one layer, the shorter ones first and otherwise in
   the order given. Arrows share passages, as a trunk: that of their source, if as many
   long arrows leave it as reach their target; else that of their target. A trunk of a
   source is made from there onwards, one of a target from there backwards, as far as an
   arrow needs and it does not exist. An arrow that passes more layers than are left of
   `ROOM` and `ROOM_PER_BOX` for each box goes straight from box to box.
4. *Order* without anchors (`_order`): sweeps forth and back by turns. In a sweep each
   layer but the first is sorted, stably, by the mean rank of its neighbours in the
   layer before; a place without any counts with its own rank.
5. *Across* without anchors (`_align`): each layer is settled with all wishing to be at
   0; then sweeps back and forth by turns, all layers in each, where a place wishes to
   be at the mean of its neighbours in the layer before, or where it is. At the end all
   is moved so that the least edge of a place is at 0, and rounded to tenths.
6. *Settling* a layer (`_settle`): each place keeps its distance from the one before:
   half of both sizes and a `gap`, of which half where one is a passage. With the sum of
   the distances so far taken off, the wishes are to be non-decreasing: from the first
   to the last, a wish less than the pool before it is joined with it at their mean, by
   weight: 1 for a box, `STRAIGHT` for a passage, `HELD` for an anchored place.
7. *Growing*: with the anchors of an earlier placement what was there hardly moves, and
   nothing is moved or rounded at the end. Layer by layer from the first, each place is
   keyed and the layer sorted by key, anchored ones first among equals; then it is
   settled. The key of an anchored place is its anchor, which it wishes, too. That of
   another is the mean, over its neighbours in the layer before, of the greatest anchor
   in this layer that the neighbour leads to, or else of where it is; it wishes to be
   at the mean of those neighbours. One without neighbours before goes to the end of its
   layer, and wishes to be at the greatest anchor of it, or at 0.

Sums are added up from the first to the last, in plain floating point.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import floor, inf

__all__ = ["Layout", "Placement", "laid_out", "placed"]

#: Pixels between boxes of a layer, and between layers, from top to bottom.
GAP, STEP = 24.0, 72.0

#: How often layers are ordered and aligned; fewer times where there are `MANY` places.
SWEEPS, FEWER, MANY = 8, 4, 5_000

#: The size that an arrow takes where it passes a layer.
PASSAGE = 8.0

#: How many layers arrows pass, at most: in all, and for each box so many more.
ROOM, ROOM_PER_BOX = 4_000, 4

#: How much the wish of a passage counts, and that of what stood there before: a box's
#: is 1. Long arrows are straight, and what was there hardly moves.
STRAIGHT, HELD = 2.0, 10_000.0

Arrow = tuple[str, str]


@dataclass(slots=True)
class Placement:
    """The layer of each box, and where its middle is across.

    Parameters
    ----------
    start, end
        The least and the greatest edge of a place, across.
    depth
        The number of layers.
    boxes
        The layer, from 0, and the middle across.
    paths
        The same for all places that an arrow passes, those of its boxes included.
    anchors
        What to give to `placed` when the diagram has grown.
    """

    start: float
    end: float
    depth: int
    boxes: dict[str, tuple[int, float]]
    paths: dict[Arrow, list[tuple[int, float]]]
    anchors: dict[str, float]


@dataclass(slots=True)
class Layout:
    """The middle of each box, and the places that each arrow passes.

    Parameters
    ----------
    paths
        The points of each arrow, the middles of its two boxes included.
    """

    width: float
    height: float
    middles: dict[str, tuple[float, float]]
    paths: dict[Arrow, list[tuple[float, float]]]


@dataclass(slots=True)
class _Places:
    """The places of boxes and passages: in layers, with neighbours above and below."""

    gap: float
    names: list[str] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)
    is_passage: list[bool] = field(default_factory=list)
    layer_of: list[int] = field(default_factory=list)
    layers: list[list[int]] = field(default_factory=list)
    above: list[list[int]] = field(default_factory=list)
    below: list[list[int]] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    x: list[float] = field(default_factory=list)

    def add(self, name: str, layer: int, size: float, *, is_passage: bool) -> int:
        """Add a place at the end of a layer; return its number."""
        while len(self.layers) <= layer:
            self.layers.append([])
        self.layers[layer].append(len(self.names))
        self.names.append(name)
        self.sizes.append(size)
        self.is_passage.append(is_passage)
        self.layer_of.append(layer)
        self.above.append([])
        self.below.append([])
        self.weights.append(STRAIGHT if is_passage else 1.0)
        self.x.append(0.0)
        return len(self.names) - 1

    def join(self, upper: int, lower: int) -> None:
        """Make two places neighbours."""
        self.below[upper].append(lower)
        self.above[lower].append(upper)

    def mean(self, places: Sequence[int]) -> float:
        """Return the mean of where places are."""
        # NB. sum() is more exact from Python 3.12 on than a loop in a browser is.
        total = 0.0
        for place in places:
            total += self.x[place]
        return total / len(places)


def laid_out(widths: Mapping[str, float], arrows: Sequence[Arrow]) -> Layout:
    """Return where boxes of these widths go, from top to bottom.

    Arrows that close a circle, and those of unknown boxes, are left out.

    >>> laid_out({"a": 40, "b": 40, "c": 40}, [("a", "b"), ("a", "c")]).middles
    {'a': (52.0, 36.0), 'b': (20.0, 108.0), 'c': (84.0, 108.0)}
    """
    found = placed(widths, arrows, gap=GAP)
    return Layout(
        width=found.end,
        height=found.depth * STEP,
        middles={box: _point(place) for box, place in found.boxes.items()},
        paths={arrow: list(map(_point, path)) for arrow, path in found.paths.items()},
    )


def _point(place: tuple[int, float]) -> tuple[float, float]:
    layer, across = place
    return across, (layer + 0.5) * STEP


def placed(
    sizes: Mapping[str, float],
    arrows: Sequence[Arrow],
    anchors: Mapping[str, float] | None = None,
    *,
    gap: float,
) -> Placement:
    """Return the layers and places of boxes with these sizes across.

    >>> placed({"a": 40, "b": 40}, [("a", "b")], gap=10).boxes
    {'a': (0, 20.0), 'b': (1, 20.0)}

    Parameters
    ----------
    anchors
        Those of the placement before the diagram has grown.
    gap
        The distance between boxes of a layer.
    """
    depths, kept = _depths(sizes, arrows)
    places = _Places(gap)
    at = {
        box: places.add(box, depths[box], size, is_passage=False)
        for box, size in sizes.items()
    }
    passed = _passages(places, at, depths, kept)
    if anchors:
        _grow(places, anchors)
    else:
        many = len(places.names) > MANY
        for sweep in range(FEWER if many else SWEEPS):
            _order(places, forth=sweep % 2 == 0)
        _align(places, FEWER if many else SWEEPS)
    x, layer_of = places.x, places.layer_of
    ends = [(x[p], size / 2) for p, size in enumerate(places.sizes)]
    return Placement(
        start=min((middle - half for middle, half in ends), default=0.0),
        end=max((middle + half for middle, half in ends), default=0.0),
        depth=len(places.layers),
        boxes={box: (layer_of[p], x[p]) for box, p in at.items()},
        paths={a: [(layer_of[p], x[p]) for p in path] for a, path in passed.items()},
        anchors=dict(zip(places.names, x, strict=True)),
    )


def _depths(
    boxes: Mapping[str, float], arrows: Sequence[Arrow]
) -> tuple[dict[str, int], list[Arrow]]:
    """Return the layer of each box, and the arrows that agree with them."""
    below: dict[str, list[str]] = {box: [] for box in boxes}
    missing = dict.fromkeys(boxes, 0)
    kept = [
        (a, b) for a, b in dict.fromkeys(arrows) if a in boxes and b in boxes and a != b
    ]
    for a, b in kept:
        below[a].append(b)
        missing[b] += 1
    depths: dict[str, int] = dict.fromkeys(boxes, 0)
    queue = [box for box in boxes if not missing[box]]
    done: set[str] = set()
    left = iter(boxes)
    taken = 0
    while len(done) < len(boxes):
        if taken == len(queue):
            # A circle: it is cut before its first box.
            queue.append(next(box for box in left if box not in done))
        box = queue[taken]
        taken += 1
        if box in done:
            continue
        done.add(box)
        for lower in below[box]:
            if lower not in done:
                depths[lower] = max(depths[lower], depths[box] + 1)
                missing[lower] -= 1
                if not missing[lower]:
                    queue.append(lower)
    return depths, [(a, b) for a, b in kept if depths[a] < depths[b]]


def _passages(
    places: _Places,
    at: Mapping[str, int],
    depths: Mapping[str, int],
    arrows: Sequence[Arrow],
) -> dict[Arrow, list[int]]:
    """Give long arrows places in the layers between; return all that each passes."""
    spans = {(a, b): depths[b] - depths[a] for a, b in arrows}
    leaving = Counter(a for a, b in arrows if spans[a, b] > 1)
    reaching = Counter(b for a, b in arrows if spans[a, b] > 1)
    passed: dict[Arrow, list[int]] = {arrow: [] for arrow in arrows}
    trunks: dict[str, int] = {}
    room = ROOM + ROOM_PER_BOX * len(at)
    for arrow in sorted(arrows, key=spans.__getitem__):
        a, b = arrow
        between = range(depths[a] + 1, depths[b])
        if len(between) > room:
            passed[arrow] = [at[a], at[b]]
            continue
        room -= len(between)
        is_source = leaving[a] >= reaching[b]
        # From the box that owns the trunk, to where the arrow leaves it.
        layers = between if is_source else between[::-1]
        names = [f"{n}>{a}" if is_source else f"{n}<{b}" for n in layers]
        last = at[a] if is_source else at[b]
        path = [last]
        for layer, name in zip(layers, names, strict=True):
            place = trunks.get(name)
            if place is None:
                place = places.add(name, layer, PASSAGE, is_passage=True)
                trunks[name] = place
                places.join(*((last, place) if is_source else (place, last)))
            path.append(place)
            last = place
        places.join(*((last, at[b]) if is_source else (at[a], last)))
        path.append(at[b] if is_source else at[a])
        passed[arrow] = path if is_source else path[::-1]
    return passed


def _order(places: _Places, *, forth: bool) -> None:
    """Order each layer by the mean rank of the neighbours one layer before."""
    layers = places.layers if forth else places.layers[::-1]
    neighbours = places.above if forth else places.below
    rank = [0] * len(places.names)
    for before, layer in pairwise(layers):
        for n, place in enumerate(before):
            rank[place] = n
        mean = {}
        for n, place in enumerate(layer):
            near = neighbours[place]
            mean[place] = sum(rank[p] for p in near) / len(near) if near else float(n)
        layer.sort(key=mean.__getitem__)


def _align(places: _Places, sweeps: int) -> None:
    """Move each layer along itself towards its neighbours, as its order allows."""
    for layer in places.layers:
        _settle(places, layer, [0.0] * len(layer))
    for sweep in range(sweeps):
        forth = sweep % 2 == 1
        neighbours = places.above if forth else places.below
        for layer in places.layers if forth else reversed(places.layers):
            wished = [
                places.mean(neighbours[place]) if neighbours[place] else places.x[place]
                for place in layer
            ]
            _settle(places, layer, wished)
    middles = zip(places.x, places.sizes, strict=True)
    left = min((x - size / 2 for x, size in middles), default=0.0)
    # NB. Not round(), which browsers do otherwise.
    places.x = [floor((x - left) * 10 + 0.5) / 10 for x in places.x]


def _grow(places: _Places, anchors: Mapping[str, float]) -> None:
    """Leave what was there where it is, and put what is new beside it."""
    anchor = [anchors.get(name) for name in places.names]
    for place, held in enumerate(anchor):
        if held is not None:
            places.weights[place] = HELD
    for layer in places.layers:
        old = {p: a for p in layer if (a := anchor[p]) is not None}
        # The greatest anchor in this layer that each of the layer before leads to.
        latest: dict[int, float] = {}
        for place, at in old.items():
            for upper in places.above[place]:
                latest[upper] = max(at, latest.get(upper, at))
        keys, wishes = dict(old), dict(old)
        for place in layer:
            near = places.above[place]
            if place in old:
                continue
            if near:
                total = 0.0
                for upper in near:
                    total += latest.get(upper, places.x[upper])
                keys[place], wishes[place] = total / len(near), places.mean(near)
            else:
                keys[place], wishes[place] = inf, max(old.values(), default=0.0)
        layer.sort(key=lambda p: (keys[p], anchor[p] is None))
        _settle(places, layer, [wishes[place] for place in layer])


def _settle(places: _Places, layer: Sequence[int], wished: Sequence[float]) -> None:
    """Put a layer's places as near to where they wish as their sizes allow.

    With each place's least distance from the first taken off, what remains is to be
    non-decreasing: places that would overlap are pooled at their mean.
    """
    sizes, is_passage, weights = places.sizes, places.is_passage, places.weights
    offsets = []
    offset = 0.0
    for n, place in enumerate(layer):
        if n:
            before = layer[n - 1]
            near = is_passage[before] or is_passage[place]
            gap = places.gap / 2 if near else places.gap
            offset += (sizes[before] + sizes[place]) / 2 + gap
        offsets.append(offset)
    pools: list[tuple[float, float, int]] = []
    for place, wish, off in zip(layer, wished, offsets, strict=True):
        mean, weight, count = wish - off, weights[place], 1
        while pools and pools[-1][0] > mean:
            earlier, heavy, many = pools.pop()
            mean = (mean * weight + earlier * heavy) / (weight + heavy)
            weight += heavy
            count += many
        pools.append((mean, weight, count))
    settled = [mean for mean, _, count in pools for _ in range(count)]
    for place, mean, off in zip(layer, settled, offsets, strict=True):
        places.x[place] = mean + off
