"""The loggers of runs: their lines are printed in one format and kept with the run."""

import logging
import sys
import time
from collections.abc import Generator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from typing import Any

from nborch.context import RunContext, current_run
from nborch.exceptions import MissingContextError
from nborch.home import Home
from nborch.lines import RunLines, StoreHandler, TerminalHandler, formatted
from nborch.outlets import outlet_here
from nborch.runs import RunKind
from nborch.states import State

__all__ = [
    "RunLogger",
    "announce",
    "disable_run_logger",
    "end_lines",
    "get_logger",
    "get_run_logger",
    "run_logger",
    "tell",
    "tell_end",
]

ROOT = logging.getLogger("nborch")
ENGINE = logging.getLogger("nborch.engine")
RUNS = {kind: logging.getLogger(kind.logger) for kind in RunKind}
LEVELS = logging.getLevelNamesMapping()
# Not one of logging's own tree: what sets up logging may enable all loggers of that.
_SILENT = logging.Logger("nborch.null")  # noqa: LOG001
_SILENT.disabled = True

_TERMINAL = TerminalHandler()
_STORE = StoreHandler()
_OURS: list[logging.Handler] = [_TERMINAL, _STORE]
_is_set_up = False


class RunLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger whose lines belong to a run."""

    def __init__(self, logger: logging.Logger, extra: Mapping[str, object]) -> None:
        super().__init__(logger, extra)
        self.lines: Any = extra.get("lines")
        self.source = str(extra.get("source"))

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Write a line; takes what `logging.Logger.log` takes."""
        logger = self.logger
        if not logger.isEnabledFor(level):
            return
        if kwargs or not self.write(level, msg, args):
            # This frame is not logging's own, and must not pass for the caller's.
            kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1
            super().log(level, msg, *args, **kwargs)

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the run to what the line carries, beside the user's own extras."""
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs

    def write(
        self,
        level: int,
        msg: object,
        args: tuple[object, ...],
        by: logging.Logger | None = None,
        *,
        is_printed: bool = True,
    ) -> bool:
        """Print and keep a line without a record of it, if nobody would see that.

        A record costs more than all the rest of a line. Returns False if a handler of
        the program's own is to get it, or if the line cannot be made this way.

        Parameters
        ----------
        by
            Another logger that writes it, in its own name.
        is_printed
            Whether it is; else it is kept only.
        """
        logger = by or self.logger
        if not _is_ours_alone(logger):
            return False
        try:
            message = str(msg) % args if args else str(msg)
            now = time.time()
            if is_printed:
                line = formatted(now, level, by.name if by else self.source, message)
                sys.stderr.write(line + "\n")
        except Exception:  # noqa: BLE001  # logging tells of it in its own way
            return False
        self.lines.keep(now, logging.getLevelName(level), logger.name, message)
        return True


def _is_ours_alone(logger: logging.Logger) -> bool:
    """Tell whether no handler or filter of the program's own would see a line."""
    return (
        ROOT.handlers == _OURS
        and not ROOT.propagate
        and not logger.handlers
        and not logger.filters
        and logger.propagate
        and _TERMINAL.is_untouched
    )


def announce(context: RunContext, message: str, *values: object) -> None:
    """Print a line of the engine's own, and keep it with the run."""
    logger = run_logger(context)
    is_printed = not context.is_on_show
    if ENGINE.isEnabledFor(logging.INFO) and not logger.write(
        logging.INFO, message, values, by=ENGINE, is_printed=is_printed
    ):
        extra = {"run_id": context.run.id, "lines": logger.lines}
        ENGINE.info(message, *values, extra=extra)


def tell(context: RunContext, level: int, message: str, *values: object) -> None:
    """Print a line in the name of a run, and keep it with the run."""
    logger = run_logger(context)
    # Asked first: most lines of a program that is told to be silent are not made.
    if logger.logger.isEnabledFor(level):
        # As texts: a handler that keeps the record must not keep a state's data.
        logger.log(level, message, *map(str, values))


