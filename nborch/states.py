"""The states a run passes through, and which state may follow which.

>>> Completed(message="all rows kept")
Completed('all rows kept')
>>> Cached().is_completed()
True
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Self

from nborch.exceptions import (
    CancelledRun,
    CrashedRun,
    FailedRun,
    InvalidTransition,
    UnfinishedRun,
)
from nborch.frames import as_raised, raises_again
from nborch.showing import of_state

__all__ = [
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


class StateType(StrEnum):
    """What kind of state it is; rules speak of types, people of names."""

    #: Waits for a time to come.
    SCHEDULED = "SCHEDULED"
    #: Is about to run, or waits for what it needs.
    PENDING = "PENDING"
    #: The user's code is being executed.
    RUNNING = "RUNNING"
    #: Ended well.
    COMPLETED = "COMPLETED"
    #: Ended by an exception of the user's code.
    FAILED = "FAILED"
    #: Ended because somebody asked for it.
    CANCELLED = "CANCELLED"
    #: Ended because its process, kernel or machine did.
    CRASHED = "CRASHED"
    #: Stopped for a while.
    PAUSED = "PAUSED"
    #: Has been asked to end.
    CANCELLING = "CANCELLING"

    # Enum's own is written in Python, and states are looked up for every command.
    __hash__ = str.__hash__


T = StateType
FINAL = frozenset({T.COMPLETED, T.FAILED, T.CANCELLED, T.CRASHED})
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


# NB. Shared by all states without any; nobody writes into a state's details.
_NO_DETAILS: Mapping[str, Any] = MappingProxyType({})
_NAMES = {kind: kind.value.title() for kind in StateType}


@dataclass(frozen=True, slots=True, repr=False)
class State:
    """A state of a run: its type, its name for people, and what came of it.

    >>> State(type=StateType.COMPLETED, name="Skipped")
    Skipped(type=COMPLETED)

    Parameters
    ----------
    type
        The rules of transitions go by this.
    name
        The type's name if not given.
    message
        One sentence for people.
    data
        The result of a completed run or the exception of a failed one, while
        they are in memory. It is not stored with the state.
    timestamp
        When the run entered the state; set by the engine.
    details
        Facts about the state as JSON values, stored with it: the cache key,
        seconds saved and the like.
    run_id
        The run that entered the state; set by the engine.
    """

    type: StateType
    name: str = ""
    message: str | None = None
    data: Any = field(default=None, compare=False)
    timestamp: datetime | None = None
    # Not hashed: no mapping can be, and a set of states is one of returned values.
    details: Mapping[str, Any] = field(default_factory=lambda: _NO_DETAILS, hash=False)
    run_id: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", _NAMES[self.type])

    def is_scheduled(self) -> bool:
        """Tell whether the run waits for a time to come."""
        return self.type is T.SCHEDULED

    def is_pending(self) -> bool:
        """Tell whether the run is about to run."""
        return self.type is T.PENDING

    def is_running(self) -> bool:
        """Tell whether the run is being executed."""
        return self.type is T.RUNNING

    def is_completed(self) -> bool:
        """Tell whether the run ended well."""
        return self.type is T.COMPLETED

    def is_failed(self) -> bool:
        """Tell whether the run's own code ended it."""
        return self.type is T.FAILED

    def is_crashed(self) -> bool:
        """Tell whether the run's process ended under it."""
        return self.type is T.CRASHED

    def is_cancelled(self) -> bool:
        """Tell whether somebody ended the run."""
        return self.type is T.CANCELLED

    def is_cancelling(self) -> bool:
        """Tell whether somebody asked the run to end."""
        return self.type is T.CANCELLING

    def is_paused(self) -> bool:
        """Tell whether the run is stopped for a while."""
        return self.type is T.PAUSED

    def is_final(self) -> bool:
        """Tell whether no other state can follow."""
        return self.type in FINAL

    def is_over(self) -> bool:
        """Tell whether the run has ended: in a final state, or as it never runs.

        >>> NotReady().is_over(), NotReady().is_final()
        (True, False)
        """
        return is_last(self.type, self.name)

    @raises_again
    def result(
        self,
        raise_on_failure: bool = True,  # noqa: FBT001, FBT002  # as in Prefect
    ) -> Any:
        """Return what came of the run.

        >>> Completed(data=42).result()
        42
        >>> Failed(data=ValueError("boom")).result(raise_on_failure=False)
        ValueError('boom')

        Parameters
        ----------
        raise_on_failure
            Raise the exception that ended the run; otherwise return it.

        Raises
        ------
        UnfinishedRun
            The run has not ended yet.
        """
        __tracebackhide__ = True  # IPython and pytest show the user's lines
        if self.type is T.COMPLETED:
            return self.data
        if self.type not in FINAL:
            raise UnfinishedRun(
                f"Run is in {self.type} state, its result is not available."
            ) from (self.data if isinstance(self.data, BaseException) else None)
        error = self.exception()
        if raise_on_failure:
            raise self.raisable()
        return error

    def raisable(self) -> BaseException:
        """Return what `exception` does, as it was when it ended the run.

        Each raise would add to what the ones before have left in its traceback.
        """
        error = self.exception()
        return error.with_traceback(as_raised(error.__traceback__))

    @property
    def told(self) -> str:
        """How the run ended, as its last line says it."""
        return f"Finished in state {self!r}"

    @property
    def level(self) -> str:
        """The level of that line."""
        return "INFO" if self.type is T.COMPLETED else "ERROR"

    def exception(self) -> BaseException:
        """Return the exception that ended the run, or one that stands for it.

        A run that failed because it returned failed states has that of the first.
        """
        data = self.data
        if isinstance(data, BaseException):
            return data
        for state in [data] if isinstance(data, State) else _states_in(data):
            if state.type in _UNHAPPY:
                return state.exception()
        stand_in = {T.CRASHED: CrashedRun, T.CANCELLED: CancelledRun}
        told = self.message or (data if isinstance(data, str) else f"Run {self!r}")
        return stand_in.get(self.type, FailedRun)(told)

    @property
    def state_details(self) -> "StateDetails":
        """The state's details by Prefect's names."""
        return StateDetails(
            task_run_id=self.run_id,
            cache_key=self.details.get("cache_key"),
            scheduled_time=_at(self.details.get("scheduled_time")),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # A mapping proxy, which stands for no details, does not travel.
        fields = (self.type, self.name, self.message, self.data, self.timestamp)
        return type(self), (*fields, dict(self.details), self.run_id)

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON values, without its data."""
        return {
            "type": self.type._value_,
            "name": self.name,
            "message": self.message,
            "timestamp": self.timestamp and self.timestamp.timestamp(),
            "details": {**self.details} if self.details else {},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the state that `to_json` gave these values for."""
        at = values.get("timestamp")
        return cls(
            type=StateType(values["type"]),
            name=values["name"],
            message=values.get("message"),
            timestamp=None if at is None else datetime.fromtimestamp(at, UTC),
            details=values.get("details") or {},
        )

    def stamped(self, at: datetime, run_id: str | None = None) -> Self:
        """Return this state, entered at the time `at` by a run."""
        # Three times as fast as replace(), for every state of every run.
        return type(self)(
            self.type, self.name, self.message, self.data, at, self.details, run_id
        )

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return of_state(self.type, self.name, self.message)

    def __repr__(self) -> str:
        named_by_type = self.name == _NAMES[self.type]
        parts = [repr(self.message)] if self.message else []
        if not named_by_type:
            parts.append(f"type={self.type.value}")
        return f"{self.name}({', '.join(parts)})"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class StateDetails:
    """Facts about a state by the names that Prefect gives them."""

    task_run_id: str | None = None
    cache_key: str | None = None
    scheduled_time: datetime | None = None


_UNHAPPY = frozenset({T.FAILED, T.CRASHED, T.CANCELLED})


def _at(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _states_in(data: Any) -> "list[State]":
    if isinstance(data, list | tuple | set | frozenset):
        return [item for item in data if isinstance(item, State)]
    return []


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
        return self.count(T.FAILED) + self.count(T.CRASHED)

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
    if state.type not in _UNHAPPY:
        raise ValueError(f"Expected failed or crashed state got {state!r}.")
    return state.exception()


def raise_state_exception(state: State) -> None:
    """Raise the exception that ended the run, if one did."""
    if state.type in _UNHAPPY:
        raise state.exception()


def is_state_iterable(obj: object) -> bool:
    """Tell whether `obj` is a list, tuple or set of states, and not empty."""
    if not isinstance(obj, list | tuple | set | frozenset) or not obj:
        return False
    return all(isinstance(item, State) for item in obj)


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


def is_last(kind: str, name: str) -> bool:
    """Tell whether no state can follow one of a type that is called so.

    >>> is_last("PENDING", "Pending"), is_last("PENDING", "NotReady")
    (False, True)
    """
    return kind in FINAL or (name == "NotReady" and kind == T.PENDING)


def allowed_before(target: StateType) -> tuple[StateType, ...]:
    """Return the state types that may go to `target`.

    >>> allowed_before(StateType.RUNNING)[0]
    <StateType.SCHEDULED: 'SCHEDULED'>
    """
    return tuple(s for s, after in TRANSITIONS.items() if s and target in after)


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
    return State(T.SCHEDULED, fields.pop("name", name), **fields)


def Pending(**fields: Any) -> State:
    """Return the state of a run that is about to run."""
    return State(T.PENDING, **fields)


def NotReady(**fields: Any) -> State:
    """Return the state of a run whose upstream failed, so that it never runs."""
    return State(T.PENDING, "NotReady", **fields)


def Submitting(**fields: Any) -> State:
    """Return the state of a run that a worker is about to start."""
    return State(T.PENDING, "Submitting", **fields)


def InfrastructurePending(**fields: Any) -> State:
    """Return the state of a run whose process is being started."""
    return State(T.PENDING, "InfrastructurePending", **fields)


def Running(**fields: Any) -> State:
    """Return the state of a run whose code is being executed."""
    return State(T.RUNNING, **fields)


def Retrying(**fields: Any) -> State:
    """Return the state of a second or later attempt."""
    return State(T.RUNNING, "Retrying", **fields)


def Completed(**fields: Any) -> State:
    """Return the state of a run that ended well."""
    return State(T.COMPLETED, **fields)


def Cached(**fields: Any) -> State:
    """Return the state of a run whose result was reused."""
    return State(T.COMPLETED, "Cached", **fields)


def Failed(**fields: Any) -> State:
    """Return the state of a run that its own code ended."""
    return State(T.FAILED, **fields)


def TimedOut(**fields: Any) -> State:
    """Return the state of a run that took longer than it was given."""
    return State(T.FAILED, "TimedOut", **fields)


def Crashed(**fields: Any) -> State:
    """Return the state of a run whose process ended under it."""
    return State(T.CRASHED, **fields)


def Cancelled(**fields: Any) -> State:
    """Return the state of a run that somebody ended."""
    return State(T.CANCELLED, **fields)


def Cancelling(**fields: Any) -> State:
    """Return the state of a run that somebody asked to end."""
    return State(T.CANCELLING, **fields)


def Paused(**fields: Any) -> State:
    """Return the state of a run that is stopped for a while."""
    return State(T.PAUSED, **fields)


def Suspended(**fields: Any) -> State:
    """Return the state of a run that is stopped and has given its process back."""
    return State(T.PAUSED, "Suspended", **fields)
