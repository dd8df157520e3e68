"""Generators as tasks and flows: items come as they are asked for, in one run."""

import asyncio
import inspect
import itertools
import logging
import time

import pytest

from nborch import flow, get_run_logger, tags, task
from nborch.cache_policies import INPUTS
from nborch.context import current_run
from nborch.exceptions import CacheWarning, UpstreamTaskError

pytestmark = pytest.mark.usefixtures("home")


def plain(function):
    """A generator function as it is."""
    return function


def made_async(function):
    """An async generator function that yields what this one does."""

    async def made(*args):
        for item in function(*args):
            await asyncio.sleep(0)
            yield item

    made.__name__ = function.__name__
    return made


def drained(items):
    """Ask for all items, of whichever kind the generator is."""
    if not inspect.isasyncgen(items):
        return list(items)

    async def drain():
        return [item async for item in items]

    return asyncio.run(drain())


def told(state):
    return f"{state.type.value}/{state.name}"


def latest(home):
    return home.store.records()[0]


KINDS = pytest.mark.parametrize("kind", [plain, made_async])
DECLARED = pytest.mark.parametrize("declare", [task, flow])


def numbers(n):
    yield from range(n)


# Items.


@KINDS
@DECLARED
def test_a_generator_yields_its_items(home, declare, kind):
    """A generator under @task or @flow yields what it yields, and is one run."""
    work = declare(kind(numbers))

    assert drained(work(3)) == [0, 1, 2]

    (record,) = home.store.records()
    assert told(record.state) == "COMPLETED/Completed"


def test_a_declared_generator_is_a_generator():
    """What a call returns is a generator, and the task says so."""
    work, later = task(numbers), task(made_async(numbers))

    assert inspect.isgenerator(work(1))
    assert inspect.isasyncgen(later(1))
    assert (work.isgenerator, later.isgenerator, task(len).isgenerator) == (
        True,
        True,
        False,
    )


def test_an_item_is_made_when_it_is_asked_for():
    """A generator runs as far as the item that was asked for, and no further."""
    made = []

    @task
    def work():
        for n in itertools.count():
            made.append(n)
            yield n

    items = work()
    before = list(made)
    taken = next(items), next(items)

    assert (before, taken, made) == ([], (0, 1), [0, 1])


def test_a_run_begins_with_the_first_item(home):
    """There is no run until the first item is asked for; then it runs till the last."""
    items = task(numbers)(2)
    assert home.store.records() == []

    states = []
    for _ in items:
        home.recorder.flush()
        states.append(latest(home).state.name)

    assert states == ["Running", "Running"]
    assert latest(home).state.name == "Completed"


def test_what_a_generator_returns_is_what_yield_from_gives():
    """The return value of a generator comes through `yield from`, as of any other."""

    @task
    def work():
        yield 1
        return "end"

    @flow
    def f():
        return (yield from work())

    items = f()

    assert next(items) == 1
    with pytest.raises(StopIteration) as caught:
        next(items)
    assert caught.value.value == "end"
    assert work(return_state=True).result() == "end"


def echo():
    """Yield what it was sent, until it is sent None."""
    got = []
    while True:
        try:
            sent = yield len(got)
        except ValueError as error:
            sent = str(error)
        if sent is None:
            return got
        got.append(sent)


@DECLARED
def test_a_generator_can_be_sent_values_and_errors(declare):
    """`send` and `throw` reach the generator as they do without us."""
    items = declare(echo)()

    assert [next(items), items.send("a"), items.throw(ValueError("b"))] == [0, 1, 2]
    with pytest.raises(StopIteration) as caught:
        next(items)
    assert caught.value.value == ["a", "b"]


@DECLARED
def test_an_async_generator_can_be_sent_values_and_errors(declare):
    """`asend` and `athrow` do so too; a task in between sees no difference."""

    @task
    async def work():
        sent = "begin"
        while sent != "end":
            try:
                sent = yield sent
            except ValueError as error:
                sent = f"caught {error}"

    if declare is flow:
        work = flow(work.fn)

    async def converse():
        items = work()
        said = [
            await anext(items),
            await items.asend("a"),
            await items.athrow(ValueError("b")),
        ]
        with pytest.raises(StopAsyncIteration):
            await items.asend("end")
        return said

    assert asyncio.run(converse()) == ["begin", "a", "caught b"]


