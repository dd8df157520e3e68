"""The recorder: nothing that was reported is lost, and nobody waits for long."""

import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from datetime import UTC, datetime

import pytest

from nborch.events import Event, EventKind, log_written, run_created
from nborch.exceptions import NborchWarning
from nborch.recorder import Recorder
from nborch.runs import Run, RunKind, new_id
from nborch.store.sqlite import SQLiteStore


def made(name):
    now = datetime.now(UTC)
    return Run(new_id(now.timestamp()), RunKind.TASK, "t", str(name), now, "host:1:a")


def line(text):
    return log_written("run", time.time(), "INFO", "test", str(text))


@pytest.fixture
def recorder(store):
    opened = Recorder(store)
    yield opened
    opened.close()


def test_an_event_is_soon_on_disk(recorder, store, until):
    """Without being asked, the recorder stores an event in a moment."""
    recorder.record(line("hello"))

    assert until(store.events, timeout=2)


def test_a_flush_waits_until_all_is_stored(recorder, store):
    """After a flush, whatever was recorded before is in the store."""
    for i in range(500):
        recorder.record(line(i))

        if i % 100 == 0:
            assert recorder.flush()
            assert len(store.events()) == i + 1


def test_what_is_held_is_written_together(recorder, store, until):
    """Who holds events has them on disk by a flush, in their order, and wakes nobody."""
    recorder.record(line("begun"))
    recorder.flush()
    assert until(lambda: recorder._sleeps)

    recorder.hold(line("one"))
    recorder.hold(line("two"))
    sleeps = recorder._sleeps
    time.sleep(0.1)  # five times as long as the writer gathers
    before = len(store.events())
    recorder.flush()

    assert sleeps
    assert before == 1
    told = [event.data["message"] for event in store.events()]
    assert told == ["begun", "one", "two"]


def test_what_is_held_is_written_when_one_asks(recorder, store, until):
    """Held events are soon on disk after a call of wake(), or with the next event."""
    recorder.hold(line("one"))
    recorder.wake()
    assert until(lambda: len(store.events()) == 1, timeout=2)
    assert until(lambda: recorder._sleeps)

    recorder.hold(line("two"))
    recorder.record(line("three"))

    assert until(lambda: len(store.events()) == 3, timeout=2)


def test_events_are_stored_in_order_and_in_groups(recorder, store):
    """Events that come together share a transaction, and keep their order."""
    groups, append = [], store.append
    store.append = lambda events: groups.append(len(events)) or append(events)

    for i in range(1000):
        recorder.record(line(i))
    recorder.flush()

    assert [int(e.data["message"]) for e in store.events()] == list(range(1000))
    assert len(groups) < 200


