"""The process of a run: takes over one that was made before, to bring it to its end.

What is to be done stands in ``run.json`` in the run's own folder; what the run prints
goes to ``output.log`` there, and the lines of its log to the store and to the worker's
terminal.
"""

import asyncio
import inspect
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from nborch.deploy.entrypoints import find_flow
from nborch.deploy.orders import OUTPUT, Order
from nborch.deploy.parcels import flow_parcels
from nborch.deploy.triggering import MEMORY, WANTED, returned_values
from nborch.events import Event, log_written, state_entered
from nborch.exceptions import CancelRequested, NborchError
from nborch.home import Home, current_home
from nborch.lines import TerminalHandler
from nborch.states import Cancelled, Crashed, Failed, State, StateType
from nborch.takeovers import GivenRun, given_run

__all__ = ["perform"]

#: Seconds between two looks whether another worker has the run.
LOOK = 0.25


def perform(folder: Path) -> int:
    """Execute the run whose order lies in `folder`; return the exit code."""
    order = Order.read(folder)
    engine = _redirect(folder)
    home = _settle(order, folder)
    _say_through(engine, home)
    if order.hooks_only:
        return _call_hooks(order, home)
    home.store.answer_for(order.run.id, order.attempt, order.worker_id)
    is_wanted = bool(order.run.details.get(WANTED))
    given = GivenRun(order.run, order.attempt, held=[] if is_wanted else None)
    flow: Any = None
    code = 1
    with _cancellable(home):
        try:
            flow = _loaded(order, home)
            if hasattr(flow, "file"):
                # A notebook's run takes the signal itself, and ends its kernel.
                signal.signal(signal.SIGINT, signal.default_int_handler)
            # NB. Only now: the program may call flows while it is loaded.
            given_run.set(given)
            value = _call(flow, order.parameters)
            code = 0
            if is_wanted:
                _keep(home, order, value)
        except BaseException as error:  # noqa: BLE001  # it is recorded
            # Otherwise the flow has taken the run over, and its end is recorded.
            if flow is None or given_run.get() is given:
                _fail(home, order, error)
    for event in given.held or ():
        home.recorder.record(event)
    home.recorder.flush()
    return code


def _call_hooks(order: Order, home: Home) -> int:
    """Call the hooks of a run's end; return the exit code."""
    flow, state = _loaded(order, home), home.store.record(order.run.id).state
    code = 0
    for hook in flow.spec.hooks.get(_HOOKS.get(state.type, ""), ()):
        try:
            told = hook(flow, order.run, state)
            if inspect.iscoroutine(told):
                asyncio.run(_awaited(told))
        except Exception:  # noqa: BLE001  # told in the log, with its traceback
            traceback.print_exc()
            code = 1
    return code


async def _awaited(told: Any) -> Any:
    return await told


#: The hooks of ends that a run's own process may not live to see.
_HOOKS = {
    StateType.CRASHED: "on_crashed",
    StateType.CANCELLED: "on_cancellation",
    StateType.FAILED: "on_failure",
}