def test_a_submitted_generator_comes_to_its_list():
    """The result of a submitted generator is the list of its items."""
    futures = [task(kind(numbers)).submit(3) for kind in (plain, made_async)]

    assert [future.result() for future in futures] == [[0, 1, 2], [0, 1, 2]]
    assert task(numbers).map([1, 2]).result() == [[0], [0, 1]]


@KINDS
def test_with_return_state_all_items_are_made(kind):
    """return_state=True runs a generator to its end, and gives the final state."""
    made = []

    def work():
        for n in range(3):
            made.append(n)
            yield n

    state = task(kind(work))(return_state=True)
    if inspect.isawaitable(state):

        async def awaited(state=state):
            return await state

        state = asyncio.run(awaited())

    assert (told(state), made) == ("COMPLETED/Completed", [0, 1, 2])


# How it ends.


@DECLARED
def test_who_leaves_off_completes_the_run(home, declare):
    """A loop that breaks ends the run as Completed, and the generator is closed."""
    closed = []

    @declare
    def work():
        try:
            yield from range(10)
        finally:
            closed.append(1)

    for n in work():
        if n == 2:
            break

    assert closed == [1]
    assert told(latest(home).state) == "COMPLETED/Completed"


@DECLARED
def test_who_leaves_off_an_async_one_completes_the_run(home, declare):
    """So it does in async code, whether it is closed or dropped."""
    closed = []

    @declare
    async def work():
        try:
            for n in range(10):
                yield n
        finally:
            await asyncio.sleep(0)
            closed.append(1)

    async def leave_off():
        async for _ in work():
            break
        items = work()
        await anext(items)
        await items.aclose()
        # The loop closes the one that was dropped.
        for _ in range(1000):
            if len(closed) < 2:
                await asyncio.sleep(0.001)

    asyncio.run(leave_off())

    assert closed == [1, 1]
    assert [told(r.state) for r in home.store.records()] == ["COMPLETED/Completed"] * 2


def test_a_generator_that_goes_on_when_it_is_closed_is_told_so():
    """Who yields although it was closed gets Python's own error."""

    @task
    def work():
        try:
            yield 1
        except GeneratorExit:
            yield 2

    items = work()
    next(items)

    with pytest.raises(RuntimeError, match="generator ignored GeneratorExit"):
        items.close()


def test_a_generator_that_nobody_asks_is_no_run(home, recwarn):
    """A generator that is dropped before its first item leaves nothing behind."""
    task(numbers)(3)
    task(made_async(numbers))(3)

    assert home.store.records() == []
    assert list(recwarn) == []


def fails_after(n):
    yield from range(n)
    raise KeyError("late")


@KINDS
@DECLARED
def test_an_error_comes_after_the_items(home, declare, kind):
    """The items before an error are handed out; then it is raised, and the run failed."""
    got = []
    items = declare(kind(fails_after))(2)

    @task
    async def take_async():
        async for item in items:
            got.append(item)  # noqa: PERF401  # those before the error are wanted

    def take():
        for item in items:
            got.append(item)  # noqa: PERF402  # those before the error are wanted

    with pytest.raises(KeyError, match="late"):
        take() if kind is plain else asyncio.run(take_async.fn())

    assert got == [0, 1]
    assert told(latest(home).state) == "FAILED/Failed"


def test_what_the_consumer_raises_is_its_own(home):
    """An error in the loop around a generator is not the generator's."""
    items = task(numbers)(3)

    def read():
        for n in items:
            1 / n

    with pytest.raises(ZeroDivisionError):
        read()
    items.close()

    assert told(latest(home).state) == "COMPLETED/Completed"


@KINDS
def test_a_generator_waits_for_what_it_needs(kind):
    """A future among the arguments is replaced before the first item."""

    @task
    def count():
        return 3

    assert drained(task(kind(numbers))(count.submit())) == [0, 1, 2]


