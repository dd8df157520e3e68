"""What can be run without the program that declared it, and when it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from nborch.schedules.base import Schedule
from nborch.schedules.policies import Policy
from nborch.work.places import pool_lane

__all__ = [
    "Deployment",
    "DeploymentSchedule",
    "Outcome",
    "OutcomeKind",
    "ScheduleRecord",
]


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
    policy: Policy = field(default_factory=Policy)
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
