"""Parameters: how the arguments of a call become named values."""

import inspect
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from nborch.exceptions import (
    InvalidDeclaration,
    ParameterBindError,
    ReservedArgumentError,
    did_you_mean,
)

__all__ = ["RESERVED", "bind", "plain_names", "shown", "signature_of", "spread"]

#: Argument names that ``task()`` and ``flow()`` calls take for themselves.
RESERVED = ("return_state", "wait_for")

#: A parameter is shown with at most this many characters.
LONGEST = 200


def signature_of(function: Callable[..., Any], owner: str) -> inspect.Signature:
    """Return the signature of a function that is to become a task or flow.

    Raises
    ------
    InvalidDeclaration
        It is written in C and does not tell its parameters.
    ReservedArgumentError
        A parameter has a name that nborch needs.
    """
    try:
        signature = inspect.signature(function)
    except ValueError:
        raise InvalidDeclaration(
            f"{owner}: {function!r} does not tell its parameters. "
            "Wrap it in a function of your own."
        ) from None
    for name in RESERVED:
        if name in signature.parameters:
            raise ReservedArgumentError(
                f"{owner}: {name!r} is a reserved argument name and cannot be used. "
                "Rename the parameter."
            )
    return signature


def plain_names(signature: inspect.Signature) -> tuple[str, ...] | None:
    """Return the parameters' names if all may be given by position or by name.

    >>> def clean(rows, columns=()): ...
    >>> plain_names(inspect.signature(clean))
    ('rows', 'columns')
    """
    plain = inspect.Parameter.POSITIONAL_OR_KEYWORD
    if all(p.kind is plain for p in signature.parameters.values()):
        return tuple(signature.parameters)
    return None


def bind(
    signature: inspect.Signature,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    owner: str,
    names: tuple[str, ...] | None = None,
) -> dict[str, Any]:
    """Return each parameter's value by name, defaults included.

    >>> def clean(rows, columns=()): ...
    >>> bind(inspect.signature(clean), ([1],), {}, "Task 'clean'")
    {'rows': [1], 'columns': ()}

    Parameters
    ----------
    names
        What `plain_names` says, for speed.

    Raises
    ------
    ParameterBindError
        The arguments do not fit.
    """
    if names is not None and not kwargs and len(args) == len(names):
        return dict(zip(names, args, strict=True))
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ParameterBindError(_misfit(signature, kwargs, owner, error)) from None
    bound.apply_defaults()
    return bound.arguments


def spread(
    signature: inspect.Signature, parameters: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the positional and the named arguments of a call with these parameters.

    >>> def clean(rows, *columns, **options): ...
    >>> spread(
    ...     inspect.signature(clean),
    ...     {"rows": 1, "columns": (2, 3), "options": {"x": 4}},
    ... )
    ((1, 2, 3), {'x': 4})
    """
    bound = inspect.BoundArguments(signature, dict(parameters))
    return bound.args, bound.kwargs


def _misfit(
    signature: inspect.Signature,
    kwargs: Mapping[str, Any],
    owner: str,
    error: TypeError,
) -> str:
    """Say what does not fit and what would."""
    known = signature.parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in known.values())
    for name in kwargs:
        if name not in known and not takes_any:
            return (
                f"{owner} got an unexpected argument {name!r}."
                f"{did_you_mean(name, known) or _listed(known)}"
            )
    return f"{owner} cannot be called like this: {error}. Its signature is {signature}."


def _listed(known: Mapping[str, Any]) -> str:
    return f" Its parameters are: {', '.join(known)}." if known else " It takes none."


def shown(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as JSON values to look at: large ones as a short text.

    >>> shown({"n": 3, "rows": [1, 2]})
    {'n': 3, 'rows': '[1, 2]'}
    """
    return {name: _shown(value) for name, value in parameters.items()}


#: A container is shown so deep, and with so many items.
DEPTH, ITEMS = 3, 20

_TOLD_BY_REPR = {
    "builtins",
    "datetime",
    "decimal",
    "fractions",
    "nborch.secrets",
    "pathlib",
    "uuid",
}


def _shown(value: Any) -> Any:
    if value is None or value is True or value is False:
        return value
    kind = type(value)
    if kind is int and -(2**63) <= value < 2**63:
        return value
    if kind is float and isfinite(value):
        return value
    text = value if kind is str else _text(value, DEPTH)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _text(value: Any, depth: int) -> str:
    """Return a short text; never the repr of an object that may be slow or raise."""
    kind = type(value)
    if kind in (list, tuple, set, frozenset, dict):
        return _items(value, depth)
    if kind in (bytes, bytearray, memoryview, str) and len(value) > LONGEST:
        return f"{kind.__name__} of {len(value)}"
    if kind.__module__ in _TOLD_BY_REPR:
        try:
            return repr(value)
        except Exception:  # noqa: BLE001  # looks only: such as an int of 5000 digits
            return f"<{kind.__qualname__}>"
    # A frame's repr costs more than many a task.
    return f"<{kind.__module__}.{kind.__qualname__}>"


def _items(value: Any, depth: int) -> str:
    if len(value) > ITEMS or not depth:
        return f"{type(value).__name__} of {len(value)}"
    if isinstance(value, dict):
        pairs = [
            f"{_text(k, depth - 1)}: {_text(v, depth - 1)}" for k, v in value.items()
        ]
        return f"{{{', '.join(pairs)}}}"
    texts = [_text(item, depth - 1) for item in value]
    if isinstance(value, list):
        return f"[{', '.join(texts)}]"
    if isinstance(value, tuple):
        return f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"
    return f"{{{', '.join(texts)}}}" if texts else f"{type(value).__name__}()"
