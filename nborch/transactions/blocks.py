"""The blocks of transactions, plain and async, and the one that code is part of."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

from nborch.cache.base import ResultStore
from nborch.context import RunContext, current_run, current_transaction
from nborch.logs import run_logger
from nborch.runs import RunKind
from nborch.settling import elsewhere, finished, here
from nborch.transactions.base import BaseTransaction
from nborch.transactions.modes import (
    CommitMode,
    IsolationLevel,
    ResultRecord,
    TransactionState,
)

__all__ = [
    "AsyncTransaction",
    "Transaction",
    "atransaction",
    "enclosing_transaction",
    "get_transaction",
    "own_transaction",
    "transaction",
]

#: Seconds between two tries to get the key of an async transaction.
TURN = 0.05


class Transaction(BaseTransaction):
    """A transaction for plain code; `transaction` makes one.

    >>> with Transaction() as txn:
    ...     txn.set("path", "/tmp/rows")
    >>> txn.is_committed()
    True
    """

    def __enter__(self) -> Self:
        self.prepare(get_transaction())
        claim = self.to_claim()
        if claim is not None:
            store, key = claim
            self.held.enter_context(store.claim(key))
        self.look()
        self.enter()
        return self

    def __exit__(self, kind: object, error: BaseException | None, at: object) -> None:
        finished(self.leave(error, elsewhere))

    def commit(self) -> bool:
        """Make it final now; return False if it has ended already."""
        return bool(finished(self.commit_with(elsewhere)))

    def rollback(self) -> bool:
        """Take it back now; return False if it has ended already."""
        return bool(finished(self.roll_back_with(elsewhere)))

    def read(self) -> ResultRecord | None:
        """Return what was kept under its key, if anything was."""
        return self.read_kept()


class AsyncTransaction(BaseTransaction):
    """A transaction for async code, with async hooks; `atransaction` makes one."""

    async def __aenter__(self) -> Self:
        self.prepare(get_transaction())
        claim = self.to_claim()
        if claim is not None:
            await self._claimed(*claim)
        self.look()
        self.enter()
        return self

    async def _claimed(self, store: ResultStore, key: str) -> None:
        import asyncio

        while not self.held.enter_context(store.claim(key, 0)):
            self.held.close()
            await asyncio.sleep(TURN)

    async def __aexit__(
        self, kind: object, error: BaseException | None, at: object
    ) -> None:
        await self.leave(error, here)

    async def commit(self) -> bool:
        """Make it final now; return False if it has ended already."""
        return await self.commit_with(here)

    async def rollback(self) -> bool:
        """Take it back now; return False if it has ended already."""
        return await self.roll_back_with(here)

    async def read(self) -> ResultRecord | None:
        """Return what was kept under its key, if anything was."""
        return self.read_kept()


@contextmanager
def transaction(  # noqa: PLR0913, PLR0917  # as in Prefect
    key: str | None = None,
    store: ResultStore | None = None,
    commit_mode: CommitMode | None = None,
    isolation_level: IsolationLevel | None = None,
    overwrite: bool = False,  # noqa: FBT001, FBT002  # as in Prefect
    write_on_commit: bool = True,  # noqa: FBT001, FBT002  # as in Prefect
    logger: Any = None,
) -> Iterator[Transaction]:
    """Run a block as one: all that its tasks did is final, or taken back.

    >>> with transaction() as txn:
    ...     txn.set("rows", [1, 2])
    ...     txn.get("rows")
    [1, 2]

    Parameters
    ----------
    key, store, commit_mode, isolation_level, overwrite, write_on_commit, logger
        As for `BaseTransaction`.
    """
    with Transaction(
        key=key,
        store=store,
        commit_mode=commit_mode,
        isolation_level=isolation_level,
        overwrite=overwrite,
        write_on_commit=write_on_commit,
        logger=logger,
    ) as txn:
        yield txn


@asynccontextmanager
async def atransaction(  # noqa: PLR0913, PLR0917  # as in Prefect
    key: str | None = None,
    store: ResultStore | None = None,
    commit_mode: CommitMode | None = None,
    isolation_level: IsolationLevel | None = None,
    overwrite: bool = False,  # noqa: FBT001, FBT002  # as in Prefect
    write_on_commit: bool = True,  # noqa: FBT001, FBT002  # as in Prefect
    logger: Any = None,
) -> AsyncIterator[AsyncTransaction]:
    """Do for async code what `transaction` does; async hooks are awaited."""
    async with AsyncTransaction(
        key=key,
        store=store,
        commit_mode=commit_mode,
        isolation_level=isolation_level,
        overwrite=overwrite,
        write_on_commit=write_on_commit,
        logger=logger,
    ) as txn:
        yield txn


def get_transaction() -> BaseTransaction | None:
    """Return the transaction that this code is part of, if any.

    In a task that is the task's own: what is `set` there is for the task's hooks.
    """
    active: BaseTransaction | None = current_transaction.get()
    context = current_run.get()
    if context is None or context.run.kind is not RunKind.TASK:
        return active
    if active is not None and active.run is context:
        return active
    return own_transaction(context)


def own_transaction(context: RunContext) -> BaseTransaction:
    """Return the transaction that a task run itself is, made at first use."""
    if context.transaction is None:
        own = Transaction(logger=run_logger(context))
        own.run = context
        own.parent = enclosing_transaction(context)
        own.inherit(own.parent)
        own.state = TransactionState.ACTIVE
        context.transaction = own
    made: BaseTransaction = context.transaction
    return made


def enclosing_transaction(context: RunContext) -> BaseTransaction | None:
    """Return the transaction that a task run is part of, if any.

    That is the one in whose block it was called, or the own one of the task that
    called it, whichever is nearer.
    """
    active: BaseTransaction | None = current_transaction.get()
    if active is not None and active.run is context:
        active = active.get_parent()
    above = context.parent
    while above is not None and (active is None or above is not active.run):
        # A cell, or a task in another process, has nobody here who would end it.
        if above.run.kind is RunKind.TASK and above.owner is not None:
            return own_transaction(above)
        above = above.parent
    return active
