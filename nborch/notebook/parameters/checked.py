"""A notebook's parameters as a whole: their types, and the values that fit them."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nborch.exceptions import (
    NborchError,
    ParameterBindError,
    ParameterTypeError,
    UnknownParameter,
)
from nborch.notebook.parameters import defaults
from nborch.notebook.parameters.declared import (
    NO_VALUE,
    NotebookParameter,
    declared_parameters,
    is_python,
    parameter_cells,
)
from nborch.notebook.parameters.fitting import Fitting
from nborch.notebook.parameters.given import (
    check_parameters,
    with_environment,
)
from nborch.notebook.parameters.hints import (
    UNKNOWN,
    Names,
    is_secret,
)
from nborch.notebook.parameters.natural import natural
from nborch.notebook.parameters.typed import schema_for

__all__ = ["Parameters", "SourceDefault", "notebook_parameters"]

#: A message tells of at most this many values.
MOST = 10


@dataclass(frozen=True, slots=True)
class SourceDefault:
    """A default that only the running notebook knows, shown as it is written.

    >>> SourceDefault("date.today()")
    date.today()
    """

    source: str

    def __repr__(self) -> str:
        return self.source


@dataclass(frozen=True)
class Parameters:
    """What a notebook takes, and of which types.

    ::

        parameters = notebook_parameters(nb, "flights.ipynb")
        parameters.validated({"month": "7"})        # {'month': 7}
        parameters.schema()["properties"]["month"]  # {'type': 'integer', 'default': 1}

    Parameters
    ----------
    notebook
        How messages call the notebook.
    declared
        What its parameters cells declare.
    hints
        The type of each: `UNKNOWN` where nothing is said, so that its default tells.
    guessed
        Names whose type is only what their default is made with.
    is_open
        Whether it takes any name: its language does not tell which there are.
    has_cell
        Whether it has a parameters cell.
    """

    notebook: str
    declared: tuple[NotebookParameter, ...]
    hints: Mapping[str, Any]
    guessed: frozenset[str] = frozenset()
    is_open: bool = False
    has_cell: bool = True

    def __iter__(self) -> Iterator[NotebookParameter]:
        return iter(self.declared)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the notebook's order."""
        return tuple(parameter.name for parameter in self.declared)

    @property
    def secret(self) -> frozenset[str]:
        """Names whose annotation says that they are secret."""
        return frozenset(name for name in self.names if is_secret(self.hints[name]))

    def type_of(self, parameter: NotebookParameter) -> str:
        """Return the type of a parameter as people read it; empty if unknown."""
        if parameter.annotation:
            return parameter.annotation
        hint = self.hints[parameter.name]
        if hint is not UNKNOWN:
            return str(getattr(hint, "__name__", hint))
        known = parameter.default is not NO_VALUE and parameter.default is not None
        return type(parameter.default).__name__ if known else ""

    def validated(
        self, values: Mapping[str, Any], *, allow_unknown: bool = False
    ) -> dict[str, Any]:
        """Return the given values, each as its parameter asks for it.

        Text becomes a number, a list a tuple, an ISO date a date and so on. What names
        a variable of the environment, and what is declared a secret, becomes a
        `Secret`. Nothing is run, and no kernel is needed.

        Parameters
        ----------
        values
            By name; `SourceDefault` means that none is given.
        allow_unknown
            Take names that the notebook does not declare.

        Raises
        ------
        UnknownParameter
            Some names are not declared.
        ParameterBindError
            Some that have no default are not given.
        ParameterTypeError
            Some values do not fit. The message tells of all that is wrong.
        """
        given = {
            name: with_environment(value)
            for name, value in values.items()
            if not (isinstance(value, SourceDefault) or value is NO_VALUE)
        }
        problems: list[tuple[type[NborchError], str]] = []
        if not (allow_unknown or self.is_open):
            problems += self._unknown(given)
        problems += self._missing(given)
        good = {}
        for name, value in given.items():
            good[name], told = self._fitted(name, value)
            problems += [(ParameterTypeError, sentence) for sentence in told]
        if problems:
            raise _refusal(self.notebook, problems)
        return good

    def schema(self) -> dict[str, Any]:
        """Return the parameters as a JSON Schema of an object."""
        properties: dict[str, Any] = {}
        definitions: dict[str, Any] = {}
        for parameter in self.declared:
            described = self._described(parameter)
            definitions |= described.pop("$defs", {})
            properties[parameter.name] = described
        schema: dict[str, Any] = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": Path(self.notebook).stem,
            "type": "object",
            "properties": properties,
            "required": [each.name for each in self.declared if each.required],
            "additionalProperties": self.is_open,
        }
        return schema | ({"$defs": definitions} if definitions else {})

    def signature(self) -> inspect.Signature:
        """Return the parameters as those of a function, to be given by name.

        A default that is no literal shows its source: ``day=date.today()``.
        """
        parameters = [
            inspect.Parameter(
                parameter.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=_default(parameter),
                annotation=self._annotation(parameter),
            )
            for parameter in self.declared
        ]
        if self.is_open:
            rest = inspect.Parameter("parameters", inspect.Parameter.VAR_KEYWORD)
            parameters.append(rest)
        return inspect.Signature(parameters)

    # How it is done.

    def _unknown(self, given: Mapping[str, Any]) -> list[tuple[type[NborchError], str]]:
        try:
            check_parameters(
                given, self.declared, self.notebook, has_cell=self.has_cell
            )
        except UnknownParameter as error:
            return [(UnknownParameter, str(error))]
        return []

    def _missing(self, given: Mapping[str, Any]) -> list[tuple[type[NborchError], str]]:
        needs = f"Notebook {self.notebook!r} needs a value for"
        return [
            (
                ParameterBindError,
                f"{needs} {each.name!r}: it declares {each.describe()}",
            )
            for each in self.declared
            if each.required and each.name not in given
        ]

    def _fitted(self, name: str, value: Any) -> tuple[Any, list[str]]:
        known = {parameter.name: parameter for parameter in self.declared}
        return Fitting(
            known.get(name) or NotebookParameter(name),
            self.hints.get(name, UNKNOWN),
            is_guessed=name in self.guessed,
            is_secret=name in self.secret,
            is_open=self.is_open,
        ).fitted(value)

    def _described(self, parameter: NotebookParameter) -> dict[str, Any]:
        """Return the schema of one parameter."""
        hint = self.hints[parameter.name]
        default = parameter.default
        if parameter.name in self.secret:
            schema = {"type": "string", "format": "password", "writeOnly": True}
        elif hint is UNKNOWN:
            schema = {} if default is NO_VALUE else defaults.schema_of(default)
        else:
            schema = schema_for(hint)
        if parameter.help:
            schema["description"] = parameter.help
        if default is not NO_VALUE and parameter.name not in self.secret:
            schema["default"] = natural(default)
        return schema

    def _annotation(self, parameter: NotebookParameter) -> Any:
        hint = self.hints[parameter.name]
        plain = hint is UNKNOWN or hint is Any
        plain = plain or parameter.name in self.guessed | self.secret
        return inspect.Parameter.empty if plain else hint


