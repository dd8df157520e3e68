"""Facts of the current run by name, as module attributes."""

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from nborch.exceptions import did_you_mean

__all__ = ["Facts"]

Fact = Callable[[], Any]


class Facts:
    """The attributes of one of the modules in `nborch.runtime`.

    For tests, an environment variable such as ``NBORCH__RUNTIME__FLOW_RUN__NAME``
    stands in for a fact: a number for a number, ``a,b`` for a list, JSON for a dict.
    """

    def __init__(self, module: str, facts: Mapping[str, Fact]) -> None:
        self._module = module
        self._facts = facts

    def __call__(self, name: str) -> Any:
        """Return a fact; what a module's ``__getattr__`` calls."""
        fact = self._facts.get(name)
        if fact is None:
            raise AttributeError(
                f"{self._module} has no attribute {name!r}."
                f"{did_you_mean(name, self._facts)}"
            )
        value = fact()
        variable = f"{self._module.replace('.', '__').upper()}__{name.upper()}"
        # As nborch.runtime.flow_run becomes NBORCH__RUNTIME__FLOW_RUN.
        given = os.environ.get(variable)
        return value if given is None else _as(type(value), given)

    @property
    def names(self) -> list[str]:
        """The names of all facts."""
        return sorted(self._facts)


def _as(kind: type, text: str) -> Any:
    """Return what an environment variable says, as the fact usually is."""
    if kind is datetime:
        at = datetime.fromisoformat(text)
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    if kind in (int, float):
        return kind(text)
    if kind is list:
        return [part for part in text.split(",") if part]
    if kind is dict:
        import json

        return json.loads(text)
    return text
