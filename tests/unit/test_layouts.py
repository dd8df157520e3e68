"""Layouts: where the boxes of a picture go."""

import json
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nborch.diagrams import Box, Diagram
from nborch.layouts import GAP, STEP, laid_out, placed
from nborch.pictures import svg

CASES = json.loads(Path(__file__).with_name("layout_cases.json").read_text("utf-8"))


@st.composite
def graphs(draw):
    """Draw boxes and arrows; some arrows close circles."""
    number = draw(st.integers(1, 15))
    names = [f"box-{n}" for n in range(number)]
    widths = {name: float(draw(st.integers(20, 300))) for name in names}
    name = st.sampled_from(names)
    return widths, draw(st.lists(st.tuples(name, name), max_size=40))


@given(graphs())
def test_boxes_do_not_overlap(graph):
    """Boxes of a layer keep their distance, and none is outside the picture."""
    widths, arrows = graph
    layout = laid_out(widths, arrows)

    layers = {}
    for box, (x, y) in layout.middles.items():
        layers.setdefault(y, []).append((x - widths[box] / 2, x + widths[box] / 2))
    for layer in layers.values():
        layer.sort()
        assert layer[0][0] >= -0.2
        assert layer[-1][1] <= layout.width + 0.2
        assert all(b[0] - a[1] >= GAP - 0.2 for a, b in pairwise(layer))


@given(graphs())
def test_arrows_point_down_layer_by_layer(graph):
    """A box stands below what it depends on; an arrow passes each layer between once."""
    widths, arrows = graph
    layout = laid_out(widths, arrows)

    for (first, last), points in layout.paths.items():
        assert points[0] == layout.middles[first]
        assert points[-1] == layout.middles[last]
        assert all(b[1] - a[1] == STEP for a, b in pairwise(points))


@given(graphs())
def test_without_circles_every_arrow_is_drawn(graph):
    """Each arrow has its path, however far it goes; repeated ones have one."""
    widths, arrows = graph
    forward = [(a, b) for a, b in arrows if int(a[4:]) < int(b[4:])]

    assert set(laid_out(widths, forward).paths) == set(forward)


@given(graphs())
def test_equal_diagrams_give_equal_layouts(graph):
    """A picture does not change from one look to the next."""
    widths, arrows = graph

    assert laid_out(widths, arrows) == laid_out(dict(widths), list(arrows))


def test_a_box_stands_over_the_middle_of_what_follows():
    """Boxes stand symmetrically where they can."""
    middles = laid_out(
        {"a": 50, "b": 50, "c": 50, "d": 50},
        [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")],
    ).middles

    assert middles["a"][0] == middles["d"][0] == (middles["b"][0] + middles["c"][0]) / 2


def test_simple_arrows_do_not_cross():
    """Boxes that follow others in one order stand in the same order."""
    arrows = [("a", "z"), ("b", "y"), ("c", "x")]
    middles = laid_out(dict.fromkeys("abcxyz", 40.0), arrows).middles

    assert [middles[a][0] < middles[b][0] for a, b in ("ab", "bc")] == [True, True]
    assert [middles[a][0] < middles[b][0] for a, b in ("zy", "yx")] == [True, True]


def test_a_circle_costs_no_other_arrow():
    """Only arrows of a circle are left out, not those of what stands around it."""
    arrows = [("a", "b"), ("b", "c"), ("x", "y"), ("y", "x"), ("x", "z"), ("c", "z")]

    layout = laid_out(dict.fromkeys("abcxyz", 40.0), arrows)

    assert set(layout.paths) == {*arrows} - {("y", "x")}


def test_a_picture_of_nothing_is_a_picture():
    """A flow without tasks has an empty picture."""
    assert ET.fromstring(svg(Diagram([]), "nothing")) is not None


@given(st.text(), st.text())
def test_a_picture_is_well_formed(label, title):
    """Whatever a box is called, its picture can be read, and shows no tags of it."""
    picture = ET.fromstring(svg(Diagram([Box("a", label)]), title))

    tags = {element.tag.rpartition("}")[2] for element in picture.iter()}
    assert tags == {"svg", "title", "defs", "marker", "path", "g", "rect", "text"}


def test_a_picture_draws_what_boxes_hold():
    """Boxes around others are left out; a flow has a double border."""
    boxes = [Box("outer", "outer"), Box("in", "inner", within="outer", is_flow=True)]

    text = svg(Diagram(boxes))

    assert "inner" in text
    assert "outer" not in text
    assert text.count("<rect") == 2


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_layouts_are_those_that_the_browser_is_held_to(case):
    """A change of the algorithm is made here and in layout.js, or nowhere."""
    arrows = [(a, b) for a, b in case["arrows"]]

    found = placed(dict(case["sizes"]), arrows, case["anchors"], gap=case["gap"])

    assert (found.start, found.end, found.depth) == pytest.approx(
        (case["start"], case["end"], case["depth"])
    )
    assert [(box, place[0]) for box, place in found.boxes.items()] == [
        (box, layer) for box, layer, _ in case["boxes"]
    ]
    assert _across(found.boxes.values()) == pytest.approx(
        [across for _, _, across in case["boxes"]], abs=1e-6
    )
    for a, b, path in case["paths"]:
        passed = found.paths.pop((a, b))
        assert [layer for layer, _ in passed] == [layer for layer, _ in path]
        assert _across(passed) == pytest.approx(_across(path), abs=1e-6)
    assert not found.paths


def _across(places):
    return [across for _, across in places]


@given(graphs(), st.integers(1, 14))
def test_what_was_there_stays_in_its_order(graph, older):
    """In a diagram that grows, boxes of a layer do not change places."""
    widths, arrows = graph
    arrows = [(a, b) for a, b in arrows if int(a[4:]) < int(b[4:])]
    first = dict(list(widths.items())[:older])

    before = placed(first, arrows, gap=GAP)
    after = placed(widths, arrows, before.anchors, gap=GAP)

    for (a, place), (b, other) in pairwise(sorted(before.boxes.items(), key=_by_place)):
        if place[0] == other[0]:
            assert after.boxes[a][1] < after.boxes[b][1]


def _by_place(item):
    return item[1]


def test_new_boxes_stand_after_their_siblings():
    """What comes last stands last, and moves nothing that was there before."""
    names = ["source", *(f"part-{n}" for n in range(5))]
    arrows = [("source", name) for name in names[1:]]
    before = placed(dict.fromkeys(names[:-1], 40.0), arrows, gap=GAP)

    after = placed(dict.fromkeys(names, 40.0), arrows, before.anchors, gap=GAP)

    assert max(after.boxes, key=lambda name: after.boxes[name][1]) == "part-4"
    for name, (_, across) in before.boxes.items():
        assert after.boxes[name][1] == pytest.approx(across, abs=0.1)


def test_long_arrows_share_a_trunk():
    """Arrows that reach one box from afar pass the layers between at one place."""
    names = [f"box-{n}" for n in range(8)]
    arrows = [*pairwise(names), *((name, names[-1]) for name in names[:-1])]

    paths = placed(dict.fromkeys(names, 40.0), arrows, gap=GAP).paths

    passed = {
        path[-2] for (a, b), path in paths.items() if b == "box-7" and a < "box-6"
    }
    assert len(passed) == 1
