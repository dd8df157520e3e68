"""Flows by what somebody typed: ``etl.ipynb``, ``etl.py:load``, ``reports:daily``."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from nborch.deploy.entrypoints import (
    flow_in,
    load_file,
    parse_reference,
    while_loading,
)
from nborch.exceptions import InvalidDeclaration, NotFound

__all__ = ["flow_at", "typed_assignments"]


def flow_at(reference: str, folder: Path | None = None, **notebook_options: Any) -> Any:
    """Return the flow that a text names.

    Parameters
    ----------
    folder
        What a path is relative to; the current folder if not given.
    notebook_options
        Those of `nborch.notebook_flow`, if it is a notebook.

    Raises
    ------
    NotFound
        There is no such file, module or flow.
    """
    folder = folder or Path.cwd()
    if str(folder) not in sys.path:
        # As python itself does for what it is to run.
        sys.path.insert(0, str(folder))
    place, name = parse_reference(reference)
    if place.endswith(".ipynb"):
        from nborch.cli.formats import load_format

        load_format()
        from nborch.notebook.flows import notebook_flow

        return notebook_flow(folder / place, **notebook_options)
    if place.endswith(".py"):
        return flow_in(load_file((folder / place).resolve()), name)
    try:
        with while_loading():
            module = import_module(place)
    except ModuleNotFoundError as error:
        raise NotFound(
            f"The module {place!r} cannot be imported: {error}. For a file write "
            f"{place.replace('.', '/')}.py:{name}"
        ) from error
    return flow_in(module, name)


def typed_assignments(assignments: tuple[str, ...]) -> dict[str, str]:
    """Return the names and texts of ``-p name=value``.

    Raises
    ------
    InvalidDeclaration
        One has no ``=``.
    """
    given = {}
    for each in assignments:
        name, equals, text = each.partition("=")
        if not equals or not name.strip().isidentifier():
            raise InvalidDeclaration(
                f"A parameter is given as name=value, not {each!r}. "
                "Write for example: -p region=eu"
            )
        given[name.strip()] = text
    return given
