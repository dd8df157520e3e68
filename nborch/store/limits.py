"""Concurrency limits in the run store, and who holds their slots."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nborch.exceptions import NotFound, did_you_mean
from nborch.slots import Limit
from nborch.store.connections import Connection
from nborch.store.queries import load_queries
from nborch.store.slots import SlotTransaction
from nborch.store.sqlite import SQLiteStore, fault_of, transaction

__all__ = ["Holding", "SQLiteLimits"]


@dataclass(frozen=True, slots=True)
class Holding:
    """Slots of a limit that are in use."""

    slots: int
    process: str
    holder: Mapping[str, Any]
    since: float
    expires: float


class SQLiteLimits:
    """Keep concurrency limits in the file of a run store.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     limits = SQLiteLimits(SQLiteStore(Path(folder) / "nborch.db"))
    ...     limits.put("external-api", 5)
    ...     limits.limit("external-api").slots
    ...     limits.close()
    True
    5
    """

    def __init__(self, store: SQLiteStore) -> None:
        self._path = store.path
        self._sql = load_queries("sqlite_limits.sql")
        # One of its own: who asks for slots does not wait for a group of events.
        self._connection = Connection(store.connect)
        #: Grows when limits are created, changed or removed through this object.
        self.edition = 0

    def put(self, name: str, slots: int, decay: float = 0.0) -> bool:
        """Create the limit or change it; tell whether it is new."""
        Limit(name, slots, decay)
        self.edition += 1
        with self._write() as connection:
            is_new = name not in _names(connection, self._sql)
            values = {"name": name, "slots": slots, "decay": decay}
            connection.execute(self._sql["put_limit"], values)
            return is_new

    def delete(self, name: str) -> None:
        """Remove the limit; who holds its slots works on."""
        self.edition += 1
        with self._write() as connection:
            self._find(connection, name)
            connection.execute(self._sql["delete_limit"], (name,))

    def reset(self, name: str) -> int:
        """Free all slots of the limit; return how many were in use."""
        with self._write() as connection:
            limit = self._find(connection, name)
            connection.execute(self._sql["give_all_back"], (name,))
            connection.execute(self._sql["spend"], (0.0, 0.0, name))
            return limit.held

    def limit(self, name: str) -> Limit:
        """Return the limit as it stands.

        Raises
        ------
        NotFound
            There is no such limit.
        """
        with self._held() as connection:
            return self._find(connection, name)

    def limits(self) -> list[Limit]:
        """Return all limits by name, as they stand."""
        with self._held() as connection:
            return [Limit(*row) for row in connection.execute(self._sql["limits"])]

    def names(self) -> frozenset[str]:
        """Return the names of all limits."""
        with self._held() as connection:
            return _names(connection, self._sql)

    def holdings(self, name: str) -> list[Holding]:
        """Return who holds slots of a limit, the longest first."""
        with self._held() as connection:
            rows = connection.execute(self._sql["leases"], (name,)).fetchall()
        return [
            Holding(
                row["slots"],
                row["process"],
                json.loads(row["holder"]),
                row["since"],
                row["expires"],
            )
            for row in rows
        ]

    @contextmanager
    def turn(
        self,
        process: str,
        is_gone: Callable[[str, float], bool],
        clock: Callable[[], float],
    ) -> Iterator[SlotTransaction]:
        """Give the slots to this thread alone; what it does is one transaction."""
        with self._write() as connection:
            # NB. Read when the turn has come: nobody after us is before us.
            yield SlotTransaction(connection, process, clock(), is_gone)

    @contextmanager
    def look(
        self,
        process: str,
        is_gone: Callable[[str, float], bool],
        clock: Callable[[], float],
    ) -> Iterator[SlotTransaction]:
        """Give the slots to look at; whoever wants to write may do so meanwhile."""
        with self._held() as connection:
            yield SlotTransaction(connection, process, clock(), is_gone)

    def version(self) -> int:
        """Return a number that changes when somebody else has written to the file."""
        with self._held() as connection:
            return int(connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        self._connection.close()

    @contextmanager
    def _held(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._connection.held() as connection:
                yield connection
        except sqlite3.Error as error:
            raise fault_of(self._path, error) from error

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._held() as connection, transaction(connection):
            yield connection

    def _find(self, connection: sqlite3.Connection, name: str) -> Limit:
        found = connection.execute(self._sql["limits_among"], (json.dumps([name]),))
        for row in found:
            return Limit(*row)
        raise NotFound(
            f"No concurrency limit is called {name!r}."
            f"{did_you_mean(name, _names(connection, self._sql))} "
            "List them with: nborch concurrency-limit ls"
        )


def _names(connection: sqlite3.Connection, sql: Mapping[str, str]) -> frozenset[str]:
    return frozenset(row["name"] for row in connection.execute(sql["limit_names"]))
