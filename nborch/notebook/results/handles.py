"""Handles: what travels of a notebook's result, in place of its value."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Self

__all__ = ["GIVEN", "MADE", "Given", "Made", "is_plain"]

#: The facts of a cell's run that hold handles: of `nborch.result` calls by name, and
#: of the names that a cell task made.
GIVEN, MADE = "results", "made"

#: A JSON value of so many characters is its own handle.
LARGEST = 4_000
#: And of so many levels.
DEPTH = 8


@dataclass(frozen=True, slots=True)
class Given:
    """What is known of a value that ``nborch.result`` was given.

    Parameters
    ----------
    type
        The name of its class.
    value
        The value itself in a tuple, if it is small and JSON.
    key
        Where it lies in the result cache, else.
    reason
        Why it was not kept, if so.
    size
        Its bytes.
    """

    name: str
    type: str
    value: tuple[Any, ...] = ()
    key: str | None = None
    reason: str | None = None
    size: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "type": self.type,
            "value": list(self.value),
            "key": self.key,
            "reason": self.reason,
            "size": self.size,
        }

    @classmethod
    def from_json(cls, name: str, values: Mapping[str, Any]) -> Self:
        """Return the handle that `to_json` gave these values for."""
        return cls(name, **{**values, "value": tuple(values["value"])})


@dataclass(frozen=True, slots=True)
class Made:
    """What is known of the names that one cell task made.

    Parameters
    ----------
    types
        The names of their classes, by name.
    key
        Where they lie in the result cache, if they were kept.
    reason
        Why they were not, else.
    """

    task: str
    types: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"types": dict(self.types), "key": self.key, "reason": self.reason}

    @classmethod
    def from_json(cls, task: str, values: Mapping[str, Any]) -> Self:
        """Return the handle that `to_json` gave these values for."""
        return cls(task, **values)


def is_plain(value: Any) -> bool:
    """Tell whether a value is small and the same after it was JSON.

    >>> is_plain({"rows": [1, 2.5, None]}), is_plain((1, 2)), is_plain({1: 2})
    (True, False, False)
    """
    return _is_json(value, DEPTH) and len(json.dumps(value)) <= LARGEST


def _is_json(value: Any, depth: int) -> bool:
    kind = type(value)
    if kind is dict:
        keys = all(type(key) is str for key in value)
        return keys and _are_json(value.values(), depth)
    if kind is list:
        return _are_json(value, depth)
    if kind is float:
        return isfinite(value)
    if kind is int:
        return bool(-(2**63) <= value < 2**63)
    return value is None or kind is bool or (kind is str and len(value) <= LARGEST)


def _are_json(values: Collection[Any], depth: int) -> bool:
    fits = depth > 0 and len(values) <= LARGEST
    return fits and all(_is_json(value, depth - 1) for value in values)
