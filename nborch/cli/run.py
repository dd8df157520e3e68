"""``nborch run``: execute a notebook as a flow."""

import sys
from pathlib import Path
from typing import Any

import click

from nborch.cli.formats import load_format
from nborch.cli.parameter_options import parameter_options
from nborch.cli.progress import Progress, progress
from nborch.home import current_home
from nborch.notebook.earlier_runs import (
    check_parameters_are,
    notebook_run_of,
    parameters_of,
)
from nborch.notebook.execution import NotebookRun
from nborch.notebook.flows import NotebookFlow, notebook_flow
from nborch.notebook.loading import check_output, find_kernel
from nborch.notebook.reports import CellOutcome, CellReport
from nborch.runs import RunRecord
from nborch.states import State, StateType

__all__ = ["run"]

#: Exit codes, as shells and schedulers know them.
EXIT_CODES = {
    CellOutcome.FAILED: 1,
    CellOutcome.TIMED_OUT: 124,
    CellOutcome.CRASHED: 138,
    CellOutcome.CANCELLED: 130,
}
#: Of runs that ended otherwise than by one of their cells.
_EXIT_CODES_OF_STATES = {StateType.CRASHED: 138, StateType.CANCELLED: 130}

_SECONDS = click.FloatRange(min=0, min_open=True)
_COUNT = click.IntRange(min=1)


@click.command()
@click.argument("notebook", type=click.Path(path_type=Path), required=False)
@parameter_options
@click.option(
    "--allow-unknown",
    is_flag=True,
    help="Take values for names that the notebook does not declare.",
)
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="Where the executed notebook goes; NOTEBOOK.out.ipynb if not given. It may "
    "ask for parameters: 'out/{month}.ipynb'.",
)
@click.option("-k", "--kernel", help="Kernel to run in, if not the notebook's own.")
@click.option(
    "--cwd",
    type=click.Path(path_type=Path),
    help="Folder to work in; the notebook's own if not given.",
)
@click.option(
    "--engine",
    type=click.Choice(["kernel", "inprocess"]),
    default="kernel",
    help="Execute in a process of its own, or in this one.",
)
@click.option(
    "--parallel",
    type=_COUNT,
    metavar="N",
    help="Run up to N independent cell tasks at the same time.",
)
@click.option(
    "--cell-timeout",
    type=_SECONDS,
    metavar="SECONDS",
    help="For each cell that sets no limit of its own.",
)
@click.option(
    "--timeout", type=_SECONDS, metavar="SECONDS", help="For each attempt as a whole."
)
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Try again up to N times, with cell tasks restored that had completed.",
)
@click.option(
    "--resume",
    metavar="RUN",
    help="Go on where an earlier run of the notebook ended, by its name or id, with "
    "its parameters: cell tasks are restored, cells tagged `once` that have run are "
    "not run again.",
)
@click.option("-q", "--quiet", is_flag=True, help="Tell of a failure only.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print each state as a line of JSON."
)
@click.option(
    "--graph", is_flag=True, help="Put a picture of the run at the output's end."
)
def run(
    notebook: Path | None,
    *,
    given: dict[str, Any],
    resume: str | None,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Execute NOTEBOOK as a flow: every code cell is a task run.

    Cells under %%task are restored where nothing they depend on has changed.

    Exits with 0; 1 if a cell failed, 124 if it took too long, 138 if the kernel died
    (137 if it was killed), 130 if it was interrupted (143 if terminated); 2 if the
    command is wrong.
    """
    load_format()
    record = notebook_run_of(current_home(), resume) if resume else None
    if notebook is None and record is not None:
        notebook = Path(record.run.details["notebook"])
    if notebook is None:
        raise click.UsageError("Missing argument 'NOTEBOOK'.")
    flow = _declared(notebook, record, **options)
    values = parameters_of(record, given) if record is not None else given
    values = flow.validate_parameters(values)
    if record is not None:
        check_parameters_are(record, values.keys() - given.keys(), values)
    find_kernel(flow.file.load(), options["kernel"])
    flow.home.reap()
    with progress(quiet=quiet, as_json=as_json) as telling:
        watch = _Watch(telling)
        state = flow.watched(watch.note)(**values, return_state=True)
    watch.conclude(state)


def _declared(
    notebook: Path,
    record: RunRecord | None,
    *,
    output: str | None,
    engine: str,
    timeout: float | None,
    **options: Any,
) -> NotebookFlow:
    """Return the flow that the options ask for, checked."""
    if output is None and record is not None:
        output = _literal(record.run.details.get("output"))
    output = output or _literal(notebook.with_suffix(".out.ipynb"))
    flow = notebook_flow(
        notebook,
        output=output,
        engine=None if engine == "kernel" else engine,
        timeout_seconds=timeout,
        resume=record.run.id if record is not None else None,
        **options,
    )
    if not flow.setup.fields:
        # NB. Before hours have been spent, and anything has been recorded.
        check_output(flow.setup.output_as_written, notebook)
    return flow


def _literal(path: str | Path | None) -> str | None:
    """Return a path as a template that asks for nothing."""
    return None if path is None else str(path).replace("{", "{{").replace("}", "}}")


class _Watch:
    """Sees a notebook run, and tells of it in the end."""

    def __init__(self, telling: Progress) -> None:
        self._telling = telling
        self._run: NotebookRun | None = None

    def note(self, run: NotebookRun) -> None:
        """Take note of a change of the run."""
        self._run = run
        self._telling.show(run)

    def conclude(self, state: State) -> None:
        """Tell what came of the run, and leave with the code for it."""
        run = self._run
        if run is None:
            # It has not come to a run: what was wrong says it all.
            raise state.exception()
        run.state = state
        self._telling.conclude(run)
        failed = run.failed
        if failed is not None and failed.report is not None:
            sys.exit(_exit_code(failed.report))
        if not state.is_completed():
            timed_out = state.name == "TimedOut"
            sys.exit(124 if timed_out else _EXIT_CODES_OF_STATES.get(state.type, 1))


def _exit_code(report: CellReport) -> int:
    message = report.error.message if report.error else ""
    if report.outcome is CellOutcome.CANCELLED and "SIGTERM" in message:
        return 143
    if report.outcome is CellOutcome.CRASHED and "SIGKILL" in message:
        return 137
    return EXIT_CODES[report.outcome]
