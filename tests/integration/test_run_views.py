"""Views of real runs: as they happen, from the store, and in detail."""

from datetime import UTC, datetime, timedelta

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from nborch import flow, notebook_flow, task
from nborch.cache_policies import INPUTS
from nborch.context import current_run
from nborch.events import run_created, state_entered
from nborch.logs import get_run_logger
from nborch.runs import Run, RunKind
from nborch.states import Cached, Completed, Failed, Running
from nborch.store.sqlite import SQLiteStore
from nborch.task_runners import ProcessPoolTaskRunner
from nborch.view.details import detail, log
from nborch.view.estimates import Estimates, estimated
from nborch.view.model import RunView

pytestmark = pytest.mark.usefixtures("home")


@task
def load(n: int) -> list[int]:
    return [n, n + 1_000]


@task(retries=1)
def unsteady(rows: list[int]) -> list[int]:
    if current_run.get().attempt == 1:
        raise ValueError("not yet")
    return [*rows]


@task(cache_policy=INPUTS)
def total(rows: list[int]) -> int:
    return sum(rows)


@task
def broken(rows: list[int]) -> None:
    get_run_logger().info("Looking at %s rows", len(rows))
    raise KeyError("column")


@flow
def inner(rows: list[int]) -> int:
    return total(rows)


#: The view of the last run of the pipeline.
views = []


@flow
def pipeline() -> None:
    """Run a bit of everything, with a view on it."""
    context = current_run.get()
    view = RunView(context.run, context.home.store)
    context.home.recorder.subscribe(view.take)
    views[:] = [view]
    rows = unsteady(load(1))
    inner(rows)
    total([1, 2])
    total([1, 2])
    broken(rows, return_state=True)
    for future in load.map([1, 2, 3]):
        future.result()


def watched(home):
    """Return a view that has seen a flow run from its beginning."""
    pipeline()
    home.recorder.unsubscribe(views[0].take)
    home.recorder.flush()
    return views[0]


def by_id(view):
    """Return what a view tells of each run, whatever its place."""
    told = {node["id"]: dict(node) for node in view.snapshot()["nodes"]}
    for node in told.values():
        del node["order"]
    return told


def test_a_run_is_told_alike_as_it_happens_and_afterwards(home):
    """What a live view has seen is what one from the store shows."""
    seen = watched(home)

    stored = RunView.from_store(home.store, seen.run_id)

    assert by_id(seen) == by_id(stored)
    assert len(by_id(seen)) == 10
    assert stored.is_over


@pytest.mark.parametrize("is_late", [False, True])
def test_a_stored_view_follows_what_another_process_writes(home, tmp_path, is_late):
    """A view takes in what was written since; a run may be known before that around it."""
    seen = watched(home)
    events = [event._replace(sequence=0) for event in home.store.events()]
    run = home.store.record(seen.run_id).run
    store = SQLiteStore(tmp_path / "other.db")
    other = RunView(run, store)
    if is_late:
        around = home.store.records(of="inner")[0].run.id
        events.sort(key=lambda event: event.run_id == around)

    for event in events:
        store.append([event])
        other.catch_up()

    store.close()
    assert by_id(other) == by_id(seen)


def test_runs_of_other_processes_are_caught_up_with(home):
    """Tasks called within a worker's process are nodes of the run's view."""

    @task
    def part(n: int) -> int:
        return n + 1

    @task
    def outer(n: int) -> int:
        return part(n)

    seen = []

    @flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
    def spread() -> None:
        context = current_run.get()
        seen.append(RunView(context.run, home.store))
        home.recorder.subscribe(seen[0].take)
        seen[0].catch_up(besides=home.process)
        for future in outer.map([1, 2]):
            future.result()

    spread()
    home.recorder.flush()
    before = len(seen[0].snapshot()["nodes"])

    seen[0].catch_up(besides=home.process)

    nodes = {node["id"]: node for node in seen[0].snapshot()["nodes"]}
    parts = [node for node in nodes.values() if node["of"] == "part"]
    assert (before, len(nodes)) == (2, 4)
    assert {nodes[node["parent"]]["of"] for node in parts} == {"outer"}
    assert all(node["state"]["type"] == "COMPLETED" for node in parts)


def test_a_listener_hears_each_event_once_in_order(home):
    """Who subscribes gets every event of this process, each run's in its order."""
    heard = []
    home.recorder.subscribe(heard.append)

    @flow
    def mapped() -> None:
        for future in load.map(range(200)):
            future.result()

    mapped()
    home.recorder.unsubscribe(heard.append)
    home.recorder.flush()

    stored = home.store.events()
    assert len(heard) == len(stored) > 800
    for run_id in {event.run_id for event in stored}:
        mine = [each.kind for each in heard if each.run_id == run_id]
        assert mine == [each.kind for each in stored if each.run_id == run_id]


