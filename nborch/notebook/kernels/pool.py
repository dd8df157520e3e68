"""Kernels that wait for notebooks, so that a notebook need not wait for its kernel."""

import asyncio
import atexit
import os
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Self

from nborch.exceptions import InvalidDeclaration
from nborch.notebook.kernels.blueprints import Wish
from nborch.notebook.kernels.warming import WarmKernel, blueprint_of, warm_kernel
from nborch.settings import KernelSettings, load_settings

__all__ = ["KernelPool", "has_open_pool", "kernel_pool", "take_warm_kernel"]

_WAIT_SECONDS = 60.0
# A run that has just begun has the processors; the next kernel can wait this long.
_BREATH_SECONDS = 0.1
# A kernel that cannot be had is tried again after one second, two, ... a minute.
_LONGEST_PAUSE = 60.0


class KernelPool:
    """Kernels that are started ahead, each for one notebook.

    >>> with KernelPool(size=2, preload=["pandas"]):      # doctest: +SKIP
    ...     for day in days:
    ...         report(day=day)

    While a pool is open, every notebook that this process runs gets a kernel of it if
    one fits, and another is started in its place. A kernel is used once. It fits if it
    cannot be told from one that is started for the notebook: same kernel
    specification, same variables as far as Python and libraries read them at their
    start. After a notebook that none fitted, such kernels are kept as it needed.

    Parameters
    ----------
    size
        How many kernels wait at the same time: as many as notebooks begin at once.
    kernel
        Name of the kernel specification.
    preload
        Modules that a waiting kernel imports. Name only what nearly every notebook
        imports, and what does not mind that it is imported in another folder.
    max_age_minutes
        After this time a kernel that nobody took is replaced.
    """

    def __init__(
        self,
        size: int = 2,
        kernel: str = "python3",
        preload: Sequence[str] = (),
        *,
        max_age_minutes: float = 30,
    ) -> None:
        if size < 0:
            raise InvalidDeclaration(
                f"A pool cannot have {size} kernels. Give 0 or more."
            )
        self.size = size
        self.preload = tuple(preload)
        self.max_age_seconds = max_age_minutes * 60
        self._wish = Wish(kernel, dict(os.environ))
        self._warm: list[WarmKernel] = []
        self._changed = threading.Condition()
        self._keeper: threading.Thread | None = None
        self._open = False
        self._misses = 0
        self._not_before = 0.0
        #: Why the latest attempt to start a kernel failed.
        self.trouble: BaseException | None = None

    def start(self) -> Self:
        """Begin to start kernels, in the background."""
        with self._changed:
            if not self._open and self.size and os.name == "posix":
                self._open = True
                self._keeper = threading.Thread(
                    target=self._keep, name="nborch-kernel-pool", daemon=True
                )
                self._keeper.start()
                _open_pools.add(self)
        return self

    def close(self) -> None:
        """End the kernels that nobody took; those that were taken live on."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
        _open_pools.discard(self)
        if self._keeper is not None:
            self._keeper.join(_WAIT_SECONDS)
        for kernel in self._warm:
            kernel.discard()
        self._warm.clear()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether kernels are started and may be taken."""
        return self._open

    @property
    def ready(self) -> int:
        """How many kernels wait."""
        return len(self._warm)

    def wait(self, timeout_seconds: float = _WAIT_SECONDS) -> bool:
        """Wait until as many kernels are ready as shall be; return whether they are."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self.ready >= self.size or not self._open, timeout_seconds
            )

    def resize(self, size: int) -> None:
        """Let so many kernels wait from now on, if that is more than now."""
        with self._changed:
            self.size = max(self.size, size)
            self._changed.notify_all()

    def take(self, wish: Wish) -> WarmKernel | None:
        """Return a kernel that is as wished and nobody else's, or None."""
        blueprint = blueprint_of(wish, self.preload)
        if blueprint is None:
            return None
        with self._changed:
            taken = None
            for kernel in list(self._warm):
                if not kernel.is_alive:
                    self._warm.remove(kernel)
                    kernel.discard()
                elif taken is None and kernel.blueprint == blueprint:
                    self._warm.remove(kernel)
                    taken = kernel
            # What was needed last is likely to be needed next.
            self._wish = wish
            pause = _BREATH_SECONDS if taken else 0.0
            self._not_before = max(self._not_before, monotonic() + pause)
            self._changed.notify_all()
        return taken

    # What the thread of the pool does.

    def _keep(self) -> None:
        while True:
            with self._changed:
                self._retire()
                while self._open and (pause := self._pause()) != 0:
                    self._changed.wait(pause)
                    self._retire()
                if not self._open:
                    return
                count, wish = self.size - self.ready, self._wish
            started = asyncio.run(self._start_some(wish, count))
            with self._changed:
                self._warm += started
                self._misses = 0 if started else self._misses + 1
                if not started:
                    # NB. A kernel that cannot be started must not be tried for ever.
                    seconds = min(2.0 ** (self._misses - 1), _LONGEST_PAUSE)
                    self._not_before = monotonic() + seconds
                self._changed.notify_all()

    def _pause(self) -> float | None:
        """Return how long there is nothing to do; None if until something changes."""
        if self.ready < self.size:
            return max(0.0, self._not_before - monotonic())
        ages = [kernel.born + self.max_age_seconds for kernel in self._warm]
        return max(0.001, min(ages) - monotonic()) if ages else None

    def _retire(self) -> None:
        """Discard the kernels that are too old, and those for which nobody asks."""
        blueprint = blueprint_of(self._wish, self.preload)
        for kernel in list(self._warm):
            aged = monotonic() - kernel.born >= self.max_age_seconds
            if aged or kernel.blueprint != blueprint or not kernel.is_alive:
                self._warm.remove(kernel)
                kernel.discard()

    async def _start_some(self, wish: Wish, count: int) -> list[WarmKernel]:
        attempts = [
            warm_kernel(wish, self.preload, lambda: self._open) for _ in range(count)
        ]
        told = await asyncio.gather(*attempts, return_exceptions=True)
        for each in told:
            if isinstance(each, BaseException):
                self.trouble = each
        return [each for each in told if isinstance(each, WarmKernel)]


