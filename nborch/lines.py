"""Log lines on their way: printed in one format, and kept with the run, bounded."""

import logging
import sys
import threading
import time
from collections import deque
from typing import Any

from nborch.events import Event, log_written
from nborch.home import Home

__all__ = ["RunLines", "StoreHandler", "TerminalHandler", "formatted"]

#: A line with more characters than this is cut where it is kept.
LONGEST = 65_536
#: So many characters of a line count as a line of their own.
LINE_OF_TEXT = 200
#: Lines that are kept of the end of a flood, beside those of its beginning.
TAIL = 1_000

_LEVELS = {level: f"{logging.getLevelName(level):<7}" for level in range(0, 60, 10)}
_second = (0, "00:00:00")


def formatted(at: float, level: int, source: str, message: str) -> str:
    """Return the line as it is printed, without its end.

    >>> formatted(0.25, 20, "Task run 'x'", "Finished")[8:]
    ".250 | INFO    | Task run 'x' - Finished"
    """
    global _second  # noqa: PLW0603  # strftime() costs as much as all the rest
    seconds = int(at)
    then, clock = _second
    if then != seconds:
        clock = time.strftime("%H:%M:%S", time.localtime(seconds))
        _second = (seconds, clock)
    name = _LEVELS.get(level) or f"{logging.getLevelName(level):<7}"
    return f"{clock}.{int((at - seconds) * 1000):03d} | {name} | {source} - {message}"


class _LineFormatter(logging.Formatter):
    """Format records as `formatted` does; what no run wrote is named by its logger."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # its name
        """Return the line, without traceback."""
        source = getattr(record, "source", record.name)
        return formatted(record.created, record.levelno, source, record.message)


class TerminalHandler(logging.StreamHandler[Any]):
    """Print lines on whatever ``sys.stderr`` is at the time."""

    def __init__(self) -> None:
        super().__init__()
        self.own_formatter = _LineFormatter()
        self.setFormatter(self.own_formatter)

    # NB. Notebooks and tests replace sys.stderr; a stream kept from the start would
    # print in the cell that came first.
    @property
    def stream(self) -> Any:
        """The present standard error."""
        return sys.stderr

    @stream.setter
    def stream(self, _stream: Any) -> None:
        """Ignore the stream given at the start."""

    def flush(self) -> None:
        """Leave it to the stream: a kernel's waits for its thread at every flush."""

    @property
    def is_untouched(self) -> bool:
        """Tell whether it prints every line, and in our own format."""
        return not (self.level or self.filters) and self.formatter is self.own_formatter


class RunLines:
    """The lines of one run: the first ones are kept as they come, and the last.

    Parameters
    ----------
    limit
        How many lines of the beginning are kept. A line counts once more for every
        `LINE_OF_TEXT` characters, so that this bounds the bytes too.
    """

    __slots__ = ("_flood", "_limit", "_room", "home", "run_id")

    def __init__(self, run_id: str, home: Home, limit: int) -> None:
        self.run_id = run_id
        self.home = home
        self._limit = self._room = limit
        self._flood: _Flood | None = None

    def keep(self, at: float, level: str, logger: str, message: str) -> None:
        """Store the line, or hold it until it is known to be one of the last."""
        size = len(message)
        if size > LONGEST:
            message = f"{message[:LONGEST]}... ({size - LONGEST} characters left out)"
            size = LONGEST
        weight = 1 + size // LINE_OF_TEXT
        line = log_written(self.run_id, at, level, logger, message)
        if self._room > 0:
            self._room -= weight
            self.home.recorder.record(line)
            return
        if self._flood is None:
            self._flood = _Flood()
        self._flood.take(weight, line)

    def end(self) -> None:
        """Store the last lines of a flood, after one that tells what is missing."""
        if self._flood is None:
            return
        missing, lines = self._flood.empty()
        if missing:
            first = lines[0]
            note = (
                f"{missing} lines are left out here: of a run the first "
                f"{self._limit} and the last {TAIL} are kept. "
                "Set NBORCH_LOG_LINES_LIMIT to keep more."
            )
            logger = first.data["logger"]
            lines.insert(0, log_written(self.run_id, first.at, "WARNING", logger, note))
        for line in lines:
            self.home.recorder.record(line)


class _Flood:
    """The last lines of a run that wrote more than are kept."""

    def __init__(self) -> None:
        self._last: deque[tuple[int, Event]] = deque()
        self._weight = 0
        self._count = 0
        self._lock = threading.Lock()

    def take(self, weight: int, line: Event) -> None:
        """Hold the line, and let go of those that are not the last any more."""
        with self._lock:
            self._last.append((weight, line))
            self._count += 1
            self._weight += weight
            while self._weight > TAIL:
                self._weight -= self._last.popleft()[0]

    def empty(self) -> tuple[int, list[Event]]:
        """Return how many lines were let go, and those that are held."""
        with self._lock:
            lines = [line for _, line in self._last]
            missing = self._count - len(lines)
            self._last.clear()
            self._weight = self._count = 0
        return missing, lines


class StoreHandler(logging.Handler):
    """Keep the lines of runs in the run store."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line with the run that wrote it, if one did."""
        lines: RunLines | None = getattr(record, "lines", None)
        if lines is not None:
            try:
                message = record.getMessage()
            except Exception:  # noqa: BLE001  # who prints the line tells of it
                message = f"{record.msg} {record.args}"
            lines.keep(record.created, record.levelname, record.name, message)
