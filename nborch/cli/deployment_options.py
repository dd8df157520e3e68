"""The options by which commands declare a deployment: when it runs, with what."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from nborch.cli.references import typed_assignments
from nborch.deploy.schemas import typed_values
from nborch.schedules import CatchUp, Overlap, Policy
from nborch.schedules.durations import duration

__all__ = ["declared_options", "deployment_options", "parameter_option", "policy_of"]

Command = Callable[..., Any]

parameter_option = click.option(
    "-p",
    "--param",
    "--parameter",
    "assignments",
    metavar="NAME=VALUE",
    multiple=True,
    help="Value for a parameter; may be repeated.",
)

_OPTIONS = (
    click.option("-n", "--name", help="What the deployment is called."),
    click.option(
        "--cron", multiple=True, metavar="EXPRESSION", help='Such as "0 6 * * *".'
    ),
    click.option(
        "--interval", multiple=True, metavar="TIME", help="Such as 15m, 6h, 1d or 90."
    ),
    click.option("--rrule", multiple=True, metavar="RULE", help="A recurrence rule."),
    click.option(
        "--timezone", metavar="ZONE", help="Such as Europe/Berlin; UTC if not given."
    ),
    click.option(
        "--anchor-date", metavar="TIME", help="From when intervals are counted."
    ),
    click.option(
        "--overlap",
        type=click.Choice([each.value for each in Overlap]),
        help="What is done if the run before goes on still.",
    ),
    click.option(
        "--catchup",
        type=click.Choice([each.value for each in CatchUp]),
        help="What is done about times that were missed.",
    ),
    click.option("--jitter", metavar="TIME", help="Begin up to so much later."),
    click.option("--paused", is_flag=True, help="Wait to be resumed."),
    click.option("--description", help="What it is for."),
    click.option("--tag", "tags", multiple=True, help="A tag; may be repeated."),
    click.option("--version", help="In place of what stands for its content."),
    click.option(
        "--concurrency-limit",
        type=click.IntRange(min=1),
        help="How many of its runs may go on at once.",
    ),
    click.option("--priority", type=int, default=0, help="Greater ones begin first."),
)


def deployment_options(command: Command) -> Command:
    """Give a command the options of a deployment; it is called with ``declared``."""

    @wraps(command)
    def with_declared(*args: Any, **options: Any) -> Any:
        declared = {name: options.pop(name) for name in _NAMES}
        return command(*args, declared=declared, **options)

    wrapped: Command = parameter_option(with_declared)
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


_NAMES = (
    "name", "cron", "interval", "rrule", "timezone", "anchor_date", "overlap",
    "catchup", "jitter", "paused", "description", "tags", "version",
    "concurrency_limit", "priority", "assignments",
)  # fmt: skip


def declared_options(flow: Any, declared: dict[str, Any]) -> dict[str, Any]:
    """Return what the options of a command say as those of a deployment."""
    options = {name: value for name, value in declared.items() if name != "name"}
    asked = [options.pop(name) for name in ("overlap", "catchup", "jitter")]
    policy = policy_of(*asked)
    if policy is not None:
        options["policy"] = policy
    options["interval"] = [duration(_number(each)) for each in options["interval"]]
    texts = typed_assignments(options.pop("assignments"))
    options["parameters"] = typed_values(texts, flow.parameter_schema())
    return {n: each for n, each in options.items() if each is not None}


def policy_of(
    overlap: str | None, catchup: str | None, jitter: str | float | None
) -> Policy | None:
    """Return the policy that is asked for; None if nothing is."""
    asked: dict[str, Any] = {"overlap": overlap, "catchup": catchup}
    asked = {name: value for name, value in asked.items() if value is not None}
    if jitter is not None:
        asked["jitter"] = duration(_number(jitter), "jitter")
    return Policy(**asked) if asked else None


def _number(given: str | float) -> str | float:
    """Return seconds for digits alone."""
    try:
        return float(given)
    except ValueError:
        return given
