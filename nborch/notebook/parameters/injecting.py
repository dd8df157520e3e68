"""The cell that gives a notebook the values of a run: ``injected-parameters``."""

import ast
import re
from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from nborch.exceptions import ParameterTypeError
from nborch.notebook.parameters.declared import (
    has_tag,
    names_declared,
    parameter_cells,
    plain_python,
)
from nborch.notebook.parameters.following import followers
from nborch.notebook.parameters.natural import natural
from nborch.notebook.parameters.sources import (
    Modules,
    Unwritable,
    python_source,
)
from nborch.secrets import Secret, hidden, texts_in

__all__ = ["FOLLOWING", "TAG", "Injection", "inject", "injected_source", "shown_values"]

TAG = "injected-parameters"

#: How papermill begins such a cell; tools look for it.
_TITLE = "# Parameters"
#: What stands between the values and what depends on them.
FOLLOWING = "# What follows from them."

#: Nothing to do where the kernel has no nborch: it records nothing then.
_MASK = """
try:
    __import__("nborch.secrets", fromlist=["hide"]).hide(*{texts!r})
except ImportError:
    pass
"""


@dataclass(frozen=True, slots=True)
class Injection:
    """What a run has to do beyond executing the notebook's cells.

    Parameters
    ----------
    silent
        Source to execute silently just before a cell, by the cell's index: it hands
        over what the document must not show.
    """

    silent: Mapping[int, str] = field(default_factory=dict)


def inject(
    nb: Any, values: Mapping[str, Any], *, notebook: str = "notebook"
) -> Injection:
    """Write the values of a run into a Python notebook; return what is left to do.

    ::

        inject(nb, {"month": 7, "day": date(2026, 1, 2), "token": Secret("...")})

    The cell tagged ``injected-parameters`` is written anew, or put behind the
    parameters cell. With several parameters cells each has its own, for the names that
    it declares. Statements of the parameters cell that depend on a given name are run
    again in it. The value of a `Secret` is not written: it is in what is returned.

    Parameters
    ----------
    nb
        A notebook of format 4, changed in place.
    notebook
        How messages call it.

    Raises
    ------
    ParameterTypeError
        If values cannot be written so that they keep their type; all are named.
    """
    if not values:
        return Injection()
    template, place = _take_out(nb)
    taken = _names_in(nb)
    cells = parameter_cells(nb)
    silent: dict[int, str] = {}
    for index, names in reversed(_places(nb, cells, values, place)):
        group = {name: values[name] for name in values if name in names}
        if not group:
            continue
        above = [cell for cell in cells if cell < index]
        defaults = nb.cells[above[-1]].source if above else ""
        source, secret = injected_source(group, taken, defaults, notebook=notebook)
        silent = {at + 1: code for at, code in silent.items()}
        if secret:
            silent[index] = secret
        nb.cells.insert(index, _new_cell(template, source))
    return Injection(silent)


def injected_source(
    values: Mapping[str, Any],
    taken: Collection[str] = (),
    defaults: str = "",
    *,
    notebook: str = "notebook",
) -> tuple[str, str]:
    """Return the source that sets these values, and what is to be run in silence.

    Parameters
    ----------
    taken
        Names that the notebook uses itself.
    defaults
        The parameters cell, for what follows from the values.
    """
    open_values = {k: v for k, v in values.items() if not isinstance(v, Secret)}
    secrets = {k: v for k, v in values.items() if isinstance(v, Secret)}
    used = frozenset({*taken, *values})
    lines, modules = _assignments(open_values, used, notebook)
    lines += [_told(name, secret) for name, secret in secrets.items()]
    given_lines = dict(zip(open_values, lines, strict=False))
    derived: list[str] = []
    for statement, overwritten in followers(defaults, values):
        derived.append(statement)
        derived += [given_lines[name] for name in overwritten if name in given_lines]
    head = [_TITLE, *modules.imports]
    if modules.imports:
        head.append("")
    if derived:
        derived = ["", FOLLOWING, *derived]
    source = "\n".join([*head, *lines, *derived])
    return source, _handover(secrets, used, notebook) if secrets else ""


