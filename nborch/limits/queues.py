"""Who waits for slots in this process: first come, first served."""

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any, Protocol

from nborch.exceptions import ConcurrencySlotAcquisitionError
from nborch.slots import Claim
from nborch.store.slots import PATIENCE, SlotTransaction

__all__ = ["Queues", "Served", "Turn"]


class Turn(Protocol):
    """A future for a lease: the part of `concurrent.futures.Future` that is used.

    Its module is imported by those who wait, not by all who declare a task.
    """

    def result(self, timeout: float | None = None) -> Any:
        """Return the lease, when the turn has come."""

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return why the turn never comes, if so."""

    def done(self) -> bool:
        """Tell whether there is nothing to wait for any more."""

    def add_done_callback(self, fn: Callable[[Any], object]) -> None:
        """Call `fn` when the turn has come, in the thread that found it out."""

    def cancel(self) -> bool:
        """Leave the queue; false if the turn has come."""

    def cancelled(self) -> bool:
        """Tell whether it has left the queue."""

    def set_running_or_notify_cancel(self) -> bool:
        """Let the turn come, unless it has left the queue."""

    def set_result(self, result: Any) -> None:
        """Hand over the lease."""

    def set_exception(self, exception: BaseException | None) -> None:
        """Say why the turn never comes."""


#: A turn that has come: the names that are limits, or why it never will.
Served = tuple[Claim, Turn, tuple[str, ...] | Exception]

#: Seconds between two signs that a process still waits.
SIGN = PATIENCE / 4


class Queues:
    """Keep claims in the order they were made, a queue for each set of limits.

    Only the first of each queue has a ticket in the store, so that ten thousand
    waiting tasks cost the other processes no more than one, and processes take turns.
    """

    def __init__(self) -> None:
        self._queues: dict[tuple[bool, tuple[str, ...]], _Queue] = {}

    def __bool__(self) -> bool:
        return bool(self._queues)

    def has_one_for(self, claim: Claim) -> bool:
        """Tell whether somebody waits for the same slots already."""
        return (claim.is_rate, claim.names) in self._queues

    def add(self, claim: Claim, turn: Turn) -> None:
        """Let a claim wait behind those like it."""
        key = claim.is_rate, claim.names
        if key not in self._queues:
            self._queues[key] = _Queue(claim.names)
        self._queues[key].waiting.append((claim, turn))

    def is_any_free(self, slots: SlotTransaction) -> bool:
        """Tell whether `serve` is worth a transaction."""
        return any(queue.is_free(slots) for queue in self._queues.values())

    def serve(self, slots: SlotTransaction, served: list[Served]) -> float:
        """Put those whose turn has come on `served`; return how long others wait.

        Infinity says that somebody must give slots back first.
        """
        by_ticket = sorted(self._queues.values(), key=lambda each: each.ticket or inf)
        seconds = min((queue.serve(slots, served) for queue in by_ticket), default=inf)
        self._queues = {key: each for key, each in self._queues.items() if each.waiting}
        return seconds

    def dissolve(self) -> list[tuple[Claim, Turn]]:
        """Return everybody who waits, and forget them."""
        queues, self._queues = self._queues, {}
        return [each for queue in queues.values() for each in queue.waiting]


class _Queue:
    """Claims for the same limits, of which the first has a ticket."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.waiting: deque[tuple[Claim, Turn]] = deque()
        self.ticket: int | None = None
        self._seen = 0.0

    def is_free(self, slots: SlotTransaction) -> bool:
        claim, turn = self.waiting[0]
        return turn.cancelled() or slots.is_free(claim, self.ticket)

    def serve(self, slots: SlotTransaction, served: list[Served]) -> float:
        while self.waiting:
            claim, turn = self.waiting[0]
            if not turn.cancelled():
                try:
                    answer = slots.take(claim, self.ticket)
                except ConcurrencySlotAcquisitionError as error:
                    served.append((claim, turn, error))
                else:
                    if answer.seconds:
                        self._stay(slots)
                        return answer.seconds
                    served.append((claim, turn, answer.known))
                # The next one has not waited as long, there may be others before it.
                self._leave(slots)
            self.waiting.popleft()
        self._leave(slots)
        return inf

    def _stay(self, slots: SlotTransaction) -> None:
        if self.ticket is None or abs(slots.now - self._seen) > SIGN:
            self.ticket = slots.queue_up(self.names, self.ticket)
            self._seen = slots.now

    def _leave(self, slots: SlotTransaction) -> None:
        if self.ticket is not None:
            slots.leave_queue(self.ticket)
            self.ticket = None
