"""Signs of change: what tells, at little cost, that something has been written."""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from nborch.events import Event
from nborch.runs import RunRecord
from nborch.store.connections import Connection
from nborch.store.queries import in_few_statements, load_queries
from nborch.store.rows import record_of
from nborch.store.sqlite import SQLiteStore, fault_of
from nborch.store.texts import run_id_of, run_key

__all__ = ["Kin", "SQLiteSigns"]

_TABLES = {
    "deployments": ("sign_deployments", "sign_schedules"),
    "pools": ("sign_pools", "sign_workers", "sign_waiting", "sign_held"),
    "limits": ("sign_limits", "sign_leases"),
}


class Kin(NamedTuple):
    """What a run is, and the run around it."""

    kind: str
    parent: str | None


class SQLiteSigns:
    """Look for changes in the file of a run store, by connections of its own.

    Who watches keeps nobody from reading, and sees what each process writes, this one
    included.
    """

    def __init__(self, store: SQLiteStore) -> None:
        self._store = SQLiteStore(store.path)
        self._sql = load_queries("sqlite_signs.sql")
        self._connection = Connection(self._open)
        self._opened = 0

    def version(self) -> tuple[int, int]:
        """Return what is another one whenever somebody has written."""
        try:
            with self._connection.held() as connection:
                told = connection.execute("PRAGMA data_version").fetchone()[0]
                return self._opened, int(told)
        except sqlite3.Error as error:
            raise fault_of(self._store.path, error) from error

    def position(self) -> int:
        """Return the sequence number of the last event."""
        return self._store.last_sequence()

    def events(self, after: int) -> list[Event]:
        """Return the events after a place, in order."""
        return self._store.events(after)

    def sign(self, topic: str) -> int:
        """Return what is another one when something has changed: of a few tables.

        Parameters
        ----------
        topic
            "deployments", "pools" or "limits".
        """
        rows = [self._rows(query) for query in _TABLES[topic]]
        return hash(tuple(tuple(map(tuple, found)) for found in rows))

    def kin(self, run_ids: Iterable[str]) -> dict[str, Kin]:
        """Return what is known of runs; those that are not there are left out."""
        rows = self._of_runs("kin", run_ids)
        return {run_id_of(r["id"]): Kin(r["kind"], _parent(r)) for r in rows}

    def records(self, run_ids: Iterable[str]) -> list[RunRecord]:
        """Return the runs with these ids; those that are not there are left out."""
        return [record_of(row) for row in self._of_runs("runs_by_ids", run_ids)]

    def close(self) -> None:
        """Close the connections; the next use opens them again."""
        self._connection.close()
        self._store.close()

    def _of_runs(self, query: str, run_ids: Iterable[str]) -> list[sqlite3.Row]:
        keys = [(run_key(each),) for each in run_ids]
        try:
            with self._connection.held() as connection:
                return in_few_statements(connection, self._sql[query], keys)
        except sqlite3.Error as error:
            raise fault_of(self._store.path, error) from error

    def _rows(self, query: str) -> list[sqlite3.Row]:
        try:
            with self._connection.held() as connection:
                return connection.execute(self._sql[query]).fetchall()
        except sqlite3.Error as error:
            raise fault_of(self._store.path, error) from error

    def _open(self) -> sqlite3.Connection:
        # What was written before it was opened it is not told of.
        self._opened += 1
        return self._store.connect()


def _parent(row: sqlite3.Row) -> str | None:
    parent = row["parent"]
    return None if parent is None else run_id_of(parent)
