"""Failures: what is recorded of the exception that ended a run."""

import traceback
from collections.abc import Mapping
from typing import Any

from nborch.events import Event
from nborch.states import State, StateType

__all__ = ["failure", "with_failure"]

#: A traceback is kept with at most this many characters, the last ones.
LONGEST = 20_000
#: Of each traceback, so many of its last lines of code are kept.
FRAMES = 60

#: A run that was cancelled, or waited for one that failed, did nothing wrong, and its
#: message says it all: thousands of them may end at once.
_FAULTS = frozenset({StateType.FAILED, StateType.CRASHED})


def with_failure(event: Event, state: State) -> Event:
    """Return the event that a run entered `state`, with the exception that ended it.

    The state in memory has the exception itself; the stored one has its text.
    """
    error = state.data
    if state.type not in _FAULTS or not isinstance(error, BaseException):
        return event
    details = {**event.data["details"], "error": failure(error)}
    return event._replace(data={**event.data, "details": details})


def failure(error: BaseException) -> Mapping[str, Any]:
    """Return an exception as JSON values, with its traceback as Python prints it.

    >>> failure(ValueError("no rows"))["type"]
    'ValueError'
    """
    try:
        message = str(error)
        text = "".join(traceback.format_exception(error, limit=-FRAMES))
    except Exception:  # noqa: BLE001  # an error that cannot tell itself is one, too
        message, text = "(its message cannot be shown)", ""
    return {
        "type": type(error).__qualname__,
        "message": _last(message),
        "traceback": _last(text),
    }


def _last(text: str) -> str:
    return text if len(text) <= LONGEST else f"…{text[1 - LONGEST :]}"
