"""Run stores: one conformance suite that every adapter passes."""

import json
import os
import re
import sqlite3
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nborch import context  # noqa: F401  # children of a fork draw anew
from nborch.events import (
    log_written,
    noted,
    run_created,
    state_entered,
)
from nborch.exceptions import NotFound, StoreError
from nborch.runs import Run, RunKind, RunRecord, new_id
from nborch.states import (
    TRANSITIONS,
    Completed,
    Crashed,
    Failed,
    NotReady,
    Pending,
    Retrying,
    Running,
    State,
    StateType,
)
from nborch.store.queries import load_queries
from nborch.store.sqlite import SQLiteStore

START = 1_800_000_000.0


def at(seconds):
    return datetime.fromtimestamp(START + seconds, UTC)


def made(
    name="kind-owl", *, second=0.0, parent=None, kind=RunKind.FLOW, of="f", **details
):
    return Run(
        new_id(START + second), kind, of, name, at(second), "host:1:a", parent, details
    )


def entered(run, state, attempt=1, second=1.0):
    return state_entered(run.id, state.stamped(at(second)), attempt)


def test_a_run_is_found_again(store):
    """What is known of a run is what was reported of it."""
    run = made(parameters={"n": 3}, tags=["a"])

    accepted = store.append(
        [
            run_created(run),
            entered(run, Running(message="go")),
            entered(run, Completed(), second=3),
        ]
    )

    assert accepted == 3
    record = store.record(run.id)
    assert record.run == run
    assert (record.state.name, record.attempt, record.seconds) == ("Completed", 1, 2.0)
    assert [event.sequence for event in store.events()] == [1, 2, 3]


def test_nothing_is_known_of_an_empty_store(store):
    """An empty store answers every question with nothing."""
    assert (
        store.records()
        == store.unfinished()
        == store.events()
        == store.logs("x")
        == store.within("x")
        == []
    )
    assert store.append([]) == 0


@pytest.mark.parametrize("final", [Completed(), Failed(), Crashed()])
def test_a_final_state_never_changes(store, final):
    """Whatever is reported of a run that has ended is refused, in one group or later."""
    run = made()

    assert (
        store.append(
            [run_created(run), entered(run, final), entered(run, Running(), 2)]
        )
        == 2
    )
    for state in (Running(), Completed(), Failed(), Crashed()):
        assert store.append([entered(run, state, 5)]) == 0

    assert store.record(run.id).state.type is final.type
    assert len(store.events()) == 2


def test_a_late_report_of_an_earlier_attempt_is_refused(store):
    """Once a second attempt has begun, the first one's result does not count."""
    run = made()
    store.append(
        [run_created(run), entered(run, Running(), 1), entered(run, Retrying(), 2)]
    )

    assert store.append([entered(run, Completed(), 1)]) == 0
    assert store.append([entered(run, Completed(), 2)]) == 1


def test_a_state_of_an_unknown_run_is_refused(store):
    """A state without a run is nobody's."""
    assert store.append([entered(made(), Running())]) == 0
    assert store.events() == []


def test_a_run_is_made_once(store):
    """A second creation of one run is refused and changes nothing."""
    run = made()

    assert store.append([run_created(run), run_created(run)]) == 1
    store.append([entered(run, Running())])
    assert store.append([run_created(run)]) == 0
    assert store.record(run.id).state.is_running()


def test_a_note_joins_the_details_of_a_run(store):
    """A later fact is added to what was known, in one group or after it."""
    run = made(parameters={"n": None})
    note = noted(run.id, START, {"output": "a.ipynb", "none": None})

    assert store.append([run_created(run), note]) == 2
    assert store.append([noted(run.id, START, {"pages": 3})]) == 1
    assert store.append([noted("unknown", START, {})]) == 0

    assert store.record(run.id).run.details == {
        "parameters": {"n": None},
        "output": "a.ipynb",
        "none": None,
        "pages": 3,
    }


