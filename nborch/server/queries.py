"""What stands behind the question mark of an address, as values."""

from collections.abc import Mapping, Sequence
from typing import Any

from nborch.server.shapes import objections

__all__ = ["read_query"]

_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def read_query(
    given: Mapping[str, Sequence[str]], schema: Mapping[str, Any]
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the values that were given by name, and what is wrong with them.

    >>> schema = {"properties": {"limit": {"type": "integer"}}}
    >>> read_query({"limit": ["5"]}, schema)
    ({'limit': 5}, [])

    Parameters
    ----------
    given
        The texts by name, in their order.
    """
    values: dict[str, Any] = {}
    wrong: list[tuple[str, str]] = []
    for name, texts in given.items():
        asked = schema["properties"].get(name)
        if asked is None:
            wrong.append((name, "is not known here"))
        elif asked.get("type") == "array":
            values[name] = list(texts)
        elif len(texts) > 1:
            wrong.append((name, "is given more than once"))
        else:
            values[name] = _value(texts[0], asked.get("type"))
    wrong += objections(values, dict(schema), {})
    return values, wrong


def _value(text: str, kind: object) -> Any:
    """Return the value that a text means; the text itself if it means none."""
    if kind == "boolean":
        return _WORDS.get(text.lower(), text)
    try:
        if kind == "integer" and text.isascii():
            return int(text)
        if kind == "number" and text.isascii():
            number = float(text)
            # Neither NaN nor infinity is within any bounds.
            return number if abs(number) < float("inf") else text
    except ValueError:
        pass
    return text
