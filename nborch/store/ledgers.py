"""A ledger: one more connection to the file of a run store, for work that waits."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nborch.exceptions import StoreError
from nborch.store.connections import Connection, transaction
from nborch.store.queries import load_queries
from nborch.store.sqlite import SQLiteStore, fault_of

__all__ = ["Ledger"]

#: Milliseconds that a write waits for others: here nobody tries it again.
PATIENCE = 30_000


class Ledger:
    """Read and write what waits, each write as one transaction.

    Who fires or claims does not wait for a group of events of this process, so it has
    a connection of its own.
    """

    def __init__(self, store: SQLiteStore) -> None:
        self.path = store.path
        self.sql: Mapping[str, str] = {
            **load_queries("sqlite.sql"),
            **load_queries("sqlite_work.sql"),
            **load_queries("sqlite_queue.sql"),
            **load_queries("sqlite_listing.sql"),
        }
        self._store = store
        self._connection = Connection(self._open)
        self._schema = 0
        self._changes = 0

    def rows(self, query: str, **values: Any) -> list[sqlite3.Row]:
        """Return what a query finds."""
        with self.reading() as connection:
            return connection.execute(self.sql[query], values).fetchall()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the connection to this thread alone."""
        try:
            with self._connection.held() as connection:
                yield connection
        except sqlite3.Error as error:
            raise fault_of(self.path, error) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection to this thread; what it does is one transaction."""
        with self.reading() as connection, transaction(connection):
            self._refuse_the_future(connection)
            yield connection
            # NB. Before it is committed, with the connection held: nobody asks between.
            self._changes += 1

    def version(self) -> int:
        """Return a number that changes when anybody has written to the file."""
        # SQLite tells a connection of all changes but its own.
        with self.reading() as connection:
            told = connection.execute("PRAGMA data_version").fetchone()[0]
            return int(told) + self._changes

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        self._connection.close()

    def _open(self) -> sqlite3.Connection:
        connection = self._store.connect()
        connection.execute(f"PRAGMA busy_timeout = {PATIENCE}")
        self._schema = _schema(connection)
        # What others wrote before it was opened it is not told of.
        self._changes += 1_000_000
        return connection

    def _refuse_the_future(self, connection: sqlite3.Connection) -> None:
        """Leave off where a newer nborch has changed the file meanwhile."""
        if _schema(connection) != self._schema:
            raise StoreError(
                f"The run store {str(self.path)!r} was upgraded by a newer nborch while"
                " this process used it. Start this process again with that nborch."
            )


def _schema(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
