"""Deployments and their schedules in the run store."""

import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from nborch.exceptions import InvalidDeclaration, NotFound, did_you_mean
from nborch.runs import new_id
from nborch.store.ledgers import Ledger
from nborch.store.queued import QueueTransaction
from nborch.store.rows import Row
from nborch.store.texts import run_id_of
from nborch.store.work_rows import (
    deployment_of,
    deployment_values,
    moment_of,
    outcome_of,
    schedule_id,
    schedule_of,
    schedule_values,
    seconds_of,
)
from nborch.work.deployed import Deployment, DeploymentSchedule, Outcome, ScheduleRecord
from nborch.work.firing import following

__all__ = ["SQLiteDeployments"]


class SQLiteDeployments:
    """Keep deployments in the file of a run store.

    Parameters
    ----------
    clock
        Returns the time in seconds since 1970.
    """

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = time.time) -> None:
        self._ledger = ledger
        self._sql = ledger.sql
        self._clock = clock

    def put(self, deployment: Deployment) -> Deployment:
        """Create the deployment or change the one that is called the same; return it.

        A schedule whose times stay the same goes on as it was. What somebody has
        paused stays paused.

        Raises
        ------
        NotFound
            There is no such work pool.
        """
        if "/" in deployment.name or not deployment.name:
            raise InvalidDeclaration(
                f"A deployment cannot be called {deployment.name!r}. Give it a name "
                "without a slash, such as 'nightly'."
            )
        now = self._clock()
        with self._ledger.writing() as connection:
            self._require_pool(connection, deployment)
            values = {"flow_name": deployment.flow_name, "name": deployment.name}
            query = self._sql["deployment_by_name"]
            before = connection.execute(query, values).fetchone()
            deployment = replace(
                deployment,
                id=before["id"] if before else new_id(now),
                paused=deployment.paused or bool(before and before["paused"]),
            )
            values = deployment_values(deployment)
            if before is None or any(before[name] != values[name] for name in values):
                connection.execute(self._sql["put_deployment"], {**values, "now": now})
                if before and before["lane"] != deployment.lane:
                    moved = {"id": deployment.id, "lane": deployment.lane}
                    connection.execute(self._sql["move_waiting"], moved)
            self._put_schedules(connection, deployment, now)
        return self.get(deployment.id)

    def _require_pool(
        self, connection: sqlite3.Connection, deployment: Deployment
    ) -> None:
        pool = deployment.work_pool
        if pool is None:
            return
        names = [
            row["name"]
            for row in connection.execute(self._sql["pools"], {"name": None})
        ]
        if pool not in names:
            raise NotFound(
                f"No work pool is called {pool!r}.{did_you_mean(pool, names)} "
                f"Create it with: nborch work-pool create --type process {pool}"
            )

    def _put_schedules(
        self, connection: sqlite3.Connection, deployment: Deployment, now: float
    ) -> None:
        known = {row["id"]: row for row in self._schedule_rows(connection, deployment)}
        specs: dict[str, int] = {}
        for place, declared in enumerate(deployment.schedules):
            values = schedule_values(declared)
            spec = values["spec"]
            specs[spec] = specs.get(spec, 0) + 1
            id_ = schedule_id(deployment.id, spec, specs[spec])
            values |= {"id": id_, "deployment": deployment.id, "place": place}
            seeded = declared.schedule.seeded(deployment.full_name)
            own = replace(declared, schedule=seeded)
            row = known.pop(id_, None)
            if row is None:
                values |= self._times(id_, deployment, own, moment_of(now), 0)
                connection.execute(self._sql["put_schedule"], values)
            else:
                self._keep_schedule(connection, deployment, row, own, values)
        for id_ in known:
            connection.execute(self._sql["delete_schedule"], {"id": id_})

    def _keep_schedule(
        self,
        connection: sqlite3.Connection,
        deployment: Deployment,
        row: Row,
        declared: DeploymentSchedule,
        values: dict[str, Any],
    ) -> None:
        """Let a schedule go on with what is said of it now."""
        values["active"] = values["active"] and bool(row["active"])
        same = ("place", "policy", "parameters", "active")
        must_rest = deployment.paused and row["due_at"] is not None
        if all(row[name] == values[name] for name in same) and not must_rest:
            return
        record = schedule_of(row, deployment.full_name)
        declared = replace(declared, active=values["active"])
        record = replace(record, declared=declared)
        self._change(connection, deployment, record, place=values["place"])

    def _change(
        self,
        connection: sqlite3.Connection,
        deployment: Deployment,
        record: ScheduleRecord,
        *,
        place: int,
    ) -> None:
        connection.execute(
            self._sql["change_schedule"],
            {
                **schedule_values(record.declared),
                "id": record.id,
                "place": place,
                "paused_because": record.paused_because,
                "counted_from": seconds_of(record.counted_from),
                **self._times(
                    record.id, deployment, record.declared, record.after, record.fired
                ),
            },
        )

    @staticmethod
    def _times(
        id_: str,
        deployment: Deployment,
        declared: DeploymentSchedule,
        after: datetime,
        fired: int,
    ) -> dict[str, float | None]:
        next_at, due_at = following(id_, declared, after, fired)
        if deployment.paused:
            next_at = due_at = None
        return {
            "after": seconds_of(after),
            "next_at": seconds_of(next_at),
            "due_at": seconds_of(due_at),
        }

    def get(self, reference: str) -> Deployment:
        """Return the deployment with this id, full name, or name if only one has it.

        Raises
        ------
        NotFound
            No deployment is called that, or several are.
        """
        rows = self._ledger.rows("deployments_called", reference=reference)
        if len(rows) == 1:
            return self._with_schedules(rows[0])
        names = [deployment_of(row).full_name for row in rows]
        if names:
            raise NotFound(
                f"Several deployments are called {reference!r}: {', '.join(names)}. "
                "Give the name of the flow as well."
            )
        known = [deployment_of(row) for row in self._ledger.rows("deployments")]
        names = [name for each in known for name in (each.full_name, each.name)]
        raise NotFound(
            f"No deployment is called {reference!r}.{did_you_mean(reference, names)} "
            "List them with: nborch deployment ls"
        )

    def _with_schedules(self, row: Row) -> Deployment:
        deployment = deployment_of(row)
        rows = self._ledger.rows("schedules_of", deployment=deployment.id)
        declared = tuple(schedule_of(row).declared for row in rows)
        return replace(deployment, schedules=declared)

    def schedules(self, deployment: Deployment) -> list[ScheduleRecord]:
        """Return the schedules of a deployment, as they stand."""
        rows = self._ledger.rows("schedules_of", deployment=deployment.id)
        return [schedule_of(row, deployment.full_name) for row in rows]

    def outcomes(self, schedule_id: str, most: int = 100) -> list[Outcome]:
        """Return what came of the nominal times of a schedule, the latest first."""
        rows = self._ledger.rows("outcomes", schedule=schedule_id, most=most)
        return [outcome_of(row) for row in rows]

    def pause(self, reference: str) -> Deployment:
        """Let the schedules of a deployment rest; return it."""
        return self._set_paused(self.get(reference), paused=True)

    def resume(self, reference: str) -> Deployment:
        """Let the schedules of a deployment go on from now; return it.

        Schedules of it that were paused because runs had failed go on as well.
        """
        return self._set_paused(self.get(reference), paused=False)

    def _set_paused(self, deployment: Deployment, *, paused: bool) -> Deployment:
        now = self._clock()
        rested, deployment = deployment.paused, replace(deployment, paused=paused)
        with self._ledger.writing() as connection:
            values = {"id": deployment.id, "paused": paused, "now": now}
            connection.execute(self._sql["set_paused"], values)
            for row in self._schedule_rows(connection, deployment):
                record = schedule_of(row, deployment.full_name)
                if not paused and (rested or record.paused_because is not None):
                    record = _awake(record, now, only_if_failed=True)
                self._change(connection, deployment, record, place=row["place"])
        return self.get(deployment.id)

    def set_active(self, schedule_id: str, *, active: bool) -> ScheduleRecord:
        """Switch one schedule on, from now, or off; return it.

        Raises
        ------
        NotFound
            There is no such schedule.
        """
        with self._ledger.writing() as connection:
            row = connection.execute(
                self._sql["schedule"], {"id": schedule_id}
            ).fetchone()
            if row is None:
                raise NotFound(
                    f"No schedule has the id {schedule_id!r}. See its deployment with: "
                    "nborch deployment inspect NAME"
                )
            query = self._sql["deployment_by_id"]
            found = connection.execute(query, {"id": row["deployment"]}).fetchone()
            deployment = deployment_of(found)
            record = schedule_of(row, deployment.full_name)
            if active:
                record = _awake(record, self._clock())
            else:
                declared = replace(record.declared, active=False)
                record = replace(record, declared=declared)
            self._change(connection, deployment, record, place=row["place"])
        (told,) = [e for e in self.schedules(deployment) if e.id == schedule_id]
        return told

    def delete(self, reference: str) -> Deployment:
        """Remove a deployment; return it.

        Its runs that wait are cancelled, and those that go on are not tried again.
        """
        deployment = self.get(reference)
        with self._ledger.writing() as connection:
            queue = QueueTransaction(connection, self._sql, self._clock())
            values = {"deployment": deployment.id}
            query = self._sql["waiting_of_deployment"]
            for row in connection.execute(query, values).fetchall():
                queue.cancel(run_id_of(row["run"]), "Its deployment was deleted.")
            for row in self._schedule_rows(connection, deployment):
                connection.execute(self._sql["delete_schedule"], {"id": row["id"]})
                connection.execute(self._sql["delete_outcomes"], {"id": row["id"]})
            connection.execute(self._sql["delete_deployment"], {"id": deployment.id})
        return deployment

    def _schedule_rows(
        self, connection: sqlite3.Connection, deployment: Deployment
    ) -> list[Row]:
        values = {"deployment": deployment.id}
        return connection.execute(self._sql["schedules_of"], values).fetchall()

    def list(self) -> list[Deployment]:
        """Return all deployments by name."""
        return [self._with_schedules(row) for row in self._ledger.rows("deployments")]


def _awake(
    record: ScheduleRecord, now: float, *, only_if_failed: bool = False
) -> ScheduleRecord:
    """Return a schedule that goes on from now, and counts its failures anew."""
    active = record.active or not only_if_failed or record.paused_because is not None
    return replace(
        record,
        declared=replace(record.declared, active=active),
        after=moment_of(now),
        counted_from=moment_of(now),
        paused_because=None,
    )