@pytest.mark.parametrize("together", [True, False])
def test_a_noted_name_renames_a_run(store, together):
    """A run has the name noted last, and is found by it, whatever its details are."""
    run = made("calm-hare", parameters={"name": "x"})
    events = [
        run_created(run),
        noted(run.id, START, {"name": "bold-wren", "pages": 3}),
        entered(run, Completed()),
    ]

    accepted = sum(
        store.append(group)
        for group in ([events] if together else [[e] for e in events])
    )

    assert accepted == 3
    renamed = store.record("bold-wren").run
    assert renamed.id == run.id
    assert renamed.details == {"parameters": {"name": "x"}, "pages": 3}
    with pytest.raises(NotFound, match="No run is called 'calm-hare'"):
        store.record("calm-hare")


@pytest.mark.parametrize("together", [True, False])
def test_a_run_that_is_not_ready_is_over(store, together):
    """A run whose upstream failed has ended, though it is Pending: nothing follows."""
    run = made()
    never = entered(run, NotReady(message="no upstream"), 0)
    groups = [[run_created(run), never]] if together else [[run_created(run)], [never]]
    for group in groups:
        store.append(group)

    assert store.append([entered(run, Running())]) == 0
    assert store.append([entered(run, Crashed())]) == 0
    assert store.unfinished() == []
    record = store.record(run.id)
    assert (record.state.name, record.ended) == ("NotReady", at(1))


STATES = st.builds(
    State,
    type=st.sampled_from(StateType),
    name=st.sampled_from(["", "", "", "NotReady", "Ünique"]),
    message=st.sampled_from([None, None, None, "", "told"]),
    details=st.sampled_from([{}, {}, {}, {"seconds": 1.5}]),
)
STEPS = st.lists(
    st.tuples(STATES, st.sampled_from([0, 1, 1, 2]), st.integers(0, 3)), max_size=12
)
# How the first three events of most runs look, with another run's line anywhere.
USUAL = [(Pending(), 0, 0), (Running(), 1, 0)]


@settings(
    deadline=None,
    max_examples=80,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    start=st.integers(0, 2),
    steps=STEPS,
    groups=st.integers(1, 5),
    line=st.integers(0, 9),
)
def test_the_store_is_a_fold_of_its_events(store, start, steps, groups, line):
    """What a store knows of a run is the fold of the events it accepted, grouped or not."""
    run = made()
    events = [run_created(run)] + [
        entered(run, state, attempt, i + second / 10)
        for i, (state, attempt, second) in enumerate(USUAL[:start] + steps)
    ]
    folded, kept = RunRecord(run, Pending().stamped(run.created)), events[:1]
    for event in events[1:]:
        state = State.from_json(event.data)
        if (
            event.attempt >= folded.attempt
            and not folded.state.is_over()
            and state.type in TRANSITIONS[folded.state.type]
        ):
            folded = folded.entered(state, event.attempt)
            kept.append(event)
    told = line < len(events)
    if told:
        events.insert(line, log_written("other", START, "INFO", "x", "between"))
    before = len(store.events())

    accepted = sum(
        store.append(events[i : i + groups]) for i in range(0, len(events), groups)
    )

    assert accepted == len(kept) + told
    assert store.record(run.id) == folded
    stored = store.events(run_id=run.id)
    assert [event._replace(sequence=0) for event in stored] == kept
    # All are told in the order in which they came, and from any place on.
    every = store.events()
    assert [e for e in every if e.run_id == run.id] == stored
    places = [event.sequence for event in every]
    assert places == sorted(set(places))
    assert len(places) == before + accepted
    for index, place in enumerate(places[before:], before + 1):
        assert store.events(place) == every[index:]


