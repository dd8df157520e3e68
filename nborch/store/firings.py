"""Firing in the run store: a nominal time becomes a run, once, whoever fires it."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from nborch.runs import Run
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
from nborch.work.firing import Plan, admitted, following

__all__ = ["SQLiteFirings"]

#: Missed times of a schedule that are told of one by one; more are told of together.
FEW = 100

_FAILED = frozenset({StateType.FAILED, StateType.CRASHED})


@dataclass(slots=True)
class _Batch:
    """What a transaction has to write when all is decided."""

    runs: list[NewRun] = field(default_factory=list)
    #: For each of the runs, what became of its time.
    kinds: list[tuple[OutcomeKind, str]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)


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

    def due(
        self, now: datetime, most: int = 200
    ) -> list[tuple[ScheduleRecord, Deployment]]:
        """Return the schedules with a time that has come, the longest due first."""
        with self._ledger.reading() as connection:
            values = {"now": seconds_of(now), "most": most}
            rows = connection.execute(self._sql["due_schedules"], values).fetchall()
            return self._with_deployments(connection, rows)

    def firing(self) -> list[tuple[ScheduleRecord, Deployment]]:
        """Return all schedules that have a next time."""
        with self._ledger.reading() as connection:
            rows = connection.execute(self._sql["firing_schedules"]).fetchall()
            return self._with_deployments(connection, rows)

    def _with_deployments(
        self, connection: sqlite3.Connection, rows: Iterable[Row]
    ) -> list[tuple[ScheduleRecord, Deployment]]:
        found = []
        for row in rows:
            query = self._sql["deployment_by_id"]
            told = connection.execute(query, {"id": row["deployment"]}).fetchone()
            if told is not None:
                deployment = deployment_of(told)
                found.append((schedule_of(row, deployment.full_name), deployment))
        return found

    def next_due(self) -> datetime | None:
        """Return when the next schedule is due; None if none ever is."""
        due_at = self._ledger.rows("next_due_schedule")[0]["due_at"]
        return None if due_at is None else moment_of(due_at)

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

    def fire(self, plans: Sequence[Plan]) -> list[Outcome]:
        """Do what was planned, in one transaction; return what came of each time.

        A plan for a schedule that another scheduler has fired meanwhile is dropped.
        """
        with self._ledger.writing() as connection:
            queue = QueueTransaction(connection, self._sql, self._clock())
            ids = json.dumps([plan.record.id for plan in plans])
            editions = dict(
                map(tuple, queue.execute(self._sql["editions"], {"ids": ids}))
            )
            query = self._sql["unfinished_of_schedules"]
            unfinished = dict(map(tuple, queue.execute(query, {"ids": ids})))
            batch = _Batch()
            for plan in plans:
                if editions.get(plan.record.id) == plan.record.edition:
                    self._fire(queue, plan, unfinished.get(plan.record.id, 0), batch)
            return self._write(queue, batch)

    def _fire(
        self, queue: QueueTransaction, plan: Plan, unfinished: int, batch: _Batch
    ) -> None:
        """Decide about the times of one schedule, and let it stand after them."""
        record, policy = plan.record, plan.record.declared.policy
        batch.outcomes += _missed(plan)
        why_paused = self._why_paused(queue, record) if plan.due else None
        fired, most = record.fired, policy.max_runs
        for nominal in plan.due:
            if most is not None and fired >= most:
                break
            if self._has_outcome(queue, record, nominal):
                continue
            kind = admitted(policy.overlap, unfinished, of=len(plan.due))
            told = ""
            if why_paused is not None:
                kind, told = OutcomeKind.PAUSED, why_paused
            elif kind is OutcomeKind.SKIPPED:
                told = "overlap: the run before had not ended"
            if told:
                batch.outcomes.append(_outcome(record, nominal, kind, told))
                continue
            if policy.overlap is Overlap.CANCEL_PREVIOUS and unfinished:
                told = self._cancel_previous(queue, record, nominal)
            asked = _new_run(record, plan.deployment, nominal, moment_of(queue.now))
            waits = kind is OutcomeKind.QUEUED
            batch.runs.append(replace(asked, serial=waits))
            batch.kinds.append((kind, told))
            unfinished += 1
            fired += 1
        self._advance(queue, plan, fired, why_paused)

    def _has_outcome(
        self, queue: QueueTransaction, record: ScheduleRecord, nominal: datetime
    ) -> bool:
        """Tell whether a time has been dealt with: the clock may have been set back."""
        values = {"schedule": record.id, "nominal": seconds_of(nominal)}
        return queue.execute(self._sql["outcome"], values).fetchone() is not None

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

    def _advance(
        self, queue: QueueTransaction, plan: Plan, fired: int, why_paused: str | None
    ) -> None:
        record = plan.record
        next_at, due_at = plan.next_at, plan.due_at
        most = record.declared.policy.max_runs
        if why_paused is not None or (most is not None and fired >= most):
            next_at = due_at = None
        queue.execute(
            self._sql["advance"],
            {
                "id": record.id,
                "edition": record.edition,
                "after": seconds_of(plan.after),
                "next_at": seconds_of(next_at),
                "due_at": seconds_of(due_at),
                "fired": fired,
                "active": record.active and why_paused is None,
                "paused_because": why_paused,
            },
        )

    def _write(self, queue: QueueTransaction, batch: _Batch) -> list[Outcome]:
        runs = queue.add(batch.runs) if batch.runs else []
        told = zip(batch.runs, runs, batch.kinds, strict=True)
        outcomes = [*batch.outcomes, *(_of_run(*each) for each in told)]
        at = moment_of(queue.now)
        for outcome in outcomes:
            values = outcome_values(replace(outcome, at=at))
            queue.execute(self._sql["note_outcome"], values)
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
                asked = _new_run(record, deployment, nominal, at)
                # NB. Not the schedule's own, or its next time would be skipped.
                batch.runs.append(
                    replace(
                        asked,
                        schedule_id=f"{record.id}/backfill",
                        serial=not side_by_side,
                    )
                )
                batch.kinds.append((OutcomeKind.BACKFILLED, ""))
            runs = queue.add(batch.runs) if batch.runs else []
            told = zip(batch.runs, runs, batch.kinds, strict=True)
            outcomes = [
                replace(_of_run(*each), schedule_id=record.id, at=at) for each in told
            ]
            for outcome in outcomes:
                values = outcome_values(outcome)
                queue.execute(self._sql["backfill_outcome"], values)
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


def _missed(plan: Plan) -> list[Outcome]:
    """Return what is told of the times that were missed."""
    missed, record = plan.missed, plan.record
    if not missed:
        return []
    many = missed[: max(0, len(missed) - FEW)]
    outcomes = [_outcome(record, each, OutcomeKind.MISSED) for each in missed]
    if not many:
        return outcomes
    together = replace(outcomes[0], last=many[-1], count=len(many))
    return [together, *outcomes[len(many) :]]


def _outcome(
    record: ScheduleRecord, nominal: datetime, kind: OutcomeKind, told: str = ""
) -> Outcome:
    return Outcome(
        schedule_id=record.id, nominal=nominal, last=nominal, kind=kind, told=told
    )


def _of_run(asked: NewRun, run: Run, kind: tuple[OutcomeKind, str]) -> Outcome:
    """Return what came of a time for which a run was made."""
    what, told = kind
    if asked.schedule_id is None or asked.nominal is None:
        raise AssertionError  # all runs that are made here are of a schedule
    return Outcome(
        schedule_id=asked.schedule_id,
        nominal=asked.nominal,
        last=asked.nominal,
        kind=what,
        run_id=run.id,
        told=told,
    )


def _new_run(
    record: ScheduleRecord, deployment: Deployment, nominal: datetime, due: datetime
) -> NewRun:
    declared = record.declared
    return NewRun(
        deployment=deployment,
        parameters={**deployment.parameters, **declared.parameters},
        due=due,
        schedule_id=record.id,
        nominal=nominal,
    )
