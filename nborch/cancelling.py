"""Cancelling: to end a flow run from another thread, or from another process.

The code of the run gets a `CancelledRun`: it may clean up, and what was submitted
within it is stopped as well. In the main thread a signal raises it, which ends a sleep,
too; in other threads it comes at the next line of Python; a coroutine is cancelled by
its loop. Code that catches it and goes on gets it again.

A program elsewhere is ended as by Ctrl-C, with a note beside its lock that says which
run it was asked to end: else nobody could tell that from somebody's Ctrl-C.
"""

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Any, Self

from nborch.context import RunContext, current_run
from nborch.deadlines import Place, handles
from nborch.exceptions import CancelledRun, CancelRequested
from nborch.home import Home
from nborch.leasing import leave_note, notes
from nborch.runs import Run
from nborch.timers import call_later, interrupt

__all__ = ["Stopper", "cancel", "cancelled", "end_program", "is_cancellable"]

#: Nobody else uses this signal, and a process that does not handle it ignores it.
SIGNAL = signal.SIGURG
#: Seconds after which code that has caught the exception is told again.
AGAIN = 1.0

#: What can be cancelled now, by the ids of the runs.
_stoppers: dict[str, "Stopper"] = {}
#: Why runs are to end, by id, from when they are asked to until they have ended.
_asked: dict[str, str] = {}
#: The runs of the main thread that are to end.
_due: list["Stopper"] = []


class Stopper:
    """Ends a flow run that goes on in this thread, when another thread asks for it.

    Make it in the run's own thread, before its code is called; `close` it at its end.

    Parameters
    ----------
    awaits
        Whether its code is a coroutine of the loop that runs here.
    """

    def __init__(self, run_id: str, *, awaits: bool = False) -> None:
        self.run_id = run_id
        self.is_over = False
        self._thread = threading.get_ident()
        self._place = Place()
        self._loop: Any = None
        self._task: Any = None
        if awaits:
            self._loop, self._task = _task_here()
        #: How often the task was asked to end, which is not over with the run.
        self._requests = 0
        #: When the main thread is told again.
        self._due = 0.0
        is_main = threading.current_thread() is threading.main_thread()
        self._hears = is_main and not awaits and _listens()
        _stoppers[run_id] = self

    @property
    def _error(self) -> CancelledRun:
        return CancelledRun(_asked.get(self.run_id, ""))

    def ask(self, why: str) -> None:
        """Have the run end as Cancelled; returns at once.

        Parameters
        ----------
        why
            What its state says, in a sentence.
        """
        if self.is_over:
            return
        _asked[self.run_id] = why
        if self._task is not None:
            # A loop that has just closed has nothing left to be cancelled.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._cancel)
        elif self._hears:
            if self not in _due:
                _due.append(self)
            _ring()
            # A signal that comes just before a long wait is noticed only after it.
            self._tell_again(AGAIN)
        else:
            self._place = Place()
            self._interrupt()

    def close(self) -> None:
        """Leave the run alone: it has ended."""
        self.is_over = True
        _stoppers.pop(self.run_id, None)
        _asked.pop(self.run_id, None)
        with suppress(ValueError):
            _due.remove(self)
        for _ in range(self._requests):
            # As who handles its own request: what is around the run sees none of it.
            self._task.uncancel()

    def _cancel(self) -> None:
        if not self.is_over:
            self._requests += 1
            self._task.cancel()

    def tell(self, frame: FrameType | None) -> None:
        """Raise in the main thread, if it may be interrupted where it is."""
        if handles(sys.exception(), CancelledRun):
            # It has been told, and clears up.
            self._tell_again(AGAIN)
        elif self._place.is_open(frame):
            self._place = Place()
            # It may catch the exception.
            self._tell_again(AGAIN)
            raise self._error
        else:
            self._tell_again(Place.PAUSE)

    def _tell_again(self, seconds: float) -> None:
        self._due = time.monotonic() + seconds
        call_later(seconds, self._again)

    def _again(self) -> None:
        # Else a later call is on its way.
        if not self.is_over and time.monotonic() >= self._due:
            _ring()
            self._tell_again(AGAIN)

    def _interrupt(self) -> None:
        """Raise in the run's thread once it may be interrupted, then now and then."""
        if self.is_over:
            return
        if not self._place.is_open_in(self._thread):
            call_later(Place.PAUSE, self._interrupt)
            return
        interrupt(self._thread, CancelledRun)
        self._place = Place()
        call_later(AGAIN, self._interrupt)

    @classmethod
    def of(cls, context: RunContext) -> Self | None:
        """Return what ends a run that begins here; None if nothing can."""
        owner = context.owner
        if getattr(owner, "isgenerator", False):
            # Its code runs by turns with that of who takes the items.
            return None
        return cls(context.run.id, awaits=bool(getattr(owner, "isasync", False)))


def is_cancellable(run_id: str) -> bool:
    """Tell whether `cancel` can end a run: it goes on in this process."""
    return run_id in _stoppers


def cancel(run_id: str, why: str) -> bool:
    """Have a flow run of this process end as Cancelled; tell whether it will.

    Parameters
    ----------
    why
        What its state says, in a sentence.
    """
    stopper = _stoppers.get(run_id)
    if stopper is not None:
        stopper.ask(why)
    return stopper is not None


def end_program(home: Home, run: Run, why: str) -> None:
    """Have a program that does nothing but this run end, and the run as Cancelled.

    It does what it does about Ctrl-C: what it has to clear up, it clears up.
    """
    _, pid, _ = run.process.split(":")
    leave_note(home.folder / "processes", run.process, f"{run.id}\n{why}")
    os.kill(int(pid), signal.SIGINT)


def cancelled(error: BaseException) -> BaseException:
    """Return what ended a run's code: that the run was cancelled, if somebody asked.

    The loop can only say that it was, and a signal not who sent it.
    """
    context = current_run.get()
    if isinstance(error, Exception) or context is None:
        return error
    asyncio = sys.modules.get("asyncio")
    by_loop = asyncio is not None and isinstance(error, asyncio.CancelledError)
    if not (by_loop or type(error) is KeyboardInterrupt):
        return error
    asked = {**_noted(), **(_asked if by_loop else {})}
    while context is not None:
        if context.run.id in asked:
            # NB. A loop ends at once with what comes from a signal.
            kind = CancelledRun if by_loop else CancelRequested
            return kind(asked[context.run.id])
        context = context.parent
    return error


def _noted() -> dict[str, str]:
    """Return which runs of this program are to end, and why, as another asked for."""
    told = [note.partition("\n") for note in notes()]
    return {run_id: why for run_id, _, why in told}


def _task_here() -> tuple[Any, Any]:
    """Return the running loop and the task that it performs."""
    # Costs 25 ms, which a program without async code need not pay.
    import asyncio

    return asyncio.get_running_loop(), asyncio.current_task()


def _listens() -> bool:
    """Have the signal raise in the main thread, unless another has a use for it."""
    if signal.getsignal(SIGNAL) is signal.SIG_DFL:
        signal.signal(SIGNAL, _on_signal)
    return signal.getsignal(SIGNAL) is _on_signal


def _ring() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, SIGNAL)


def _on_signal(_number: int, frame: FrameType | None) -> Any:
    for stopper in tuple(_due):
        stopper.tell(frame)
