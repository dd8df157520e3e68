"""The queue in the run store: runs wait in it, and workers claim them from it."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from nborch.runs import RunRecord
from nborch.states import State
from nborch.store.ledgers import Ledger
from nborch.store.queued import QueueTransaction
from nborch.store.rows import record_of
from nborch.store.texts import run_id_of, run_key
from nborch.store.work_rows import moment_of, queued_of, rounded
from nborch.work.claims import ClaimedRun, HeldRun, NewRun, QueuedRun, Reaped
from nborch.work.deployed import Deployment

__all__ = ["SQLiteQueue"]


class SQLiteQueue:
    """Keep the runs that wait, in the file of a run store.

    Parameters
    ----------
    clock
        Returns the time in seconds since 1970.
    """

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = time.time) -> None:
        self._ledger = ledger
        self._sql = ledger.sql
        self._clock = clock

    def enqueue(  # noqa: PLR0913  # each is a fact of the run
        self,
        deployment: Deployment,
        *,
        parameters: Mapping[str, Any] | None = None,
        due_at: datetime | None = None,
        priority: int = 0,
        idempotency_key: str | None = None,
        name: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> RunRecord:
        """Make a run of a deployment that waits for a worker; return it.

        Parameters
        ----------
        parameters
            They take the place of those of the deployment.
        due_at
            When it may start; at once if not given.
        priority
            A run with a greater one is claimed before others. That of the deployment
            if zero.
        idempotency_key
            If the deployment has a run by this key already, that one is returned.
        details
            Further facts of the run, as JSON values.
        """
        with self._transaction() as queue:
            if idempotency_key is not None:
                known = self._by_key(queue, deployment.id, idempotency_key)
                if known is not None:
                    return known
            asked = NewRun(
                deployment=deployment,
                parameters={**deployment.parameters, **(parameters or {})},
                due=due_at or moment_of(queue.now),
                priority=priority,
                name=name,
                idempotency_key=idempotency_key,
                details=details or {},
            )
            (run,) = queue.add([asked])
            return self._record(queue, run_key(run.id))

    def _by_key(
        self, queue: QueueTransaction, deployment_id: str, key: str
    ) -> RunRecord | None:
        values = {"deployment": deployment_id, "key": key}
        row = queue.execute(self._sql["queued_by_key"], values).fetchone()
        return None if row is None else self._record(queue, row["run"])

    def _record(self, queue: QueueTransaction, key: bytes | bytearray) -> RunRecord:
        row = queue.execute(self._sql["run_by_id"], {"key": key}).fetchone()
        return record_of(row)

    def claim(
        self, lanes: Sequence[str], worker_id: str, most: int = 1
    ) -> list[ClaimedRun]:
        """Take runs that are due to the worker; return them.

        Those with the greatest priority are first, then those that are due the
        longest. Limits and pauses of pools and deployments are kept. Who finds
        nothing has disturbed nobody.
        """
        claimed: list[ClaimedRun] = []
        for lane in lanes:
            while (left := most - len(claimed)) > 0:
                values = {"lane": lane, "now": rounded(self._clock())}
                if not self._ledger.rows("claimable", **values):
                    break
                found = self._claim(lane, worker_id, left)
                if not found:
                    break
                claimed += found
        return claimed

    def _claim(self, lane: str, worker_id: str, most: int) -> list[ClaimedRun]:
        with self._transaction() as queue:
            values: dict[str, Any] = {
                "lane": lane,
                "now": queue.now,
                "worker": worker_id,
                "most": most,
            }
            free = queue.execute(self._sql["free_slots"], values).fetchone()["free"]
            if free <= 0 or not self._is_online(queue, worker_id):
                return []
            values["most"] = min(most, free)
            rows = queue.execute(self._sql["claim"], values).fetchall()
            rows.sort(key=lambda row: (-row["priority"], row["due"], row["run"]))
            return queue.claimed(rows, worker_id)

    def _is_online(self, queue: QueueTransaction, worker_id: str) -> bool:
        """Tell whether a worker counts as alive: what others hold is taken away."""
        query = self._sql["is_online"]
        return queue.execute(query, {"id": worker_id}).fetchone() is not None

    def next_due(self, lanes: Sequence[str]) -> datetime | None:
        """Return when the first of the waiting runs may start; None if none waits."""
        found = (self._ledger.rows("next_due_run", lane=lane)[0] for lane in lanes)
        due = [row["due"] for row in found if row["due"] is not None]
        return moment_of(min(due)) if due else None

    def held_by(self, worker_id: str) -> list[HeldRun]:
        """Return the runs that a worker holds still, and which are to be cancelled.

        A run that it thought to hold and that is not among them was given to somebody
        else or is over: its process is to be ended.
        """
        return [
            HeldRun(
                run_id_of(row["run"]), row["attempt"], bool(row["cancel_requested"])
            )
            for row in self._ledger.rows("held_by", worker=worker_id)
        ]

    def release(
        self, run_id: str, attempt: int, why: str = "Its worker was stopped."
    ) -> bool:
        """Let a run wait again, from its start; tell whether this attempt held it."""
        with self._transaction() as queue:
            return queue.release(run_id, attempt, why)

    def crash(self, run_id: str, attempt: int, why: str) -> Reaped | None:
        """Tell that the process of a run died; return what becomes of the run.

        It waits to be tried again, unless that has happened too often. None is returned
        if the run has ended, or this attempt did not hold it any more.
        """
        with self._transaction() as queue:
            row = queue.row(run_id)
            if row["status"] != "held" or row["attempt"] != attempt:
                return None
            return queue.died(row, why)

    def finish(self, run_id: str, attempt: int, state: State) -> bool:
        """End a run that has not reported its end itself; tell whether that counts."""
        with self._transaction() as queue:
            return queue.finish(run_id, attempt, state)

    def request_cancel(self, run_id: str, why: str = "Somebody cancelled it.") -> str:
        """Cancel a run that waits, or ask its worker to; return where it stands.

        Returns
        -------
        str
            ``cancelled``, ``cancelling``, or ``over`` if it had ended before.

        Raises
        ------
        NotFound
            The run was not made by a deployment.
        """
        with self._transaction() as queue:
            return queue.cancel(run_id, why)

    def standing(self, run_id: str) -> QueuedRun:
        """Return where a run stands in the queue.

        Raises
        ------
        NotFound
            The run was not made by a deployment.
        """
        with self._ledger.reading() as connection:
            queue = QueueTransaction(connection, self._sql, self._clock())
            return queued_of(queue.row(run_id))

    def unfinished(
        self,
        *,
        lane: str | None = None,
        deployment_id: str | None = None,
        most: int = 1_000,
    ) -> list[QueuedRun]:
        """Return the runs that are held or wait, in the order they will be claimed."""
        rows = self._ledger.rows(
            "queued_runs", lane=lane, deployment=deployment_id, most=most
        )
        return [queued_of(row) for row in rows]

    def version(self) -> int:
        """Return a number that changes when anybody has written to the file."""
        return self._ledger.version()

    @contextmanager
    def _transaction(self) -> Iterator[QueueTransaction]:
        with self._ledger.writing() as connection:
            # NB. Read when the turn has come: nobody after us is before us.
            yield QueueTransaction(connection, self._sql, self._clock())