def _handover(
    secrets: Mapping[str, Secret], taken: Collection[str], notebook: str
) -> str:
    """Return the source that sets secrets, and masks them in what a kernel records."""
    values = {name: secret.reveal() for name, secret in secrets.items()}
    lines, modules = _assignments(values, taken, notebook)
    parts = {text for value in values.values() for text in texts_in(value)}
    texts = sorted(text for text in hidden() if any(text in part for part in parts))
    return "\n".join([*modules.imports, *lines, _MASK.format(texts=texts)])


def shown_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as JSON for a notebook's metadata; a secret as what stands for it.

    >>> shown_values({"month": 7, "token": Secret("s3cr3t-t0ken", "${env:TOKEN}")})
    {'month': 7, 'token': '${env:TOKEN}'}
    """
    return {name: natural(value) for name, value in values.items()}


def _assignments(
    values: Mapping[str, Any], taken: Collection[str], notebook: str
) -> tuple[list[str], Modules]:
    modules = Modules(taken)
    lines, wrong = [], []
    for name, value in values.items():
        try:
            lines.append(f"{name} = {python_source(value, modules)}")
        except Unwritable as problem:
            wrong.append(f"parameter {name!r} got {problem}")
    if wrong:
        told = wrong[0] if len(wrong) == 1 else "\n  ".join(["", *wrong])
        raise ParameterTypeError(f"Notebook {notebook!r}: {told}")
    return lines, modules


def _told(name: str, secret: Secret) -> str:
    """Return the line that stands for the assignment of a secret."""
    origin = f", from {secret.origin}" if secret.origin.isprintable() else ""
    return f"# {name}: a secret{origin if secret.origin else ''}"


def _take_out(nb: Any) -> tuple[Any, int]:
    """Remove the injected cells; return the first, and where it was (or -1)."""
    found = [index for index, cell in enumerate(nb.cells) if has_tag(cell, TAG)]
    if not found:
        return None, -1
    template = nb.cells[found[0]]
    for index in reversed(found):
        del nb.cells[index]
    return template, found[0]


def _places(
    nb: Any, cells: list[int], values: Mapping[str, Any], place: int
) -> list[tuple[int, frozenset[str]]]:
    """Return where a cell is to be put, and for which names, from top to bottom."""
    if not cells:
        return [(max(place, 0), frozenset(values))]
    names = [names_declared(nb.cells[index]) for index in cells]
    # What no cell declares is set by the first.
    names[0] |= frozenset(values).difference(*names)
    places = [(index + 1, found) for index, found in zip(cells, names, strict=True)]
    if len(places) == 1 and place > places[0][0]:
        # Somebody has moved it on purpose.
        return [(place, names[0])]
    return places


def _new_cell(template: Any, source: str) -> Any:
    from nbformat.v4 import new_code_cell

    metadata = deepcopy(template.metadata) if template is not None else {}
    metadata["tags"] = list(metadata.get("tags") or [TAG])
    cell = new_code_cell(source, metadata=metadata)
    if template is not None and "id" in template:
        # The first one keeps its name, by which saved outputs are found again.
        cell["id"] = template.pop("id")
    return cell


def _names_in(nb: Any) -> frozenset[str]:
    """Return all names that the notebook's code mentions."""
    found: set[str] = set()
    for cell in nb.cells:
        if cell.cell_type != "code":
            continue
        try:
            tree = ast.parse(plain_python(cell.source))
        except (SyntaxError, ValueError):
            # A magic or another language: every word could be a name.
            found.update(_words(cell.source))
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                found.add(node.id)
            elif isinstance(node, ast.alias):
                found.add(node.asname or node.name.partition(".")[0])
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.Name) and node.id.startswith("_"):
                found.add(node.id)
    return frozenset(found)


def _words(source: str) -> Collection[str]:
    return re.findall(r"\b[A-Za-z_]\w*", source)
