"""``nborch work-pool``: where runs wait for workers."""

from dataclasses import replace
from typing import Any

import click

from nborch.home import current_home
from nborch.view.table import print_facts, print_json, print_table
from nborch.work import WorkPool

__all__ = ["work_pool"]

_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_limit = click.option(
    "--concurrency-limit",
    "--limit",
    "limit",
    type=click.IntRange(min=0),
    help="How many of its runs may go on at once.",
)


@click.group("work-pool")
def work_pool() -> None:
    """Say where runs wait for workers, and how many go on at once."""


@work_pool.command()
@click.argument("name")
@click.option(
    "-t",
    "--type",
    "kind",
    type=click.Choice(["process"]),
    default="process",
    show_default=True,
    help="How its workers run things: each in a process.",
)
@_limit
@click.option("--paused", is_flag=True, help="Let its runs wait until it is resumed.")
@click.option("--description", help="What it is for.")
@click.option("--overwrite", is_flag=True, help="Change the pool if it exists.")
def create(  # noqa: PLR0913  # each is an option
    name: str,
    *,
    kind: str,
    limit: int | None,
    paused: bool,
    description: str | None,
    overwrite: bool,
) -> None:
    """Create the work pool NAME."""
    pools = current_home().pools
    if not overwrite and any(pool.name == name for pool in pools.list()):
        click.echo(
            f"The work pool {name!r} exists. Change it with: "
            f"nborch work-pool update {name}",
            err=True,
        )
        return
    pool = WorkPool(
        name=name, kind=kind, limit=limit, paused=paused, description=description
    )
    told = "Created" if pools.put(pool) else "Changed"
    click.echo(
        f"{told} the work pool {name!r}. Its runs begin while a worker runs:\n"
        f"  nborch worker start --pool {name}"
    )


@work_pool.command("ls")
@_as_json
def ls(*, as_json: bool) -> None:
    """List the work pools, with how much waits and goes on in each."""
    found = current_home().pools.list()
    if as_json:
        print_json([_facts(pool) for pool in found])
    elif not found:
        click.echo(
            "There are no work pools. Create one with: "
            "nborch work-pool create --type process NAME"
        )
    else:
        print_table(
            ["name", "type", "limit", "running", "waiting", ""], map(_row, found)
        )


@work_pool.command()
@click.argument("name")
@_as_json
def inspect(name: str, *, as_json: bool) -> None:
    """Show the work pool NAME, with its deployments and workers."""
    home = current_home()
    home.reap()
    pool = home.pools.get(name)
    deployments = [d for d in home.deployments.list() if d.work_pool == name]
    workers = [
        each
        for each in home.workers.list()
        if pool.lane in each.lanes and each.status == "online"
    ]
    if as_json:
        facts = _facts(pool)
        facts["deployments"] = [each.full_name for each in deployments]
        facts["workers"] = [each.name for each in workers]
        print_json(facts)
        return
    print_facts(
        {
            "Work pool": pool.name,
            "Type": pool.kind,
            "Description": pool.description,
            "Limit": None if pool.limit is None else str(pool.limit),
            "Paused": "yes" if pool.paused else None,
            "Running": str(pool.held),
            "Waiting": str(pool.waiting),
            "Deployments": ", ".join(each.full_name for each in deployments),
            "Workers": ", ".join(each.name for each in workers) or "none",
        }
    )


@work_pool.command()
@click.argument("name")
@_limit
@click.option("--no-limit", is_flag=True, help="Let any number go on at once.")
@click.option("--description", help="What it is for.")
def update(
    name: str, *, limit: int | None, no_limit: bool, description: str | None
) -> None:
    """Change the work pool NAME."""
    pools = current_home().pools
    pool = pools.get(name)
    if limit is not None or no_limit:
        pool = replace(pool, limit=limit)
    if description is not None:
        pool = replace(pool, description=description)
    pools.put(pool)
    click.echo(f"Changed the work pool {name!r}.")


@work_pool.command()
@click.argument("name")
def pause(name: str) -> None:
    """Let the runs of the work pool NAME wait; those that go on are not stopped."""
    current_home().pools.pause(name)
    click.echo(
        f"Paused the work pool {name!r}. Go on with: nborch work-pool resume {name}"
    )


@work_pool.command()
@click.argument("name")
def resume(name: str) -> None:
    """Let the runs of the work pool NAME begin again."""
    current_home().pools.resume(name)
    click.echo(f"Resumed the work pool {name!r}.")


@work_pool.command()
@click.argument("name")
def delete(name: str) -> None:
    """Remove the work pool NAME."""
    current_home().pools.delete(name)
    click.echo(f"Deleted the work pool {name!r}.")


def _facts(pool: WorkPool) -> dict[str, Any]:
    return {
        "name": pool.name,
        "type": pool.kind,
        "limit": pool.limit,
        "paused": pool.paused,
        "description": pool.description,
        "running": pool.held,
        "waiting": pool.waiting,
    }


def _row(pool: WorkPool) -> list[str]:
    limit = "" if pool.limit is None else str(pool.limit)
    paused = "[yellow]paused[/]" if pool.paused else ""
    return [pool.name, pool.kind, limit, str(pool.held), str(pool.waiting), paused]
