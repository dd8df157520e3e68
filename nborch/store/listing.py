"""Lists of runs, as pages and programs ask for them: narrowed, counted, over time."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple, Self

from nborch.exceptions import NotFound
from nborch.runs import RunKind, RunRecord, new_id
from nborch.states import StateType
from nborch.store.ledgers import Ledger
from nborch.store.queries import in_few_statements
from nborch.store.rows import record_of
from nborch.store.texts import key_range, run_id_of, run_key
from nborch.store.work_rows import moment_of
from nborch.work.places import pool_lane

__all__ = ["RunFilter", "SQLiteListing", "Waiting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs are meant: those that fit all that is said.

    Parameters
    ----------
    kinds, states
        Of one of these.
    flow
        Of the flow or task with this name.
    deployment
        Made by the deployment with this id.
    work_pool, tag
        That wait, or waited, in this pool; that have this tag.
    text
        That have it in their name, in that of their flow, or at the start of their id.
    since, until
        Made from, and before, in seconds since 1970.
    parent
        Made within the run with this id.
    top
        Made within no other run, or within a session.
    """

    kinds: Sequence[RunKind] = (RunKind.FLOW, RunKind.SESSION)
    states: Sequence[StateType] = ()
    flow: str | None = None
    deployment: str | None = None
    work_pool: str | None = None
    tag: str | None = None
    text: str | None = None
    since: float | None = None
    until: float | None = None
    parent: str | None = None
    top: bool = False

    def between(self, since: float, until: float) -> Self:
        """Return the same for runs that were made in a time."""
        return replace(self, since=since, until=until)


class Waiting(NamedTuple):
    """Where a run of a deployment waits, or has waited."""

    lane: str
    status: str
    due: datetime


class SQLiteListing:
    """List the runs in the file of a run store.

    Parameters
    ----------
    ledger
        One of its own: who looks at a long list keeps nobody from writing.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._sql = ledger.sql

    def get(self, run_id: str) -> RunRecord:
        """Return the run with exactly this id.

        Raises
        ------
        NotFound
            There is none.
        """
        rows = self._ledger.rows("run_by_id", key=run_key(run_id))
        if not rows:
            raise NotFound(
                f"No run has the id {run_id!r}. List the runs with: nborch flow-run ls"
            )
        return record_of(rows[0])

    def runs(
        self, which: RunFilter, *, before: str | None = None, limit: int = 50
    ) -> list[RunRecord]:
        """Return the newest runs first.

        Parameters
        ----------
        before
            Only those made before the run with this id.
        """
        values = {"before": None if before is None else run_key(before), "limit": limit}
        return [record_of(row) for row in self._found("listed", which, **values)]

    def several(self, run_ids: Sequence[str]) -> list[RunRecord]:
        """Return the runs with these ids, in no order."""
        return [record_of(row) for row in self._of("runs_by_ids", run_ids)]

    def counts(self, which: RunFilter) -> dict[str, int]:
        """Return how many runs are in states of each type."""
        rows = self._found("counted", which)
        return {row["state_type"]: row["number"] for row in rows}

    def counts_over_time(
        self, which: RunFilter, since: float, until: float, bins: int
    ) -> list[dict[str, int]]:
        """Return the same for each of so many equal spans of a time."""
        counts: list[dict[str, int]] = [{} for _ in range(bins)]
        width = (until - since) / bins
        within = which.between(since, until)
        for row in self._found("counted_over_time", within, width=width):
            # The last moment may be rounded into the span after it.
            counted = counts[min(row["bin"], bins - 1)]
            name = row["state_type"]
            counted[name] = counted.get(name, 0) + row["number"]
        return counts

    def last_of(self, deployment_id: str, limit: int) -> list[RunRecord]:
        """Return the last runs of a deployment, the newest first."""
        rows = self._ledger.rows(
            "last_of_deployment", deployment=deployment_id, limit=limit
        )
        return [record_of(row) for row in rows]

    def task_counts(self, run_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """Return how many runs directly within these are in states of each type."""
        counts: dict[str, dict[str, int]] = {}
        for row in self._of("task_counts", run_ids):
            of_run = counts.setdefault(run_id_of(row["parent"]), {})
            of_run[row["state_type"]] = row["number"]
        return counts

    def waiting(self, run_ids: Sequence[str]) -> dict[str, Waiting]:
        """Return where those of the runs wait, or waited, that deployments made."""
        return {
            run_id_of(row["run"]): Waiting(
                row["lane"], row["status"], moment_of(row["due"])
            )
            for row in self._of("queued", run_ids)
        }

    def reused_within(self, run_id: str) -> tuple[int, float]:
        """Return how many runs directly within this one were not called, and saved."""
        row = self._ledger.rows("reused_within", key=run_key(run_id))[0]
        return row["hits"], row["seconds"]

    def reused_by_task(self, since: float) -> dict[str, tuple[int, float]]:
        """Return the same by task, for all runs that were made since a time."""
        # NB. Ids begin with the time.
        least = run_key(new_id(since))
        return {
            row["task"]: (row["hits"], row["seconds"])
            for row in self._ledger.rows("reused_by_task", since=least)
        }

    def facts_within(self, run_id: str, name: str) -> list[dict[str, Any]]:
        """Return a fact of those runs directly within this one that have it."""
        rows = self._ledger.rows(
            "details_within", key=run_key(run_id), sought=f'"{name}"'
        )
        found = (json.loads(row["details"]).get(name) for row in rows)
        return [each for each in found if isinstance(each, dict)]

    def is_alone(self, record: RunRecord) -> bool:
        """Tell whether all that goes on in its process is within the run."""
        rows = self._ledger.rows(
            "others_of_process", process=record.run.process, key=run_key(record.run.id)
        )
        return not rows[0]["number"]

    def _of(self, query: str, run_ids: Sequence[str]) -> list[Any]:
        keys = [(run_key(run_id),) for run_id in run_ids]
        with self._ledger.reading() as connection:
            return list(in_few_statements(connection, self._sql[query], keys))

    def _found(self, query: str, which: RunFilter, **values: Any) -> list[Any]:
        source = "source_all" if RunKind.TASK in which.kinds else "source_but_tasks"
        if which.parent is not None:
            source = "source_within"
        text = self._sql[query].format(
            source=self._sql[source], narrowed=self._sql["narrowed"]
        )
        with self._ledger.reading() as connection:
            return connection.execute(text, _bound(which) | values).fetchall()


def _bound(which: RunFilter) -> dict[str, Any]:
    """Return what stands for the filter in a statement."""
    text = which.text.strip().lower() if which.text else ""
    least, greatest = (key_range(text) or (None, None)) if text else (None, None)
    pool = which.work_pool
    return {
        "kinds": json.dumps([*which.kinds]),
        "states": json.dumps([*which.states]) if which.states else None,
        "flow": which.flow,
        "deployment": which.deployment,
        "lane": None if pool is None else pool_lane(pool),
        "tag": which.tag,
        # As it stands in the details, so that few of them need be read as JSON.
        "quoted": None if which.tag is None else json.dumps(which.tag),
        "sought": text or None,
        "least": least,
        "greatest": greatest,
        "since": which.since,
        "until": which.until,
        "parent": None if which.parent is None else run_key(which.parent),
        "top": which.top,
    }
