"""What ``nborch run`` says while a notebook runs, and at its end.

A live line in a terminal; a line for each cell in a log; JSON for other programs.
"""

import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from nborch.notebook.execution import CellRun, NotebookRun
from nborch.notebook.reports import CellOutcome
from nborch.showing import duration
from nborch.states import State

__all__ = ["BarProgress", "JSONProgress", "LineProgress", "Progress", "progress"]


def progress(*, quiet: bool = False, as_json: bool = False) -> "Progress":
    """Return what tells of a run: as it is asked for, and as the terminal allows.

    Parameters
    ----------
    quiet
        Only a failure is told.
    as_json
        Each state of the run and of its cells is a line of JSON on standard output.
    """
    if as_json:
        return JSONProgress()
    if quiet:
        return Progress(quiet=True)
    return BarProgress() if sys.stderr.isatty() else LineProgress()


class Progress:
    """Says nothing while a notebook runs, and at the end what came of it.

    Parameters
    ----------
    quiet
        At the end, too, only a failure is told.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._quiet = quiet
        self._started = time.perf_counter()
        self._cells: list[CellRun] | None = None
        self._told: dict[int, State | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def show(self, run: NotebookRun) -> None:
        """Show where the run stands; called at each change of it."""

    def conclude(self, run: NotebookRun) -> None:
        """Print what came of the run and where to look closer."""
        failed, context, state = run.failed, run.context, run.state
        if context is None or state is None or (self._quiet and state.is_completed()):
            return
        took = duration(time.perf_counter() - self._started)
        glyph = "[green]✔[/]" if state.is_completed() else "[red]✘[/]"
        self._console.print(
            f"{glyph} Flow run [bold]{context.run.name}[/] of {context.run.of!r}: "
            f"{state.name} in {took}"
        )
        if run.stopped is not None:
            self._print(f"  {_early(run)}")
        self._print(f"  {summary(run)}")
        if failed is not None:
            self._print_failure(failed)
        elif not state.is_completed():
            self._console.print(f"  {state.message}", style="red", markup=False)
        self._print(f"  Output: {_near(run.output)}", soft_wrap=True)
        self._console.print(
            f"  Look closer: nborch flow-run inspect {context.run.name}"
        )
        if not state.is_completed():
            self._console.print(f"  Go on: nborch run --resume {context.run.name}")

    def _print(self, text: str, *, soft_wrap: bool = False) -> None:
        # In a log, a line is a line however long it is.
        soft_wrap = soft_wrap or not self._console.is_terminal
        self._console.print(text, markup=False, soft_wrap=soft_wrap)

    def _print_failure(self, cell: CellRun) -> None:
        """Print the cell, the line and the message."""
        error = cell.report and cell.report.error
        where = f"Cell {cell.index + 1} ({cell.name})"
        if error and error.line:
            where += f", line {error.line}"
        self._console.print(f"\n  {where}:", style="bold", markup=False)
        if error and error.source_line:
            self._print(f"    {error.source_line}")
        if error:
            for line in f"{error.name}: {error.message}".splitlines()[:20]:
                self._console.print(f"  {line}", style="red", markup=False)
        self._console.print()

    def _changes(self, run: NotebookRun) -> Iterator[CellRun]:
        """Yield the cells that have entered another state since the last time."""
        if run.cells is not self._cells:
            # Another attempt: the cells begin anew.
            self._cells, self._told = run.cells, {}
        for cell in run.cells:
            if cell.state is not self._told.get(cell.index):
                self._told[cell.index] = cell.state
                yield cell


class BarProgress(Progress):
    """A live line in a terminal."""

    def __init__(self) -> None:
        super().__init__()
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
        )
        from rich.progress import Progress as Bar

        self._bar = Bar(
            BarColumn(24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[counts]}", markup=True),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=self._console,
            transient=True,
        )
        self._task: Any = None
        self._planned = False

    def __enter__(self) -> Self:
        self._bar.start()
        self._task = self._bar.add_task("starting the kernel", total=None, counts="")
        return self

    def __exit__(self, *_error: object) -> None:
        self._bar.stop()

    def show(self, run: NotebookRun) -> None:
        """Show where the run stands."""
        if run.resumption is not None and not self._planned:
            self._planned = True
            self._print(str(run.resumption))
        done = sum(cell.report is not None for cell in run.cells)
        current = run.current
        self._bar.update(
            self._task,
            total=len(run.cells),
            completed=done,
            counts=_counts(run),
            description=f"{current.name}" if current else "",
        )


class LineProgress(Progress):
    """A line for each cell that has ended, without control characters."""

    def __init__(self) -> None:
        super().__init__()
        self._planned = False

    def show(self, run: NotebookRun) -> None:
        """Print a line for each cell that has just ended."""
        if run.resumption is not None and not self._planned:
            self._planned = True
            self._print(str(run.resumption))
        for cell in self._changes(run):
            report, state = cell.report, cell.state
            if report is None or state is None:
                continue
            if report.outcome is CellOutcome.NOT_RUN:
                if state.is_completed():
                    self._print(f"  {cell.name}: {state.name}")
            elif report.outcome is CellOutcome.KEPT:
                self._print(f"  {cell.name}: {state.name}")
            else:
                took = duration(report.seconds)
                self._print(f"  {cell.name}: {state.name} in {took}")


class JSONProgress(Progress):
    """A line of JSON for each state of the run and of its cells."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self._begun: str | None = None

    def show(self, run: NotebookRun) -> None:
        """Print what has changed."""
        context = run.context
        if context is None:
            return
        if self._begun != context.run.id:
            self._begun = context.run.id
            self._tell_run(run, context.state)
            if run.resumption is not None:
                _write({"event": "plan", **run.resumption.to_json()})
        for cell in self._changes(run):
            self._tell_cell(cell)

    def conclude(self, run: NotebookRun) -> None:
        """Print the run's last state."""
        for cell in self._changes(run):
            self._tell_cell(cell)
        if run.context is not None:
            self._tell_run(run, run.state)

    def _tell_run(self, run: NotebookRun, state: State | None) -> None:
        context = run.context
        if context is None:
            return
        told = {
            "event": "run",
            "id": context.run.id,
            "name": context.run.name,
            "flow": context.run.of,
            "notebook": run.notebook,
            "output": run.output,
        }
        _write({**told, **_state(state)})

    def _tell_cell(self, cell: CellRun) -> None:
        if cell.state is None:
            return
        told: dict[str, Any] = {
            "event": "cell",
            "cell": cell.index,
            "name": cell.name,
            "id": cell.context.run.id,
            **_state(cell.state),
        }
        report = cell.report
        if report is not None:
            told["seconds"] = round(report.seconds, 6)
            if report.error is not None:
                error = report.error
                told["error"] = {
                    "name": error.name,
                    "message": error.message,
                    "line": error.line,
                }
        _write(told)


