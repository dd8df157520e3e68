"""Retries: how often, after how long, and on which condition an attempt is repeated."""

import asyncio
import functools
import threading
import time

import pytest

from nborch import flow, get_run_logger, task
from nborch.cache_policies import INPUTS
from nborch.context import current_run
from nborch.exceptions import InvalidDeclaration
from nborch.runtime import task_run
from nborch.states import Failed
from nborch.task_runners import ThreadPoolTaskRunner
from nborch.tasks import exponential_backoff

pytestmark = pytest.mark.usefixtures("home")


def told(state):
    return f"{state.type.value}/{state.name}"


def walk(home, of=None):
    """Return the names of the states that the runs went through, in order."""
    home.recorder.flush()
    ids = {r.run.id for r in home.store.records(limit=1000) if of in {None, r.run.of}}
    return [
        e.data["name"]
        for e in home.store.events()
        if e.kind == "state" and e.run_id in ids
    ]


def waits(home):
    """Return the delays that were told, in seconds."""
    home.recorder.flush()
    states = (e.data for e in home.store.events() if e.kind == "state")
    return [
        s["details"]["retry_in_seconds"] for s in states if s["name"] == "AwaitingRetry"
    ]


class Flaky:
    """A function that fails until its n-th attempt."""

    __name__ = "flaky"

    def __init__(self, succeeds_at):
        self.succeeds_at = succeeds_at
        self.attempts = 0

    def __call__(self):
        self.attempts += 1
        if self.attempts < self.succeeds_at:
            raise ValueError(self.attempts)
        return self.attempts


def called(work):
    return work(return_state=True)


def submitted(work):
    return work.submit(return_state=True)


WAYS = pytest.mark.parametrize("way", [called, submitted])


# How often.


@WAYS
@pytest.mark.parametrize(
    ("retries", "succeeds_at", "attempts", "ends"),
    [
        (0, 2, 1, "FAILED/Failed"),
        (1, 2, 2, "COMPLETED/Completed"),
        (2, 9, 3, "FAILED/Failed"),
        (5, 1, 1, "COMPLETED/Completed"),
    ],
)
def test_a_failed_attempt_is_repeated(way, retries, succeeds_at, attempts, ends):
    """There are at most as many further attempts as retries, until one succeeds."""
    work = Flaky(succeeds_at)

    state = way(task(name="work", retries=retries)(work))

    assert (told(state), work.attempts) == (ends, attempts)


@WAYS
def test_each_attempt_is_a_state(home, way):
    """A retry without a delay is Retrying at once; one with a delay waits for it."""
    way(task(name="now", retries=2)(Flaky(3)))
    way(task(name="later", retries=1, retry_delay_seconds=0.01)(Flaky(2)))

    assert walk(home, "now") == [
        "Pending",
        "Running",
        "Retrying",
        "Retrying",
        "Completed",
    ]
    assert walk(home, "later") == [
        "Pending",
        "Running",
        "AwaitingRetry",
        "Retrying",
        "Completed",
    ]


def test_a_run_knows_its_attempt():
    """`run_count` is the number of the attempt, from 1, for the code and for hooks."""
    seen = []

    def note(_task, run, state):
        seen.append((state.name, run.run_count))

    @task(retries=2, on_running=[note], on_failure=[note])
    def work():
        seen.append(task_run.run_count)
        raise ValueError

    work(return_state=True)

    assert seen == [
        ("Running", 1), 1, ("Retrying", 2), 2, ("Retrying", 3), 3, ("Failed", 3),
    ]  # fmt: skip


def test_all_attempts_are_one_run(home):
    """The attempts of a run share its id, and the store holds one run."""
    ids = []

    @task(retries=2)
    def work():
        ids.append(current_run.get().run.id)
        raise ValueError

    work(return_state=True)

    assert [r.run.id for r in home.store.records()] == [ids[0]]
    assert len(set(ids)) == 1


def test_the_error_is_that_of_the_last_attempt():
    """What is raised is what the last attempt raised, without those before it."""
    with pytest.raises(ValueError, match=r"^3$") as caught:
        task(name="work", retries=2)(Flaky(9))()

    assert caught.value.__context__ is None


