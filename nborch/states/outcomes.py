"""What came of runs: what several states come to, and the errors that ended them."""

from collections.abc import Iterable

from nborch.states.base import UNHAPPY, State, StateType

__all__ = [
    "StateGroup",
    "get_state_exception",
    "is_state_iterable",
    "raise_state_exception",
]


class StateGroup:
    """Several states, and what they come to.

    >>> StateGroup([Completed(), Failed()]).counts_message()
    "total: 2, 'COMPLETED': 1, 'FAILED': 1"
    """

    def __init__(self, states: Iterable[State]) -> None:
        self.states = list(states)
        self.total_count = len(self.states)

    def count(self, kind: StateType) -> int:
        """Return how many states are of a type."""
        return sum(state.type is kind for state in self.states)

    @property
    def fail_count(self) -> int:
        """How many states are failed or crashed."""
        return self.count(StateType.FAILED) + self.count(StateType.CRASHED)

    def all_completed(self) -> bool:
        """Tell whether every run ended well."""
        return all(state.is_completed() for state in self.states)

    def any_cancelled(self) -> bool:
        """Tell whether a run was cancelled."""
        return any(state.is_cancelled() for state in self.states)

    def any_failed(self) -> bool:
        """Tell whether a run failed or crashed."""
        return self.fail_count > 0

    def any_paused(self) -> bool:
        """Tell whether a run is paused."""
        return any(state.is_paused() for state in self.states)

    def all_final(self) -> bool:
        """Tell whether every run has ended."""
        return all(state.is_final() for state in self.states)

    def counts_message(self) -> str:
        """Return how many states there are of each type, in words."""
        counts = {kind: self.count(kind) for kind in StateType}
        told = [f"{kind.value!r}: {count}" for kind, count in counts.items() if count]
        return ", ".join([f"total: {self.total_count}", *told])


def get_state_exception(state: State) -> BaseException:
    """Return the exception that ended a failed, crashed or cancelled run."""
    if state.type not in UNHAPPY:
        raise ValueError(f"Expected failed or crashed state got {state!r}.")
    return state.exception()


def raise_state_exception(state: State) -> None:
    """Raise the exception that ended the run, if one did."""
    if state.type in UNHAPPY:
        raise state.exception()


def is_state_iterable(obj: object) -> bool:
    """Tell whether `obj` is a list, tuple or set of states, and not empty."""
    if not isinstance(obj, list | tuple | set | frozenset) or not obj:
        return False
    return all(isinstance(item, State) for item in obj)
