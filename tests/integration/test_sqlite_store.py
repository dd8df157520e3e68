"""Run stores: one conformance suite that every adapter passes."""

import json
import os
import sqlite3
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nborch import context  # noqa: F401  # children of a fork draw anew
from nborch.events import Event, EventKind, log_written, run_created, state_entered
from nborch.exceptions import NotFound, StoreError
from nborch.runs import Run, RunKind, RunRecord, new_id
from nborch.states import (
    TRANSITIONS,
    Completed,
    Crashed,
    Failed,
    Pending,
    Retrying,
    Running,
    State,
    StateType,
)
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
    note = Event(
        run.id, EventKind.NOTED, START, data={"output": "a.ipynb", "none": None}
    )

    assert store.append([run_created(run), note]) == 2
    assert store.append([Event(run.id, EventKind.NOTED, START, data={"pages": 3})]) == 1
    assert store.append([Event("unknown", EventKind.NOTED, START, data={})]) == 0

    assert store.record(run.id).run.details == {
        "parameters": {"n": None},
        "output": "a.ipynb",
        "none": None,
        "pages": 3,
    }


STEPS = st.lists(
    st.tuples(st.sampled_from(StateType), st.integers(0, 3), st.integers(0, 3)),
    max_size=12,
)


@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS, groups=st.integers(1, 5))
def test_the_store_is_a_fold_of_its_events(store, steps, groups):
    """What a store knows of a run is the fold of the events it accepted, grouped or not."""
    run = made()
    events = [run_created(run)] + [
        entered(run, State(kind, message=str(i)), attempt, i + second / 10)
        for i, (kind, attempt, second) in enumerate(steps)
    ]
    folded, count = RunRecord(run, Pending()), 1
    for event in events[1:]:
        state = State.from_json(event.data)
        if (
            event.attempt >= folded.attempt
            and state.type in TRANSITIONS[folded.state.type]
        ):
            folded, count = folded.entered(state, event.attempt), count + 1

    accepted = sum(
        store.append(events[i : i + groups]) for i in range(0, len(events), groups)
    )

    assert accepted == count
    assert store.record(run.id) == folded
    assert len(store.events(run_id=run.id)) == count


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
            Event(run.id, EventKind.NOTED, START, data={"more": fact}),
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
    broken = Event(run.id, EventKind.LOG, None)

    with pytest.raises(sqlite3.IntegrityError):
        store.append([run_created(run), broken])

    assert store.events() == store.records() == []
    assert store.append([run_created(run)]) == 1


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

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not errors
    assert len(store.records(limit=1000)) == 160
    assert len(list(Path("/proc/self/fd").iterdir())) < 200


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
        match=r"written by a newer nborch \(schema 99, this one knows 2\). Upgrade nborch",
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
