"""Errors of cells in the background, as IPython shows those of plain cells."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from nborch.exceptions import NborchError
from nborch.frames import users_lines_only

__all__ = ["lines_of"]


def lines_of(shell: Any, error: BaseException, ready: Any) -> Sequence[str]:
    """Return the lines that IPython shows for an error of a cell.

    Parameters
    ----------
    ready
        The cell, as `nborch.notebook.preparing` made it; None if it did not come to it.
    """
    if isinstance(error, NborchError):
        return [f"{type(error).__name__}: {error}"]
    own = error.__traceback__
    if ready is not None:
        own = _from(own, ready.cell.file) or own
    own = users_lines_only(own) or own
    try:
        lines: Sequence[str] = shell.InteractiveTB.structured_traceback(
            type(error), error, own, tb_offset=0
        )
    except Exception:  # noqa: BLE001  # the user's __str__ may raise
        return [f"{type(error).__name__}"]
    return lines


def _from(traceback: TracebackType | None, file: str) -> TracebackType | None:
    """Return the part of a traceback that begins in a file."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename != file:
        traceback = traceback.tb_next
    return traceback
