"""Run a notebook's cells in a kernel and tell the truth about each of them."""

import asyncio
import contextvars
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from nborch.exceptions import InvalidDeclaration, RunTimedOut
from nborch.latches import Latch
from nborch.notebook.cell_client import CellClient, Limits
from nborch.notebook.inprocess.kernels import InProcessKernel
from nborch.notebook.kernels.base import INPROCESS, Kernel
from nborch.notebook.launch import LiveKernel
from nborch.notebook.outputs import EVENT_MIME
from nborch.notebook.reports import (
    CellError,
    CellListener,
    CellOutcome,
    CellReport,
    KeptCell,
)
from nborch.notebook.spilling import Spill

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
    engine: str | None = None,
    timeout_seconds: float | None = None,
    startup_timeout_seconds: float = 60.0,
    grace_seconds: float = 2.0,
    allow_errors: bool = False,
    total_seconds: float | None = None,
    kept: Mapping[int, KeptCell] | None = None,
    spill: Spill | None = None,
    silent: Mapping[int, str] | None = None,
    echo: Callable[[dict[str, Any]], object] | None = None,
    parallel: int = 1,
) -> list[CellReport]:
    """Run the code cells of a notebook, fill in their outputs, and report on each.

    >>> reports = run_cells(nb, kernel_name="python3", listener=log)  # doctest: +SKIP
    >>> [report.outcome.value for report in reports]                  # doctest: +SKIP
    ['completed', 'failed', 'not run']

    A cell that fails, a kernel that dies and Ctrl-C are reported, not raised. No
    kernel is left, however this returns: only exit handlers may run on for a moment,
    for which a program that ends waits. It may be called with or without an event loop
    running in this thread.

    Parameters
    ----------
    nb
        A notebook of format 4. Its cells are changed in place.
    kernel_name
        The name of an installed kernel, or ``"inprocess"``.
    cwd
        The kernel's working folder; this process's own does not change.
    env
        Variables for the kernel, in addition to this process's own.
    listener
        Called in this thread if it is the main one and no event loop is running in
        it; in one of its own else.
    extensions
        IPython extensions to load in the kernel before the first cell.
    engine
        ``"inprocess"`` to run the cells in this very process, whatever the kernel.
    timeout_seconds
        How long one cell may take before it is interrupted, unless the cell says so
        itself; see `nborch.notebook.marks`.
    grace_seconds
        How long an interrupted cell may take to stop before the kernel is killed.
    allow_errors
        Go on after a cell that raises, as if all had the tag ``raises-exception``.
    total_seconds
        How long the whole run may take, the kernel's start included.
    kept
        Cells that are not to be run, by their place, with what they showed before.
    spill
        Where outputs go that are too large for the notebook; all of them stay in the
        notebook if not given.
    silent
        Source to run just before a cell, by its place, that the notebook does not show.
    echo
        Called with each message of the kernel that belongs to a cell.
    parallel
        How many cell tasks may run at the same time, each in a process of its own.

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
    kernel = _kernel(
        engine or kernel_name, cwd=cwd, env=env or {}, extensions=extensions
    )
    if parallel > 1 and isinstance(kernel, InProcessKernel):
        raise InvalidDeclaration(
            "A notebook in this process runs its cells one after the other. "
            "Leave out parallel, or run it in a kernel."
        )
    limits = Limits(
        timeout_seconds,
        startup_timeout_seconds,
        grace_seconds,
        allow_errors,
        total_seconds,
    )
    about: dict[str, Any] = {
        "limits": limits,
        "kept": kept,
        "spill": spill,
        "silent": silent,
        "echo": echo,
    }
    client = CellClient(nb, kernel, listener, **about)
    if parallel > 1:
        from nborch.notebook.parallel import ParallelClient

        client = ParallelClient(nb, kernel, listener, most=parallel, **about)
    with _signals_stop(client):
        if _may_block_here():
            return asyncio.run(client.run())
        return _run_beside(client, patience=grace_seconds + _PATIENCE)


#: Seconds between two looks: a thread that waits for a lock cannot be interrupted.
_LOOK = 0.1
#: Seconds that a run which has been stopped may take to clear up.
_PATIENCE = 10.0


def _may_block_here() -> bool:
    """Tell whether this is the main thread, and no event loop is running in it."""
    if threading.current_thread() is not threading.main_thread():
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False


def _run_beside(client: CellClient, *, patience: float) -> list[CellReport]:
    """Run the cells in a thread of their own; stop them if this one is interrupted.

    An event loop that waits for a kernel would not notice that its thread is to end.
    """
    context = contextvars.copy_context()
    outcome: list[list[CellReport]] = []
    problem: list[BaseException] = []
    over = Latch()

    def run() -> None:
        try:
            outcome.append(context.run(asyncio.run, client.run()))
        except BaseException as error:  # noqa: BLE001  # raised where it is waited for
            problem.append(error)
        finally:
            over.open()

    threading.Thread(target=run, name="nborch-cells", daemon=True).start()
    try:
        while not over.wait(_LOOK):
            pass
    except BaseException as error:
        client.stop(_CAUSES.get(type(error), "the flow run around it"))
        until = time.monotonic() + patience
        while not over.wait(_LOOK) and time.monotonic() < until:
            pass
        raise
    if problem:
        raise problem[0]
    return outcome[0]


#: Who has stopped a run, as its cell is to name it, by what was raised for it.
_CAUSES: dict[type[BaseException], str] = {
    KeyboardInterrupt: "SIGINT",
    RunTimedOut: "a time limit around it",
}


def _kernel(name: str, **options: Any) -> Kernel:
    if name == INPROCESS:
        return InProcessKernel(**options)
    return LiveKernel(name, **options)


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
