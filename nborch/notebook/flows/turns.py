"""Turns: how many notebooks run at the same time, each with a process of its own."""

import os
import threading
from collections.abc import Callable
from typing import Any

from nborch.exceptions import InvalidDeclaration

__all__ = ["Turns", "processors", "turns_of"]

#: Seconds between two looks: a thread that waits for a lock cannot be interrupted.
_LOOK = 0.1


class Turns:
    """A number of places, taken for as long as a call takes.

    >>> Turns(2).take(lambda: 42)
    42
    """

    def __init__(self, places: int) -> None:
        self.places = places
        self._free = threading.BoundedSemaphore(places)

    def take(self, function: Callable[[], Any]) -> Any:
        """Call the function when there is a place; return what it returns."""
        while not self._free.acquire(timeout=_LOOK):
            pass
        try:
            return function()
        finally:
            self._free.release()


def processors() -> int:
    """Return how many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


_shared: list[Turns] = []
_lock = threading.Lock()


def turns_of(owner: str, places: int | None) -> Turns:
    """Return turns of so many places, or those that all such flows share.

    Raises
    ------
    InvalidDeclaration
        It is no number of places.
    """
    if places is None:
        with _lock:
            if not _shared:
                _shared.append(Turns(processors()))
            return _shared[0]
    if isinstance(places, bool) or not isinstance(places, int) or places < 1:
        raise InvalidDeclaration(
            f"{owner}: at_once must be a whole number from 1, not {places!r}."
        )
    return Turns(places)


def _renew_in_child() -> None:
    global _lock  # noqa: PLW0603  # as one of the process
    _lock = threading.Lock()
    _shared.clear()


os.register_at_fork(after_in_child=_renew_in_child)
