"""What is to be done about the nominal times of a schedule that have come."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from nborch.schedules.policies import CatchUp, Overlap, jittered
from nborch.work.deployed import (
    Deployment,
    DeploymentSchedule,
    OutcomeKind,
    ScheduleRecord,
)

__all__ = ["GRACE", "Firing", "admitted", "decide", "following"]

#: A time that has passed for no longer than this was not missed, only noticed late.
GRACE = timedelta(seconds=30)
#: How long ago what is all made up for may have been, unless the policy says so.
ALL_WITHIN = timedelta(days=1)
#: Nominal times of a schedule that are dealt with in one go.
AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """What to do about the nominal times of a schedule that have come.

    Parameters
    ----------
    record
        As the schedule stood when this was decided.
    missed
        Nominal times for which it is too late.
    due
        Those for which a run is to be made, unless the one before goes on.
    after, next_at, due_at
        How the schedule stands when that is done; see `ScheduleRecord`.
    """

    record: ScheduleRecord
    deployment: Deployment
    missed: tuple[datetime, ...]
    due: tuple[datetime, ...]
    after: datetime
    next_at: datetime | None
    due_at: datetime | None


def following(
    schedule_id: str, declared: DeploymentSchedule, after: datetime, fired: int
) -> tuple[datetime | None, datetime | None]:
    """Return the next nominal time and when to fire it; None if there is none."""
    policy = declared.policy
    if not declared.active or (
        policy.max_runs is not None and fired >= policy.max_runs
    ):
        return None, None
    next_at = declared.schedule.next(after)
    if next_at is None or (policy.until is not None and next_at >= policy.until):
        return None, None
    return next_at, _fires_at(schedule_id, declared, next_at)


def decide(record: ScheduleRecord, deployment: Deployment, now: datetime) -> Firing:
    """Decide about all nominal times up to now, or the first thousand of them."""
    times: list[datetime] = []
    next_at, due_at = record.next_at, record.due_at
    while next_at is not None and due_at is not None and due_at <= now:
        if len(times) == AT_ONCE:
            break
        times.append(next_at)
        next_at, due_at = following(record.id, record.declared, next_at, record.fired)
    is_behind = due_at is not None and due_at <= now
    due = _made_up_for(record, times, now, is_behind=is_behind)
    is_due = set(due)
    return Firing(
        record=record,
        deployment=deployment,
        missed=tuple(time for time in times if time not in is_due),
        due=due,
        after=times[-1] if times else record.after,
        next_at=next_at,
        due_at=due_at,
    )


def _made_up_for(
    record: ScheduleRecord, times: list[datetime], now: datetime, *, is_behind: bool
) -> tuple[datetime, ...]:
    """Return the times for which a run is to be made."""
    policy, declared = record.declared.policy, record.declared
    if policy.catchup is CatchUp.ALL:
        candidates = times
    else:
        # A time that others follow is not the latest.
        candidates = [] if is_behind else times[-1:]
    return tuple(
        each
        for each in candidates
        if now - _fires_at(record.id, declared, each) <= _window(declared, each)
    )


def _window(declared: DeploymentSchedule, nominal: datetime) -> timedelta:
    """Return how long ago a nominal time may have been for a run to be made."""
    policy = declared.policy
    if policy.catchup is CatchUp.NONE:
        return GRACE
    if policy.catchup is CatchUp.ALL and policy.catchup_window is None:
        return ALL_WITHIN
    window: timedelta = policy.window(declared.schedule, nominal)
    return max(GRACE, window)


def admitted(overlap: Overlap, unfinished: int, *, of: int = 1) -> OutcomeKind:
    """Return what becomes of a nominal time while earlier runs are not over.

    >>> admitted(Overlap.SKIP, 1).value, admitted(Overlap.QUEUE_ALL, 1).value
    ('skipped', 'queued')

    Parameters
    ----------
    overlap
        What the policy says about it.
    unfinished
        How many runs of the schedule wait or go on.
    of
        How many times are made up for together: those wait for one another.
    """
    if not unfinished or overlap is Overlap.ALLOW:
        return OutcomeKind.FIRED
    # One goes on, and one waits for its end.
    has_room = overlap is Overlap.QUEUE_ONE and unfinished == 1
    waits = overlap in {Overlap.QUEUE_ALL, Overlap.CANCEL_PREVIOUS}
    if has_room or waits or of > 1:
        return OutcomeKind.QUEUED
    return OutcomeKind.SKIPPED


def _fires_at(
    schedule_id: str, declared: DeploymentSchedule, nominal: datetime
) -> datetime:
    jitter = declared.policy.jitter
    return jittered(schedule_id, nominal, jitter) if jitter else nominal
