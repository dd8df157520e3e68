"""Kernels started ahead for the runs of one `map`, as long as some are to come."""

import itertools
import threading
from collections.abc import Callable
from typing import Any

from nborch.futures import Future
from nborch.notebook.kernels.pool import KernelPool, has_open_pool, kernel_pool
from nborch.settings import KernelSettings

__all__ = ["Ahead", "ahead_of", "keep_warm"]


class Ahead:
    """A pool that holds no more kernels than there are runs that have not begun.

    Parameters
    ----------
    pool
        An open pool, closed when the last run has ended.
    count
        How many runs there are in all.
    """

    def __init__(self, pool: KernelPool, count: int) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._to_begin = self._to_end = count

    def begun(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """Return a run's function that says so when it is called first."""
        told: list[bool] = []

        def begin() -> Any:
            if not told:
                told.append(True)
                self._begin()
            return function()

        return begin

    def _begin(self) -> None:
        with self._lock:
            self._to_begin -= 1
            # It has not taken its kernel yet, which is not to be replaced in the end.
            self._pool.size = min(self._pool.size, self._to_begin)

    def end(self, _future: Future[Any]) -> None:
        """Take note that a run has ended, whether it had begun or not."""
        with self._lock:
            self._to_end -= 1
            is_last = self._to_end == 0
        if is_last:
            self._pool.close()


def ahead_of(
    kernel: str, settings: KernelSettings, *, count: int, places: int
) -> Ahead | None:
    """Start kernels for runs that have to wait for their turn; None if none has.

    Parameters
    ----------
    kernel
        The name of the kernel that they run in.
    settings
        Those of the project.
    count, places
        How many runs there are, and how many go on at the same time.
    """
    size = places if settings.pool is None else settings.pool
    # The first ones begin at once: a kernel of their own is as quick.
    size = min(size, count - places)
    if size < 1:
        return None
    pool = KernelPool(
        size,
        kernel,
        settings.preload,
        max_age_minutes=settings.max_age_minutes,
    )
    return Ahead(pool.start(), count)


def keep_warm(settings: KernelSettings) -> None:
    """Keep as many kernels as the settings name, from the second notebook on.

    A program that runs one notebook needs no other kernel.
    """
    is_first = next(_notebooks) == 0
    if settings.pool and not is_first and not has_open_pool():
        kernel_pool(settings=settings)


_notebooks = itertools.count()
