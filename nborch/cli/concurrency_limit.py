"""``nborch concurrency-limit``: say how much may run at once, and see what does."""

from datetime import UTC, datetime
from typing import Any

import click

from nborch.exceptions import NotFound
from nborch.home import current_home
from nborch.limits import Limits
from nborch.slots import Limit
from nborch.store.limits import Holding
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
    is_new = current_home().limits.store.put(name, slots, slot_decay_per_second)
    told = "Created" if is_new else "Changed"
    decay = _decay(slot_decay_per_second)
    slots_told = f"{slots} slot{'' if slots == 1 else 's'}"
    click.echo(f"{told} the concurrency limit {name!r}: {slots_told}{decay}.")


@concurrency_limit.command("ls")
@_as_json
def ls(*, as_json: bool) -> None:
    """List the limits, and how much of each is in use."""
    limits = _reaped()
    found = limits.store.limits()
    if as_json:
        print_json(
            [_facts(limit, limits.store.holdings(limit.name)) for limit in found]
        )
    elif not found:
        click.echo(
            "There are no concurrency limits. Create one with: "
            "nborch concurrency-limit create NAME SLOTS"
        )
    else:
        print_table(
            ["name", "slots", "in use", "decay", "held by"],
            (_row(limit, limits.store.holdings(limit.name)) for limit in found),
        )


@concurrency_limit.command()
@click.argument("name")
@_as_json
def inspect(name: str, *, as_json: bool) -> None:
    """Show the limit NAME, with who holds its slots and since when."""
    limits = _reaped()
    limit = limits.store.limit(name)
    holdings = limits.store.holdings(name)
    if as_json:
        print_json(_facts(limit, holdings))
        return
    print_facts(
        {
            "Limit": limit.name,
            "Slots": str(limit.slots) if limit.slots else "0 (closed)",
            "In use": f"{_in_use(limit):g}",
            "Decay": f"{limit.decay:g} per second" if limit.decay else None,
        }
    )
    if holdings:
        click.echo()
        columns = ["holder", "slots", "process", "since"]
        print_table(columns, (_holding_row(each) for each in holdings))


@concurrency_limit.command()
@click.argument("name")
def reset(name: str) -> None:
    """Free all slots of the limit NAME; who holds one works on."""
    freed = current_home().limits.store.reset(name)
    click.echo(f"Freed {freed} slot{'' if freed == 1 else 's'} of {name!r}.")


@concurrency_limit.command()
@click.argument("name")
def delete(name: str) -> None:
    """Remove the limit NAME; nothing is limited by it any more."""
    current_home().limits.store.delete(name)
    click.echo(f"Deleted the concurrency limit {name!r}.")


def _reaped() -> Limits:
    """Return the limits, without what dead processes held."""
    limits = current_home().limits
    limits.reap()
    return limits


def _facts(limit: Limit, holdings: list[Holding]) -> dict[str, Any]:
    return {
        "name": limit.name,
        "slots": limit.slots,
        "in_use": _in_use(limit),
        "slot_decay_per_second": limit.decay,
        "holders": [
            {
                "holder": dict(each.holder),
                "slots": each.slots,
                "process": each.process,
                "since": each.since,
            }
            for each in holdings
        ],
    }


def _row(limit: Limit, holdings: list[Holding]) -> list[str]:
    return [
        limit.name,
        str(limit.slots),
        f"{_in_use(limit):g}",
        f"{limit.decay:g}/s" if limit.decay else "",
        ", ".join(_holder(each) for each in holdings),
    ]


def _holding_row(holding: Holding) -> list[str]:
    since = datetime.fromtimestamp(holding.since, UTC).astimezone()
    host, _, rest = holding.process.partition(":")
    process = f"{rest.partition(':')[0]} on {host}"
    return [_holder(holding), str(holding.slots), process, f"{since:%Y-%m-%d %H:%M:%S}"]


def _holder(holding: Holding) -> str:
    """Return the name of the run that holds slots, or what else it was called."""
    named = str(holding.holder.get("id", ""))
    if str(holding.holder.get("type", "")).endswith("_run"):
        try:
            return current_home().store.record(named).run.name
        except NotFound:
            return named
    return named or f"process {holding.process.split(':')[1]}"


def _in_use(limit: Limit) -> float:
    return limit.slots - limit.free(datetime.now(UTC).timestamp())


def _decay(per_second: float) -> str:
    return f", {per_second:g} back per second" if per_second else ""
