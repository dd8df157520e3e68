"""What the source of a value may need: modules by free names, and the word no."""

from collections.abc import Callable, Collection
from datetime import tzinfo
from typing import Any

__all__ = ["Inner", "Modules", "Unwritable", "Writer", "refusal"]


class Unwritable(ValueError):  # it says what a value is
    """A value cannot be written as source; the message says which, and what to do."""


class Modules:
    """The modules that sources name, each by an alias that is free.

    >>> modules = Modules({"_datetime"})
    >>> modules.member("datetime", "date")
    '_datetime_.date'
    >>> modules.imports
    ['import datetime as _datetime_']

    Parameters
    ----------
    taken
        Names that mean something else where the source will stand.
    """

    def __init__(self, taken: Collection[str] = ()) -> None:
        self._taken = frozenset(taken)
        self._aliases: dict[str, str] = {}

    def member(self, module: str, name: str) -> str:
        """Return how a module's member is called in the source."""
        if module == "builtins" and name not in self._taken:
            return name
        if module not in self._aliases:
            alias = f"_{module.rpartition('.')[2].lstrip('_')}"
            while alias in self._taken or alias in self._aliases.values():
                alias += "_"
            self._aliases[module] = alias
        return f"{self._aliases[module]}.{name}"

    @property
    def imports(self) -> list[str]:
        """The statements that the sources need before them."""
        return [
            f"import {module} as {alias}"
            for module, alias in sorted(self._aliases.items())
        ]


#: Returns the source of a value within the one that is being written.
Inner = Callable[[Any], str]

#: Returns the source of a value of one kind.
Writer = Callable[[Any, Modules, Inner], str]


def refusal(value: Any) -> Unwritable:
    """Return what is said of a value that no source can make, and what to do."""
    kind = type(value)
    what = f"a {kind.__name__}"
    if kind.__module__ not in {"builtins", "__main__"}:
        what += f" (of {kind.__module__.partition('.')[0]})"
    advice = "Give what it is made from, and make it in the notebook."
    if hasattr(value, "__array__") or hasattr(value, "__dataframe__"):
        advice = "Save it to a file and give its path."
    elif callable(value):
        advice = "Give its name, and look it up in the notebook."
    elif hasattr(value, "__dataclass_fields__"):
        advice = "Give dataclasses.asdict() of it, and make it in the notebook."
    elif isinstance(value, tzinfo):
        advice = "Use a zoneinfo.ZoneInfo in its place."
    return Unwritable(f"{what}, which cannot be written into a notebook. {advice}")
