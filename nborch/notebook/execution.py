"""A notebook as a flow: one flow run, and a task run for each code cell."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nborch import blocking
from nborch.context import RunContext, enclosing_run
from nborch.events import Event, EventKind, log_written
from nborch.exceptions import CancelledRun, CellFailed, CrashedRun, InvalidDeclaration
from nborch.home import Home
from nborch.lifecycle import lifecycle
from nborch.notebook.client import run_cells
from nborch.notebook.documents import Document
from nborch.notebook.headers.header import parse_header
from nborch.notebook.magics import is_flow, is_task
from nborch.notebook.reports import CellOutcome, CellReport
from nborch.parameters import shown
from nborch.performing import Performer
from nborch.runs import RunKind, flow_run_name, task_run_name
from nborch.specs import Spec
from nborch.states import (
    TRANSITIONS,
    Cancelled,
    Completed,
    Crashed,
    Failed,
    Pending,
    Running,
    State,
    TimedOut,
)

__all__ = ["CellRun", "NotebookRun"]

#: Lines of what a cell printed that are kept with its run: the first and the last.
HEAD, TAIL = 300, 200

_NOT_RUN = "An earlier cell ended the run."
_PAPERMILL_STATUS = {
    CellOutcome.COMPLETED: "completed",
    CellOutcome.NOT_RUN: "pending",
}


@dataclass(slots=True)
class CellRun:
    """The task run of one code cell, and where it stands.

    Parameters
    ----------
    told
        The final state that the cell task in the kernel reported. It counts once the
        kernel has also said that the cell is over.
    """

    index: int
    performer: Performer
    is_task: bool
    report: CellReport | None = None
    told: State | None = None

    @property
    def context(self) -> RunContext:
        """The run's context."""
        return self.performer.context

    @property
    def name(self) -> str:
        """What the cell is called."""
        return self.context.spec.name

    @property
    def state(self) -> State | None:
        """The state it is in."""
        return self.context.state

    def enter(self, state: State) -> None:
        """Enter a state if the present one leads to it."""
        now = self.state
        if now is None or state.type in TRANSITIONS[now.type]:
            self.performer.enter(state, self.context.attempt or int(state.is_running()))

    @property
    def is_cached(self) -> bool:
        """Whether the cell was restored."""
        return self.state is not None and self.state.name == "Cached"


