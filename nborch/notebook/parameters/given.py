"""The values that somebody gives: on a command line, in a file, in Python."""

import ast
import base64
import keyword
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nborch.exceptions import (
    InvalidDeclaration,
    NotFound,
    UnknownParameter,
    did_you_mean,
)
from nborch.notebook.parameters.declared import NotebookParameter
from nborch.secrets import Secret, hide

__all__ = [
    "Typed",
    "check_parameters",
    "gather",
    "literal",
    "parse_assignment",
    "with_environment",
]

#: ``${env:API_TOKEN}`` stands for the value of that variable, which nobody gets to see.
_FROM_ENVIRONMENT = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")


class Typed(str):
    """Text as somebody typed it: what it means depends on what is asked for."""

    __slots__ = ()


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
    name, value = _split(text)
    return name, literal(value)


def gather(
    assignments: Iterable[str] = (),
    *,
    raw: Iterable[str] = (),
    files: Iterable[str] = (),
    yaml: Iterable[str] = (),
    base64: Iterable[str] = (),
) -> dict[str, Any]:
    """Return the values that a command line gives, in papermill's order of precedence.

    >>> gather(["month=7"], raw=["code=007"], yaml=["{month: 5, days: [1, 2]}"])
    {'month': '7', 'days': [1, 2], 'code': '007'}

    What a single assignment says counts more than what a file says; `raw` text counts
    most. The value of an assignment is `Typed` text, read when its type is known.

    Raises
    ------
    InvalidDeclaration
        If an assignment or a file cannot be read.
    """
    given: dict[str, Any] = {}
    for text in base64:
        given |= _mapping(_decoded(text), f"The base64 text {text!r}")
    for path in files:
        given |= _mapping(_content(path), f"The parameter file '{path}'")
    for text in yaml:
        given |= _mapping(text, f"The YAML {text!r}")
    for text in assignments:
        name, value = _split(text)
        given[name] = Typed(value)
    for text in raw:
        name, value = _split(text)
        given[name] = value
    return given


def literal(text: str) -> Any:
    """Return the literal that a text looks like, else the text.

    >>> literal("7"), literal("[1, 2]"), literal("UA")
    (7, [1, 2], 'UA')
    """
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
            return str(text)
    return str(text)


def with_environment(value: Any, environ: Mapping[str, str] | None = None) -> Any:
    """Return a value with the variables that it names; it is a secret then.

    >>> with_environment("${env:API_TOKEN}", {"API_TOKEN": "s3cr3t-t0ken"})
    Secret('${env:API_TOKEN}')
    >>> with_environment("plain")
    'plain'

    A container that names one anywhere is a secret as a whole.

    Raises
    ------
    NotFound
        If there is no such variable.
    """
    known = os.environ if environ is None else environ
    filled = _filled(value, known)
    if filled is value:
        return value
    return Secret(filled, value if isinstance(value, str) else repr(value))


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


def _split(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    name = name.strip()
    if not separator:
        raise InvalidDeclaration(
            f"A parameter is given as name=value, but {text!r} has no '='."
        )
    return _checked(name), value


def _checked(name: Any) -> str:
    if isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name):
        return name
    raise InvalidDeclaration(
        f"{name!r} cannot be the name of a parameter: it is no Python variable."
    )


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError as error:
        raise InvalidDeclaration(
            f"{text!r} is no base64 of a YAML text: {error}."
        ) from error


def _content(path: str) -> str:
    """Return the text of a local file, or of any that papermill can read."""
    if "://" in str(path):
        from papermill.iorw import papermill_io

        return str(papermill_io.read(str(path), [".json", ".yaml", ".yml"]))
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = [each.name for each in Path(path).parent.glob("*.y*ml")]
        raise NotFound(
            f"There is no parameter file '{path}'."
            f"{did_you_mean(Path(path).name, sorted(near))}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDeclaration(
            f"The parameter file '{path}' cannot be read: {error}."
        ) from error


def _mapping(text: str, what: str) -> dict[str, Any]:
    # NB. papermill's loader leaves dates as text, and so do we: the annotation says
    # whether a date is meant. papermill brings yaml along.
    import yaml
    from papermill.iorw import NoDatesSafeLoader

    try:
        found = yaml.load(text, Loader=NoDatesSafeLoader)  # noqa: S506  # derives from SafeLoader
    except yaml.YAMLError as error:
        first = " ".join(str(error).split())
        raise InvalidDeclaration(f"{what} is no valid YAML: {first}.") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InvalidDeclaration(
            f"{what} holds a {type(found).__name__}. Write one 'name: value' a line."
        )
    return {_checked(name): value for name, value in found.items()}


def _filled(value: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        if not _FROM_ENVIRONMENT.search(value):
            return value
        return _FROM_ENVIRONMENT.sub(lambda found: _variable(found[1], environ), value)
    if type(value) is dict:
        filled = {key: _filled(item, environ) for key, item in value.items()}
        same = all(filled[key] is item for key, item in value.items())
        return value if same else filled
    if type(value) in {list, tuple}:
        items = [_filled(item, environ) for item in value]
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else type(value)(items)
    return value


def _variable(name: str, environ: Mapping[str, str]) -> str:
    try:
        value = environ[name]
    except KeyError:
        raise NotFound(
            f"The environment variable {name!r} is not set, which a parameter asks for "
            f"with '${{env:{name}}}'.{did_you_mean(name, environ)}"
        ) from None
    # By itself, too: the notebook may take apart what it is put into.
    hide(value)
    return value
