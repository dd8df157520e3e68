"""Values that cannot be stored and are made again in a moment: locks, connections.

``lock = threading.Lock()`` needs no copy: the expression is evaluated again on a hit.
That is right if it means the same again: it looks up nothing but modules, builtins and
inputs that the cell leaves alone, it calls nothing of the user's, and the rest of the
cell does not touch what it made.
"""

import ast
import builtins
from collections.abc import Collection, Mapping
from types import ModuleType
from typing import Any

from nborch.cache.code import is_local
from nborch.cache.fingerprints.objects import refusal

__all__ = ["make_again", "recipes"]

_REFUSED = (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr, ast.Lambda)
#: Builtins that a cell may call without anything being known of it afterwards.
_UNSAFE = frozenset(
    [
        *["__import__", "breakpoint", "delattr", "eval", "exec", "exit", "globals"],
        *["help", "input", "locals", "print", "quit", "setattr", "vars"],
    ]
)


def recipes(
    source: str,
    made: Mapping[str, Any],
    namespace: Mapping[str, Any],
    unchanged: Collection[str],
) -> dict[str, str]:
    """Return the expressions of those values that are made again, by name.

    >>> import threading
    >>> lock = threading.Lock()
    >>> names = {"lock": lock, "threading": threading}
    >>> recipes("lock = threading.Lock()", {"lock": lock}, names, ["threading"])
    {'lock': 'threading.Lock()'}

    Parameters
    ----------
    source
        The cell's code.
    made
        The values that it made, by name.
    namespace
        All names after it.
    unchanged
        Those that have the value after the cell that they had before it, or that are
        bound again before anything is evaluated.
    """
    wanted = {n for n, v in made.items() if refusal(type(v)) is not None}
    if not wanted:
        return {}
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree: Any = compile(source, "<cell>", "exec", flags)
    mentioned = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    scopes = [n for n in ast.walk(tree) if isinstance(n, ast.Global | ast.Nonlocal)]
    mentioned += [name for scope in scopes for name in scope.names]
    found = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                is_alone = name in wanted and mentioned.count(name) == 1
                if is_alone and _is_same_again(value, namespace, unchanged):
                    found[name] = ast.unparse(value)
    return found


def make_again(recipes: Mapping[str, str], namespace: dict[str, Any]) -> dict[str, Any]:
    """Return the values that the expressions make, by name."""
    return {
        name: eval(compile(recipe, "<cell>", "eval"), namespace)  # noqa: S307  # the user's own expression
        for name, recipe in recipes.items()
    }


def _is_same_again(
    value: ast.expr, namespace: Mapping[str, Any], unchanged: Collection[str]
) -> bool:
    own = {
        node.id
        for node in ast.walk(value)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    for node in ast.walk(value):
        if isinstance(node, _REFUSED):
            return False
        name = node.id if isinstance(node, ast.Name) else None
        is_other = name is not None and name not in own | set(unchanged)
        if is_other and (name in namespace or not hasattr(builtins, str(name))):
            return False
        if isinstance(node, ast.Call) and not _is_librarys(node.func, namespace):
            return False
    return True


def _is_librarys(called: ast.expr, namespace: Mapping[str, Any]) -> bool:
    """Tell whether an expression leads to something of a library or a builtin."""
    names: list[str] = []
    while isinstance(called, ast.Attribute):
        names.append(called.attr)
        called = called.value
    if not isinstance(called, ast.Name):
        return False
    if called.id not in namespace:
        return not names and called.id not in _UNSAFE
    found: Any = namespace[called.id]
    if names and not isinstance(found, ModuleType):
        return False
    for name in reversed(names):
        found = getattr(found, name, None)
    # NB. The shell puts functions of its own in place of some builtins.
    module = getattr(found, "__module__", None)
    return callable(found) and isinstance(module, str) and not is_local(module)