def _redirect(folder: Path) -> TextIO:
    """Let output go to the run's file; return what leads to the worker's terminal."""
    engine = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    output = os.open(folder / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, descriptor in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(target, descriptor)
    os.close(output)
    os.close(nothing)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = open(  # noqa: SIM115  # it is the process's own
            descriptor, "w", buffering=1, errors="backslashreplace", closefd=False
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    return engine


def _settle(order: Order, folder: Path) -> Home:
    """Make the surroundings those of the deployment; return the home."""
    os.environ["NBORCH_RUN_ID"] = order.run.id
    os.environ["NBORCH_RUN_FOLDER"] = str(folder)
    with suppress(OSError):
        os.chdir(order.entrypoint.get("folder") or folder)
    if current_home().folder != Path(order.home):
        os.environ["NBORCH_HOME"] = order.home
    return current_home()


def _say_through(engine: TextIO, home: Home) -> None:
    """Print the lines of the log on the worker's terminal, not among the output."""
    root = logging.getLogger("nborch")
    root.handlers[:] = [_EngineLines(engine)]
    root.setLevel(home.settings.log_level)
    root.propagate = False


class _EngineLines(TerminalHandler):
    """Print lines where the worker reads them."""

    def __init__(self, engine: TextIO) -> None:
        self._engine = engine
        super().__init__()

    @property
    def stream(self) -> Any:
        """What leads to the worker's terminal."""
        return self._engine

    @stream.setter
    def stream(self, _stream: Any) -> None:
        """Ignore the stream given at the start."""


@contextmanager
def _cancellable(home: Home) -> Iterator[None]:
    """Let SIGINT cancel the run."""

    def cancel(_signal: int, _frame: object) -> None:
        raise CancelRequested(
            "It was given to another worker meanwhile."
            if home.store.is_fenced_off
            else "It was cancelled on request."
        )

    signal.signal(signal.SIGINT, cancel)
    over = threading.Event()
    threading.Thread(
        target=_end_if_fenced_off, args=(home, over), name="nborch-fence", daemon=True
    ).start()
    try:
        yield
    finally:
        over.set()
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _end_if_fenced_off(home: Home, over: threading.Event) -> None:
    """Interrupt the run once the store does not take its word any more."""
    while not over.wait(LOOK):
        if home.store.is_fenced_off:
            os.kill(os.getpid(), signal.SIGINT)
            return


def _loaded(order: Order, home: Home) -> Any:
    """Return the flow."""
    entrypoint = order.entrypoint
    if entrypoint["kind"] == "notebook":
        from nborch.notebook.flows import notebook_flow

        return notebook_flow(entrypoint["path"], **entrypoint.get("options", {}))
    if entrypoint["kind"] == "value":
        for entry in reversed(entrypoint.get("path_entries", ())):
            if entry not in sys.path:
                sys.path.insert(0, entry)
        return flow_parcels(home).load(entrypoint["digest"])
    return find_flow(entrypoint)


def _call(flow: Any, parameters: Mapping[str, Any]) -> Any:
    """Call the flow, of whatever kind it is, to its end; return what it returns."""
    if flow.yields_async:
        return asyncio.run(_consumed(flow(**parameters)))
    if flow.isasync:
        return asyncio.run(flow(**parameters))
    if flow.isgenerator:
        return list(flow(**parameters))
    return flow(**parameters)


async def _consumed(items: Any) -> list[Any]:
    return [item async for item in items]


def _keep(home: Home, order: Order, value: Any) -> None:
    """Keep what the run returned, for who waits for it."""
    parcels = returned_values(home)
    try:
        parcels.keep(order.run.id, value)
    except Exception as error:  # noqa: BLE001  # anything that a user's object does
        told = f"What it returned cannot be sent: {type(error).__name__}: {error}"
        home.recorder.record(_line(order, "WARNING", told))
    parcels.forget(MEMORY)


def _fail(home: Home, order: Order, error: BaseException) -> None:
    """Record that the run ended before its flow was called."""
    state = _state_of(error).stamped(datetime.now(UTC), order.run.id)
    lines = _traceback(error)
    if lines:
        home.recorder.record(_line(order, "ERROR", lines))
    home.recorder.record(state_entered(order.run.id, state, order.attempt))


def _line(order: Order, level: str, text: str) -> Event:
    logger = order.run.kind.logger
    return log_written(order.run.id, time.time(), level, logger, text)


def _state_of(error: BaseException) -> State:
    if isinstance(error, CancelRequested):
        return Cancelled(message=str(error))
    if not isinstance(error, Exception):
        return Crashed(message=f"Execution was aborted by {type(error).__name__}.")
    if isinstance(error, NborchError):
        return Failed(message=str(error))
    return Failed(message=f"The flow cannot be loaded: {type(error).__name__}: {error}")


def _traceback(error: BaseException) -> str:
    """Return the traceback of what the user's own code raised."""
    if isinstance(error, NborchError | CancelRequested):
        return ""
    return "".join(traceback.format_exception(error)).rstrip()
