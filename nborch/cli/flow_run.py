"""``nborch flow-run``: look at what ran."""

import sys
from datetime import UTC, datetime
from typing import Any

import click

from nborch.control.base import Control
from nborch.control.choosing import current_control, gathered, home_here
from nborch.control.forms import LogLine
from nborch.control.telling import record_of
from nborch.runs import RunKind, RunRecord
from nborch.states import State, StateType
from nborch.view.badge import duration
from nborch.view.table import print_facts, print_json, print_table

__all__ = ["flow_run"]

_LOOKS = {
    StateType.COMPLETED: ("✔", "green"),
    StateType.FAILED: ("✘", "red"),
    StateType.CRASHED: ("✘", "magenta"),
    StateType.CANCELLED: ("■", "yellow"),
    StateType.CANCELLING: ("■", "yellow"),
    StateType.RUNNING: ("▶", "blue"),
    StateType.PENDING: ("○", "bright_black"),
    StateType.SCHEDULED: ("◷", "bright_black"),
    StateType.PAUSED: ("‖", "bright_black"),
}
#: Lines of a log that are asked for at once.
AT_ONCE = 5_000
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("flow-run")
def flow_run() -> None:
    """List flow runs, look into one, read its log."""


@flow_run.command("ls")
@click.option("--limit", default=20, show_default=True, help="How many at most.")
@_as_json
def ls(limit: int, *, as_json: bool) -> None:
    """List the newest flow runs and notebook sessions."""
    control = current_control()
    records = _records(control, limit, kind=[RunKind.FLOW, RunKind.SESSION])
    if as_json:
        print_json([record.to_json() for record in records])
    elif not records:
        click.echo(
            "No flow has run yet. Run a notebook with: nborch run NOTEBOOK.ipynb"
        )
    else:
        print_table(["run", "flow", "state", "started", "took"], map(_row, records))


@flow_run.command()
@click.argument("run")
@_as_json
def inspect(run: str, *, as_json: bool) -> None:
    """Show a RUN, by name or id, with the runs within it."""
    control = current_control()
    record = record_of(control.run_called(run))
    children = _records(control, None, parent=record.run.id, kind=list(RunKind))
    children.reverse()
    if as_json:
        runs = [child.to_json() for child in children]
        print_json({**record.to_json(), "runs": runs})
        return
    _print_facts(record)
    if children:
        print_table(["task", "run", "state", "took", ""], map(_child_row, children))


@flow_run.command()
@click.argument("run")
@_as_json
def logs(run: str, *, as_json: bool) -> None:
    """Print the log lines of a RUN and of all runs within it."""
    control = current_control()
    lines = _lines(control, control.record(run).run.id)
    if as_json:
        print_json([_event(line) for line in lines])
        return
    for line in lines:
        at = datetime.fromtimestamp(line["at"], UTC).astimezone()
        kind = "Task" if line["kind"] == "task" else "Flow"
        source = f"{kind} run {line['name']!r}"
        stamp = f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"
        click.echo(f"{stamp} | {line['level']:<7} | {source} - {line['message']}")


@flow_run.command()
@click.argument("run")
def cancel(run: str) -> None:
    """Cancel a RUN of a deployment: one that waits, or one that goes on.

    The process of a run that goes on is interrupted; terminated, if it has not ended
    ten seconds later; and killed at last. A program that does nothing but this run is
    interrupted as by Ctrl-C.
    """
    control = current_control()
    record = control.record(run)
    told = control.cancel_run(record.run.id)["told"]
    name = record.run.name
    if told == "over":
        state = control.record(record.run.id).state.name
        click.echo(f"Run {name!r} had ended before: {state}.")
    elif told == "cancelled":
        click.echo(f"Cancelled the run {name!r}.")
    elif "deployment" in record.run.details:
        click.echo(f"The run {name!r} is being cancelled by its worker.")
    else:
        click.echo(f"The run {name!r} is being cancelled.")


@flow_run.command()
@click.argument("run")
def watch(run: str) -> None:
    """Print the log of a RUN as it comes, until it is over.

    Exits with 0 if it completed; 1 if it failed, 124 if it took too long, 138 if it
    crashed, 130 if it was cancelled.
    """
    from nborch.cli.watching import exit_code, watch_run

    control = current_control()
    ended = watch_run(control, control.record(run).run.id)
    click.echo(f"Run {ended.run.name!r} has ended: {ended.state!r}")
    sys.exit(exit_code(ended))


