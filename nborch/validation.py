"""Validation: the parameters of a flow as its annotations ask for them."""

import inspect
import types
import typing
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from functools import partial
from typing import Any

from nborch.exceptions import ParameterTypeError
from nborch.misfits import misfit
from nborch.typed_dicts import with_own_dicts

__all__ = ["Validation", "adapted", "is_exactly"]

_EMPTY = inspect.Parameter.empty
_UNCHECKED = (Any, object, _EMPTY)

# NB. pydantic would make a one-shot iterator of a list given for one of these.
_STREAMS = (
    Iterable,
    Iterator,
    Generator,
    AsyncIterable,
    AsyncIterator,
    AsyncGenerator,
)

_PLAIN = frozenset(
    (int, str, float, bool, bytes, list, dict, tuple, set, frozenset, type(None))
)

#: A message tells of at most this many values.
MOST = 10

#: Returns the value as its type asks for it, or raises pydantic's ValidationError.
Check = Callable[[Any], Any]


class Validation:
    """What the annotations of a function ask of its parameters.

    >>> def report(month: int, title="Sales"): ...
    >>> Validation(report, inspect.signature(report), "Flow 'report'").validated(
    ...     {"month": 5, "title": "Sales"}
    ... )
    {'month': 5, 'title': 'Sales'}

    It is made with the flow and costs nothing until the first call that needs
    pydantic: values that are exactly what is asked for need no look.

    Parameters
    ----------
    owner
        How messages call the flow.
    """

    def __init__(
        self, fn: Callable[..., Any], signature: inspect.Signature, owner: str
    ) -> None:
        self.fn = fn
        self.owner = owner
        self._declared = {
            name: parameter
            for name, parameter in signature.parameters.items()
            if parameter.annotation not in _UNCHECKED or _is_field(parameter.default)
        }
        self._hints: dict[str, Any] | None = None
        self._checks: dict[str, tuple[Any, Check]] = {}

    def validated(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters, each as its annotation asks for it.

        Text becomes a number, a mapping becomes a model and so on, as pydantic does
        it; what has no annotation, and what cannot be checked, stays as it is.

        Raises
        ------
        ParameterTypeError
            Some do not fit; the message tells of all of them.
        """
        good = dict(parameters)
        hints = self._hints
        if hints is None:
            hints = self._resolve()
        wanting = [
            name
            for name, hint in hints.items()
            if name in good and not is_exactly(good[name], hint)
        ]
        if wanting:
            self._check(good, hints, wanting)
        return good

    def _check(
        self, good: dict[str, Any], hints: Mapping[str, Any], names: list[str]
    ) -> None:
        """Replace the named parameters by what pydantic makes of them."""
        from pydantic import ValidationError

        told: list[str] = []
        for name in names:
            try:
                good[name] = self._check_of(name, hints[name])(good[name])
            except ValidationError as error:
                told += misfit(
                    name,
                    good[name],
                    hints[name],
                    error.errors(include_url=False),
                    default=self._declared[name].default,
                )
        if told:
            raise ParameterTypeError(f"{self.owner}: {_sentences(told)}")

    def _check_of(self, name: str, hint: Any) -> Check:
        """Return the check of a parameter, made when it is first needed."""
        known = self._checks.get(name)
        if known is None or known[0] != hint:
            known = self._checks[name] = (hint, _check_of(hint, self._declared[name]))
        return known[1]

    def _resolve(self) -> dict[str, Any]:
        """Return the annotations with their names looked up, where that works."""
        names = _namespace(self.fn)
        hints = {}
        complete = True
        for name, parameter in self._declared.items():
            try:
                hint = _resolved(name, parameter.annotation, names)
            except Exception:  # noqa: BLE001  # an annotation may be any text
                # Such as a name imported only for the type checker; or the cell that
                # defines it has not run yet, so it is looked up at each call.
                complete = False
                continue
            hints[name] = _of_kind(hint, parameter)
        if complete:
            self._hints = hints
        return hints

    def __getstate__(self) -> dict[str, Any]:
        # What pydantic builds is built again where the flow is loaded.
        return {**self.__dict__, "_hints": None, "_checks": {}}


def _sentences(told: list[str]) -> str:
    """Join what does not fit: on one line if it is one, else one a line."""
    if len(told) == 1:
        return told[0]
    lines = [f"{len(told)} values do not fit.", *told[:MOST]]
    if len(told) > MOST:
        lines.append(f"and {len(told) - MOST} more.")
    return "\n  ".join(lines)


def is_exactly(value: Any, hint: Any) -> bool:
    """Tell whether a value plainly is what is asked for, without pydantic."""
    kind = type(value)
    if kind is hint:
        if kind in _PLAIN:
            return True
        # A class may tell pydantic what else to ask; of a named tuple, its items.
        return not (
            hasattr(kind, "__get_pydantic_core_schema__") or hasattr(kind, "_fields")
        )
    if type(hint) is types.UnionType or typing.get_origin(hint) is typing.Union:
        return any(
            kind is one and is_exactly(value, one) for one in typing.get_args(hint)
        )
    return hint in _UNCHECKED


def _is_field(default: Any) -> bool:
    """Tell whether a default is pydantic's ``Field(...)``."""
    kind = type(default)
    return kind.__name__ == "FieldInfo" and kind.__module__ == "pydantic.fields"


def _namespace(fn: Any) -> dict[str, Any]:
    """Return the names that a function's annotations may use."""
    while not inspect.isfunction(fn):
        if isinstance(fn, partial):
            fn = fn.func
        elif inspect.ismethod(fn):
            fn = fn.__func__
        elif inspect.isclass(fn) or not hasattr(type(fn).__call__, "__code__"):
            return {}
        else:
            fn = type(fn).__call__
    fn = inspect.unwrap(fn)
    names = dict(fn.__globals__)
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        try:
            names[name] = cell.cell_contents
        except ValueError:
            # Not assigned yet.
            continue
    return names


def _resolved(name: str, annotation: Any, names: dict[str, Any]) -> Any:
    """Return an annotation without names that are still text, at any depth."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation
    holder = types.SimpleNamespace(
        __annotations__={name: Any if annotation is _EMPTY else annotation}
    )
    return typing.get_type_hints(holder, names, include_extras=True)[name]


def _of_kind(hint: Any, parameter: inspect.Parameter) -> Any:
    """Return what is asked of all values of a parameter: ``*args`` has many."""
    if parameter.kind is parameter.VAR_POSITIONAL:
        return tuple[hint, ...]
    if parameter.kind is parameter.VAR_KEYWORD:
        return dict[str, hint]
    if _is_field(parameter.default):
        return typing.Annotated[hint, parameter.default]
    return hint


def _check_of(hint: Any, parameter: inspect.Parameter) -> Check:
    """Return the function that makes of a value what `hint` asks for."""
    origin = typing.get_origin(hint) or hint
    check = adapted(origin, as_is=True) if origin in _STREAMS else adapted(hint)
    if not _is_field(parameter.default):
        return check
    field = parameter.default

    def filled(value: Any) -> Any:
        if value is field:
            return field.get_default(call_default_factory=True)
        return check(value)

    return filled


def adapted(hint: Any, *, as_is: bool = False) -> Check:
    """Return pydantic's check of a type; whether it is one if pydantic knows it not.

    Parameters
    ----------
    as_is
        Only ask whether the value is an instance.
    """
    from pydantic import ConfigDict, InstanceOf, TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        # In a tuple, since a model or dataclass by itself refuses a configuration.
        adapter: TypeAdapter[Any] = TypeAdapter(
            tuple[InstanceOf[hint] if as_is else with_own_dicts(hint),],  # type: ignore[arg-type,misc]  # known at run time only
            config=ConfigDict(arbitrary_types_allowed=True),
        )
    except (PydanticUserError, TypeError, NameError):
        if not as_is and isinstance(hint, type):
            return adapted(hint, as_is=True)
        return lambda value: value

    def check(value: Any) -> Any:
        (made,) = adapter.validate_python((value,))
        return made

    return check
