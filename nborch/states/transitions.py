"""Which state may follow which."""

from collections.abc import Mapping
from types import MappingProxyType

from nborch.exceptions import InvalidTransition
from nborch.states.base import State, StateType

__all__ = ["TRANSITIONS", "allowed_before", "check_transition"]

T = StateType
_ENDS = frozenset({T.FAILED, T.CANCELLED, T.CRASHED, T.CANCELLING})

#: Which state types may follow each; ``None`` stands for a run just made.
TRANSITIONS: Mapping[StateType | None, frozenset[StateType]] = MappingProxyType(
    {
        None: frozenset({T.SCHEDULED, T.PENDING, T.RUNNING}),
        T.SCHEDULED: frozenset({T.SCHEDULED, T.PENDING, T.RUNNING, T.PAUSED}) | _ENDS,
        T.PENDING: frozenset({T.SCHEDULED, T.PENDING, T.RUNNING, T.PAUSED, T.COMPLETED})
        | _ENDS,
        T.RUNNING: frozenset({T.SCHEDULED, T.RUNNING, T.PAUSED, T.COMPLETED}) | _ENDS,
        T.PAUSED: frozenset({T.SCHEDULED, T.PENDING, T.RUNNING, T.PAUSED}) | _ENDS,
        T.CANCELLING: frozenset({T.CANCELLED, T.COMPLETED, T.FAILED, T.CRASHED}),
        # A final state never changes.
        T.COMPLETED: frozenset(),
        T.FAILED: frozenset(),
        T.CANCELLED: frozenset(),
        T.CRASHED: frozenset(),
    }
)


def check_transition(before: State | None, after: State) -> None:
    """Raise `InvalidTransition` unless `after` may follow `before`.

    >>> check_transition(Running(), Completed())
    >>> check_transition(Completed(), Running())
    Traceback (most recent call last):
    nborch.exceptions.InvalidTransition: A run cannot go from Completed() to Running().
    """
    if after.type not in TRANSITIONS[None if before is None else before.type] or (
        before is not None and before.is_over()
    ):
        start = "its start" if before is None else repr(before)
        raise InvalidTransition(f"A run cannot go from {start} to {after!r}.")


def allowed_before(target: StateType) -> tuple[StateType, ...]:
    """Return the state types that may go to `target`.

    >>> allowed_before(StateType.RUNNING)[0]
    <StateType.SCHEDULED: 'SCHEDULED'>
    """
    return tuple(s for s, after in TRANSITIONS.items() if s and target in after)
