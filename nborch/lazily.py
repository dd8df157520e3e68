"""Names of a package that are loaded when somebody asks for them (law 7)."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["lazily"]


def lazily(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return what a package has as its ``__getattr__`` and its ``__dir__``.

    >>> import nborch.task_runners
    >>> homes = {"TaskRunner": "nborch.task_runners.base"}
    >>> load, names = lazily("nborch.task_runners", homes)
    >>> load("TaskRunner").__module__
    'nborch.task_runners.base'

    Parameters
    ----------
    homes
        The module that defines each name.
    """
    names = vars(sys.modules[package])

    def load(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = names[name] = getattr(import_module(home), name)
        return value

    def listed() -> list[str]:
        return sorted({*names, *homes})

    return load, listed