def test_the_details_of_a_failed_run_tell_why(home):
    """A run that raised is explained by its error, with the user's own lines."""
    watched(home)
    run = home.store.record(home.store.records(of="broken")[0].run.id).run

    told = detail(home.store, run.id)

    assert [each["name"] for each in told["history"]] == [
        "Pending",
        "Running",
        "Failed",
    ]
    assert (told["error"]["type"], told["error"]["message"]) == ("KeyError", "'column'")
    assert 'raise KeyError("column")' in told["error"]["traceback"]
    assert "nborch/" not in told["error"]["traceback"].replace("nborch/tests", "")
    assert told["inputs"] == [{"name": "rows", "digest": None, "preview": "[1, 1001]"}]
    assert told["log"][0]["message"] == "Looking at 2 rows"
    assert not told["more_log"]


def test_the_details_of_a_cached_run_tell_where_from(home):
    """A hit names its key, the run that computed it, and what it returned."""
    watched(home)
    cached, computed, *_ = home.store.records(of="total")

    told = detail(home.store, cached.run.id, home.cache)

    assert told["source_run"] == computed.run.id
    assert told["key"] == computed.state.details["cache_key"]
    assert told["saved_seconds"] >= 0
    assert told["outputs"] == [{"name": "result", "digest": None, "preview": "3"}]
    assert told["error"] is None


def test_the_log_goes_on_where_it_was_left(home):
    """The lines of a run are told once each, as they come."""
    seen = watched(home)
    run_id = home.store.records(of="broken")[0].run.id
    whole = seen.log(run_id, 0)

    rest = log(home.store, run_id, whole["next"])

    assert [line["level"] for line in whole["lines"]] == ["INFO", "ERROR"]
    assert rest == {"lines": [], "next": whole["next"]}
    assert detail(home.store, run_id)["next"] == whole["next"]


def test_a_view_knows_only_its_own_runs(home):
    """Details of runs of others are not given away."""
    seen = watched(home)
    pipeline()
    other = home.store.records(kinds=[RunKind.FLOW], of="inner", limit=1)[0].run

    assert seen.detail(other.id) is None
    assert seen.detail(next(iter(by_id(seen))))["id"] in by_id(seen)


def took(store, name, seconds, *, parent=None, state=None):
    """Store a run that took so many seconds, of what its name begins with."""
    of = name.partition("-")[0]
    kind = RunKind.TASK if parent else RunKind.FLOW
    begin = datetime(2024, 1, 31, tzinfo=UTC)
    run = Run(name, kind, of, name, begin, "here", parent)
    end = (state or Completed()).stamped(begin + timedelta(seconds=seconds))
    states = [Running().stamped(begin), end] if end.name != "Cached" else [end]
    store.append([run_created(run), *(state_entered(name, s, 1) for s in states)])


def test_a_run_is_expected_to_take_what_earlier_ones_took(home):
    """The middle of the last runs that completed and were called is expected."""
    store = home.store
    for n, seconds in enumerate((900, 3, 1, 9, 2, 4)):
        took(store, f"night-{n}", seconds)
        took(store, f"nap-{n}", seconds / 2, parent=f"night-{n}")
        took(store, f"nap-{n}-again", 0, parent=f"night-{n}", state=Cached())
    took(store, "night-7", 50, state=Failed())
    took(store, "night-8", 70)
    took(store, "nap-8", 1, parent="night-8")
    took(store, "day", 5)

    found = estimated(store, "night", besides="night-8")

    assert found == Estimates(3, {"nap": 1.5})
    assert estimated(store, "unknown") == Estimates()
    view = RunView.from_store(store, "night-8").snapshot()
    assert "expected_seconds" not in view["nodes"][0]


def test_what_runs_is_told_with_what_it_will_take(home):
    """A task that was called before tells how long it takes as a rule."""
    took(home.store, "night-1", 4)
    took(home.store, "nap-1", 3, parent="night-1")
    took(home.store, "night-2", 0, state=Running())
    took(home.store, "nap-2", 0, parent="night-2", state=Running())

    view = RunView.from_store(home.store, "night-2").snapshot()

    assert view["run"]["expected_seconds"] == 4
    assert view["nodes"][0]["expected_seconds"] == 3


def test_cells_of_a_notebook_follow_those_they_read_from(home, tmp_path):
    """In the graph of a notebook's run each cell comes after the cells it reads."""
    path = tmp_path / "report.ipynb"
    cells = [
        "rows = [1, 2]",
        "%%task total\ntotal = sum(rows)",
        "other = 1",
        "print(total)",
    ]
    nbformat.write(new_notebook(cells=[*map(new_code_cell, cells)]), path)
    notebook_flow(path)()

    view = RunView.from_store(home.store, home.store.records(of="report")[0].run.id)

    nodes = {node["id"]: node for node in view.snapshot()["nodes"]}
    after = {
        node["name"]: [nodes[each]["name"] for each in node.get("upstream", ())]
        for node in nodes.values()
    }
    assert after == {
        "cell 1": [], "total": ["cell 1"], "cell 3": [], "cell 4": ["total"],
    }  # fmt: skip
    assert {node["kind"] for node in nodes.values()} == {"cell"}
