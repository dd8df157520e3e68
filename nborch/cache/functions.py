"""How functions without a name of their own are taken apart and put together.

A lambda or a closure is its code, its cells and its defaults; the names that it looks
up are those of the module that it was made in, live. So a function that was stored sees
a later change of a global as the original would.
"""

import sys
import types
from typing import Any

from nborch.cache.whereabouts import phrase
from nborch.exceptions import Unfingerprintable

__all__ = [
    "is_importable",
    "rebuild_function",
    "reduce_cell",
    "reduce_function",
]

# NB. The names of these functions stand in stored pickles: renaming one turns every
# entry that uses it into a miss.

_ATTRIBUTES = (
    "__defaults__",
    "__kwdefaults__",
    "__annotations__",
    "__doc__",
    "__module__",
    "__name__",
    "__qualname__",
)


def is_importable(function: Any) -> bool:
    """Tell whether a function is found in its module by its own name.

    >>> is_importable(is_importable), is_importable(lambda: 1)
    (True, False)
    """
    found: Any = sys.modules.get(function.__module__ or "")
    for name in function.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is function


def reduce_function(function: types.FunctionType) -> Any:
    """Return a function as code, cells and state, for the pickler."""
    module = str(function.__globals__.get("__name__"))
    if getattr(sys.modules.get(module), "__dict__", None) is not function.__globals__:
        raise Unfingerprintable(f"{phrase(function)} of no module")
    state = {name: getattr(function, name) for name in _ATTRIBUTES}
    arguments = (function.__code__, module, function.__closure__)
    return rebuild_function, arguments, (state, vars(function)), None, None, _set_state


def rebuild_function(
    code: types.CodeType, module: str, cells: tuple[types.CellType, ...] | None
) -> types.FunctionType:
    """Return a function of this code that looks up names in a module."""
    scope = vars(sys.modules[module])
    return types.FunctionType(code, scope, None, None, cells)


def _set_state(
    function: types.FunctionType, state: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    attributes, entries = state
    for name, value in attributes.items():
        setattr(function, name, value)
    vars(function).update(entries)


def reduce_cell(cell: types.CellType) -> Any:
    """Return a closure's cell as its content, for the pickler.

    The cell comes first and its content later, for that may be the very function.
    """
    try:
        content = (cell.cell_contents,)
    except ValueError:
        return _empty_cell, ()
    return _empty_cell, (), content, None, None, _fill_cell


def _empty_cell() -> types.CellType:
    return types.CellType()


def _fill_cell(cell: types.CellType, content: tuple[object]) -> None:
    cell.cell_contents = content[0]