TEXT = st.text(st.characters(codec=None), max_size=20)
LEAVES = (
    st.none() | st.floats() | st.integers() | TEXT | st.just(object()) | st.binary()
)


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    name=TEXT,
    message=TEXT,
    fact=st.recursive(
        LEAVES,
        lambda x: st.lists(x) | st.dictionaries(TEXT | st.tuples(st.integers()), x),
        max_leaves=5,
    ),
)
def test_whatever_a_run_is_called_it_can_be_stored(store, name, message, fact):
    """No name, message or fact keeps a run from being recorded and read."""
    run = made(name, of=name, parameters={"x": fact})
    state = Completed(message=message, details={"fact": fact})

    accepted = store.append(
        [
            run_created(run),
            log_written(run.id, START, "INFO", name, message),
            noted(run.id, START, {"more": fact}),
            entered(run, state),
        ]
    )

    assert accepted == 4
    assert store.record(run.id).state.message == message
    assert store.logs(run.id)[0].data["message"] == message
    json.dumps([event.to_json() for event in store.events()], allow_nan=False)


def test_runs_are_looked_up_by_id_prefix_and_name(store):
    """A run is named by its id, the start of its id, or the newest by its name."""
    old, new = made("calm-hare"), made("calm-hare", second=1)
    store.append([run_created(old), run_created(new)])

    assert store.record(old.id).run == old
    assert store.record(old.id[:18]).run == old
    assert store.record(old.id[:18].upper()).run == old
    assert store.record("calm-hare").run == new


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("calm-hair", "No run is called 'calm-hair'. Did you mean 'calm-hare'"),
        ("zzz", "No run is called 'zzz'. List the runs with: nborch flow-run ls"),
        ("0", "Several runs have an id that starts with '0'. Give more of it."),
        ("", "No run is called ''."),
        ("%", "No run is called '%'."),
    ],
)
def test_a_run_that_is_not_found_is_said_with_the_nearest(store, reference, message):
    """What is called like no run, or like several, is told with what to do."""
    store.append(
        [run_created(made("calm-hare")), run_created(made("bold-wren", second=1))]
    )

    with pytest.raises(NotFound) as told:
        store.record(reference)
    assert message in str(told.value)


def test_runs_are_listed_newest_first(store):
    """A list of runs begins with the newest, of the kinds and number asked for."""
    flows = [made(f"f-{i}", second=i) for i in range(5)]
    task = made("t", second=9, parent=flows[0].id, kind=RunKind.TASK)
    store.append([run_created(run) for run in [*flows, task]])

    def names(**asked):
        return [record.run.name for record in store.records(**asked)]

    assert names() == ["t", "f-4", "f-3", "f-2", "f-1", "f-0"]
    assert names(top=True, limit=2) == ["f-4", "f-3"]
    assert names(kinds=[RunKind.TASK]) == ["t"]


def test_runs_are_listed_by_state_by_what_they_are_of_and_by_parent(store):
    """A list of runs is narrowed to states, to one flow or task, and to one parent."""
    flow, other = made("flow"), made("other", second=1, of="g")
    tasks = [
        made(f"t-{i}", second=2 + i, parent=flow.id, kind=RunKind.TASK, of="t")
        for i in range(4)
    ]
    store.append([run_created(run) for run in [flow, other, *tasks]])
    store.append([entered(tasks[0], Failed()), entered(tasks[1], Completed())])
    store.append([entered(flow, Failed())])

    def names(**asked):
        return [record.run.name for record in store.records(**asked)]

    assert names(states=[StateType.FAILED]) == ["t-0", "flow"]
    assert names(states=[StateType.FAILED, StateType.COMPLETED], of="t") == [
        "t-1",
        "t-0",
    ]
    assert names(of="g") == names(of="g", kinds=[RunKind.FLOW]) == ["other"]
    assert names(parent=flow.id, limit=2) == ["t-3", "t-2"]
    assert names(parent=flow.id, states=[StateType.FAILED]) == ["t-0"]
    assert names(parent=flow.id, kinds=[RunKind.FLOW]) == []
    assert names(parent=flow.id, top=True) == names(states=[]) == []


