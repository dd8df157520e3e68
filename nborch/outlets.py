"""Outlets: where the text goes that a run prints, joined into lines."""

import threading
from collections.abc import Callable
from contextvars import ContextVar
from io import StringIO
from typing import Any

from nborch.context import RunContext, current_run

__all__ = ["Outlet", "current_outlet", "outlet_here", "within"]

#: Characters of an unfinished line that are held before it is logged as it stands.
LONGEST_PIECE = 65_536

#: Where text goes that is printed here. Ask `outlet_here`, which knows if it does.
current_outlet: ContextVar["Outlet | None"] = ContextVar("nborch_outlet", default=None)


class Outlet:
    """Log what a run prints, a line at a time.

    Parameters
    ----------
    context
        The run.
    log
        Takes each line.
    """

    __slots__ = ("_log", "_pieces", "children", "context", "rewrites")

    def __init__(self, context: RunContext, log: Callable[[str], object]) -> None:
        #: The run while it lasts: a thread may hold its outlet much longer.
        self.context: RunContext | None = context
        #: Whether a line is being written over and over, as a progress bar is.
        self.rewrites = False
        #: What reads the output of the run's child processes.
        self.children: list[Any] = []
        self._log = log
        # By thread: print() writes a line in pieces, and threads print at once.
        self._pieces: dict[int, StringIO] = {}

    def write(self, text: str) -> None:
        """Take a piece of text; what ends with it a line is logged.

        Line ends within a piece stay there: what was printed at once is one entry.
        """
        thread = threading.get_ident()
        pieces = self._pieces.get(thread)
        if text.endswith("\n"):
            if pieces is not None:
                del self._pieces[thread]
                text = pieces.getvalue() + text
            self.rewrites = False
            self.log(text)
        elif text:
            if pieces is None or "\r" in text:
                # What stood before the carriage return is written over.
                pieces = self._pieces[thread] = StringIO()
                self.rewrites = "\r" in text
            pieces.write(text)
            if pieces.tell() > LONGEST_PIECE:
                del self._pieces[thread]
                self.log(pieces.getvalue())

    def log(self, text: str) -> None:
        """Log a line as it would stand on a terminal; nothing if it is blank."""
        text = text.rstrip()
        if "\r" in text:
            text = "\n".join(
                line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")
            )
        if not text:
            return
        # A handler that prints on stdout must not come back here.
        token = current_outlet.set(None)
        try:
            self._log(text)
        finally:
            current_outlet.reset(token)

    def close(self) -> None:
        """Log what is unfinished, and what the children have written so far."""
        for child in list(self.children):
            child.drain()
        self.context = None
        while self._pieces:
            _, pieces = self._pieces.popitem()
            self.log(pieces.getvalue())


def within(
    outlet: Outlet | None, function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> Any:
    """Call a function whose prints go to `outlet`."""
    token = current_outlet.set(outlet)
    try:
        return function(*args, **kwargs)
    finally:
        current_outlet.reset(token)


def outlet_here() -> Outlet | None:
    """Return where text goes that is printed here, if a run logs it."""
    outlet = current_outlet.get()
    if outlet is None or outlet.context is None:
        return None
    run = current_run.get()
    # Within the run another one may be going on, which does not log its prints.
    return outlet if run is None or run is outlet.context else None
