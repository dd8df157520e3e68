"""What the cells tagged ``parameters`` declare, read without running them."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nborch.exceptions import InvalidDeclaration

__all__ = [
    "NO_VALUE",
    "NotebookParameter",
    "declared_parameters",
    "has_tag",
    "is_python",
    "names_declared",
    "parameter_cells",
    "plain_python",
]


class _NoValue:
    """The default of a parameter whose default is not a literal."""

    def __repr__(self) -> str:
        return "NO_VALUE"


#: Stands for a default that is known only when the cell has run: ``date.today()``.
NO_VALUE = _NoValue()

#: papermill's way to give a type: ``month = 1  # type: int  which month``.
_TYPE_COMMENT = re.compile(r"type:\s*(\S+)\s*")


@dataclass(frozen=True, slots=True)
class NotebookParameter:
    """One name that a notebook's parameters cell declares.

    >>> NotebookParameter("month", "int", "1", 1, "1 to 12").describe()
    'month: int = 1  # 1 to 12'

    Parameters
    ----------
    annotation
        The declared type as it is written, or empty.
    default_source
        The default as it is written; empty for a parameter that has none.
    default
        Its value if it is a literal, else `NO_VALUE`.
    help
        The comment at the end of the line.
    """

    name: str
    annotation: str = ""
    default_source: str = ""
    default: Any = NO_VALUE
    help: str = ""

    @property
    def required(self) -> bool:
        """Whether the notebook gives it no value of its own."""
        return not self.default_source

    def describe(self) -> str:
        """Return the parameter as one line of code."""
        annotation = f": {self.annotation}" if self.annotation else ""
        default = f" = {self.default_source}" if self.default_source else ""
        comment = f"  # {self.help}" if self.help else ""
        return f"{self.name}{annotation}{default}{comment}"


def declared_parameters(nb: Any) -> tuple[NotebookParameter, ...]:
    """Return what the cells tagged ``parameters`` declare, in their order.

    >>> [parameter.name for parameter in declared_parameters(nb)]  # doctest: +SKIP
    ['carrier', 'month']

    A parameter is a name that is assigned (``month = 1``), with or without a type
    (``month: int = 1``), or only annotated (``month: int``: it must be given). Names
    with a leading underscore are the cell's own. A name declared twice has the later
    default.

    Raises
    ------
    InvalidDeclaration
        If such a cell is no valid Python.
    """
    declared: dict[str, NotebookParameter] = {}
    for index in parameter_cells(nb):
        for found in _read_cell(nb.cells[index].source, index + 1):
            earlier = declared.get(found.name, found)
            declared[found.name] = replace(
                found,
                annotation=found.annotation or earlier.annotation,
                help=found.help or earlier.help,
            )
    return tuple(declared.values())


def names_declared(cell: Any) -> frozenset[str]:
    """Return the names of the parameters that one such cell declares."""
    return frozenset(parameter.name for parameter in _read_cell(cell.source, 1))


def parameter_cells(nb: Any) -> list[int]:
    """Return the indices of the code cells tagged ``parameters``."""
    return [
        index
        for index, cell in enumerate(nb.cells)
        if cell.cell_type == "code" and has_tag(cell, "parameters")
    ]


def has_tag(cell: Any, tag: str) -> bool:
    """Tell whether a cell has a tag."""
    return tag in cell.get("metadata", {}).get("tags", [])


def is_python(nb: Any, language: str | None = None) -> bool:
    """Tell whether the notebook's cells are Python: they are if it does not say.

    Parameters
    ----------
    language
        What the caller says it is, which counts more.
    """
    about = nb.metadata
    told = (
        language
        or about.get("kernelspec", {}).get("language")
        or about.get("language_info", {}).get("name")
    )
    return not told or str(told).lower() in {"python", "ipython", "python3"}


def plain_python(source: str) -> str:
    """Return a cell without IPython's own syntax, its lines numbered as before."""
    lines = source.splitlines()
    for index, line in enumerate(lines):
        if line.startswith(("%", "!", "?")):
            lines[index] = ""
    return "\n".join(lines)


def _read_cell(source: str, number: int) -> Iterator[NotebookParameter]:
    source = plain_python(source)
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise InvalidDeclaration(
            f"The parameters in cell {number} are no valid Python: {error.msg} "
            f"(line {error.lineno})."
        ) from error
    comments = _comments(source)
    for statement in tree.body:
        targets, annotation, value = _assignment(statement)
        written = _text(source, annotation)
        told = comments.get(statement.end_lineno or 0, "")
        if (found := _TYPE_COMMENT.match(told)) is not None:
            written, told = written or found[1], told[found.end() :]
        for target in targets:
            if isinstance(target, ast.Name) and not target.id.startswith("_"):
                yield NotebookParameter(
                    name=target.id,
                    annotation=written,
                    default_source=_text(source, value),
                    default=_literal(value),
                    help=told,
                )


def _assignment(
    statement: ast.stmt,
) -> tuple[Sequence[ast.expr], ast.expr | None, ast.expr | None]:
    if isinstance(statement, ast.Assign):
        return statement.targets, None, statement.value
    if isinstance(statement, ast.AnnAssign):
        return [statement.target], statement.annotation, statement.value
    return [], None, None


def _text(source: str, node: ast.expr | None) -> str:
    return "" if node is None else ast.get_source_segment(source, node) or ""


def _literal(node: ast.expr | None) -> Any:
    if node is None:
        return NO_VALUE
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return NO_VALUE


def _comments(source: str) -> dict[int, str]:
    """Return the comments that stand behind code, by line."""
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        behind_code = token.line[: token.start[1]].strip()
        if token.type == tokenize.COMMENT and behind_code:
            found[token.start[0]] = token.string.lstrip("#").strip()
    return found
