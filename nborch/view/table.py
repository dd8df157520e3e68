"""Tables and facts for a terminal, and the same as JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

__all__ = ["print_facts", "print_json", "print_table", "size"]

_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_STEP = 1000


def print_json(value: Any) -> None:
    """Print JSON for other programs."""
    click.echo(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under their columns; texts may hold rich's markup."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False).print(table)


def print_facts(facts: Mapping[str, str | None]) -> None:
    """Print what is known, one fact a line; None is left out."""
    known = {name: value for name, value in facts.items() if value}
    width = max(map(len, known), default=0) + 2
    for name, value in known.items():
        click.echo(f"{name + ':':<{width}}{value}")


def size(count: float) -> str:
    """Return a number of bytes as people say it.

    >>> size(0), size(1234), size(3_400_000)
    ('0 bytes', '1.2 kB', '3.4 MB')
    """
    unit = 0
    while count >= _STEP and unit < len(_UNITS) - 1:
        count /= _STEP
        unit += 1
    return f"{count:.0f} {_UNITS[0]}" if unit == 0 else f"{count:.1f} {_UNITS[unit]}"
