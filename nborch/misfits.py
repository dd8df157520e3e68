"""Misfits: what to say of a parameter that is not what its annotation asks for."""

from collections.abc import Iterable, Mapping
from typing import Any

from nborch.parameters import shown

__all__ = ["misfit"]

#: What pydantic's errors say was expected, by the first part of their type.
_EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "decimal": "a decimal number",
    "string": "text",
    "bool": "True or False",
    "bytes": "bytes",
    "list": "a list",
    "tuple": "a tuple",
    "set": "a set",
    "frozen": "a set",
    "dict": "a dictionary",
    "mapping": "a mapping",
    "date": "a date",
    "datetime": "a date and time",
    "time": "a time",
    "timezone": "a date and time",
    "path": "a path",
    "uuid": "a UUID",
    "url": "a URL",
    "none": "None",
    "callable": "a function",
    "dataclass": "a dictionary or an instance",
}

#: The rest of such a type, where it speaks of the type and not of a bound.
_OF_TYPE = ("type", "parsing", "from", "exact", "parsing_size", "attributes_type")

_PREFIXES = ("Input should be ", "Value should be ", "Value error, ")

Error = Mapping[str, Any]


def misfit(
    name: str, value: Any, hint: Any, errors: Iterable[Error], *, default: Any
) -> list[str]:
    """Return a sentence for each place in a value that does not fit.

    >>> wrong = {"loc": (0,), "type": "int_parsing", "msg": "...", "input": "x"}
    >>> misfit("month", "x", int, [wrong], default=None)
    ["parameter 'month' got 'x'; expected a whole number."]

    Parameters
    ----------
    errors
        What pydantic found, as it tells it; each place begins with a number of ours.
    default
        The parameter's default: that it does not fit itself is worth a word.
    """
    places: dict[str, list[Error]] = {}
    for error in errors:
        places.setdefault(_place(value, error["loc"][1:]), []).append(error)
    told = []
    for place, found in places.items():
        where = f" (at {place})" if place else ""
        expected = " or ".join(dict.fromkeys(map(_expected, found)))
        told.append(
            f"parameter {name!r} got {_value(found[0]['input'])}{where}; "
            f"expected {expected}.{_advice(value, hint, default)}"
        )
    return told


def _place(value: Any, steps: Iterable[Any]) -> str:
    """Return where in a value something stands: ``[3].name``.

    pydantic names the member of a union as a step of its own, which is none.
    """
    text = ""
    for step in steps:
        if isinstance(step, str) and hasattr(value, step) and not _has(value, step):
            text += f".{step}"
            value = getattr(value, step)
        elif _has(value, step):
            text += f"[{step!r}]"
            value = value[step]
    return text


def _has(value: Any, key: object) -> bool:
    """Tell whether ``value[key]`` is there, of the plain containers."""
    if isinstance(value, Mapping):
        return key in value
    return isinstance(value, list | tuple) and isinstance(key, int) and key < len(value)


def _value(value: Any) -> str:
    """Return a value as a short text; what is text in quotes."""
    text = shown({"": value})[""]
    return repr(text) if isinstance(value, str) else str(text)


def _expected(error: Error) -> str:
    """Return what was expected, as a phrase."""
    kind = str(error["type"])
    context = error.get("ctx") or {}
    if kind == "missing":
        return f"a value for {error['loc'][-1]!r}"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"nothing named {error['loc'][-1]!r}"
    if kind == "is_instance_of":
        return f"an instance of {context.get('class')}"
    if kind == "literal_error":
        return str(context.get("expected"))
    first, _, rest = kind.partition("_")
    if rest.startswith(_OF_TYPE) and first in _EXPECTED:
        return _EXPECTED[first]
    text = str(error["msg"])
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    text = text.rstrip(".")
    return f"a value {text}" if text.startswith(("greater", "less")) else text


def _advice(value: Any, hint: Any, default: Any) -> str:
    """Return a second sentence where the cause is a known one, else nothing."""
    if value is None and default is None:
        return " None is its own default: add '| None' to its annotation."
    kind = type(value)
    if (
        isinstance(hint, type)
        and kind is not hint
        and (kind.__module__, kind.__qualname__) == (hint.__module__, hint.__qualname__)
    ):
        return (
            f" The class {kind.__qualname__} was defined again since: "
            "define the flow again too."
        )
    return ""
