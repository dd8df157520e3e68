"""States of runs: what each call leads to, and what comes of it."""

import asyncio

import pytest

from nborch import allow_failure, flow, task
from nborch.cache_policies import INPUTS
from nborch.exceptions import CancelledRun, FailedRun, UpstreamTaskError
from nborch.futures import Future
from nborch.states import (
    Cancelled,
    Completed,
    Failed,
    Paused,
    State,
    StateType,
    get_state_exception,
)

pytestmark = pytest.mark.usefixtures("home")


def told(state):
    return f"{state.type.value}/{state.name}"


@task
def one():
    return 1


@task
def fails():
    raise ValueError("boom")


@task
async def fails_async():
    raise ValueError("boom")


def ending(body):
    """Return the final state of a flow with this body."""
    return flow(name="f")(body)(return_state=True)


# What a flow comes to.


@pytest.mark.parametrize(
    ("body", "ends", "message"),
    [
        (lambda: [one.submit()], "COMPLETED/Completed", "All states completed."),
        (lambda: [fails.submit()], "FAILED/Failed", "1/1 states failed."),
        (lambda: [one.submit(), fails.submit()], "FAILED/Failed", "1/2 states failed."),
        (lambda: {one.submit(), fails.submit()}, "FAILED/Failed", "1/2 states failed."),
        (lambda: (one.submit(),) * 2, "COMPLETED/Completed", "All states completed."),
        (lambda: {"a": Failed(message="no")}, "COMPLETED/Completed", None),
        (lambda: [Failed(message="no"), 1], "COMPLETED/Completed", None),
        (list, "COMPLETED/Completed", None),
        (lambda: Completed(name="Skipped"), "COMPLETED/Skipped", None),
        (lambda: Failed(name="Sad", message="no"), "FAILED/Sad", "no"),
        (lambda: Cancelled(message="stop"), "CANCELLED/Cancelled", "stop"),
        (lambda: [Completed(), Cancelled(), Failed()], "CANCELLED/Cancelled", "1/3 states cancelled."),
        (lambda: fails(return_state=True), "FAILED/Failed", "1/1 states failed."),
        (lambda: one(return_state=True), "COMPLETED/Completed", "All states completed."),
    ],
)  # fmt: skip
def test_a_flow_comes_to_what_it_returns(body, ends, message):
    """States and futures that a flow returns decide how it ends, if they are all of it."""
    state = ending(body)

    assert told(state) == ends
    assert message is None or state.message == message


def test_a_flow_cannot_end_as_paused():
    """A state that is none to end in, if a flow returns it, is a failure of the flow."""
    state = ending(Paused)

    assert told(state) == "FAILED/Failed"
    assert "Paused(), which is not a final state" in state.message


def test_a_flow_that_returns_futures_gives_states():
    """Who calls a flow that returns futures gets their states, in the same place."""
    returned = flow(name="f")(lambda: {"a": [one.submit()], "b": 2})()

    assert [told(state) for state in returned["a"]] == ["COMPLETED/Completed"]
    assert (returned["a"][0].result(), returned["b"]) == (1, 2)
    assert isinstance(flow(name="f")(lambda: one.submit())(), State)  # noqa: PLW0108


def test_a_flow_raises_the_error_of_the_future_it_returned():
    """A flow that returns a failed future raises what that one raised."""
    with pytest.raises(ValueError, match="boom"):
        flow(name="f")(lambda: [one.submit(), fails.submit()])()


def test_a_failed_state_of_ones_own_is_raised_as_failed_run():
    """A state that was made, not raised, is raised with its message."""
    with pytest.raises(FailedRun, match=r"^nope$"):
        flow(name="f")(lambda: Failed(message="nope"))()
    with pytest.raises(CancelledRun, match="stop"):
        task(name="t")(lambda: Cancelled(message="stop"))()


def test_a_subflow_is_a_run_with_a_state():
    """A subflow that fails raises in its parent, or tells by its state."""

    @flow
    def inner():
        raise KeyError("k")

    @flow
    def catches():
        with pytest.raises(KeyError):
            inner()
        return 1

    assert ending(catches.fn).result() == 1
    assert told(ending(lambda: inner(return_state=True))) == "FAILED/Failed"
    with pytest.raises(KeyError):
        flow(name="f")(inner.fn)()


