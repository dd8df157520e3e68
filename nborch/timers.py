"""Calls at a later time, and the interruption of threads."""

import heapq
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

__all__ = ["call_later", "interrupt", "standing_in", "tell_of_error"]


class _Timers:
    """The calls that wait for their time."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = count()
        self._thread: threading.Thread | None = None

    def call_later(self, seconds: float, function: Callable[[], object]) -> None:
        with self._changed:
            due = time.monotonic() + seconds
            # Numbered, because functions cannot be ordered.
            heapq.heappush(self._waiting, (due, next(self._numbers), function))
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="nborch-timers", daemon=True
                )
                self._thread.start()
            elif self._waiting[0][0] == due:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                rest = self._waiting[0][0] - time.monotonic()
                if rest > 0:
                    self._changed.wait(rest)
                    continue
                _, _, function = heapq.heappop(self._waiting)
                is_last = not self._waiting
                if is_last:
                    self._thread = None
            try:
                function()
            except BaseException:  # noqa: BLE001  # the others wait for their time
                tell_of_error()
            # NB. Else it would live until the next one is due.
            del function
            if is_last:
                return


_timers = _Timers()


def call_later(seconds: float, function: Callable[[], object]) -> None:
    """Call a short function that does not raise after so many seconds."""
    _timers.call_later(seconds, function)


def tell_of_error() -> None:
    """Print the exception being handled, as Python does when a thread ends by it."""
    told = (*sys.exc_info(), threading.current_thread())
    threading.excepthook(threading.ExceptHookArgs(told))


#: By thread, the one that does its work while it only waits for that.
_stand_ins: dict[int, int] = {}


@contextmanager
def standing_in(thread: threading.Thread) -> Iterator[None]:
    """Have those who interrupt the present thread interrupt `thread` instead."""
    here = threading.get_ident()
    _stand_ins[here] = thread.ident or here
    try:
        yield
    finally:
        del _stand_ins[here]


def interrupt(thread: int, error: type[BaseException]) -> None:
    """Have the exception raised in a thread, at its next line of Python."""
    # Costs 5 ms to load, and few programs interrupt anything.
    import ctypes

    while (stand_in := _stand_ins.get(thread, thread)) != thread:
        thread = stand_in
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(error)
    )


def _renew_in_child() -> None:
    # The thread is the parent's, and so are the calls.
    global _timers  # noqa: PLW0603  # one for the process
    _timers = _Timers()
    _stand_ins.clear()


os.register_at_fork(after_in_child=_renew_in_child)
