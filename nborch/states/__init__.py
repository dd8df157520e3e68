"""The states a run passes through, and which state may follow which.

>>> Completed(message="all rows kept")
Completed('all rows kept')
>>> Cached().is_completed()
True
"""

from nborch.states.base import (
    FINAL,
    State,
    StateDetails,
    StateType,
    is_last,
)
from nborch.states.constructors import (
    AwaitingConcurrencySlot,
    AwaitingRetry,
    Cached,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    InfrastructurePending,
    Late,
    NotReady,
    Paused,
    Pending,
    Retrying,
    Running,
    Scheduled,
    Submitting,
    Suspended,
    TimedOut,
)
from nborch.states.outcomes import (
    StateGroup,
    get_state_exception,
    is_state_iterable,
    raise_state_exception,
)
from nborch.states.transitions import (
    TRANSITIONS,
    allowed_before,
    check_transition,
)

__all__ = [
    "FINAL",
    "TRANSITIONS",
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
    "State",
    "StateDetails",
    "StateGroup",
    "StateType",
    "Submitting",
    "Suspended",
    "TimedOut",
    "allowed_before",
    "check_transition",
    "get_state_exception",
    "is_last",
    "is_state_iterable",
    "raise_state_exception",
]
