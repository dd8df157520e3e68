"""Transactions: what tasks did is final together, or taken back together."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from nborch import Transaction, flow, task
from nborch.cache_policies import INPUTS
from nborch.task_runners import ProcessPoolTaskRunner
from nborch.transactions import (
    CommitMode,
    IsolationLevel,
    TransactionState,
    atransaction,
    get_transaction,
    transaction,
)

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def told():
    """What hooks were called, in order."""
    return []


@pytest.fixture
def make(told):
    """Make a task that tells of its hooks."""

    def make(name, **options):
        @task(name=name, **options)
        def made(value=None, *, fails=False):
            if fails:
                raise ValueError(name)
            return value

        made.on_rollback(lambda txn: told.append(f"undo {name}"))
        made.on_commit(lambda txn: told.append(f"keep {name}"))
        return made

    return make


def test_a_block_that_ends_well_is_committed(make, told):
    """The commit hooks of its tasks are called when the block has ended, in order."""
    a, b = make("a"), make("b")

    with transaction() as txn:
        a()
        b()
        assert told == []

    assert told == ["keep a", "keep b"]
    assert txn.is_committed()


def test_a_block_that_raises_is_rolled_back(make, told):
    """The rollback hooks are called in reverse order, and the error goes on."""
    a, b = make("a"), make("b")

    with pytest.raises(KeyError), transaction() as txn:  # noqa: PT012
        a()
        b()
        raise KeyError

    assert told == ["undo b", "undo a"]
    assert txn.is_rolled_back()


@pytest.mark.parametrize("how", ["caught", "return_state", "submit"])
def test_a_failed_task_takes_the_block_back(make, told, how):
    """When a task in the block fails, all is rolled back, even if nobody raises."""
    a, b, late = make("a"), make("b"), make("late")

    @flow
    def around():
        with transaction() as txn:
            a()
            if how == "caught":
                with pytest.raises(ValueError, match="b"):
                    b(fails=True)
            elif how == "return_state":
                b(fails=True, return_state=True)
            else:
                b.submit(fails=True).wait()
            assert txn.is_rolled_back()
            late()

    around(return_state=True)

    assert told == ["undo a", "undo late"]


def test_a_retried_task_takes_nothing_back(make, told):
    """An attempt that is followed by another one is no failure."""
    a, attempts = make("a"), []

    @task(retries=1)
    def shaky():
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError

    with transaction():
        a()
        shaky()

    assert told == ["keep a"]


def test_without_a_block_each_task_is_its_own(make, told):
    """Outside a transaction a task that completes is committed at once."""
    a = make("a")

    a()
    a(fails=True, return_state=True)

    assert told == ["keep a"]


def test_hooks_are_given_values(told):
    """Hooks get what was set in their task, or in the transaction around it."""

    @task
    def write(path):
        get_transaction().set("path", path)

    @write.on_rollback
    def remove(txn):
        told.append((txn.get("path"), txn.get("rows"), txn.get("mode", "w")))

    with pytest.raises(KeyError), transaction() as txn:  # noqa: PT012
        txn.set("rows", [1])
        write("a.csv")
        write("b.csv")
        raise KeyError

    assert told == [("b.csv", [1], "w"), ("a.csv", [1], "w")]


def test_values_are_copies_and_must_exist():
    """Changing a value that was got changes nothing, and a missing one is an error."""
    with transaction() as txn:
        txn.set("rows", [1])
        txn.get("rows").append(2)

        assert txn.get("rows") == [1]
        with pytest.raises(ValueError, match="no value 'row'"):
            txn.get("row")


@pytest.mark.parametrize("runner", [None, ProcessPoolTaskRunner(max_workers=1)])
def test_submitted_tasks_belong_to_the_block(make, told, runner):
    """A task that is submitted in the block is taken back with it, wherever it runs."""
    a = make("a")

    @flow(task_runner=runner)
    def around():
        with transaction():
            a.submit().wait()
            raise KeyError

    around(return_state=True)

    assert told == ["undo a"]


def test_a_late_task_follows_the_block(told):
    """A task that completes after the block has ended shares the fate of the block."""
    go_on = threading.Event()

    @task
    def slow():
        go_on.wait(10)

    slow.on_commit(lambda txn: told.append("keep"))
    slow.on_rollback(lambda txn: told.append("undo"))

    @flow
    def around():
        with transaction():
            slow.submit()
        with pytest.raises(KeyError), transaction():  # noqa: PT012
            slow.submit()
            raise KeyError
        go_on.set()

    around()

    assert sorted(told) == ["keep", "undo"]


def test_what_a_task_calls_is_its_own_affair(make, told):
    """Tasks within a task are committed when it completes, undone when it fails."""
    a = make("a")

    @task
    def outer(*, fails):
        a()
        told.append("outer")
        if fails:
            raise ValueError

    outer(fails=False)
    outer(fails=True, return_state=True)

    assert told == ["outer", "keep a", "outer", "undo a"]


def test_a_task_may_make_up_for_what_it_called(make, told):
    """A failure that a task makes up for does not take back the block around it."""
    a, b = make("a"), make("b")

    @task
    def careful():
        b(fails=True, return_state=True)

    with transaction():
        a()
        careful()

    assert told == ["keep a"]


def test_another_attempt_begins_anew(make, told):
    """What a failed attempt called is taken back before the next one."""
    a, attempts = make("a"), []

    @task(retries=1)
    def outer():
        a()
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError

    outer()

    assert told == ["undo a", "keep a"]


def test_parts_are_ended_with_the_whole(make, told):
    """A transaction within another is committed with it, and takes it back if it fails."""
    a, b = make("a"), make("b")

    with transaction():
        a()
        with transaction() as part:
            b()
        assert part.get_parent() is get_transaction()
        assert told == []
    with transaction() as whole:
        a()
        with pytest.raises(KeyError), transaction():  # noqa: PT012
            b()
            raise KeyError
        assert whole.is_rolled_back()

    assert told == ["keep a", "keep b", "undo b", "undo a"]


@pytest.mark.parametrize(
    ("mode", "order", "state"),
    [
        (CommitMode.EAGER, ["keep a", "end"], TransactionState.COMMITTED),
        (CommitMode.LAZY, ["end", "keep a"], TransactionState.COMMITTED),
        (CommitMode.OFF, ["end", "undo a"], TransactionState.ROLLED_BACK),
    ],
)
def test_modes_say_when(make, told, mode, order, state):
    """EAGER commits each task at once, LAZY all at the end, OFF nothing by itself."""
    with transaction(commit_mode=mode) as txn:
        make("a")()
        told.append("end")

    assert told == order
    assert txn.state is state


def test_it_can_be_ended_by_hand(make, told):
    """`commit` and `rollback` end it within the block; only the first one counts."""
    with transaction(commit_mode=CommitMode.OFF) as txn:
        make("a")()
        assert txn.commit()
        assert not txn.rollback()
    with Transaction() as other:
        make("b")()
        assert other.rollback()

    assert told == ["keep a", "undo b"]


def test_a_hook_that_raises_stops_no_other(make, told, home):
    """The errors of rollback hooks are logged, and the others are called still."""
    a = make("a")

    @a.on_rollback
    def breaks(txn):
        raise RuntimeError("no disk")

    @flow
    def around():
        with transaction():
            a()
            raise KeyError

    around(return_state=True)

    assert told == ["undo a"]
    home.recorder.flush()
    lines = [line for r in home.store.records() for line in home.store.logs(r.run.id)]
    assert any("Rollback hook 'breaks' raised" in str(line) for line in lines)


def test_a_commit_hook_that_raises_takes_its_task_back(make, told):
    """What cannot be committed is rolled back; the rest of the block is committed."""
    a, b = make("a"), make("b")

    @b.on_commit
    def breaks(txn):
        raise RuntimeError("no disk")

    with transaction() as txn:
        a()
        b()

    assert told == ["keep a", "keep b", "undo b"]
    assert txn.is_committed()


def test_a_result_that_was_taken_back_is_computed_again(make, told):
    """A hit has nothing to undo, and a task that was rolled back is no hit later."""
    a = make("a", cache_policy=INPUTS)

    with pytest.raises(KeyError), transaction():  # noqa: PT012
        a(1)
        raise KeyError
    with transaction():
        again = a(1, return_state=True)
    with pytest.raises(KeyError), transaction():  # noqa: PT012
        hit = a(1, return_state=True)
        raise KeyError

    assert (again.name, hit.name) == ("Completed", "Cached")
    assert told == ["undo a", "keep a"]


def test_a_result_without_hooks_is_forgotten_too():
    """A task whose block was taken back is computed again even if it has no hooks."""
    calls = []

    @task(cache_policy=INPUTS)
    def load(day):
        calls.append(day)

    with pytest.raises(KeyError), transaction():  # noqa: PT012
        load(1)
        raise KeyError
    load(1)
    load(1)

    assert calls == [1, 1]


def test_the_store_knows_what_was_taken_back(make, home):
    """A task run that was rolled back stays Completed, with a note that says so."""
    with pytest.raises(KeyError), transaction():  # noqa: PT012
        make("a")()
        raise KeyError

    home.recorder.flush()
    (record,) = home.store.records()
    assert record.state.is_completed()
    assert record.run.details["rolled_back"] is True


# Keys.


def test_a_key_is_done_once():
    """A transaction with a key begins as committed once one with the key was."""
    for expected in ([False, None], [True, {"rows": 1}]):
        with transaction(key="july") as txn:
            record = txn.read()
            assert [txn.is_committed(), record and record.result] == expected
            if not txn.is_committed():
                txn.stage({"rows": 1})
                assert txn.is_staged()


def test_what_was_rolled_back_is_not_kept():
    """The value of a transaction that was taken back is not there the next time."""
    with pytest.raises(KeyError), transaction(key="july") as txn:  # noqa: PT012
        txn.stage(1)
        raise KeyError

    with transaction(key="july") as txn:
        assert not txn.is_committed()


def test_a_key_can_be_done_again():
    """`overwrite` begins anew and replaces the value; `write_on_commit=False` keeps none."""
    with transaction(key="july") as txn:
        txn.stage(1)
    with transaction(key="july", overwrite=True) as txn:
        assert not txn.is_committed()
        txn.stage(2)
    with transaction(key="july", overwrite=True, write_on_commit=False) as txn:
        txn.stage(3)

    assert transaction_value("july") == 2


def transaction_value(key):
    with transaction(key=key) as txn:
        return txn.read().result


def test_serializable_transactions_wait_for_each_other():
    """Of transactions with one key, SERIALIZABLE ones run one after the other."""
    at_once, most = [], []

    def once(_):
        with transaction(
            key="july", isolation_level=IsolationLevel.SERIALIZABLE
        ) as txn:
            at_once.append(1)
            most.append(len(at_once))
            if not txn.is_committed():
                txn.stage(len(most))
            at_once.pop()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(once, range(8)))

    assert max(most) == 1
    assert transaction_value("july") == 1


def test_async_serializable_transactions_wait_for_each_other():
    """Coroutines wait for a key in the event loop, which goes on meanwhile."""
    told = []

    async def once():
        level = IsolationLevel.SERIALIZABLE
        async with atransaction(key="july", isolation_level=level) as txn:
            told.append("in")
            await asyncio.sleep(0.01)
            told.append("out")
            assert await txn.read() is None
            await txn.rollback()

    async def main():
        await asyncio.gather(once(), once())

    asyncio.run(main())

    assert told == ["in", "out"] * 2


def test_a_key_within_itself_does_not_wait():
    """A SERIALIZABLE transaction within one of the same key does not wait for itself."""
    level = IsolationLevel.SERIALIZABLE

    with transaction(key="july", isolation_level=level), transaction(key="july") as txn:
        assert txn.isolation_level is level

    async def main():
        async with (
            atransaction(key="june", isolation_level=level),
            atransaction(key="june") as txn,
        ):
            assert txn.isolation_level is level

    asyncio.run(main())


# Async code.


def test_async_hooks_are_awaited_in_the_loop(told):
    """In `atransaction` async hooks are awaited, in the loop that runs the block."""

    @task
    async def a():
        return 1

    @a.on_rollback
    async def undo(txn):
        await asyncio.sleep(0)
        told.append(("undo", asyncio.get_running_loop() is loop))

    @a.on_commit
    def keep(txn):
        told.append("keep")

    async def main():
        nonlocal loop
        loop = asyncio.get_running_loop()
        async with atransaction() as txn:
            await a()
        assert txn.is_committed()
        async with atransaction(key="a", isolation_level="SERIALIZABLE") as txn:
            await a()
            assert await txn.rollback()
            assert await txn.read() is None

    loop = None
    asyncio.run(main())

    assert told == ["keep", ("undo", True)]


def test_plain_code_waits_for_async_hooks(told):
    """In a plain transaction an async hook is run to its end before the block is left."""

    @task
    def a():
        return 1

    @a.on_commit
    async def keep(txn):
        await asyncio.sleep(0)
        told.append("keep")

    with transaction():
        a()

    assert told == ["keep"]


# Odds and ends.


def test_a_transaction_is_entered_once():
    """A transaction that has begun cannot begin again."""
    txn = Transaction()
    assert txn.is_pending()
    with txn:
        assert txn.is_active()
        assert Transaction.get_active() is txn

    with pytest.raises(RuntimeError, match="entered once"), txn:
        pass
    assert get_transaction() is None
    assert repr(txn) == "<Transaction: COMMITTED>"


def test_who_uses_no_transaction_does_not_load_them(script):
    """A program without transactions pays nothing for them."""
    program = script(
        """
        import sys
        from nborch import flow, task

        @task
        def inc(n):
            return n + 1

        @flow
        def pipeline():
            return inc(1)

        pipeline()
        print([name for name in sys.modules if name.startswith("nborch.transactions")])
        """
    )

    out, err = program.communicate(timeout=60)

    assert out.strip() == "[]", err
