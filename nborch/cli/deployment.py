"""``nborch deployment``: what is deployed, and runs of it on request."""

import sys
from datetime import UTC, datetime
from typing import Any

import click

from nborch.cli.deployment_options import parameter_option
from nborch.cli.references import typed_assignments
from nborch.cli.watching import exit_code, watch_run
from nborch.deploy.entrypoints import told
from nborch.deploy.schemas import typed_values
from nborch.deploy.triggering import trigger
from nborch.home import Home, current_home
from nborch.schedules.durations import duration
from nborch.view.table import print_facts, print_json, print_table
from nborch.work import Deployment, ScheduleRecord

__all__ = ["deployment"]

_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
#: A backfill of more runs than this asks first.
MANY = 100


@click.group()
def deployment() -> None:
    """See what is deployed, run it, pause its schedules."""


@deployment.command("ls")
@_as_json
def ls(*, as_json: bool) -> None:
    """List the deployments, with when they run next."""
    home = current_home()
    found = home.deployments.list()
    if as_json:
        print_json([_facts(home, each) for each in found])
    elif not found:
        click.echo(
            "Nothing is deployed. Serve a flow with: nborch serve FLOW, or deploy it "
            "to a work pool with: nborch deploy FLOW --pool NAME"
        )
    else:
        columns = ["deployment", "work pool", "schedules", "next run", ""]
        print_table(columns, (_row(home, each) for each in found))


@deployment.command()
@click.argument("name")
@_as_json
def inspect(name: str, *, as_json: bool) -> None:
    """Show the deployment NAME: what it runs, with what, and when."""
    home = current_home()
    found = home.deployments.get(name)
    if as_json:
        print_json(_facts(home, found))
        return
    values = {**_defaults(found), **found.parameters}
    print_facts(
        {
            "Deployment": found.full_name,
            "Description": (found.description or "").partition("\n")[0],
            "Runs": told(found.entrypoint),
            "Version": found.version,
            "Work pool": found.work_pool or "none: it is served",
            "Parameters": ", ".join(f"{n}={value!r}" for n, value in values.items()),
            "Tags": ", ".join(sorted(found.tags)),
            "At once": str(found.concurrency_limit or ""),
            "Paused": "yes" if found.paused else None,
        }
    )
    for record in home.deployments.schedules(found):
        _print_schedule(home, record)


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
    home = current_home()
    found = home.deployments.get(name)
    texts = typed_assignments(assignments)
    record = trigger(
        home,
        found,
        typed_values(texts, found.parameter_schema),
        at=None if at is None else _moment(at),
        name=run_name,
        tags=tags,
        priority=priority,
    )
    if as_json and not watch:
        print_json(record.to_json())
        return
    if not as_json:
        click.echo(f"Run {record.run.name!r} of {found.full_name!r} {_due(at)}.")
        _warn_if_nobody_works(home, found)
    if watch:
        ended = watch_run(home, record.run.id)
        if as_json:
            print_json(ended.to_json())
        else:
            click.echo(f"Run {ended.run.name!r} has ended: {ended.state!r}")
        sys.exit(exit_code(ended))


@deployment.command()
@click.argument("name")
def pause(name: str) -> None:
    """Let the schedules of the deployment NAME rest."""
    found = current_home().deployments.pause(name)
    click.echo(
        f"Paused {found.full_name!r}. Go on with: nborch deployment resume "
        f"'{found.full_name}'"
    )


@deployment.command()
@click.argument("name")
def resume(name: str) -> None:
    """Let the schedules of the deployment NAME go on from now."""
    home = current_home()
    found = home.deployments.resume(name)
    click.echo(f"Resumed {found.full_name!r}.{_told_next(home, found)}")


@deployment.command()
@click.argument("name")
def delete(name: str) -> None:
    """Remove the deployment NAME, and cancel its runs that wait."""
    found = current_home().deployments.delete(name)
    click.echo(f"Deleted {found.full_name!r}.")


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
    home = current_home()
    found = home.deployments.get(name)
    first = _moment(start)
    last = datetime.now(UTC) if end is None else _moment(end)
    if first >= last:
        raise click.UsageError(f"--from {start!r} is not before --to {end or 'now'!r}.")
    records = home.deployments.schedules(found)
    if not records:
        raise click.UsageError(
            f"{found.full_name!r} has no schedule, so it has no times to make up for. "
            f"Run it with: nborch deployment run '{found.full_name}'"
        )
    times = {r.id: list(r.declared.schedule.between(first, last)) for r in records}
    count = sum(map(len, times.values()))
    if count > MANY and not yes:
        click.confirm(f"Make up to {count} runs of {found.full_name!r}?", abort=True)
    made = 0
    for record in records:
        outcomes = home.firings.backfill(
            record, found, times[record.id], side_by_side=side_by_side
        )
        made += len(outcomes)
    rest = f" {count - made} times had one already." if made < count else ""
    runs = f"{made} run{'' if made == 1 else 's'}"
    click.echo(f"Made {runs} of {found.full_name!r}.{rest}")


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


