"""Events: the recorded facts from which all that is known of runs is folded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from nborch.runs import Run
from nborch.states import State

__all__ = [
    "Event",
    "EventKind",
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


@dataclass(frozen=True, slots=True)
class Event:
    """A fact about a run, at a time.

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
    data: Mapping[str, Any] = field(default_factory=dict)
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
    return Event(run.id, EventKind.CREATED, run.created.timestamp(), 0, run.to_json())


def state_entered(run_id: str, state: State, attempt: int) -> Event:
    """Return the fact that a run entered `state`, which has its timestamp."""
    data = state.to_json()
    return Event(run_id, EventKind.STATE, data["timestamp"], attempt, data)


def noted(run_id: str, at: float, facts: Mapping[str, Any]) -> Event:
    """Return the fact that something became known of a run."""
    return Event(run_id, EventKind.NOTED, at, 0, facts)


def log_written(run_id: str, at: float, level: str, logger: str, message: str) -> Event:
    """Return the fact that a run wrote a line."""
    data = {"level": level, "logger": logger, "message": message}
    return Event(run_id, EventKind.LOG, at, 0, data)
