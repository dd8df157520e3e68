"""``nborch run``: execute a notebook as a flow."""

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import click

from nborch.home import open_home
from nborch.notebook.execution import CellRun, NotebookRun
from nborch.notebook.loading import check_output, find_kernel, load_notebook
from nborch.notebook.parameters import (
    check_parameters,
    declared_parameters,
    parse_assignment,
)
from nborch.notebook.reports import CellOutcome, CellReport
from nborch.settings import load_settings
from nborch.view.badge import duration

__all__ = ["run"]

#: Exit codes, as shells and schedulers know them.
EXIT_CODES = {
    CellOutcome.FAILED: 1,
    CellOutcome.TIMED_OUT: 124,
    CellOutcome.CRASHED: 138,
    CellOutcome.CANCELLED: 130,
}


@click.command()
@click.argument("notebook", type=click.Path(path_type=Path))
@click.option(
    "-p",
    "--parameter",
    "assignments",
    metavar="NAME=VALUE",
    multiple=True,
    help="Value for a parameter of the notebook; may be repeated.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Where the executed notebook goes; NOTEBOOK.out.ipynb if not given.",
)
@click.option("-k", "--kernel", help="Kernel to run in, if not the notebook's own.")
def run(
    notebook: Path,
    assignments: tuple[str, ...],
    output: Path | None,
    kernel: str | None,
) -> None:
    """Execute NOTEBOOK as a flow: every code cell is a task run.

    Cells under %%task are restored where nothing they depend on has changed.

    Exits with 0; 1 if a cell failed, 124 if it took too long, 138 if the kernel died
    (137 if it was killed), 130 if it was interrupted (143 if terminated); 2 if the
    command is wrong.
    """
    nb = load_notebook(notebook)
    given = dict(parse_assignment(each) for each in assignments)
    check_parameters(given, declared_parameters(nb), notebook)
    kernel = find_kernel(nb, kernel)
    output = output or notebook.with_suffix(".out.ipynb")
    check_output(output, notebook)
    settings = load_settings(notebook.parent)
    home = open_home(settings)
    home.reap()
    with Progress() as progress:
        notebook_run = NotebookRun(
            home, str(notebook), str(output), given, on_change=progress.show
        )
        _execute(notebook, output, given, kernel, notebook_run)
    progress.conclude(notebook_run)
    failed = notebook_run.failed
    if failed is not None and failed.report is not None:
        sys.exit(_exit_code(failed.report))


def _exit_code(report: CellReport) -> int:
    message = report.error.message if report.error else ""
    if report.outcome is CellOutcome.CANCELLED and "SIGTERM" in message:
        return 143
    if report.outcome is CellOutcome.CRASHED and "SIGKILL" in message:
        return 137
    return EXIT_CODES[report.outcome]


def _execute(
    notebook: Path,
    output: Path,
    parameters: dict[str, Any],
    kernel: str,
    notebook_run: NotebookRun,
) -> None:
    """Let papermill read, parameterise and write, and our engine execute."""
    # Half a second, which other commands need not pay.
    import papermill

    # papermill marks the failing cell in the output; we tell of it at the end.
    with suppress(papermill.PapermillExecutionError):
        papermill.execute_notebook(
            str(notebook),
            str(output),
            parameters=parameters,
            engine_name="nborch",
            kernel_name=kernel,
            progress_bar=False,
            notebook_run=notebook_run,
            kernel_cwd=str(notebook.parent.absolute()),
        )


class Progress:
    """The live line of a run in the terminal, and what is said at its end."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
        )
        from rich.progress import Progress as Bar

        self._console = Console(stderr=True, highlight=False)
        self._started = time.perf_counter()
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

    def __enter__(self) -> Self:
        self._bar.start()
        self._task = self._bar.add_task("starting the kernel", total=None, counts="")
        return self

    def __exit__(self, *_error: object) -> None:
        self._bar.stop()

    def show(self, run: NotebookRun) -> None:
        """Show where the run stands."""
        done = sum(cell.report is not None for cell in run.cells)
        current = run.current
        self._bar.update(
            self._task,
            total=len(run.cells),
            completed=done,
            counts=_counts(run),
            description=f"{current.name}" if current else "",
        )
        if not self._console.is_terminal:
            self._tell(run)

    def _tell(self, run: NotebookRun) -> None:
        """Print a line for a cell that has just ended, where no bar can be shown."""
        last = max(
            (cell for cell in run.cells if cell.report is not None),
            key=lambda cell: cell.index,
            default=None,
        )
        if last is not None and run.current is None and last.report is not None:
            outcome = last.state.name if last.state else ""
            took = duration(last.report.seconds)
            self._console.print(f"  {last.name}: {outcome} in {took}", markup=False)

    def conclude(self, run: NotebookRun) -> None:
        """Print what came of the run and where to look closer."""
        print_ = self._console.print
        context = run.context
        if context is None or run.state is None:
            return
        failed = run.failed
        took = duration(time.perf_counter() - self._started)
        glyph = "[green]✔[/]" if failed is None else "[red]✘[/]"
        print_(
            f"{glyph} Flow run [bold]{context.run.name}[/] of {context.run.of!r}: "
            f"{run.state.name} in {took}"
        )
        print_(f"  {_summary(run)}", markup=False)
        if failed is not None:
            self._print_failure(failed)
        print_(f"  Output: {run.output}", markup=False, soft_wrap=True)
        print_(f"  Look closer: nborch flow-run inspect {context.run.name}")

    def _print_failure(self, cell: CellRun) -> None:
        """Print the cell, the line and the message."""
        error = cell.report and cell.report.error
        where = f"Cell {cell.index + 1} ({cell.name})"
        if error and error.line:
            where += f", line {error.line}"
        self._console.print(f"\n  {where}:", style="bold", markup=False)
        if error and error.source_line:
            self._console.print(f"    {error.source_line}", markup=False)
        if error:
            for line in f"{error.name}: {error.message}".splitlines()[:20]:
                self._console.print(f"  {line}", style="red", markup=False)
        self._console.print()


def _counts(run: NotebookRun) -> str:
    cached = sum(cell.is_cached for cell in run.cells)
    parts = [f"[cyan]{cached} cached[/]"] if cached else []
    if run.failed is not None:
        parts.append("[red]1 failed[/]")
    return " ".join(parts)


def _summary(run: NotebookRun) -> str:
    """Say how many cells ran, and how much of the cell tasks was restored."""
    done = [cell for cell in run.cells if cell.state and cell.state.is_completed()]
    parts = [f"{len(done)} of {len(run.cells)} cells completed"]
    tasks = [cell for cell in run.cells if cell.is_task]
    if tasks:
        cached = [cell for cell in tasks if cell.is_cached]
        saved = sum(
            cell.state.details.get("saved_seconds", 0) for cell in cached if cell.state
        )
        text = f"{len(cached)} of {len(tasks)} cell tasks cached"
        parts.append(f"{text}, {duration(saved)} saved" if cached else text)
    return "; ".join(parts)