@dataclass(slots=True)
class NotebookRun:
    """The flow run of one notebook, from its start to its end.

    Parameters
    ----------
    notebook, output
        Paths of the notebook and of its executed copy, as far as they are files.
    parameters
        The values given for this run.
    on_change
        Called with this object whenever a cell begins or ends. With nobody to call,
        the usual lines are printed.
    """

    home: Home
    notebook: str
    output: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    on_change: Callable[["NotebookRun"], object] | None = None
    cells: list[CellRun] = field(default_factory=list)
    reports: list[CellReport] = field(default_factory=list)
    context: RunContext | None = None
    state: State | None = None
    nb: Any = None
    _document: Document | None = None

    @property
    def current(self) -> CellRun | None:
        """The cell that is running."""
        running = (
            cell for cell in self.cells if cell.state and cell.state.is_running()
        )
        return next(running, None)

    @property
    def failed(self) -> CellRun | None:
        """The cell that ended the run."""
        for cell in self.cells:
            if cell.report is not None and cell.report.outcome.ends_the_run:
                return cell
        return None

    def execute(self, nb: Any, kernel_name: str, cwd: str, **limits: Any) -> State:
        """Execute the notebook's cells in a kernel; return the run's final state.

        The outputs are filled in and saved as they come.
        """
        name = Path(self.notebook).stem or "notebook"
        spec = Spec(kind=RunKind.FLOW, name=name, quiet=self.on_change is not None)
        self.nb = nb
        self.context = self._new_run(spec, enclosing_run(), self._facts())
        self._document = Document(nb, self.output) if self.output else None

        def run() -> None:
            self._prepare(nb)
            self.reports = run_cells(
                nb,
                kernel_name=kernel_name,
                cwd=cwd,
                listener=self,
                extensions=_missing_extensions(nb),
                **limits,
            )
            self._raise_as_ended()

        try:
            self.state = blocking.drive(lifecycle(spec), Performer(self.context), run)
        finally:
            self._conclude(nb)
        return self.state

    # What the client tells.

    def cell_started(self, index: int) -> Mapping[str, object]:
        """Enter Running; tell the kernel which run its cell is."""
        cell = self._cell(index)
        cell.enter(Running())
        stamp = {"status": "running", "start_time": _now(), "exception": False}
        self.nb.cells[index].metadata["papermill"].update(stamp)
        self._changed(index)
        run = cell.context.run
        return {
            "run_id": run.id,
            "flow_run_id": run.parent_id,
            "task": run.of,
            "name": run.name,
            "notebook": Path(self.notebook).stem,
        }

    def cell_message(self, index: int, payload: dict[str, Any]) -> None:
        """Take an event that the cell task in the kernel reports of itself."""
        event = Event.from_json(payload)
        cell = self._cell(index)
        if event.kind is EventKind.STATE:
            state = State.from_json(event.data)
            if state.is_final():
                cell.told = state
            elif not (state.is_pending() or state.name == "Running"):
                cell.enter(state)
        elif event.kind is EventKind.NOTED:
            cell.context.record(event)

    def cell_output(self, index: int) -> None:
        """Save what the cell has shown so far, if it is time to."""
        if self._document is not None:
            self._document.touch(index)
            self._document.save()

    def cell_finished(self, report: CellReport) -> None:
        """Enter the state that the cell ended in."""
        cell = self._cell(report.index)
        cell.report = report
        node = self.nb.cells[report.index]
        cell.enter(_state_of(report, cell.told, node))
        self._keep_lines(cell, node)
        if report.outcome is not CellOutcome.NOT_RUN:
            started = node.metadata["papermill"].get("start_time")
            node.metadata["papermill"].update(
                {
                    "status": _PAPERMILL_STATUS.get(report.outcome, "failed"),
                    "exception": report.outcome.ends_the_run,
                    "start_time": started or _now(),
                    "end_time": _now(),
                    "duration": round(report.seconds, 6),
                }
            )
        self._changed(report.index, force=report.outcome.ends_the_run)

    # How it is done.

    def _facts(self) -> dict[str, Any]:
        is_file = Path(self.notebook).exists()
        notebook = str(Path(self.notebook).absolute()) if is_file else self.notebook
        facts = {"notebook": notebook, "parameters": shown(self.parameters)}
        if self.output:
            facts["output"] = str(Path(self.output).absolute())
        return facts

    def _new_run(
        self, spec: Spec, parent: RunContext | None, details: dict[str, Any]
    ) -> RunContext:
        is_task = spec.kind is RunKind.TASK
        name = task_run_name(spec.name) if is_task else flow_run_name()
        return RunContext.begin(
            spec, self.home, parent, name=name, owner=self, details=details
        )

    def _prepare(self, nb: Any) -> None:
        """Make a pending task run for each code cell."""
        nb.metadata.setdefault("papermill", {}).update(
            {"start_time": _now(), "end_time": None, "exception": None}
        )
        for index, node in enumerate(nb.cells):
            node.metadata["papermill"] = {
                "status": "pending",
                "exception": None,
                "start_time": None,
                "end_time": None,
                "duration": None,
            }
            if node.cell_type == "code" and node.source.strip():
                self.cells.append(self._cell_run(index, node))
        self._save(force=True)

    def _cell_run(self, index: int, node: Any) -> CellRun:
        first = node.source.partition("\n")[0]
        name = f"cell {index + 1}"
        tasks = is_task(first)
        details: dict[str, Any] = {"cell": index}
        if tasks or is_flow(first):
            # A wrong line is told by the cell itself when it runs.
            with suppress(InvalidDeclaration):
                header = parse_header(first)
                name = header.name
                if header.tags and tasks:
                    details["tags"] = sorted(header.tags)
        elif "parameters" in node.metadata.get("tags", []):
            name = "parameters"
        elif "injected-parameters" in node.metadata.get("tags", []):
            name = "injected-parameters"
        spec = Spec(kind=RunKind.TASK, name=name, quiet=True)
        details["label"] = name
        performer = Performer(self._new_run(spec, self.context, details))
        performer.start()
        performer.enter(Pending(), 0)
        return CellRun(index, performer, tasks)

    def _cell(self, index: int) -> CellRun:
        return next(cell for cell in self.cells if cell.index == index)

    def _changed(self, index: int, *, force: bool = False) -> None:
        if self._document is not None:
            self._document.touch(index)
            self._document.save(force=force)
        if self.on_change is not None:
            self.on_change(self)

    def _save(self, *, force: bool) -> None:
        if self._document is not None:
            self._document.touch_all()
            self._document.save(force=force)

    def _keep_lines(self, cell: CellRun, node: Any) -> None:
        """Keep what the cell printed with its run."""
        lines = [
            (output.name, line)
            for output in node.get("outputs", ())
            if output.output_type == "stream"
            for line in output.text.splitlines()
        ]
        if len(lines) > HEAD + TAIL:
            left_out = f"... {len(lines) - HEAD - TAIL} lines are not kept here ..."
            lines = [*lines[:HEAD], ("stdout", left_out), *lines[-TAIL:]]
        for stream, line in lines:
            level = "WARNING" if stream == "stderr" else "INFO"
            event = log_written(cell.context.run.id, time.time(), level, stream, line)
            cell.context.record(event)

    def _raise_as_ended(self) -> None:
        """Raise what ended the notebook before its end."""
        cell = self.failed
        if cell is None or cell.report is None:
            return
        error = cell.report.error
        what = error.headline if error else cell.report.outcome.value
        message = f"Cell {cell.index + 1} ({cell.name!r}) ended the run: {what}"
        raise _ERRORS.get(cell.report.outcome, CellFailed)(message)

    def _conclude(self, nb: Any) -> None:
        """Leave no cell's run open, and the document as it is to stay."""
        for cell in self.cells:
            if cell.state is not None and not cell.state.is_final():
                waits = cell.state.is_pending()
                ended = (
                    Cancelled(name="NotRun", message=_NOT_RUN) if waits else Crashed()
                )
                cell.enter(ended)
        about = nb.metadata.setdefault("papermill", {})
        about["end_time"] = _now()
        about["exception"] = self.failed is not None or None
        if self.context is not None:
            nb.metadata["nborch"] = {
                "run": self.context.run.id,
                "name": self.context.run.name,
                "state": self.state and self.state.to_json(),
            }
        self._save(force=True)
        self.home.recorder.flush()