def test_a_flow_is_found_before_a_task_that_is_called_the_same(store):
    """A name finds the newest flow run; a task's only if no flow is called that."""
    flow = made("same")
    tasks = [made("same", second=i, kind=RunKind.TASK) for i in (1, 2)]
    alone = [made("alone", second=i, kind=RunKind.TASK) for i in (3, 4)]
    store.append([run_created(run) for run in [flow, *tasks, *alone]])

    assert store.record("same").run == flow
    assert store.record("alone").run == alone[1]


@pytest.mark.parametrize(
    "run_id",
    [
        "ours",
        "ünïque",
        "fifteen letters",
        "odd \udc80",
        "FFFFFFFF-0000-4000-8000-000000000000",
        "ffffffff-0000-4000-8000-000000000000",
        "0190a5d0ac96774bbcceb302099a80570000",
        "01890a5d-ac96-774b-bcce-b302099a805é",
    ],
)
def test_any_text_is_the_id_of_a_run(store, run_id):
    """An id that is no UUID, or one written otherwise, is kept as it is."""
    run = replace(made(), id=run_id)
    child = made("child", second=1, parent=run_id)

    store.append([run_created(run), run_created(child), entered(run, Completed())])

    assert [event.run_id for event in store.events(run_id=run_id)] == [run_id] * 2
    assert [record.run for record in store.within(run_id)] == [run, child]


def test_a_run_knows_the_runs_within_it(store):
    """Runs within a run are found at any depth, with their lines in order."""
    top = made("top")
    sub = made("sub", second=1, parent=top.id)
    leaf = made("leaf", second=2, parent=sub.id, kind=RunKind.TASK)
    other = made("other", second=3)
    store.append([run_created(run) for run in (top, sub, leaf, other)])
    store.append(
        [
            log_written(run.id, START, "INFO", "x", run.name)
            for run in (leaf, other, top)
        ]
    )

    assert [r.run.name for r in store.children(top.id)] == ["sub"]
    assert [r.run.name for r in store.within(top.id)] == ["top", "sub", "leaf"]
    assert [line.data["message"] for line in store.logs(top.id)] == ["leaf", "top"]


def test_only_unfinished_runs_are_unfinished(store):
    """A run is unfinished until its final state."""
    runs = [made(str(i)) for i in range(3)]
    store.append([run_created(run) for run in runs])
    store.append([entered(runs[0], Completed()), entered(runs[1], Running())])

    assert {r.run.name for r in store.unfinished()} == {"1", "2"}


def test_events_are_read_from_where_one_left_off(store):
    """A reader asks for what came after the last sequence number it has seen."""
    run = made()
    store.append([run_created(run), entered(run, Running())])
    seen = store.events()[-1].sequence

    store.append([entered(run, Completed())])

    assert [e.data["name"] for e in store.events(seen)] == ["Completed"]
    assert store.events(seen + 1) == []


def test_a_group_is_stored_wholly_or_not_at_all(store):
    """If one event of a group cannot be stored, none of the group is."""
    run = made()
    broken = log_written(run.id, None, "INFO", "x", "no time")

    with pytest.raises(sqlite3.IntegrityError):
        store.append([run_created(run), broken])

    assert store.events() == store.records() == []
    assert store.append([run_created(run)]) == 1


def test_a_reader_misses_no_event_of_a_busy_store(store):
    """Who reads on from the last event he has seen gets each event once, in order."""
    written = []

    def write():
        for i in range(300):
            run = made(str(i))
            group = [
                run_created(run),
                entered(run, Running(), 1),
                entered(run, Failed()),
            ]
            assert store.append(group) == 3
            written.extend((event.run_id, event.kind) for event in group)

    thread = threading.Thread(target=write)
    thread.start()
    seen = []
    while thread.is_alive() or len(seen) < len(written):
        seen += store.events(seen[-1].sequence if seen else 0)
    thread.join()

    assert [event.sequence for event in seen] == list(range(1, 901))
    assert [(event.run_id, event.kind) for event in seen] == written


