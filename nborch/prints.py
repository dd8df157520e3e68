"""Prints as log lines: what a run under ``log_prints`` writes to standard output."""

import io
import sys
import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from types import TracebackType
from typing import Any

from nborch.context import RunContext, current_run
from nborch.logs import run_logger
from nborch.outlets import Outlet, current_outlet, outlet_here

__all__ = ["logged"]


def logged(context: RunContext | None = None) -> AbstractContextManager[object]:
    """Log what is printed in the block, if the run that executes it logs its prints.

    Text for ``sys.stdout`` is meant, by `print` or otherwise, from this thread or
    coroutine, the threads that it starts, and the child processes that would share
    its standard output. What is printed at once is one line of the log, at level
    INFO; a line that is written over and over (a progress bar) is shown as it is, and
    logged when it is finished. Blank lines are left out.

    Parameters
    ----------
    context
        The run that is current in the block; the current one if not given.
    """
    # NB. Found here, so that no caller's frame need hold it: the traceback of an error
    # holds those, and the run holds the error.
    context = context or current_run.get()
    return _Logged(context) if context and context.log_prints else _NOTHING


_NOTHING: AbstractContextManager[object] = nullcontext()


class _Stdout:
    """Standard output while runs log their prints: a run's go to its log."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        #: How many runs need it.
        self.users = 0

    def write(self, text: str) -> int:
        """Take text from a run, or pass it on."""
        outlet = outlet_here()
        if outlet is None or not isinstance(text, str):
            return self.stream.write(text)  # type: ignore[no-any-return]  # as it says
        if outlet.rewrites or "\r" in text:
            # A progress bar is for the eyes, while it moves.
            self.stream.write(text)
        outlet.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Take several pieces of text."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the stream; a run's lines need no flush."""
        outlet = outlet_here()
        if outlet is None or outlet.rewrites:
            self.stream.flush()

    # Kernels and others ask their own streams for more than a file has.
    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def __iter__(self) -> Any:
        return iter(self.stream)


# Some programs write to nothing else.
io.TextIOBase.register(_Stdout)

_lock = threading.Lock()
_users = 0


class _Logged:
    """Log the prints of a block that a run executes."""

    __slots__ = ("_outlet", "_stdout", "_token")

    def __init__(self, context: RunContext) -> None:
        self._outlet = Outlet(context, run_logger(context).info)

    def __enter__(self) -> None:
        self._stdout = _put()
        self._token = current_outlet.set(self._outlet)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A coroutine that nobody awaits to its end is closed in another context.
        with suppress(ValueError):
            current_outlet.reset(self._token)
        try:
            self._outlet.close()
        finally:
            _take_back(self._stdout)


def _put() -> _Stdout:
    """Replace standard output, unless it is."""
    global _users  # noqa: PLW0603  # as sys.stdout is one
    with _lock:
        stdout = sys.stdout
        if not isinstance(stdout, _Stdout):
            stdout = sys.stdout = _Stdout(stdout)
        stdout.users += 1
        _users += 1
        # It loads subprocess, which most programs need not.
        from nborch.children import follow

        follow()
    return stdout


def _take_back(stdout: _Stdout) -> None:
    """Put back what was there, if no other run needs ours."""
    global _users  # noqa: PLW0603  # as sys.stdout is one
    with _lock:
        stdout.users -= 1
        _users -= 1
        if stdout.users == 0 and sys.stdout is stdout:
            sys.stdout = stdout.stream
        if _users == 0:
            from nborch.children import unfollow

            unfollow()