def tell_end(context: RunContext, state: State) -> None:
    """Print the line for the end of a run. It is not kept: the state is."""
    _set_up(context.home)
    logger = RUNS[context.run.kind]
    level = LEVELS[state.level]
    if not logger.isEnabledFor(level):
        return
    message = state.told
    if _is_ours_alone(logger):
        if context.is_on_show and level < logging.WARNING:
            return
        line = formatted(time.time(), level, _source(context), message)
        with suppress(Exception):  # a stream that was closed, as logging has it
            sys.stderr.write(line + "\n")
        return
    extra = {"source": _source(context), "run_id": context.run.id}
    logger.log(level, "%s", message, extra=extra)


def _source(context: RunContext) -> str:
    run = context.run
    kind = "Task" if run.kind is RunKind.TASK else "Flow"
    return f"{kind} run {run.details.get('label', run.name)!r}"


def run_logger(context: RunContext) -> RunLogger:
    """Return the logger of a run."""
    logger: RunLogger | None = context.logger
    if logger is None:
        home = context.home
        _set_up(home)
        run = context.run
        extra = {
            "source": _source(context),
            "run_id": run.id,
            "lines": RunLines(run.id, home, home.settings.log_lines_limit),
        }
        logger = context.logger = RunLogger(RUNS[run.kind], extra)
    return logger


def end_lines(context: RunContext) -> None:
    """Store the last lines of a run that wrote more than are kept."""
    if context.logger is not None:
        context.logger.lines.end()


def get_run_logger(context: RunContext | None = None, **kwargs: object) -> RunLogger:
    """Return the logger of the current run; its lines are kept with the run.

    >>> from nborch import flow
    >>> @flow
    ... def greet():
    ...     get_run_logger().info("Hello from %s", "here")

    Parameters
    ----------
    context
        Another run than the current one.
    kwargs
        What each record is to carry besides, as ``extra`` does.

    Raises
    ------
    MissingContextError
        No flow or task is running.
    """
    context = context or current_run.get()
    if context is None and (outlet := outlet_here()):
        context = outlet.context
    if context is not None:
        logger = run_logger(context)
        if not kwargs:
            return logger
        return RunLogger(logger.logger, {**(logger.extra or {}), **kwargs})
    if RUNS[RunKind.TASK].disabled:
        return RunLogger(_SILENT, kwargs)
    raise MissingContextError(
        "There is no active flow or task run, so there is no run logger. Call "
        "get_run_logger() within a flow or task, and give its logger to the threads "
        "that it starts. To test a function without a run, use disable_run_logger()."
    )


def get_logger(name: str | None = None) -> logging.Logger:
    """Return the logger ``nborch``, or the one called `name` below it.

    >>> get_logger("my_module").name
    'nborch.my_module'
    """
    if not name or name == ROOT.name:
        return ROOT
    return ROOT.getChild(name.removeprefix(f"{ROOT.name}."))


@contextmanager
def disable_run_logger() -> Generator[None]:
    """Silence the loggers of runs in the block, also where there is no run.

    >>> from nborch import task
    >>> @task
    ... def shout(text: str) -> str:
    ...     get_run_logger().info("Shouting")
    ...     return text.upper()
    >>> with disable_run_logger():
    ...     shout.fn("hi")
    'HI'
    """
    loggers = set(RUNS.values())
    before = {logger: logger.disabled for logger in loggers}
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, disabled in before.items():
            logger.disabled = disabled


def _set_up(home: Home) -> None:
    """Attach the handlers at the first line.

    The program may have given the logger a handler before: then it prints, and we
    only keep the lines.
    """
    global _is_set_up  # noqa: PLW0603  # asked for every run
    if _is_set_up:
        return
    _is_set_up = True
    if not ROOT.handlers:
        ROOT.setLevel(home.settings.log_level)
        ROOT.propagate = False
        ROOT.addHandler(_TERMINAL)
    ROOT.addHandler(_STORE)