_ERRORS: dict[CellOutcome, type[Exception]] = {
    CellOutcome.CRASHED: CrashedRun,
    CellOutcome.CANCELLED: CancelledRun,
    CellOutcome.TIMED_OUT: TimeoutError,
}


_STATES: dict[CellOutcome, Callable[..., State]] = {
    CellOutcome.COMPLETED: Completed,
    CellOutcome.FAILED: Failed,
    CellOutcome.TIMED_OUT: TimedOut,
    CellOutcome.CANCELLED: Cancelled,
    CellOutcome.CRASHED: Crashed,
}


def _state_of(report: CellReport, told: State | None, node: Any) -> State:
    """Return the final state of a cell's run."""
    if report.outcome is CellOutcome.COMPLETED and told and told.is_completed():
        return told
    if report.outcome in _STATES:
        message = report.error.headline if report.error else None
        details = {"line": report.error.line} if report.error else {}
        if report.outcome is CellOutcome.FAILED and told and told.name == "TimedOut":
            # Its own --timeout ended it, of which the kernel only shows an error.
            return TimedOut(message=told.message, details=details)
        return _STATES[report.outcome](message=message, details=details)
    if "skip-execution" in node.metadata.get("tags", []):
        return Completed(name="Skipped", message="The cell is tagged skip-execution.")
    return Cancelled(name="NotRun", message=_NOT_RUN)


def _missing_extensions(nb: Any) -> list[str]:
    """Return nborch if the notebook has cell tasks and does not load it itself."""
    sources = [node.source for node in nb.cells if node.cell_type == "code"]
    firsts = [source.partition("\n")[0] for source in sources]
    tasks = any(is_task(first) or is_flow(first) for first in firsts)
    loads = any("ext nborch" in source for source in sources)
    return ["nborch"] if tasks and not loads else []


def _now() -> str:
    return datetime.now(UTC).isoformat()
