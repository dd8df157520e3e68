"""A constructor for each state, by its name: `Completed()`, `AwaitingRetry()`.

Each takes the fields of `State`, such as ``message`` and ``data``, by name.
"""

from datetime import datetime
from typing import Any

from nborch.states.base import State, StateType

__all__ = [
    "AwaitingConcurrencySlot",
    "AwaitingRetry",
    "Cached",
    "Cancelled",
    "Cancelling",
    "Completed",
    "Crashed",
    "Failed",
    "InfrastructurePending",
    "Late",
    "NotReady",
    "Paused",
    "Pending",
    "Retrying",
    "Running",
    "Scheduled",
    "Submitting",
    "Suspended",
    "TimedOut",
]


def Scheduled(scheduled_time: datetime | None = None, **fields: Any) -> State:
    """Return a state that waits for a time to come; now if none is given."""
    return _until(scheduled_time, "", fields)


def Late(scheduled_time: datetime | None = None, **fields: Any) -> State:
    """Return the state of a run whose time has come and gone."""
    return _until(scheduled_time, "Late", fields)


def AwaitingRetry(scheduled_time: datetime | None = None, **fields: Any) -> State:
    """Return the state between two attempts."""
    return _until(scheduled_time, "AwaitingRetry", fields)


def AwaitingConcurrencySlot(
    scheduled_time: datetime | None = None, **fields: Any
) -> State:
    """Return the state of a run that waits for its tags' concurrency limits."""
    return _until(scheduled_time, "AwaitingConcurrencySlot", fields)


def _until(at: datetime | None, name: str, fields: dict[str, Any]) -> State:
    if at is not None:
        details = {**fields.get("details", {}), "scheduled_time": at.timestamp()}
        fields = {**fields, "details": details}
    return State(StateType.SCHEDULED, fields.pop("name", name), **fields)


def Pending(**fields: Any) -> State:
    """Return the state of a run that is about to run."""
    return State(StateType.PENDING, **fields)


def NotReady(**fields: Any) -> State:
    """Return the state of a run whose upstream failed, so that it never runs."""
    return State(StateType.PENDING, "NotReady", **fields)


def Submitting(**fields: Any) -> State:
    """Return the state of a run that a worker is about to start."""
    return State(StateType.PENDING, "Submitting", **fields)


def InfrastructurePending(**fields: Any) -> State:
    """Return the state of a run whose process is being started."""
    return State(StateType.PENDING, "InfrastructurePending", **fields)


def Running(**fields: Any) -> State:
    """Return the state of a run whose code is being executed."""
    return State(StateType.RUNNING, **fields)


def Retrying(**fields: Any) -> State:
    """Return the state of a second or later attempt."""
    return State(StateType.RUNNING, "Retrying", **fields)


def Completed(**fields: Any) -> State:
    """Return the state of a run that ended well."""
    return State(StateType.COMPLETED, **fields)


def Cached(**fields: Any) -> State:
    """Return the state of a run whose result was reused."""
    return State(StateType.COMPLETED, "Cached", **fields)


def Failed(**fields: Any) -> State:
    """Return the state of a run that its own code ended."""
    return State(StateType.FAILED, **fields)


def TimedOut(**fields: Any) -> State:
    """Return the state of a run that took longer than it was given."""
    return State(StateType.FAILED, "TimedOut", **fields)


def Crashed(**fields: Any) -> State:
    """Return the state of a run whose process ended under it."""
    return State(StateType.CRASHED, **fields)


def Cancelled(**fields: Any) -> State:
    """Return the state of a run that somebody ended."""
    return State(StateType.CANCELLED, **fields)


def Cancelling(**fields: Any) -> State:
    """Return the state of a run that somebody asked to end."""
    return State(StateType.CANCELLING, **fields)


def Paused(**fields: Any) -> State:
    """Return the state of a run that is stopped for a while."""
    return State(StateType.PAUSED, **fields)


def Suspended(**fields: Any) -> State:
    """Return the state of a run that is stopped and has given its process back."""
    return State(StateType.PAUSED, "Suspended", **fields)
