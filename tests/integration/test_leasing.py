"""Leasing: the death of a process is seen at once, and only its death."""

import os
import signal
import socket
import time
from datetime import UTC, datetime

import pytest

from nborch.events import run_created, state_entered
from nborch.leasing import ProcessLease, is_alive, reap
from nborch.runs import Run, RunKind, new_id
from nborch.states import Completed, Running

HOLDER = """
    import os, sys, time
    from pathlib import Path
    from nborch.leasing import ProcessLease
    lease = ProcessLease(Path(sys.argv[1]))
    child = os.fork() if sys.argv[2] == "fork" else 0
    if sys.argv[2] == "fork" and child == 0:
        time.sleep(60)
        os._exit(0)
    print(lease.name, child, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "processes"


def holder(script, folder, how="alone"):
    process = script(HOLDER, folder, how)
    name, child = process.stdout.readline().split()
    process.child = int(child)
    return process, name


def running(store, process, name="r"):
    """Store a run of a process that has begun."""
    now = datetime.now(UTC)
    run = Run(new_id(now.timestamp()), RunKind.FLOW, "f", name, now, process)
    store.append([run_created(run), state_entered(run.id, Running().stamped(now), 1)])
    return run


def test_a_living_process_is_alive(script, folder):
    """A process that holds its lock is alive, also to itself."""
    _, name = holder(script, folder)
    own = ProcessLease(folder)

    assert is_alive(folder, name)
    assert is_alive(folder, own.name)
    assert name.split(":")[0] == socket.gethostname().replace(":", "-")
    own.release()


def test_death_is_seen_at_once(script, folder):
    """After kill -9 a process is known to be dead within a moment."""
    process, name = holder(script, folder)

    process.kill()
    process.wait()

    assert not is_alive(folder, name)


def test_a_stopped_process_is_not_dead(script, folder):
    """A process that was suspended still holds its lock."""
    process, name = holder(script, folder)
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.1)

    assert is_alive(folder, name)
    process.send_signal(signal.SIGCONT)


def test_a_forked_child_does_not_keep_its_parent_alive(script, folder, until):
    """The parent's death is seen although its child lives on."""
    process, name = holder(script, folder, "fork")

    process.kill()
    process.wait()
    try:
        # The child may not have run yet, in the first moment after the fork.
        assert until(lambda: not is_alive(folder, name), timeout=5)
        os.kill(process.child, 0)
    finally:
        os.kill(process.child, signal.SIGKILL)


def test_a_process_elsewhere_counts_as_alive(folder):
    """Locks of another machine cannot be seen here, so its runs are left alone."""
    assert is_alive(folder, "another-machine:1:abcd")


def test_a_lease_that_was_given_back_is_gone(folder):
    """A process that ends in order leaves no lock file."""
    lease = ProcessLease(folder)
    lease.release()
    lease.release()

    assert not is_alive(folder, lease.name)
    assert list(folder.iterdir()) == []


def test_asking_does_not_make_a_dead_process_seem_alive(folder, script):
    """Many that ask at the same time all learn that a process is dead."""
    process, name = holder(script, folder)
    process.kill()
    process.wait()
    child = os.fork()
    if child == 0:
        end = time.monotonic() + 1
        while time.monotonic() < end:
            is_alive(folder, name)
        os._exit(0)

    seen = {is_alive(folder, name) for _ in range(5000)}
    os.waitpid(child, 0)

    assert seen == {False}


def test_the_runs_of_a_dead_process_have_crashed(store, script, folder):
    """Reaping marks exactly the unfinished runs of dead processes."""
    process, dead = holder(script, folder)
    _, alive = holder(script, folder)
    gone, kept = running(store, dead, "gone"), running(store, alive, "kept")
    done = running(store, dead, "done")
    store.append([state_entered(done.id, Completed().stamped(datetime.now(UTC)), 1)])
    away = running(store, "elsewhere:1:a", "away")
    process.kill()
    process.wait()

    reaped = reap(store, folder, time.time())

    assert [record.run.name for record in reaped] == ["gone"]
    state = store.record(gone.id).state
    assert state.is_crashed()
    assert (
        state.message
        == f"The process that ran it (pid {process.pid}) ended before the run did."
    )
    assert store.record(kept.id).state.is_running()
    assert store.record(away.id).state.is_running()
    assert store.record(done.id).state.is_completed()


def test_lock_files_of_the_dead_do_not_pile_up(store, script, folder):
    """Reaping removes the lock files that nobody holds, also of those without runs."""
    process, _ = holder(script, folder)
    _, alive = holder(script, folder)
    process.kill()
    process.wait()

    reap(store, folder, time.time())

    assert [path.stem for path in folder.iterdir()] == [alive]
    assert is_alive(folder, alive)


REAPER = """
    import sys, time
    from pathlib import Path
    from nborch.leasing import reap
    from nborch.store.sqlite import SQLiteStore
    store = SQLiteStore(Path(sys.argv[1]))
    store.records()
    print("ready", flush=True)
    time.sleep(max(0, float(sys.argv[3]) - time.time()))
    print(len(reap(store, Path(sys.argv[2]), time.time())))
"""


def test_two_reapers_share_the_work(store, script, folder):
    """Of two that reap at once, each dead run is marked by one of them."""
    process, dead = holder(script, folder)
    for i in range(50):
        running(store, dead, str(i))
    process.kill()
    process.wait()

    start = time.time() + 2
    reapers = [script(REAPER, store.path, folder, start) for _ in range(2)]
    counts = [int(r.communicate(timeout=30)[0].split()[1]) for r in reapers]

    assert sum(counts) == 50
    assert store.unfinished() == []
    assert len(store.events()) == 150


def test_a_lock_file_swept_before_it_is_held_is_made_anew(store, folder):
    """Processes that start while another sweeps all hold their locks."""
    child = os.fork()
    if child == 0:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            reap(store, folder, 0.0)
        os._exit(0)
    alive = 0
    for _ in range(300):
        lease = ProcessLease(folder)
        alive += is_alive(folder, lease.name)
        lease.release()
    os.waitpid(child, 0)

    assert alive == 300