def test_a_generator_without_what_it_needs_raises_at_the_first_item():
    """If a future among the arguments failed, the first item raises that."""

    @task
    def count():
        raise ValueError("none")

    items = task(numbers)(count.submit())

    with pytest.raises(UpstreamTaskError, match="count"):
        next(items)


# Retries and reuse.


def flaky(fail_at, items_before):
    """A generator function that fails in its first two attempts."""
    attempts = []

    def work():
        attempts.append(1)
        for n in range(3):
            if n == items_before and len(attempts) < fail_at:
                raise ValueError(n)
            yield n

    return work, attempts


@KINDS
def test_a_generator_is_retried_before_its_first_item(kind):
    """As long as nobody has an item, a failed attempt is followed by another."""
    work, attempts = flaky(3, 0)

    assert drained(task(retries=2)(kind(work))()) == [0, 1, 2]
    assert len(attempts) == 3


@KINDS
def test_a_generator_is_not_retried_after_its_first_item(home, kind):
    """Once an item is out, another attempt would hand it out twice: the run fails."""
    work, attempts = flaky(3, 1)

    with pytest.raises(ValueError, match="1"):
        drained(task(retries=2)(kind(work))())

    assert len(attempts) == 1
    assert told(latest(home).state) == "FAILED/Failed"


def test_a_submitted_generator_is_retried_as_a_whole():
    """Nobody has items of a submitted one before its end, so it may begin again."""
    work, attempts = flaky(3, 1)

    assert task(retries=2)(work).submit().result() == [0, 1, 2]
    assert len(attempts) == 3


@KINDS
def test_a_whole_generator_is_reused(kind):
    """A later call yields the kept items without a call of the function."""
    calls = []

    def work(n):
        calls.append(n)
        yield from range(n)

    reused = task(cache_policy=INPUTS)(kind(work))

    assert drained(reused(3)) == drained(reused(3)) == [0, 1, 2]
    assert calls == [3]
    assert reused.submit(3).result() == [0, 1, 2]


def test_the_return_value_is_reused_with_the_items():
    """A reused generator returns what the kept one did."""
    calls = []

    @task(cache_policy=INPUTS)
    def work(n):
        calls.append(n)
        yield n
        return "end"

    @flow
    def f():
        return (yield from work(1))

    for _ in range(2):
        items = f()
        assert next(items) == 1
        with pytest.raises(StopIteration) as caught:
            next(items)
        assert caught.value.value == "end"
    assert calls == [1]


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_a_part_of_a_generator_is_not_reused(taken):
    """What somebody left off is not kept: a later call makes all of it."""
    calls = []

    @task(cache_policy=INPUTS)
    def work(n):
        calls.append(1)
        yield from range(n)

    items = work(3)
    list(itertools.islice(items, taken))
    items.close()

    assert list(work(3)) == [0, 1, 2]
    assert list(work(3)) == [0, 1, 2]
    # Without an item there was no call, without the end no whole.
    assert len(calls) == (1 if taken == 0 else 2)


def test_a_failed_generator_is_not_reused():
    """Nor is what an attempt yielded that failed."""
    calls = []

    @task(cache_policy=INPUTS)
    def work(n):
        calls.append(1)
        yield n + len(calls)
        if len(calls) == 1:
            raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        list(work(0))

    assert list(work(0)) == list(work(0)) == [2]


def test_changing_an_item_changes_no_later_hit():
    """What a consumer does to an item is not seen by who gets it again."""

    @task(cache_policy=INPUTS)
    def work(n):
        yield [n]

    list(work(1))
    for item in work(1):
        item.append(2)

    assert list(work(1)) == [[1]]


@KINDS
def test_items_that_were_changed_are_not_kept(kind):
    """What was changed after it was yielded is no result for later: it is made again."""

    def work(n):
        row = []
        for i in range(n):
            row.append(i)  # it is this one list that is yielded
            yield row

    reused = task(cache_policy=INPUTS)(kind(work))

    async def lengths_async():
        return [len(item) async for item in reused(3)]

    def lengths():
        if kind is made_async:
            return asyncio.run(lengths_async())
        return [len(item) for item in reused(3)]

    with pytest.warns(CacheWarning, match="number 1 was changed after it was yielded"):
        assert lengths() == [1, 2, 3]
    with pytest.warns(CacheWarning):
        assert lengths() == [1, 2, 3]


