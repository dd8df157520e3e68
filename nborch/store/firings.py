"""Firing in the run store: a nominal time becomes a run, once, whoever fires it."""

import json
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from nborch.exceptions import InvalidSchedule
from nborch.schedules.policies import Overlap
from nborch.states import StateType
from nborch.store.ledgers import Ledger
from nborch.store.queued import QueueTransaction
from nborch.store.rows import Row
from nborch.store.texts import run_id_of
from nborch.store.work_rows import (
    deployment_of,
    moment_of,
    outcome_values,
    schedule_of,
    seconds_of,
)
from nborch.work.claims import NewRun
from nborch.work.deployed import Deployment, Outcome, OutcomeKind, ScheduleRecord
from nborch.work.firing import Firing, admitted, following
from nborch.work.making import missed, outcome, run_of

__all__ = ["SQLiteFirings"]


_log = logging.getLogger("nborch.scheduler")
#: Earlier than any time.
_BEFORE_ALL = -1e18
_FAILED = frozenset({StateType.FAILED, StateType.CRASHED})


@dataclass(slots=True)
class _Batch:
    """What a transaction has to write when all is decided."""

    #: The times that have an outcome already.
    known: frozenset[tuple[str, float | None]] = frozenset()
    runs: list[NewRun] = field(default_factory=list)
    #: For each of the runs, its schedule, its time, and what is told of that.
    made: list[tuple[ScheduleRecord, datetime, OutcomeKind, str]] = field(
        default_factory=list
    )
    outcomes: list[Outcome] = field(default_factory=list)
    #: How schedules stand afterwards, as columns.
    advances: list[dict[str, Any]] = field(default_factory=list)


