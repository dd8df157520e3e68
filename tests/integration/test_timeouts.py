"""Timeouts: an attempt ends when its time is up, wherever and however it runs."""

import asyncio
import gc
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from nborch import flow, task
from nborch.exceptions import RunTimedOut
from nborch.runs import RunKind
from nborch.task_runners import ThreadPoolTaskRunner

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(autouse=True)
def nobody_watches_the_collector():
    """What is raised while Hypothesis hears of a collection is lost."""
    watchers = gc.callbacks[:]
    gc.callbacks.clear()
    yield
    gc.callbacks[:] = watchers


@pytest.fixture
def alarm():
    """Set a timer and what is to be done then; afterwards the former ones go on."""
    timer = signal.setitimer(signal.ITIMER_REAL, 0)
    handler = signal.getsignal(signal.SIGALRM)

    def set_alarm(do, *times):
        signal.signal(signal.SIGALRM, do)
        signal.setitimer(signal.ITIMER_REAL, *times)

    yield set_alarm
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, *timer)


def told(state):
    return f"{state.type.value}/{state.name}"


class Timed:
    """How long a block took."""

    def __enter__(self):
        self._start = time.monotonic()
        return self

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self._start


def sleeps():
    time.sleep(20)


def loops():
    while True:
        pass


def here(work):
    return work(return_state=True)


def in_a_thread(work):
    states = []
    thread = threading.Thread(target=lambda: states.append(here(work)))
    thread.start()
    thread.join(30)
    return states[0]


def submitted(work):
    return flow(name="f")(lambda: {"state": work.submit(return_state=True)})()["state"]


def in_a_pool_of_one(work):
    """Return the state of a run whose worker is then needed by another one."""
    after = task(name="after")(lambda: 3)

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def f():
        futures = work.submit(), after.submit()
        futures[0].wait()
        assert futures[1].result(timeout=5) == 3
        return {"state": futures[0].state}

    return f()["state"]


# What is stopped, and where.


@pytest.mark.parametrize("call", [here, in_a_thread, submitted, in_a_pool_of_one])
@pytest.mark.parametrize("body", [sleeps, loops])
def test_a_call_ends_when_its_time_is_up(call, body):
    """A sleep and a loop end on time, called in any thread or submitted."""
    work = task(name="work", timeout_seconds=0.2)(body)

    with Timed() as timed:
        state = call(work)

    assert told(state) == "FAILED/TimedOut"
    assert state.message == "Task run exceeded timeout of 0.2 second(s)"
    assert isinstance(state.result(raise_on_failure=False), RunTimedOut)
    assert 0.2 <= timed.seconds < 2


def test_a_timeout_is_raised_as_one():
    """Who calls a task that takes too long catches a TimeoutError."""
    work = task(name="work", timeout_seconds=0.1)(sleeps)

    with pytest.raises(TimeoutError, match=r"exceeded timeout of 0\.1 second"):
        work()


def test_a_call_in_time_returns_its_value(alarm):
    """A timeout that is not reached changes nothing, and leaves no timer behind."""
    alarm(signal.SIG_DFL, 0)

    assert task(timeout_seconds=10)(lambda: 3)() == 3
    assert in_a_thread(task(timeout_seconds=10)(lambda: 3)).result() == 3

    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


def test_a_flow_ends_when_its_time_is_up(home):
    """A flow's timeout ends the flow, and the task that it is in."""

    @flow(timeout_seconds=0.2)
    def f():
        task(name="work")(sleeps)()

    with Timed() as timed:
        state = f(return_state=True)

    assert told(state) == "FAILED/TimedOut"
    assert state.message == "Flow run exceeded timeout of 0.2 second(s)"
    assert timed.seconds < 1
    work = home.store.records()[0]
    assert (work.run.of, told(work.state)) == ("work", "FAILED/TimedOut")


def test_a_flow_out_of_time_stops_what_it_submitted(home):
    """When a flow's time is up, a submitted task ends too, if it has a limit or not."""
    ends = []

    def work():
        try:
            while True:
                time.sleep(0.01)
        except BaseException as error:
            ends.append(type(error).__name__)
            raise

    @flow(timeout_seconds=0.2)
    def f():
        futures = [
            task(name="free")(work).submit(),
            task(name="limited", timeout_seconds=60)(work).submit(),
        ]
        futures[0].wait()

    with Timed() as timed:
        state = f(return_state=True)

    assert told(state) == "FAILED/TimedOut"
    assert timed.seconds < 1
    assert ends == ["CancelledRun"] * 2
    assert {told(r.state) for r in home.store.records(kinds=[RunKind.TASK])} == {
        "CANCELLED/Cancelled"
    }


