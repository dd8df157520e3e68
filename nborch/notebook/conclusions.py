"""What became of a cell: told from the kernel's answer, its end, or its silence."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from nborch.notebook.kernels.base import Kernel
from nborch.notebook.marks import Marks
from nborch.notebook.reports import (
    STOP_MIME,
    CellError,
    CellOutcome,
    CellReport,
    crash_line,
)
from nborch.view.notices import Notice

__all__ = ["Request", "conclude"]

#: What IPython writes below a SystemExit, for people at a terminal.
_EXIT_ADVICE = re.compile(
    r"[^\n]*UserWarning: To exit: use 'exit', 'quit', or Ctrl-D\.\n"
    r"(?:  warn\([^\n]*\n)?"
)


@dataclass(slots=True)
class Request:
    """One cell on its way through the kernel."""

    cell: Any
    index: int
    marks: Marks
    reply: asyncio.Future[dict[str, Any]]
    idle: asyncio.Future[None]
    sent: bool = False
    started: float = field(default_factory=monotonic)
    #: Why the cell was made to stop, once it was: how it counts, and a sentence.
    verdict: CellOutcome | None = None
    reason: str = ""

    @property
    def seconds(self) -> float:
        """How long it has been under way."""
        return monotonic() - self.started


def conclude(
    request: Request, kernel: Kernel, *, allow_errors: bool = False
) -> CellReport:
    """Say how a cell ended, and see to it that its outputs say so, too.

    Parameters
    ----------
    allow_errors
        An error is not the end of the run.
    """
    cell = request.cell
    reply = request.reply.result()["content"] if request.reply.done() else {}
    error = _error_in(reply, cell) if reply else None
    if request.verdict is not None:
        outcome, error = request.verdict, _stopped(request, kernel, error)
    elif not reply:
        outcome, error = CellOutcome.CRASHED, _died(request, kernel)
    elif error and not (error.stops_quietly or allow_errors):
        outcome = CellOutcome.FAILED
    else:
        outcome = CellOutcome.COMPLETED
    early = outcome is CellOutcome.COMPLETED and _ends_early(
        error, allow_errors=allow_errors
    )
    if error is not None and outcome.ends_the_run:
        _show_error(cell, error)
    elif error is not None and early:
        _show_stop(cell, error)
    return CellReport(request.index, outcome, request.seconds, error, early)


def _ends_early(error: CellError | None, *, allow_errors: bool) -> bool:
    """Return whether a cell that is completed ended the run of its own will."""
    if error is None or not error.stops_quietly:
        return False
    # That sys.exit() raises may be what the cell is to show.
    return error.name == "StoppedEarly" or not allow_errors


def _error_in(reply: Mapping[str, Any], cell: Any) -> CellError | None:
    """Return what the cell raised, by the kernel's answer or by what it displayed."""
    cell.execution_count = reply.get("execution_count", cell.execution_count)
    for output in cell.outputs:
        if STOP_MIME in output.get("data", {}):
            # What the cell raised for it may have been swallowed by a magic.
            reason = output.data[STOP_MIME].get("reason", "")
            return CellError("StoppedEarly", str(reason))
    if reply.get("status") != "ok":
        return CellError.from_reply(reply, cell.source, cell.execution_count)
    if any(part.get("source") == "ask_exit" for part in reply.get("payload") or ()):
        # exit() and quit() tell the front end to leave; the kernel follows.
        return CellError("SystemExit", "0")
    # NB. Magics may display an error and then answer that all is well: IPython's %%time
    # did for years. What a reader sees as failed has failed, as papermill has it, too.
    for output in cell.outputs:
        if output.output_type == "error":
            return CellError.from_reply(output, cell.source, cell.execution_count)
    return None


def _died(request: Request, kernel: Kernel) -> CellError:
    message = kernel.obituary()
    if not request.sent:
        message += " That was before this cell could start."
    words = kernel.last_words() if request.sent else ""
    source = request.cell.source
    traceback = (*words.splitlines(), f"DeadKernelError: {message}")
    error = CellError("DeadKernelError", message, traceback=traceback)
    return error.at(crash_line(words, source), source)


def _stopped(request: Request, kernel: Kernel, error: CellError | None) -> CellError:
    """Return why a cell was made to stop, at the line where it was."""
    timed_out = request.verdict is CellOutcome.TIMED_OUT
    name = "TimeoutError" if timed_out else "KeyboardInterrupt"
    message = request.reason
    if not request.sent:
        message += " That was before this cell could start."
    elif not request.reply.done():
        message += f" It did not stop when it was interrupted, so {kernel.last_resort}."
    if error is None:
        return CellError(name, message, traceback=(f"{name}: {message}",))
    return CellError(name, message, error.line, error.source_line, error.traceback)


def _show_error(cell: Any, error: CellError) -> None:
    """Add the error to the cell's outputs unless the kernel showed it itself."""
    from nbformat.v4 import new_output

    shown = [output for output in cell.outputs if output.output_type == "error"]
    if shown and shown[-1].ename != error.name:
        # The kernel knows that it was interrupted, and not why.
        shown[-1].ename, shown[-1].evalue = error.name, error.message
        shown[-1].traceback.append(f"{error.name}: {error.message}")
    elif not shown:
        made = new_output(
            "error",
            ename=error.name,
            evalue=error.message,
            traceback=list(error.traceback),
        )
        cell.outputs.append(made)


def _show_stop(cell: Any, error: CellError) -> None:
    """Show a notice in place of the error by which a cell left the notebook."""
    from nbformat.v4 import new_output

    kept = []
    for output in cell.outputs:
        if output.output_type == "error" and output.ename == error.name:
            continue
        if output.output_type == "stream" and output.name == "stderr":
            output.text = _EXIT_ADVICE.sub("", output.text)
            if not output.text:
                continue
        kept.append(output)
    if not any(STOP_MIME in output.get("data", {}) for output in kept):
        notice = Notice("stopped early").bundle()
        kept.append(new_output("display_data", data=notice))
    cell.outputs[:] = kept
