"""Portable functions: how what ``@task`` and ``@flow`` declare goes to other processes.

Their functions cannot be pickled by name as others are, for at that name stands the
task or flow. So that goes by name, and the function as what it was declared of. Only
what cannot be imported there goes by value, which takes cloudpickle.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from inspect import getattr_static
from types import MethodType
from typing import Any

__all__ = ["Portable", "imported", "stands_at"]


class Portable:
    """A function that can be pickled though a task or flow stands at its name.

    Unpickled, it is the function itself.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __reduce__(self) -> tuple[Any, ...]:
        function = self.function
        if isinstance(function, MethodType):
            return MethodType, (Portable(function.__func__), function.__self__)
        at = _name_of(function)
        if at is not None and getattr(_found(*at), "fn", None) is function:
            return _function_at, at
        return _itself, (function,)


def stands_at(declared: object) -> tuple[str, str] | None:
    """Return the module and the name to import a task or flow from, if there are such.

    As for every function, what a program's main module holds is not for other programs
    to import, nor is what was given to `cloudpickle.register_pickle_by_value`.
    """
    at = _name_of(declared)
    return at if at is not None and _found(*at) is declared else None


def imported(module: str, name: str) -> Any:
    """Return the task or flow that stands at a name of a module."""
    import_module(module)
    return _found(module, name)


def _function_at(module: str, name: str) -> Any:
    return imported(module, name).fn


def _itself(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _name_of(thing: object) -> tuple[str, str] | None:
    module = getattr(thing, "__module__", None)
    name = getattr(thing, "__qualname__", None)
    if not module or not name or module in ("__main__", "__mp_main__"):
        return None
    by_value = getattr(
        sys.modules.get("cloudpickle"), "list_registry_pickle_by_value", set
    )
    parts = module.split(".")
    if by_value().intersection(".".join(parts[: i + 1]) for i in range(len(parts))):
        return None
    return module, name


def _found(module: str, name: str) -> Any:
    """Return what stands at a name, without the binding of methods; None if nothing."""
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr_static(found, part, None)
        if isinstance(found, classmethod | staticmethod):
            found = found.__func__
    return found
