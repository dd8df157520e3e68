"""Keeping a cache within its size, beside the work: uses noted, the worthless dropped.

A use costs the reader a dictionary entry; what was used when is written once a minute,
in a thread of its own, and so is what makes room.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from nborch.cache.index import Index, IndexUnavailable

__all__ = ["Housekeeper"]

#: Seconds for which uses are gathered before they are written.
GATHERING = 60.0
#: A cache that has grown past its limit is brought down to this share of it.
TARGET = 0.9
#: What has come since the last look makes another one due: this share of the limit.
GROWTH = 0.01
#: Seconds that the end of a process waits for room to be made.
PATIENCE_SECONDS = 5.0


class Housekeeper:
    """Note uses and hold a limit, off the path of those who read and keep.

    Parameters
    ----------
    limit
        Bytes that the cache may take, None for no limit.
    clock
        Returns seconds since 1970.
    make_room
        Called with the bytes to come down to, in a thread of its own.
    """

    def __init__(
        self,
        index: Index,
        limit: int | None,
        clock: Callable[[], float],
        make_room: Callable[[int], object],
    ) -> None:
        self.limit = limit
        self._index = index
        self._clock = clock
        self._make_room = make_room
        self._uses: dict[str, float] = {}
        self._due = time.monotonic() + GATHERING
        #: Bytes that were kept since the last look; the first one is always due.
        self._unseen = float("inf")
        #: How many results were kept.
        self._kept = 0
        #: The total above which room is made: it may be that none can be.
        self._bound = float(limit or 0)
        self._lock = threading.Lock()
        self._asked: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None

    def used(self, key: str) -> None:
        """Note that a result was found."""
        self._uses[key] = self._clock()
        if time.monotonic() >= self._due:
            self._start(self.write_uses)

    def kept(self, size: int) -> None:
        """Note that a result of this many bytes was kept."""
        if self.limit is None:
            return
        self._kept += 1
        self._unseen += size
        if self._unseen < self.limit * GROWTH:
            return
        self._unseen = 0.0
        with suppress(IndexUnavailable, OSError):
            if self._index.total() > self._bound:
                self._start(self._shrink)

    def write_uses(self) -> None:
        """Write what was used when."""
        self._due = time.monotonic() + GATHERING
        uses, self._uses = self._uses, {}
        if uses:
            # Lost uses only make a result go earlier.
            with suppress(IndexUnavailable, OSError):
                self._index.note_uses(uses)

    def close(self) -> None:
        """Write what is left, and give a thread that makes room some time for it."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(PATIENCE_SECONDS)
        if self._uses:
            self.write_uses()

    def _shrink(self) -> None:
        if self.limit is None:
            return
        with suppress(IndexUnavailable, OSError):
            while True:
                kept = self._kept
                self._make_room(int(self.limit * TARGET))
                # Files that results share count more than once in the total.
                total = self._index.total()
                # What was kept meanwhile is none of what cannot be dropped.
                if total <= self.limit or kept == self._kept:
                    self._bound = max(self.limit, total * (1 + GROWTH))
                    return

    def _start(self, action: Callable[[], None]) -> None:
        """Do something soon, in the thread, after what it does now."""
        with self._lock:
            if action not in self._asked:
                self._asked.append(action)
            # NB. In the child of a fork there is one that does not live.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._work, name="nborch-cache", daemon=True
                )
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._asked:
                    self._thread = None
                    return
                action = self._asked.pop(0)
            action()
