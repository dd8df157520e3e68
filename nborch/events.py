"""Events: the recorded facts from which all that is known of runs is folded."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from nborch.runs import Run
from nborch.states import State

__all__ = [
    "Event",
    "EventKind",
    "end_written",
    "log_written",
    "noted",
    "run_created",
    "state_entered",
]


class EventKind(StrEnum):
    """What sort of fact it is."""

    #: A run was made. The data is the run.
    CREATED = "created"
    #: A run entered a state. The data is the state.
    STATE = "state"
    #: A run wrote a line. The data is its level, logger and message.
    LOG = "log"
    #: Something became known of a run. The data joins its details; a "name" in it is
    #: the run's name from then on.
    NOTED = "noted"


# NB. Members of an enum are looked up slowly, and each call of a task makes five.
_CREATED, _STATE, _LOG = EventKind.CREATED, EventKind.STATE, EventKind.LOG


class Event(NamedTuple):
    """A fact about a run, at a time.

    A tuple, which is made in a third of the time that a frozen dataclass takes.

    Parameters
    ----------
    at
        Seconds since 1970, UTC.
    attempt
        The attempt of the run that it belongs to, from 1; 0 before the first.
    data
        JSON values, as the kind says.
    sequence
        Its place among all events of the store; 0 until it is stored.
    """

    run_id: str
    kind: EventKind
    at: float
    attempt: int = 0
    data: Mapping[str, Any] = MappingProxyType({})
    sequence: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the event as JSON values: the one form it has everywhere."""
        return {
            "run_id": self.run_id,
            "kind": self.kind.value,
            "at": self.at,
            "attempt": self.attempt,
            "data": dict(self.data),
            "sequence": self.sequence,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the event that `to_json` gave these values for."""
        return cls(**{**values, "kind": EventKind(values["kind"])})


def run_created(run: Run) -> Event:
    """Return the fact that `run` was made."""
    data = run.to_json()
    return Event(run.id, _CREATED, data["created"], 0, data)


def state_entered(run_id: str, state: State, attempt: int) -> Event:
    """Return the fact that a run entered `state`, which has its timestamp."""
    data = state.to_json()
    return Event(run_id, _STATE, data["timestamp"], attempt, data)


def noted(run_id: str, at: float, facts: Mapping[str, Any]) -> Event:
    """Return the fact that something became known of a run."""
    return Event(run_id, EventKind.NOTED, at, 0, facts)


def log_written(run_id: str, at: float, level: str, logger: str, message: str) -> Event:
    """Return the fact that a run wrote a line."""
    data = {"level": level, "logger": logger, "message": message}
    return Event(run_id, _LOG, at, 0, data)


def end_written(run: Run, entered: Event, state: State) -> Event:
    """Return the line that tells of the last state a run entered.

    It is not recorded, but made of what is.
    """
    line = log_written(run.id, entered.at, state.level, run.kind.logger, state.told)
    return line._replace(sequence=entered.sequence)
