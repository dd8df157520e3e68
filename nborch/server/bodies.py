"""Bodies: JSON that strangers send, read strictly; JSON that is answered."""

import json
import math
from collections.abc import Iterator
from typing import Any, NoReturn

from nborch.server.problems import Problem

__all__ = ["MOST", "read", "too_large", "written"]

#: Bytes of a body.
MOST = 1_000_000
#: Lists and objects within each other.
DEEPEST = 50
#: Digits of a whole number.
LONGEST_NUMBER = 300


def read(body: bytes) -> Any:
    """Return the JSON value that stands in the body of a request.

    What other readers would take for something else is refused: an object that says
    the same name twice, NaN, a number that no double holds, half a character.

    >>> read(b'{"limit": 5}')
    {'limit': 5}

    Raises
    ------
    Problem
        It is too large, or no such JSON.
    """
    if len(body) > MOST:
        raise too_large()
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_float=_float,
            parse_int=_int,
        )
        _check_depth(value)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise _refused("It goes too deep.") from None
    except UnicodeError:
        raise _refused("It is no UTF-8.") from None
    except ValueError as error:
        raise _refused(f"{error}.") from None
    return value


def too_large() -> Problem:
    """Return what a body is refused with that is too large."""
    return Problem(
        413, "too-large", f"A body may have {MOST} bytes at most. Send less."
    )


def written(value: Any) -> bytes:
    """Return JSON for a browser; a number that JSON has not becomes a text.

    >>> written({"ratio": float("nan")})
    b'{"ratio":"nan"}'
    """
    try:
        text = json.dumps(
            value, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        return text.encode("utf-8")
    except ValueError:  # no finite number, or half a character (UnicodeEncodeError)
        return json.dumps(_finite(value), separators=(",", ":")).encode("ascii")


def _refused(why: str) -> Problem:
    return Problem(400, "invalid-request", f"The body cannot be read as JSON. {why}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("An object says the same name twice")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"The number {text[:20]} is too large")
    return value


def _int(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"The number {text[:20]}... has too many digits")
    return int(text)


def _check_depth(value: Any) -> None:
    level: list[Any] = [value]
    for _ in range(DEEPEST + 1):
        level = [inner for each in level for inner in _within(each)]
        if not level:
            return
    raise RecursionError


def _within(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        return iter(value.values())
    return iter(value) if isinstance(value, list) else iter(())


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value
