"""Annotations of a parameters cell as types, found without running the notebook.

An annotation is not evaluated but read: names stand for what well-known modules define,
and nothing is called but what pydantic and annotated_types offer for annotations.
"""

import ast
import builtins
import importlib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from nborch.notebook.parameters.declared import plain_python
from nborch.secrets import Secret

__all__ = ["UNKNOWN", "Names", "is_secret", "without_secret"]


class _Unknown:
    """The type of a parameter of which nothing is known."""

    def __repr__(self) -> str:
        return "UNKNOWN"


#: What an annotation means that cannot be resolved, or is not there: anything.
UNKNOWN: Any = _Unknown()

#: Modules whose names may stand in an annotation; importing them does nothing else.
KNOWN = (
    "annotated_types",
    "collections",
    "collections.abc",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "ipaddress",
    "nborch",
    "nborch.secrets",
    "numbers",
    "os",
    "pathlib",
    "pydantic",
    "re",
    "types",
    "typing",
    "typing_extensions",
    "uuid",
    "zoneinfo",
)

#: Names that mean what they always do, if the notebook itself says nothing of them.
_COMMON = {
    **{name: ("typing", name) for name in typing.__all__},
    **{name: ("datetime", name) for name in ("date", "datetime", "time", "timedelta")},
    **{name: ("pathlib", name) for name in ("Path", "PurePath", "PurePosixPath")},
    "Decimal": ("decimal", "Decimal"),
    "Field": ("pydantic", "Field"),
    "Fraction": ("fractions", "Fraction"),
    "Secret": ("nborch.secrets", "Secret"),
    "UUID": ("uuid", "UUID"),
    "ZoneInfo": ("zoneinfo", "ZoneInfo"),
}

#: What may be called within an annotation comes from these.
_CALLABLE = ("annotated_types", "pydantic", "typing", "typing_extensions")

#: Methods of a class that return an instance of it.
_MAKERS = frozenset(
    {"combine", "cwd", "fromisoformat", "fromtimestamp", "home", "now", "strptime"}
    | {"today", "utcnow"}
)


class NotResolvedError(Exception):
    """An annotation holds what only the running notebook would know."""


class Names:
    """The names that the annotations of a notebook may use.

    >>> names = Names(["from datetime import date as day"])
    >>> names.hint("list[day] | None")
    list[datetime.date] | None
    >>> names.hint("Mystery")
    UNKNOWN

    Parameters
    ----------
    sources
        The code cells up to the one with the annotations.
    """

    def __init__(self, sources: Iterable[str]) -> None:
        self._imports: dict[str, tuple[str, str]] = {}
        self._aliases: dict[str, ast.expr] = {}
        self._own: set[str] = set()
        for source in sources:
            self._read(source)

    def hint(self, annotation: str) -> Any:
        """Return the type that an annotation means, or `UNKNOWN`."""
        try:
            found = self._evaluated(ast.parse(annotation.strip(), mode="eval").body)
            return found if _is_type(found) else UNKNOWN
        except Exception:  # noqa: BLE001  # whatever is wrong with it: it says nothing
            return UNKNOWN

    def hint_of_default(self, source: str) -> Any:
        """Return the class of a default that is a call: ``date(2026, 1, 1)``."""
        try:
            return self._made(ast.parse(source.strip(), mode="eval").body)
        except Exception:  # noqa: BLE001  # whatever is wrong with it: it says nothing
            return UNKNOWN

    def _read(self, source: str) -> None:
        try:
            body = ast.parse(plain_python(source)).body
        except (SyntaxError, ValueError):
            return
        for statement in body:
            match statement:
                case ast.Import():
                    for alias in statement.names:
                        first = alias.name if alias.asname else alias.name.split(".")[0]
                        self._imports[alias.asname or first] = (first, "")
                case ast.ImportFrom(module=str() as module, level=0):
                    for alias in statement.names:
                        name = alias.asname or alias.name
                        self._imports[name] = (module, alias.name)
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    self._aliases[name] = value
                case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                    self._own.add(name)

    def _evaluated(self, node: ast.expr) -> Any:
        """Return what an expression of an annotation means as a type."""
        match node:
            case ast.Constant(value=str() as text):
                return self._evaluated(ast.parse(text.strip(), mode="eval").body)
            case ast.Name(id=name):
                return self._looked_up(name)
            case ast.Attribute(value=value, attr=name):
                return _attribute(self._evaluated(value), name)
            case ast.Subscript(value=value, slice=items):
                return self._subscripted(self._evaluated(value), items)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self._evaluated(left) | self._evaluated(right)
            case ast.Tuple() | ast.List() | ast.Call() | ast.Constant() | ast.UnaryOp():
                return self._argument(node)
        raise NotResolvedError

    def _argument(self, node: ast.expr) -> Any:
        """Return what an expression means where text is only text: in a call."""
        match node:
            case ast.Tuple(elts=items):
                return tuple(map(self._evaluated, items))
            case ast.List(elts=items):
                return list(map(self._evaluated, items))
            case ast.Call():
                return self._called(node)
            case ast.Constant() | ast.UnaryOp():
                return ast.literal_eval(node)
        return self._evaluated(node)

    def _looked_up(self, name: str) -> Any:
        if name in self._imports:
            return _imported(*self._imports[name])
        if name in self._aliases:
            # Taken out meanwhile: an alias of itself would never end.
            value = self._aliases.pop(name)
            try:
                return self._evaluated(value)
            finally:
                self._aliases[name] = value
        if name in self._own:
            raise NotResolvedError
        if name in _COMMON:
            return _imported(*_COMMON[name])
        found = getattr(builtins, name, None)
        if isinstance(found, type):
            return found
        raise NotResolvedError

    def _subscripted(self, outer: Any, items: ast.expr) -> Any:
        if outer is typing.Literal:
            return typing.Literal[ast.literal_eval(items)]
        if outer is typing.Annotated and isinstance(items, ast.Tuple):
            first, *about = items.elts
            hint = self._evaluated(first)
            for each in about:
                try:
                    hint = typing.Annotated[hint, self._argument(each)]
                except Exception:  # noqa: BLE001, S112  # a bound of the notebook's own
                    continue
            return hint
        return outer[self._evaluated(items)]

    def _called(self, node: ast.Call) -> Any:
        function = self._evaluated(node.func)
        module = str(getattr(function, "__module__", ""))
        if module.partition(".")[0] not in _CALLABLE:
            raise NotResolvedError
        args = [self._argument(arg) for arg in node.args]
        named = {
            keyword.arg: self._argument(keyword.value)
            for keyword in node.keywords
            if keyword.arg is not None
        }
        return function(*args, **named)

    def _made(self, node: ast.expr) -> Any:
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr=maker)) if (
                maker in _MAKERS
            ):
                found = self._evaluated(value)
            case ast.Call(func=function):
                found = self._evaluated(function)
            case ast.BinOp(left=left, op=ast.Sub() | ast.Add() | ast.Div()):
                # A date and some days make a date, a folder and a name make a path.
                found = self._made(left)
            case _:
                return UNKNOWN
        if isinstance(found, type) and found.__module__ in KNOWN:
            return found
        return UNKNOWN