# What is around it.


@KINDS
def test_the_consumer_is_not_within_the_run(kind):
    """Between two items the current run is the consumer's, not the generator's."""
    seen = []

    def note():
        seen.append(current_run.get().run.of)

    def work():
        note()
        yield 1
        note()
        yield 2

    work = task(name="work")(kind(work))

    @flow
    def f():
        for _ in work():
            note()
        note()

    @flow(name="f")
    async def f_async():
        async for _ in work():
            note()
        note()

    f() if kind is plain else asyncio.run(f_async())

    assert seen == ["work", "f", "work", "f", "f"]
    assert current_run.get() is None


def test_runs_made_between_items_belong_to_the_consumer(home):
    """A task that the loop calls is the flow's, one that the generator calls is its."""
    inner = task(name="inner")(lambda: 1)
    outer = task(name="outer")(lambda: 2)

    @task
    def work():
        inner()
        yield 1

    @flow
    def f():
        for _ in work():
            outer()

    f()

    records = {r.run.of: r.run for r in home.store.records()}
    assert records["inner"].parent_id == records["work"].id
    assert records["outer"].parent_id == records["f"].id


def test_two_generators_may_take_turns(home):
    """Generators that are read in turns are two runs that do not mix."""

    @task
    def work(name):
        for _ in range(2):
            yield name, current_run.get().parameters["name"]

    @flow
    def f():
        return list(zip(work("a"), work("b"), strict=True))

    assert f() == [(("a", "a"), ("b", "b"))] * 2
    assert {told(r.state) for r in home.store.records()} == {"COMPLETED/Completed"}


def test_a_generator_may_be_read_in_another_thread():
    """Its items may be asked for in any thread, each in another."""
    items = task(numbers)(2)

    async def read():
        return [await asyncio.to_thread(next, items) for _ in range(2)]

    assert asyncio.run(read()) == [0, 1]
    assert list(items) == []


def test_prints_in_a_generator_go_to_its_log(home, capsys):
    """With log_prints the prints of the generator are logged, the consumer's are not."""

    @task(log_prints=True)
    def work():
        print("first")  # noqa: T201
        yield 1
        print("second")  # noqa: T201

    for _ in work():
        print("between")  # noqa: T201

    assert capsys.readouterr().out.strip() == "between"
    lines = [e.data["message"] for e in home.store.logs(latest(home).run.id)]
    assert [line for line in lines if "Finished" not in line] == ["first", "second"]


def test_a_generator_has_the_logger_of_its_run(caplog):
    """get_run_logger() in a generator is its run's, at every item."""

    @task
    def work():
        get_run_logger().warning("one")
        yield 1
        get_run_logger().warning("two")

    with caplog.at_level(logging.WARNING):
        list(work())

    assert [r.message for r in caplog.records] == ["one", "two"]


def test_a_generator_has_the_tags_of_its_call(home):
    """Tags are those where the generator was called, not where it is read."""
    with tags("here"):
        items = task(numbers)(1)
    with tags("there"):
        list(items)

    assert latest(home).run.tags == frozenset({"here"})


@KINDS
def test_the_time_between_items_does_not_count(home, kind):
    """The timeout of a generator limits what it does, not how long its reader takes."""

    def work():
        yield 1
        yield 2

    timed = task(timeout_seconds=0.5)(kind(work))

    async def read_async():
        async for _ in timed():
            await asyncio.sleep(0.4)

    if kind is plain:
        for _ in timed():
            time.sleep(0.4)
    else:
        asyncio.run(read_async())

    assert told(latest(home).state) == "COMPLETED/Completed"


def test_a_generator_in_its_own_process_comes_to_its_items():
    """With isolate=True the items are made in another process, all of them."""
    import os

    @task(isolate=True)
    def work():
        yield os.getpid()

    (pid,) = work.submit().result()

    assert pid != os.getpid()
