"""Parameters: how the arguments of a call become named values."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from nborch.exceptions import (
    ParameterBindError,
    ReservedArgumentError,
    did_you_mean,
)

__all__ = ["RESERVED", "bind", "shown", "signature_of"]

#: Argument names that ``task()`` and ``flow()`` calls take for themselves.
RESERVED = ("return_state", "wait_for")

#: A parameter is shown with at most this many characters.
LONGEST = 200


def signature_of(function: Callable[..., Any], owner: str) -> inspect.Signature:
    """Return the signature of a function that is to become a task or flow.

    Raises
    ------
    ReservedArgumentError
        A parameter has a name that nborch needs.
    """
    signature = inspect.signature(function)
    for name in RESERVED:
        if name in signature.parameters:
            raise ReservedArgumentError(
                f"{owner}: {name!r} is a reserved argument name and cannot be used. "
                "Rename the parameter."
            )
    return signature


def bind(
    signature: inspect.Signature,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    owner: str,
) -> dict[str, Any]:
    """Return each parameter's value by name, defaults included.

    >>> def clean(rows, columns=()): ...
    >>> bind(inspect.signature(clean), ([1],), {}, "Task 'clean'")
    {'rows': [1], 'columns': ()}

    Raises
    ------
    ParameterBindError
        The arguments do not fit.
    """
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ParameterBindError(_misfit(signature, kwargs, owner, error)) from None
    bound.apply_defaults()
    return bound.arguments


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


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        text = value
    elif isinstance(value, list | tuple | dict | set) and len(value) > LONGEST:
        text = f"{type(value).__name__} of {len(value)}"
    elif type(value).__module__ in {"builtins", "datetime", "pathlib", "decimal"}:
        text = repr(value)
    else:
        # A frame's repr costs more than many a task.
        text = f"<{type(value).__module__}.{type(value).__qualname__}>"
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