def test_zero_seconds_are_no_limit():
    """A timeout of zero takes an earlier one back."""
    work = task(timeout_seconds=0.05)(lambda: time.sleep(0.1))

    assert work.with_options(timeout_seconds=0)() is None


# Nested limits.


@pytest.mark.parametrize("call", [here, in_a_thread])
def test_of_nested_limits_the_inner_one_may_be_reached_first(call):
    """The inner run ends by its own limit, and the outer one may go on."""

    @flow(timeout_seconds=20)
    def f():
        with suppress(TimeoutError):
            task(name="inner", timeout_seconds=0.1)(sleeps)()
        return "went on"

    assert call(f).result() == "went on"


@pytest.mark.parametrize("call", [here, in_a_thread])
def test_of_nested_limits_the_outer_one_may_be_reached_first(home, call, until):
    """A run whose surrounding run is out of time ends, and is not tried again."""
    calls = []

    @task(timeout_seconds=20, retries=3)
    def inner():
        calls.append(1)
        time.sleep(20)

    f = flow(name="f", timeout_seconds=0.2)(lambda: inner())  # noqa: PLW0108

    with Timed() as timed:
        state = call(f)

    assert state.message == "Flow run exceeded timeout of 0.2 second(s)"
    assert timed.seconds < 2
    assert calls == [1]
    # A thread that is stuck may be a moment behind.
    assert until(lambda: not home.store.unfinished())
    assert told(home.store.records(kinds=[RunKind.TASK])[0].state) == "FAILED/TimedOut"


def test_a_run_that_awaits_its_retry_ends_with_the_run_around_it(home):
    """A task between two attempts ends when its flow is out of time."""
    inner = task(name="inner", retries=1, retry_delay_seconds=60)(lambda: 1 / 0)
    f = flow(name="f", timeout_seconds=0.2)(lambda: inner())  # noqa: PLW0108

    with Timed() as timed:
        state = f(return_state=True)

    assert told(state) == "FAILED/TimedOut"
    assert timed.seconds < 1
    assert told(home.store.records(kinds=[RunKind.TASK])[0].state) == "FAILED/TimedOut"


def test_what_a_limited_task_submits_may_outlive_it(until):
    """A run that a task has submitted is retried though that task's time is over."""
    calls = []

    @task(retries=1)
    def later():
        calls.append(1)
        if len(calls) == 1:
            time.sleep(0.3)
            raise ValueError
        return "done"

    future = task(name="t", timeout_seconds=0.2)(lambda: later.submit())()  # noqa: PLW0108

    assert future.result(timeout=10) == "done"


def test_hundreds_of_small_runs_are_ended_in_good_order(home):
    """A limit that is reached amid short runs leaves every one of them with an end."""
    step = task(name="step")(lambda: None)

    @flow(timeout_seconds=0.05)
    def f():
        while True:
            step()

    states = [told(f(return_state=True)) for _ in range(20)]

    assert states == ["FAILED/TimedOut"] * 20
    assert home.recorder.flush()
    assert home.store.unfinished() == []


# The user's own signals, timeouts and handlers.


def test_the_users_own_timer_rings_on_time(alarm):
    """A timer that the user has set for the same signal rings while a task runs."""
    rings = []
    start = time.monotonic()
    alarm(lambda *_: rings.append(round(time.monotonic() - start, 1)), 0.1, 0.2)

    with pytest.raises(RunTimedOut):
        task(name="work", timeout_seconds=0.2)(sleeps)()
    time.sleep(0.15)

    assert rings == [0.1, 0.3]


def test_the_users_timer_may_end_a_task(alarm):
    """What the user's own handler raises goes through a task with a limit."""

    def give_up(*_):
        raise InterruptedError("mine")

    alarm(give_up, 0.1)

    with pytest.raises(InterruptedError, match="mine"):
        task(name="work", timeout_seconds=20)(sleeps)()


def test_the_users_own_timeout_error_is_a_timeout():
    """A TimeoutError of the user's code makes the state TimedOut as well."""

    @task(timeout_seconds=20)
    def connects():
        raise TimeoutError("mine")

    state = connects(return_state=True)

    assert told(state) == "FAILED/TimedOut"
    assert state.message == "Task run failed due to timeout: TimeoutError('mine')"
    with pytest.raises(TimeoutError, match="mine"):
        connects()


