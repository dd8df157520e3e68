"""A notebook's kernel as a run: what cells and task calls in it belong to."""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from nborch import awaiting, blocking
from nborch.ambient import drop_ambient, set_ambient
from nborch.calling import Call
from nborch.context import RunContext, current_run
from nborch.events import Event, run_created, state_entered
from nborch.logs import end_lines
from nborch.notebook.bodies import Source
from nborch.notebook.cells import CellTask
from nborch.notebook.displays.posting import fork, show
from nborch.notebook.displays.tracebacks import show_as_own
from nborch.notebook.headers.completion import Seen
from nborch.notebook.headers.header import Header
from nborch.notebook.headers.manual import manual
from nborch.notebook.outputs import EVENT_MIME
from nborch.notebook.preparing import Prepared, asked, in_one_line, prepare
from nborch.notebook.refuge import usable_home
from nborch.notebook.reruns.noting import Notes
from nborch.notebook.sent import request_metadata, sent_context
from nborch.runs import Run, RunKind, flow_run_name
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
        #: What completion offers of earlier cells.
        self.seen = Seen()
        #: The cells in the background, once there is one; see `.background`.
        self.background: Any = None
        self.notes = Notes(shell, _notebook(), self._survey)
        self.notes.watch.start()
        fork(shell)
        set_ambient(self.enclosing)

    @cached_property
    def commands(self) -> Any:
        """What ``%nborch`` asks."""
        # Loaded with the first question: `%load_ext nborch` is to be quick.
        from nborch.notebook.reruns.commands import Commands

        return Commands(self._shell, self)

    def _survey(self) -> Any:
        return self.commands.survey()

    def run(self, header: str, body: str) -> None:
        """Run a cell task, or restore it."""
        ready = self._prepared(header, body)
        if ready is None:
            return
        function = partial(ready.attempts.run, ready.cell.execute)
        with _held(ready):
            with _interrupts_shown():
                state = blocking.drive(ready.steps, ready.performer, function)
            self._finish(ready.cell, ready.performer.context, state)

    async def run_async(self, header: str, body: str) -> None:
        """Run a cell task that awaits, or restore it."""
        ready = self._prepared(header, body)
        if ready is None:
            return
        function = partial(ready.attempts.run_async, ready.cell.execute_async)
        with _held(ready):
            with _interrupts_shown():
                state = await awaiting.drive(ready.steps, ready.performer, function)
            self._finish(ready.cell, ready.performer.context, state)

    def run_flow(self, header: str, body: str) -> None:
        """Run a cell flow."""
        call = self._flow_call(header, body)
        if call is not None:
            with _interrupts_shown():
                state = blocking.drive(call.steps(), call.performer, call.function())
            self._finish_flow(call.context, state)

    async def run_flow_async(self, header: str, body: str) -> None:
        """Run a cell flow that awaits."""
        call = self._flow_call(header, body)
        if call is not None:
            steps, function = call.steps(), call.function()
            with _interrupts_shown():
                state = await awaiting.drive(steps, call.performer, function)
            self._finish_flow(call.context, state)

    def enclosing(self) -> RunContext:
        """Return the run that task calls in a cell belong to."""
        sent = sent_context()
        if sent is not None:
            return sent
        if self._own is None:
            self._own = self._begin()
        return self._own

    def close(self) -> None:
        """End the session's own run."""
        if self.background is not None:
            self.background.close()
        self.notes.watch.stop()
        if "commands" in self.__dict__:
            self.commands.close()
        drop_ambient(self.enclosing)
        if self._own is not None:
            end_lines(self._own)
            self._own.record(_entered(self._own.run, Completed()))
            self._own = None

    def _asked(self, header: str) -> Header | None:
        """Return what a first line asks for; None if that is help, which is shown."""
        coming = getattr(self.background, "coming", ())
        asks = asked(self._shell, header, coming)
        if asks.help:
            print(manual(header.split(maxsplit=1)[0]))  # noqa: T201  # it was asked for
            return None
        self.seen.note(asks)
        return asks

    def _prepared(self, header: str, body: str) -> Prepared | None:
        asks = self._asked(header)
        if asks is None:
            return None
        source = Source(asks.name, header, body, asks)
        # A cell within a cell, by run_cell(), is a run of its own.
        around = current_run.get()
        parent = around or self.enclosing()
        is_made = around is None and "run_id" in request_metadata()
        # The runner has made this cell's run: the cell reports to it.
        relay = self._relay if is_made else None
        abreast = "parallel" in request_metadata()
        aside = is_made if abreast else asks.submit is not None
        if aside and self._submitted(source, parent):
            return None
        return prepare(self._shell, source, parent, relay=relay)

    def _submitted(self, source: Source, parent: RunContext) -> bool:
        """Run a cell in the background; tell whether it does not have to run here."""
        return bool(self._board().submit(source, parent))

    def _board(self) -> Any:
        """Return the cells in the background."""
        if self.background is None and "parallel" in request_metadata():
            from nborch.notebook.background.abreast import AbreastBoard

            self.background = AbreastBoard(self._shell, self)
        elif self.background is None:
            # Few notebooks have cells in the background.
            from nborch.notebook.background.board import Board

            self.background = Board(self._shell, self)
        return self.background

    # What `%nborch` asks for.

    def submit(self, source: Source) -> Any:
        """Run a cell in the background; return its job, None if it has to run here."""
        board = self._board()
        return board.jobs[-1] if board.submit(source, self.enclosing()) else None

    def jobs(self) -> list[Any]:
        """Return the cells that were submitted."""
        return list(self.background.jobs) if self.background is not None else []

    def settle(self) -> None:
        """Bind the names of the cells in the background that are over."""
        if self.background is not None:
            self.background.settle()

    def _flow_call(self, header: str, body: str) -> Call | None:
        asks = self._asked(header)
        if asks is None:
            return None
        # Few notebooks have cell flows.
        from nborch.notebook.flow_cells import cell_flow

        source = Source(asks.name, header, body, asks)
        return Call(cell_flow(self._shell, source), (), {})

    def _finish_flow(self, context: RunContext, state: State) -> None:
        """Raise what ended a cell flow, as the plain cell would."""
        context.home.recorder.flush()
        error = state.data
        if isinstance(error, BaseException) and not isinstance(error, Exception):
            raise show_as_own(self._shell, error)
        if not state.is_completed():
            raise show_as_own(self._shell, state.exception())

    def _finish(self, cell: CellTask, context: RunContext, state: State) -> None:
        """Restore or complete what the cell shows; raise what it raised."""
        if isinstance(state.data, BaseException):
            self.notes.take(cell, context, state)
            self._flush(context)
            raise show_as_own(self._shell, state.data)
        hit = state.name == "Cached"
        if hit:
            cell.restore()
        why = self.notes.take(cell, context, state)
        badge = cell.badge(hit=hit)
        # NB. First: the thread that sends what is shown would get in the way.
        self._flush(context)
        if badge is not None:
            badge = replace(badge, reason=badge.reason or why)
            show(self._shell, badge.bundle())

    def _flush(self, context: RunContext) -> None:
        """Have on disk what was recorded of a cell, unless it reports to a runner."""
        if context.sink != self._relay:
            context.home.recorder.flush()

    def _relay(self, event: Event) -> None:
        """Send an event of this cell to the runner, in order with its outputs."""
        show(self._shell, {EVENT_MIME: event.to_json()})

    def _begin(self) -> RunContext:
        name = _notebook_name()
        spec = Spec(kind=RunKind.SESSION, name=name)
        home = usable_home()
        context = RunContext.begin(spec, home, None, name=flow_run_name())
        context.record(run_created(context.run))
        context.record(_entered(context.run, Running()))
        atexit.register(self.close)
        return context


@contextmanager
def _held(ready: Prepared) -> Iterator[None]:
    """Let a cell that may be restored at once record its states together."""
    if not ready.cell.analysis.prelude:
        # To import something, or to define a class, may take its time.
        ready.performer.hold()
    try:
        yield
    finally:
        ready.performer.release()


@contextmanager
def _interrupts_shown() -> Iterator[None]:
    """Show in one line that somebody pressed Ctrl-C while the engine waited."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise in_one_line(error)  # noqa: B904  # it is the same error


def _entered(run: Run, state: State) -> Event:
    return state_entered(run.id, state.stamped(datetime.now(UTC)), 1)


def _notebook_name() -> str:
    """Return the name of the notebook whose kernel this is, as far as it is known."""
    return _notebook() or "session"


def _notebook() -> str | None:
    sent = request_metadata()
    if "notebook" in sent:
        return str(sent["notebook"])
    # Jupyter Server tells kernels their notebook by this name.
    return Path(os.environ.get("JPY_SESSION_NAME", "")).stem or None
