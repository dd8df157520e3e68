"""Keeping slots: a thread renews what is held and serves those who wait."""

import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from math import inf
from queue import Empty, SimpleQueue

from nborch.exceptions import StoreError
from nborch.limits.queues import Queues, Served, Turn
from nborch.slots import Claim
from nborch.store.slots import SlotTransaction

__all__ = ["Keeper", "Lease"]

#: Seconds between two looks for what others gave back: at first, and at most.
SHORTEST_NAP, LONGEST_NAP = 0.001, 0.02
#: Seconds between two looks that are taken though nobody has written anything: the
#: death of a process writes nothing.
LOOK = 0.2
#: The part of a lease's time after which it is renewed.
RENEWAL = 1 / 3
#: Seconds between tries while the store cannot be written.
RETRY = 1.0

Opener = Callable[[], AbstractContextManager[SlotTransaction]]


class Lease:
    """Slots that this process has taken, until `release`.

    A lease that nobody refers to any more, because an interrupt came between taking
    and using it, is released by itself.

    Attributes
    ----------
    names
        The limits that it has slots of; none before they are taken, and none if no
        such limits exist.
    is_lost
        Somebody else was given the slots: the limit was reset, or this process was
        not heard of for longer than its lease.
    """

    __slots__ = ("__weakref__", "_keeper", "claim", "is_lost", "is_over", "names")

    def __init__(self, keeper: "Keeper", claim: Claim) -> None:
        self._keeper = keeper
        self.claim = claim
        self.names: tuple[str, ...] = ()
        self.is_lost = False
        self.is_over = False

    @property
    def unknown(self) -> list[str]:
        """The names that were asked for and are no limits."""
        return [name for name in self.claim.names if name not in self.names]

    def release(self) -> None:
        """Give the slots back; a second call does nothing, nor a forked child's."""
        self._keeper.release(self)


