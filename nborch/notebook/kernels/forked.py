"""A kernel's process that was forked for us, with what a process of our own offers."""

import asyncio
import concurrent.futures
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from nborch.hatching.hatchery import Hatched, Hatchery

__all__ = ["ForkedProcess"]


class ForkedProcess:
    """A process that is no child of this one; otherwise like `subprocess.Popen`.

    Parameters
    ----------
    args
        The command that it is as if it was started with.
    on_end
        Called when it has ended, or when it is known that it will not begin.

    Attributes
    ----------
    returncode
        The exit code, or the negative number of the signal that ended it; None while
        it runs.
    """

    #: As those of a process whose streams go elsewhere.
    stdin = stdout = stderr = None

    def __init__(
        self, args: Sequence[str], on_end: Callable[["ForkedProcess"], object]
    ) -> None:
        self.args = list(args)
        self.pid = 0
        self.returncode: int | None = None
        self._on_end = on_end
        self._ended = threading.Event()
        self._begun: concurrent.futures.Future[bool] = concurrent.futures.Future()
        self._hatchery: Hatchery
        self._hatched: Hatched

    def begin(
        self, hatchery: Hatchery, order: Mapping[str, Any], ends: Sequence[int]
    ) -> None:
        """Have it forked."""
        self._hatchery = hatchery
        self._hatched = hatchery.hatch(order, self._end, self._begin, ends)

    async def has_begun(self, seconds: float) -> bool:
        """Wait until there is a process; if none comes in this time, give it up."""
        try:
            return await asyncio.wait_for(asyncio.wrap_future(self._begun), seconds)
        except TimeoutError:
            return False
        finally:
            if self._begun.cancelled():
                # The order to kill it comes after the one to fork it.
                self.kill()

    def poll(self) -> int | None:
        """Return the exit code if it has ended."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit code."""
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        assert self.returncode is not None  # noqa: S101  # for mypy
        return self.returncode

    def send_signal(self, sig: int) -> None:
        """Send a signal, if it has not ended."""
        self._hatchery.signal(self._hatched, sig)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def _begin(self, hatched: Hatched) -> None:
        self.pid = hatched.pid or 0
        with suppress(concurrent.futures.InvalidStateError):
            self._begun.set_result(True)

    def _end(self, hatched: Hatched) -> None:
        self.returncode = hatched.code
        with suppress(concurrent.futures.InvalidStateError):
            self._begun.set_result(False)
        self._ended.set()
        self._on_end(self)
