"""Notebooks: the executed notebook of a run, as it stands in its file right now.

Only what a run itself has written is read: the path comes from the store, and the file
must say in its metadata that it belongs to the run.
"""

import hashlib
import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from nborch.exceptions import NotFound
from nborch.home import Home

__all__ = ["Cell", "Notebook", "Notebooks", "text_of"]

#: Larger files are not shown, in bytes.
LARGEST = 100_000_000
#: Notebooks that are remembered.
KEPT = 8

#: What papermill's status of a cell is as a state.
_STATES = {"pending": "PENDING", "running": "RUNNING", "completed": "COMPLETED"}

#: When and how large a file was.
Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of an executed notebook.

    Parameters
    ----------
    id
        Its own in the file, or its place where it has none.
    version
        Another one whenever anything of it has changed.
    content
        As it stands in the file.
    """

    n: int
    id: str
    version: str
    content: Mapping[str, Any]

    def told(self) -> dict[str, Any]:
        """Return what lists tell of it, as JSON values."""
        metadata = _mapping(self.content.get("metadata"))
        stamp = _mapping(metadata.get("papermill"))
        is_code = self.content.get("cell_type") == "code"
        return {
            "n": self.n,
            "id": self.id,
            "kind": str(self.content.get("cell_type")),
            "source": text_of(self.content.get("source")),
            "state": _state(stamp) if is_code else None,
            "started": _time(stamp.get("start_time")),
            "ended": _time(stamp.get("end_time")),
            "version": self.version,
        }


@dataclass(frozen=True, slots=True)
class Notebook:
    """An executed notebook."""

    cells: tuple[Cell, ...] = ()
    language: str = "python"


@dataclass(slots=True)
class Notebooks:
    """The executed notebooks of the runs in a home, read when they have changed."""

    home: Home
    _kept: dict[str, tuple[Path, Stamp, Notebook]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, run_id: str) -> Notebook:
        """Return the notebook of a run; one without cells if it has none yet.

        Raises
        ------
        NotFound
            There is no such run.
        """
        path = self.path(run_id)
        stamp = _stamp(path) if path is not None else None
        if path is None or stamp is None:
            return Notebook()
        with self._lock:
            known = self._kept.get(run_id)
            if known is not None and known[:2] == (path, stamp):
                return known[2]
            notebook = _read(path, run_id)
            self._kept.pop(run_id, None)
            self._kept[run_id] = path, stamp, notebook
            while len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]
            return notebook

    def path(self, run_id: str) -> Path | None:
        """Return where the notebook of a run is, if it is on this machine."""
        record = self.home.store.record(run_id)
        if record.run.id != run_id:
            raise NotFound(f"No run has the id {run_id!r}.")
        told = record.run.details.get("output")
        if not isinstance(told, str) or "://" in told or not Path(told).is_absolute():
            return None
        return Path(told)

    def stamp(self, run_id: str) -> Stamp | None:
        """Return what is another one whenever the file is."""
        path = self.path(run_id)
        return None if path is None else _stamp(path)


def text_of(value: object) -> str:
    """Return a text of a notebook, which may be a list of its lines.

    >>> text_of(["a", "b"])
    'ab'
    """
    if isinstance(value, list):
        return "".join(each for each in value if isinstance(each, str))
    return value if isinstance(value, str) else ""


def _stamp(path: Path) -> Stamp | None:
    with suppress(OSError):
        facts = path.stat()
        return facts.st_mtime_ns, facts.st_size, facts.st_ino
    return None


def _read(path: Path, run_id: str) -> Notebook:
    try:
        if path.stat().st_size > LARGEST or not path.is_file():
            return Notebook()
        document = json.loads(path.read_bytes())
        metadata = document["metadata"]
        cells = [each for each in document["cells"] if isinstance(each, dict)]
        is_of_run = metadata["nborch"]["run"] == run_id
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return Notebook()
    if not is_of_run:
        return Notebook()
    kernel = _mapping(metadata.get("kernelspec"))
    language = str(kernel.get("language") or "python")
    return Notebook(tuple(_cells(cells)), language)


def _cells(contents: list[dict[str, Any]]) -> list[Cell]:
    found = {}
    for n, content in enumerate(contents):
        name = content.get("id")
        name = name if isinstance(name, str) and name not in found else f"cell-{n}"
        told = json.dumps(content, sort_keys=True).encode()
        version = hashlib.sha256(told).hexdigest()[:12]
        found[name] = Cell(n, name, version, content)
    return list(found.values())


def _state(stamp: Mapping[str, Any]) -> str:
    status = str(stamp.get("status") or "")
    return _STATES.get(status, "FAILED" if status == "failed" else "PENDING")


def _time(told: object) -> float | None:
    with suppress(ValueError, TypeError, OverflowError):
        return datetime.fromisoformat(str(told)).timestamp() if told else None
    return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
