"""Work that waits to be done: deployments, their schedules, pools, workers, claims.

Plain frozen values and decisions about them; no I/O and no clock. Where they are kept::

    home.deployments   put · get · list · delete · pause · resume · schedules · outcomes
    home.pools         put · get · list · delete · pause · resume
    home.queue         enqueue · claim · held_by · release · crash · finish
                       request_cancel · standing · unfinished · next_due
    home.workers       register · renew · leave · get · list · reap
    home.firings       due · fire · backfill: `nborch.deploy.scheduler` works with it

A **lane** is where a run waits: that of a pool, or of a deployment without one
(`Deployment.lane`, `pool_lane`). A worker claims from lanes.
"""

from nborch.work.claims import QUEUE, ClaimedRun, HeldRun, NewRun, QueuedRun, Reaped
from nborch.work.deployed import (
    Deployment,
    DeploymentSchedule,
    Outcome,
    OutcomeKind,
    ScheduleRecord,
)
from nborch.work.places import Worker, WorkPool, pool_lane

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
