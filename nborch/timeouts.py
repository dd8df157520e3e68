"""Timeouts: calls that end on time, or are given up on time.

In the main thread a signal interrupts whatever Python code runs, a sleep too. In any
other thread the call gets a thread of its own: when the time is up an exception is
set in it, and whether it can be interrupted or is stuck in C code, its caller goes on
and what it returns later is dropped. Code that catches the exception and goes on is
interrupted again every second.
"""

import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, TypeVar

from nborch.deadlines import Place, deadline, handles
from nborch.exceptions import RunTimedOut
from nborch.timers import call_later, interrupt, standing_in

__all__ = ["limited", "limited_async"]

R = TypeVar("R")

#: Seconds that a call is given to end once it has been told to.
GRACE = 0.05
#: Seconds after which it is told again, should it have caught the exception.
AGAIN = 1.0


def limited(function: Callable[[], R], seconds: float, error: RunTimedOut) -> R:
    """Call the function; raise `error` if it takes longer than `seconds`.

    >>> limited(lambda: 42, 5.0, RunTimedOut())
    42
    """
    end = time.monotonic() + seconds
    around = deadline.get()
    token = deadline.set(min(end, around))
    try:
        if threading.current_thread() is threading.main_thread():
            return _interrupted_by_signal(function, end, error)
        if end < around:
            return _in_a_thread(function, end, error)
        # Should it be stuck, its own run is over when the one around it is.
        return _in_a_thread(function, around, RunTimedOut())
    finally:
        deadline.reset(token)


async def limited_async(
    function: Callable[[], Awaitable[R]], seconds: float, error: RunTimedOut
) -> R:
    """Await what the function returns; cancel it after `seconds` and raise `error`."""
    import asyncio

    end = time.monotonic() + seconds
    token = deadline.set(min(end, deadline.get()))
    try:
        async with asyncio.timeout(seconds) as limit:
            value = await function()
    except TimeoutError as cause:
        if limit.expired():
            raise error from cause
        raise
    finally:
        deadline.reset(token)
    if time.monotonic() < end:
        return value
    # It kept the loop from telling it: too late all the same.
    raise error


@dataclass(slots=True)
class _Limit:
    """A call of the main thread that must end."""

    end: float
    error: RunTimedOut
    #: When it is to be interrupted, for the first time or again.
    due: float
    place: Place = field(default_factory=Place)


@dataclass(slots=True)
class _UsersTimer:
    """The signal's handler and timer as the user had them."""

    handler: Any
    due: float | None
    interval: float


#: The limits of the calls that the main thread is in, the outermost first.
_limits: list[_Limit] = []
_users: list[_UsersTimer] = []


def _interrupted_by_signal(
    function: Callable[[], R], end: float, error: RunTimedOut
) -> R:
    limit = _Limit(end, error, due=end)
    if not _limits:
        _take_signal()
    _limits.append(limit)
    try:
        _set_timer()
        value = function()
        if time.monotonic() < limit.end:
            return value
        # It caught our exception and went on: too late all the same.
        raise limit.error.with_traceback(None)
    finally:
        _limits.remove(limit)
        if _limits:
            _set_timer()
        else:
            _give_signal_back()


def _take_signal() -> None:
    rest, interval = signal.setitimer(signal.ITIMER_REAL, 0)
    due = time.monotonic() + rest if rest else None
    _users.append(_UsersTimer(signal.getsignal(signal.SIGALRM), due, interval))
    signal.signal(signal.SIGALRM, _on_alarm)


def _give_signal_back() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)
    theirs = _users.pop()
    signal.signal(signal.SIGALRM, theirs.handler)
    if theirs.due is not None:
        left = max(theirs.due - time.monotonic(), 1e-6)
        signal.setitimer(signal.ITIMER_REAL, left, theirs.interval)


def _set_timer() -> None:
    """Have the signal sent when the next limit is reached."""
    dues = [limit.due for limit in _limits]
    dues += [theirs.due for theirs in _users if theirs.due is not None]
    # NB. Zero would switch the timer off.
    signal.setitimer(signal.ITIMER_REAL, max(min(dues) - time.monotonic(), 1e-6))


def _on_alarm(number: int, frame: FrameType | None) -> None:
    now = time.monotonic()
    for theirs in _users:
        if theirs.due is not None and theirs.due <= now:
            theirs.due = now + theirs.interval if theirs.interval else None
            _set_timer()
            _ring(theirs, number, frame)
            return
    for limit in _limits:
        if limit.due <= now and _is_to_be_told(limit, frame):
            # It may catch the exception.
            limit.due, limit.place = now + AGAIN, Place()
            _set_timer()
            raise limit.error.with_traceback(None)
    _set_timer()


def _is_to_be_told(limit: _Limit, frame: FrameType | None) -> bool:
    """Tell whether code is to be interrupted now; see to it that it is asked again."""
    now = time.monotonic()
    if handles(sys.exception(), limit.error):
        # It has been told, and clears up.
        limit.due = now + AGAIN
        return False
    if not limit.place.is_open(frame):
        limit.due = now + Place.PAUSE
        return False
    return True


def _ring(theirs: _UsersTimer, number: int, frame: FrameType | None) -> None:
    """Do what the user wants done at the signal."""
    if callable(theirs.handler):
        theirs.handler(number, frame)
    elif theirs.handler == signal.SIG_DFL:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)


def _in_a_thread(function: Callable[[], R], end: float, error: RunTimedOut) -> R:
    call = _Call(function)
    call.thread.start()
    # Who wants to stop this thread means the code that it waits for.
    with standing_in(call.thread):
        try:
            if call.ended.wait(max(end - time.monotonic(), 0)):
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
        self._place = Place()

    def _run(self, function: Callable[[], Any]) -> None:
        try:
            try:
                self._value = function()
            except BaseException as error:  # noqa: BLE001  # raised where it is waited for
                self._error = error
            self.ended.set()
        except BaseException:  # noqa: BLE001  # told when it had just come to its end
            self.ended.set()

    def outcome(self) -> Any:
        """Return what the function returned, or raise what it raised."""
        if self._error is not None:
            raise self._error
        return self._value

    def interrupt(self, error: type[BaseException]) -> None:
        """Have the exception raised at the next line of Python that it executes."""
        while not self._place.is_open_in(self._ident):
            if self.ended.wait(Place.PAUSE):
                return
        self._tell(error)

    def _tell(self, error: type[BaseException]) -> None:
        if not self.ended.is_set():
            interrupt(self._ident, error)
            self._place = Place()
            # It may catch the exception.
            call_later(AGAIN, lambda: self._tell_again(error))

    def _tell_again(self, error: type[BaseException]) -> None:
        if self.ended.is_set():
            return
        if handles(_handled_in(self._ident), error):
            # It has been told, and clears up.
            call_later(AGAIN, lambda: self._tell_again(error))
        elif self._place.is_open_in(self._ident):
            self._tell(error)
        else:
            call_later(Place.PAUSE, lambda: self._tell_again(error))

    @property
    def _ident(self) -> int:
        return self.thread.ident or 0


def _handled_in(thread: int) -> BaseException | None:
    """Return the exception that a thread handles."""
    told: Any = sys._current_exceptions().get(thread)  # noqa: SLF001  # documented
    # Python 3.11 told class and traceback too.
    error: BaseException | None = told[1] if isinstance(told, tuple) else told
    return error
