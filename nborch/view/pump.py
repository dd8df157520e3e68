"""The pump: one thread that brings what has changed to all graphs on show.

It looks at each of them at most twenty times a second, however fast things happen, and
ends when nothing is on show any more.
"""

import os
import threading
import time
import weakref
from typing import Protocol

__all__ = ["RATE", "Pump", "Pumped", "pump"]

#: Seconds between two looks: twenty messages a second at the most.
RATE = 0.05


class Pumped(Protocol):
    """What is brought up to date by a `Pump`."""

    def flush(self) -> bool:
        """Show what has changed; tell whether more is to come."""
        ...


class Pump:
    """Flushes graphs from a thread of its own.

    Graphs are held by weak references: one that nobody holds is flushed no more.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._graphs: weakref.WeakSet[Pumped] = weakref.WeakSet()
        self._thread: threading.Thread | None = None

    def add(self, graph: Pumped) -> None:
        """Flush a graph from now on, for as long as it has more to show."""
        with self._changed:
            self._graphs.add(graph)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="nborch-pump", daemon=True
                )
                self._thread.start()

    def remove(self, graph: Pumped) -> None:
        """Flush a graph no more."""
        with self._changed:
            self._graphs.discard(graph)

    def flush(self) -> None:
        """Bring all graphs up to date, in this thread."""
        for graph in tuple(self._graphs):
            # NB. First: who adds it meanwhile has something new.
            self.remove(graph)
            if _flushed(graph):
                self.add(graph)

    def _run(self) -> None:
        while True:
            began = time.monotonic()
            self.flush()
            rest = max(RATE - (time.monotonic() - began), RATE / 5)
            with self._changed:
                if not self._graphs:
                    self._thread = None
                    return
                self._changed.wait(rest)


def _flushed(graph: Pumped) -> bool:
    """Flush a graph; one that fails is left alone: its run goes on without it."""
    try:
        return graph.flush()
    except Exception:  # told to who looks for it
        import logging

        logging.getLogger("nborch.view").debug("No graph any more", exc_info=True)
        return False


#: The one of this process.
pump = Pump()


def _renew_in_child() -> None:
    # The thread is the parent's, and so are the graphs.
    pump.__init__()  # type: ignore[misc]  # as new


os.register_at_fork(after_in_child=_renew_in_child)
