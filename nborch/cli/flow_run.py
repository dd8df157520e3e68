"""``nborch flow-run``: look at what ran."""

import sys
from datetime import UTC, datetime

import click

from nborch.exceptions import UnfinishedRun
from nborch.home import Home, current_home
from nborch.notebook.results.values import stored_result
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
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("flow-run")
def flow_run() -> None:
    """List flow runs, look into one, read its log."""


@flow_run.command("ls")
@click.option("--limit", default=20, show_default=True, help="How many at most.")
@_as_json
def ls(limit: int, *, as_json: bool) -> None:
    """List the newest flow runs and notebook sessions."""
    home = current_home()
    home.reap()
    records = home.store.records(kinds=(RunKind.FLOW, RunKind.SESSION), limit=limit)
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
    home = current_home()
    home.reap()
    record = home.store.record(run)
    children = home.store.children(record.run.id)
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
    store = current_home().store
    record = store.record(run)
    events = store.logs(record.run.id)
    if as_json:
        print_json([event.to_json() for event in events])
        return
    names = {each.run.id: _label(each) for each in store.within(record.run.id)}
    for event in events:
        at = datetime.fromtimestamp(event.at, UTC).astimezone()
        level, message = event.data["level"], event.data["message"]
        source = names.get(event.run_id, event.run_id)
        stamp = f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"
        click.echo(f"{stamp} | {level:<7} | {source} - {message}")


@flow_run.command()
@click.argument("run")
def cancel(run: str) -> None:
    """Cancel a RUN of a deployment: one that waits, or one that goes on.

    The process of a run that goes on is interrupted; terminated, if it has not ended
    ten seconds later; and killed at last.
    """
    home = current_home()
    home.reap()
    record = home.store.record(run)
    told = home.queue.request_cancel(record.run.id)
    name = record.run.name
    if told == "over":
        state = home.store.record(record.run.id).state.name
        click.echo(f"Run {name!r} had ended before: {state}.")
    elif told == "cancelled":
        click.echo(f"Cancelled the run {name!r}.")
    else:
        click.echo(f"The run {name!r} is being cancelled by its worker.")


@flow_run.command()
@click.argument("run")
def watch(run: str) -> None:
    """Print the log of a RUN as it comes, until it is over.

    Exits with 0 if it completed; 1 if it failed, 124 if it took too long, 138 if it
    crashed, 130 if it was cancelled.
    """
    from nborch.cli.watching import exit_code, watch_run

    home = current_home()
    home.reap()
    ended = watch_run(home, home.store.record(run).run.id)
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
    home = current_home()
    record = home.store.record(run)
    if "deployment" in record.run.details:
        _again(home, record)
        return
    from nborch.cli.run import run as execute

    context.invoke(execute, resume=run, quiet=quiet, as_json=as_json)


@flow_run.command()
@click.argument("run")
@click.argument("name", required=False)
@_as_json
def result(run: str, name: str | None, *, as_json: bool) -> None:
    """List what a notebook's RUN gave, or print the one value called NAME."""
    home = current_home()
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


def _again(home: Home, record: RunRecord) -> None:
    """Make a run of a deployment once more."""
    from nborch.deploy.triggering import trigger

    if not record.state.is_over():
        raise UnfinishedRun(
            f"The run {record.run.name!r} is not over. Wait for it, or cancel it with: "
            f"nborch flow-run cancel {record.run.name}"
        )
    deployment = home.deployments.get(record.run.details["deployment"]["id"])
    made = trigger(home, deployment, record.run.parameters)
    click.echo(
        f"Run {made.run.name!r} of {deployment.full_name!r} begins as soon as a worker "
        "takes it."
    )


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


def _label(record: RunRecord) -> str:
    kind = "Task" if record.run.kind is RunKind.TASK else "Flow"
    return f"{kind} run {record.run.details.get('label', record.run.name)!r}"