def test_errors_go_through_many_flows():
    """The same error object comes out of all the flows around it."""
    error = ValueError("deep")

    def deep():
        raise error

    wrapped = task(name="deep")(deep)
    for level in range(5):
        wrapped = flow(name=f"level-{level}")(lambda inner=wrapped: inner())

    with pytest.raises(ValueError, match="deep") as caught:
        wrapped()

    assert caught.value is error


# return_state, everywhere.


@pytest.mark.parametrize("declare", [task, flow])
def test_return_state_gives_the_state(declare):
    """With return_state=True nothing is raised; the state has the value or the error."""

    async def later(value):
        await asyncio.sleep(0)
        if value is None:
            raise ValueError("boom")
        return value

    good, bad = declare(name="a")(lambda: 3), declare(name="b")(fails.fn)
    later = declare(later)

    assert (told(good(return_state=True)), good(return_state=True).result()) == (
        "COMPLETED/Completed",
        3,
    )
    assert isinstance(get_state_exception(bad(return_state=True)), ValueError)
    states = [asyncio.run(later(v, return_state=True)) for v in (3, None)]
    assert [told(s) for s in states] == ["COMPLETED/Completed", "FAILED/Failed"]


def test_return_state_of_what_was_submitted():
    """`.submit` and `.map` wait with return_state=True, and give states."""
    assert told(one.submit(return_state=True)) == "COMPLETED/Completed"
    assert told(fails.submit(return_state=True)) == "FAILED/Failed"
    assert told(fails_async.submit(return_state=True)) == "FAILED/Failed"
    doubled = task(name="double")(lambda n: n * 2).map([1, 2], return_state=True)
    assert [state.result() for state in doubled] == [2, 4]


def test_a_hit_is_named_cached():
    """A reused result is a completed state called Cached, with the key in its details."""

    @task(cache_policy=INPUTS)
    def work(n):
        return n

    first, again = (work(1, return_state=True) for _ in range(2))

    assert (told(first), told(again)) == ("COMPLETED/Completed", "COMPLETED/Cached")
    assert again.result() == 1
    assert again.state_details.cache_key == first.state_details.cache_key
    assert again.details["cache_key"]


def test_a_state_knows_its_run(home):
    """The state that a call gives names the run, the time, and is as the store has it."""
    state = one(return_state=True)

    record = home.store.records()[0]
    assert state.run_id == state.state_details.task_run_id == record.run.id
    assert (record.state.type, record.state.timestamp) == (
        StateType.COMPLETED,
        state.timestamp,
    )


def test_a_result_may_be_asked_for_without_raising():
    """`result(raise_on_failure=False)` gives the error of a failed run, and of a future."""
    state = fails(return_state=True)
    future = fails.submit()

    assert isinstance(state.result(raise_on_failure=False), ValueError)
    assert isinstance(future.result(raise_on_failure=False), ValueError)
    with pytest.raises(ValueError, match="boom"):
        state.result()


# What depends on failed runs.


def test_a_state_is_an_argument_like_its_result():
    """A task gets the result of a state, and none of a failed one."""
    double = task(name="double")(lambda n: n * 2)

    @flow
    def f():
        assert double(one(return_state=True)) == 2
        assert double.submit(one(return_state=True)).result() == 2
        with pytest.raises(UpstreamTaskError, match="did not reach"):
            double(fails(return_state=True))
        return 1

    assert f() == 1


def test_with_allow_failure_the_error_arrives():
    """allow_failure lets a task run with the exception of what failed."""
    name = task(name="name")(lambda value: type(value).__name__)

    @flow
    def f():
        future, state = fails.submit(), fails(return_state=True)
        return [
            name(allow_failure(future)),
            name.submit(allow_failure(state)).result(),
            name(allow_failure(one.submit())),
            one(wait_for=[allow_failure(fails.submit())]),
        ]

    assert f() == ["ValueError", "ValueError", "int", 1]


def test_what_never_runs_is_not_ready():
    """A run that lacks what it needs is NotReady, names it, and so is what follows."""

    @flow
    def f():
        failed = fails.submit()
        double = task(name="double")(lambda n: n * 2)
        following = double.submit(failed)
        last = double.submit(following)
        return {
            "states": [following.wait() or following.state, last.wait() or last.state]
        }

    first, last = f()["states"]

    assert (told(first), told(last)) == ("PENDING/NotReady", "PENDING/NotReady")
    assert "fails" in first.message


def test_futures_have_states():
    """A future tells where its run stands, without waiting."""
    future = one.submit()

    assert isinstance(future, Future)
    future.wait()
    assert told(future.state) == "COMPLETED/Completed"
