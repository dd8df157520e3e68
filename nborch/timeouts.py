"""Timeouts: calls that end on time, or are given up on time.

In the main thread a signal interrupts whatever Python code runs, a sleep too. In any
other thread the call gets a thread of its own: when the time is up an exception is
set in it, and whether it can be interrupted or is stuck in C code, its caller goes on
and what it returns later is dropped.
"""

import signal
import threading
import time
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

from nborch.exceptions import RunTimedOut
from nborch.timers import interrupt

__all__ = ["limited", "limited_async"]

R = TypeVar("R")

#: Seconds that a call is given to end once it has been told to.
GRACE = 0.05


def limited(function: Callable[[], R], seconds: float, error: RunTimedOut) -> R:
    """Call the function; raise `error` if it takes longer than `seconds`.

    >>> limited(lambda: 42, 5.0, RunTimedOut())
    42
    """
    if threading.current_thread() is threading.main_thread():
        return _interrupted_by_signal(function, seconds, error)
    return _in_a_thread(function, seconds, error)


async def limited_async(
    function: Callable[[], Awaitable[R]], seconds: float, error: RunTimedOut
) -> R:
    """Await what the function returns; cancel it after `seconds` and raise `error`."""
    import asyncio

    try:
        async with asyncio.timeout(seconds) as limit:
            return await function()
    except TimeoutError as cause:
        if limit.expired():
            raise error from cause
        raise


@dataclass(slots=True)
class _Limit:
    """A call of the main thread that must end."""

    deadline: float
    error: RunTimedOut
    is_over: bool = False


#: The limits of the calls that the main thread is in, the outermost first.
_limits: list[_Limit] = []


def _interrupted_by_signal(
    function: Callable[[], R], seconds: float, error: RunTimedOut
) -> R:
    start = time.monotonic()
    limit = _Limit(start + seconds, error)
    theirs = signal.getsignal(signal.SIGALRM)
    # A timer of the user's own: it goes on when ours is done.
    rest, interval = signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, _on_alarm)
    _limits.append(limit)
    try:
        _set_timer()
        value = function()
        if time.monotonic() < limit.deadline:
            return value
        # It caught our exception and went on: too late all the same.
        raise limit.error
    finally:
        limit.is_over = True
        _limits.remove(limit)
        signal.signal(signal.SIGALRM, theirs)
        if _limits:
            _set_timer()
        elif rest:
            left = max(rest - (time.monotonic() - start), 1e-6)
            signal.setitimer(signal.ITIMER_REAL, left, interval)
        else:
            signal.setitimer(signal.ITIMER_REAL, 0)


def _set_timer() -> None:
    """Have the signal sent when the next limit is reached."""
    waiting = [limit.deadline for limit in _limits if not limit.is_over]
    left = min(waiting) - time.monotonic() if waiting else 0.0
    # NB. Zero would switch the timer off.
    signal.setitimer(signal.ITIMER_REAL, max(left, 1e-6) if waiting else 0.0)


def _on_alarm(_number: int, _frame: object) -> None:
    now = time.monotonic()
    for limit in _limits:
        if not limit.is_over and limit.deadline <= now:
            limit.is_over = True
            _set_timer()
            raise limit.error
    _set_timer()


def _in_a_thread(function: Callable[[], R], seconds: float, error: RunTimedOut) -> R:
    call = _Call(function)
    call.thread.start()
    try:
        if call.ended.wait(seconds):
            value: R = call.outcome()
            return value
    except BaseException as other:
        # Somebody ends the run itself: the call is to end with it.
        call.interrupt(type(other))
        raise
    call.interrupt(RunTimedOut)
    # If it obeys, it is over when the caller goes on.
    call.ended.wait(GRACE)
    raise error


class _Call:
    """A call in a thread of its own, in the context of the one that made it."""

    def __init__(self, function: Callable[[], Any]) -> None:
        context = copy_context()
        self.ended = threading.Event()
        self.thread = threading.Thread(
            target=self._run,
            args=(lambda: context.run(function),),
            name="nborch-limited",
            daemon=True,
        )
        self._value: Any = None
        self._error: BaseException | None = None

    def _run(self, function: Callable[[], Any]) -> None:
        try:
            self._value = function()
        except BaseException as error:  # noqa: BLE001  # it is raised where it is waited for
            self._error = error
        self.ended.set()

    def outcome(self) -> Any:
        """Return what the function returned, or raise what it raised."""
        if self._error is not None:
            raise self._error
        return self._value

    def interrupt(self, error: type[BaseException]) -> None:
        """Have the exception raised at the next line of Python that it executes."""
        if not self.ended.is_set() and self.thread.ident is not None:
            interrupt(self.thread.ident, error)
