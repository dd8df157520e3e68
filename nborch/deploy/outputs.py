"""What the processes of runs print: read from their files, kept with the runs."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nborch.deploy.orders import ORDER, OUTPUT, Order
from nborch.home import Home
from nborch.leasing import is_alive
from nborch.lines import RunLines

__all__ = ["OutputFile", "folder_of", "keep_what_was_left"]

#: The logger that lines of output are said to come from.
LOGGER = "nborch.output"
#: Characters of an unfinished line that are held before it is kept as it stands.
LONGEST_PIECE = 65_536


def folder_of(home: Home, run_id: str, attempt: int) -> Path:
    """Return the own folder of an attempt of a run."""
    return home.folder / "runs" / f"{run_id}-{attempt}"


def keep_what_was_left(home: Home, on_line: Callable[[str], object]) -> None:
    """Keep what runs have printed whose workers died before they had read it."""
    for folder in (home.folder / "runs").glob("*"):
        run_id, _, attempt = folder.name.rpartition("-")
        if not attempt.isdigit() or not _is_left(home, folder):
            continue
        taken = folder.with_suffix(".left")
        # Of several who look at once, one can rename it.
        with suppress(OSError):
            folder.rename(taken)
            OutputFile(taken, run_id, home, on_line).finish()
            if taken.exists():
                # What the run has put there itself stays.
                taken.rename(folder)


def _is_left(home: Home, folder: Path) -> bool:
    """Tell whether the worker is dead that was to read what is in a run's folder."""
    try:
        worker_id = Order.read(folder).worker_id
    except (OSError, ValueError, TypeError, KeyError):
        # It has been read, or is not written yet.
        return False
    process = worker_id.rpartition("/")[0]
    return not is_alive(home.folder / "processes", process)


class OutputFile:
    """The file that a run's process prints into, besides the lines of its log.

    Parameters
    ----------
    folder
        The run's own.
    on_line
        Called with each line, too.
    """

    def __init__(
        self, folder: Path, run_id: str, home: Home, on_line: Callable[[str], object]
    ) -> None:
        self._folder = folder
        self._home = home
        self._path = folder / OUTPUT
        self._lines = RunLines(run_id, home, home.settings.log_lines_limit)
        self._on_line = on_line
        self._file: int | None = None
        self._rest = b""

    def read(self) -> None:
        """Keep what has been printed since the last time."""
        if self._file is None:
            with suppress(OSError):
                self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        while self._file is not None and (piece := os.read(self._file, 1 << 16)):
            *lines, self._rest = (self._rest + piece).split(b"\n")
            for line in lines:
                self._keep(line)
            if len(self._rest) > LONGEST_PIECE:
                self._keep(self._rest)
                self._rest = b""

    def finish(self) -> None:
        """Keep the rest, and remove what is not needed any more."""
        self.read()
        if self._rest:
            self._keep(self._rest)
            self._rest = b""
        self._lines.end()
        # NB. First: what is not on disk yet is lost if this process dies now.
        self._home.recorder.flush()
        if self._file is not None:
            os.close(self._file)
            self._file = None
        for name in (OUTPUT, ORDER):
            with suppress(OSError):
                (self._folder / name).unlink()
        # What the run has put there itself stays.
        with suppress(OSError):
            self._folder.rmdir()

    def _keep(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        if "\r" in text:
            # As it would stand on a terminal.
            text = text.rpartition("\r")[2]
        if text:
            self._lines.keep(time.time(), "INFO", LOGGER, text)
            self._on_line(text)
