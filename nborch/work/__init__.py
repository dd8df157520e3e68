"""Work that waits to be done: deployments, their schedules, pools, workers, claims.

Plain frozen values and decisions about them; no I/O and no clock. Where they are kept::

    home.deployments   put · get · list · delete · pause · resume; schedules and outcomes
    home.pools         put · get · list · delete · pause · resume
    home.queue         enqueue · claim · held_by · release · crash · finish
                       request_cancel · backfill · next_due
    home.workers       register · renew · leave · list · reap
    home.firings       what `nborch.deploy.scheduler` does its work with

A **lane** is where a run waits: that of a pool, or of a deployment without one
(`Deployment.lane`, `pool_lane`). A worker claims from lanes.
"""

from nborch.work.records import (
    QUEUE,
    ClaimedRun,
    Deployment,
    DeploymentSchedule,
    HeldRun,
    NewRun,
    Outcome,
    OutcomeKind,
    QueuedRun,
    Reaped,
    ScheduleRecord,
    Worker,
    WorkPool,
    pool_lane,
)

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
