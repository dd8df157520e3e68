"""Ending a notebook before its last cell, as a success."""

import sys
from typing import Any, NoReturn

from nborch.exceptions import MissingContextError, StoppedEarly
from nborch.notebook.reports import STOP_MIME
from nborch.view.notices import Notice

__all__ = ["stop"]

_METHOD = "showtraceback"


def stop(reason: str = "") -> NoReturn:
    """End the notebook here: its run is completed, and no later cell is run.

    >>> if not rows:                                          # doctest: +SKIP
    ...     nborch.stop("no new rows since yesterday")

    Under ``nborch run`` and papermill the run ends Completed with the reason, and a
    notice stands in the cell in place of an error. Where a person works in the
    notebook, Run All stops at this cell. Tasks and flows that the cell has called end
    Completed as well.

    Parameters
    ----------
    reason
        Why nothing is left to do, in a few words.

    Raises
    ------
    MissingContextError
        If this is no notebook.
    """
    shell = _shell()
    if shell is None:
        raise MissingContextError(
            "nborch.stop() ends a notebook, and this program is none. In a flow, "
            "return Completed(name='StoppedEarly', message='...') instead."
        )
    ending = StoppedEarly(reason)
    _show_as_notice(shell, ending)
    raise ending


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def _show_as_notice(shell: Any, ending: StoppedEarly) -> None:
    """Have IPython show a notice when this comes out of the cell, and no error."""
    earlier = vars(shell).get(_METHOD)

    def show(exc_tuple: Any = None, *args: Any, **options: Any) -> Any:
        if earlier is None:
            delattr(shell, _METHOD)
        else:
            setattr(shell, _METHOD, earlier)
        raised = exc_tuple[1] if exc_tuple else sys.exc_info()[1]
        if raised is not ending:
            # The cell went on, and something else happened later.
            return getattr(shell, _METHOD)(exc_tuple, *args, **options)
        # What the kernel answers with; it would be that of an earlier error.
        shell._last_traceback = []  # noqa: SLF001  # IPython's own
        reason = str(ending)
        notice = Notice("stopped early", reason).bundle()
        shell.display_pub.publish({**notice, STOP_MIME: {"reason": reason}})
        return None

    setattr(shell, _METHOD, show)
