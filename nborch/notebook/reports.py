"""What is told of a notebook's cells while they run: outcomes, errors, listeners."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Protocol, Self

__all__ = [
    "STOP_MIME",
    "CellError",
    "CellListener",
    "CellOutcome",
    "CellReport",
    "KeptCell",
    "crash_line",
    "error_line",
]


#: What a cell shows that has ended its notebook's run of its own will, as JSON with
#: the reason; see `nborch.notebook.stopping`.
STOP_MIME = "application/vnd.nborch.stop+json"


#: A message longer than this many characters is a payload, not a message.
LONGEST_MESSAGE = 10_000


class CellOutcome(Enum):
    """How a code cell ended.

    >>> CellOutcome.NOT_RUN.value
    'not run'
    """

    #: The cell ran to its end, or raised where its tag ``raises-exception`` allows it.
    COMPLETED = "completed"
    #: The cell raised.
    FAILED = "failed"
    #: The kernel's process died while the cell ran, or before it could start.
    CRASHED = "crashed"
    #: The run was interrupted while it was this cell's turn.
    CANCELLED = "cancelled"
    #: The cell took longer than it was given and was interrupted.
    TIMED_OUT = "timed out"
    #: An earlier cell ended the run, or the cell has the tag ``skip-execution``.
    NOT_RUN = "not run"
    #: It had completed in the run that this one resumes, and may only run once.
    KEPT = "kept"

    @property
    def ends_the_run(self) -> bool:
        """Whether no further cell may run after this outcome."""
        return self not in {
            CellOutcome.COMPLETED,
            CellOutcome.NOT_RUN,
            CellOutcome.KEPT,
        }


@dataclass(frozen=True, slots=True)
class CellError:
    """What a cell raised, and where.

    >>> CellError("ValueError", "no rows").headline
    'ValueError: no rows'

    Parameters
    ----------
    line
        The line within the cell as the editor shows it, counted from 1; None if the
        traceback does not pass through the cell (a compiled crash, a dead kernel).
    traceback
        As the kernel sent it: strings that may hold terminal colours.
    """

    name: str
    message: str
    line: int | None = None
    source_line: str | None = None
    traceback: Sequence[str] = ()

    @property
    def headline(self) -> str:
        """The error in one line, as Python prints it last."""
        first = self.message.partition("\n")[0]
        return f"{self.name}: {first}" if first else self.name

    @property
    def stops_quietly(self) -> bool:
        """Whether somebody wished for the end: `nborch.stop`, or ``sys.exit(0)``."""
        if self.name == "StoppedEarly":
            return True
        return self.name == "SystemExit" and self.message in {"", "0", "None"}

    @property
    def reason(self) -> str:
        """Why somebody wished for the end, as far as it was said."""
        return self.message if self.name == "StoppedEarly" else ""

    @classmethod
    def from_reply(
        cls, content: Mapping[str, Any], source: str, execution_count: int | None
    ) -> Self:
        """Return the error that an ``execute_reply`` or an error output carries."""
        traceback = [str(part) for part in content.get("traceback") or ()]
        name = str(content.get("ename", "Error"))
        message = str(content.get("evalue", ""))
        if len(message) > LONGEST_MESSAGE:
            message = f"{message[:LONGEST_MESSAGE]}…"
        line = error_line(traceback, execution_count, source)
        if line is None and name == "UsageError":
            line = _magic_line(message, source)
        return cls(name, message, traceback=tuple(traceback)).at(line, source)

    def at(self, line: int | None, source: str) -> Self:
        """Return the same error, placed at a line of the cell."""
        text = source.splitlines()[line - 1].strip() if line else None
        return replace(self, line=line, source_line=text)


@dataclass(frozen=True, slots=True)
class CellReport:
    """How one code cell of a notebook ended.

    >>> CellReport(2, CellOutcome.COMPLETED, 0.5).error is None
    True

    Parameters
    ----------
    index
        The place of the cell among all cells of the notebook, counted from 0.
    error
        Present on every outcome but NOT_RUN that is no plain success: a COMPLETED
        cell has one if it was allowed to raise, or if it ended the run quietly.
    ends_early
        Whether the cell ended the run of its own will, and well.
    """

    index: int
    outcome: CellOutcome
    seconds: float = 0.0
    error: CellError | None = None
    ends_early: bool = False


@dataclass(frozen=True, slots=True)
class KeptCell:
    """What a cell showed in an earlier run, which stays in place of running it."""

    outputs: Sequence[Any] = ()
    execution_count: int | None = None


class CellListener(Protocol):
    """Somebody who is told of every code cell, in order, while a notebook runs.

    The methods are called from the loop that drives the kernel: what takes long here
    delays the outputs, not the cell. An exception ends the run and reaches the caller.
    """

    def cell_started(self, index: int) -> Mapping[str, object] | None:
        """Hear that a cell is about to run; answer what the kernel shall know of it."""
        ...

    def cell_message(self, index: int, payload: dict[str, Any]) -> None:
        """Receive an event that the kernel side sent from within a cell."""
        ...

    def cell_output(self, index: int) -> None:
        """Hear that a cell's outputs changed, ten times a second at most."""
        ...

    def cell_finished(self, report: CellReport) -> None:
        """Hear how a code cell ended; called once for each that has any source."""
        ...


_COLOUR = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CELL_FRAME = re.compile(r"\bCell In ?\[(\d+)\], line (\d+)")
_CRASH_FRAME = re.compile(
    r'File "[^"]*ipykernel_\d+[^"]*", line (\d+) in <(?:cell )?module'
)
_MAGIC = re.compile(r"%{1,2}\w+")
_TIMED_FRAME = re.compile(r"\bFile <(?:timed exec|timed eval|unknown)>:(\d+)")


def error_line(
    traceback: Sequence[str], execution_count: int | None, source: str
) -> int | None:
    """Return the line of the cell in which an error surfaced, or None.

    >>> error_line(["Cell In[3], line 1", "Cell In[1], line 9, in f()"], 3, "f(rows)")
    1

    The last frame that lies in this very cell is taken: the line that the reader can
    act on, not one inside a library or inside a function of an earlier cell.

    Parameters
    ----------
    execution_count
        The ``n`` of the cell's ``In[n]``.
    """
    text = _COLOUR.sub("", "\n".join(traceback))
    found = [
        (match.start(), int(match[2]))
        for match in _CELL_FRAME.finditer(text)
        if int(match[1]) == execution_count
    ]
    if source.startswith("%%time"):
        # NB. It compiles the lines below its own, so its numbers are one short.
        found += [(hit.start(), int(hit[1]) + 1) for hit in _TIMED_FRAME.finditer(text)]
    lines = source.splitlines()
    within = [line for _, line in sorted(found) if 1 <= line <= len(lines)]
    return within[-1] if within else None


def _magic_line(message: str, source: str) -> int | None:
    """Return where a magic stands that does not exist: it leaves no traceback."""
    magic = _MAGIC.search(message)
    lines = enumerate(source.splitlines(), start=1)
    return next((n for n, line in lines if magic and magic[0] in line), None)


def crash_line(last_words: str, source: str) -> int | None:
    """Return the line of the cell that was running when compiled code crashed.

    >>> crash_line('  File "/tmp/ipykernel_7/42.py", line 1 in <module>', "crash()")
    1

    Parameters
    ----------
    last_words
        What Python's fault handler wrote, if it could.
    """
    found = _CRASH_FRAME.findall(last_words)
    line = int(found[-1]) if found else 0
    return line if 1 <= line <= len(source.splitlines()) else None
