"""Which names a cell may come to read or bind by way of the functions it calls."""

import ast
from collections.abc import Collection, Iterable, Iterator, Mapping
from dis import get_instructions
from types import CodeType, FunctionType, MethodType
from typing import Any

from nborch.cache.code import is_local
from nborch.cache.fingerprints.bytecode import references
from nborch.notebook.analysis import CellAnalysis

__all__ = ["functions_in", "obstacle_to_threads", "reach"]

#: Things that are looked at, at most.
MOST = 2_000
#: Items of a container that are looked at, at most.
FEW = 50


def reach(
    reads: Iterable[str], namespace: Mapping[str, Any], wanted: Collection[str]
) -> set[str]:
    """Return which of the wanted names are looked up by what is read, or its code.

    >>> names = {"total": eval("lambda: rows", {"__name__": "__main__"})}
    >>> reach(["total"], names, ["rows", "columns"])
    {'rows'}
    """
    wanted = set(wanted)
    read = set(reads)
    found = read & wanted
    if wanted <= found:
        return found
    looked_up: set[str] = set()
    for function in functions_in(namespace[n] for n in read if n in namespace):
        looked_up |= {each.name for each in references(function.__code__).names}
        if wanted <= looked_up | found:
            break
    return found | (looked_up & wanted)


def functions_in(values: Iterable[Any]) -> Iterator[FunctionType]:
    """Yield the notebook's functions that values are, hold, or call in turn."""
    waiting: list[Any] = list(values)
    seen: set[int] = set()
    while waiting and len(seen) < MOST:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, MethodType):
            waiting += [value.__func__, value.__self__]
        elif isinstance(value, FunctionType):
            if is_local(value.__globals__.get("__name__") or "__main__"):
                yield value
                scope = value.__globals__
                names = (each.name for each in references(value.__code__).names)
                waiting += [scope[n] for n in names if n in scope]
            waiting += _held_by(value)
        else:
            waiting += _within(value)


def _held_by(function: FunctionType) -> Iterator[Any]:
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # it has no value yet
            continue


def _within(value: Any) -> Iterator[Any]:
    """Yield what may bring further functions to light."""
    if isinstance(value, dict):
        yield from list(value.values())[:FEW]
    elif isinstance(value, list | tuple):
        yield from value[:FEW]
    elif isinstance(value, type):
        if is_local(value.__module__ or ""):
            yield from value.__mro__[1:-1]
            for each in list(vars(value).values()):
                yield getattr(each, "__func__", None) or getattr(each, "fget", each)
    elif is_local(getattr(type(value), "__module__", None) or ""):
        yield type(value)
        yield from list(getattr(value, "__dict__", {}).values())[:FEW]
    elif hasattr(value, "func") and hasattr(value, "args"):
        yield value.func  # functools.partial
    elif hasattr(value, "__wrapped__"):
        yield value.__wrapped__


def obstacle_to_threads(
    analysis: CellAnalysis, code: str, namespace: Mapping[str, Any]
) -> str | None:
    """Return why a cell cannot run in a thread on names of its own, or None.

    Functions of earlier cells look up their names in the notebook. They would not see
    what the cell has bound.

    Parameters
    ----------
    code
        The body, its magics turned into calls.
    """
    if "get_ipython()" in code or "get_ipython" in analysis.reads:
        return "uses magics, which work on the notebook's own names"
    if any(isinstance(node, ast.Global) for node in ast.walk(_parsed(code))):
        return "has functions that bind global names"
    binds = analysis.writes | analysis.maybe_writes | analysis.deletes
    values = (namespace[name] for name in analysis.reads if name in namespace)
    for function in functions_in(values):
        name = function.__name__
        looked_up = {each.name for each in references(function.__code__).names}
        for each in sorted(looked_up & binds):
            return f"`{name}` looks up `{each}`, which the cell binds"
        for each in _stored(function.__code__):
            return f"`{name}` binds the global name `{each}`"
    return None


def _parsed(code: str) -> ast.AST:
    try:
        tree: ast.AST = compile(
            code, "<cell>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        )
    except SyntaxError:
        return ast.Module([], [])
    return tree


def _stored(code: CodeType) -> Iterator[str]:
    """Yield the global names that code binds or deletes."""
    for step in get_instructions(code):
        if step.opname in {"STORE_GLOBAL", "DELETE_GLOBAL"}:
            yield str(step.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _stored(constant)
