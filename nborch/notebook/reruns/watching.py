"""Watching plain cells: which names they bind, at next to no cost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from nborch.notebook.bodies import Source
from nborch.notebook.effects.namespace import is_shells
from nborch.notebook.headers.options import FLOW
from nborch.notebook.reruns.history import History
from nborch.notebook.reruns.steps import CellRun, PlainRun

__all__ = ["Watch"]


class Watch:
    """Notes what plain cells do, by IPython's events before and after each cell.

    Parameters
    ----------
    listener
        Called with each plain cell that has run.
    """

    def __init__(
        self, shell: Any, history: History, listener: Callable[[PlainRun], object]
    ) -> None:
        self._shell = shell
        self._history = history
        #: Id and text of each cell that is running, the innermost last.
        self._running: list[tuple[str | None, str | None]] = []
        #: The ids of the cell tasks by their texts, for those that end later.
        self._ids: dict[str, str | None] = {}
        self._before: list[tuple[int, dict[str, int]]] = []
        self._listener = listener

    def cell_of(self, source: Source) -> str | None:
        """Return the id that the front end gave the cell with this text, if it did."""
        if self._running:
            cell, text = self._running[-1]
            if text is None or source.body in text:
                return cell
        return self._ids.get(_text(source.header, source.body))

    @contextmanager
    def acting_for(self, cell: str | None) -> Iterator[None]:
        """Let what runs in the block count as run by another cell."""
        self._running.append((cell, None))
        try:
            yield
        finally:
            self._running.pop()

    def start(self) -> None:
        """Begin to watch."""
        self._shell.events.register("pre_run_cell", self._cell_begins)
        self._shell.events.register("post_run_cell", self._cell_ends)

    def stop(self) -> None:
        """Watch no more."""
        with suppress(ValueError):
            self._shell.events.unregister("pre_run_cell", self._cell_begins)
            self._shell.events.unregister("post_run_cell", self._cell_ends)

    def _cell_begins(self, info: Any) -> None:
        cell, text = getattr(info, "cell_id", None), str(info.raw_cell)
        self._running.append((cell, text))
        if text.startswith("%%task"):
            self._ids[_text(*text.partition("\n")[::2])] = cell
        # NB. Ids, not the objects: a cell may delete a name to have its memory back.
        names = self._shell.user_ns
        ids = dict(zip(names, map(id, names.values()), strict=True))
        self._before.append((self._history.number, ids))
        if deleted := _request(self._shell).get("deletedCells"):
            self._history.note_deleted([str(cell) for cell in deleted])

    def _cell_ends(self, result: Any) -> None:
        if not self._before:
            return  # the extension was loaded by this very cell
        number, before = self._before.pop()
        self._running.pop()
        info = result.info
        text = getattr(info, "raw_cell", None)
        if not isinstance(text, str) or text.lstrip().startswith("%%task"):
            return
        first, _, body = text.partition("\n")
        if first.split(maxsplit=1)[:1] == [FLOW]:
            # What a cell flow reads and binds stands below its first line.
            text = f"# {first}\n{body}"
        now = self._shell.user_ns
        bound = {
            name
            for name, value in now.items()
            if before.get(name) != id(value) and not name.startswith("__")
        }
        gone = before.keys() - now.keys()
        for step in range(number + 1, self._history.number + 1):
            # What tasks did that this cell ran is not its own doing.
            inner = self._history.step(step)
            if inner is not None:
                bound -= (
                    inner.made.keys() if isinstance(inner, CellRun) else inner.bound
                )
        run = PlainRun(
            self._history.next_number(),
            getattr(info, "cell_id", None),
            text,
            frozenset(name for name in bound if not is_shells(name)),
            frozenset(name for name in gone if not is_shells(name)),
            self._shell.transform_cell,
        )
        self._history.note_plain(run)
        with suppress(Exception):  # the cell has run, whatever comes of this
            self._listener(run)


def _text(header: str, body: str) -> str:
    return f"{header.strip()}\n{body.strip()}"


def _request(shell: Any) -> dict[str, Any]:
    """Return what the front end sent along with the running cell."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return {}
    metadata = (kernel.get_parent("shell") or {}).get("metadata", {})
    return metadata if isinstance(metadata, dict) else {}
