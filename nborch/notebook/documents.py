"""A notebook's file while it runs: valid at every moment, cheap to keep current."""

import logging
import os
import secrets
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

__all__ = ["Document", "is_local", "replace_file"]

_log = logging.getLogger("nborch.notebook")

# A save may take a twentieth of the time at most, and nobody reads faster than this.
_LEAST_SECONDS = 0.5
_COST_FACTOR = 20

_CELLS_START, _CELLS_END = '\n "cells": [', "\n ]"
_NO_CELLS = '\n "cells": []'


class Document:
    """The output notebook, saved while it grows.

    >>> document = Document(nb, "out/report.ipynb")      # doctest: +SKIP
    >>> document.touch(3)                                # doctest: +SKIP
    >>> document.save()                                  # doctest: +SKIP
    True

    The file has the bytes that nbformat would write. A reader finds the version before
    or the version after, never half of one: a new file takes the place of the old.
    Only the cells that changed are encoded again, so that saving after each of N cells
    does not take the time of N notebooks each.

    Parameters
    ----------
    nb
        A notebook of format 4. Say with `touch` which of its cells have changed;
        cells that were put in, taken out or replaced are noticed.
    path
        Where to write. Nothing is written to an address (``s3://...``), to standard
        output (``-``) or to None; see `nborch.notebook.remote_documents`.
    clock
        Tells the seconds that the throttle counts.
    """

    def __init__(
        self,
        nb: Any,
        path: str | os.PathLike[str] | None,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.nb = nb
        # NB. Made absolute now: papermill changes the current folder during a run.
        self.path = Path(path).absolute() if is_local(path) and path else None
        self._clock = clock
        self._fragments: list[tuple[Any, str]] = []
        self._last: float | None = None
        self._cost = 0.0
        self._told = False
        # A save that came too early is made up for in another thread.
        self._lock = threading.RLock()
        self._later: threading.Timer | None = None
        #: What kept the latest save from succeeding, if it did not have to.
        self.trouble: OSError | None = None

    def touch(self, index: int) -> None:
        """Note that a cell has changed."""
        with self._lock:
            if index < len(self._fragments):
                self._fragments[index] = (None, "")

    def touch_all(self) -> None:
        """Note that every cell may have changed."""
        with self._lock:
            self._fragments.clear()

    def text(self) -> str:
        """Return the notebook as JSON, exactly as nbformat writes it to a file."""
        cells = self.nb.cells
        if len(self._fragments) > len(cells):
            del self._fragments[len(cells) :]
        for index, cell in enumerate(cells):
            if index == len(self._fragments):
                self._fragments.append((cell, _encode_cell(cell)))
            elif self._fragments[index][0] is not cell:
                self._fragments[index] = (cell, _encode_cell(cell))
        frame = _encode(self.nb, [])
        if cells:
            body = ",".join(fragment for _, fragment in self._fragments)
            frame = frame.replace(_NO_CELLS, f"{_CELLS_START}{body}{_CELLS_END}", 1)
        return frame + "\n"

    def save(self, *, force: bool = False, must: bool | None = None) -> bool:
        """Write the file if it is time to; return whether it was written.

        Parameters
        ----------
        force
            Write now, and to the disk itself.
        must
            Raise an error; as `force` if not given. Otherwise it is kept in `trouble`,
            the first one is told in the log, and the next save tries again.
        """
        if self.path is None:
            return False
        with self._lock:
            rest = 0.0 if force else self._rest()
            if rest > 0:
                self._save_later(rest)
                return False
            self._forget_later()
            return self._save(force=force, must=must)

    def _rest(self) -> float:
        """Return for how long no other save is due."""
        if self._last is None:
            return 0.0
        least = max(_LEAST_SECONDS, _COST_FACTOR * self._cost)
        return least - (self._clock() - self._last)

    def _save_later(self, seconds: float) -> None:
        """See to it that what has changed is saved, also if nothing more happens.

        The next cell may take hours: who looks sees what the one before has shown.
        """
        if self._later is None:
            self._later = threading.Timer(seconds, self._catch_up)
            self._later.name, self._later.daemon = "nborch-save", True
            self._later.start()

    def _forget_later(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None

    def _catch_up(self) -> None:
        with self._lock:
            if self._later is not threading.current_thread():
                return  # it was saved meanwhile, or has ended
            self._later = None
            # NB. A cell may be changing just now: who changes it saves it then.
            with suppress(RuntimeError):
                if self._rest() < _LEAST_SECONDS / 10:
                    self._save(force=False, must=False)

    def _save(self, *, force: bool, must: bool | None) -> bool:
        path = self.path
        if path is None:
            return False
        now = self._clock()
        try:
            # A character that no file can hold must not cost the rest of the document.
            content = self.text().encode(errors="backslashreplace")
            replace_file(path, content, durable=force)
        except OSError as error:
            if force if must is None else must:
                error.add_note(f"The previous version of '{path}' is untouched.")
                raise
            self.trouble = error
            self._tell(error)
            return False
        finally:
            self._last = self._clock()
            self._cost = self._last - now
        self.trouble = None
        return True

    def finish(self, *, must: bool = True) -> None:
        """Write the last version.

        Parameters
        ----------
        must
            Raise an error.
        """
        self.save(force=True, must=must)

    def _tell(self, error: OSError) -> None:
        if not self._told:
            self._told = True
            _log.warning(
                "The notebook could not be saved to '%s': %s. The run goes on, the "
                "version before is untouched, and the next save tries again.",
                self.path,
                error.strerror or error,
            )


def is_local(path: str | os.PathLike[str] | None) -> bool:
    """Return whether a path is a file of this machine that can be replaced.

    >>> [is_local(path) for path in ("out.ipynb", "s3://bucket/out.ipynb", "-", None)]
    [True, False, False, False]
    """
    if path is None or str(path) == "-" or "://" in str(path):
        return False
    if "papermill.iorw" in sys.modules:
        # Other packages may have given papermill a place of their own.
        handler = sys.modules["papermill.iorw"].papermill_io.get_handler(str(path))
        if type(handler).__name__ != "LocalHandler":
            return False
    # A device or a pipe (/dev/stdout) must be written to, not replaced.
    with suppress(OSError):
        mode = Path(path).stat().st_mode
        return stat.S_ISREG(mode) or stat.S_ISDIR(mode)
    return True


def _encode(nb: Any, cells: list[Any]) -> str:
    """Return the notebook with these cells in nbformat's layout."""
    from nbformat import NotebookNode
    from nbformat.v4 import nbjson

    text: str = nbjson.writes(NotebookNode({**nb, "cells": cells}))
    return text


def _encode_cell(cell: Any) -> str:
    """Return one cell as it stands in the list of cells, from its line break on."""
    frame = {"metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    text = _encode(frame, [cell])
    # No string of JSON holds a line break, so these lines are the frame's own.
    start = text.index(_CELLS_START) + len(_CELLS_START)
    return text[start : text.rindex(_CELLS_END)]


def replace_file(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Put a new file in the place of an old one, as a whole.

    Parameters
    ----------
    durable
        Have it on the disk itself when this returns.
    """
    # A link keeps pointing to the file, which gets the new content.
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    # NB. Opened by hand: a file of tempfile's could be read by its owner alone.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            with suppress(FileNotFoundError):
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            if durable:
                os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
