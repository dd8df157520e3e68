"""How a submitted run waits without a worker, and gives its place to others."""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from nborch.awaiting import Awaiting
from nborch.exceptions import CancelledRun
from nborch.futures import Future
from nborch.lifecycle import Raised, Returned
from nborch.performing import OVERDUE, TURN, Arm, called
from nborch.settling import Settle, elsewhere
from nborch.task_runners.base import TaskRunner
from nborch.timers import call_later, interrupt

__all__ = ["Looping", "Park", "Parking", "Seat"]


class Park:
    """What a run awaits in order to wait without a worker."""

    __slots__ = ("arrange",)

    def __init__(self, arrange: Callable[[Callable[[], None]], None]) -> None:
        #: Sees to it that its argument is called when the run can go on.
        self.arrange = arrange

    def __await__(self) -> Generator["Park", None, None]:
        yield self


def _when_ended(futures: Sequence[Future[Any]], go_on: Callable[[], None]) -> None:
    """Call `go_on` once all of the futures have ended."""
    if not futures:
        go_on()
        return
    if len(futures) == 1:
        futures[0].on_end(lambda _: go_on())
        return
    # NB. Counted by pop(), which no two threads can do to one item.
    left = list(futures)

    def count(_: object) -> None:
        try:
            left.pop()
        except IndexError:
            go_on()

    for future in futures:
        future.on_end(count)
    count(None)


def _once_called(arm: Arm, go_on: Callable[[], None]) -> None:
    """Call `go_on` once: when what was armed is called, or when it is time."""
    once = [go_on]

    def tell() -> None:
        # NB. pop() lets one of the two through.
        with suppress(IndexError):
            once.pop()()

    call_later(OVERDUE if arm(tell) else TURN, tell)


class Parking:
    """Wait without a worker."""

    __slots__ = ("_is_stopped", "_thread", "function")

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self._is_stopped = False
        self._thread: int | None = None

    @property
    def owner(self) -> object:
        """Nothing: the run goes on in one thread and another."""
        return None

    @property
    def settle(self) -> Settle:
        """Await in a loop of its own."""
        return elsewhere

    async def call(self) -> Returned | Raised:
        """Call the user's function."""
        # NB. First: either `stop` sees the thread, or this sees that it was stopped.
        self._thread = threading.get_ident()
        try:
            return _stopped() if self._is_stopped else self._called()
        finally:
            self._thread = None

    def _called(self) -> Returned | Raised:
        return called(self.function)

    # Awaitable, but no coroutines: each would be memory for a run that waits.

    def sleep(self, seconds: float) -> Park:
        """Wait so many seconds."""
        return Park(partial(call_later, seconds))

    def until(self, futures: Sequence[Future[Any]]) -> Park:
        """Wait until all of the futures have ended."""
        return Park(partial(_when_ended, futures))

    def wait(self, arm: Arm) -> Park:
        """Wait until what was armed is called, or until it is time for a look."""
        return Park(partial(_once_called, arm))

    def stop(self) -> None:
        """Have the user's code end at the next line of Python that it executes."""
        self._is_stopped = True
        if self._thread is not None:
            self._interrupt(self._thread)

    def _interrupt(self, thread: int) -> None:
        interrupt(thread, CancelledRun)


class Looping(Parking):
    """Call an async function in an event loop of its own."""

    __slots__ = ("_cancel",)

    def __init__(self, function: Callable[[], Any]) -> None:
        super().__init__(function)
        self._cancel: Callable[[], object] | None = None

    def _called(self) -> Returned | Raised:
        import asyncio

        # Within a worker: no loop runs in this thread.
        return asyncio.run(self._awaited())

    async def _awaited(self) -> Returned | Raised:
        import asyncio

        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is not None:
            self._cancel = partial(loop.call_soon_threadsafe, task.cancel)
        outcome = await Awaiting(self.function).call()
        self._cancel = None
        if (
            self._is_stopped
            and isinstance(outcome, Raised)
            and isinstance(outcome.error, asyncio.CancelledError)
        ):
            return _stopped()
        return outcome

    def _interrupt(self, thread: int) -> None:
        cancel = self._cancel
        if cancel is not None:
            # A loop that has just closed has nothing left to be cancelled.
            with suppress(RuntimeError):
                cancel()
        # In code that never comes back to the loop.
        super()._interrupt(thread)


def _stopped() -> Raised:
    return Raised(CancelledRun("The run was stopped while it ran."))


class Seat:
    """A run's place in the runner, which it gives back while it waits.

    Threads and coroutines of one run may wait at the same time; there is one place.
    """

    __slots__ = ("_is_away", "_is_taken", "_lock", "_runner", "_waiting")

    def __init__(self, runner: TaskRunner, lock: threading.Lock) -> None:
        self._runner = runner
        self._lock = lock
        self._waiting = 0
        self._is_taken = False
        self._is_away = False

    def take(self) -> None:
        """Note that a worker has begun with the run."""
        self._is_taken = True

    def leave(self) -> None:
        """Let another run work."""
        with self._lock:
            self._waiting += 1
            if self._is_away or not self._is_taken:
                return
            self._is_away = True
        self._runner.leave()

    def enter(self) -> None:
        """Wait until the run may work again, if nothing in it waits any more."""
        with self._lock:
            self._waiting -= 1
            if self._waiting or not self._is_away:
                return
            self._is_away = False
        self._runner.enter()

    def give_up(self) -> None:
        """Note that the worker is done with the run for now."""
        self._is_taken = False
        if self._is_away:
            # A thread that the run has left behind waits on: the place is the
            # worker's again.
            with self._lock:
                was_away, self._is_away = self._is_away, False
            if was_away:
                self._runner.enter()
