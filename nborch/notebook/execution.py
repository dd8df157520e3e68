"""A notebook as a flow: one flow run, and a task run for each code cell."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nborch import blocking
from nborch.context import RunContext, enclosing_run
from nborch.exceptions import CancelledRun, CellFailed, CrashedRun, UnfinishedRun
from nborch.home import Home
from nborch.lifecycle import lifecycle, state_of_error
from nborch.notebook.cell_runs import CellFacts, CellRun
from nborch.notebook.charting import makers_of
from nborch.notebook.client import run_cells
from nborch.notebook.documents import Document, is_local
from nborch.notebook.magics import is_flow, is_task
from nborch.notebook.marks import marks_of
from nborch.notebook.picturing import add_picture
from nborch.notebook.remote_documents import open_document
from nborch.notebook.reports import CellOutcome, CellReport, KeptCell
from nborch.notebook.results.handles import GIVEN, MADE
from nborch.notebook.results.values import NotebookResult, result_of
from nborch.notebook.resuming import Resumption, kept_cells, resume
from nborch.notebook.spilling import Spill
from nborch.notebook.stamps import (
    stamp_ended,
    stamp_finished,
    stamp_run,
    stamp_started,
    stamp_waiting,
)
from nborch.parameters import shown
from nborch.performing import Performer
from nborch.runs import Run, RunKind, RunRecord, flow_run_name, task_run_name
from nborch.settings import load_settings
from nborch.specs import Spec
from nborch.states import Completed, Pending, Running, State

__all__ = ["CellRun", "NotebookRun"]


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
    resumes
        An earlier run of the notebook, where this one goes on.
    resumption
        What is taken over from it, as soon as that is known.
    graph
        Whether a picture of the run is to stand at the end of the output.
    """

    home: Home
    notebook: str
    output: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    on_change: Callable[["NotebookRun"], object] | None = None
    resumes: RunRecord | None = None
    resumption: Resumption | None = None
    graph: bool = False
    cells: list[CellRun] = field(default_factory=list)
    reports: list[CellReport] = field(default_factory=list)
    context: RunContext | None = None
    state: State | None = None
    nb: Any = None
    cwd: str | None = None
    _document: Document | None = None
    _by_index: dict[int, CellRun] = field(default_factory=dict)

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

    @property
    def stopped(self) -> CellRun | None:
        """The cell that ended the run early and well, with `nborch.stop`."""
        ending = next((r for r in reversed(self.reports) if r.ends_early), None)
        return self._by_index[ending.index] if ending is not None else None

    @property
    def ending(self) -> State:
        """The state that the cells have brought the run to."""
        if self.context is not None and self.error is not None:
            return state_of_error(self.context.spec, self.error)
        cell = self.stopped
        if cell is None or cell.report is None or cell.report.error is None:
            return Completed()
        reason = cell.report.error.reason
        message = reason or f"Cell {cell.index + 1} ended the run."
        return Completed(name="StoppedEarly", message=message)

    @property
    def error(self) -> Exception | None:
        """What ended the notebook before its end, if a cell did."""
        cell = self.failed
        if cell is None or cell.report is None:
            return None
        told = cell.report.error
        what = told.headline if told else cell.report.outcome.value
        where = f"line {told.line} of cell" if told and told.line else "cell"
        name = "" if cell.name == f"cell {cell.index + 1}" else f" ({cell.name!r})"
        notebook = Path(self.notebook).name
        message = f"{notebook}, {where} {cell.index + 1}{name}: {what}"
        return _ERRORS.get(cell.report.outcome, CellFailed)(message)

    def execute(self, nb: Any, kernel_name: str, cwd: str, **limits: Any) -> State:
        """Execute the notebook as a flow run of its own; return the final state.

        The outputs are filled in and saved as they come.
        """
        name = Path(self.notebook).stem or "notebook"
        spec = Spec(kind=RunKind.FLOW, name=name, quiet=self.on_change is not None)
        context = RunContext.begin(
            spec,
            self.home,
            enclosing_run(),
            name=flow_run_name(),
            owner=self,
            details=self.facts(),
        )

        def run() -> State:
            self.perform(nb, kernel_name, cwd, context, **limits)
            if self.error is not None:
                raise self.error
            return self.ending

        # Before its first cell, too, others may ask whose run it is.
        self.context = context
        self.state = blocking.drive(lifecycle(spec), Performer(context), run)
        self.home.recorder.flush()
        return self.state

    def perform(
        self,
        nb: Any,
        kernel_name: str,
        cwd: str,
        context: RunContext,
        **limits: Any,
    ) -> None:
        """Execute the cells within a flow run that exists already.

        The outputs are filled in and saved as they come. What ended the notebook
        before its end is not raised but in `error`: papermill, which calls this, has
        still to write. It may be called again for another attempt of the same run.

        Parameters
        ----------
        context
            The flow run, which somebody else leads through its states.
        limits
            What `nborch.notebook.client.run_cells` takes.

        Raises
        ------
        CrashedRun
            If the kernel does not start.
        """
        kept, given = self._kept(nb), self._given_before()
        self.nb, self.context, self.state, self.cwd = nb, context, None, cwd
        self.cells, self.reports, self._by_index = [], [], {}
        self._document = open_document(nb, self.output)
        ended: State | None = None
        folder = self.home.folder / "outputs" / context.run.id
        limit = self.home.settings.output_size_limit
        try:
            self._prepare(context.run)
            for index in kept:
                # What it gave then counts now.
                self._by_index[index].note(given.get(index, {}))
            self.reports = run_cells(
                nb,
                kernel_name=kernel_name,
                cwd=cwd,
                listener=self,
                extensions=_missing_extensions(nb),
                kept=kept,
                spill=None if limit is None else Spill(folder, limit),
                **limits,
            )
            ended = self.ending
        except BaseException as error:
            ended = state_of_error(context.spec, error)
            raise
        finally:
            self._conclude(context.run, ended)

    def facts(self) -> dict[str, Any]:
        """Return the details of the flow run."""
        is_file = Path(self.notebook).exists()
        notebook = str(Path(self.notebook).absolute()) if is_file else self.notebook
        facts = {"notebook": notebook, "parameters": shown(self.parameters)}
        if self.output:
            local = is_local(self.output)
            facts["output"] = (
                str(Path(self.output).absolute()) if local else self.output
            )
        if self.resumes is not None:
            facts["resumes"] = self.resumes.run.id
        return facts

    def result(self) -> NotebookResult:
        """Return what the notebook gave and made, by name."""
        if self.context is None:
            raise UnfinishedRun("The notebook has not been run yet.")
        cells = ((cell.name, cell.facts) for cell in self.cells)
        # NB. The kernel finds its home, and so the cache, from the folder it works in.
        settings = load_settings(Path(self.cwd) if self.cwd else None)
        return result_of(settings, self.context.run, cells, self.output)

    # What the client tells.

    def cell_started(self, index: int) -> Mapping[str, object]:
        """Enter Running; tell the kernel which run its cell is."""
        cell = self._by_index[index]
        cell.enter(Running())
        stamp_started(self.nb.cells[index])
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
        self._by_index[index].hear(payload)

    def cell_output(self, index: int) -> None:
        """Save what the cell has shown so far, if it is time to."""
        if self._document is not None:
            self._document.touch(index)
            self._document.save()

    def cell_finished(self, report: CellReport) -> None:
        """Enter the state that the cell ended in."""
        node = self.nb.cells[report.index]
        self._by_index[report.index].end(report, node)
        stamp_finished(node, report)
        is_once = marks_of(node, report.index + 1).once
        self._changed(report.index, force=report.outcome.ends_the_run or is_once)
        if is_once:
            # Whatever dies now: who goes on must know that it has run.
            self.home.recorder.flush()

    # How it is done.

    def _kept(self, nb: Any) -> dict[int, KeptCell]:
        """Return the cells that are not to be run again."""
        if self.cells:
            # Another attempt of the same run.
            done = {c.index for c in self.cells if c.state and c.state.is_completed()}
            return kept_cells(nb, self.nb, done)
        if self.resumes is None:
            return {}
        self.resumption = resume(self.home, self.resumes, nb)
        return dict(self.resumption.kept)

    def _given_before(self) -> dict[int, dict[str, Any]]:
        """Return what cells gave in the attempt or run that this one goes on from."""
        found = {cell.index: cell.facts for cell in self.cells}
        if not found and self.resumes is not None:
            children = self.home.store.children(self.resumes.run.id)
            details = [child.run.details for child in children]
            found = {each["cell"]: dict(each) for each in details if "cell" in each}
        return {
            index: {name: facts[name] for name in (GIVEN, MADE) if name in facts}
            for index, facts in found.items()
        }

    def _prepare(self, run: Run) -> None:
        """Make a pending task run for each code cell."""
        stamp_waiting(self.nb)
        makers = makers_of(self.nb)
        for index, node in enumerate(self.nb.cells):
            if node.cell_type == "code" and node.source.strip():
                upstream = [self._by_index[n] for n in makers.get(index, ())]
                self._by_index[index] = self._cell_run(index, node, upstream)
                self.cells.append(self._by_index[index])
        stamp_run(self.nb, run, None)
        self._save()
        if self.on_change is not None:
            self.on_change(self)

    def _cell_run(self, index: int, node: Any, upstream: list[CellRun]) -> CellRun:
        facts = CellFacts.of(index, node.source, node.metadata.get("tags", []))
        details = facts.details()
        if upstream:
            details["upstream"] = [each.context.run.id for each in upstream]
        spec = Spec(kind=RunKind.TASK, name=facts.name, quiet=True)
        context = RunContext.begin(
            spec,
            self.home,
            self.context,
            name=task_run_name(facts.name),
            owner=self,
            details=details,
        )
        performer = Performer(context)
        performer.start()
        performer.enter(Pending(), 0)
        return CellRun(index, performer, facts.is_task)

    def _changed(self, index: int, *, force: bool = False) -> None:
        if self._document is not None:
            self._document.touch(index)
            self._document.save(force=force, must=False)
        if self.on_change is not None:
            self.on_change(self)

    def _save(self) -> None:
        if self._document is not None:
            self._document.touch_all()
            self._document.save(force=True)

    def _conclude(self, run: Run, ended: State | None) -> None:
        """Leave no cell's run open, and the document as it is to stay."""
        for cell in self.cells:
            cell.close()
        stamp_ended(self.nb, failed=self.failed is not None)
        stamp_run(self.nb, run, ended)
        if self.graph:
            add_picture(self.nb, self.cells, f"The run of {Path(self.notebook).name}")
        self.home.recorder.flush()
        if self._document is not None:
            self._document.touch_all()
            # What ended the notebook is the greater trouble.
            self._document.finish(must=ended is not None and ended.is_completed())


_ERRORS: dict[CellOutcome, type[Exception]] = {
    CellOutcome.CRASHED: CrashedRun,
    CellOutcome.CANCELLED: CancelledRun,
    CellOutcome.TIMED_OUT: TimeoutError,
}


def _missing_extensions(nb: Any) -> list[str]:
    """Return nborch if the notebook has cell tasks and does not load it itself."""
    sources = [node.source for node in nb.cells if node.cell_type == "code"]
    firsts = [source.partition("\n")[0] for source in sources]
    tasks = any(is_task(first) or is_flow(first) for first in firsts)
    loads = any("ext nborch" in source for source in sources)
    return ["nborch"] if tasks and not loads else []