def _imported(module: str, name: str) -> Any:
    """Return a well-known module, or what it calls `name`."""
    if module not in KNOWN:
        raise NotResolvedError
    found = importlib.import_module(module)
    return _attribute(found, name) if name else found


def _attribute(outer: Any, name: str) -> Any:
    if not isinstance(outer, types.ModuleType) or name.startswith("_"):
        raise NotResolvedError
    if outer.__name__ not in KNOWN:
        raise NotResolvedError
    return getattr(outer, name)


def _is_type(found: Any) -> bool:
    """Tell whether something that an annotation may say is a type, all the way down."""
    if found is None or found is Any or isinstance(found, typing.NewType):
        return True
    origin = typing.get_origin(found)
    if origin is typing.Literal:
        return True
    if origin is typing.Annotated:
        return _is_type(found.__origin__)
    if origin is None:
        return isinstance(found, type)
    return all(map(_is_part, typing.get_args(found)))


def _is_part(found: Any) -> bool:
    if isinstance(found, list):
        return all(map(_is_type, found))  # the arguments of a callable
    return found is Ellipsis or _is_type(found)


def is_secret(hint: Any) -> bool:
    """Tell whether a type says that its values are secret.

    ``Secret``, ``Annotated[str, Secret]`` and pydantic's ``SecretStr`` do, and a
    choice of types does if one of them does.
    """
    if hint is Secret or hasattr(hint, "get_secret_value"):
        return True
    inner: tuple[Any, ...] = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Annotated:
        return any(is_secret(each) for each in inner)
    is_union = typing.get_origin(hint) in {typing.Union, types.UnionType}
    return is_union and any(is_secret(each) for each in inner)


def without_secret(hint: Any) -> Any:
    """Return what the value of a secret is to be: text, if nothing more is said."""
    if hint is Secret:
        return str
    inner: tuple[Any, ...] = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Annotated:
        first, *about = inner
        made = without_secret(first)
        for each in about:
            if not is_secret(each):
                made = typing.Annotated[made, each]
        return made
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        return typing.Union[tuple(without_secret(each) for each in inner)]  # noqa: UP007  # of any number
    return hint


Hints = Mapping[str, Any]
