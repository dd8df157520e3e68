"""Kept graphs: what a graph shows when nothing changes any more, in little room."""

import json
import time
import zlib

from nborch.store.base import RunStore
from nborch.view.details import Results, detail, log
from nborch.view.graphs import Message

__all__ = ["KeptGraph"]


class KeptGraph:
    """The graph of a run that has ended, for as long as somebody may look at it.

    Its nodes are held as text that is packed: a notebook shows many runs in a day, and
    their widgets live as long as its kernel.

    Parameters
    ----------
    snapshot
        All there is.
    store
        Where details and logs are looked up.
    cache
        Where results are, for a preview of what a task returned.
    """

    def __init__(
        self, snapshot: Message, store: RunStore, cache: Results | None = None
    ) -> None:
        self._seq: int = snapshot["seq"]
        told = json.dumps(snapshot, separators=(",", ":"))
        self._packed = zlib.compress(told.encode(), 1)
        self._run: Message | None = None
        self._store, self._cache = store, cache

    def snapshot(self) -> Message:
        """Return all there is."""
        told: Message = json.loads(zlib.decompress(self._packed))
        return told | {"seq": self._seq, "run": self._run or told["run"]}

    def changed(self, run: Message) -> Message:
        """Return what tells other facts of the run to who has seen all there is."""
        self._run = run
        self._seq += 1
        now = time.time()
        return {"type": "delta", "seq": self._seq, "now": now, "run": run, "nodes": []}

    def delta(self) -> None:
        """Return None: nothing changes."""

    def detail(self, node: str) -> Message | None:
        """Return all that is known of a run, None if nothing is."""
        return detail(self._store, node, self._cache)

    def log(self, node: str, after: int) -> Message:
        """Return the lines of a run from a place on, and the place to go on from."""
        return log(self._store, node, after)