def test_many_threads_share_a_store(store):
    """Threads append and read at once, and nothing is lost or mixed."""
    errors = []

    def work(number):
        try:
            for i in range(20):
                run = made(f"{number}-{i}")
                assert store.append([run_created(run), entered(run, Completed())]) == 2
                assert store.record(run.id).run.name == f"{number}-{i}"
        except BaseException as error:  # noqa: BLE001  # told below
            errors.append(error)

    opened = len(list(Path("/proc/self/fd").iterdir()))
    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not errors
    assert len(store.records(limit=1000)) == 160
    assert len(list(Path("/proc/self/fd").iterdir())) - opened < 50


WRITER = """
    import sys, time
    from datetime import datetime, UTC
    from pathlib import Path
    from nborch.events import run_created, state_entered
    from nborch.runs import Run, RunKind, new_id
    from nborch.states import Running, Completed
    from nborch.store.sqlite import SQLiteStore
    store = SQLiteStore(Path(sys.argv[1]))
    for i in range(int(sys.argv[3])):
        now = datetime.now(UTC)
        run = Run(new_id(now.timestamp()), RunKind.TASK, "t", f"{sys.argv[2]}-{i}", now, "h:1:a")
        steps = [state_entered(run.id, s.stamped(now), 1) for s in (Running(), Completed())]
        assert store.append([run_created(run), *steps]) == 3
        print(i, flush=True)
"""


def test_processes_write_at_once(store, script):
    """Four processes that make and write a store at the same time lose nothing."""
    processes = [script(WRITER, store.path, n, 100) for n in range(4)]

    for process in processes:
        _, told = process.communicate(timeout=60)
        assert process.returncode == 0, told

    assert len(store.records(limit=1000)) == 400
    assert len(store.events()) == 1200
    assert store.unfinished() == []


def test_a_killed_writer_leaves_the_store_whole(store, script):
    """After kill -9 of a writer, all that it had stored is there and is consistent."""
    process = script(WRITER, store.path, 0, 100_000)
    acknowledged = [process.stdout.readline() for _ in range(50)][-1]

    process.kill()
    process.wait()

    records = store.records(limit=1_000_000)
    assert len(records) > int(acknowledged)
    assert all(record.state.is_completed() for record in records)
    assert len(store.events()) == 3 * len(records)


def test_a_forked_child_writes_for_itself(store):
    """Parent and child of a fork both go on with the store, in any order."""
    before = made("before")
    store.append([run_created(before)])
    store.records()

    child = os.fork()
    if child == 0:
        code = 1
        try:
            accepted = store.append([run_created(made("child"))])
            code = 0 if accepted == 1 and len(store.records()) >= 2 else 2
        finally:
            os._exit(code)
    store.append([run_created(made("parent"))])
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert {r.run.name for r in store.records()} == {"before", "child", "parent"}


def test_a_fork_in_the_midst_of_writing_harms_nobody(store):
    """Children forked while another thread writes can write at once."""
    stop = threading.Event()

    def write():
        while not stop.is_set():
            store.append([run_created(made("busy"))])

    thread = threading.Thread(target=write)
    thread.start()
    try:
        codes = []
        for _ in range(10):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    start = time.monotonic()
                    store.append([run_created(made("child"))])
                    code = 0 if time.monotonic() - start < 4 else 2
                finally:
                    os._exit(code)
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    finally:
        stop.set()
        thread.join()

    assert codes == [0] * 10
    assert sum(r.run.name == "child" for r in store.records(limit=10**6)) == 10


# What is SQLite's own.


