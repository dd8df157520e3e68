"""What the processes of runs print: read from their files, kept with the runs."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nborch.deploy.orders import ORDER, OUTPUT
from nborch.home import Home
from nborch.lines import RunLines

__all__ = ["OutputFile"]

#: The logger that lines of output are said to come from.
LOGGER = "nborch.output"
#: Characters of an unfinished line that are held before it is kept as it stands.
LONGEST_PIECE = 65_536


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
