"""A notebook's kernel as a run: what cells and task calls in it belong to."""

import atexit
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nborch import awaiting, blocking
from nborch.context import RunContext, set_ambient
from nborch.events import Event, run_created, state_entered
from nborch.exceptions import InvalidDeclaration
from nborch.home import current_home
from nborch.lifecycle import lifecycle
from nborch.logs import end_lines
from nborch.notebook.bodies import Source
from nborch.notebook.cells import CellTask
from nborch.notebook.header import parse_header
from nborch.notebook.kernel import request_metadata, sent_context
from nborch.notebook.outputs import EVENT_MIME
from nborch.performing import Performer
from nborch.runs import Run, RunKind, flow_run_name, task_run_name
from nborch.specs import Spec
from nborch.states import Completed, Running, State

__all__ = ["CellSession"]


class CellSession:
    """Runs the cell tasks of one kernel.

    Where a notebook flow executes the notebook, each cell is already a run of that
    flow and its events go there. Otherwise the session itself is the parent run,
    made when the first cell task or task is called.

    Parameters
    ----------
    shell
        The IPython shell.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._own: RunContext | None = None
        set_ambient(self.enclosing)

    def run(self, header: str, body: str) -> None:
        """Run a cell task, or restore it."""
        cell, performer, steps = self._prepared(header, body)
        state = blocking.drive(steps, performer, cell.execute)
        self._finish(cell, performer.context, state)

    async def run_async(self, header: str, body: str) -> None:
        """Run a cell task that awaits, or restore it."""
        cell, performer, steps = self._prepared(header, body)
        state = await awaiting.drive(steps, performer, cell.execute_async)
        self._finish(cell, performer.context, state)

    def enclosing(self) -> RunContext | None:
        """Return the run that task calls in a cell belong to."""
        sent = sent_context()
        if sent is not None:
            return sent
        if self._own is None:
            self._own = self._begin()
        return self._own

    def close(self) -> None:
        """End the session's own run."""
        if self._own is not None:
            end_lines(self._own)
            self._own.record(_entered(self._own.run, Completed()))
            self._own = None

    def _prepared(self, header: str, body: str) -> tuple[CellTask, Performer, Any]:
        try:
            options = parse_header(header)
        except InvalidDeclaration as error:
            # The line says it all; a traceback would show engine code only.
            _shown_as(error, [f"{type(error).__name__}: {error}"])
            raise
        sent = request_metadata()
        parent = self.enclosing()
        home = parent.home if parent else current_home()
        cell = CellTask(self._shell, home.cache, Source(options.name, header, body))
        spec = Spec(
            kind=RunKind.TASK,
            name=options.name,
            reuses=cell.key is not None and not options.no_cache,
            refreshes=options.refresh,
            quiet=True,
        )
        context = RunContext.begin(
            spec,
            home,
            parent,
            name=task_run_name(spec.name),
            owner=cell,
            details={"label": spec.name},
        )
        if "run_id" in sent and parent is not None:
            # The runner has made this cell's run: the cell reports to it.
            context.run = parent.run
            context.sink = self._relay
        if options.no_cache:
            cell.reason = "--no-cache"
        return cell, Performer(context, cell), lifecycle(spec)

    def _finish(self, cell: CellTask, context: RunContext, state: State) -> None:
        """Restore or complete what the cell shows; raise what it raised."""
        if isinstance(state.data, BaseException):
            raise self._as_the_users_own(state.data)
        hit = state.name == "Cached"
        if hit:
            cell.restore()
        badge = cell.badge(hit=hit)
        if badge is not None:
            self._shell.display_pub.publish(badge.bundle())
        if context.sink is None:
            context.home.recorder.flush()

    def _as_the_users_own(self, error: BaseException) -> BaseException:
        """Let IPython show the error as if the cell had no ``%%task`` line."""
        render = self._shell.InteractiveTB.structured_traceback
        lines = render(type(error), error, error.__traceback__, tb_offset=0)
        return _shown_as(error, lines)

    def _relay(self, event: Event) -> None:
        """Send an event of this cell to the runner, in order with its outputs."""
        self._shell.display_pub.publish({EVENT_MIME: event.to_json()})

    def _begin(self) -> RunContext:
        name = _notebook_name()
        spec = Spec(kind=RunKind.SESSION, name=name)
        home = current_home()
        # What the kernel before this one was doing when it was restarted is over.
        home.reap()
        context = RunContext.begin(spec, home, None, name=flow_run_name())
        context.record(run_created(context.run))
        context.record(_entered(context.run, Running()))
        atexit.register(self.close)
        return context


def _shown_as(error: BaseException, lines: list[str]) -> BaseException:
    """Let IPython show these lines for an error, by its own protocol."""
    # An exception with slots is shown with a frame more.
    with suppress(AttributeError):
        error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]  # its protocol
    return error


def _entered(run: Run, state: State) -> Event:
    return state_entered(run.id, state.stamped(datetime.now(UTC)), 1)


def _notebook_name() -> str:
    """Return the name of the notebook whose kernel this is, as far as it is known."""
    # Jupyter Server tells kernels their notebook by this name.
    path = os.environ.get("JPY_SESSION_NAME", "")
    return Path(path).stem or "session"
