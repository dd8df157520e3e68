"""Diagrams whose layouts the browser must find as Python does.

Run it to write ``layout_cases.json`` anew, after the algorithm was changed on purpose:
``python tests/unit/layout_cases.py``.
"""

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

from nborch.layouts import Placement, placed

FILE = Path(__file__).with_name("layout_cases.json")
GAP = 16.0


def cases() -> list[dict[str, Any]]:
    """Return diagrams with their layouts, as JSON values."""
    drawn = {
        "nothing": ([], []),
        "one": (["a"], []),
        "no arrows": ([*"abc"], []),
        "diamond": ([*"abcd"], ["ab", "ac", "bd", "cd"]),
        "crossed": ([*"abcxyz"], ["az", "by", "cx"]),
        "circle": ([*"abcxyz"], ["ab", "bc", "xy", "yx", "xz", "cz"]),
        "only circles": ([*"321"], ["32", "21", "13", "33"]),
        "twice and unknown": ([*"ab"], ["ab", "ab", "aq", "qb", "bb"]),
        "long": ([*"abcdefg"], ["ab", "bc", "cd", "de", "ae", "af", "ag", "eg", "bg"]),
        "trunks": (
            [*"abcdexyz"],
            ["ab", "bc", "cd", "de", "ax", "by", "cz", "xz", "ye"],
        ),
    }
    made = [
        _case(name, _sizes(boxes), arrows) for name, (boxes, arrows) in drawn.items()
    ]
    for name, (boxes, arrows) in {
        "collected chain": _chain(25),
        "stages": _stages(4, 8),
        "random": _random(100, 8),
    }.items():
        made.append(_case(name, _sizes(boxes), arrows))
        made.append(_grown(f"{name}, grown", boxes, arrows))
    # More than there is room for: most arrows go straight.
    made.append(_case("crowded", *_crowded(200)))
    return made


def _sizes(boxes: list[str]) -> dict[str, float]:
    return {box: 20.0 + 7 * (n % 5) for n, box in enumerate(boxes)}


def _chain(number: int) -> tuple[list[str], list[tuple[str, str]]]:
    boxes = [f"box-{n}" for n in range(number)]
    following = list(pairwise(boxes))
    return boxes, following + [(box, boxes[-1]) for box in boxes[:-2]]


def _crowded(number: int) -> tuple[dict[str, float], list[tuple[str, str]]]:
    boxes = [f"b{n}" for n in range(number)]
    following = list(pairwise(boxes))
    arrows = following + [(a, b) for a in boxes[:40] for b in boxes[-2:]]
    return dict.fromkeys(boxes, 30.0), arrows


def _stages(stages: int, width: int) -> tuple[list[str], list[tuple[str, str]]]:
    boxes, arrows, last = ["begin"], [], "begin"
    for stage in range(stages):
        parts = [f"{stage} {n}" for n in range(width)]
        end = f"end {stage}"
        arrows += [(last, part) for part in parts] + [(part, end) for part in parts]
        boxes += [*parts, end]
        last = end
    return boxes, arrows


def _random(number: int, reach: int) -> tuple[list[str], list[tuple[str, str]]]:
    draw = random.Random(6)
    boxes = [str(n) for n in range(number)]
    return boxes, [
        (str(draw.randrange(max(0, n - reach * draw.choice((1, 1, 5))), n)), str(n))
        for n in range(1, number)
        for _ in range(draw.choice((0, 1, 1, 2)))
    ]


def _case(
    name: str,
    sizes: dict[str, float],
    arrows: Any,
    anchors: dict[str, float] | None = None,
) -> dict[str, Any]:
    arrows = [tuple(arrow) for arrow in arrows]
    return {
        "name": name,
        "gap": GAP,
        "sizes": list(sizes.items()),
        "arrows": arrows,
        "anchors": anchors,
        **_told(placed(sizes, arrows, anchors, gap=GAP)),
    }


def _grown(name: str, boxes: list[str], arrows: Any) -> dict[str, Any]:
    """Return a diagram whose last boxes came later."""
    sizes = _sizes(boxes)
    first = dict(list(sizes.items())[: len(boxes) * 4 // 5])
    return _case(name, sizes, arrows, placed(first, arrows, gap=GAP).anchors)


def _told(found: Placement) -> dict[str, Any]:
    return {
        "start": round(found.start, 9),
        "end": round(found.end, 9),
        "depth": found.depth,
        "boxes": [[box, *_short(place)] for box, place in found.boxes.items()],
        "paths": [[a, b, [*map(_short, path)]] for (a, b), path in found.paths.items()],
    }


def _short(place: tuple[int, float]) -> tuple[int, float]:
    return place[0], round(place[1], 9)


if __name__ == "__main__":
    FILE.write_text(
        "[\n" + ",\n".join(json.dumps(case) for case in cases()) + "\n]\n", "utf-8"
    )
