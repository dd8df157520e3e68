"""What a default tells of the values that may take its place, where no type is given.

It is a guess, so it refuses only what can hardly be meant: text that is no number for a
number, a list for a text. ``None`` may take the place of anything.
"""

from collections.abc import Iterable, Mapping
from numbers import Number
from typing import Any

__all__ = ["Unfit", "fitted", "schema_of"]

_TRUE = frozenset({"true", "yes", "on", "y", "t", "1"})
_FALSE = frozenset({"false", "no", "off", "n", "f", "0"})
_COLLECTIONS = (list, tuple, set, frozenset)

_SCHEMAS: dict[type, dict[str, Any]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    list: {"type": "array"},
    tuple: {"type": "array"},
    set: {"type": "array", "uniqueItems": True},
    frozenset: {"type": "array", "uniqueItems": True},
    dict: {"type": "object"},
}


class Unfit(ValueError):  # it says what a value is
    """A value cannot take the place of a default; the message is what was expected."""


def fitted(value: Any, default: Any) -> Any:
    """Return a value as it takes the place of a default.

    >>> fitted("7", 1), fitted(2, 0.5), fitted([1, 2], (0, 0)), fitted("no", True)
    (7, 2.0, (1, 2), False)
    >>> fitted("abc", 1)
    Traceback (most recent call last):
    nborch.notebook.parameters.defaults.Unfit: a whole number

    Raises
    ------
    Unfit
        With what was expected.
    """
    kind = type(default)
    if value is None or type(value) is kind or kind not in _FITTERS:
        return value
    return _FITTERS[kind](value, kind)


def schema_of(default: Any) -> dict[str, Any]:
    """Return the JSON Schema of the values that may take a default's place.

    >>> schema_of(0.5), schema_of(None)
    ({'type': 'number'}, {})
    """
    return dict(_SCHEMAS.get(type(default), {}))


def _boolean(value: Any, _kind: type) -> bool:
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUE | _FALSE:
            return word in _TRUE
    elif isinstance(value, int) and value in {0, 1}:
        return bool(value)
    raise Unfit("True or False")


def _number(value: Any, kind: type) -> Any:
    if isinstance(value, str):
        for read in (kind, float):
            try:
                return read(value)
            except ValueError:
                continue
    elif type(value) is int and kind is float:
        try:
            return float(value)
        except OverflowError:
            return value
    elif isinstance(value, Number):
        return value
    raise Unfit("a whole number" if kind is int else "a number")


def _text(value: Any, _kind: type) -> Any:
    # What is no text is left as it is: a number for 'all', say.
    if isinstance(value, (*_COLLECTIONS, Mapping)):
        raise Unfit("text")
    return value


def _collection(value: Any, kind: type) -> Any:
    if isinstance(value, (*_COLLECTIONS, range)):
        return _made(value, kind)
    a_set = kind in {set, frozenset}
    raise Unfit("a set" if a_set else f"a {kind.__name__}")


def _made(value: Iterable[Any], kind: Any) -> Any:
    try:
        return kind(value)
    except TypeError as error:
        raise Unfit(f"a {kind.__name__} ({error})") from error


def _dictionary(value: Any, _kind: type) -> Any:
    if isinstance(value, Mapping):
        return value
    raise Unfit("a dictionary")


_FITTERS: dict[type, Any] = {
    bool: _boolean,
    int: _number,
    float: _number,
    str: _text,
    list: _collection,
    tuple: _collection,
    set: _collection,
    frozenset: _collection,
    dict: _dictionary,
}
