"""Deployments, schedules, pools, workers and claimed runs, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from nborch.runs import RunRecord
from nborch.schedules.base import Schedule
from nborch.schedules.policies import Policy

__all__ = [
    "QUEUE",
    "ClaimedRun",
    "Deployment",
    "DeploymentSchedule",
    "HeldRun",
    "NewRun",
    "Outcome",
    "OutcomeKind",
    "QueuedRun",
    "Reaped",
    "ScheduleRecord",
    "WorkPool",
    "Worker",
    "pool_lane",
]

#: The process of a run that was made to wait: none. No host is called so, and so the
#: end of no process ends the run; see `nborch.leasing`.
QUEUE = "(queue):0:0"


def pool_lane(pool: str) -> str:
    """Return the lane in which the runs of a pool wait.

    >>> pool_lane("nightly")
    'pool/nightly'
    """
    return f"pool/{pool}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSchedule:
    """When a deployment runs by itself.

    Parameters
    ----------
    schedule
        Gives the nominal times; see `nborch.schedules`.
    policy
        What is done about overlaps, times that were missed, and ends.
    parameters
        They take the place of those of the deployment.
    """

    schedule: Schedule
    policy: Policy = Policy()
    active: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A flow or notebook that can be run without the program that declared it.

    >>> Deployment(name="nightly", flow_name="report").full_name
    'report/nightly'

    Parameters
    ----------
    id
        Given by the store when it is put there first.
    entrypoint
        Where the code is; see `nborch.deploy.entrypoints`.
    parameter_schema
        What parameters may be, as JSON Schema.
    work_pool
        The pool whose workers run it; without one, whoever serves it.
    version
        Stands for the content of what is deployed.
    concurrency_limit
        How many of its runs may go on at once.
    max_crashes
        How often its run may end by the death of its process or worker: after the
        last one it is not tried again, and is Crashed.
    """

    name: str
    flow_name: str
    id: str = ""
    entrypoint: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    parameter_schema: Mapping[str, Any] = field(default_factory=dict)
    enforce_schema: bool = True
    work_pool: str | None = None
    priority: int = 0
    version: str | None = None
    paused: bool = False
    tags: frozenset[str] = frozenset()
    description: str | None = None
    concurrency_limit: int | None = None
    max_crashes: int = 3
    schedules: tuple[DeploymentSchedule, ...] = ()
    created: datetime | None = None
    updated: datetime | None = None

    @property
    def full_name(self) -> str:
        """How it is called among those of all flows."""
        return f"{self.flow_name}/{self.name}"

    @property
    def lane(self) -> str:
        """Where its runs wait."""
        if self.work_pool is None:
            return f"deployment/{self.id}"
        return pool_lane(self.work_pool)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRecord:
    """A schedule of a deployment as the store knows it.

    Parameters
    ----------
    edition
        Grows with each change: who decided by an earlier one has to decide again.
    after
        The time that the next one was sought after: the last that was dealt with.
    next_at, due_at
        The next nominal time, and when it is fired; later by the jitter. None if the
        schedule has ended, is not active, or its deployment is paused.
    counted_from
        Failures of earlier nominal times do not pause the schedule any more.
    fired
        How many runs it has made.
    paused_because
        Why it is not active, unless somebody switched it off.
    """

    id: str
    deployment_id: str
    declared: DeploymentSchedule
    edition: int
    after: datetime
    next_at: datetime | None
    due_at: datetime | None
    counted_from: datetime
    fired: int = 0
    paused_because: str | None = None

    @property
    def active(self) -> bool:
        """Whether it fires, while its deployment is not paused."""
        return self.declared.active


class OutcomeKind(StrEnum):
    """What came of a nominal time."""

    #: A run was made, which may start at once.
    FIRED = "fired"
    #: A run was made, which starts when the one before has ended.
    QUEUED = "queued"
    #: No run was made, because the one before had not ended.
    SKIPPED = "skipped"
    #: No run was made, because the time had passed for too long.
    MISSED = "missed"
    #: No run was made, because too many before had failed: the schedule is paused.
    PAUSED = "paused"
    #: A run was made later, because somebody asked for it.
    BACKFILLED = "backfilled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a nominal time of a schedule.

    Parameters
    ----------
    last, count
        It stands for so many nominal times, up to this one: those missed during a
        long absence are told of together.
    told
        Why, in a few words.
    """

    schedule_id: str
    nominal: datetime
    last: datetime
    kind: OutcomeKind
    count: int = 1
    run_id: str | None = None
    at: datetime | None = None
    told: str = ""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkPool:
    """Where runs wait for workers.

    Parameters
    ----------
    kind
        How workers run them: ``process`` is a process for each.
    limit
        How many of its runs may go on at once, whoever works for it.
    held, waiting
        How many runs go on now, and how many wait for their time or their turn.
    """

    name: str
    kind: str = "process"
    limit: int | None = None
    paused: bool = False
    description: str | None = None
    created: datetime | None = None
    held: int = 0
    waiting: int = 0

    @property
    def lane(self) -> str:
        """Where its runs wait."""
        return pool_lane(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A process that takes runs and has them done.

    Parameters
    ----------
    process
        Its name among all processes; it holds a lock by it.
    status
        ``online``, ``left`` (it ended well) or ``lost`` (it died, or was not heard of).
    ends
        Until when it counts as alive without being heard of.
    """

    id: str
    name: str
    process: str
    lanes: tuple[str, ...]
    limit: int | None
    started: datetime
    seen: datetime
    status: str
    held: int = 0

    @property
    def host(self) -> str:
        """The machine it works on."""
        return self.process.split(":")[0]

    @property
    def pid(self) -> int:
        """Its process id there."""
        return int(self.process.split(":")[1])


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
