"""``nborch worker``: run what waits in work pools."""

from datetime import UTC, datetime
from typing import Any

import click

from nborch.control.choosing import current_control, gathered, home_here
from nborch.control.forms import WorkerForm
from nborch.view.badge import duration
from nborch.view.table import print_json, print_table

__all__ = ["worker"]

_LOOKS = {"online": "[green]● online[/]", "lost": "[magenta]✘ lost[/]"}


@click.group()
def worker() -> None:
    """Run what waits in work pools."""


@worker.command()
@click.option(
    "-p", "--pool", "pools", multiple=True, required=True, help="May be repeated."
)
@click.option("-n", "--name", help="What the worker is called.")
@click.option(
    "--limit", type=click.IntRange(min=1), help="How many runs it has at once."
)
@click.option("-t", "--type", "kind", type=click.Choice(["process"]), hidden=True)
@click.option(
    "--no-schedules", is_flag=True, help="Fire no schedules; another worker does."
)
def start(
    pools: tuple[str, ...],
    *,
    name: str | None,
    limit: int | None,
    kind: str | None,
    no_schedules: bool,
) -> None:
    """Run what waits in a work pool, each run in a process, until Ctrl-C.

    It fires the schedules of deployments, too; any number of workers may do so.
    Ctrl-C or SIGTERM lets runs end for up to 30 seconds and hands the others back; a
    second one hands them back at once.
    """
    del kind
    # What it takes is loaded by who runs something only.
    from nborch.deploy.notifying import Notifying
    from nborch.deploy.serving import Server
    from nborch.deploy.status import status_here
    from nborch.deploy.worker import Worker as PoolWorker

    home = home_here(current_control(), "A worker")
    lanes = [home.pools.get(each).lane for each in pools]
    status = status_here()
    made = PoolWorker(
        home, lanes, name=name, limit=limit, watcher=Notifying(home, status)
    )
    Server(home, made, status, fires=not no_schedules).run()


@worker.command("ls")
@click.option("-p", "--pool", help="Only those that work for it.")
@click.option("-a", "--all", "is_all", is_flag=True, help="Also those that are gone.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ls(*, pool: str | None, is_all: bool, as_json: bool) -> None:
    """List the workers."""
    control = current_control()
    status = ["online", "left", "lost"] if is_all else ["online"]
    found = gathered(control, control.workers, work_pool=pool, status=status)
    if as_json:
        print_json([_facts(each) for each in found])
    elif not found:
        click.echo(
            "No worker runs. Start one with: nborch worker start --pool "
            f"{pool or 'NAME'}"
        )
    else:
        columns = ["name", "works for", "status", "running", "heard of", "process"]
        print_table(columns, map(_row, found))


def _facts(each: WorkerForm) -> dict[str, Any]:
    told: dict[str, Any] = dict(each)
    del told["works_for"]
    times = {n: datetime.fromtimestamp(told[n], UTC) for n in ("started", "seen")}
    return told | times


def _row(each: WorkerForm) -> list[str]:
    ago = datetime.now(UTC).timestamp() - each["seen"]
    running = str(each["running"])
    if each["limit"] is not None:
        running = f"{running} of {each['limit']}"
    return [
        each["name"],
        ", ".join(each["works_for"]),
        _LOOKS.get(each["status"], f"[dim]{each['status']}[/]"),
        running,
        f"{duration(max(ago, 0.0))} ago",
        f"{each['pid']} on {each['host']}",
    ]