@WAYS
def test_a_failed_state_is_retried(way):
    """A task that returns a Failed state is retried as if it had raised."""
    calls = []

    @task(retries=1)
    def work():
        calls.append(1)
        return Failed(message="no") if len(calls) < 2 else "yes"

    assert way(work).result() == "yes"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_abort_is_not_retried(error):
    """Ctrl-C and sys.exit() are no failures: there is no other attempt."""
    calls = []

    @task(retries=3)
    def work():
        calls.append(1)
        raise error

    with pytest.raises(error):
        work()

    assert calls == [1]


def test_an_async_task_is_retried(home):
    """Async tasks are retried alike, and the loop goes on while they wait."""
    ticks = []

    async def tick():
        while True:
            ticks.append(1)
            await asyncio.sleep(0.005)

    flaky = Flaky(2)

    @task(retries=1, retry_delay_seconds=0.1)
    async def work():
        return flaky()

    async def main():
        beside = asyncio.create_task(tick())
        value = await work()
        beside.cancel()
        return value

    assert asyncio.run(main()) == 2
    assert walk(home) == [
        "Pending",
        "Running",
        "AwaitingRetry",
        "Retrying",
        "Completed",
    ]
    assert len(ticks) > 3


def test_a_reused_task_keeps_what_the_last_attempt_returned():
    """A result that took a retry is reused like any other, and no attempt is made."""
    flaky = Flaky(2)

    @task(retries=1, cache_policy=INPUTS)
    def work(n):
        return n + flaky()

    states = [work(10, return_state=True) for _ in range(2)]

    assert [(s.name, s.result()) for s in states] == [("Completed", 12), ("Cached", 12)]


def test_a_flow_is_retried_from_its_beginning(home):
    """A retry of a flow runs its body again, in the same run, with new task runs."""
    flaky = Flaky(2)
    step = task(name="step")(lambda: 1)

    @flow(retries=1, retry_delay_seconds=0.01)
    def f():
        step()
        return flaky()

    assert f() == 2
    assert walk(home, "f") == [
        "Pending",
        "Running",
        "AwaitingRetry",
        "Retrying",
        "Completed",
    ]
    assert [r.run.of for r in home.store.records()].count("step") == 2


def test_a_retried_flow_reuses_what_is_kept(home):
    """Tasks whose results are kept are not called again by a retry of their flow."""
    flaky = Flaky(2)

    @task(persist_result=True)
    def step(n):
        return n

    @flow(retries=1)
    def f():
        return step(1) + flaky()

    assert f() == 3
    states = walk(home, "step")
    assert (states.count("Running"), states.count("Cached")) == (1, 1)


def test_an_async_flow_is_retried():
    """Async flows are retried alike."""
    flaky = Flaky(3)

    @flow(retries=2)
    async def f():
        await asyncio.sleep(0)
        return flaky()

    assert asyncio.run(f()) == 3


def test_what_a_failed_attempt_of_a_flow_submitted_has_ended(home):
    """A retry of a flow begins when the runs of the attempt before have ended."""
    running = []
    flaky = Flaky(2)

    @task
    def step():
        running.append(1)
        time.sleep(0.05)
        running.pop()

    @flow(retries=1)
    def f():
        assert running == []
        step.submit()
        return flaky()

    f()

    assert home.store.unfinished() == []


# After how long.


@pytest.mark.parametrize(
    ("delays", "expected"),
    [
        (None, []),
        (0, []),
        (0.01, [0.01, 0.01, 0.01]),
        ([0.01], [0.01, 0.01, 0.01]),
        ((0.01, 0.02), [0.01, 0.02, 0.02]),
        ([0.01, 0, 0.02, 9], [0.01, 0.02]),
        (lambda n: [0.001 * n] * n, [0.003, 0.003, 0.003]),
        (exponential_backoff(0.01), [0.01, 0.02, 0.04]),
    ],
)
@WAYS
def test_a_retry_waits_as_declared(home, way, delays, expected):
    """A number, a list whose last one repeats, or a function of the retries."""
    start = time.monotonic()

    way(task(name="work", retries=3, retry_delay_seconds=delays)(Flaky(9)))

    assert waits(home) == pytest.approx(expected)
    assert sum(expected) <= time.monotonic() - start < sum(expected) + 2


