"""Futures: what is asked of a submitted run, and how."""

import asyncio
import pickle
import threading
from dataclasses import dataclass
from typing import NamedTuple

import pytest
from pydantic import BaseModel

from nborch import flow, task
from nborch.futures import (
    Future,
    PrefectFuture,
    PrefectFutureList,
    as_completed,
    resolve_futures_to_results,
    resolve_futures_to_states,
    wait,
)
from nborch.states import State
from nborch.task_runners import ThreadPoolTaskRunner

pytestmark = pytest.mark.usefixtures("home")


@task
def inc(n):
    return n + 1


@task
def same(value):
    return value


@task
def boom():
    raise ValueError("boom")


@pytest.fixture
def gate():
    """Opened at the end of the test, if not before."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def closed(gate):
    """A task that ends when the gate is opened."""

    @task
    def through(value=None):
        gate.wait(30)
        return value

    return through


# --- results ---


def test_a_future_knows_its_run(home, gate, closed):
    """A future has the id and the name of its run, and says where it stands."""
    future = closed.submit(1)

    assert isinstance(future, PrefectFuture)
    assert not future.done()
    assert future.state.name in {"Pending", "Running"}
    assert "through-" in repr(future)

    gate.set()
    assert future.result() == 1
    assert future.done()
    assert future.state.name == "Completed"
    home.recorder.flush()
    assert home.store.record(future.task_run_id).run.name == future.name


def test_a_result_that_is_late_raises(gate, closed):
    """result() with a timeout raises TimeoutError, and the run goes on."""
    future = closed.submit(1)

    with pytest.raises(TimeoutError, match=r"'through-.*' did not end within 0.01"):
        future.result(timeout=0.01)

    gate.set()
    assert future.result(timeout=20) == 1


def test_a_wait_that_is_over_leaves_nothing(gate, closed):
    """Who looks again and again with a short timeout does not fill memory."""
    future = closed.submit()

    for _ in range(20):
        future.wait(0.001)
        wait([future, closed.submit()], timeout=0.001)

    assert len(future._callbacks) == 0


def test_a_failure_is_raised_or_returned():
    """result() raises what the run raised, or returns it if it is told to."""
    future = boom.submit()

    with pytest.raises(ValueError, match="boom"):
        future.result()
    assert repr(future.result(raise_on_failure=False)) == "ValueError('boom')"
    assert future.state.name == "Failed"


def test_return_state_waits():
    """submit() and map() with return_state=True wait and return states."""
    assert inc.submit(1, return_state=True).result() == 2
    assert [s.name for s in inc.map([1, "a"], return_state=True)] == [
        "Completed",
        "Failed",
    ]


def test_a_list_of_futures_is_asked_as_one(gate, closed):
    """The futures of a map give a list of results, in order, or raise."""
    futures = closed.map([1, 2])

    assert isinstance(futures, PrefectFutureList)
    with pytest.raises(TimeoutError, match="2 of 2 task runs did not end"):
        futures.result(timeout=0.01)
    futures.wait(timeout=0.01)
    gate.set()
    futures.wait()
    assert futures.result() == [1, 2]


# --- callbacks ---


def test_a_callback_is_called_once():
    """A callback is called when the run ends, or at once if it has ended."""
    called, go_on = [], threading.Event()

    @task
    def waiting():
        go_on.wait(20)

    future = waiting.submit()
    future.add_done_callback(lambda f: called.append(("before", f.done())))
    go_on.set()
    future.wait()
    future.add_done_callback(lambda f: called.append(("after", f.done())))

    assert sorted(called) == [("after", True), ("before", True)]


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_callback_that_raises_harms_nobody(error, gate, closed, caplog):
    """What a callback raises is logged; other callbacks and waiting runs go on."""
    called = []

    def broken(_):
        raise error("in a callback")

    @flow(task_runner=ThreadPoolTaskRunner(1))
    def surviving():
        future = closed.submit(1)
        future.add_done_callback(broken)
        future.add_done_callback(called.append)
        after = inc.submit(future)
        gate.set()
        future.wait()
        future.add_done_callback(broken)
        return after.result(), inc.submit(5).result()

    assert surviving() == (2, 6)
    assert len(called) == 1
    told = [r for r in caplog.records if "callback" in r.message]
    assert len(told) == 2
    assert "in a callback" in told[0].exc_text


# --- waiting for several ---


def test_as_completed_yields_the_first_first(gate, closed):
    """as_completed() yields each future once, as it ends."""
    slow = closed.submit("slow")
    quick = inc.submit(1)

    seen = []
    for future in as_completed([slow, quick, quick]):
        seen.append(future)
        gate.set()

    assert seen == [quick, slow]
    assert list(as_completed([])) == []


def test_as_completed_gives_up_on_time(closed):
    """as_completed() raises TimeoutError after the futures that were in time."""
    slow, quick = closed.submit(), inc.submit(1)
    completed = as_completed([slow, quick], timeout=0.5)

    assert next(completed) is quick
    with pytest.raises(TimeoutError, match="1 of 2 task runs did not end"):
        next(completed)
    assert len(slow._callbacks) == 0


def test_wait_tells_who_is_done(closed):
    """wait() returns which futures have ended within the timeout."""
    slow, quick = closed.submit(), inc.submit(1)
    quick.wait()

    done, not_done = wait([slow, quick], timeout=0.01)

    assert done == {quick}
    assert not_done == {slow}
    assert wait([]).done == set()


# --- in an event loop ---


def test_a_future_may_be_awaited():
    """Await gives what result() gives, also when the run has ended."""

    async def main():
        future = inc.submit(1)
        first = await future
        with pytest.raises(ValueError, match="boom"):
            await boom.submit()
        return first, await future, await asyncio.gather(inc.submit(5), inc.submit(6))

    assert asyncio.run(main()) == (2, 2, [6, 7])


def test_awaited_futures_do_not_stop_the_loop(gate, closed):
    """While a run is awaited the event loop goes on."""

    async def main():
        future = closed.submit(1)

        async def opener():
            await asyncio.sleep(0.01)
            gate.set()

        opening = asyncio.create_task(opener())
        value = await future
        await opening
        return value

    assert asyncio.run(main()) == 1


def test_to_stop_awaiting_leaves_nothing(gate, closed):
    """An await that is cancelled ends, and the run goes on."""

    async def main():
        future = closed.submit(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await future
        assert len(future._callbacks) == 0
        return future

    future = asyncio.run(main())
    gate.set()

    assert future.result() == 1


# --- futures as values ---


@dataclass
class Box:
    value: object
    other: object = None


@dataclass(frozen=True, slots=True)
class Frozen:
    value: object


class Pair(NamedTuple):
    left: object
    right: object


class Model(BaseModel):
    model_config = {"arbitrary_types_allowed": True}
    value: object


@pytest.mark.parametrize(
    "wrap",
    [
        lambda v: v,
        lambda v: [v],
        lambda v: (0, v),
        lambda v: {"a": [v]},
        lambda v: {"a": {"b": (v, [v])}},
        lambda v: Pair(1, v),
        lambda v: [Box(v)],
        lambda v: Box([v], other=Box(v)),
        Frozen,
        lambda v: Model(value=[v]),
    ],
)
def test_futures_are_found_at_any_depth(wrap):
    """A task gets results where futures stood, submitted or called."""

    @flow
    def wrapped():
        future = inc.submit(1)
        given, state = wrap(future), inc.submit(1, return_state=True)
        return (
            same.submit(given).result(),
            same(given),
            same(wrap(state)),
            same.submit(value=given).result(),
        )

    taken = wrapped()

    assert taken == (wrap(2),) * 4
    assert type(taken[0]) is type(wrap(2))


def test_futures_in_sets_and_keys_are_found():
    """Futures may stand in sets and as keys of dicts."""

    @flow
    def keyed():
        future = inc.submit(1)
        return same.submit({future}).result(), same({future: 1})

    assert keyed() == ({2}, {2: 1})


def test_a_future_that_waits_for_one_travels():
    """A pickled future is one that has ended the same way."""
    future = inc.submit(1)

    copy = pickle.loads(pickle.dumps(future))

    assert isinstance(copy, Future)
    assert (copy.task_run_id, copy.name) == (future.task_run_id, future.name)
    assert copy.result() == 2
    assert pickle.loads(pickle.dumps(boom.submit())).state.name == "Failed"


def test_futures_are_resolved_at_any_depth():
    """resolve_futures_to_results() and _to_states() replace futures in a value."""
    value = {"a": [inc.submit(1), Box(inc.submit(2))], "b": 3}

    states = resolve_futures_to_states(value)

    assert resolve_futures_to_results(value) == {"a": [2, Box(3)], "b": 3}
    assert isinstance(states["a"][0], State)
    assert isinstance(states["a"][1].value, State)
    assert states["b"] == 3
    with pytest.raises(ValueError, match="boom"):
        resolve_futures_to_results([boom.submit()])


# --- mapping over what ---


@pytest.mark.parametrize(
    "make",
    [
        list,
        tuple,
        lambda items: (n for n in items),
        lambda items: range(1, 3),
        lambda items: dict.fromkeys(items).keys(),
        same.submit,
        lambda items: same.submit(items, return_state=True),
        lambda items: [same.submit(n) for n in items],
        same.map,
        lambda items: map(int, items),
    ],
)
def test_a_map_takes_any_iterable(make):
    """Lists, ranges, generators, futures of lists and lists of futures are mapped."""

    @flow
    def mapping():
        return inc.map(make([1, 2])).result()

    assert mapping() == [2, 3]


def test_a_map_takes_arrays_and_columns():
    """Arrays are mapped by rows and columns by values; a table is one value."""
    np = pytest.importorskip("numpy")
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame({"a": [1, 2]})

    @task
    def size(value, table):
        return int(np.sum(value)), len(table)

    @flow
    def mapping():
        rows = size.map(np.arange(4).reshape(2, 2), table).result()
        return rows, size.map(table["a"], table).result()

    assert mapping() == ([(1, 2), (5, 2)], [(1, 2), (2, 2)])


def test_a_map_over_a_failed_future_raises():
    """What is to be mapped over must be known; a failure is raised."""

    @flow
    def mapping():
        return inc.map(boom.submit())

    with pytest.raises(ValueError, match="boom"):
        mapping()


def test_one_failure_in_a_map_is_one_run(home):
    """The other runs of a map go on."""

    @flow
    def mapping():
        futures = inc.map([1, "a", 3])
        return futures.result(raise_on_failure=False)

    one, error, three = mapping()

    assert (one, three) == (2, 4)
    assert isinstance(error, TypeError)


def test_many_threads_may_wait_for_one_run():
    """Many threads may wait for one future while it ends."""
    for _ in range(20):
        go_on = threading.Event()

        @task
        def through(go_on=go_on):
            go_on.wait(20)
            return 1

        future, results = through.submit(), []

        def ask(future=future, results=results):
            results.append(future.result())

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        go_on.set()
        for thread in threads:
            thread.join(20)
        assert results == [1] * 8
