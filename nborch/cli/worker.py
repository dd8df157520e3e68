"""``nborch worker``: run what waits in work pools."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from nborch.home import current_home
from nborch.view.badge import duration
from nborch.view.table import print_json, print_table
from nborch.work import Worker

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

    home = current_home()
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
    home = current_home()
    home.reap()
    lane = None if pool is None else home.pools.get(pool).lane
    found = [
        each
        for each in home.workers.list()
        if (is_all or each.status == "online") and (lane is None or lane in each.lanes)
    ]
    if as_json:
        print_json([_facts(each) for each in found])
    elif not found:
        click.echo(
            "No worker runs. Start one with: nborch worker start --pool "
            f"{pool or 'NAME'}"
        )
    else:
        columns = ["name", "works for", "status", "running", "heard of", "process"]
        deployments = home.deployments.list()
        names = {d.lane: d.full_name for d in deployments if d.work_pool is None}
        print_table(columns, (_row(each, names) for each in found))


def _facts(each: Worker) -> dict[str, Any]:
    return {
        "id": each.id,
        "name": each.name,
        "lanes": list(each.lanes),
        "status": each.status,
        "running": each.held,
        "limit": each.limit,
        "host": each.host,
        "pid": each.pid,
        "started": each.started,
        "seen": each.seen,
    }


def _row(each: Worker, names: Mapping[str, str]) -> list[str]:
    ago = (datetime.now(UTC) - each.seen).total_seconds()
    running = f"{each.held}" if each.limit is None else f"{each.held} of {each.limit}"
    return [
        each.name,
        ", ".join(names.get(lane) or lane.partition("/")[2] for lane in each.lanes),
        _LOOKS.get(each.status, f"[dim]{each.status}[/]"),
        running,
        f"{duration(max(ago, 0.0))} ago",
        f"{each.pid} on {each.host}",
    ]
