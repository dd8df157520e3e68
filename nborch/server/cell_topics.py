"""The topic of an executed notebook: its cells, as its file grows."""

import threading
from collections.abc import Sequence

from nborch.server.bodies import written
from nborch.server.notebooks import Notebooks, Stamp
from nborch.server.topics import Batch, News, Ring

__all__ = ["CellsTopic"]

#: Seconds between two looks at the file.
LOOK = 0.3


class CellsTopic:
    """The cells of the executed notebook of a run: those that have changed.

    A notebook may be large, so that it is read in a thread of its own.
    """

    def __init__(self, run_id: str, notebooks: Notebooks) -> None:
        self._run_id, self._notebooks = run_id, notebooks
        self._ring = Ring()
        self._looked = 0.0
        self._reading: threading.Thread | None = None
        self._versions: dict[str, str] = {}
        self._stamp: Stamp | None = None
        self._told = 0

    def look(self, batch: Batch) -> bool:
        """Have the file read if it has changed; tell what was read since."""
        is_busy = self._reading is not None and self._reading.is_alive()
        if not is_busy and batch.at - self._looked >= LOOK:
            self._looked = batch.at
            stamp = self._notebooks.stamp(self._run_id)
            if stamp != self._stamp:
                self._stamp = stamp
                self._reading = threading.Thread(
                    target=self._read, name="nborch-cells", daemon=True
                )
                self._reading.start()
        last, self._told = self._told, self._ring.last
        return last != self._told

    def begin(self, after: int) -> News:
        """Return all cells."""
        del after
        cursor = self._ring.last
        notebook = self._notebooks.get(self._run_id)
        items = [each.told() for each in notebook.cells]
        order = [each.id for each in notebook.cells]
        return News([("cells", (self._told_of(items, order),))], cursor)

    def news(self, cursor: int) -> News | None:
        """Return the cells that have changed, and the order of all."""
        found = self._ring.after(cursor)
        if found is None:
            return None
        return News([("cells", (each,)) for each in found], cursor + len(found))

    def close(self) -> None:
        """Nothing is held."""

    def _read(self) -> None:
        cells = self._notebooks.get(self._run_id).cells
        versions = {each.id: each.version for each in cells}
        changed = [c for c in cells if self._versions.get(c.id) != c.version]
        if versions != self._versions:
            self._versions = versions
            items = [each.told() for each in changed]
            self._ring.add(self._told_of(items, list(versions)))

    def _told_of(self, items: Sequence[object], order: list[str]) -> bytes:
        return written({"run": self._run_id, "items": items, "order": order})
