"""Errors of cell tasks, shown as IPython shows those of plain cells."""

import sys
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any

from nborch.exceptions import NborchError
from nborch.frames import users_lines_only

__all__ = ["lines_of", "show_as_own"]

_METHOD = "showtraceback"


def show_as_own(shell: Any, error: BaseException) -> BaseException:
    """Return the error, whose traceback IPython will show without the engine's frames.

    IPython renders it itself, whatever its mode, so that syntax errors, exception
    groups and ``%debug`` come out as for a plain cell.

    Parameters
    ----------
    error
        As it came out of the cell's body; its traceback begins there.
    """
    names = shell.user_ns
    own = _from(error.__traceback__, lambda frame: frame.f_globals is names)
    replaced = vars(shell).get(_METHOD)
    # An earlier error that was raised but never shown.
    earlier = getattr(replaced, "replaced", replaced)

    def show(exc_tuple: Any = None, *args: Any, **options: Any) -> Any:
        _restore(shell, earlier)
        raised = exc_tuple[1] if exc_tuple else sys.exc_info()[1]
        if raised is error and not (own is None and _is_defect(error)):
            error.__traceback__ = _without_engine(error.__traceback__, own)
            exc_tuple = (type(error), error, error.__traceback__)
            if own is None and isinstance(error, SyntaxError):
                # It was found while the body was compiled: there is no stack.
                options["running_compiled_code"] = False
        return getattr(shell, _METHOD)(exc_tuple, *args, **options)

    show.replaced = earlier  # type: ignore[attr-defined]  # a note on the function
    setattr(shell, _METHOD, show)
    return error


def lines_of(shell: Any, error: BaseException, ready: Any) -> Sequence[str]:
    """Return the lines that IPython shows for an error of a cell in the background.

    Parameters
    ----------
    ready
        The cell, as `nborch.notebook.preparing` made it; None if it did not come to it.
    """
    if isinstance(error, NborchError):
        return [f"{type(error).__name__}: {error}"]
    own = error.__traceback__
    if ready is not None:
        file = ready.cell.file
        own = _from(own, lambda frame: frame.f_code.co_filename == file) or own
    own = users_lines_only(own) or own
    try:
        lines: Sequence[str] = shell.InteractiveTB.structured_traceback(
            type(error), error, own, tb_offset=0
        )
    except Exception:  # noqa: BLE001  # the user's __str__ may raise
        return [f"{type(error).__name__}"]
    return lines


def _is_defect(error: BaseException) -> bool:
    """Tell whether an error that no line of the body raised needs all its frames."""
    return not isinstance(error, NborchError | SyntaxError) and isinstance(
        error, Exception
    )


def _restore(shell: Any, earlier: Any) -> None:
    if earlier is None:
        delattr(shell, _METHOD)
    else:
        setattr(shell, _METHOD, earlier)


def _from(
    traceback: TracebackType | None, is_first: Callable[[FrameType], bool]
) -> TracebackType | None:
    """Return the part of a traceback that begins in the body of a cell."""
    while traceback is not None and not is_first(traceback.tb_frame):
        traceback = traceback.tb_next
    return traceback


def _without_engine(
    raised: TracebackType | None, own: TracebackType | None
) -> TracebackType | None:
    """Join the frame in which IPython calls a cell with the frames of the body."""
    if raised is None:
        return own
    return TracebackType(own, raised.tb_frame, raised.tb_lasti, raised.tb_lineno)
