"""Runs as a control plane tells of them, and back."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from nborch.control.forms import RunSummary
from nborch.runs import Run, RunKind, RunRecord
from nborch.states import State, StateType
from nborch.store.listing import SQLiteListing, Waiting

__all__ = ["TaskCounts", "record_of", "seconds_of", "summaries", "summary"]

#: Of so many runs it is remembered what they had within them when they ended.
REMEMBERED = 5_000
_POOL = "pool/"


def seconds_of(moment: datetime | None) -> float | None:
    """Return a time in seconds since 1970."""
    return None if moment is None else moment.timestamp()


class TaskCounts:
    """Counts the runs within runs; of those that have ended only once."""

    def __init__(self, listing: SQLiteListing) -> None:
        self._listing = listing
        self._known: dict[tuple[str, float | None], dict[str, int]] = {}

    def of(self, records: Sequence[RunRecord]) -> dict[str, dict[str, int]]:
        """Return how many runs within each are in states of each type."""
        counts: dict[str, dict[str, int]] = {}
        asked = []
        for record in records:
            known = self._known.get(_key(record))
            if known is None:
                asked.append(record)
            else:
                counts[record.run.id] = known
        found = self._listing.task_counts([each.run.id for each in asked])
        if len(self._known) > REMEMBERED:
            self._known.clear()
        for record in asked:
            of_run = counts[record.run.id] = found.get(record.run.id, {})
            if record.state.is_over():
                self._known[_key(record)] = of_run
        return counts


def _key(record: RunRecord) -> tuple[str, float | None]:
    return record.run.id, seconds_of(record.state.timestamp)


def summaries(
    records: Sequence[RunRecord],
    listing: SQLiteListing,
    counts: TaskCounts | None = None,
    *,
    whole: bool = False,
) -> list[RunSummary]:
    """Return what lists tell of runs.

    Parameters
    ----------
    counts
        Counts the runs within them; they are not counted if not given.
    whole
        Whether all that is stored of them is told.
    """
    by_deployment = [e.run.id for e in records if "deployment" in e.run.details]
    waiting = listing.waiting(by_deployment) if by_deployment else {}
    within = counts.of(records) if counts is not None else {}
    return [
        summary(
            each,
            waiting.get(each.run.id),
            within.get(each.run.id) if counts is not None else None,
            whole=whole,
        )
        for each in records
    ]


def summary(
    record: RunRecord,
    waiting: Waiting | None = None,
    tasks: Mapping[str, int] | None = None,
    *,
    whole: bool = False,
) -> RunSummary:
    """Return what lists tell of a run."""
    run, state, details = record.run, record.state, record.run.details
    deployment = details.get("deployment")
    told: RunSummary = {
        "id": run.id,
        "name": run.name,
        "flow": run.of,
        "kind": run.kind.value,
        "state": {
            "type": state.type.value,
            "name": state.name,
            "message": state.message,
        },
        "created": run.created.timestamp(),
        "started": seconds_of(record.started),
        "ended": seconds_of(record.ended),
        "due": _due(waiting),
        "deployment": _deployment(deployment),
        "work_pool": _pool(waiting),
        "tags": _texts(details.get("tags")),
        "parent": run.parent_id,
        "tasks": None if tasks is None else dict(tasks),
        "notebook": _text(details.get("notebook")),
        "attempt": record.attempt,
    }
    if whole:
        told["stored"] = {
            "process": run.process,
            "details": dict(details),
            "entered": seconds_of(state.timestamp) or told["created"],
            "state_details": dict(state.details),
        }
    return told


def _due(waiting: Waiting | None) -> float | None:
    if waiting is None or waiting.status != "waiting":
        return None
    return waiting.due.timestamp()


def _pool(waiting: Waiting | None) -> str | None:
    if waiting is None or not waiting.lane.startswith(_POOL):
        return None
    return waiting.lane.removeprefix(_POOL)


def _deployment(told: Any) -> Any:
    if not isinstance(told, Mapping) or "id" not in told:
        return None
    return {"id": str(told["id"]), "name": str(told.get("name") or told["id"])}


def _texts(given: Any) -> list[str]:
    return [str(each) for each in given] if isinstance(given, Iterable) else []


def _text(given: Any) -> str | None:
    if given is None or isinstance(given, str):
        return given
    return json.dumps(given, default=str)


def record_of(told: RunSummary) -> RunRecord:
    """Return the run that `summary` told all of that is stored."""
    stored = told["stored"]
    run = Run(
        told["id"],
        RunKind(told["kind"]),
        told["flow"],
        told["name"],
        _moment(told["created"]),
        stored["process"],
        told["parent"],
        stored["details"],
    )
    state = State(
        StateType(told["state"]["type"]),
        told["state"]["name"],
        told["state"]["message"],
        timestamp=_moment(stored["entered"]),
        details=stored["state_details"],
    )
    started, ended = told["started"], told["ended"]
    return RunRecord(
        run,
        state,
        told["attempt"],
        None if started is None else _moment(started),
        None if ended is None else _moment(ended),
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
