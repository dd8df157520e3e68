"""``nborch inspect``: what a notebook takes, and its tasks, without running it."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from nborch.cli.formats import load_format
from nborch.notebook.charting import ChartedCell, chart, links
from nborch.notebook.flows.files import title_of
from nborch.notebook.loading import load_notebook
from nborch.notebook.parameters import (
    NO_VALUE,
    NotebookParameter,
    Parameters,
    notebook_parameters,
)
from nborch.notebook.parameters.declared import is_python
from nborch.notebook.parameters.natural import natural
from nborch.view.table import print_facts, print_json, print_table

__all__ = ["inspect"]

#: Characters of a default or a list of names that fit into a table.
WIDE = 40


@click.command()
@click.argument("notebook", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with a JSON Schema.")
def inspect(notebook: Path, *, as_json: bool) -> None:
    """Show what NOTEBOOK takes, and its cell tasks, without running it."""
    load_format()
    nb = load_notebook(notebook)
    parameters = notebook_parameters(nb, notebook)
    cells = chart(nb) if is_python(nb) else []
    command = _command(notebook, parameters)
    if as_json:
        print_json(_facts(notebook, nb, parameters, cells) | {"command": command})
        return
    title = title_of(nb)
    count = sum(cell.cell_type == "code" for cell in nb.cells)
    print_facts(
        {
            "Notebook": f"{notebook} ({title})" if title else str(notebook),
            "Kernel": _kernel(nb),
            "Cells": f"{count} of code, {sum(c.is_task for c in cells)} cell tasks",
        }
    )
    _print_parameters(parameters)
    _print_tasks(cells)
    _print_graph(cells)
    click.echo(f"\nRun it with: {command}")


def _kernel(nb: Any) -> str:
    spec = nb.metadata.get("kernelspec", {})
    name, shown = spec.get("name"), spec.get("display_name")
    if not name:
        return "none named, so that of this Python"
    return f"{name} ({shown})" if shown and shown != name else str(name)


def _print_parameters(parameters: Parameters) -> None:
    from rich.markup import escape

    if parameters.is_open:
        click.echo("\nParameters: any, as this notebook's language does not tell them.")
    elif not parameters.names:
        click.echo(
            "\nParameters: none. Add the tag 'parameters' to the cell that sets "
            "their defaults."
        )
    else:
        click.echo()
        rows = [map(escape, _row(each, parameters)) for each in parameters]
        print_table(["parameter", "type", "default", ""], map(list, rows))


def _row(parameter: NotebookParameter, parameters: Parameters) -> list[str]:
    default = "required" if parameter.required else _short(parameter.default_source)
    if parameter.name in parameters.secret and not parameter.required:
        default = "••••"
    return [parameter.name, parameters.type_of(parameter), default, parameter.help]


def _print_tasks(cells: list[ChartedCell]) -> None:
    from rich.markup import escape

    tasks = [cell for cell in cells if cell.is_task]
    if tasks:
        click.echo()
        print_table(
            ["task", "needs", "makes"],
            [
                [
                    escape(cell.name),
                    _short(", ".join(cell.needs)),
                    _short(", ".join(cell.makes)),
                ]
                for cell in tasks
            ],
        )


def _print_graph(cells: list[ChartedCell]) -> None:
    lines = [
        f"  {maker} → {taker} ({', '.join(names)})"
        for maker, taker, names in _arrows(cells)
    ]
    if lines:
        click.echo("\n".join(["", "graph", *lines]))


def _arrows(cells: list[ChartedCell]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield what passes between cells; of a notebook with tasks, to and from them."""
    with_tasks = any(cell.is_task for cell in cells)
    for maker, taker, names in links(cells):
        if not with_tasks or maker.is_task or taker.is_task:
            yield maker.name, taker.name, names


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= WIDE else f"{line[: WIDE - 1]}…"


def _command(notebook: Path, parameters: Parameters) -> str:
    """Return a command line that would run the notebook."""
    words = ["nborch", "run", str(notebook)]
    required = [each for each in parameters if each.required]
    others = [
        each
        for each in parameters
        if not each.required and isinstance(each.default, str | int | float)
    ]
    for each in [*required, *others[: 0 if required else 1]]:
        value = "VALUE" if each.required else str(each.default)
        if each.name in parameters.secret:
            value = f"${{env:{each.name.upper()}}}"
        words += ["-p", f"{each.name}={value}"]
    return shlex.join(words)


def _facts(
    notebook: Path, nb: Any, parameters: Parameters, cells: list[ChartedCell]
) -> dict[str, Any]:
    """Return everything as JSON values."""
    return {
        "notebook": str(notebook),
        "title": title_of(nb),
        "kernel": nb.metadata.get("kernelspec", {}).get("name"),
        "parameters": [_parameter(each, parameters) for each in parameters],
        "schema": parameters.schema(),
        "cells": [
            {
                "cell": cell.index,
                "name": cell.name,
                "is_task": cell.is_task,
                "needs": list(cell.needs),
                "makes": list(cell.makes),
            }
            for cell in cells
        ],
        "graph": [
            {"from": maker.index, "to": taker.index, "names": names}
            for maker, taker, names in links(cells)
        ],
    }


def _parameter(parameter: NotebookParameter, parameters: Parameters) -> dict[str, Any]:
    secret = parameter.name in parameters.secret
    known = parameter.default is not NO_VALUE and not secret
    return {
        "name": parameter.name,
        "type": parameters.type_of(parameter),
        "required": parameter.required,
        "default": natural(parameter.default) if known else None,
        "default_source": "" if secret else parameter.default_source,
        "help": parameter.help,
        "secret": secret,
    }