def _due(at: str | None) -> str:
    if at is None:
        return "begins as soon as a worker takes it"
    return f"begins at {_local(_moment(at))}"


def _local(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def _warn_if_nobody_works(home: Home, found: Deployment) -> None:
    """Tell if the run will wait for somebody to be started."""
    home.reap()
    for each in home.workers.list():
        if each.status == "online" and found.lane in each.lanes:
            return
    start = f"nborch worker start --pool {found.work_pool}"
    if found.work_pool is None:
        start = f"nborch serve {told(found.entrypoint)} --name {found.name}"
    click.echo(f"Nobody runs it at present. Start a worker with: {start}", err=True)


def _next(home: Home, found: Deployment) -> datetime | None:
    due = [each.due_at for each in home.deployments.schedules(found) if each.due_at]
    return min(due, default=None)


def _told_next(home: Home, found: Deployment) -> str:
    at = _next(home, found)
    return "" if at is None else f" Its next run is at {_local(at)}."


def _row(home: Home, found: Deployment) -> list[str]:
    records = home.deployments.schedules(found)
    words = "\n".join(each.declared.schedule.explain() for each in records)
    at = _next(home, found)
    told_next = "" if at is None else _local(at)
    paused = [each.paused_because for each in records if each.paused_because]
    mark = "[yellow]paused[/]" if found.paused or paused else ""
    pool = found.work_pool or "[dim]served[/]"
    return [found.full_name, pool, words, told_next, mark]


def _print_schedule(home: Home, record: ScheduleRecord) -> None:
    click.echo()
    because = record.paused_because
    state = f"paused: {because}" if because else ("" if record.active else "not active")
    print_facts(
        {
            "Schedule": record.declared.schedule.explain(),
            "State": state,
            "Next": _local(record.next_at) if record.next_at else None,
            "Policy": ", ".join(
                f"{n}={each}" for n, each in record.declared.policy.to_json().items()
            ),
            "With": ", ".join(
                f"{n}={each!r}" for n, each in record.declared.parameters.items()
            ),
        }
    )
    outcomes = home.deployments.outcomes(record.id, 5)
    if outcomes:
        rows = [
            [
                _local(each.nominal) if each.count == 1 else f"{each.count} times",
                each.kind.value,
                _named(home, each.run_id) if each.run_id else each.told,
            ]
            for each in outcomes
        ]
        print_table(["last times", "", ""], rows)


def _named(home: Home, run_id: str) -> str:
    record = home.store.record(run_id)
    return f"{record.run.name}: {record.state.name}"


def _defaults(found: Deployment) -> dict[str, Any]:
    properties = found.parameter_schema.get("properties", {})
    return {n: p["default"] for n, p in properties.items() if "default" in p}


def _facts(home: Home, found: Deployment) -> dict[str, Any]:
    return {
        "id": found.id,
        "name": found.full_name,
        "flow": found.flow_name,
        "entrypoint": dict(found.entrypoint),
        "version": found.version,
        "work_pool": found.work_pool,
        "parameters": dict(found.parameters),
        "parameter_schema": dict(found.parameter_schema),
        "tags": sorted(found.tags),
        "description": found.description,
        "paused": found.paused,
        "priority": found.priority,
        "concurrency_limit": found.concurrency_limit,
        "max_crashes": found.max_crashes,
        "schedules": [
            {
                "id": each.id,
                "schedule": each.declared.schedule.to_json(),
                "words": each.declared.schedule.explain(),
                "policy": each.declared.policy.to_json(),
                "parameters": dict(each.declared.parameters),
                "active": each.active,
                "paused_because": each.paused_because,
                "next": each.next_at,
            }
            for each in home.deployments.schedules(found)
        ],
    }