def test_the_last_attempt_waits_for_nothing(home):
    """After the last attempt there is no delay: the run ends at once."""
    start = time.monotonic()

    task(name="work", retries=1, retry_delay_seconds=[0, 60])(Flaky(9))(
        return_state=True
    )

    assert (waits(home), time.monotonic() - start < 2) == ([], True)


def test_the_delay_begins_when_the_attempt_ended(home):
    """The state says how long the run waits, and the next attempt is not earlier."""
    task(name="work", retries=1, retry_delay_seconds=0.05)(Flaky(2))()

    at = {
        e.data["name"]: e.data["timestamp"]
        for e in home.store.events()
        if e.kind == "state"
    }
    assert at["Retrying"] - at["AwaitingRetry"] >= 0.05


def test_jitter_draws_each_delay(home):
    """Delays with jitter differ, and are at most one plus the factor times as long."""
    for _ in range(10):
        work = task(
            name="work", retries=3, retry_delay_seconds=0.002, retry_jitter_factor=0.5
        )
        work(Flaky(9))(return_state=True)

    drawn = waits(home)
    assert len(set(drawn)) > 5
    assert min(drawn) >= 0
    assert max(drawn) <= 0.003


def test_jitter_of_flows_is_drawn_too(home):
    """Flows have lists of delays and jitter as tasks have."""
    f = flow(
        name="f", retries=3, retry_delay_seconds=[0.001, 0.002], retry_jitter_factor=1
    )
    f(Flaky(9))(return_state=True)

    bounds = [0.002, 0.004, 0.004]
    assert all(drawn <= most for drawn, most in zip(waits(home), bounds, strict=True))


def test_a_run_that_awaits_its_retry_holds_no_worker():
    """While a submitted run waits for its retry, its worker runs others."""
    order = []
    flaky = Flaky(2)

    @task(retries=1, retry_delay_seconds=0.3)
    def first():
        order.append("first")
        return flaky()

    @task
    def other(n):
        order.append(n)

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def f():
        futures = [first.submit(), *other.map([1, 2, 3])]
        return [future.wait() for future in futures] and None

    f()

    assert order == ["first", 1, 2, 3, "first"]


def test_many_runs_await_their_retries_at_the_same_time(home):
    """A hundred runs that wait half a second need half a second and no threads."""
    start = time.monotonic()
    threads = threading.active_count()
    most = []

    @task(retries=1, retry_delay_seconds=0.5)
    def work(_):
        most.append(threading.active_count())
        if task_run.run_count == 1:
            raise ValueError

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=2))
    def f():
        work.map(range(100)).wait()

    f()

    assert time.monotonic() - start < 5
    assert max(most) <= threads + 5
    assert walk(home, "work").count("Completed") == 100


def test_ctrl_c_ends_a_wait_for_a_retry(script, home, until):
    """Ctrl-C while a task waits for its retry ends the program at once."""
    process = script(
        """
        from nborch import task

        @task(retries=1, retry_delay_seconds=60)
        def work():
            raise ValueError("again")

        work()
        """
    )
    assert until(lambda: "AwaitingRetry" in walk(home))
    process.send_signal(2)

    _, errors = process.communicate(timeout=10)

    assert "KeyboardInterrupt" in errors
    assert told(home.store.records()[0].state) == "CRASHED/Crashed"


# On which condition.


class Condition:
    """A callable object."""

    async def asks(self, _task, _run, _state):
        """Say yes after a while."""
        await asyncio.sleep(0)
        return True

    def __call__(self, _task, run, _state):
        return run.run_count < 2


def says(answer, _task, _run, _state):
    return answer


def raises(_task, _run, _state):
    raise RuntimeError("no idea")


@WAYS
@pytest.mark.parametrize(
    ("condition", "attempts"),
    [
        (lambda *_: True, 3),
        (lambda *_: False, 1),
        (lambda *_: None, 1),
        (functools.partial(says, 1), 3),
        (functools.partial(says, []), 1),
        (Condition(), 2),
        (Condition().asks, 3),
        (raises, 1),
    ],
)
def test_a_condition_decides_about_a_retry(way, condition, attempts):
    """A condition is any callable, async ones too; one that raises means no."""
    work = Flaky(9)

    state = way(task(name="work", retries=2, retry_condition_fn=condition)(work))

    assert (work.attempts, told(state)) == (attempts, "FAILED/Failed")


