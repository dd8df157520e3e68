"""The model of a run graph: events in, numbered messages out."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from nborch.events import log_written, noted, run_created, state_entered
from nborch.runs import Run, RunKind
from nborch.states import (
    AwaitingRetry,
    Cached,
    Completed,
    Failed,
    Pending,
    Retrying,
    Running,
)
from nborch.view.graphs import CellView
from nborch.view.model import RunView

NOON = 1_700_000_000.0


def run(id_, parent="flow", kind=RunKind.TASK, **details):
    """Return a run called by its id."""
    at = datetime.fromtimestamp(NOON, UTC)
    return Run(id_, kind, id_.split("-")[0], id_, at, "here:1", parent, details)


FLOW = run("flow", None, RunKind.FLOW, parameters={"n": 3})


def entered(id_, second, state, attempt=1):
    """Return the event that a run entered a state so many seconds after noon."""
    at = datetime.fromtimestamp(NOON + second, UTC)
    return state_entered(id_, state.stamped(at), attempt)


def told(view, *events):
    """Tell a view of events."""
    for event in events:
        view.take(event)
    return view


def nodes(message):
    """Return the nodes of a message by id."""
    return {node["id"]: node for node in message["nodes"]}


def test_a_run_is_there_before_it_begins():
    """A task that waits is shown from the start."""
    view = told(RunView(FLOW, None), run_created(run("load")))

    node = nodes(view.snapshot())["load"]

    assert node["state"] == {"type": "PENDING", "name": "Pending"}
    assert node["created"] == NOON
    assert "started" not in node


def test_a_node_tells_when_it_ran_and_what_it_took():
    """Events of a run become one node, with the time of its beginning and its end."""
    view = told(
        RunView(FLOW, None),
        run_created(run("load")),
        run_created(run("clean-1", upstream=["load"])),
        entered("clean-1", 0, Pending(), 0),
        entered("clean-1", 1, Running()),
        log_written("clean-1", NOON + 2, "INFO", "a", "b"),
        noted("clean-1", NOON + 2, {"name": "clean March"}),
        entered("clean-1", 3, Completed(message="all rows")),
    )

    assert nodes(view.snapshot())["clean-1"] == {
        "id": "clean-1",
        "kind": "task",
        "of": "clean",
        "name": "clean March",
        "upstream": ["load"],
        "order": 2,
        "state": {"type": "COMPLETED", "name": "Completed", "message": "all rows"},
        "created": NOON,
        "started": NOON + 1,
        "ended": NOON + 3,
    }


def test_attempts_are_entries_of_their_own():
    """A run that was retried has an attempt for each call, with how it ended."""
    view = told(
        RunView(FLOW, None),
        run_created(run("load")),
        entered("load", 1, Running()),
        entered("load", 2, AwaitingRetry(message="ValueError")),
    )
    waiting = nodes(view.delta())["load"]["attempts"]
    told(view, entered("load", 5, Retrying(), 2), entered("load", 6, Retrying(), 3))
    told(view, entered("load", 9, Failed(), 3))

    node = nodes(view.delta())["load"]

    assert [(each["ended"], each["type"]) for each in waiting] == [(NOON + 2, "FAILED")]
    assert [
        (each["n"], each["started"] - NOON, each["ended"] - NOON, each["name"])
        for each in node["attempts"]
    ] == [(1, 1, 2, "Failed"), (2, 5, 6, "Failed"), (3, 6, 9, "Failed")]
    assert (node["started"], node["ended"]) == (NOON + 1, NOON + 9)


def test_a_cached_run_tells_where_its_result_is_from():
    """What was not called has no attempts, but a source and the seconds it saved."""
    details = {"cache_key": "k", "saved_seconds": 4.1, "source_run": "other"}
    view = told(
        RunView(FLOW, None),
        run_created(run("load")),
        entered("load", 1, Cached(details=details), 0),
    )

    node = nodes(view.snapshot())["load"]

    assert (node["saved_seconds"], node["source_run"]) == (4.1, "other")
    assert node["ended"] == NOON + 1
    assert "started" not in node
    assert "attempts" not in node


def test_only_what_runs_within_the_run_is_seen():
    """Runs within at any depth are nodes, runs of others are not."""
    view = told(
        RunView(FLOW, None),
        run_created(run("sub", kind=RunKind.FLOW)),
        run_created(run("inner", "sub")),
        run_created(run("stranger", None)),
        run_created(run("its-task", "stranger")),
        entered("its-task", 1, Running()),
    )

    found = nodes(view.snapshot())

    assert list(found) == ["sub", "inner"]
    assert found["inner"]["parent"] == "sub"
    assert "parent" not in found["sub"]


def test_a_delta_has_what_changed_since_the_last():
    """Deltas are numbered, hold each changed node once, and are None without change."""
    view = told(RunView(FLOW, None, can=["cancel"]), run_created(run("a")))
    first = view.delta()
    told(view, run_created(run("b")), entered("b", 1, Running()))
    told(view, entered("b", 2, Completed()))

    second = view.delta()

    assert (first["seq"], first["run"]["can"]) == (1, ["cancel"])
    assert (second["seq"], list(nodes(second))) == (2, ["b"])
    assert "run" not in second
    assert view.delta() is None
    assert view.snapshot()["seq"] == 2


def test_the_run_itself_is_told_apart():
    """The state of the whole is in the run, with its parameters as texts."""
    view = told(RunView(FLOW, None), entered("flow", 1, Running()))
    view.delta()
    told(view, entered("flow", 2, Failed(message="no")))

    message = view.delta()

    assert message["nodes"] == []
    assert message["run"]["state"]["message"] == "no"
    assert message["run"]["parameters"] == {"n": "3"}
    assert (message["run"]["started"], message["run"]["ended"]) == (NOON + 1, NOON + 2)
    assert view.is_over


@settings(deadline=None)
@given(st.data())
def test_deltas_lead_to_what_a_snapshot_shows(data):
    """Whenever one asks, a snapshot and the deltas after it come to the same."""
    events = [run_created(FLOW), entered("flow", 0, Running())]
    for n in range(4):
        events.append(run_created(run(f"t-{n}")))
        states = [Pending(), Running(), AwaitingRetry(), Retrying(), Completed()]
        events += [entered(f"t-{n}", k, s, k // 2 + 1) for k, s in enumerate(states)]
    view = RunView(FLOW, None)
    browser, seq = {}, 0
    while events:
        for event in events[: (count := data.draw(st.integers(1, 6)))]:
            view.take(event)
            if data.draw(st.booleans()):
                view.take(event)  # two may tell of the same
        events = events[count:]
        message = view.delta()
        if message is not None:
            assert message["seq"] == seq + 1
            seq = message["seq"]
            browser |= nodes(message)
        if data.draw(st.booleans()):
            assert nodes(view.snapshot()) == browser


def test_a_late_event_changes_nothing():
    """What another source has told already is passed over."""
    view = told(
        RunView(FLOW, None),
        run_created(run("over")),
        entered("over", 2, Completed()),
        entered("over", 3, Running()),
        run_created(run("runs")),
        entered("runs", 2, Running()),
        entered("runs", 1, Pending(), 0),
    )

    found = nodes(view.snapshot())

    assert found["over"]["state"]["type"] == "COMPLETED"
    assert found["runs"]["state"]["type"] == "RUNNING"


def call(id_, parent="flow", **details):
    """Return all that tells of a call that returns."""
    return [
        run_created(run(id_, parent, **details)),
        entered(id_, 1, Pending(), 0),
        entered(id_, 2, Running()),
        entered(id_, 3, Completed(message="done")),
    ]


def flood(view, number):
    """Tell a view of so many runs that came and went."""
    for n in range(number):
        told(view, *call(f"t-{n}"))


def test_no_event_is_lost():
    """Of very many events all are taken in, the last at the end."""
    view = told(RunView(FLOW, None), entered("flow", 0, Running()))
    flood(view, 5_000)
    first = view.delta()
    told(view, entered("flow", 9, Completed()))
    view.told_all()

    last = view.delta()

    sent = nodes(first) | nodes(last)
    assert len(sent) == 5_000
    assert len(first["nodes"]) < 1_000
    assert all(node["state"]["type"] == "COMPLETED" for node in last["nodes"])
    assert view.delta() is None


def test_a_flood_is_told_in_portions():
    """What came and went unseen can wait; what runs, failed or is on show cannot."""
    view = told(RunView(FLOW, None), run_created(run("seen")))
    view.delta()
    told(view, entered("seen", 1, Completed()))
    told(view, run_created(run("bad")), entered("bad", 1, Failed()))
    flood(view, 2_000)

    message = view.delta()
    sent = nodes(message)
    while (more := view.delta()) is not None:
        sent |= nodes(more)

    assert {"seen", "bad"} <= nodes(message).keys()
    assert len(nodes(message)) <= 100
    assert len(sent) == 2_002
    assert {node["state"]["type"] for node in sent.values()} == {"COMPLETED", "FAILED"}
    assert not view.is_behind


def test_a_flood_cannot_fall_behind_without_end():
    """Of very many events at once so many are taken in that few are left to hold."""
    view = told(RunView(FLOW, None))
    flood(view, 20_000)

    view.delta()

    assert view.is_behind
    assert view.size >= 9_000


def test_what_came_and_went_is_told_as_if_it_had_been_watched():
    """A call that nobody saw begin is told like one that was seen at each step."""
    events = call("load", upstream=["a"])
    seen, unseen = RunView(FLOW, None), told(RunView(FLOW, None), *events)
    for event in events:
        told(seen, event).delta()

    assert nodes(unseen.snapshot()) == nodes(seen.snapshot())
    assert nodes(unseen.delta()) == nodes(seen.snapshot())


def test_what_came_and_went_may_be_within_the_same():
    """Calls within calls are nodes, whichever of them are told of at one time."""
    outer, inner, *_ = calls = [call("outer"), call("inner", "outer"), call("it", None)]
    first, last = outer[:3], outer[3:]
    late = [run_created(run("late", "inner")), entered("late", 5, Running())]
    view = told(RunView(FLOW, None), *first, *inner, *calls[2], *last, *late)

    found = nodes(view.snapshot())

    assert {name: node.get("parent") for name, node in found.items()} == {
        "outer": None, "inner": "outer", "late": "inner",
    }  # fmt: skip


def test_what_came_and_went_may_be_told_of_again():
    """A run that was put aside takes a new name, and is one node however often told."""
    events = call("load")
    view = told(RunView(FLOW, None), *events, *events)
    told(view, noted("load", NOON + 4, {"name": "load March"}))

    message = view.delta()

    assert [node["name"] for node in message["nodes"]] == ["load March"]
    assert view.size == 1
    assert view.delta() is None


def test_cells_that_changed_are_sent():
    """Of the cells as they stand now, those travel that stand otherwise than before."""
    view = CellView("report")
    cells = [{"id": name, "kind": "cell", "of": name, "why": ""} for name in "abc"]
    view.show(cells)
    view.delta()
    view.show([cells[0], {**cells[1], "why": "input `x` changed"}])

    message = view.delta()

    assert [node["id"] for node in message["nodes"]] == ["b"]
    assert message["gone"] == ["c"]
    assert view.delta() is None
    assert [node["id"] for node in view.snapshot()["nodes"]] == ["a", "b"]


def test_of_very_many_attempts_the_last_are_told():
    """A run that is tried again and again does not fill its messages with that."""
    view = told(RunView(FLOW, None), run_created(run("a")))
    for n in range(1, 1_001):
        told(view, entered("a", n, Retrying(), n))

    attempts = nodes(view.snapshot())["a"]["attempts"]

    assert [each["n"] for each in attempts] == list(range(901, 1_001))