def notebook_parameters(
    nb: Any, notebook: str | Path = "notebook", *, language: str | None = None
) -> Parameters:
    """Return what a notebook takes, from its cells tagged ``parameters``.

    ::

        nb = load_notebook("flights.ipynb")
        notebook_parameters(nb, "flights.ipynb").validated({"month": 7})

    Parameters
    ----------
    nb
        A notebook of format 4.
    notebook
        Its path, the last part of which messages call it by.
    language
        The language of its kernel, if the notebook's own word does not count.

    Raises
    ------
    InvalidDeclaration
        If a parameters cell is no valid Python.
    """
    title = Path(notebook).name
    cells = parameter_cells(nb)
    if not is_python(nb, language):
        return Parameters(title, (), {}, is_open=True, has_cell=bool(cells))
    declared = declared_parameters(nb)
    upto = cells[-1] + 1 if cells else 0
    names = Names(cell.source for cell in nb.cells[:upto] if cell.cell_type == "code")
    hints: dict[str, Any] = {}
    guessed = set()
    for parameter in declared:
        if parameter.annotation:
            hint = names.hint(parameter.annotation)
            # What only the running notebook knows may be anything.
            hints[parameter.name] = Any if hint is UNKNOWN else hint
        else:
            hints[parameter.name] = names.hint_of_default(parameter.default_source)
            guessed.add(parameter.name)
    return Parameters(title, declared, hints, frozenset(guessed), has_cell=bool(cells))


def _refusal(
    notebook: str, problems: list[tuple[type[NborchError], str]]
) -> NborchError:
    """Return one error that tells of all that is wrong."""
    kinds = [kind for kind, _ in problems]
    kind = next(kind for kind in _ERRORS if kind in kinds)
    owner = f"Notebook {notebook!r}"
    if len(problems) == 1:
        told = problems[0][1]
        return kind(told if told.startswith(owner) else f"{owner}: {told}")
    lines = [f"{owner}: {len(problems)} parameters are wrong."]
    for _, told in problems[:MOST]:
        its_own = told.startswith(owner)
        lines.append(f"It{told.removeprefix(owner)}" if its_own else told)
    if len(problems) > MOST:
        lines.append(f"and {len(problems) - MOST} more.")
    return kind("\n  ".join(lines))


#: What is raised where several things are wrong: the first of these.
_ERRORS: tuple[type[NborchError], ...] = (
    UnknownParameter,
    ParameterBindError,
    ParameterTypeError,
)


def _default(parameter: NotebookParameter) -> Any:
    if parameter.required:
        return inspect.Parameter.empty
    if parameter.default is NO_VALUE:
        return SourceDefault(parameter.default_source)
    return parameter.default
