"""Layouts: where the boxes of a diagram go, layer by layer from top to bottom.

After Sugiyama, Tagawa and Toda (1981): a box stands below all that it depends on,
long arrows pass through a place of their own in every layer between, boxes of a layer
are ordered by the mean place of their neighbours, and then move sideways towards them
as far as their order allows (least squares by pooling adjacent violators).

Equal diagrams give equal layouts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

__all__ = ["Layout", "laid_out"]

#: Pixels between boxes of a layer, and between layers.
GAP, STEP = 24.0, 72.0

#: How often layers are ordered and aligned, down and up; more changes little.
SWEEPS = 8

#: The width that an arrow takes where it passes a layer.
PASSAGE = 8.0

Arrow = tuple[str, str]


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

    widths: list[float]
    layers: list[list[int]]
    above: list[list[int]]
    below: list[list[int]]
    x: list[float] = field(default_factory=list)

    def add(self, layer: int, width: float) -> int:
        """Add a place at the end of a layer; return its number."""
        place = len(self.widths)
        self.widths.append(width)
        while len(self.layers) <= layer:
            self.layers.append([])
        self.layers[layer].append(place)
        self.above.append([])
        self.below.append([])
        return place

    def join(self, upper: int, lower: int) -> None:
        """Make two places neighbours."""
        self.below[upper].append(lower)
        self.above[lower].append(upper)


def laid_out(widths: Mapping[str, float], arrows: Sequence[Arrow]) -> Layout:
    """Return where boxes of these widths go; an arrow points downwards.

    Arrows that close a circle, and those of unknown boxes, are left out.

    >>> laid_out({"a": 40, "b": 40, "c": 40}, [("a", "b"), ("a", "c")]).middles
    {'a': (52.0, 36.0), 'b': (20.0, 108.0), 'c': (84.0, 108.0)}
    """
    depths, arrows = _depths(widths, arrows)
    places = _Places([], [], [], [])
    at = {box: places.add(depths[box], width) for box, width in widths.items()}
    through = {arrow: _passed(places, arrow, at, depths) for arrow in arrows}
    for sweep in range(SWEEPS):
        _order(places, down=sweep % 2 == 0)
    _align(places)
    layer_of = {p: n for n, layer in enumerate(places.layers) for p in layer}
    points = {p: (places.x[p], (layer_of[p] + 0.5) * STEP) for p in layer_of}
    return Layout(
        width=max((places.x[p] + places.widths[p] / 2 for p in layer_of), default=0.0),
        height=len(places.layers) * STEP,
        middles={box: points[place] for box, place in at.items()},
        paths={arrow: [points[p] for p in passed] for arrow, passed in through.items()},
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
    ready = [box for box in boxes if not missing[box]]
    done: set[str] = set()
    waiting = list(boxes)[::-1]
    while len(done) < len(boxes):
        if not ready:
            # A circle: it is cut before its first box.
            while waiting[-1] in done:
                waiting.pop()
            ready.append(waiting[-1])
        box = ready.pop(0)
        if box in done:
            continue
        done.add(box)
        for lower in below[box]:
            if lower not in done:
                depths[lower] = max(depths[lower], depths[box] + 1)
                missing[lower] -= 1
                if not missing[lower]:
                    ready.append(lower)
    return depths, [(a, b) for a, b in kept if depths[a] < depths[b]]


def _passed(
    places: _Places, arrow: Arrow, at: Mapping[str, int], depths: Mapping[str, int]
) -> list[int]:
    """Give an arrow a place in each layer between its boxes; return all it passes."""
    first, last = arrow
    between = range(depths[first] + 1, depths[last])
    passages = [places.add(layer, PASSAGE) for layer in between]
    passed = [at[first], *passages, at[last]]
    for upper, lower in pairwise(passed):
        places.join(upper, lower)
    return passed


def _order(places: _Places, *, down: bool) -> None:
    """Order each layer by the mean rank of the neighbours one layer before."""
    layers = places.layers if down else places.layers[::-1]
    neighbours = places.above if down else places.below
    for before, layer in pairwise(layers):
        rank = {place: n for n, place in enumerate(before)}
        mean = {}
        for n, place in enumerate(layer):
            near = neighbours[place]
            mean[place] = sum(rank[p] for p in near) / len(near) if near else float(n)
        layer.sort(key=mean.__getitem__)


def _align(places: _Places) -> None:
    """Move each layer sideways towards its neighbours, as its order allows."""
    places.x = [0.0] * len(places.widths)
    for layer in places.layers:
        _settle(places, layer, [0.0] * len(layer))
    for sweep in range(SWEEPS):
        down = sweep % 2 == 1
        neighbours = places.above if down else places.below
        for layer in places.layers if down else reversed(places.layers):
            wished = []
            for place in layer:
                near = neighbours[place]
                mean = sum(places.x[p] for p in near) / len(near) if near else None
                wished.append(places.x[place] if mean is None else mean)
            _settle(places, layer, wished)
    left = min((places.x[p] - w / 2 for p, w in enumerate(places.widths)), default=0.0)
    places.x = [round(x - left, 1) for x in places.x]


def _settle(places: _Places, layer: Sequence[int], wished: Sequence[float]) -> None:
    """Put a layer's places as near to where they wish as their widths allow.

    With each place's least distance from the first taken off, what remains is to be
    non-decreasing: places that would overlap are pooled at their mean.
    """
    offsets = []
    offset = 0.0
    for n, place in enumerate(layer):
        if n:
            between = (places.widths[layer[n - 1]] + places.widths[place]) / 2
            offset += between + GAP
        offsets.append(offset)
    pools: list[tuple[float, int]] = []
    for wish, off in zip(wished, offsets, strict=True):
        mean, count = wish - off, 1
        while pools and pools[-1][0] > mean:
            earlier, many = pools.pop()
            mean = (mean * count + earlier * many) / (count + many)
            count += many
        pools.append((mean, count))
    settled = [mean for mean, count in pools for _ in range(count)]
    for place, mean, off in zip(layer, settled, offsets, strict=True):
        places.x[place] = mean + off
