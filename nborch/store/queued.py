"""One transaction on the queue: runs join it, are handed back, and leave it."""

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from nborch.events import Event, run_created, state_entered
from nborch.exceptions import NotFound
from nborch.runs import Run, RunKind, flow_run_name, new_id
from nborch.states import (
    AwaitingRetry,
    Cancelled,
    Cancelling,
    Crashed,
    Scheduled,
    State,
    Submitting,
)
from nborch.store.groups import EventGroup
from nborch.store.rows import Row, record_of
from nborch.store.texts import run_id_of, run_key
from nborch.store.work_rows import deployment_of, moment_of, rounded, seconds_of
from nborch.work.claims import QUEUE, ClaimedRun, NewRun, Reaped

__all__ = ["QueueTransaction"]

#: Seconds that a run whose process died waits, for each time that it has died.
PAUSE_AFTER_CRASH = 1.0


class QueueTransaction:
    """Change the queue and the states of its runs, both or neither.

    Parameters
    ----------
    now
        Seconds since 1970.
    """

    def __init__(
        self, connection: sqlite3.Connection, sql: Mapping[str, str], now: float
    ) -> None:
        # NB. Rounded as all times are in a datetime: what is due now is due now.
        self.now = rounded(now)
        self.execute = connection.execute
        self.execute_each = connection.executemany
        self._connection = connection
        self._sql = sql

    def add(self, new: Sequence[NewRun]) -> list[Run]:
        """Make the runs, in state Scheduled; return them."""
        # NB. Thousands of schedules may be due at the same time.
        now = moment_of(self.now)
        runs = [self._run(each, now) for each in new]
        states = {due: Scheduled(due).stamped(now) for due in {e.due for e in new}}
        events: list[Event] = []
        for run, asked in zip(runs, new, strict=True):
            events += [run_created(run), state_entered(run.id, states[asked.due], 0)]
        self._append(events)
        self.execute_each(
            self._sql["put_queued"],
            [_queued(*each) for each in zip(runs, new, strict=True)],
        )
        return runs

    def _run(self, asked: NewRun, now: datetime) -> Run:
        deployment = asked.deployment
        details: dict[str, Any] = {
            **asked.details,
            "parameters": dict(asked.parameters),
            "deployment": {"id": deployment.id, "name": deployment.full_name},
        }
        if deployment.version is not None:
            details["deployment"]["version"] = deployment.version
        if asked.nominal is not None:
            id_ = (asked.schedule_id or "").partition("/")[0]
            details["schedule"] = {"id": id_, "nominal": seconds_of(asked.nominal)}
        if asked.idempotency_key is not None:
            details["idempotency_key"] = asked.idempotency_key
        tags = deployment.tags.union(asked.details.get("tags", ()))
        if tags:
            details["tags"] = sorted(tags)
        return Run(
            new_id(self.now),
            RunKind.FLOW,
            deployment.flow_name,
            asked.name or flow_run_name(),
            now,
            QUEUE,
            None,
            details,
        )

    def claimed(self, rows: Sequence[Row], worker_id: str) -> list[ClaimedRun]:
        """Let runs that were claimed enter Submitting; return them."""
        state = Submitting().stamped(moment_of(self.now))
        events = [
            state_entered(run_id_of(row["run"]), state, row["attempt"]) for row in rows
        ]
        self._append(events)
        return [self._claimed(row, worker_id) for row in rows]

    def _claimed(self, row: Row, worker_id: str) -> ClaimedRun:
        execute, sql = self.execute, self._sql
        run = execute(sql["run_by_id"], {"key": row["run"]}).fetchone()
        found = execute(sql["deployment_by_id"], {"id": row["deployment"]}).fetchone()
        return ClaimedRun(
            record=record_of(run),
            deployment=deployment_of(found),
            attempt=row["attempt"],
            worker_id=worker_id,
            due=moment_of(row["due"]),
            crashes=row["crashes"],
        )

    def cancel(self, run_id: str, why: str) -> str:
        """Cancel a run that waits, or ask for it if it is held; return where it stands.

        That is ``cancelled``, ``cancelling``, or ``over`` if it had ended before.
        """
        row = self.row(run_id)
        if row["status"] == "over":
            return "over"
        if row["status"] == "waiting":
            self._end(row, Cancelled(message=why), worker_stays=False)
            return "cancelled"
        self.execute(self._sql["ask_to_cancel"], {"run": row["run"]})
        self._enter(row, Cancelling(message=why))
        return "cancelling"

    def finish(self, run_id: str, attempt: int, state: State) -> bool:
        """End a run that this attempt holds; tell whether it was not over before."""
        row = self.row(run_id)
        if row["status"] != "held" or row["attempt"] != attempt:
            return False
        self._end(row, state, worker_stays=True)
        return True

    def release(self, run_id: str, attempt: int, why: str) -> bool:
        """Let a run wait again that this attempt holds; tell whether it does."""
        row = self.row(run_id)
        if row["status"] != "held" or row["attempt"] != attempt:
            return False
        if row["cancel_requested"]:
            self._end(row, Cancelled(message=why), worker_stays=False)
        else:
            self._hand_back(row, why, self.now, row["crashes"])
        return True

    def died(self, row: Row, why: str) -> Reaped:
        """Do what is to be done about a run whose worker or process is dead."""
        run_id = run_id_of(row["run"])
        if row["cancel_requested"]:
            self._end(row, Cancelled(message=why), worker_stays=False)
            return Reaped(run_id, "cancelled", why)
        crashes = row["crashes"] + 1
        values = {"id": row["deployment"]}
        deployment = self.execute(self._sql["deployment_by_id"], values).fetchone()
        if deployment is None or crashes >= deployment["max_crashes"]:
            told = why if crashes == 1 else f"{why} It was the {_nth(crashes)} time."
            self._end(row, Crashed(message=told), worker_stays=False)
            return Reaped(run_id, "crashed", told)
        due = self.now + PAUSE_AFTER_CRASH * (crashes - 1)
        self._hand_back(row, why, due, crashes)
        return Reaped(run_id, "waiting", why)

    def row(self, run_id: str) -> Row:
        """Return where a run stands in the queue.

        Raises
        ------
        NotFound
            It was not made by a deployment.
        """
        query = self._sql["queued_run"]
        row: Row | None = self.execute(query, {"run": run_key(run_id)}).fetchone()
        if row is None:
            raise NotFound(
                f"The run {run_id!r} is not one of a deployment: no worker runs it. "
                "List the runs of deployments with: nborch flow-run ls"
            )
        return row

    def _hand_back(self, row: Row, why: str, due: float, crashes: int) -> None:
        self.execute(
            self._sql["hand_back"],
            {
                "run": row["run"],
                "attempt": row["attempt"],
                "due": due,
                "crashes": crashes,
            },
        )
        self._enter(row, AwaitingRetry(moment_of(due), message=why))

    def _end(self, row: Row, state: State, *, worker_stays: bool) -> None:
        values = {"run": row["run"], "worker_stays": worker_stays}
        self.execute(self._sql["leave_queue"], values)
        if not self._enter(row, state):
            # It may not follow where the run stands, and no other end is known.
            self._enter(row, Crashed(message=state.message))

    def _enter(self, row: Row, state: State) -> bool:
        """Let the run of a row enter a state; tell whether it may."""
        query = self._sql["run_by_id"]
        run = self.execute(query, {"key": row["run"]}).fetchone()
        entered = state.stamped(moment_of(self.now))
        # Its own attempts may have gone on counting from the one it was claimed with.
        attempt = max(run["attempt"], row["attempt"])
        event = state_entered(run_id_of(row["run"]), entered, attempt)
        return bool(self._append([event]))

    def _append(self, events: Sequence[Event]) -> int:
        group = EventGroup(self._connection, self._sql, events)
        group.write()
        return group.accepted


def _queued(run: Run, asked: NewRun) -> dict[str, Any]:
    deployment = asked.deployment
    return {
        "run": run_key(run.id),
        "deployment": deployment.id,
        "lane": deployment.lane,
        "priority": asked.priority or deployment.priority,
        "due": seconds_of(asked.due),
        "schedule": asked.schedule_id,
        "nominal": seconds_of(asked.nominal),
        "serial": asked.serial,
        "idempotency_key": asked.idempotency_key,
    }


def _nth(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")