class Keeper:
    """Keep the leases of this process, and those who wait for one.

    Parameters
    ----------
    transaction
        Opens a transaction on the slots.
    look
        Opens the slots for reading only.
    version
        Returns a number that changes when another process may have freed slots.
    """

    def __init__(
        self, transaction: Opener, look: Opener, version: Callable[[], int]
    ) -> None:
        self._transaction = transaction
        self._look = look
        self._version = version
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        """Start empty: at first, after closing, and in the child of a fork."""
        self._lock = threading.Lock()
        self._queues = Queues()
        self._held: dict[str, weakref.ref[Lease]] = {}
        # A claim has slots that nobody refers to any more; None only says: look.
        # NB. Its put() may interrupt itself, which the end of an object may do.
        self._bell: SimpleQueue[Claim | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._renew_at = inf
        self._look_at = 0.0
        self._nap = SHORTEST_NAP
        self._seen_version = -1

    def hold(self, claim: Claim) -> Lease | None:
        """Return the lease that is to be, unless others wait for the same slots.

        NB. It is known before the slots are taken, so that an interrupt between the
        two loses nothing.
        """
        with self._lock:
            if self._queues.has_one_for(claim):
                return None
            return self._hold(claim)

    def forget(self, lease: Lease) -> None:
        """Forget a lease that has no slots to give back."""
        self._held.pop(lease.claim.id, None)

    def abandon(self, lease: Lease) -> None:
        """Give back what a lease may have, later."""
        self._bell.put(lease.claim)

    def release(self, lease: Lease) -> None:
        """Give the slots of a lease back, if it is ours and has any."""
        if lease.claim.id not in self._held:
            return
        try:
            with self._transaction() as slots:
                lease.is_over = True
                if not slots.give_back(lease.claim, lease.names):
                    lease.is_lost = True
        except StoreError:
            # The user's code is through; the thread tries again.
            self.abandon(lease)
        self.forget(lease)
        if self._queues:
            self.ring()

    def wait(self, claim: Claim, turn: Turn) -> None:
        """Let a claim wait for its turn."""
        with self._lock:
            self._queues.add(claim, turn)
            self._start()
        self.ring()

    def ring(self) -> None:
        """Make the thread look whose turn it is."""
        self._bell.put(None)

    def leases(self) -> list[Lease]:
        """Return the leases of this process."""
        found = [reference() for reference in list(self._held.values())]
        return [lease for lease in found if lease is not None]

    def close(self, error: Exception) -> None:
        """Stop; whoever waits gets the error."""
        thread = self._thread
        if thread is not None:
            self._closing = True
            self.ring()
            thread.join()
        with self._lock:
            waiting = self._queues.dissolve()
        self._deliver([(claim, turn, error) for claim, turn in waiting])
        self._reset()

    def _hold(self, claim: Claim) -> Lease:
        lease, bell = Lease(self, claim), self._bell
        self._held[claim.id] = weakref.ref(lease, lambda _: bell.put(claim))
        due = time.monotonic() + claim.lasts * RENEWAL
        if due < self._renew_at:
            self._renew_at = due
            bell.put(None)
        self._start()
        return lease

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._work, name="nborch-limits", daemon=True
            )
            self._thread.start()

    def _work(self) -> None:
        owed: list[Claim] = []
        while not self._closing:
            rang = self._listen(owed)
            if owed:
                self._give_back(owed)
            if time.monotonic() >= self._renew_at:
                self._renew()
            if self._queues:
                self._serve(rang)

    def _listen(self, owed: list[Claim]) -> bool:
        """Wait until there is something to do; tell whether somebody rang."""
        due = self._renew_at - time.monotonic()
        if self._queues:
            due = min(due, self._nap, self._look_at - time.monotonic())
        elif owed:
            due = min(due, RETRY)
        rang = False
        with suppress(Empty):
            message = self._bell.get(timeout=None if due == inf else max(0.0, due))
            rang = True
            while True:
                if message is not None:
                    owed.append(message)
                message = self._bell.get_nowait()
        return rang

    def _give_back(self, owed: list[Claim]) -> None:
        # What cannot be given back now is given back later.
        with suppress(StoreError):
            with self._transaction() as slots:
                for claim in owed:
                    slots.give_back(claim, claim.names)
            for claim in owed:
                self._held.pop(claim.id, None)
            owed.clear()

    def _renew(self) -> None:
        now = time.monotonic()
        with self._lock:
            leases = self.leases()
            lasts = min((lease.claim.lasts for lease in leases), default=inf)
            self._renew_at = now + lasts * RENEWAL
        try:
            with self._transaction() as slots:
                for lease in leases:
                    if not lease.is_over and not slots.renew(lease.claim, lease.names):
                        lease.is_lost = True
        except StoreError:
            self._renew_at = min(self._renew_at, now + RETRY)

    def _serve(self, rang: bool) -> None:  # noqa: FBT001  # it is what _listen() said
        """Grant what can be granted now, if anything may have changed."""
        served: list[Served] = []
        try:
            version = self._version()
            is_changed = version != self._seen_version
            self._nap = SHORTEST_NAP if rang or is_changed else self._longer_nap()
            if not rang and not is_changed and time.monotonic() < self._look_at:
                return
            self._seen_version = version
            if not rang and time.monotonic() < self._look_at and not self._is_free():
                return
            with self._lock, self._transaction() as slots:
                seconds = self._queues.serve(slots, served)
        except Exception as error:  # noqa: BLE001  # who waits is told, in his thread
            with self._lock:
                waiting = self._queues.dissolve()
            everybody = [*((claim, turn) for claim, turn, _ in served), *waiting]
            served = [(claim, turn, error) for claim, turn in everybody]
            seconds = inf
        self._look_at = time.monotonic() + min(LOOK, seconds)
        self._deliver(served)

    def _is_free(self) -> bool:
        with self._lock, self._look() as slots:
            return self._queues.is_any_free(slots)

    def _longer_nap(self) -> float:
        return min(self._nap * 1.5, LONGEST_NAP)

    def _deliver(self, served: Sequence[Served]) -> None:
        for claim, turn, outcome in served:
            if isinstance(outcome, Exception):
                if turn.set_running_or_notify_cancel():
                    turn.set_exception(outcome)
                continue
            with self._lock:
                lease = self._hold(claim)
            lease.names = outcome
            if claim.is_rate or not outcome:
                self.forget(lease)
            if turn.set_running_or_notify_cancel():
                turn.set_result(lease)
            else:
                lease.release()


_all: weakref.WeakSet[Keeper] = weakref.WeakSet()


def _start_over_in_child() -> None:
    # What is held and who waits is the parent's, and so was the thread.
    for keeper in _all:
        keeper._reset()  # noqa: SLF001  # its own module


os.register_at_fork(after_in_child=_start_over_in_child)