def test_an_async_condition_is_awaited_in_the_loop():
    """In async code an async condition runs in the loop of the task."""
    loops = []

    async def condition(_task, _run, _state):
        loops.append(asyncio.get_running_loop())
        return False

    @task(retries=2, retry_condition_fn=condition)
    async def work():
        loops.append(asyncio.get_running_loop())
        raise ValueError

    asyncio.run(work(return_state=True))

    assert len(loops) == 2
    assert loops[0] is loops[1]


def test_a_condition_gets_what_it_decides_about():
    """A condition is called with the task, its run and the failed state."""
    seen = []

    def condition(of, run, state):
        seen.append((of.name, run.run_count, state.name, str(state.data)))
        return True

    task(name="work", retries=1, retry_condition_fn=condition)(Flaky(9))(
        return_state=True
    )

    assert seen == [("work", 1, "Failed", "1")]


def test_a_condition_that_raises_is_told(capsys):
    """What a condition raises is logged with its traceback."""
    task(name="work", retries=1, retry_condition_fn=raises)(Flaky(9))(return_state=True)

    told = capsys.readouterr().err
    assert "The retry condition raised" in told
    assert "RuntimeError: no idea" in told


def test_a_condition_may_log():
    """A condition is called within the run: it has its logger."""
    names = []

    def condition(_task, _run, _state):
        names.append(get_run_logger().name)
        return False

    task(name="work", retries=1, retry_condition_fn=condition)(Flaky(9))(
        return_state=True
    )

    assert names == ["nborch.task_runs"]


# Hooks of retries.


@WAYS
def test_hooks_hear_of_each_attempt_and_of_one_end(way):
    """`on_running` is called for each attempt, the final hook once, in this order."""
    seen = []

    def note(_task, _run, state):
        seen.append(state.name)

    work = task(
        name="work",
        retries=2,
        retry_delay_seconds=0.001,
        on_running=[note],
        on_completion=[note],
        on_failure=[note],
    )

    way(work(Flaky(3)))
    way(work(Flaky(9)))

    assert seen == [
        "Running", "Retrying", "Retrying", "Completed",
        "Running", "Retrying", "Retrying", "Failed",
    ]  # fmt: skip


# Wrong declarations.


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"retries": -1}, "retries must be a whole number from 0, not -1"),
        ({"retries": 1.5}, r"not 1\.5"),
        ({"retries": True}, "not True"),
        ({"retries": "3"}, "not '3'"),
        (
            {"retry_delay_seconds": "1"},
            "retry_delay_seconds must be a number of seconds",
        ),
        ({"retry_delay_seconds": -1}, "not -1"),
        ({"retry_delay_seconds": [1, -1]}, r"not \[1, -1\]"),
        ({"retry_delay_seconds": float("nan")}, "not nan"),
        ({"retry_delay_seconds": float("inf")}, "not inf"),
        ({"retry_delay_seconds": [1] * 51}, "has 51 delays, at most 50 are allowed"),
        ({"retry_delay_seconds": lambda _: "x"}, "not 'x'"),
        ({"retry_jitter_factor": -1}, "retry_jitter_factor must be a number from 0"),
        ({"retry_jitter_factor": "1"}, "not '1'"),
    ],
)
@pytest.mark.parametrize("declare", [task, flow])
def test_a_wrong_retry_is_an_error_where_it_stands(declare, options, says):
    """A declaration that cannot be meant raises at the decorator, and says what can."""
    with pytest.raises(InvalidDeclaration, match=says):
        declare(name="work", **options)(lambda: 1)


def test_a_condition_must_be_callable():
    """What cannot be called is no condition."""
    with pytest.raises(
        InvalidDeclaration, match=r"must be a function \(task, run, state\)"
    ):
        task(name="work", retry_condition_fn=True)(lambda: 1)


def test_delays_are_seen_as_they_were_given():
    """`retry_delay_seconds` is the number, or the list, that was declared."""
    declare = functools.partial(task, retries=2)

    assert declare(retry_delay_seconds=3)(len).retry_delay_seconds == 3
    assert declare(retry_delay_seconds=[1, 2])(len).retry_delay_seconds == [1, 2]
    assert declare(retry_delay_seconds=exponential_backoff(5))(
        len
    ).retry_delay_seconds == [5, 10]