def test_a_call_of_a_task_takes_few_bytes(store):
    """What is kept of a plain call of a task with one line takes less than 600 bytes."""
    flow = made()
    store.append([run_created(flow)])
    for i in range(0, 2000, 200):
        events = []
        for j in range(i, i + 200):
            run = made(
                "inc-123", second=j / 1000, parent=flow.id, kind=RunKind.TASK, x=j
            )
            line = "Finished in state Completed()"
            events += [
                run_created(run),
                entered(run, Pending(), 0),
                entered(run, Running()),
                entered(run, Completed()),
                log_written(run.id, START, "INFO", "nborch.task_runs", line),
            ]
        assert store.append(events) == 1000
    store.close()

    assert store.path.stat().st_size / 2000 < 600


def test_a_group_takes_few_statements(store):
    """A group of a thousand events is written in a few statements, not one for each."""
    runs = [made(str(i), second=i) for i in range(1000)]
    statements = []
    with store._writer.held() as connection:
        connection.set_trace_callback(statements.append)

    store.append([run_created(run) for run in runs])
    store.append([entered(run, Running(message="go")) for run in runs])

    # One with a trigger is told of again for each row.
    assert 10 < len(set(statements)) < 200
    assert all(record.state.is_running() for record in store.unfinished())


@pytest.mark.parametrize(
    "query",
    [
        "run_by_id",
        "children",
        "within",
        "logs",
        "events_of_run",
        "standings",
        "update_runs",
    ],
)
def test_a_question_about_a_run_reads_only_what_is_of_it(store, query):
    """No question about one run reads the rows of all runs or events."""
    with store._reader.held() as connection:
        text = load_queries("sqlite.sql")[query]
        values = dict.fromkeys(re.findall(r":(\w+)", text)) or [None] * text.count("?")
        plan = connection.execute(f"EXPLAIN QUERY PLAN {text}", values).fetchall()

    steps = [step["detail"] for step in plan]
    assert any("SEARCH" in step for step in steps)
    assert not [step for step in steps if step.startswith(("SCAN run", "SCAN event"))]


OLD_RUN = "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
OLD_EVENT = "INSERT INTO event (run_id, kind, at, attempt, data) VALUES (?, ?, ?, ?, ?)"


def write_old(path, events, records):
    """Make a store as the second schema had it."""
    schema = load_queries("sqlite_schema.sql")
    path.parent.mkdir()
    connection = sqlite3.connect(path)
    connection.executescript(schema["migration_1"] + schema["migration_2"])
    connection.execute("PRAGMA user_version = 2")
    for record in records:
        told = record.to_json()
        state = told.pop("state")
        run = [json.dumps(x) if isinstance(x, dict) else x for x in told.values()]
        row = (*run[:9], state["type"], json.dumps(state), *run[9:])
        connection.execute(OLD_RUN, row)
    for event in events:
        row = (*event[:4], json.dumps(event.data))
        connection.execute(OLD_EVENT, row)
    # What was numbered last is gone: its number is not given again.
    connection.execute(OLD_EVENT, ("gone", "log", START, 0, "{}"))
    connection.execute("DELETE FROM event WHERE run_id = 'gone'")
    connection.commit()
    connection.close()


def test_a_store_of_an_earlier_version_is_read_and_written_on(path):
    """A store that an earlier nborch wrote is brought to the present form, whole."""
    flow, task = made("flow", tags=["a"]), made("task", second=1, kind=RunKind.TASK)
    task = replace(task, parent_id=flow.id)
    ended = Failed(message="odd \udc80 \0", details={"n": 1.5})
    events = [
        run_created(flow),
        entered(flow, Pending(), 0),
        run_created(task),
        entered(flow, Running()),
        log_written(flow.id, START, "INFO", "x", "ü \udc80"),
        entered(task, State(StateType.COMPLETED, "Cached", details={"key": "k"}), 0),
        noted(flow.id, START, {"pages": 3}),
        entered(flow, ended, second=4),
    ]
    records = [
        RunRecord(task, State.from_json(events[5].data), 0, None, at(1)),
        RunRecord(flow, State.from_json(events[7].data), 1, at(1), at(4)),
        RunRecord(made("open", second=7), Pending(), 0, None, None),
    ]
    write_old(path, events, records)

    store = SQLiteStore(path)

    assert store.records(limit=1)[0].run == records[2].run
    assert [store.record(r.run.id) for r in records[:2]] == records[:2]
    assert [r.run for r in store.unfinished()] == [records[2].run]
    assert [r.run for r in store.children(flow.id)] == [task]
    assert [e._replace(sequence=0) for e in store.events()] == events
    assert store.append([entered(records[2].run, Running())]) == 1
    assert [event.sequence for event in store.events(len(events))] == [10]
    assert store.append([entered(flow, Completed())]) == 0
    with store._reader.held() as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    store.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs" / "nborch.db"


