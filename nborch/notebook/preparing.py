"""The run of a cell task, made ready from what its first line asks for."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from nborch.context import RunContext, current_tags
from nborch.events import Event
from nborch.exceptions import InvalidDeclaration
from nborch.lifecycle import Steps, lifecycle
from nborch.notebook.attempts import Attempts, Bindings, CellPerformer
from nborch.notebook.bodies import Source
from nborch.notebook.cells import CellTask
from nborch.notebook.declared import check_limits, check_needs
from nborch.notebook.headers.header import Header, parse_header
from nborch.runs import RunKind, task_run_name
from nborch.specs import Spec
from nborch.view.notices import Notice

__all__ = ["Prepared", "asked", "in_one_line", "prepare"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A cell task that only needs a driver.

    Parameters
    ----------
    attempts
        What the driver is to call the cell through.
    """

    cell: CellTask
    performer: CellPerformer
    steps: Steps
    attempts: Attempts


def asked(shell: Any, line: str, coming: Iterable[str] = ()) -> Header:
    """Return what a first line asks for, or raise what is shown in one line.

    Parameters
    ----------
    coming
        Names that other cells are making.
    """
    try:
        header = parse_header(line, shell.user_ns)
        if header.submit is None:
            # What runs in the background waits for what is not there yet.
            check_needs(header, dict.fromkeys(coming) | shell.user_ns)
    except InvalidDeclaration as error:
        raise in_one_line(error) from None
    return header


def in_one_line(error: BaseException) -> BaseException:
    """Let IPython show the error in one line: a traceback would show the engine."""
    lines = [f"{type(error).__name__}: {error}".removesuffix(": ")]
    error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]  # its protocol
    return error


def prepare(
    shell: Any,
    source: Source,
    parent: RunContext,
    *,
    relay: Callable[[Event], object] | None = None,
) -> Prepared:
    """Return a cell task, ready to be driven.

    Parameters
    ----------
    parent
        The run that it belongs to; with `relay`, the run that it is.
    relay
        Takes the events of a run that somebody else has made for this cell.
    """
    asks, home = source.asks, parent.home
    try:
        if asks.concurrency:
            check_limits(asks, home.limits.store.names())
    except InvalidDeclaration as error:
        raise in_one_line(error) from None
    cell = CellTask(shell, home.cache, source)
    if asks.no_cache:
        cell.reason = "--no-cache"
    spec = _spec(cell, asks)
    tags = spec.tags | current_tags.get()
    details: dict[str, Any] = {"label": spec.name}
    if tags:
        details["tags"] = sorted(tags)
    name = task_run_name(spec.name)
    context = RunContext.begin(
        spec, home, parent, name=name, owner=cell, details=details
    )
    if relay is not None:
        context.run, context.sink = parent.run, relay

    def show(notice: Notice) -> None:
        shell.display_pub.publish(notice.bundle())

    def tell(changed: list[str]) -> None:
        names = ", ".join(f"`{name}`" for name in changed)
        cell.decline(f"was retried with {names} as the failed attempt had changed it")

    for each in cell.declared.missing:
        show(Notice(f"no file matches {each!r}"))
    performer = CellPerformer(context, cell, show=show, limits=asks.concurrency)
    attempts = performer.attempts = Attempts(
        context,
        Bindings(shell.user_ns, cell.analysis, cell.fingerprints)
        if asks.retries
        else None,
        tell,
        # Who made the run keeps what its cells print.
        keeps_prints=asks.log_prints and relay is None,
    )
    steps = lifecycle(spec, occupies=bool(tags or asks.concurrency))
    return Prepared(cell, performer, steps, attempts)


def _spec(cell: CellTask, asks: Header) -> Spec:
    return Spec(
        kind=RunKind.TASK,
        name=asks.name,
        tags=frozenset(asks.tags),
        retries=asks.retries,
        retry_delays=asks.retry_delays,
        timeout=asks.timeout,
        reuses=cell.key is not None and not asks.no_cache,
        refreshes=asks.refresh,
        quiet=True,
    )
