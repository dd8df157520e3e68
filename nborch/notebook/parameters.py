"""A notebook's parameters: what it declares, and what is given to it."""

import ast
import io
import keyword
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nborch.exceptions import InvalidDeclaration, UnknownParameter, did_you_mean

__all__ = [
    "NO_VALUE",
    "NotebookParameter",
    "check_parameters",
    "declared_parameters",
    "parse_assignment",
]


class _NoValue:
    """The default of a parameter whose default is not a literal."""

    def __repr__(self) -> str:
        return "NO_VALUE"


#: Stands for a default that is known only when the cell has run: ``date.today()``.
NO_VALUE = _NoValue()


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
    for number, cell in _parameter_cells(nb):
        for found in _read_cell(cell.source, number):
            earlier = declared.get(found.name, found)
            declared[found.name] = replace(
                found,
                annotation=found.annotation or earlier.annotation,
                help=found.help or earlier.help,
            )
    return tuple(declared.values())


def parse_assignment(text: str) -> tuple[str, Any]:
    """Return the name and the value of a ``-p name=value``.

    >>> parse_assignment("month=7"), parse_assignment("carrier=UA")
    (('month', 7), ('carrier', 'UA'))
    >>> parse_assignment("days=[1, 2]"), parse_assignment("code='007'")
    (('days', [1, 2]), ('code', '007'))

    Numbers, ``True``, ``False`` and ``None`` are what they look like, and so are lists,
    tuples, dicts, sets and quoted strings. Anything else is a string as it stands.

    Raises
    ------
    InvalidDeclaration
        If there is no ``=``, or the name could not be a variable.
    """
    name, separator, value = text.partition("=")
    name = name.strip()
    if not separator:
        raise InvalidDeclaration(
            f"A parameter is given as name=value, but {text!r} has no '='."
        )
    if not name.isidentifier() or keyword.iskeyword(name):
        raise InvalidDeclaration(
            f"{name!r} cannot be the name of a parameter: it is no Python variable."
        )
    return name, _typed(value)


def check_parameters(
    given: Iterable[str],
    declared: Sequence[NotebookParameter],
    path: str | Path,
    *,
    has_cell: bool | None = None,
) -> None:
    """Raise if a parameter is given that the notebook does not declare.

    >>> check_parameters({"mont": 7}, [NotebookParameter("month")], "a/flights.ipynb")
    Traceback (most recent call last):
    nborch.exceptions.UnknownParameter: Notebook 'flights.ipynb' has no parameter \
'mont'. Did you mean 'month'? Its parameters are: month.

    Parameters
    ----------
    has_cell
        Whether any cell has the tag; by default, whether anything is declared.

    Raises
    ------
    UnknownParameter
        With the name that was probably meant.
    """
    names = [parameter.name for parameter in declared]
    unknown = [name for name in given if name not in names]
    if not unknown:
        return
    title = Path(path).name
    if not (bool(names) if has_cell is None else has_cell):
        raise UnknownParameter(
            f"Notebook {title!r} declares no parameters, so {unknown[0]!r} cannot be "
            "given. Add the tag 'parameters' to the cell that sets their defaults."
        )
    listed = f" Its parameters are: {', '.join(sorted(names))}." if names else ""
    if len(unknown) == 1:
        hint = did_you_mean(unknown[0], names)
        raise UnknownParameter(
            f"Notebook {title!r} has no parameter {unknown[0]!r}.{hint}{listed}"
        )
    wrong = ", ".join(repr(name) for name in unknown)
    raise UnknownParameter(f"Notebook {title!r} has no parameters {wrong}.{listed}")


def _parameter_cells(nb: Any) -> Iterator[tuple[int, Any]]:
    for number, cell in enumerate(nb.cells, start=1):
        tags = cell.get("metadata", {}).get("tags", [])
        if cell.cell_type == "code" and "parameters" in tags:
            yield number, cell


def _read_cell(source: str, number: int) -> Iterator[NotebookParameter]:
    source = _blank_magics(source)
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
        for target in targets:
            if isinstance(target, ast.Name) and not target.id.startswith("_"):
                yield NotebookParameter(
                    name=target.id,
                    annotation=_text(source, annotation),
                    default_source=_text(source, value),
                    default=_literal(value),
                    help=comments.get(statement.end_lineno or 0, ""),
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


def _blank_magics(source: str) -> str:
    """Return the cell without IPython's own syntax, its lines numbered as before."""
    lines = source.splitlines()
    for index, line in enumerate(lines):
        if line.startswith(("%", "!", "?")):
            lines[index] = ""
    return "\n".join(lines)


def _typed(text: str) -> Any:
    stripped = text.strip()
    constants = {"True": True, "False": False, "None": None}
    if stripped in constants:
        return constants[stripped]
    for number in (int, float):
        try:
            return number(stripped)
        except ValueError:
            continue
    if stripped[:1] in {"[", "{", "(", "'", '"'}:
        try:
            return ast.literal_eval(stripped)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return text
    return text