_open_pools: "weakref.WeakSet[KernelPool]" = weakref.WeakSet()


def take_warm_kernel(wish: Wish) -> WarmKernel | None:
    """Return a kernel of any open pool that is as wished, or None."""
    for pool in list(_open_pools):
        taken = pool.take(wish)
        if taken is not None:
            return taken
    return None


def has_open_pool() -> bool:
    """Return whether kernels are kept in this process."""
    return bool(_open_pools)


def kernel_pool(at_once: int = 1, settings: KernelSettings | None = None) -> KernelPool:
    """Return the pool that this process has for itself, open.

    >>> kernel_pool(at_once=4).ready      # doctest: +SKIP
    0

    Parameters
    ----------
    at_once
        How many notebooks will begin at the same time. So many kernels are kept if
        the settings name no number.
    settings
        Those of the project; looked up from the current folder if not given.
    """
    wanted = settings or load_settings().kernels
    size = at_once if wanted.pool is None else wanted.pool
    with _lock:
        pool = _own.get("pool")
        if pool is None or not pool.is_open:
            pool = _own["pool"] = KernelPool(
                size, preload=wanted.preload, max_age_minutes=wanted.max_age_minutes
            )
        pool.resize(size)
        return pool.start()


_own: dict[str, KernelPool] = {}
_lock = threading.Lock()


@atexit.register
def _close_all() -> None:
    for pool in list(_open_pools):
        with suppress(Exception):
            pool.close()


def _forget_all() -> None:
    # The kernels are the parent's, and so is the thread that keeps them.
    _open_pools.clear()
    _own.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