def _state(state: State | None) -> dict[str, Any]:
    if state is None:
        return {"at": datetime.now(UTC).isoformat()}
    at = state.timestamp or datetime.now(UTC)
    return {
        "type": state.type.value,
        "state": state.name,
        "message": state.message,
        "at": at.isoformat(),
    }


def _write(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event, default=str, ensure_ascii=False) + "\n")
    # Who reads it wants to know now.
    sys.stdout.flush()


def _counts(run: NotebookRun) -> str:
    cached = sum(cell.is_cached for cell in run.cells)
    parts = [f"[cyan]{cached} cached[/]"] if cached else []
    if run.failed is not None:
        parts.append("[red]1 failed[/]")
    return " ".join(parts)


def _early(run: NotebookRun) -> str:
    """Say which cell ended the run early, and why."""
    cell = run.stopped
    if cell is None or cell.report is None or cell.report.error is None:
        return ""
    reason = cell.report.error.reason
    return f"Stopped early by cell {cell.index + 1} ({cell.name})" + (
        f": {reason}" if reason else "."
    )


def summary(run: NotebookRun) -> str:
    """Say how many cells ran, and how much of the cell tasks was restored."""
    done = [cell for cell in run.cells if cell.state and cell.state.is_completed()]
    parts = [f"{len(done)} of {len(run.cells)} cells completed"]
    kept = [cell for cell in done if cell.state and cell.state.name == "Kept"]
    if kept:
        parts.append(f"{len(kept)} kept from the earlier run")
    tasks = [cell for cell in run.cells if cell.is_task]
    if tasks:
        cached = [cell for cell in tasks if cell.is_cached]
        saved = sum(
            cell.state.details.get("saved_seconds", 0) for cell in cached if cell.state
        )
        text = f"{len(cached)} of {len(tasks)} cell tasks cached"
        parts.append(f"{text}, {duration(saved)} saved" if cached else text)
    return "; ".join(parts)


def _near(path: str | None) -> str | None:
    """Return a path as one types it here."""
    here = Path.cwd()
    if path is not None and Path(path).is_relative_to(here):
        return str(Path(path).relative_to(here))
    return path
