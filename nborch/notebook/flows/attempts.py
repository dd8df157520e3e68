"""One attempt at a notebook in a file: read, parameterised, executed, written."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import inf, isinf
from pathlib import Path
from typing import Any

from nborch.calling import timed_out
from nborch.context import RunContext
from nborch.deadlines import deadline, is_overdue
from nborch.events import noted
from nborch.exceptions import RunTimedOut
from nborch.notebook.documents import Document, is_local
from nborch.notebook.execution import NotebookRun
from nborch.notebook.files.traces import note_program
from nborch.notebook.flows.files import NotebookFile
from nborch.notebook.flows.forms import marked, parameterised, write_remote
from nborch.notebook.flows.setups import RunSetup
from nborch.notebook.flows.warming import keep_warm
from nborch.notebook.loading import find_kernel
from nborch.notebook.results.values import NotebookResult
from nborch.runs import RunRecord
from nborch.settings import load_settings
from nborch.states import State

__all__ = ["FileRun", "OnChange"]

OnChange = Callable[[NotebookRun], object]


@dataclass(slots=True)
class FileRun:
    """The run of a notebook's file within a flow run, attempt by attempt.

    Parameters
    ----------
    given
        The values for its parameters, as they are to be injected.
    timeout_seconds
        For each attempt as a whole.
    on_change
        Called with the notebook's run whenever a cell begins or ends.
    resumes
        An earlier run of the notebook, where this one goes on.
    """

    file: NotebookFile
    setup: RunSetup
    context: RunContext
    given: Mapping[str, Any]
    timeout_seconds: float | None = None
    on_change: OnChange | None = None
    resumes: RunRecord | None = None
    run: NotebookRun | None = None

    def attempt(self) -> NotebookResult | State:
        """Execute the notebook once; return what came of it.

        Raises
        ------
        CellFailed, TimeoutError, CrashedRun, CancelledRun
            What ended the notebook before its end.
        """
        if self.run is None:
            self.run = self._begun()
        run, started = self.run, time.monotonic()
        self._perform(run)
        _write(run)
        error = run.error
        if error is not None:
            raise self._as_flows(error, time.monotonic() - started)
        ending, result = run.ending, run.result()
        # Of its own will the notebook may end early, which its state tells.
        return result if ending.name == "Completed" else replace(ending, data=result)

    def _begun(self) -> NotebookRun:
        """Return the notebook's run; its output is settled for all attempts."""
        context, path = self.context, str(self.file.path)
        output = self.setup.output_of(context, self.file.path, context.parameters or {})
        run = NotebookRun(
            context.home,
            path,
            output,
            self.given,
            on_change=self.on_change,
            resumes=self.resumes,
            graph=self.setup.graph,
            context=context,
        )
        facts = {name: each for name, each in run.facts().items() if name in _FACTS}
        context.run = replace(context.run, details={**context.run.details, **facts})
        context.record(noted(context.run.id, time.time(), facts))
        if self.on_change is not None:
            # Also of a run whose kernel does not start, somebody has to tell.
            self.on_change(run)
        return run

    def _perform(self, run: NotebookRun) -> None:
        # A cell task that runs a notebook does not see what that one reads.
        note_program(self.file.path.name)
        nb = self.file.load()
        kernel = find_kernel(nb, self.setup.kernel)
        nb, injection = parameterised(
            nb, self.given, kernel, source=run.notebook, output=run.output
        )
        limits = self._limits()
        if injection.silent:
            limits["silent"] = injection.silent
        cwd = self.setup.folder(self.file.path)
        if self.setup.engine is None:
            keep_warm(load_settings(Path(cwd)).kernels)
        run.perform(nb, kernel, cwd, self.context, **limits)

    def _limits(self) -> dict[str, Any]:
        """Return what the run of the cells is to be told."""
        left = deadline.get() - time.monotonic()
        total = min(self.timeout_seconds or inf, max(left, 0.0))
        limits: dict[str, Any] = {
            "timeout_seconds": self.setup.cell_timeout,
            "total_seconds": None if isinf(total) else total,
        }
        optional = {"engine": self.setup.engine, "parallel": self.setup.parallel}
        return limits | {n: each for n, each in optional.items() if each is not None}

    def _as_flows(self, error: Exception, seconds: float) -> Exception:
        """Return the error of an attempt as any other flow would raise it."""
        limit = self.timeout_seconds
        if not isinstance(error, TimeoutError):
            return error
        late = error
        if limit is not None and seconds >= limit:
            late = timed_out("Flow run", limit)
        elif is_overdue():
            late = RunTimedOut()
        if late is not error:
            late.__cause__ = error
        return late


#: What a flow run knows of its notebook; of its parameters, those that were given.
_FACTS = ("notebook", "output", "parameters", "resumes")


def _write(run: NotebookRun) -> None:
    """Write the document for good, marked where its run ended early."""
    failed, nb = run.failed, run.nb
    if failed is not None and failed.report is not None:
        error = failed.report.error
        what = error.headline if error else failed.report.outcome.value
        nb = marked(nb, failed.index, what)
        if is_local(run.output):
            Document(nb, run.output).finish(must=False)
    write_remote(nb, run.output)
