"""What plain and async transactions have in common: values, parts, and how they end."""

import inspect
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from contextvars import Token
from copy import deepcopy
from typing import Any

from nborch.annotations import NotSet
from nborch.cache.base import ResultStore
from nborch.context import RunContext, current_run, current_transaction
from nborch.events import noted
from nborch.home import current_home
from nborch.logs import get_logger, run_logger
from nborch.settling import Settle
from nborch.transactions.modes import (
    CommitMode,
    IsolationLevel,
    ResultRecord,
    TransactionState,
)

__all__ = ["BaseTransaction"]

Hook = Callable[[Any], object]

#: The one part of the entry of a transaction, as of a call.
PART = "result"
_ENDED = frozenset({TransactionState.COMMITTED, TransactionState.ROLLED_BACK})


class BaseTransaction:
    """What plain and async transactions have in common.

    Parameters
    ----------
    key
        A name for what is done: who commits first keeps the staged value under it,
        and later transactions with this key begin as committed.
    store
        Where values are kept: the result cache of the home if not given.
    commit_mode
        When what was staged becomes final; as in the transaction around it, or at the
        end of the block, if not given.
    isolation_level
        What transactions with this key see of each other; as in the one around it if
        not given.
    overwrite
        Begin anew and replace what was kept under the key.
    write_on_commit
        Whether the staged value is kept at all.
    logger
        Tells which hooks are called; that of the current run if not given.
    """

    def __init__(  # noqa: PLR0913  # as in Prefect
        self,
        *,
        key: str | None = None,
        store: ResultStore | None = None,
        commit_mode: CommitMode | None = None,
        isolation_level: IsolationLevel | None = None,
        overwrite: bool = False,
        write_on_commit: bool = True,
        logger: Any = None,
    ) -> None:
        self.key = key
        self.store = store
        self.commit_mode = commit_mode and CommitMode(commit_mode)
        self.isolation_level = isolation_level and IsolationLevel(isolation_level)
        self.overwrite = overwrite
        self.write_on_commit = write_on_commit
        self.logger = logger
        self.state = TransactionState.PENDING
        self.children: list[BaseTransaction] = []
        self.on_commit_hooks: list[Hook] = []
        self.on_rollback_hooks: list[Hook] = []
        #: The run whose code it is part of; of a task's own, the task run.
        self.run: RunContext | None = None
        self.parent: BaseTransaction | None = None
        self._values: dict[str, Any] = {}
        self._staged: Any = None
        self.forgets: tuple[ResultStore, str] | None = None
        self.held = ExitStack()
        self._token: Token[BaseTransaction | None] | None = None
        self._lock = threading.Lock()
        self._fate: TransactionState | None = None

    def set(self, name: str, value: Any) -> None:
        """Keep a value for the transaction's hooks and for the parts within it."""
        self._values[name] = value

    def get(self, name: str, default: Any = NotSet) -> Any:
        """Return a copy of a value that was `set` here or in a transaction around.

        Raises
        ------
        ValueError
            There is none, and no default.
        """
        if name in self._values:
            return deepcopy(self._values[name])
        if self.parent is not None:
            return self.parent.get(name, default)
        if default is not NotSet:
            return default
        raise ValueError(
            f"The transaction has no value {name!r}. Set it with "
            f"transaction.set({name!r}, ...), or give get() a default."
        )

    def is_pending(self) -> bool:
        """Tell whether it has not begun."""
        return self.state is TransactionState.PENDING

    def is_active(self) -> bool:
        """Tell whether its block is being executed, with nothing staged."""
        return self.state is TransactionState.ACTIVE

    def is_staged(self) -> bool:
        """Tell whether a value waits for the commit."""
        return self.state is TransactionState.STAGED

    def is_committed(self) -> bool:
        """Tell whether it is final, here or by an earlier one with its key."""
        return self.state is TransactionState.COMMITTED

    def is_rolled_back(self) -> bool:
        """Tell whether it has been taken back."""
        return self.state is TransactionState.ROLLED_BACK

    def get_parent(self) -> "BaseTransaction | None":
        """Return the transaction that it is part of, if any."""
        return self.parent

    @classmethod
    def get_active(cls) -> "BaseTransaction | None":
        """Return the transaction whose block is being executed here, if any."""
        active: BaseTransaction | None = current_transaction.get()
        return active

    def stage(
        self,
        value: Any,
        on_rollback_hooks: Sequence[Hook] | None = None,
        on_commit_hooks: Sequence[Hook] | None = None,
    ) -> None:
        """Give it the value to keep at the commit, and hooks to call.

        >>> from nborch.transactions import transaction
        >>> with transaction() as txn:
        ...     txn.stage(42, on_commit_hooks=[lambda txn: print("final")])
        final
        """
        if self.state in _ENDED:
            return
        self._staged = value
        self.on_rollback_hooks += on_rollback_hooks or ()
        self.on_commit_hooks += on_commit_hooks or ()
        self.state = TransactionState.STAGED

    # Beginning.

    def prepare(self, parent: "BaseTransaction | None") -> None:
        """Become part of another one; for the block that enters it."""
        if self._token is not None or self.state is not TransactionState.PENDING:
            raise RuntimeError(
                "A transaction is entered once. Make another one for another block."
            )
        self.parent = parent
        self.run = current_run.get()
        self.inherit(parent)
        if self.logger is None:
            self.logger = (
                run_logger(self.run) if self.run else get_logger("transactions")
            )
        if self.key and self.store is None:
            self.store = (self.run.home if self.run else current_home()).cache
        self.state = TransactionState.ACTIVE

    def inherit(self, parent: "BaseTransaction | None") -> None:
        """Take what was not given from the transaction around it."""
        if self.commit_mode is None:
            self.commit_mode = (parent and parent.commit_mode) or CommitMode.LAZY
        if self.isolation_level is None:
            level = parent and parent.isolation_level
            self.isolation_level = level or IsolationLevel.READ_COMMITTED

    def _digest(self) -> str | None:
        # Who gives no key need not load what makes one of it (law 7).
        from nborch.cache.keys import digest

        return digest("transaction", self.key) if self.key else None

    def to_claim(self) -> tuple[ResultStore, str] | None:
        """Return the key that no other may hold while this one goes on, if any."""
        if self.isolation_level is not IsolationLevel.SERIALIZABLE:
            return None
        around = self.parent
        while around is not None:
            if (
                around.key == self.key
                and around.isolation_level is self.isolation_level
            ):
                # NB. Waiting for it here would be waiting for oneself.
                return None
            around = around.parent
        told = self._digest()
        return None if told is None or self.store is None else (self.store, told)

    def look(self) -> None:
        """See whether an earlier one with the key was committed."""
        if self.overwrite or self.store is None or not self.key:
            return
        told = self._digest()
        if told is not None and self.store.lookup(told) is not None:
            self.state = self._fate = TransactionState.COMMITTED

    def read_kept(self) -> ResultRecord | None:
        """Return what was kept under its key, if anything was."""
        told = self._digest()
        if told is None or self.store is None or self.key is None:
            return None
        entry = self.store.lookup(told)
        return None if entry is None else ResultRecord(self.key, entry.load(PART))

    def enter(self) -> None:
        """Become the transaction of the code that follows."""
        self._token = current_transaction.set(self)

    # Ending: written once, for plain and async transactions.

    async def leave(self, error: BaseException | None, settle: Settle) -> None:
        """End the block."""
        if self._token is not None:
            current_transaction.reset(self._token)
            self._token = None
        if error is not None:
            await self.roll_back_with(settle)
            if self.parent is not None:
                # A part that was taken back takes the whole with it.
                await self.parent.roll_back_with(settle)
            return
        await self.end(settle)

    async def end(self, settle: Settle) -> None:
        """Commit it, or leave that to the one around it."""
        if self.commit_mode is CommitMode.EAGER:
            await self.commit_with(settle)
        parent = self.parent
        if parent is None:
            is_off = self.commit_mode is CommitMode.OFF
            fate = (
                TransactionState.ROLLED_BACK if is_off else TransactionState.COMMITTED
            )
        elif self.state is TransactionState.ROLLED_BACK:
            fate = TransactionState.ROLLED_BACK
            await parent.roll_back_with(settle)
        else:
            told = parent.adopt(self)
            if told is None:
                return
            fate = told
        # The one around it may have ended already: a submitted task is late.
        if fate is TransactionState.COMMITTED:
            await self.commit_with(settle)
        else:
            await self.roll_back_with(settle)

    def adopt(self, child: "BaseTransaction") -> TransactionState | None:
        """Take a part to be ended together; return the fate if that has been sealed."""
        with self._lock:
            if self._fate is None:
                self.children.append(child)
            return self._fate

    def _seal(self, fate: TransactionState) -> bool:
        """Decide how it ends; return False if that has been decided."""
        with self._lock:
            if self._fate is not None:
                return False
            self._fate = fate
            return True

    async def commit_with(self, settle: Settle) -> bool:
        """Make it final, its parts first; return False if it has ended already."""
        if not self._seal(TransactionState.COMMITTED):
            self.held.close()
            return False
        try:
            for child in self.children:
                await child.commit_with(settle)
            for hook in self.on_commit_hooks:
                await self._call("Commit", hook, settle)
            self._keep()
        except Exception:  # noqa: BLE001  # logged by `_call`; the run goes on
            self._fate = None
            await self.roll_back_with(settle)
            return False
        finally:
            self.held.close()
        self.state = TransactionState.COMMITTED
        return True

    def _keep(self) -> None:
        told = self._digest() if self.key and self.write_on_commit else None
        if told is not None and self.store is not None:
            self.store.keep(told, {PART: self._staged}, label=str(self.key))

    async def roll_back_with(self, settle: Settle) -> bool:
        """Take it back, its last part first; return False if it has ended already."""
        if not self._seal(TransactionState.ROLLED_BACK):
            self.held.close()
            return False
        self.state = TransactionState.ROLLED_BACK
        try:
            for hook in reversed(self.on_rollback_hooks):
                # Logged by then; the others must run still.
                with suppress(Exception):
                    await self._call("Rollback", hook, settle)
            for child in reversed(self.children):
                await child.roll_back_with(settle)
            self._forget()
        finally:
            self.held.close()
        return True

    async def _call(self, kind: str, hook: Hook, settle: Settle) -> None:
        """Call a hook, and tell of it in the log."""
        name = getattr(hook, "__name__", repr(hook))
        self.logger.info("%s hook %r is called", kind, name)
        if self.run is not None:
            # What a hook has seen is on disk.
            self.run.home.recorder.flush()
        try:
            value = hook(self)
            if inspect.isawaitable(value):
                await settle(value)
        except Exception:
            self.logger.exception("%s hook %r raised", kind, name)
            raise

    def _forget(self) -> None:
        """Have a task's result computed again: its effects are not there any more."""
        if self.forgets is not None:
            cache, key = self.forgets
            cache.forget(key)
            self.forgets = None
        run = self.run
        if run is not None and run.transaction is self:
            run.record(noted(run.run.id, time.time(), {"rolled_back": True}))

    def __repr__(self) -> str:
        key = f" {self.key!r}" if self.key else ""
        return f"<{type(self).__name__}{key}: {self.state.value}>"
