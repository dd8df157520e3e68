"""Mermaid: runs as the text of a flowchart."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nborch.diagrams import Box, Diagram
from nborch.runs import Run, RunKind, RunRecord
from nborch.states import Completed, Crashed, Failed, Running
from nborch.view.mermaid import diagram, mermaid

NOW = datetime(2024, 1, 31, tzinfo=UTC)


def run(id_, of, parent=None, state=None, **more):
    """Return the record of a run."""
    kind, upstream = more.get("kind", RunKind.TASK), more.get("upstream")
    details = {"upstream": list(upstream)} if upstream else {}
    made = Run(
        id=id_, kind=kind, of=of, name=id_, created=NOW, process="p",
        parent_id=parent, details=details,
    )  # fmt: skip
    return RunRecord(made, state or Completed())


def flow_run(id_, of="etl", parent=None, state=None):
    """Return the record of a flow run."""
    return run(id_, of, parent, state, kind=RunKind.FLOW)


def test_runs_are_boxes_and_results_arrows():
    """Each run is a box with its name, in the colour of its state."""
    records = [
        flow_run("calm-owl", state=Running()),
        run("load-0a1", "load", "calm-owl"),
        run("clean-83f", "clean", "calm-owl", Failed(), upstream=["load-0a1"]),
    ]

    lines = mermaid(records).splitlines()

    assert lines[:6] == [
        "flowchart TD",
        '    subgraph calm_owl ["calm-owl"]',
        '        load_0a1["load-0a1"]',
        '        clean_83f["clean-83f"]',
        "    end",
        "    load_0a1 --> clean_83f",
    ]
    assert [line for line in lines if line.startswith("    class ")] == [
        "    class load_0a1 completed",
        "    class clean_83f failed",
        "    class calm_owl running",
    ]
    assert sum(line.startswith("    classDef ") for line in lines) == 3


def test_a_flow_run_without_tasks_is_a_box():
    """A flow run that has run nothing is drawn as a flow."""
    assert '    calm_owl[["calm-owl"]]' in mermaid([flow_run("calm-owl")])


def test_subflows_are_boxes_around_their_tasks():
    """What ran within a subflow stands in a box of its name; arrows may cross it."""
    records = [
        flow_run("outer"),
        run("load", "load", "outer"),
        flow_run("inner", "sub", "outer"),
        run("clean", "clean", "inner", upstream=["load"]),
    ]

    text = mermaid(records)

    assert (
        '        subgraph inner ["inner"]\n            clean["clean"]\n        end'
        in text
    )
    assert "    load --> clean\n" in text


@pytest.mark.parametrize(("number", "boxes"), [(20, 20), (21, 1), (1000, 1)])
def test_many_runs_of_a_task_are_one_box(number, boxes):
    """More than twenty runs of one task in one run are drawn as one box."""
    mapped = [run(f"clean-{n:04}", "clean", "f") for n in range(number)]

    found = diagram([flow_run("f"), *mapped]).boxes

    assert len(found) == boxes + 1
    if boxes == 1:
        assert found[1].label == f"clean × {number}"  # noqa: RUF001  # as it is shown


def test_a_box_of_many_shows_the_worst_of_them():
    """The box of many runs has the colour of the worst, and counts who did not complete."""
    states = [Failed()] * 3 + [Running()] * 2 + [Completed()] * 20 + [Crashed()]
    mapped = [run(f"c{n}", "clean", "f", state) for n, state in enumerate(states)]

    box = diagram([flow_run("f"), *mapped]).boxes[1]

    assert box.label == "clean × 26 (1 crashed, 3 failed, 2 running)"  # noqa: RUF001  # as it is shown
    assert box.state == "CRASHED"


def test_arrows_of_many_are_drawn_once():
    """Between two boxes of many runs there is one arrow, and none to itself."""
    first = [run(f"a{n:02}", "load", "f") for n in range(30)]
    second = [
        run(f"b{n:02}", "clean", "f", upstream=[f"a{n:02}", f"b{n - 1:02}"])
        for n in range(30)
    ]

    assert diagram([flow_run("f"), *first, *second]).arrows == (("a00", "b00"),)


def test_what_ran_within_one_of_many_is_not_drawn():
    """Runs within runs that share a box are hidden in it, with their arrows."""
    many = [run(f"m{n:02}", "outer", "f") for n in range(25)]
    within = [run(f"w{n:02}", "inner", f"m{n:02}") for n in range(25)]
    last = run("z", "last", "f", upstream=["w07"])

    found = diagram([flow_run("f"), *many, *within, last])

    assert [box.label for box in found.boxes] == ["f", "outer × 25", "z"]  # noqa: RUF001  # as it is shown
    assert found.arrows == (("m00", "z"),)


def test_no_arrow_leads_into_what_is_around():
    """A run that took a result of the one around it gets no arrow, nor one of strangers."""
    records = [
        flow_run("f"),
        run("outer", "outer", "f", upstream=["inner", "unknown"]),
        run("inner", "inner", "outer", upstream=["outer", "f"]),
    ]

    assert diagram(records).arrows == ()


def test_records_may_come_in_any_order():
    """A run is drawn within the one around it, whichever record comes first."""
    records = [
        run("t", "t", "sub"), flow_run("sub", parent="f"), flow_run("f", parent="notebook"),
    ]  # fmt: skip

    around = {box.id: box.within for box in diagram(records).boxes}

    assert around == {"t": "sub", "sub": "f", "f": None}


@pytest.mark.parametrize(
    ("label", "written"),
    [
        ("plain-0 (a) [b] {c}", "plain-0 (a) [b] {c}"), ('say "hi"', "say #34;hi#34;"), ("<b>&amp;", "#60;b#62;#38;amp;"), ("#1", "#35;1"),
        ("a\nb", "a b"), ("`md`", "#96;md#96;"), ("日本語 é ×", "日本語 é ×"), ("1. first", "1#46; first"), ("- x", "#45; x"), ("__init__", "#95;#95;init#95;#95;"),  # noqa: RUF001  # as it is shown
        ("a_b", "a_b"), ("*a*", "#42;a#42;"),
    ],
)  # fmt: skip
def test_a_label_is_shown_letter_by_letter(label, written):
    """Whatever Mermaid or HTML would read in a label is written as a code."""
    assert f'    n["{written}"]' in Diagram([Box("n", label)]).mermaid()


@given(st.lists(st.text(), unique=True, min_size=1))
def test_every_box_has_a_name_of_its_own(ids):
    """Boxes are named by letters, digits and underscores, each by one name."""
    lines = Diagram([Box(id_, id_) for id_ in ids]).mermaid().splitlines()[1:]

    names = [re.fullmatch(r'    ([A-Za-z]\w*)\["[^"]*"\]', line)[1] for line in lines]
    assert len(set(names)) == len(ids)


@pytest.mark.parametrize(
    "name", ["end", "End-0", "graph", "class", "style", "subgraph_1"]
)
def test_words_that_mermaid_keeps_are_no_names(name):
    """A task may be called as Mermaid's own words are."""
    line = Diagram([Box(name, "x")]).mermaid().splitlines()[1]

    assert line.strip().startswith("n_")
