"""Layouts: where the boxes of a picture go."""

from itertools import pairwise
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from nborch.diagrams import Box, Diagram
from nborch.layouts import GAP, STEP, laid_out
from nborch.pictures import svg


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
