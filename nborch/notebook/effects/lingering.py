"""What a cell has started and left running when it ends."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

__all__ = ["Running"]


@dataclass(frozen=True, slots=True)
class Running:
    """The threads and asyncio tasks that there are.

    >>> Running.now().left({})
    """

    threads: frozenset[threading.Thread]
    tasks: frozenset[asyncio.Task[Any]]

    @classmethod
    def now(cls) -> "Running":
        """Return what is running."""
        return cls(frozenset(threading.enumerate()), frozenset(_tasks()))

    def left(self, namespace: dict[str, Any]) -> str | None:
        """Return what has been left running since, in words; libraries' own not.

        Parameters
        ----------
        namespace
            The user's: what runs code of it is the user's.
        """
        now = Running.now()
        for thread in now.threads - self.threads:
            if isinstance(thread, threading.Timer) or _runs(thread, namespace):
                return "leaves a thread running"
        for task in now.tasks - self.tasks:
            frame = getattr(task.get_coro(), "cr_frame", None)
            if frame is not None and frame.f_globals is namespace:
                return "leaves an asyncio task running"
        return None


def _tasks() -> set[asyncio.Task[Any]]:
    try:
        return asyncio.all_tasks(asyncio.get_running_loop())
    except RuntimeError:
        return set()


def _runs(thread: threading.Thread, namespace: dict[str, Any]) -> bool:
    target = getattr(thread, "_target", None)
    if getattr(target, "__globals__", None) is namespace:
        # NB. A thread that has just been started has not got there yet.
        return True
    top = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001  # it is public
    return any(frame.f_globals is namespace for frame in _frames(top))


def _frames(top: FrameType | None) -> Iterator[FrameType]:
    while top is not None:
        yield top
        top = top.f_back
