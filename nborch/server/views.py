"""Views: the runs that somebody looks at, each read from the store once for all."""

import threading
import time
from dataclasses import dataclass, field

from nborch.home import Home
from nborch.view.model import RunView

__all__ = ["SharedView", "Views"]

#: Seconds for which a view is kept that nobody looks at.
MEMORY = 60.0
#: Nodes of all views that are kept, but for those that somebody follows.
MOST_NODES = 30_000


@dataclass(slots=True)
class SharedView:
    """A run that several look at."""

    view: RunView
    #: How many follow it, and when it was looked at last.
    followers: int = 0
    seen: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def catch_up(self) -> None:
        """Take in what the store has got since; one thread at a time."""
        with self._lock:
            self.view.catch_up()


class Views:
    """The views of the runs in a home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}
        self._views: dict[str, SharedView] = {}

    def get(self, run_id: str) -> SharedView:
        """Return the view of a run, as the run stands now.

        Raises
        ------
        NotFound
            There is no such run.
        """
        with self._lock:
            making = self._making.setdefault(run_id, threading.Lock())
        # NB. Fifty pages ask at once after a restart: one of them reads.
        with making:
            shared = self._views.get(run_id)
            if shared is None:
                home = self._home
                view = RunView.from_store(home.store, run_id, cache=home.cache)
                # NB. A page that comes back passes over what seems older than what it
                # has, which may be of a view before this one, or of a server before.
                view.number_from(int(time.time() * 1000))
                shared = SharedView(view)
                with self._lock:
                    self._views[run_id] = shared
            else:
                shared.catch_up()
            shared.seen = time.monotonic()
        self.tidy()
        return shared

    def tidy(self) -> None:
        """Forget those that nobody has looked at for a while."""
        now, nodes = time.monotonic(), 0
        with self._lock:
            idle = [item for item in self._views.items() if not item[1].followers]
            for run_id, shared in sorted(idle, key=_last_seen, reverse=True):
                nodes += shared.view.size
                if now - shared.seen > MEMORY or nodes > MOST_NODES:
                    del self._views[run_id]
                    self._making.pop(run_id, None)


def _last_seen(item: tuple[str, SharedView]) -> float:
    return item[1].seen
