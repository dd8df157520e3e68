"""Tables and facts for a terminal, and the same as JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

__all__ = ["print_facts", "print_json", "print_table"]


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