@pytest.mark.parametrize("call", [here, in_a_thread])
def test_a_call_that_catches_its_timeout_is_interrupted_again(call, until):
    """Code that catches the exception and goes on is interrupted every second."""
    caught = []

    @task(timeout_seconds=0.1)
    def stubborn():
        for _ in range(2):
            try:
                time.sleep(0.01)
                while True:
                    time.sleep(0.01)
            except TimeoutError:
                caught.append(1)

    with Timed() as timed:
        state = call(stubborn)

    assert told(state) == "FAILED/TimedOut"
    assert until(lambda: len(caught) == 2)
    assert timed.seconds < 5


def test_a_call_may_clear_up_when_its_time_is_over():
    """Handlers and `finally` blocks are not interrupted by the limit, long as they are."""
    steps = []

    @task(timeout_seconds=0.1)
    def careful():
        try:
            time.sleep(20)
        finally:
            time.sleep(1.3)
            steps.append("cleared up")

    assert told(careful(return_state=True)) == "FAILED/TimedOut"
    assert steps == ["cleared up"]


def test_a_late_value_is_dropped(home):
    """What a call returns after its time is not its result, even if it caught all."""

    @task(timeout_seconds=0.1)
    def late():
        with suppress(TimeoutError):
            time.sleep(20)
        return "late"

    assert told(late(return_state=True)) == "FAILED/TimedOut"


def test_a_stuck_call_is_given_up_and_its_value_dropped(home, until):
    """A submitted run that cannot be interrupted is over on time, once and for all."""
    go_on = threading.Event()
    ended = []

    @task(timeout_seconds=0.2)
    def stuck():
        # One call into C, as a library's would be: nothing interrupts it here.
        with suppress(BaseException):
            go_on.wait()
        ended.append(threading.current_thread())
        return "late"

    @flow
    def f():
        future = stuck.submit()
        with Timed() as timed:
            future.wait()
        go_on.set()
        return timed.seconds, {"state": future.state}

    seconds, asked = f()

    assert seconds < 1
    assert until(lambda: ended and not ended[0].is_alive())
    assert told(asked["state"]) == "FAILED/TimedOut"
    record = home.store.records(kinds=[RunKind.TASK])[0]
    assert told(record.state) == "FAILED/TimedOut"


# Retries and limits.


@pytest.mark.parametrize("call", [here, in_a_thread, submitted])
def test_a_call_out_of_time_is_tried_again(call):
    """Each attempt has the whole time; one that exceeds it is followed by the next."""
    calls = []

    @task(timeout_seconds=0.2, retries=2)
    def slow_at_first():
        calls.append(1)
        time.sleep(20 if len(calls) < 3 else 0.1)
        return len(calls)

    assert call(slow_at_first).result() == 3


# Async code.


def test_an_async_call_is_cancelled_when_its_time_is_up():
    """An async task ends on time, and other coroutines go on meanwhile."""

    @task(timeout_seconds=0.2)
    async def waits():
        await asyncio.sleep(20)

    async def main():
        return await asyncio.gather(
            waits(return_state=True), asyncio.sleep(0.3, "other")
        )

    with Timed() as timed:
        state, other = asyncio.run(main())

    assert (told(state), other) == ("FAILED/TimedOut", "other")
    assert state.message == "Task run exceeded timeout of 0.2 second(s)"
    assert timed.seconds < 2


def test_async_limits_may_be_nested(home):
    """The limit that is reached first ends the run that it is of."""

    @task(timeout_seconds=0.1)
    async def inner():
        await asyncio.sleep(20)

    @flow(timeout_seconds=20)
    async def patient():
        return {"state": await inner(return_state=True)}

    @flow(timeout_seconds=0.1)
    async def hasty():
        await inner.with_options(timeout_seconds=20, retries=3)()

    assert told(asyncio.run(patient())["state"]) == "FAILED/TimedOut"
    assert (
        asyncio.run(hasty(return_state=True)).message
        == "Flow run exceeded timeout of 0.1 second(s)"
    )
    assert home.store.unfinished() == []


def test_an_async_call_that_blocks_the_loop_is_late():
    """An async task that never awaits cannot be ended on time, but is late."""

    @task(timeout_seconds=0.05)
    async def blocks():
        time.sleep(0.1)  # noqa: ASYNC251  # that is the point

    assert told(asyncio.run(blocks(return_state=True))) == "FAILED/TimedOut"


