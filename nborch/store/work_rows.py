"""Deployments, schedules, pools and workers as they stand in rows."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

from nborch.schedules.base import Schedule, schedule_from_json
from nborch.schedules.policies import Policy
from nborch.store.rows import Row
from nborch.store.texts import json_text, run_id_of, run_key
from nborch.work.claims import QueuedRun
from nborch.work.deployed import (
    Deployment,
    DeploymentSchedule,
    Outcome,
    OutcomeKind,
    ScheduleRecord,
)
from nborch.work.places import Worker, WorkPool

__all__ = [
    "deployment_of",
    "deployment_values",
    "moment_of",
    "outcome_of",
    "outcome_values",
    "pool_of",
    "queued_of",
    "rounded",
    "schedule_id",
    "schedule_of",
    "schedule_values",
    "seconds_of",
    "worker_of",
]

#: What of a deployment nothing is sought by: it stands in one column, as JSON.
_TOLD = (
    "entrypoint",
    "parameters",
    "parameter_schema",
    "enforce_schema",
    "work_pool",
    "priority",
    "version",
    "description",
)


def moment_of(seconds: float) -> datetime:
    """Return the time of a column."""
    return datetime.fromtimestamp(seconds, UTC)


def rounded(seconds: float) -> float:
    """Return a time in seconds as it is once it was a `datetime`."""
    return moment_of(seconds).timestamp()


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else moment_of(seconds)


def seconds_of(moment: datetime | None) -> float | None:
    """Return a time as it stands in a column."""
    return None if moment is None else moment.timestamp()


def deployment_values(deployment: Deployment) -> dict[str, Any]:
    """Return what stands of a deployment in its columns, but for the times."""
    told = {name: getattr(deployment, name) for name in _TOLD}
    return {
        "id": deployment.id,
        "flow_name": deployment.flow_name,
        "name": deployment.name,
        "lane": deployment.lane,
        "paused": deployment.paused,
        "concurrency_limit": deployment.concurrency_limit,
        "max_crashes": deployment.max_crashes,
        "told": json_text({**told, "tags": sorted(deployment.tags)}),
    }


def deployment_of(row: Row) -> Deployment:
    """Return the deployment of a row, without its schedules."""
    return _deployment(*(row[name] for name in _COLUMNS))


_COLUMNS = (
    "id",
    "flow_name",
    "name",
    "paused",
    "concurrency_limit",
    "max_crashes",
    "told",
    "created",
    "updated",
)


# NB. A scheduler asks for the same ones all the time. They are not changed by anybody.
@lru_cache(4_096)
def _deployment(  # noqa: PLR0913, PLR0917  # the columns
    id_: str,
    flow_name: str,
    name: str,
    paused: int,
    concurrency_limit: int | None,
    max_crashes: int,
    told: str,
    created: float,
    updated: float,
) -> Deployment:
    more = json.loads(told)
    return Deployment(
        id=id_,
        flow_name=flow_name,
        name=name,
        paused=bool(paused),
        concurrency_limit=concurrency_limit,
        max_crashes=max_crashes,
        tags=frozenset(more.pop("tags")),
        created=moment_of(created),
        updated=moment_of(updated),
        **more,
    )


def schedule_id(deployment_id: str, spec: str, repetition: int) -> str:
    """Return the id of a schedule: it stays while its times stay the same."""
    told = f"{deployment_id}\0{spec}\0{repetition}"
    return sha256(told.encode()).hexdigest()[:32]


def schedule_values(declared: DeploymentSchedule) -> dict[str, Any]:
    """Return what stands of a declared schedule in its columns."""
    return {
        "spec": json_text(declared.schedule.to_json()),
        "policy": json_text(declared.policy.to_json()),
        "parameters": json_text(declared.parameters),
        "active": declared.active,
    }


def schedule_of(row: Row, seed: str | None = None) -> ScheduleRecord:
    """Return the schedule of a row.

    Parameters
    ----------
    seed
        The full name of its deployment; as it was declared if not given.
    """
    parameters: Mapping[str, Any] = json.loads(row["parameters"])
    declared = DeploymentSchedule(
        schedule=_parsed(row["spec"], seed),
        policy=_policy(row["policy"]),
        active=bool(row["active"]),
        parameters=parameters,
    )
    return ScheduleRecord(
        id=row["id"],
        deployment_id=row["deployment"],
        declared=declared,
        edition=row["edition"],
        after=moment_of(row["after"]),
        next_at=_moment(row["next_at"]),
        due_at=_moment(row["due_at"]),
        counted_from=moment_of(row["counted_from"]),
        fired=row["fired"],
        paused_because=row["paused_because"],
    )


@lru_cache(16_384)
def _parsed(spec: str, seed: str | None) -> Schedule:
    schedule = schedule_from_json(json.loads(spec))
    return schedule if seed is None else schedule.seeded(seed)


@lru_cache(1_024)
def _policy(policy: str) -> Policy:
    return Policy.from_json(json.loads(policy))


def outcome_of(row: Row) -> Outcome:
    """Return the outcome of a row."""
    run = row["run"]
    return Outcome(
        schedule_id=row["schedule"],
        nominal=moment_of(row["nominal"]),
        last=moment_of(row["last"]),
        kind=OutcomeKind(row["kind"]),
        count=row["count"],
        run_id=None if run is None else run_id_of(run),
        at=moment_of(row["at"]),
        told=row["told"],
    )


def outcome_values(outcome: Outcome) -> dict[str, Any]:
    """Return the columns of an outcome."""
    run_id = outcome.run_id
    return {
        "schedule": outcome.schedule_id,
        "nominal": seconds_of(outcome.nominal),
        "last": seconds_of(outcome.last),
        "count": outcome.count,
        "kind": outcome.kind.value,
        "run": None if run_id is None else run_key(run_id),
        "at": seconds_of(outcome.at),
        "told": outcome.told,
    }


def pool_of(row: Row) -> WorkPool:
    """Return the pool of a row."""
    return WorkPool(
        name=row["name"],
        kind=row["kind"],
        limit=row["slots"],
        paused=bool(row["paused"]),
        description=row["description"],
        created=moment_of(row["created"]),
        held=row["held"],
        waiting=row["waiting"],
    )


def worker_of(row: Row) -> Worker:
    """Return the worker of a row."""
    return Worker(
        id=row["id"],
        name=row["name"],
        process=row["process"],
        lanes=tuple(json.loads(row["lanes"])),
        limit=row["slots"],
        started=moment_of(row["started"]),
        seen=moment_of(row["seen"]),
        status=row["status"],
        held=row["held"],
    )


def queued_of(row: Row) -> QueuedRun:
    """Return where the run of a row stands."""
    return QueuedRun(
        run_id=run_id_of(row["run"]),
        deployment_id=row["deployment"],
        lane=row["lane"],
        status=row["status"],
        due=moment_of(row["due"]),
        priority=row["priority"],
        attempt=row["attempt"],
        crashes=row["crashes"],
        worker_id=row["worker"] or None,
        cancel_requested=bool(row["cancel_requested"]),
        schedule_id=row["schedule"],
        nominal=_moment(row["nominal"]),
    )
