"""Deadlines: until when code may run, and where it may be interrupted."""

import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from math import inf
from types import CodeType, FrameType
from typing import TypeVar

__all__ = ["Place", "deadline", "door", "handles", "is_overdue"]

F = TypeVar("F", bound=Callable[..., object])

#: When the first of the limits around the present code is reached, by `time.monotonic`.
deadline: ContextVar[float] = ContextVar("nborch_deadline", default=inf)


def is_overdue() -> bool:
    """Tell whether a limit around the present code has been reached.

    There is no use then in another attempt at anything.
    """
    return time.monotonic() >= deadline.get()


_doors: set[CodeType] = set()


def door(function: F) -> F:
    """Mark a function of nborch's that calls the user's code, and does little else."""
    _doors.add(function.__code__)
    return function


def handles(error: BaseException | None, known: object) -> bool:
    """Tell whether code that handles `error` handles `known`, or one of that class."""
    while error is not None:
        if error is known or type(error) is known:
            return True
        error = error.__context__
    return False


class Place:
    """Where a thread is, to find out whether it may be interrupted there.

    nborch's own code must not end in the middle of what it does: it might hold a lock,
    or be about to record a state. So it is interrupted where it calls the user's code
    or where it waits.
    """

    #: Looks at the same spot after which the code is waiting there.
    WAITS = 5
    #: Looks after which it is interrupted wherever it is.
    MOST = 500
    #: Seconds from one look to the next.
    PAUSE = 0.001

    def __init__(self) -> None:
        self._spot: tuple[int, int] | None = None
        self._same = 0
        self._looks = 0

    def is_open(self, frame: FrameType | None) -> bool:
        """Tell whether code may be interrupted that is in this frame."""
        self._looks += 1
        if frame is None or not _is_ours(frame) or self._looks > self.MOST:
            return True
        spot = (id(frame), frame.f_lasti)
        self._same = self._same + 1 if spot == self._spot else 0
        self._spot = spot
        return self._same >= self.WAITS

    def is_open_in(self, thread: int) -> bool:
        """Tell whether a thread may be interrupted where it is."""
        return self.is_open(sys._current_frames().get(thread))  # noqa: SLF001  # documented


def _is_ours(frame: FrameType) -> bool:
    """Tell whether the frame, or what it is called for, is nborch's own business."""
    inner: FrameType | None = frame
    while inner is not None:
        if str(inner.f_globals.get("__name__", "")).startswith("nborch."):
            return inner.f_code not in _doors
        inner = inner.f_back
    return False
