"""Run a notebook's cells in a kernel and tell the truth about each of them."""

import asyncio
import contextvars
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from nborch.exceptions import InvalidDeclaration
from nborch.notebook.cell_client import CellClient, Limits
from nborch.notebook.launch import LiveKernel
from nborch.notebook.outputs import EVENT_MIME
from nborch.notebook.reports import (
    CellError,
    CellListener,
    CellOutcome,
    CellReport,
)

__all__ = [
    "EVENT_MIME",
    "CellError",
    "CellListener",
    "CellOutcome",
    "CellReport",
    "run_cells",
]


def run_cells(  # noqa: PLR0913 - one run has this many circumstances
    nb: Any,
    *,
    kernel_name: str,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    listener: CellListener,
    extensions: Sequence[str] = (),
    timeout_seconds: float | None = None,
    startup_timeout_seconds: float = 60.0,
    grace_seconds: float = 5.0,
    allow_errors: bool = False,
) -> list[CellReport]:
    """Run the code cells of a notebook, fill in their outputs, and report on each.

    >>> reports = run_cells(nb, kernel_name="python3", listener=log)  # doctest: +SKIP
    >>> [report.outcome.value for report in reports]                  # doctest: +SKIP
    ['completed', 'failed', 'not run']

    A cell that fails, a kernel that dies and Ctrl-C are reported, not raised. The
    kernel is gone when this returns, however it returns. It may be called with or
    without an event loop running in this thread.

    Parameters
    ----------
    nb
        A notebook of format 4. Its cells are changed in place.
    cwd
        The kernel's working folder; this process's own does not change.
    env
        Variables for the kernel, in addition to this process's own.
    listener
        Called in this thread; in one of its own if an event loop is running here.
    extensions
        IPython extensions to load in the kernel before the first cell.
    timeout_seconds
        How long one cell may take before it is interrupted.
    grace_seconds
        How long an interrupted cell may take to stop before the kernel is killed.
    allow_errors
        Go on after a cell that raises, as if all had the tag ``raises-exception``.

    Raises
    ------
    NotFound
        If no such kernel is installed.
    CrashedRun
        If the kernel does not start.
    """
    if not isinstance(nb, dict) or not hasattr(nb, "cells"):
        raise InvalidDeclaration(
            f"run_cells needs a notebook of format 4, not {type(nb).__name__!r}. "
            "Read one with nbformat.read(path, as_version=4)."
        )
    kernel = LiveKernel(kernel_name, cwd=cwd, env=env or {}, extensions=extensions)
    limits = Limits(
        timeout_seconds, startup_timeout_seconds, grace_seconds, allow_errors
    )
    client = CellClient(nb, kernel, listener, limits=limits)
    with _signals_stop(client):
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(client.run())
        context = contextvars.copy_context()
        with ThreadPoolExecutor(1, thread_name_prefix="nborch-cells") as pool:
            return pool.submit(context.run, asyncio.run, client.run()).result()


@contextmanager
def _signals_stop(client: CellClient) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the run in order, unless they are handled already."""
    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            # asyncio.run has a handler of its own, that only cancels its main task.
            owner = getattr(getattr(handler, "func", None), "__module__", "")
            defaults = (signal.default_int_handler, signal.SIG_DFL)
            if handler in defaults or owner == "asyncio.runners":
                previous[number] = handler
                signal.signal(
                    number, lambda got, _: client.stop(signal.Signals(got).name)
                )
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
