"""Static output: a run graph as a picture, a table and a text."""

import base64
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nborch.showing import SHADES
from nborch.view.grouping import arranged
from nborch.view.static import bundle, picture

NOW = 1_700_000_000.0
DONE = {"type": "COMPLETED", "name": "Completed"}


def node(id_, *upstream, state="Completed", **more):
    """Return a node called by its id, of the task that its id begins with."""
    kind = "COMPLETED" if state == "Cached" else state.upper()
    return {
        "id": id_,
        "kind": "task",
        "of": id_.split("-")[0],
        "name": id_,
        "upstream": list(upstream),
        "state": {"type": kind, "name": state},
        "order": 0,
        "created": NOW,
        **more,
    }


def snapshot(*nodes, state=None, **run):
    """Return a snapshot of a flow run with these nodes."""
    about = {"id": "r", "kind": "flow", "of": "etl", "name": "calm-owl", "created": NOW}
    return {
        "type": "snapshot",
        "seq": 0,
        "now": NOW + 10,
        "view": "run",
        "run": {**about, "state": state or DONE, **run},
        "nodes": [{**each, "order": n} for n, each in enumerate(nodes)],
    }


def drawn(text):
    """Return the texts of a picture."""
    root = ET.fromstring(text)
    return [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_text_stands_alone():
    """Without pictures one reads what ran, how it ended, how long it took, and why."""
    told = bundle(
        snapshot(
            node("load", started=NOW, ended=NOW + 4.1),
            node("clean", "load", state="Cached", saved_seconds=61),
            node(
                "report",
                "clean",
                state="Failed",
                started=NOW + 5,
                ended=NOW + 5.2,
                attempts=[{}, {}],
            ),
            state={"type": "FAILED", "name": "Failed", "message": "no\nrows"},
            started=NOW,
            ended=NOW + 5.3,
        )
    )

    assert told["text/plain"].splitlines() == [
        "Flow run calm-owl of etl ✕ Failed in 5.3 s",
        "  3 tasks: 1 completed, 1 cached, 1 failed",
        "  ✓ load    Completed · 4.1 s",
        "  ✓ clean   Cached · 1 min 1 s saved",
        "  ✕ report  Failed · 0.2 s · 2 attempts",
        "  no rows",
    ]


def test_nothing_in_the_html_needs_trust():
    """Jupyter takes scripts, style sheets, SVG and links out: there are none."""
    html = bundle(snapshot(node("load"), node("clean", "load")))["text/html"]

    tags = set(re.findall(r"<(\w+)", html))
    assert tags <= {
        "div", "img", "details", "summary", "table", "tr", "th", "td", "span",
    }  # fmt: skip
    assert not re.search(r"href|onclick|class=|http(?!s?%)", html)
    encoded = re.search(r'src="data:image/svg\+xml;base64,([^"]*)"', html)[1]
    assert drawn(base64.b64decode(encoded))[1] == "load"


@settings(deadline=None, max_examples=30)
@given(st.text(), st.text(max_size=500))
def test_texts_of_runs_are_shown_as_they_are(name, message):
    """Whatever a task is called or says, the picture can be read and has no tags of it."""
    bad = node("a", state="Failed", name=name, of=name)
    bad["state"]["message"] = message
    shown = snapshot(bad, state={**DONE, "message": message})

    root = ET.fromstring(picture(shown))

    assert {each.tag.rpartition("}")[2] for each in root.iter()} == {
        "svg", "title", "g", "rect", "text",
    }  # fmt: skip
    assert "<script" not in bundle(shown)["text/html"].lower()
    assert len(bundle(shown)["text/plain"].splitlines()) <= 4


def test_a_script_in_a_name_is_a_text():
    """The browser is never told to run what a task is called."""
    html = bundle(snapshot(node("a", name="<script>alert(1)</script>")))["text/html"]

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<script" not in html


@pytest.mark.parametrize(("number", "items"), [(12, 12), (13, 1), (1_000, 1)])
def test_many_runs_of_a_task_are_one_item(number, items):
    """More than twelve runs of one task after the same are drawn as one."""
    parts = [node(f"part-{n}", "load") for n in range(number)]

    scene = arranged([node("load"), *parts, node("end", *(p["id"] for p in parts))])

    assert len(scene.items) == items + 2
    assert len(scene.arrows) == 2 * items


def test_a_map_over_a_map_is_two_items():
    """Runs of one task after runs that are drawn as one are drawn as one, too."""
    first = [node(f"a-{n}", "load") for n in range(20)]
    second = [node(f"b-{n}", f"a-{n}") for n in range(20)]

    text = bundle(snapshot(node("load"), *first, *second))["text/plain"]

    assert text.splitlines()[3:] == [
        "  ✓ a × 20  20 completed",  # noqa: RUF001  # as it is shown
        "  ✓ b × 20  20 completed",  # noqa: RUF001  # as it is shown
    ]


def test_a_group_shows_the_worst_of_it():
    """Many with one that failed have its colour, and a bar of all states."""
    parts = [node(f"p-{n}") for n in range(20)] + [node("p-20", state="Failed")]

    scene = arranged(parts)
    text = picture(snapshot(*parts))

    assert scene.items[0].state == ("FAILED", "Failed")
    assert SHADES["FAILED"].fill in text
    assert "1 failed" in drawn(text)


def test_what_is_within_a_subflow_stands_in_its_frame():
    """A subflow is a frame around its tasks; arrows to them lead to the frame."""
    nodes = [
        node("load"),
        node("sub", kind="flow"),
        node("x", "load", parent="sub"),
        node("y", "x", parent="sub"),
        node("end", "y"),
    ]

    scene = arranged(nodes)
    text = bundle(snapshot(*nodes))["text/plain"]

    sub = scene.items[1]
    assert [item.label for item in sub.children] == ["x", "y"]
    assert [(a.label, b.label) for a, b in scene.arrows] == [
        ("load", "sub"), ("sub", "end"),
    ]  # fmt: skip
    assert "    ✓ x   Completed" in text.splitlines()


def test_a_crowd_closes_its_subflows():
    """With more than three hundred to see, a subflow is one item."""
    nodes = [node("sub", kind="flow")]
    nodes += [node(f"t{n}", parent="sub") for n in range(301)]

    scene = arranged(nodes)

    assert [(item.label, len(item.members)) for item in scene.walk()] == [("sub", 301)]


def test_a_picture_has_no_more_than_can_be_read():
    """Of a thousand different tasks the first ones are drawn, and the rest is told."""
    nodes = [node(f"t{n}") for n in range(1_000)]

    told = bundle(snapshot(*nodes))

    assert picture(snapshot(*nodes)).count("<g>") == 300
    assert "… and 700 more" in told["text/html"]
    assert "… and 960 more" in told["text/plain"]


@pytest.mark.parametrize("state", [*SHADES, "UNHEARD_OF"])
def test_every_state_has_its_look(state):
    """Each state is drawn in its colour, also one that a later version may record."""
    each = node("a")
    each["state"] = {"type": state, "name": state.title()}

    shown = bundle(snapshot(each, state=each["state"]))

    assert state.title() in shown["text/plain"]
    assert state.title() in shown["text/html"]


def test_circles_and_strangers_do_no_harm():
    """Nodes that wait for each other, or for unknown ones, are drawn all the same."""
    nodes = [
        node("a", "b", "gone", parent="c"), node("b", "a", "b"), node("c", parent="a"),
    ]  # fmt: skip

    assert len(drawn(picture(snapshot(*nodes)))) >= 6


def test_a_run_without_tasks_says_so():
    """An empty graph is a line, not a broken picture."""
    told = bundle(snapshot())

    assert "no tasks yet" in told["text/plain"]
    assert "<img" not in told["text/html"]


def test_long_chains_run_downwards():
    """A picture that would be far wider than a notebook is drawn from top to bottom."""
    few = [node(f"t{n}", f"t{n - 1}") for n in range(3)]
    many = [node(f"t{n}", f"t{n - 1}") for n in range(30)]

    wide, high = (
        [float(ET.fromstring(picture(snapshot(*nodes))).get(side)) for nodes in (few, many)]
        for side in ("width", "height")
    )  # fmt: skip

    assert wide[0] > high[0]
    assert wide[1] < 200
    assert high[1] > 1_000
