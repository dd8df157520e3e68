"""Values as JSON that a person would write for them: for metadata and schemas."""

import base64
from collections import deque
from collections.abc import Mapping
from datetime import date, time, timedelta
from enum import Enum
from functools import singledispatch
from math import isfinite
from typing import Any

__all__ = ["MANY_BITS", "natural"]

#: Numbers of more bits are not written in the decimal system: Python refuses.
MANY_BITS = 4_000


@singledispatch
def natural(value: Any) -> Any:
    """Return a value as JSON that a person would write for it.

    >>> natural({"day": date(2026, 1, 2), "pair": (1, 2)})
    {'day': '2026-01-02', 'pair': [1, 2]}
    """
    if type(value).__module__ == "numpy" and hasattr(value, "item"):
        plain = value.item()
        return str(value) if type(plain) is type(value) else natural(plain)
    return str(value)


@natural.register(type(None))
@natural.register(bool)
def _constant(value: Any) -> Any:
    return value


@natural.register
def _text(value: str) -> str:
    return str.__str__(value)


@natural.register
def _integer(value: int) -> int | str:
    # Python reads no number of more digits in the decimal system.
    return int(value) if value.bit_length() < MANY_BITS else hex(value)


@natural.register
def _float(value: float) -> float | str:
    # JSON has no infinity.
    return float(value) if isfinite(value) else str(float(value))


@natural.register
def _enum(value: Enum) -> Any:
    return natural(value.value)


@natural.register
def _mapping(value: Mapping) -> dict[str, Any]:  # type: ignore[type-arg]  # dispatched on
    return {
        key if isinstance(key, str) else str(natural(key)): natural(item)
        for key, item in value.items()
    }


@natural.register(set)
@natural.register(frozenset)
def _set(value: Any) -> list[Any]:
    return sorted(map(natural, value), key=repr)


@natural.register(list)
@natural.register(tuple)
@natural.register(deque)
def _sequence(value: Any) -> list[Any]:
    return [natural(item) for item in value]


@natural.register(bytes)
@natural.register(bytearray)
def _bytes(value: Any) -> str:
    return base64.b64encode(value).decode()


@natural.register(date)
@natural.register(time)
def _moment(value: Any) -> str:
    return str(value.isoformat())


@natural.register
def _duration(value: timedelta) -> float:
    return value.total_seconds()
