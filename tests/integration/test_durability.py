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


RESULT = """
    import asyncio, os, signal
    from nborch import flow, task

    @task
    def step(n=1):
        return n

    @task
    async def step_async():
        return 1

    @task
    def items():
        yield 1

    @task
    async def items_async():
        yield 1

    @flow
    async def flow_async():
        return await step_async()

    async def all_of(generator):
        return [item async for item in generator]

    {call}
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(
    "call",
    [
        "step(return_state=True)",
        "list(items())",
        "next(items())",
        "asyncio.run(step_async())",
        "asyncio.run(flow_async())",
        "asyncio.run(all_of(items_async()))",
        "step.submit().result()",
        "step.map([1, 2, 3]).result()",
        "step.submit(return_state=True)",
        "items.submit().result()",
        "step_async.submit().result()",
    ],
)
def test_what_a_result_told_is_on_disk(script, home, call):
    """Outside of flows, what has returned is stored before it returns."""
    process = script(RESULT.format(call=call), NBORCH_LOG_LEVEL="ERROR")
    process.wait(timeout=30)

    assert process.returncode == -signal.SIGKILL, process.stderr.read()
    states = [record.state for record in home.store.records()]
    assert states
    assert all(state.is_completed() for state in states)


WITHIN = """
    import time
    from nborch import flow, task

    @task
    def step(n):
        return n

    @flow
    def pipeline():
        futures = step.map(range(200))
        assert futures.result() == list(range(200))
        print(time.monotonic(), flush=True)
        time.sleep(60)

    pipeline()
"""


def test_results_within_a_flow_are_on_disk_fifty_milliseconds_later(script, home):
    """What result() told within a flow is Completed in the store after kill -9."""
    # A machine that is busy with other things may not let the writer run in time.
    assert any(_is_stored_in_time(script, home) for _ in range(5))


def _is_stored_in_time(script, home):
    process = script(WITHIN, NBORCH_LOG_LEVEL="ERROR")
    at = float(process.stdout.readline())
    time.sleep(max(0.0, at + 0.05 - time.monotonic()))
    process.kill()
    process.wait()
    steps = [r for r in home.store.records(limit=200) if r.run.of == "step"]
    return len(steps) == 200 and all(r.state.is_completed() for r in steps)


HOOK = """
    import asyncio, os, signal
    from nborch import flow, task

    calls = []

    def kill(_owner, _run, state):
        # The state that the test is about may be the second of its kind.
        if state.name == {name!r}:
            os.kill(os.getpid(), signal.SIGKILL)

    async def kill_async(*seen):
        await asyncio.sleep(0)
        kill(*seen)

    def work():
        calls.append(1)
        if {name!r} != "Completed" and len(calls) < 3:
            raise ValueError

    def run(declared):
        return {call}

    run({declare}(
        name="work",
        retries=1 if {name!r} == "Retrying" else 0,
        on_running=[{hook}],
        on_completion=[{hook}],
        on_failure=[{hook}],
    )(work))
"""
SUBMITTED = "flow(lambda: declared.submit().result())()"


@pytest.mark.parametrize("name", ["Running", "Retrying", "Completed", "Failed"])
@pytest.mark.parametrize("hook", ["kill", "kill_async"])
@pytest.mark.parametrize(
    ("declare", "call"),
    [("flow", "declared()"), ("task", "declared()"), ("task", SUBMITTED)],
)
def test_what_a_hook_has_seen_is_on_disk(script, home, name, hook, declare, call):  # noqa: PLR0913, PLR0917  # a table
    """A hook that is called for a state finds it stored, whatever happens next."""
    code = HOOK.format(name=name, hook=hook, declare=declare, call=call)
    process = script(code, NBORCH_LOG_LEVEL="CRITICAL")
    process.wait(timeout=30)

    assert process.returncode == -signal.SIGKILL
    (state,) = [r.state for r in home.store.records() if r.run.of == "work"]
    assert state.name == name


RETRY = """
    import sys
    from nborch import task

    @task(retries=1, retry_delay_seconds=60)
    def work():
        raise ValueError

    work()
"""


def test_a_run_that_awaited_its_retry_reaches_an_end(script, home, until):
    """A run whose process was killed between two attempts is Crashed at the next look."""
    process = script(RETRY, NBORCH_LOG_LEVEL="CRITICAL")

    def awaits():
        records = home.store.records()
        return records and records[0].state.name == "AwaitingRetry"

    assert until(awaits)
    process.kill()
    process.wait()

    home.reap()

    assert home.store.records()[0].state.is_crashed()
    assert home.store.unfinished() == []


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
