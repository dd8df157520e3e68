"""A call as it travels: packed with its arguments, unpacked to its outcome."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from nborch.exceptions import FailedRun, Unsendable
from nborch.task_runners.messages import Kind, Message, Piece, dumps, loads
from nborch.task_runners.tracebacks import summary

__all__ = ["name_of", "outcome", "pack"]


def pack(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> list[Piece]:
    """Return the call as pieces of a message.

    Raises
    ------
    Unsendable
        If it cannot be pickled; the message names the part.
    """
    try:
        return dumps((function, args, dict(kwargs)))
    except Exception as error:
        raise Unsendable(
            f"{_culprit(function, args, kwargs)} cannot go to a worker process: "
            f"{summary(error)}. Give the worker what it is made of instead."
        ) from error


def _culprit(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> str:
    """Return which part of a call it is that cannot be pickled, as a phrase."""
    name = name_of(function)
    for at, value in enumerate(args):
        if not _sendable(value):
            return f"Argument {_parameter(function, at)} of {name!r}, {_kind(value)},"
    for key, value in kwargs.items():
        if not _sendable(value):
            return f"Argument {key!r} of {name!r}, {_kind(value)},"
    for key, value in _outer_names(function).items():
        if not _sendable(value):
            return f"{key!r}, which {name!r} uses, {_kind(value)},"
    return f"{name!r}"


def _sendable(value: object) -> bool:
    try:
        dumps(value)
    except Exception:  # noqa: BLE001  # anything that a user's object does
        return False
    return True


def _parameter(function: Callable[..., Any], at: int) -> str:
    """Return the name of the parameter that gets the argument at this position."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    if (
        at < len(parameters)
        and parameters[at].kind is not parameters[at].VAR_POSITIONAL
    ):
        return repr(parameters[at].name)
    return f"number {at + 1}"


def _outer_names(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Return what a function takes from outside, by name."""
    try:
        outer = inspect.getclosurevars(function)
    except (TypeError, ValueError):
        return {}
    return {**outer.globals, **outer.nonlocals}


def name_of(function: Callable[..., Any]) -> str:
    """Return what messages call the function.

    >>> name_of(divmod)
    'divmod'
    """
    return getattr(function, "__qualname__", None) or type(function).__qualname__


def _kind(value: object) -> str:
    kind = type(value)
    if kind.__module__ in {"builtins", "__main__"}:
        return f"a {kind.__qualname__}"
    return f"a {kind.__module__}.{kind.__qualname__}"


def outcome(name: str, answer: Message) -> Any:
    """Return what the function returned, or raise what it raised."""
    kind, pieces = answer
    if kind is Kind.READY:
        return None
    if kind is Kind.UNSENDABLE:
        what, reason = loads(pieces)
        raise Unsendable(
            f"The value that {name!r} returned, a {what}, cannot come back from its "
            f"worker process: {reason}. Return what it is made of instead."
        )
    if kind is Kind.UNREADABLE:
        error = loads(pieces)
        raise Unsendable(
            f"The call of {name!r} cannot be read in the worker process: "
            f"{summary(error)}."
        ) from error
    if kind is Kind.RAISED:
        error = _error(pieces)
        try:
            raise error
        finally:
            # NB. It holds this frame by its traceback.
            del error
    try:
        return loads(pieces)
    except Exception as error:
        raise Unsendable(
            f"The value that {name!r} returned cannot be read in this process: "
            f"{summary(error)}."
        ) from error


def _error(pieces: list[Piece]) -> BaseException:
    text, *pickled = pieces
    try:
        error: BaseException = loads(pickled)
    except Exception as broken:  # noqa: BLE001  # anything that a user's object does
        told = bytes(text).decode()
        error = FailedRun(f"{told} (it cannot be read here: {summary(broken)})")
    return error
