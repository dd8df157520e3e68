"""Log lines of runs: printed in one format, and kept with the run."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

from nborch.context import RunContext, current_run
from nborch.events import log_written
from nborch.exceptions import MissingContextError
from nborch.home import Home
from nborch.runs import RunKind

__all__ = ["RunLogger", "announce", "get_run_logger", "run_logger", "tell"]

ROOT = logging.getLogger("nborch")
ENGINE = logging.getLogger("nborch.engine")
RUNS = {
    RunKind.FLOW: logging.getLogger("nborch.flow_runs"),
    RunKind.SESSION: logging.getLogger("nborch.flow_runs"),
    RunKind.TASK: logging.getLogger("nborch.task_runs"),
}

#: ``15:42:01.234 | INFO    | nborch.engine - Created flow run 'nimble-falcon'``
LINE = "%(asctime)s.%(msecs)03d | %(levelname)-7s | %(source)s - %(message)s"


class _TerminalHandler(logging.StreamHandler[Any]):
    """Print lines on whatever ``sys.stderr`` is at the time."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(LINE, "%H:%M:%S"))

    # NB. Notebooks and tests replace sys.stderr; a stream kept from the start would
    # print in the cell that came first.
    @property
    def stream(self) -> Any:
        """The present standard error."""
        return sys.stderr

    @stream.setter
    def stream(self, _stream: Any) -> None:
        """Ignore the stream given at the start."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; what no run wrote is named by its logger."""
        if not hasattr(record, "source"):
            record.source = record.name
        return super().format(record)


class _StoreHandler(logging.Handler):
    """Keep the lines of runs in the run store."""

    def emit(self, record: logging.LogRecord) -> None:
        """Record the line with the run that wrote it, if one did."""
        run_id: str | None = getattr(record, "run_id", None)
        home: Home | None = getattr(record, "home", None)
        if run_id is None or home is None:
            return
        message = record.getMessage()
        event = log_written(
            run_id, record.created, record.levelname, record.name, message
        )
        home.recorder.record(event)


class RunLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger whose lines belong to a run."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the run to what the line carries, beside the user's own extras."""
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs


def announce(context: RunContext, message: str, *values: object) -> None:
    """Print a line of the engine's own, and keep it with the run."""
    _set_up(context.home)
    if ENGINE.isEnabledFor(logging.INFO):
        extra = {"run_id": context.run.id, "home": context.home}
        ENGINE.info(message, *values, extra=extra)


def tell(context: RunContext, level: int, message: str, *values: object) -> None:
    """Print a line in the name of a run, and keep it with the run."""
    _set_up(context.home)
    # Asked first: most lines of a program that is told to be silent are not made.
    if RUNS[context.run.kind].isEnabledFor(level):
        # As texts: a handler that keeps the record must not keep a state's data.
        run_logger(context).log(level, message, *map(str, values))


def run_logger(context: RunContext) -> RunLogger:
    """Return the logger of a run."""
    _set_up(context.home)
    run = context.run
    kind = "Task" if run.kind is RunKind.TASK else "Flow"
    extra = {
        "source": f"{kind} run {run.details.get('label', run.name)!r}",
        "run_id": run.id,
        "home": context.home,
    }
    return RunLogger(RUNS[run.kind], extra)


def get_run_logger() -> RunLogger:
    """Return the logger of the current run; its lines are kept with the run.

    >>> from nborch import flow
    >>> @flow
    ... def greet():
    ...     get_run_logger().info("Hello from %s", "here")

    Raises
    ------
    MissingContextError
        No flow or task is running.
    """
    context = current_run.get()
    if context is None:
        raise MissingContextError(
            "There is no active flow or task run, so there is no run logger. "
            "Call get_run_logger() within a flow or task."
        )
    return run_logger(context)


def _set_up(home: Home) -> None:
    """Attach the handlers at the first line.

    The program may have given the logger a handler before: then it prints, and we
    only keep the lines.
    """
    global _is_set_up  # noqa: PLW0603  # asked for every line
    if _is_set_up:
        return
    _is_set_up = True
    if not ROOT.handlers:
        ROOT.setLevel(home.settings.log_level)
        ROOT.propagate = False
        ROOT.addHandler(_TerminalHandler())
    ROOT.addHandler(_STORE)


_STORE = _StoreHandler()
_is_set_up = False
