"""The run store in one SQLite file, for one machine and many processes."""

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from nborch.events import Event, EventKind
from nborch.exceptions import NotFound, StoreError, did_you_mean
from nborch.runs import Run, RunKind, RunRecord
from nborch.states import FINAL, Pending, State, StateType, allowed_before
from nborch.store.queries import load_queries

__all__ = ["SQLiteStore"]

P = ParamSpec("P")
R = TypeVar("R")

#: How long a write waits for another process's, in seconds.
PATIENCE = 30

_BEFORE = {
    target: json.dumps([before.value for before in allowed_before(target)])
    for target in StateType
}
_PENDING = json.dumps(Pending().to_json())


def _told(
    method: "Callable[Concatenate[SQLiteStore, P], R]",
) -> "Callable[Concatenate[SQLiteStore, P], R]":
    """Make a method raise `StoreError` in words where SQLite fails."""

    @wraps(method)
    def call(self: "SQLiteStore", *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except sqlite3.Error as error:
            raise StoreError(
                f"The run store {str(self.path)!r} cannot be used: {error}. "
                "If the file is damaged, move it away and nborch makes a new one."
            ) from error

    return call  # type: ignore[return-value]  # wraps() loses that it is a method


class SQLiteStore:
    """Keep runs in the SQLite file `path`, which is made at first use.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = SQLiteStore(Path(folder) / "nborch.db")
    ...     store.records()
    ...     store.close()
    []
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._sql = load_queries("sqlite.sql")
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._lock = threading.Lock()

    @_told
    def append(self, events: Sequence[Event]) -> int:
        """Store the events in one transaction; return how many were accepted."""
        accepted = 0
        with self._writing() as cursor:
            insert = self._sql["insert_event"]
            for event in events:
                data = json.dumps(event.data, default=str)
                if self._accepts(cursor, event, data):
                    row = (event.run_id, event.kind, event.at, event.attempt, data)
                    cursor.execute(insert, row)
                    accepted += 1
        return accepted

    def _accepts(self, cursor: sqlite3.Cursor, event: Event, data: str) -> bool:
        """Bring the run up to date with the event; tell whether it counts."""
        if event.kind is EventKind.LOG:
            return True
        if event.kind is EventKind.STATE:
            target = StateType(event.data["type"])
            values = {
                "id": event.run_id,
                "type": target.value,
                "state": data,
                "attempt": event.attempt,
                "at": event.at,
                "final": target in FINAL,
                "before": _BEFORE[target],
            }
            return cursor.execute(self._sql["enter_state"], values).rowcount == 1
        if event.kind is EventKind.CREATED:
            details = json.dumps(event.data["details"], default=str)
            values = {**event.data, "details": details, "state": _PENDING}
            return cursor.execute(self._sql["insert_run"], values).rowcount == 1
        values = {"id": event.run_id, "details": data}
        return cursor.execute(self._sql["note_run"], values).rowcount == 1

    @_told
    def record(self, reference: str) -> RunRecord:
        """Return the run with this id, start of an id, or name (the newest)."""
        for query in ("run_by_id", "newest_run_by_name", "runs_by_id_prefix"):
            rows = self._rows(query, reference=reference)
            if len(rows) == 1:
                return _record(rows[0])
            if rows:
                raise NotFound(
                    f"Several runs have an id that starts with {reference!r}. "
                    "Give more of it."
                )
        names = [row["name"] for row in self._rows("recent_names")]
        raise NotFound(
            f"No run is called {reference!r}.{did_you_mean(reference, names)} "
            "List the runs with: nborch flow-run ls"
        )

    @_told
    def records(
        self,
        *,
        kinds: Sequence[RunKind] = tuple(RunKind),
        top: bool = False,
        limit: int = 50,
    ) -> list[RunRecord]:
        """Return the newest runs first; only those without a parent if `top`."""
        wanted = json.dumps([kind.value for kind in kinds])
        rows = self._rows("runs", kinds=wanted, top=top, limit=limit)
        return [_record(row) for row in rows]

    @_told
    def children(self, run_id: str) -> list[RunRecord]:
        """Return the runs made within a run, oldest first."""
        return [_record(row) for row in self._rows("children", run_id=run_id)]

    @_told
    def within(self, run_id: str) -> list[RunRecord]:
        """Return a run and all runs within it, at any depth."""
        return [_record(row) for row in self._rows("within", run_id=run_id)]

    @_told
    def unfinished(self) -> list[RunRecord]:
        """Return every run that has not reached a final state."""
        return [_record(row) for row in self._rows("unfinished")]

    @_told
    def events(self, after: int = 0, *, run_id: str | None = None) -> list[Event]:
        """Return the events after a sequence number, in order."""
        query = "events" if run_id is None else "events_of_run"
        return [_event(row) for row in self._rows(query, after=after, run_id=run_id)]

    @_told
    def logs(self, run_id: str) -> list[Event]:
        """Return the log lines of a run and of all runs within it, in order."""
        return [_event(row) for row in self._rows("logs", run_id=run_id)]

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            self._local = threading.local()

    def _rows(self, query: str, **values: Any) -> list[sqlite3.Row]:
        return self._connection().execute(self._sql[query], values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Cursor]:
        """Give a cursor within one write transaction."""
        cursor = self._connection().cursor()
        # NB. IMMEDIATE: a transaction that starts by reading cannot wait for its
        # turn to write, it fails at once with "database is locked".
        cursor.execute("BEGIN IMMEDIATE")
        try:
            yield cursor
        except BaseException:
            cursor.execute("ROLLBACK")
            raise
        cursor.execute("COMMIT")

    def _connection(self) -> sqlite3.Connection:
        """Return this thread's connection; a child process opens its own."""
        local = self._local
        if getattr(local, "pid", None) != os.getpid():
            local.connection = self._open()
            local.pid = os.getpid()
        return local.connection  # type: ignore[no-any-return]  # a thread-local

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StoreError(
                f"The folder {str(self.path.parent)!r} for the run store cannot be "
                f"made: {error.strerror}. Set NBORCH_HOME to a folder you can write to."
            ) from error
        connection = sqlite3.connect(
            self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        self._migrate(connection)
        with self._lock:
            self._connections.append(connection)
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        """Bring the file to the newest schema; refuse one from the future."""
        schema = load_queries("sqlite_schema.sql")
        if _version(connection) == len(schema):
            return
        connection.execute("BEGIN IMMEDIATE")
        done = _version(connection)
        if done > len(schema):
            connection.execute("ROLLBACK")
            raise StoreError(
                f"The run store {str(self.path)!r} was written by a newer nborch "
                f"(schema {done}, this one knows {len(schema)}). Upgrade nborch or "
                "set NBORCH_HOME to another folder."
            )
        for number in range(done + 1, len(schema) + 1):
            for statement in schema[f"migration_{number}"].split(";\n"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(schema)}")
        connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _record(row: sqlite3.Row) -> RunRecord:
    run = Run.from_json(
        {
            "id": row["id"],
            "kind": row["kind"],
            "of": row["flow_or_task"],
            "name": row["name"],
            "created": row["created"],
            "process": row["process"],
            "parent_id": row["parent_id"],
            "details": json.loads(row["details"]),
        }
    )
    state = State.from_json(json.loads(row["state"]))
    return RunRecord(
        run, state, row["attempt"], _time(row["started"]), _time(row["ended"])
    )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _event(row: sqlite3.Row) -> Event:
    return Event.from_json({**dict(row), "data": json.loads(row["data"])})
