"""``nborch serve``: run a flow or notebook by schedule and on request, here."""

from typing import Any

import click

from nborch.cli.deployment_options import declared_options, deployment_options
from nborch.cli.references import flow_at

__all__ = ["serve"]


@click.command()
@click.argument("flow")
@deployment_options
@click.option(
    "--limit", type=click.IntRange(min=1), help="How many runs may go on at once."
)
@click.option(
    "-o", "--output", metavar="PATH", help="Where executed notebooks go: a template."
)
def serve(
    flow: str, *, declared: dict[str, Any], limit: int | None, output: str | None
) -> None:
    """Run FLOW by schedule and on request, here, until Ctrl-C.

    FLOW is a notebook (etl.ipynb), a flow in a file (etl.py:load) or in a module
    (reports.daily:report). Each run has a process of its own. Runs are asked for with
    `nborch deployment run NAME`.
    """
    options: dict[str, Any] = {} if output is None else {"output": output}
    found = flow_at(flow, **options)
    found.serve(declared["name"], limit=limit, **declared_options(found, declared))
