"""The state of a run: its type, its name for people, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Self

from nborch.exceptions import CancelledRun, CrashedRun, FailedRun, UnfinishedRun
from nborch.frames import as_raised, raises_again
from nborch.showing import of_state

__all__ = ["FINAL", "UNHAPPY", "State", "StateDetails", "StateType", "is_last"]


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
#: Those that no other state can follow.
FINAL = frozenset({T.COMPLETED, T.FAILED, T.CANCELLED, T.CRASHED})
#: Those of a run that ended otherwise than well.
UNHAPPY = frozenset({T.FAILED, T.CRASHED, T.CANCELLED})

# NB. Shared by all states without any; nobody writes into a state's details.
_NO_DETAILS: Mapping[str, Any] = MappingProxyType({})
_NAMES = {kind: kind.value.title() for kind in StateType}


def is_last(kind: str, name: str) -> bool:
    """Tell whether no state can follow one of a type that is called so.

    >>> is_last("PENDING", "Pending"), is_last("PENDING", "NotReady")
    (False, True)
    """
    return kind in FINAL or (name == "NotReady" and kind == T.PENDING)


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
            if state.type in UNHAPPY:
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


def _at(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _states_in(data: Any) -> "list[State]":
    if isinstance(data, list | tuple | set | frozenset):
        return [item for item in data if isinstance(item, State)]
    return []
