"""``nborch concurrency-limit``: say how much may run at once, and see what does."""

from datetime import UTC, datetime
from typing import Any

import click

from nborch.control.choosing import current_control, gathered
from nborch.control.forms import HolderForm, LimitForm
from nborch.exceptions import AlreadyExists
from nborch.view.table import print_facts, print_json, print_table

__all__ = ["concurrency_limit"]

_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("concurrency-limit")
def concurrency_limit() -> None:
    """Limit how much runs at once, by name or by the tags of tasks."""


@concurrency_limit.command()
@click.argument("name")
@click.argument("slots", type=click.IntRange(min=0))
@click.option(
    "--slot-decay-per-second",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Slots that rate_limit() gets back each second.",
)
def create(name: str, slots: int, slot_decay_per_second: float) -> None:
    """Let SLOTS run at once under NAME; changes the limit if it exists.

    With 0 slots nothing begins until there are more again.
    """
    control, told = current_control(), "Created"
    values: dict[str, Any] = {
        "slots": slots,
        "slot_decay_per_second": slot_decay_per_second,
    }
    try:
        control.create_limit(name=name, **values)
    except AlreadyExists:
        told = "Changed"
        control.put_limit(name, **values)
    decay = _decay(slot_decay_per_second)
    slots_told = f"{slots} slot{'' if slots == 1 else 's'}"
    click.echo(f"{told} the concurrency limit {name!r}: {slots_told}{decay}.")


@concurrency_limit.command("ls")
@_as_json
def ls(*, as_json: bool) -> None:
    """List the limits, and how much of each is in use."""
    control = current_control()
    found = gathered(control, control.limits)
    if as_json:
        print_json([_facts(limit) for limit in found])
    elif not found:
        click.echo(
            "There are no concurrency limits. Create one with: "
            "nborch concurrency-limit create NAME SLOTS"
        )
    else:
        print_table(
            ["name", "slots", "in use", "decay", "held by"],
            map(_row, found),
        )


@concurrency_limit.command()
@click.argument("name")
@_as_json
def inspect(name: str, *, as_json: bool) -> None:
    """Show the limit NAME, with who holds its slots and since when."""
    limit = current_control().limit(name)
    if as_json:
        print_json(_facts(limit))
        return
    slots, decay = limit["slots"], limit["slot_decay_per_second"]
    print_facts(
        {
            "Limit": limit["name"],
            "Slots": str(slots) if slots else "0 (closed)",
            "In use": f"{limit['in_use']:g}",
            "Decay": f"{decay:g} per second" if decay else None,
        }
    )
    if limit["holders"]:
        click.echo()
        columns = ["holder", "slots", "process", "since"]
        print_table(columns, map(_holder_row, limit["holders"]))


@concurrency_limit.command()
@click.argument("name")
def reset(name: str) -> None:
    """Free all slots of the limit NAME; who holds one works on."""
    before = current_control().reset_limit(name)
    freed = sum(each["slots"] for each in before["holders"])
    click.echo(f"Freed {freed} slot{'' if freed == 1 else 's'} of {name!r}.")


@concurrency_limit.command()
@click.argument("name")
def delete(name: str) -> None:
    """Remove the limit NAME; nothing is limited by it any more."""
    current_control().delete_limit(name)
    click.echo(f"Deleted the concurrency limit {name!r}.")


def _facts(limit: LimitForm) -> dict[str, Any]:
    names = ("holder", "slots", "process", "since")
    told: list[dict[str, Any]] = [dict(each) for each in limit["holders"]]
    holders = [{name: each[name] for name in names} for each in told]
    return {**limit, "holders": holders}


def _row(limit: LimitForm) -> list[str]:
    decay = limit["slot_decay_per_second"]
    return [
        limit["name"],
        str(limit["slots"]),
        f"{limit['in_use']:g}",
        f"{decay:g}/s" if decay else "",
        ", ".join(each["name"] for each in limit["holders"]),
    ]


def _holder_row(holder: HolderForm) -> list[str]:
    since = datetime.fromtimestamp(holder["since"], UTC).astimezone()
    host, _, rest = holder["process"].partition(":")
    process = f"{rest.partition(':')[0]} on {host}"
    slots = str(holder["slots"])
    return [holder["name"], slots, process, f"{since:%Y-%m-%d %H:%M:%S}"]


def _decay(per_second: float) -> str:
    return f", {per_second:g} back per second" if per_second else ""