@flow_run.command()
@click.argument("run")
@click.option("-q", "--quiet", is_flag=True, help="Tell of a failure only.")
@_as_json
@click.pass_context
def retry(context: click.Context, run: str, *, quiet: bool, as_json: bool) -> None:
    """Run again what a RUN was of, as a new run with the same parameters.

    A notebook goes on where it ended, as with `nborch run --resume RUN`. A run of a
    deployment is made again, for the deployment's workers.
    """
    control = current_control()
    record = control.record(run)
    if "deployment" in record.run.details:
        told: Any = control.retry_run(record.run.id)["run"]
        name, of = told["name"], told["deployment"]["name"]
        click.echo(f"Run {name!r} of {of!r} begins as soon as a worker takes it.")
        return
    if control.home is None:
        click.echo(control.resume_run(record.run.id)["told"])
        return
    from nborch.cli.run import run as execute

    context.invoke(execute, resume=run, quiet=quiet, as_json=as_json)


@flow_run.command()
@click.argument("run")
@click.argument("name", required=False)
@_as_json
def result(run: str, name: str | None, *, as_json: bool) -> None:
    """List what a notebook's RUN gave, or print the one value called NAME."""
    # Few commands read notebooks, and that takes long to load.
    from nborch.notebook.results.values import stored_result

    home = home_here(current_control(), "A value that a notebook gave")
    found = stored_result(home, home.store.record(run))
    if name is not None:
        value = found[name]
        if as_json:
            print_json(value)
        else:
            click.echo(value)
        return
    listed = dict(found.listed())
    if as_json:
        print_json(listed)
    elif listed:
        for each, about in listed.items():
            click.echo(f"{each}: {about}")
    else:
        click.echo("It gave nothing. A notebook gives a value with: nborch.result(...)")


def _records(control: Control, most: int | None, **narrowed: Any) -> list[RunRecord]:
    """Return the newest runs first, as they are stored."""
    found = gathered(control, control.runs, most=most, whole=True, **narrowed)
    return [record_of(each) for each in found]


def _lines(control: Control, run_id: str) -> list[LogLine]:
    """Return all lines of a run, and of the runs within it."""
    lines: list[LogLine] = []
    after, more = 0, True
    while more:
        page = control.run_log(run_id, after=after, limit=AT_ONCE)
        lines += page["lines"]
        after, more = page["next"], page["more"]
    return lines


def _event(line: LogLine) -> dict[str, Any]:
    """Return a line in the one form that events have everywhere."""
    told: dict[str, Any] = dict(line)
    data = {name: told[name] for name in ("level", "logger", "message")}
    return {
        "run_id": line["run"],
        "kind": "log",
        "at": line["at"],
        "attempt": line["attempt"],
        "data": data,
        "sequence": line["sequence"],
    }


def _row(record: RunRecord) -> list[str]:
    started = f"{record.run.created.astimezone():%Y-%m-%d %H:%M:%S}"
    return [record.run.name, record.run.of, _told(record.state), started, _took(record)]


def _child_row(record: RunRecord) -> list[str]:
    saved = record.state.details.get("saved_seconds")
    note = f"instead of {duration(saved)}" if saved else record.state.message or ""
    first = note.partition("\n")[0]
    return [record.run.of, record.run.name, _told(record.state), _took(record), first]


def _print_facts(record: RunRecord) -> None:
    run = record.run
    print_facts(
        {
            "Run": f"{run.name} ({run.id})",
            run.kind.title(): run.of,
            "State": record.state.name,
            "Message": record.state.message,
            "Parameters": ", ".join(f"{k}={v!r}" for k, v in run.parameters.items()),
            "Notebook": run.details.get("notebook"),
            "Output": run.details.get("output"),
            "Resumes": run.details.get("resumes"),
            "Started": f"{run.created.astimezone():%Y-%m-%d %H:%M:%S %Z}",
            "Took": _took(record),
        }
    )
    click.echo()


def _told(state: State) -> str:
    glyph, colour = _LOOKS[state.type]
    return f"[{colour}]{glyph} {state.name}[/]"


def _took(record: RunRecord) -> str:
    return "" if record.seconds is None else duration(record.seconds)
