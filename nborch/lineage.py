"""Lineage: which run a value came from, for the edges of the run graph.

``raw = load(); clean(raw)`` makes an edge from the run of `load` to that of `clean`,
though only a plain value passes from one to the other.
"""

import weakref
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

__all__ = ["Lineage"]

#: So many values are remembered, the latest.
MOST = 1_000
#: One of these may be the same object everywhere, and tells nothing.
_EVERYWHERE = (type(None), bool)
#: Smaller ones exist once in a process.
_SMALL = 1_000
#: Longer texts are not kept in order to be compared: by their length only.
_SHORT = 200


class Lineage:
    """The values that task runs returned, known again by their identity.

    No value is kept alive for it. An object that has taken the place of another in
    memory and looks like it would pass for it: that would draw one edge too many.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[int, tuple[str, Any]] = {}

    def remember(self, value: Any, run_id: str) -> None:
        """Take note that a run returned the value."""
        sign = _sign(value)
        if sign is None:
            return
        known = self._known
        # At the end, even if an older value was at its place.
        known.pop(id(value), None)
        known[id(value)] = (run_id, sign)
        if len(known) > MOST:
            # Other threads take note too, and may be at it.
            with suppress(RuntimeError, StopIteration):
                known.pop(next(iter(known)), None)

    def origins(self, values: Iterable[Any]) -> list[str]:
        """Return the runs that returned some of the values.

        >>> lineage, rows = Lineage(), [1, 2, 3]
        >>> lineage.remember(rows, "a-run")
        >>> lineage.origins([rows, [4]])
        ['a-run']
        """
        known = self._known
        found = []
        for value in values:
            entry = known.get(id(value))
            if entry is not None and _is_that(entry[1], value):
                found.append(entry[0])
        return found


def _sign(value: Any) -> Any:
    """Return something to know the value by again, without keeping it alive."""
    if isinstance(value, _EVERYWHERE):
        return None
    if isinstance(value, str | bytes):
        return _sign_of_text(value)
    if isinstance(value, int):
        return None if -_SMALL < value < _SMALL else value
    if isinstance(value, float | complex):
        return value
    try:
        return weakref.ref(value)
    except TypeError:
        return type(value), len(value) if hasattr(value, "__len__") else 0


def _sign_of_text(value: str | bytes) -> Any:
    if len(value) <= 1:
        return None
    return value if len(value) <= _SHORT else (type(value), len(value))


def _is_that(sign: Any, value: Any) -> bool:
    if isinstance(sign, weakref.ref):
        return sign() is value
    return bool(sign == _sign(value))
