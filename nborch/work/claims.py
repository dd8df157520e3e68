"""Runs that wait, and runs that a worker has taken to itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nborch.runs import RunRecord
from nborch.work.deployed import Deployment

__all__ = [
    "QUEUE",
    "ClaimedRun",
    "HeldRun",
    "NewRun",
    "QueuedRun",
    "Reaped",
]

#: The process of a run that was made to wait: none. No host is called so, and so the
#: end of no process ends the run; see `nborch.leasing`.
QUEUE = "(queue):0:0"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A run that is to be made and to wait.

    Parameters
    ----------
    due
        When it may start.
    serial
        Whether it waits until earlier runs of its schedule have ended.
    name
        What the run is called; something that can be spoken if not given.
    details
        Further facts of the run, as JSON values.
    """

    deployment: Deployment
    parameters: Mapping[str, Any]
    due: datetime
    priority: int = 0
    name: str | None = None
    idempotency_key: str | None = None
    schedule_id: str | None = None
    nominal: datetime | None = None
    serial: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedRun:
    """A run that a worker has taken to itself.

    Parameters
    ----------
    record
        The run, in state Submitting.
    attempt
        The fencing token, which is greater than any attempt of the run before: who
        reports with an earlier one is refused. `RunStore.answer_for` takes it.
    crashes
        How many earlier attempts ended by the death of their process or worker.
    """

    record: RunRecord
    deployment: Deployment
    attempt: int
    worker_id: str
    due: datetime
    crashes: int = 0

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.record.run.id

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What the flow is to be called with, as JSON values."""
        return self.record.run.parameters


@dataclass(frozen=True, slots=True)
class HeldRun:
    """A run that a worker holds still."""

    run_id: str
    attempt: int
    cancel_requested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedRun:
    """Where a run of a deployment stands in the queue.

    Parameters
    ----------
    status
        ``waiting`` for a worker, ``held`` by one, or ``over``.
    """

    run_id: str
    deployment_id: str
    lane: str
    status: str
    due: datetime
    priority: int
    attempt: int
    crashes: int
    worker_id: str | None
    cancel_requested: bool
    schedule_id: str | None
    nominal: datetime | None


@dataclass(frozen=True, slots=True)
class Reaped:
    """A run whose worker or process was found dead, and what was done about it.

    Parameters
    ----------
    became
        ``waiting``: it is tried again; ``crashed`` or ``cancelled``: it has ended.
    """

    run_id: str
    became: str
    why: str