def test_a_hundred_thousand_events_are_all_kept(recorder, store, monkeypatch):
    """A program that makes events faster than they can be written loses none."""
    monkeypatch.setattr("nborch.recorder.MOST_HELD", 10_000)
    threads = [
        threading.Thread(
            target=lambda: [recorder.record(line(i)) for i in range(25_000)]
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert recorder.flush()
    assert store.events()[-1].sequence == 100_000


def test_listeners_hear_every_event_at_once(recorder):
    """A listener gets each event as it is recorded, until it leaves."""
    heard = []
    recorder.subscribe(heard.append)

    recorder.record(line("one"))
    recorder.unsubscribe(heard.append)
    recorder.record(line("two"))

    assert [event.data["message"] for event in heard] == ["one"]


def test_what_cannot_be_stored_does_not_stop_the_rest(recorder, store):
    """An event that is broken is told and passed over; the others are stored."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        recorder.record(line("before"))
        recorder.record(Event("run", EventKind.LOG, None))
        recorder.record(line("after"))
        assert recorder.flush(5)

    assert [e.data["message"] for e in store.events()] == ["before", "after"]
    assert ["An event could not be recorded" in str(w.message) for w in told] == [True]


def test_a_locked_store_costs_one_warning_and_no_event(recorder, store, monkeypatch):
    """While another process holds the store, one warning is given and all is kept."""
    monkeypatch.setattr("nborch.store.sqlite.PATIENCE", 0.1)
    monkeypatch.setattr("nborch.recorder.RETRY", 0.1)
    store.records()
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        recorder.record(line("held"))
        start = time.monotonic()
        assert not recorder.flush()
        for i in range(5000):
            recorder.record(line(i))
        assert time.monotonic() - start < 2
        time.sleep(0.5)
        other.execute("ROLLBACK")
        other.close()
        time.sleep(0.3)
        assert recorder.flush()

    assert len(store.events()) == 5001
    assert [w.category for w in told] == [NborchWarning]
    assert "Runs go on and are recorded as soon as it can be used." in str(
        told[0].message
    )


def test_lines_do_not_push_out_states(recorder, store, monkeypatch, until):
    """While the store cannot be written, lines of a log are dropped before states."""
    monkeypatch.setattr("nborch.store.sqlite.PATIENCE", 0.05)
    monkeypatch.setattr("nborch.recorder.RETRY", 0.1)
    monkeypatch.setattr("nborch.recorder.BACKLOG", 50)
    monkeypatch.setattr("nborch.recorder.MOST_HELD", 200)
    store.records()
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    run = made("one")

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        recorder.record(line("first"))
        assert not recorder.flush()
        for i in range(500):
            recorder.record(line(i))
        recorder.record(run_created(run))
        other.execute("ROLLBACK")
        other.close()
        assert until(recorder.flush)

    assert store.record(run.id) is not None
    assert len(store.events()) == 1 + 100 + 1
    assert [str(w.message) for w in told][1].startswith("400 events were not recorded")


def test_an_event_is_never_left_asleep(recorder, store, until):
    """However a thread and the writer meet, each event is written unasked."""
    for i in range(100):
        recorder.record(line(i))
        # Around the moment when the writer finds nothing more to do.
        time.sleep(0.0205 + (i % 20) * 0.0001)

    assert until(lambda: len(store.events()) == 100, timeout=2)


def test_a_closed_recorder_goes_on_with_the_next_event(recorder, store):
    """Closing writes what is left; a later event starts it again."""
    recorder.record(line("one"))
    recorder.close()
    assert len(store.events()) == 1

    recorder.record(line("two"))

    assert recorder.flush()
    assert len(store.events()) == 2


def test_a_forked_child_records_its_own_events_only(recorder, store):
    """What the parent had not written yet is written once, and the child's own too."""
    recorder.record(line("parent"))
    child = os.fork()
    if child == 0:
        try:
            recorder.record(line("child"))
            recorder.flush(10)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    recorder.flush()

    assert sorted(e.data["message"] for e in store.events()) == ["child", "parent"]


def test_a_run_and_its_states_come_in_order(recorder, store):
    """A run that is made in one thread can be flushed by another."""
    run = made("one")
    recorder.record(run_created(run))
    thread = threading.Thread(target=recorder.flush)
    thread.start()
    thread.join()

    assert store.record(run.id).run == run


LOCKED = """
    import sqlite3, sys, time, warnings
    from nborch import flow
    from nborch.home import current_home

    @flow
    def f():
        return 1

    f()
    path = current_home().store.path
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    print(f(), time.time(), flush=True)
"""


def test_the_end_of_a_program_does_not_hang_on_a_locked_store(script):
    """A program whose store stays locked ends in seconds and says what was lost."""
    process = script(LOCKED)

    out, told = process.communicate(timeout=60)

    assert process.returncode == 0
    value, end = out.split()
    assert value == "1"
    assert time.time() - float(end) < 10
    assert "could not be written to the run store" in told


FULL = """
    import resource, signal, sys, warnings
    from nborch import flow, task
    from nborch.home import current_home

    @task
    def t(n):
        return n

    @flow
    def f(n):
        return sum(t(i) for i in range(n))

    f(1)
    size = current_home().store.path.stat().st_size
    wal = current_home().store.path.with_name("nborch.db-wal").stat().st_size
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(size, wal) + 8192, resource.RLIM_INFINITY))
    print(f(300), flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    import time
    time.sleep(2.5)
    print(f(2))
    print(len(current_home().store.records(limit=1000)))
"""


def test_a_full_disk_costs_one_warning_and_no_event(script):
    """While the disk is full, runs go on; when there is room again all is recorded."""
    process = script(FULL, NBORCH_LOG_LEVEL="ERROR")

    out, told = process.communicate(timeout=60)

    assert process.returncode == 0, told
    assert out.split() == ["44850", "1", str(1 + 1 + 1 + 300 + 1 + 2)], told
    assert told.count("NborchWarning") == 1


FILLED = """
    from nborch import flow, task
    from nborch.home import current_home

    current_home().store.records()

    @task
    def writes():
        with open("data", "wb", 0) as file:
            while True:
                file.write(bytes(4096))

    @flow
    def f():
        writes()

    try:
        f()
    except OSError as error:
        print(error.strerror)
"""


def test_a_full_disk_does_not_hide_why_a_run_failed(tmp_path):
    """What has filled the disk is on record: room for that was kept."""
    small = tmp_path / "small"
    small.mkdir()
    (tmp_path / "script.py").write_text(textwrap.dedent(FILLED))
    program = (
        f"mount -t tmpfs -o size=8m none {small} || exit 99; cd {small}; "
        f"{sys.executable} {tmp_path}/script.py 2>&1; rm -f data; "
        f"cp -r home {tmp_path}/seen; ls home"
    )
    environ = {**os.environ, "NBORCH_HOME": str(small / "home")}

    done = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", program],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip("a disk of one's own cannot be made here")

    assert "No space left on device" in done.stdout
    assert "could not be written" not in done.stdout, done.stdout
    assert "nborch.reserve" not in done.stdout
    store = SQLiteStore(tmp_path / "seen" / "nborch.db")
    states = {each.run.of: each.state for each in store.records()}
    store.close()
    assert states["f"].name == states["writes"].name == "Failed"
    assert "No space left" in states["writes"].message