class SQLiteFirings:
    """Fire schedules that are kept in the file of a run store.

    Parameters
    ----------
    clock
        Returns the time in seconds since 1970.
    """

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = time.time) -> None:
        self._ledger = ledger
        self._sql = ledger.sql
        self._clock = clock
        #: Schedules that cannot be dealt with here.
        self._aside: set[str] = set()

    def due(
        self,
        now: datetime,
        most: int = 200,
        *,
        after: tuple[datetime, str] | None = None,
    ) -> list[tuple[ScheduleRecord, Deployment]]:
        """Return the schedules with a time that has come, the longest due first.

        Parameters
        ----------
        after
            When the last of those before was due, and its id.
        """
        at, id_ = (seconds_of(after[0]), after[1]) if after else (_BEFORE_ALL, "")
        with self._ledger.reading() as connection:
            values = {
                "now": seconds_of(now),
                "most": most,
                "aside": self._left_out(),
                "after": at,
                "after_id": id_,
            }
            rows = connection.execute(self._sql["due_schedules"], values).fetchall()
            return self._with_deployments(connection, rows)

    def due_count(self, now: datetime, most: int) -> int:
        """Return how many schedules have a time until then, or `most` if more have."""
        rows = self._ledger.rows("due_count", now=seconds_of(now), most=most)
        return int(rows[0]["number"])

    def firing(self) -> list[tuple[ScheduleRecord, Deployment]]:
        """Return all schedules that have a next time."""
        with self._ledger.reading() as connection:
            rows = connection.execute(self._sql["firing_schedules"]).fetchall()
            return self._with_deployments(connection, rows)

    def _with_deployments(
        self, connection: sqlite3.Connection, rows: Sequence[Row]
    ) -> list[tuple[ScheduleRecord, Deployment]]:
        ids = json.dumps(list({row["deployment"] for row in rows}))
        found = connection.execute(self._sql["deployments_by_ids"], {"ids": ids})
        by_id = {row["id"]: deployment_of(row) for row in found}
        told = []
        for row in rows:
            deployment = by_id[row["deployment"]]
            try:
                told.append((schedule_of(row, deployment.full_name), deployment))
            except InvalidSchedule as error:
                self.set_aside(row["id"], deployment, error)
        return told

    def set_aside(
        self, schedule_id: str, deployment: Deployment, error: Exception
    ) -> None:
        """Leave out a schedule that cannot be dealt with here, and tell of it once.

        It may be one of a newer nborch, or in a time zone that this machine has not;
        others are not to wait for it, and another scheduler may know it.
        """
        if schedule_id not in self._aside:
            self._aside.add(schedule_id)
            told = "A schedule of %r is not fired by this process: %s"
            _log.warning(told, deployment.full_name, error)

    def _left_out(self) -> str:
        return json.dumps(sorted(self._aside))

    def next_due(self) -> datetime | None:
        """Return when the next schedule is due; None if none ever is."""
        rows = self._ledger.rows("next_due_schedule", aside=self._left_out())
        return moment_of(rows[0]["due_at"]) if rows else None

    def correct(self, record: ScheduleRecord) -> bool:
        """Seek the next time of a schedule anew; tell whether it is another one.

        The rules of its time zone may have changed since it was sought.
        """
        next_at, due_at = following(
            record.id, record.declared, record.after, record.fired
        )
        if (next_at, due_at) == (record.next_at, record.due_at):
            return False
        with self._ledger.writing() as connection:
            values = {
                "id": record.id,
                "edition": record.edition,
                "next_at": seconds_of(next_at),
                "due_at": seconds_of(due_at),
            }
            return bool(connection.execute(self._sql["correct_time"], values).rowcount)

    def fire(self, firings: Sequence[Firing]) -> list[Outcome]:
        """Do what was planned, in one transaction; return what came of each time.

        One for a schedule that another scheduler has fired meanwhile is dropped, and
        one that was planned for what a schedule or its deployment is not any more.
        """
        with self._ledger.writing() as connection:
            queue = QueueTransaction(connection, self._sql, self._clock())
            ids = json.dumps([firing.record.id for firing in firings])
            editions = {
                id_: (edition, moment_of(updated))
                for id_, edition, updated in queue.execute(
                    self._sql["editions"], {"ids": ids}
                )
            }
            query = self._sql["unfinished_of_schedules"]
            unfinished = dict(map(tuple, queue.execute(query, {"ids": ids})))
            batch = _Batch(known=self._known(connection, ids, firings))
            for firing in firings:
                decided_for = firing.record.edition, firing.deployment.updated
                if editions.get(firing.record.id) == decided_for:
                    self._fire(
                        queue, firing, unfinished.get(firing.record.id, 0), batch
                    )
            return self._write(queue, batch)

    def _fire(
        self, queue: QueueTransaction, firing: Firing, unfinished: int, batch: _Batch
    ) -> None:
        """Decide about the times of one schedule, and let it stand after them."""
        record, policy = firing.record, firing.record.declared.policy
        batch.outcomes += missed(firing)
        why_paused = self._why_paused(queue, record) if firing.due else None
        fired, most = record.fired, policy.max_runs
        for nominal in firing.due:
            if most is not None and fired >= most:
                break
            if (record.id, seconds_of(nominal)) in batch.known:
                continue
            kind = admitted(policy.overlap, unfinished, of=len(firing.due))
            told = ""
            if why_paused is not None:
                kind, told = OutcomeKind.PAUSED, why_paused
            elif kind is OutcomeKind.SKIPPED:
                told = "overlap: the run before had not ended"
            if told:
                batch.outcomes.append(outcome(record, nominal, kind, told))
                continue
            if policy.overlap is Overlap.CANCEL_PREVIOUS and unfinished:
                told = self._cancel_previous(queue, record, nominal)
            waits = kind is OutcomeKind.QUEUED
            due = moment_of(queue.now)
            asked = run_of(firing.record, firing.deployment, nominal, due, serial=waits)
            batch.runs.append(asked)
            batch.made.append((record, nominal, kind, told))
            unfinished += 1
            fired += 1
        batch.advances.append(_advanced(firing, fired, why_paused))

    def _known(
        self, connection: sqlite3.Connection, ids: str, firings: Sequence[Firing]
    ) -> frozenset[tuple[str, float | None]]:
        """Return the times among those due that have an outcome already.

        The clock may have been set back.
        """
        due = {time for firing in firings for time in firing.due}
        if not due:
            return frozenset()
        query = self._sql["known_outcomes"]
        least, greatest = seconds_of(min(due)), seconds_of(max(due))
        values = {"ids": ids, "least": least, "greatest": greatest}
        return frozenset(map(tuple, connection.execute(query, values)))

    def _why_paused(
        self, queue: QueueTransaction, record: ScheduleRecord
    ) -> str | None:
        """Tell why a schedule is to rest, if too many runs in a row have failed."""
        most = record.declared.policy.pause_on_failure
        if most is None:
            return None
        since = seconds_of(record.counted_from)
        values = {"schedule": record.id, "since": since, "most": most}
        ends = queue.execute(self._sql["last_ends"], values).fetchall()
        failed = [end["state_type"] for end in ends if end["state_type"] in _FAILED]
        if len(failed) < most:
            return None
        return "a run failed" if most == 1 else f"{most} runs in a row failed"

    def _cancel_previous(
        self, queue: QueueTransaction, record: ScheduleRecord, nominal: datetime
    ) -> str:
        query, values = self._sql["unfinished_of_schedule"], {"schedule": record.id}
        for row in queue.execute(query, values).fetchall():
            told = f"The next time of its schedule came, {nominal.isoformat()}."
            queue.cancel(run_id_of(row["run"]), told)
        return "the run before was cancelled"

    def _write(self, queue: QueueTransaction, batch: _Batch) -> list[Outcome]:
        outcomes = [*batch.outcomes, *_made(queue, batch)]
        values = [{**outcome_values(each), "at": queue.now} for each in outcomes]
        queue.execute_each(self._sql["note_outcome"], values)
        queue.execute_each(self._sql["advance"], batch.advances)
        return outcomes

    def backfill(
        self,
        record: ScheduleRecord,
        deployment: Deployment,
        times: Sequence[datetime],
        *,
        side_by_side: bool = False,
    ) -> list[Outcome]:
        """Make runs for nominal times that had none; return what came of each time.

        The runs of the schedule itself go on beside them.

        Parameters
        ----------
        side_by_side
            Whether they need not wait for one another.
        """
        with self._ledger.writing() as connection:
            queue = QueueTransaction(connection, self._sql, self._clock())
            at = moment_of(queue.now)
            batch = _Batch()
            for nominal in times:
                if self._has_run(queue, record, nominal):
                    continue
                self._part(queue, record, nominal)
                serial = not side_by_side
                asked = run_of(record, deployment, nominal, at, serial=serial)
                # NB. Not the schedule's own, or its next time would be skipped.
                asked = replace(asked, schedule_id=f"{record.id}/backfill")
                batch.runs.append(asked)
                batch.made.append((record, nominal, OutcomeKind.BACKFILLED, ""))
            outcomes = _made(queue, batch)
            values = [{**outcome_values(each), "at": queue.now} for each in outcomes]
            queue.execute_each(self._sql["backfill_outcome"], values)
            return outcomes

    def _part(
        self, queue: QueueTransaction, record: ScheduleRecord, nominal: datetime
    ) -> None:
        """Part a missed time from those that it is told of together with."""
        following_one = record.declared.schedule.next(nominal)
        values = {
            "schedule": record.id,
            "nominal": seconds_of(nominal),
            "next": seconds_of(following_one),
        }
        queue.execute(self._sql["part_outcome"], values)

    def _has_run(
        self, queue: QueueTransaction, record: ScheduleRecord, nominal: datetime
    ) -> bool:
        values = {"schedule": record.id, "nominal": seconds_of(nominal)}
        row = queue.execute(self._sql["outcome"], values).fetchone()
        return row is not None and row["run"] is not None


def _made(queue: QueueTransaction, batch: _Batch) -> list[Outcome]:
    """Make the runs of a batch; return what is told of their times."""
    runs = queue.add(batch.runs) if batch.runs else []
    return [
        outcome(*told, run_id=run.id)
        for told, run in zip(batch.made, runs, strict=True)
    ]


def _advanced(firing: Firing, fired: int, why_paused: str | None) -> dict[str, Any]:
    """Return how a schedule stands after what was planned, as columns."""
    record, next_at, due_at = firing.record, firing.next_at, firing.due_at
    most = record.declared.policy.max_runs
    if why_paused is not None or (most is not None and fired >= most):
        next_at = due_at = None
    return {
        "id": record.id,
        "edition": record.edition,
        "after": seconds_of(firing.after),
        "next_at": seconds_of(next_at),
        "due_at": seconds_of(due_at),
        "fired": fired,
        "active": record.active and why_paused is None,
        "paused_because": why_paused,
    }
