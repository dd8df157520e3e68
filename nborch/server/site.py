"""The site: what all handlers of one server share."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nborch.home import Home
from nborch.server.assets import Assets

if TYPE_CHECKING:
    from nborch.control.local import LocalControl
    from nborch.server.watching import Watching

__all__ = ["Site"]

#: Threads for what waits for the store: one question must not hold up another.
THREADS = 4


class Site:
    """A home, seen from a browser.

    Parameters
    ----------
    base_url
        Below what all addresses lie: ``/``, or ``/user/ann/nborch/``.
    framers
        Who may show the pages within another: a source of a Content-Security-Policy.
    """

    def __init__(
        self, home: Home, base_url: str = "/", *, framers: str = "'none'"
    ) -> None:
        self.home = home
        self.base_url = f"/{base_url.strip('/')}/".replace("//", "/")
        self.framers = framers
        self.assets = Assets()
        #: Makes the page that tells a problem; see `nborch.server.app`.
        self.problem_page: Callable[[Any, Any], str] = lambda *_: ""
        self._control: LocalControl | None = None
        self._watching: Watching | None = None
        self._lock = threading.RLock()
        #: Those that wait for news, to be woken at the end.
        self.streams: set[asyncio.Event] = set()
        self.is_closed = False
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="nborch-server")

    # The first answer does not wait until these are loaded.

    @property
    def control(self) -> "LocalControl":
        """What one can see and do."""
        from nborch.control.local import LocalControl

        with self._lock:
            if self._control is None:
                self._control = LocalControl(self.home)
            return self._control

    @property
    def watching(self) -> "Watching":
        """What tells of changes."""
        from nborch.server.watching import Watching

        with self._lock:
            if self._watching is None:
                self._watching = Watching(self.home, self.control)
            return self._watching

    def close(self) -> None:
        """Let nothing of it go on; called in the thread of its handlers."""
        self.is_closed = True
        with suppress(RuntimeError):  # their loop has ended before
            for stream in self.streams:
                stream.set()
        if self._watching is not None:
            self._watching.close()
        self.threads.shutdown(wait=False, cancel_futures=True)
