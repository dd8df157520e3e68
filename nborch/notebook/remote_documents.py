"""A notebook that is saved where papermill can write and files cannot: ``s3://...``."""

import logging
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from nborch.notebook.documents import Document, is_local, replace_file

__all__ = ["RemoteDocument", "open_document", "write_files_whole"]

_log = logging.getLogger("nborch.notebook")

#: Seconds between two saves: each may take a while, and cost something.
LEAST_SECONDS = 10.0


def open_document(nb: Any, path: str | None) -> Document | None:
    """Return what saves a notebook to its place while it grows, if it has one.

    Parameters
    ----------
    path
        A file, or an address that papermill knows how to write to.
    """
    if path is None:
        return None
    if is_local(path):
        return Document(nb, path)
    # A stream or a device gets the notebook once, at the end.
    is_stream = path == "-" or Path(path).exists()
    return None if is_stream else RemoteDocument(nb, path)


class RemoteDocument(Document):
    """The output notebook at an address, saved in the background while it grows.

    The last version is not its to write: papermill, or who stands in for it, does when
    the run has ended.

    Parameters
    ----------
    write
        Writes a text to the address; papermill's handlers if not given.
    """

    def __init__(
        self,
        nb: Any,
        address: str,
        *,
        clock: Callable[[], float] = monotonic,
        write: Callable[[str, str], object] | None = None,
    ) -> None:
        super().__init__(nb, None, clock=clock)
        self.address = address
        self._write = write or _write_by_papermill
        self._writer: threading.Thread | None = None
        self._latest: float | None = None

    def save(self, *, force: bool = False, must: bool | None = None) -> bool:
        """Begin to write if it is time to; return whether it was begun.

        Parameters
        ----------
        force, must
            Of no effect: nobody waits for a slow place, and a failure is only told.
        """
        _ = force, must
        now = self._clock()
        busy = self._writer is not None and self._writer.is_alive()
        if busy or (self._latest is not None and now - self._latest < LEAST_SECONDS):
            return False
        self._latest = now
        text = self.text()
        self._writer = threading.Thread(
            target=self._try, args=(text,), name="nborch-save", daemon=True
        )
        self._writer.start()
        return True

    def finish(self, *, must: bool = True) -> None:
        """Wait for what is being written: the last version must come after it."""
        _ = must
        if self._writer is not None:
            self._writer.join()

    def _try(self, text: str) -> None:
        try:
            self._write(text, self.address)
        except Exception as error:  # noqa: BLE001  # any client's error, not the run's
            if not self._told:
                self._told = True
                _log.warning(
                    "The notebook could not be saved to '%s': %s. The run goes on, and "
                    "the next save tries again.",
                    self.address,
                    error,
                )


def _write_by_papermill(text: str, address: str) -> None:
    from papermill.iorw import papermill_io

    papermill_io.write(text, address)


def write_files_whole() -> None:
    """Have papermill, too, put a whole file in the place of the one before.

    papermill writes its last version over the file: who is killed meanwhile, or finds
    the disk full, is left with half a notebook in place of a good one.
    """
    from papermill.iorw import LocalHandler, papermill_io

    handler = papermill_io.get_handler("notebook.ipynb")
    if type(handler) is LocalHandler and "write" not in vars(handler):
        handler.write = partial(_write_whole, handler)


def _write_whole(handler: Any, text: str, path: str) -> None:
    file = Path(handler._cwd or ".") / path  # noqa: SLF001  # what it takes as current
    if not file.parent.is_dir() or not is_local(file):
        type(handler).write(handler, text, path)
        return
    replace_file(file, text.encode(errors="backslashreplace"))
