"""Durability: what was reported is on disk, and every run reaches an end."""

import signal
import time

import pytest

from nborch.leasing import reap

ONE = """
    import sys, time
    from nborch import flow, task
    from nborch.home import current_home

    @task
    def step(n):
        return n

    @flow
    def pipeline():
        for n in range(100_000):
            step(n)
            print(n, time.monotonic(), flush=True)
            time.sleep(0.005)

    pipeline()
"""


@pytest.fixture
def killed(script, home):
    """A flow that was killed 50 ms after its last state was reported."""
    process = script(ONE, NBORCH_LOG_LEVEL="ERROR")
    for _ in range(60):
        line = process.stdout.readline()
    process.send_signal(signal.SIGSTOP)
    # Stopped where it stands; it gets 50 ms more to write, and then no more.
    process.send_signal(signal.SIGCONT)
    time.sleep(0.05)
    process.kill()
    process.wait()
    return int(line.split()[0])


def test_a_state_is_on_disk_fifty_milliseconds_after_it_was_reported(killed, home):
    """After kill -9 every task that had returned 50 ms before is Completed in the store."""
    done = [
        r
        for r in home.store.records(limit=10_000)
        if r.run.of == "step" and r.state.is_completed()
    ]

    assert len(done) > killed


def test_the_runs_of_a_killed_process_reach_an_end(killed, home):
    """After kill -9 the flow, and the task it was in, are Crashed at the next look."""
    reaped = home.reap()

    assert "pipeline" in {record.run.of for record in reaped}
    assert home.store.unfinished() == []
    flow = home.store.records(top=True)[0]
    assert flow.state.is_crashed()
    assert "ended before the run did" in flow.state.message
    assert home.reap() == []
    assert reap(home.store, home.folder / "processes", time.time()) == []


RETURNED = """
    import os, signal, sys
    from nborch import flow, task

    @task
    def step(n):
        return n

    @flow
    def pipeline():
        return [step(n) for n in range(10)]

    {call}
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("call", "count"), [("pipeline()", 11), ("step(1)", 1)])
def test_what_the_caller_has_seen_is_on_disk(script, home, call, count):
    """When an outermost call has returned, its runs are stored: no moment is needed."""
    process = script(RETURNED.format(call=call), NBORCH_LOG_LEVEL="ERROR")
    process.wait(timeout=30)

    assert process.returncode == -signal.SIGKILL
    records = home.store.records()
    assert len(records) == count
    assert all(record.state.is_completed() for record in records)


HOOK = """
    import os, signal
    from nborch import flow

    @flow(on_running=[lambda *_: os.kill(os.getpid(), signal.SIGKILL)])
    def f():
        return 1

    f()
"""


def test_what_a_hook_has_seen_is_on_disk(script, home):
    """A hook that is called for a state finds it stored, whatever happens next."""
    script(HOOK, NBORCH_LOG_LEVEL="ERROR").wait(timeout=30)

    assert home.store.records()[0].state.is_running()


ENDS = """
    import os, sys, threading
    from nborch import flow, task

    @task
    def step(n):
        return n

    @flow
    def f():
        step(1)
        {end}

    f()
"""


@pytest.mark.parametrize(
    ("end", "state"),
    [
        ("sys.exit(3)", "CRASHED"),
        ("raise KeyboardInterrupt", "CRASHED"),
        ("1 / 0", "FAILED"),
        ("pass", "COMPLETED"),
        ("os.kill(os.getpid(), 2)", "CRASHED"),
    ],
)
def test_however_a_program_ends_its_runs_have_ended(script, home, end, state):
    """An orderly end of any kind leaves no unfinished run and no lock file."""
    script(ENDS.format(end=end), NBORCH_LOG_LEVEL="CRITICAL").wait(timeout=30)

    assert home.store.records(top=True)[0].state.type == state
    assert home.store.unfinished() == []
    assert list((home.folder / "processes").iterdir()) == []
