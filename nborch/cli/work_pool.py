"""``nborch work-pool``: where runs wait for workers."""

from typing import Any

import click

from nborch.control.choosing import current_control, gathered
from nborch.control.forms import PoolForm
from nborch.exceptions import AlreadyExists
from nborch.view.table import print_facts, print_json, print_table

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
    control, told = current_control(), "Created"
    try:
        control.create_work_pool(
            name=name, type=kind, limit=limit, paused=paused, description=description
        )
    except AlreadyExists as error:
        if not overwrite:
            click.echo(str(error), err=True)
            return
        told = "Changed"
        control.change_work_pool(
            name, limit=limit, paused=paused, description=description
        )
    click.echo(
        f"{told} the work pool {name!r}. Its runs begin while a worker runs:\n"
        f"  nborch worker start --pool {name}"
    )


@work_pool.command("ls")
@_as_json
def ls(*, as_json: bool) -> None:
    """List the work pools, with how much waits and goes on in each."""
    control = current_control()
    found = gathered(control, control.work_pools)
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
    pool = current_control().work_pool(name)
    if as_json:
        facts: dict[str, Any] = _facts(pool)
        facts["deployments"] = pool["deployments"]
        facts["workers"] = pool["workers"]
        print_json(facts)
        return
    print_facts(
        {
            "Work pool": pool["name"],
            "Type": pool["type"],
            "Description": pool["description"],
            "Limit": None if pool["limit"] is None else str(pool["limit"]),
            "Paused": "yes" if pool["paused"] else None,
            "Running": str(pool["running"]),
            "Waiting": str(pool["waiting"]),
            "Deployments": ", ".join(pool["deployments"]),
            "Workers": ", ".join(pool["workers"]) or "none",
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
    changes: dict[str, Any] = {}
    if limit is not None or no_limit:
        changes["limit"] = limit
    if description is not None:
        changes["description"] = description
    current_control().change_work_pool(name, **changes)
    click.echo(f"Changed the work pool {name!r}.")


@work_pool.command()
@click.argument("name")
def pause(name: str) -> None:
    """Let the runs of the work pool NAME wait; those that go on are not stopped."""
    current_control().change_work_pool(name, paused=True)
    click.echo(
        f"Paused the work pool {name!r}. Go on with: nborch work-pool resume {name}"
    )


@work_pool.command()
@click.argument("name")
def resume(name: str) -> None:
    """Let the runs of the work pool NAME begin again."""
    current_control().change_work_pool(name, paused=False)
    click.echo(f"Resumed the work pool {name!r}.")


@work_pool.command()
@click.argument("name")
def delete(name: str) -> None:
    """Remove the work pool NAME."""
    current_control().delete_work_pool(name)
    click.echo(f"Deleted the work pool {name!r}.")


def _facts(pool: PoolForm) -> dict[str, Any]:
    names = ("name", "type", "limit", "paused", "description", "running", "waiting")
    told: dict[str, Any] = dict(pool)
    return {name: told[name] for name in names}


def _row(pool: PoolForm) -> list[str]:
    limit = "" if pool["limit"] is None else str(pool["limit"])
    paused = "[yellow]paused[/]" if pool["paused"] else ""
    running, waiting = str(pool["running"]), str(pool["waiting"])
    return [pool["name"], pool["type"], limit, running, waiting, paused]
