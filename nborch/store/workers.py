"""Workers in the run store: who is there, and what the dead have left behind."""

import json
import os
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from nborch.exceptions import NotFound
from nborch.store.ledgers import Ledger
from nborch.store.queued import QueueTransaction
from nborch.store.rows import Row
from nborch.store.terms import Term, Terms
from nborch.store.work_rows import worker_of
from nborch.work.claims import Reaped
from nborch.work.places import Worker

__all__ = ["SQLiteWorkers"]

#: Seconds for which a worker that is no more is remembered.
MEMORY = 7 * 86_400.0


class SQLiteWorkers:
    """Keep workers in the file of a run store, each for as long as it is heard of.

    Parameters
    ----------
    terms
        How long a worker need not be heard of.
    process
        Returns the name of this process.
    """

    def __init__(
        self, ledger: Ledger, process: Callable[[], str], terms: Terms | None = None
    ) -> None:
        self._ledger = ledger
        self._sql = ledger.sql
        self._process = process
        self.terms = terms or Terms()

    def register(
        self, name: str, lanes: Sequence[str], *, limit: int | None = None
    ) -> Worker:
        """Return a new worker in this process, which is heard of from now on.

        Parameters
        ----------
        lanes
            Where it takes runs from.
        limit
            How many it has at once; told to those who ask.
        """
        process = self._process()
        worker_id = f"{process}/{os.urandom(4).hex()}"
        now = self.terms.wall()
        with self._ledger.writing() as connection:
            values: dict[str, Any] = {
                **self.terms.grant()._asdict(),
                "id": worker_id,
                "name": name,
                "process": process,
                "lanes": json.dumps(list(lanes)),
                "slots": limit,
                "now": now,
            }
            connection.execute(self._sql["register_worker"], values)
            forget = {"before": now - MEMORY}
            connection.execute(self._sql["forget_workers"], forget)
        return self.get(worker_id)

    def renew(self, worker_id: str) -> bool:
        """Be heard of; False if it is too late: its runs have been given to others.

        Call it every third of `terms.seconds`.
        """
        with self._ledger.writing() as connection:
            values = {
                **self.terms.grant()._asdict(),
                "id": worker_id,
                "now": self.terms.wall(),
            }
            return bool(connection.execute(self._sql["renew_worker"], values).rowcount)

    def leave(self, worker_id: str) -> None:
        """End well. Runs that it still holds are dealt with as if it had died."""
        with self._ledger.writing() as connection:
            values = {"id": worker_id, "status": "left", "ends": None}
            connection.execute(self._sql["end_worker"], values)

    def get(self, worker_id: str) -> Worker:
        """Return the worker.

        Raises
        ------
        NotFound
            There is none by this id.
        """
        rows = self._ledger.rows("workers", id=worker_id, most=1)
        if not rows:
            raise NotFound(
                f"No worker has the id {worker_id!r}. List them with: nborch worker ls"
            )
        return worker_of(rows[0])

    def reap(self, is_alive: Callable[[str], bool]) -> list[Reaped]:
        """Take their runs from workers that are dead; return what became of those.

        Of two that reap at once, one does it.

        Parameters
        ----------
        is_alive
            Tells whether the process of this name is; see `nborch.leasing.is_alive`.
        """
        reaped: list[Reaped] = []
        for row in self._ledger.rows("online_workers"):
            why = self._why_gone(row, is_alive)
            if why is not None:
                reaped += self._bury(row, why)
        for row in self._ledger.rows("held_by_nobody"):
            with self._ledger.writing() as connection:
                why = "Its worker had left it."
                reaped += self._take_from(connection, row["worker"], why)
        return reaped

    def _why_gone(self, row: Row, is_alive: Callable[[str], bool]) -> str | None:
        process = row["process"]
        if not is_alive(process):
            return f"Its worker (pid {process.split(':')[1]}) died."
        if self.terms.is_over(Term(row["boot"], row["ends"], row["ends_at"])):
            seconds = self.terms.seconds
            return f"Its worker was not heard of for {seconds:g} seconds."
        return None

    def _bury(self, row: Row, why: str) -> list[Reaped]:
        """Note that a worker is lost, unless it was heard of meanwhile."""
        with self._ledger.writing() as connection:
            values = {"id": row["id"], "status": "lost", "ends": row["ends"]}
            if not connection.execute(self._sql["end_worker"], values).rowcount:
                return []
            return self._take_from(connection, row["id"], why)

    def _take_from(
        self, connection: sqlite3.Connection, worker_id: str, why: str
    ) -> list[Reaped]:
        queue = QueueTransaction(connection, self._sql, self.terms.wall())
        values = {"worker": worker_id}
        rows = queue.execute(self._sql["held_rows_of"], values).fetchall()
        return [queue.died(row, why) for row in rows]

    def list(self, most: int = 100) -> list[Worker]:
        """Return the workers, those who began last first."""
        return [
            worker_of(row) for row in self._ledger.rows("workers", id=None, most=most)
        ]
