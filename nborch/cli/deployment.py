"""``nborch deployment``: what is deployed, and runs of it on request."""

import sys
from datetime import UTC, datetime
from typing import Any

import click

from nborch.cli.deployment_options import parameter_option
from nborch.cli.references import typed_assignments
from nborch.cli.watching import exit_code, watch_run
from nborch.control.base import Control
from nborch.control.choosing import current_control, gathered
from nborch.control.forms import DeploymentForm, OutcomeForm, RunSummary, ScheduleForm
from nborch.control.telling import record_of
from nborch.deploy.schemas import typed_values
from nborch.schedules.durations import duration
from nborch.view.table import print_facts, print_json, print_table

__all__ = ["deployment"]

_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
#: A backfill of more runs than this asks first.
MANY = 100
#: So many outcomes are asked for, and so many of each schedule shown.
OUTCOMES, SHOWN = 100, 5


@click.group()
def deployment() -> None:
    """See what is deployed, run it, pause its schedules."""


@deployment.command("ls")
@_as_json
def ls(*, as_json: bool) -> None:
    """List the deployments, with when they run next."""
    control = current_control()
    found = gathered(control, control.deployments)
    if as_json:
        print_json([_facts(each) for each in found])
    elif not found:
        click.echo(
            "Nothing is deployed. Serve a flow with: nborch serve FLOW, or deploy it "
            "to a work pool with: nborch deploy FLOW --pool NAME"
        )
    else:
        columns = ["deployment", "work pool", "schedules", "next run", ""]
        print_table(columns, map(_row, found))


@deployment.command()
@click.argument("name")
@_as_json
def inspect(name: str, *, as_json: bool) -> None:
    """Show the deployment NAME: what it runs, with what, and when."""
    control = current_control()
    found = control.deployment_called(name)
    if as_json:
        print_json(_facts(found))
        return
    values = {**_defaults(found), **found["parameters"]}
    print_facts(
        {
            "Deployment": found["full_name"],
            "Description": (found["description"] or "").partition("\n")[0],
            "Runs": found["entrypoint"],
            "Version": found["version"],
            "Work pool": found["work_pool"] or "none: it is served",
            "Parameters": ", ".join(f"{n}={value!r}" for n, value in values.items()),
            "Tags": ", ".join(found["tags"]),
            "At once": str(found["concurrency_limit"] or ""),
            "Paused": "yes" if found["paused"] else None,
        }
    )
    outcomes = control.outcomes(found["id"], limit=OUTCOMES)["items"]
    for schedule in found["schedules"]:
        _print_schedule(schedule, outcomes)


@deployment.command()
@click.argument("name")
@parameter_option
@click.option(
    "--at", metavar="TIME", help="When it begins: '2027-01-01 09:00', or 'in 10m'."
)
@click.option("--watch", is_flag=True, help="Print its log, and wait for its end.")
@click.option("--run-name", help="What the run is called.")
@click.option("--tag", "tags", multiple=True, help="A tag; may be repeated.")
@click.option("--priority", type=int, default=0, help="Greater ones begin first.")
@_as_json
def run(  # noqa: PLR0913  # each is an option
    name: str,
    *,
    assignments: tuple[str, ...],
    at: str | None,
    watch: bool,
    run_name: str | None,
    tags: tuple[str, ...],
    priority: int,
    as_json: bool,
) -> None:
    """Have the deployment NAME run, by whoever serves it or works for its pool.

    With --watch the exit code is 0 if the run completed, 1 if it failed, 124 if it took
    too long, 138 if it crashed, 130 if it was cancelled.
    """
    control = current_control()
    found = control.deployment_called(name)
    texts = typed_assignments(assignments)
    begins = None if at is None else _moment(at)
    made = control.make_run(
        found["id"],
        parameters=typed_values(texts, found["parameter_schema"]),
        at=None if begins is None else begins.timestamp(),
        name=run_name,
        tags=tags,
        priority=priority,
    )
    if as_json and not watch:
        print_json(record_of(made).to_json())
        return
    if not as_json:
        click.echo(f"Run {made['name']!r} of {found['full_name']!r} {_due(begins)}.")
        _warn_if_nobody_works(control, found)
    if watch:
        ended = watch_run(control, made["id"])
        if as_json:
            print_json(ended.to_json())
        else:
            click.echo(f"Run {ended.run.name!r} has ended: {ended.state!r}")
        sys.exit(exit_code(ended))


@deployment.command()
@click.argument("name")
def pause(name: str) -> None:
    """Let the schedules of the deployment NAME rest."""
    control = current_control()
    found = control.pause_deployment(control.deployment_called(name)["id"])
    click.echo(
        f"Paused {found['full_name']!r}. Go on with: nborch deployment resume "
        f"'{found['full_name']}'"
    )


@deployment.command()
@click.argument("name")
def resume(name: str) -> None:
    """Let the schedules of the deployment NAME go on from now."""
    control = current_control()
    found = control.resume_deployment(control.deployment_called(name)["id"])
    at = _next(found)
    told_next = "" if at is None else f" Its next run is at {_local(at)}."
    click.echo(f"Resumed {found['full_name']!r}.{told_next}")


@deployment.command()
@click.argument("name")
def delete(name: str) -> None:
    """Remove the deployment NAME, and cancel its runs that wait."""
    control = current_control()
    found = control.deployment_called(name)
    control.delete_deployment(found["id"])
    click.echo(f"Deleted {found['full_name']!r}.")


