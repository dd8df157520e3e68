"""The way to concurrency limits: ask for slots, at once or in turn."""

import itertools
import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from nborch.exceptions import ConcurrencySlotAcquisitionError
from nborch.leasing import is_alive
from nborch.limits.keeping import Keeper, Lease
from nborch.limits.queues import Turn
from nborch.slots import Claim
from nborch.store.limits import SQLiteLimits
from nborch.store.slots import SlotTransaction

__all__ = ["Limits"]

#: Seconds that the names of all limits are remembered for tasks with tags.
MEMORY = 1.0


class Limits:
    """Take and give back the slots of the concurrency limits in a store.

    >>> import tempfile
    >>> from nborch.store.sqlite import SQLiteStore
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = SQLiteLimits(SQLiteStore(Path(folder) / "nborch.db"))
    ...     limits = Limits(store, Path(folder), lambda: "host:1:a")
    ...     limits.store.put("external-api", 1)
    ...     lease = limits.acquire(limits.claim(["external-api"]))
    ...     limits.acquire(limits.claim(["external-api"])) is None
    ...     lease.release()
    ...     limits.close()
    True
    True

    Parameters
    ----------
    processes
        The folder with the lock files of processes.
    process
        Returns the name of this process.
    clock
        Returns the time in seconds that all processes agree on.
    """

    def __init__(
        self,
        store: SQLiteLimits,
        processes: Path,
        process: Callable[[], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self._processes = processes
        self._process = process
        self._clock = clock
        self._keeper = Keeper(self._transaction, self._look, store.version)
        self._numbers = itertools.count(1)
        self._known: tuple[float, int, frozenset[str]] = (0.0, -1, frozenset())

    def for_tags(self, tags: Collection[str]) -> tuple[str, ...]:
        """Return those of the tags that are limits, as of a second ago at most."""
        if not tags:
            return ()
        until, edition, names = self._known
        now = time.monotonic()
        if now > until or edition != self.store.edition:
            edition = self.store.edition
            names = self.store.names()
            self._known = (now + MEMORY, edition, names)
        return tuple(sorted(names.intersection(tags))) if names else ()

    def claim(  # noqa: PLR0913  # what `concurrency` lets one say, by name
        self,
        names: Iterable[str],
        occupy: int = 1,
        *,
        holder: Mapping[str, Any] | None = None,
        owner: object = None,
        is_rate: bool = False,
        strict: bool = False,
        lease_duration: float = 300.0,
    ) -> Claim:
        """Return a claim for `acquire` or `ask`.

        Parameters
        ----------
        holder
            Whom to show to those who ask who has the slots: a ``type`` and an ``id``.
        owner
            Who cannot give back anything while waiting, such as a thread: a claim
            that would wait for itself is refused.
        """
        return Claim(
            id=f"{self._process()}/{next(self._numbers)}",
            names=tuple(dict.fromkeys(names)),
            slots=occupy,
            is_rate=is_rate,
            strict=strict,
            lasts=lease_duration,
            holder=holder or {},
            owner=owner,
            owned={} if owner is None else self._owned(owner),
        )

    def acquire(self, claim: Claim) -> Lease | None:
        """Take the slots if they are free and nobody waits for them, at once.

        Raises
        ------
        ConcurrencySlotAcquisitionError
            No waiting would help.
        """
        lease = self._keeper.hold(claim)
        if lease is None:
            return None
        try:
            with self._transaction() as slots:
                answer = slots.take(claim)
        except BaseException:
            # NB. An interrupt leaves it open whether they were taken.
            self._keeper.abandon(lease)
            raise
        lease.names = answer.known
        if answer.seconds or claim.is_rate or not answer.known:
            self._keeper.forget(lease)
        return None if answer.seconds else lease

    def ask(self, claim: Claim) -> Turn:
        """Return a future for the lease, which has its turn behind those before it.

        ``turn.result(timeout)`` waits in a thread, ``asyncio.wrap_future(turn)`` in an
        event loop, and ``turn.add_done_callback`` nowhere. Who no longer wants the
        slots calls `withdraw`.
        """
        from concurrent.futures import Future

        turn: Turn = Future()
        lease = self.acquire(claim)
        if lease is None:
            self._keeper.wait(claim, turn)
        else:
            turn.set_result(lease)
        return turn

    def withdraw(self, turn: Turn) -> None:
        """Leave the queue, or give back what was granted in the last moment."""
        if turn.cancel():
            self._keeper.ring()
        elif turn.exception() is None:
            turn.result().release()

    def reap(self) -> None:
        """Free the slots of dead processes."""
        names = json.dumps(sorted(self.store.names()))
        with self._transaction() as slots:
            slots.end_leases(names)

    def close(self) -> None:
        """Let nobody wait any longer, and close the store."""
        self._keeper.close(
            ConcurrencySlotAcquisitionError(
                f"The folder {str(self._processes.parent)!r} was closed while "
                "something waited for a concurrency limit in it."
            )
        )
        self.store.close()

    def _transaction(self) -> AbstractContextManager[SlotTransaction]:
        return self.store.turn(self._process(), self._is_gone, self._clock)

    def _look(self) -> AbstractContextManager[SlotTransaction]:
        return self.store.look(self._process(), self._is_gone, self._clock)

    def _is_gone(self, process: str, until: float) -> bool:
        """Tell whether what a process holds until a time is anybody's again."""
        own = self._process()
        if process == own:
            return False
        if process.partition(":")[0] == own.partition(":")[0]:
            return not is_alive(self._processes, process)
        return until < self._clock()

    def _owned(self, owner: object) -> dict[str, int]:
        """Return the slots by name that `owner` has already."""
        owned: dict[str, int] = {}
        for lease in self._keeper.leases():
            if lease.claim.owner == owner:
                for name in lease.names:
                    owned[name] = owned.get(name, 0) + lease.claim.slots
        return owned
