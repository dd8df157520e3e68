"""``nborch deploy``: have the workers of a pool run flows and notebooks."""

from pathlib import Path
from typing import Any

import click

from nborch.cli.deployment_options import (
    declared_options,
    deployment_options,
    policy_of,
)
from nborch.cli.references import flow_at
from nborch.deploy.deployments import DeploymentOptions, declare
from nborch.exceptions import InvalidDeclaration, NotFound, did_you_mean
from nborch.home import Home, current_home
from nborch.settings import project_deployments
from nborch.work import Deployment

__all__ = ["deploy"]

#: What a table of pyproject.toml may say beside the options of a deployment.
_OF_TABLES = {
    "entrypoint",
    "work_pool",
    "overlap",
    "catchup",
    "jitter",
    "output",
    "kernel",
}


@click.command()
@click.argument("flow", required=False)
@click.option("--all", "is_all", is_flag=True, help="All in [tool.nborch.deployments].")
@click.option("--pool", help="The work pool whose workers run it.")
@deployment_options
def deploy(
    flow: str | None, *, is_all: bool, pool: str | None, declared: dict[str, Any]
) -> None:
    """Have the workers of a pool run FLOW, by schedule or on request.

    FLOW is a notebook (etl.ipynb), a flow in a file (etl.py:load) or in a module
    (reports.daily:report). With --all, what [tool.nborch.deployments] in pyproject.toml
    declares is deployed; doing it again changes nothing that has not changed there.
    """
    home = current_home()
    if is_all == (flow is not None):
        raise click.UsageError(
            "Name a flow, such as etl.py:load, or give --all for those in "
            "[tool.nborch.deployments] of pyproject.toml."
        )
    if is_all:
        path, tables = project_deployments(Path.cwd())
        made = [_of_table(home, path, *each) for each in tables.items()]
    else:
        found = flow_at(str(flow))
        options = declared_options(found, declared)
        name = declared["name"] or found.name
        made = [declare(found, name, home, work_pool_name=pool, **options)]
    for each in made:
        # NB. Only now: nothing is deployed if something is wrong with one of them.
        _put(home, each)


def _of_table(home: Home, path: Path, name: str, table: dict[str, Any]) -> Deployment:
    """Return the deployment that a table of pyproject.toml declares."""
    where = f"[tool.nborch.deployments.{name}] in {path}"
    known = [*_OF_TABLES, *DeploymentOptions.__annotations__]
    for option in table:
        if option not in known:
            raise InvalidDeclaration(
                f"{where} has an unknown option {option!r}."
                f"{did_you_mean(option, known)} Its options are: "
                f"{', '.join(sorted(known))}."
            )
    if "entrypoint" not in table:
        raise InvalidDeclaration(
            f"{where} names no flow. Give it an entrypoint, such as "
            '"etl.ipynb" or "etl.py:load".'
        )
    options = {n: each for n, each in table.items() if n not in _OF_TABLES}
    policy = policy_of(table.get("overlap"), table.get("catchup"), table.get("jitter"))
    if policy is not None:
        options["policy"] = policy
    of_notebook = {n: table[n] for n in ("output", "kernel") if n in table}
    flow = flow_at(table["entrypoint"], path.parent, **of_notebook)
    if "work_pool" in table:
        options["work_pool_name"] = table["work_pool"]
    made = declare(flow, name, home, **options)
    # Its paths are meant from the file that says it.
    entrypoint = {**made.entrypoint, "folder": str(path.parent)}
    return _with_entrypoint(made, entrypoint)


def _with_entrypoint(made: Deployment, entrypoint: dict[str, Any]) -> Deployment:
    from dataclasses import replace

    return replace(made, entrypoint=entrypoint)


def _put(home: Home, deployment: Deployment) -> None:
    """Put a deployment into the store, and tell what that changed."""
    before = _known(home, deployment.full_name)
    now = home.deployments.put(deployment)
    if before is None:
        told = "Deployed"
    elif before.updated == now.updated and before.schedules == now.schedules:
        told = "Unchanged:"
    else:
        told = "Changed"
    where = f" to the work pool {now.work_pool!r}" if now.work_pool else ""
    click.echo(f"{told} {now.full_name!r}{where}.")
    if not now.work_pool:
        click.echo(
            f"No work pool runs it. Give one with --pool, or serve it: "
            f"nborch serve {_reference(now)}",
            err=True,
        )


def _known(home: Home, full_name: str) -> Deployment | None:
    try:
        return home.deployments.get(full_name)
    except NotFound:
        return None


def _reference(deployment: Deployment) -> str:
    from nborch.deploy.entrypoints import told

    return told(deployment.entrypoint)