@deployment.command()
@click.argument("name")
@click.option("--from", "start", required=True, metavar="TIME", help="The first time.")
@click.option(
    "--to", "end", metavar="TIME", help="Times before this one; now if not given."
)
@click.option("--side-by-side", is_flag=True, help="They need not wait for another.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask, however many there are.")
def backfill(
    name: str, *, start: str, end: str | None, side_by_side: bool, yes: bool
) -> None:
    """Make the runs that the schedules of NAME would have made in a time.

    A nominal time that had a run gets no other one.
    """
    control = current_control()
    found = control.deployment_called(name)
    first = _moment(start)
    last = datetime.now(UTC) if end is None else _moment(end)
    if first >= last:
        raise click.UsageError(f"--from {start!r} is not before --to {end or 'now'!r}.")
    if not found["schedules"]:
        raise click.UsageError(
            f"{found['full_name']!r} has no schedule, so it has no times to make up "
            f"for. Run it with: nborch deployment run '{found['full_name']}'"
        )
    when: dict[str, Any] = {"start": first.timestamp(), "end": last.timestamp()}
    count = control.backfill(found["id"], dry_run=True, **when)["times"]
    if count > MANY and not yes:
        click.confirm(f"Make up to {count} runs of {found['full_name']!r}?", abort=True)
    done = control.backfill(found["id"], side_by_side=side_by_side, **when)
    made, count = done["made"], done["times"]
    rest = f" {count - made} times had one already." if made < count else ""
    runs = f"{made} run{'' if made == 1 else 's'}"
    click.echo(f"Made {runs} of {found['full_name']!r}.{rest}")


def _moment(text: str) -> datetime:
    """Return the time that somebody typed, on this machine's clock."""
    now = datetime.now(UTC)
    if text.strip().lower() == "now":
        return now
    if text.strip().startswith("in "):
        return now + duration(text.strip()[3:].replace(" ", ""))
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no time. A time looks like '2027-01-01 09:00' or 'in 10m'."
        ) from None


def _due(at: datetime | None) -> str:
    if at is None:
        return "begins as soon as a worker takes it"
    return f"begins at {_local(at)}"


def _local(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def _at(seconds: float) -> str:
    return _local(datetime.fromtimestamp(seconds, UTC))


def _warn_if_nobody_works(control: Control, found: DeploymentForm) -> None:
    """Tell if the run will wait for somebody to be started."""
    for each in gathered(control, control.workers, status=["online"]):
        if found["lane"] in each["lanes"]:
            return
    start = f"nborch worker start --pool {found['work_pool']}"
    if found["work_pool"] is None:
        start = f"nborch serve {found['entrypoint']} --name {found['name']}"
    click.echo(f"Nobody runs it at present. Start a worker with: {start}", err=True)


def _next(found: DeploymentForm) -> datetime | None:
    times = [each["next"][0] for each in found["schedules"] if each["next"]]
    return datetime.fromtimestamp(min(times), UTC) if times else None


def _row(found: DeploymentForm) -> list[str]:
    schedules = found["schedules"]
    words = "\n".join(each["words"] for each in schedules)
    at = _next(found)
    told_next = "" if at is None else _local(at)
    paused = [each for each in schedules if each["paused_because"]]
    mark = "[yellow]paused[/]" if found["paused"] or paused else ""
    pool = found["work_pool"] or "[dim]served[/]"
    return [found["full_name"], pool, words, told_next, mark]


def _print_schedule(schedule: ScheduleForm, outcomes: list[OutcomeForm]) -> None:
    click.echo()
    because = schedule["paused_because"]
    state = f"paused: {because}" if because else ""
    print_facts(
        {
            "Schedule": schedule["words"],
            "State": state or ("" if schedule["active"] else "not active"),
            "Next": _at(schedule["next"][0]) if schedule["next"] else None,
            "Policy": ", ".join(f"{n}={e}" for n, e in schedule["policy"].items()),
            "With": ", ".join(f"{n}={e!r}" for n, e in schedule["parameters"].items()),
        }
    )
    own = [each for each in outcomes if each["schedule"] == schedule["id"]]
    if own:
        rows = [
            [
                _at(each["nominal"])
                if each["count"] == 1
                else f"{each['count']} times",
                each["kind"],
                _ended(each["run"]) if each["run"] else each["told"],
            ]
            for each in own[:SHOWN]
        ]
        print_table(["last times", "", ""], rows)


def _ended(run: RunSummary) -> str:
    return f"{run['name']}: {run['state']['name']}"


def _defaults(found: DeploymentForm) -> dict[str, Any]:
    properties = found["parameter_schema"].get("properties", {})
    return {n: p["default"] for n, p in properties.items() if "default" in p}


def _facts(found: DeploymentForm) -> dict[str, Any]:
    same = (
        "version",
        "work_pool",
        "parameters",
        "parameter_schema",
        "tags",
        "description",
        "paused",
        "priority",
        "concurrency_limit",
        "max_crashes",
    )
    told: dict[str, Any] = dict(found)
    return {
        "id": found["id"],
        "name": found["full_name"],
        "flow": found["flow"],
        "entrypoint": found["source"],
        **{name: told[name] for name in same},
        "schedules": [
            {
                "id": each["id"],
                "schedule": each["json"],
                "words": each["words"],
                "policy": each["policy"],
                "parameters": each["parameters"],
                "active": each["active"],
                "paused_because": each["paused_because"],
                "next": datetime.fromtimestamp(each["next"][0], UTC)
                if each["next"]
                else None,
            }
            for each in found["schedules"]
        ],
    }