def test_a_submitted_async_call_is_cancelled_when_its_time_is_up():
    """An async task that was submitted ends on time in its worker."""

    @task(timeout_seconds=0.2)
    async def waits():
        await asyncio.sleep(20)

    with Timed() as timed:
        assert told(submitted(waits)) == "FAILED/TimedOut"
    assert timed.seconds < 2


def test_a_users_async_timeout_is_the_users():
    """`asyncio.timeout` within a task is the user's own, and may be caught."""

    @task(timeout_seconds=20)
    async def tries():
        try:
            async with asyncio.timeout(0.05):
                await asyncio.sleep(20)
        except TimeoutError:
            return "caught"

    assert asyncio.run(tries()) == "caught"


# Generators.


def test_a_generator_may_take_its_time_between_items():
    """Only the making of items counts, not what the consumer does with them."""

    @task(timeout_seconds=0.3)
    def items():
        yield from range(3)

    seen = []
    for item in items():
        time.sleep(0.15)
        seen.append(item)

    assert seen == [0, 1, 2]


def test_a_generator_ends_when_its_items_took_too_long(home):
    """The seconds that its items took are added up, and the limit ends the run."""

    @task(timeout_seconds=0.3)
    def items():
        for n in range(100):
            time.sleep(0.05)
            yield n

    seen = []
    with pytest.raises(RunTimedOut):
        seen.extend(items())
    with pytest.raises(RunTimedOut):  # noqa: PT012  # the loop is what is ended
        for item in items():
            seen.append(item)  # noqa: PERF402  # extend() takes all or nothing

    assert seen[:3] == [0, 1, 2]
    assert len(seen) < 15
    assert told(home.store.records()[0].state) == "FAILED/TimedOut"


def test_an_async_generator_ends_when_its_items_took_too_long():
    """An async generator's limit counts its own time too, and cancels it."""

    @task(timeout_seconds=0.2)
    async def items():
        yield 1
        await asyncio.sleep(20)
        yield 2

    async def main():
        seen = []
        with suppress(TimeoutError):
            async for item in items():
                await asyncio.sleep(0.3)
                seen.append(item)
        return seen

    with Timed() as timed:
        assert asyncio.run(main()) == [1]
    assert timed.seconds < 2


# Processes.

ISOLATED = """
    import subprocess, sys, time
    from pathlib import Path
    from nborch import flow, task

    @task(timeout_seconds=1.5, isolate=True)
    def stuck():
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        Path("pids").write_text(f"{{child.pid}} {{__import__('os').getpid()}}")
        try:
            time.sleep(60)
        except BaseException:
            time.sleep(60)

    if __name__ == "__main__":
        state = {call}
        print(state.name, state.message)
"""


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with suppress(FileNotFoundError):
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


@pytest.mark.parametrize(
    "call", ["stuck(return_state=True)", "stuck.submit(return_state=True)"]
)
def test_an_isolated_call_is_killed_with_its_children(script, tmp_path, until, call):
    """With isolate, nothing is left of a call whose time is up, nor of its children."""
    process = script(ISOLATED.format(call=call), NBORCH_LOG_LEVEL="CRITICAL")

    out, err = process.communicate(timeout=40)

    assert out == "TimedOut Task run exceeded timeout of 1.5 second(s)\n", err
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert until(lambda: not any(map(is_alive, pids)))


# Notebooks.


def test_a_cell_with_a_timeout_leaves_the_kernel_well(kernel):
    """In a notebook a timeout is an error of its cell, and the next cell runs."""
    kernel("import time, signal\nfrom nborch import task, flow")
    kernel("@task(timeout_seconds=0.3)\ndef slow():\n    time.sleep(20)")

    with Timed() as timed:
        ran = kernel("slow()")

    assert "Task run exceeded timeout of 0.3 second(s)" in ran.error
    assert timed.seconds < 5
    assert kernel("1 + 1").result == "2"
    assert kernel("signal.getitimer(signal.ITIMER_REAL)").result == "(0.0, 0.0)"
    ran = kernel(
        "flow(name='f')(lambda: {'s': slow.submit(return_state=True)})()['s'].name"
    )
    assert ran.result == "'TimedOut'"
    ran = kernel("import asyncio\nawait asyncio.sleep(0.01)\n'loop is well'")
    assert ran.result == "'loop is well'"