def test_a_store_from_the_future_is_refused(path):
    """A store of a newer schema is not touched, and the error says what to do."""
    store = SQLiteStore(path)
    store.records()
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(
        StoreError,
        match=r"written by a newer nborch \(schema 99, this one knows 5\). Upgrade nborch",
    ):
        store.records()


@pytest.mark.parametrize(
    "content", [b"junk" * 1000, b"SQLite format 3\0" + b"x" * 5000]
)
def test_a_damaged_file_is_told_in_a_sentence(path, content):
    """A file that is no database is a StoreError that says what to do."""
    path.parent.mkdir()
    path.write_bytes(content)

    with pytest.raises(
        StoreError,
        match=r"cannot be used: .* (M|m)ove .*away and nborch makes a new one",
    ):
        SQLiteStore(path).records()


def test_a_damaged_page_is_told_in_a_sentence(path):
    """A store whose pages were overwritten is a StoreError, never a wrong answer."""
    store = SQLiteStore(path)
    store.append([run_created(made(str(i))) for i in range(300)])
    store.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)

    with pytest.raises(StoreError, match=r"cannot be used: .*malformed"):
        SQLiteStore(path).records()


def test_an_empty_file_is_a_new_store(path):
    """A file of no bytes, as a crash may leave it, becomes a store."""
    path.parent.mkdir()
    path.touch()

    assert SQLiteStore(path).append([run_created(made())]) == 1


def test_a_folder_that_is_a_file_is_told(tmp_path):
    """A home that cannot be a folder is told with the setting to change."""
    (tmp_path / "runs").touch()

    with pytest.raises(
        StoreError, match="Set NBORCH_HOME to a folder you can write to"
    ):
        SQLiteStore(tmp_path / "runs" / "nborch.db").records()


def test_a_locked_store_is_told_after_seconds(path, monkeypatch):
    """A store that another process holds fails within seconds, can be read, and recovers."""
    monkeypatch.setattr("nborch.store.sqlite.PATIENCE", 0.2)
    store = SQLiteStore(path)
    store.append([run_created(made())])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(
        StoreError, match=r"database is locked\. Another process holds it"
    ):
        store.append([run_created(made("late"))])
    assert len(store.records()) == 1

    other.execute("ROLLBACK")
    other.close()
    assert store.append([run_created(made("late"))]) == 1


READ_ONLY = """
    import os, sys
    from pathlib import Path
    from nborch.exceptions import StoreError
    from nborch.store.sqlite import SQLiteStore
    SQLiteStore(Path("warm") / "nborch.db").append([])  # imports what it needs
    if os.geteuid() == 0:
        os.setuid(65534)
    try:
        SQLiteStore(Path(sys.argv[1])).append([])
    except StoreError as error:
        print(error)
"""


def test_a_folder_without_permission_is_told(tmp_path, script):
    """A home that may not be written is told with the setting to change."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    for parent in [tmp_path, *tmp_path.parents][:3]:
        parent.chmod(parent.stat().st_mode | 0o111)

    told, trouble = script(READ_ONLY, folder / "nborch.db").communicate(timeout=30)

    assert "Set NBORCH_HOME to a folder you can write to." in told, trouble
    assert "Traceback" not in trouble
