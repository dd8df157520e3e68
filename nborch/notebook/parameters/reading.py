"""The values that an executed notebook was given, read from it."""

import ast
import builtins
import importlib
import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from types import ModuleType
from typing import Any

from nborch.notebook.parameters.declared import has_tag, is_python
from nborch.notebook.parameters.injecting import FOLLOWING, TAG

__all__ = ["given_before"]

#: Modules that injected cells name for what is no literal.
_MODULES = frozenset(
    {"builtins", "collections", "datetime", "decimal", "fractions", "ipaddress"}
    | {"numpy", "pandas", "pathlib", "uuid", "zoneinfo"}
)

_BUILTINS = frozenset({"bytearray", "complex", "float", "frozenset", "range", "set"})

#: Members of these modules that hold a value, and making one does nothing else.
_CLASSES = {
    "builtins": _BUILTINS,
    "collections": frozenset({"OrderedDict", "deque"}),
    "datetime": frozenset({"date", "datetime", "time", "timedelta", "timezone"}),
    "decimal": frozenset({"Decimal"}),
    "fractions": frozenset({"Fraction"}),
    "pandas": frozenset({"Timedelta", "Timestamp"}),
    "uuid": frozenset({"UUID"}),
    "zoneinfo": frozenset({"ZoneInfo"}),
}


def given_before(nb: Any) -> dict[str, Any]:
    """Return the parameters of a notebook's last run, with the types they had.

    They are read from its injected cell. What cannot be read there is what its
    metadata says: a secret as what stands for it.
    """
    kept = nb.metadata.get("papermill", {}).get("parameters", {})
    exact: dict[str, Any] = {}
    for cell in nb.cells:
        if has_tag(cell, TAG) and is_python(nb):
            exact |= _values(cell.source.partition(FOLLOWING)[0])
    return {name: exact.get(name, _plain(value)) for name, value in kept.items()}


def _plain(value: Any) -> Any:
    """Return a value of the metadata without nbformat's own classes."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _values(source: str) -> dict[str, Any]:
    """Return what a cell assigns, as far as it is written as we write it."""
    found: dict[str, Any] = {}
    modules: dict[str, ModuleType] = {}
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return {}
    for statement in body:
        match statement:
            case ast.Import(names=[ast.alias(name=name, asname=str() as alias)]):
                # An enum's module is there if this process has given the value.
                if name in _MODULES or name in sys.modules:
                    modules[alias] = importlib.import_module(name)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                try:
                    found[name] = _value(value, modules)
                except Exception:  # noqa: BLE001  # somebody has edited the cell
                    found.pop(name, None)
    return found


def _value(node: ast.expr, modules: Mapping[str, ModuleType]) -> Any:
    match node:
        case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items):
            kind = {ast.Tuple: tuple, ast.List: list, ast.Set: set}[type(node)]
            return kind(_value(item, modules) for item in items)
        case ast.Dict(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            return {_value(k, modules): _value(v, modules) for k, v in pairs if k}
        case ast.Attribute():
            return _member(node, modules)
        case ast.Subscript(value=outer, slice=ast.Constant(value=name)):
            return _member(outer, modules)[name]
        case ast.Call():
            return _made(node, modules)
    return ast.literal_eval(node)


def _made(node: ast.Call, modules: Mapping[str, ModuleType]) -> Any:
    arguments = [_value(argument, modules) for argument in node.args]
    named = {each.arg or "": _value(each.value, modules) for each in node.keywords}
    match node.func:
        case ast.Attribute(value=ast.Call() as inner, attr="as_unit"):
            return _made(inner, modules).as_unit(*arguments)
        case ast.Name(id=name) if name in _BUILTINS:
            return getattr(builtins, name)(*arguments)
        case ast.Attribute(value=ast.Name(id=alias), attr=name) if name in _CLASSES.get(
            modules[alias].__name__, ()
        ):
            return getattr(modules[alias], name)(*arguments, **named)
        case function:
            return _class(_member(function, modules))(*arguments, **named)


def _class(found: Any) -> Any:
    """Return a class of which it is known that it only holds a value."""
    if isinstance(found, type):
        package = found.__module__.partition(".")[0]
        numpy = sys.modules.get("numpy")
        is_number = numpy is not None and issubclass(found, numpy.generic)
        is_tuple = issubclass(found, tuple) and hasattr(found, "_fields")
        if issubclass(found, Enum | PurePath) or is_tuple or is_number:
            return found
        if package == "ipaddress":
            return found
    raise TypeError("No class that only holds a value.")


def _member(node: ast.expr, modules: Mapping[str, ModuleType]) -> Any:
    match node:
        case ast.Name(id=alias):
            return modules[alias]
        case ast.Attribute(value=outer, attr=name) if not name.startswith("_"):
            return getattr(_member(outer, modules), name)
    raise ValueError("No member of a module.")
