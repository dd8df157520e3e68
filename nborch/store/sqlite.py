"""The run store in one SQLite file, for one machine and many processes."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from nborch.events import Event
from nborch.exceptions import NotFound, StoreError, did_you_mean
from nborch.runs import Run, RunKind, RunRecord
from nborch.states import State
from nborch.store.connections import Connection
from nborch.store.groups import EventGroup
from nborch.store.queries import load_queries

__all__ = ["SQLiteStore", "fault_of", "transaction"]

P = ParamSpec("P")
R = TypeVar("R")

#: How long a write waits for another process's, in seconds. The writer tries again,
#: and the end of a program does not hang on a lock that somebody forgot.
PATIENCE = 5.0

#: Not a fault of the store but of what it was given.
_OURS = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError)

_REMEDIES = (
    ("locked", "Another process holds it; end that process or wait for it."),
    ("full", "Make room on the disk."),
    ("readonly", "Set NBORCH_HOME to a folder you can write to."),
    ("unable to open", "Set NBORCH_HOME to a folder you can write to."),
    ("malformed", "The file is damaged: move it away and nborch makes a new one."),
    ("not a database", "Move the file away and nborch makes a new one."),
)


def fault_of(path: Path, error: sqlite3.Error) -> StoreError:
    """Return the error that tells a fault of the file in words, with its remedy."""
    told = str(error)
    remedies = [remedy for sign, remedy in _REMEDIES if sign in told]
    return StoreError(
        f"The run store {str(path)!r} cannot be used: {told}. "
        + (remedies or ["Look at its disk and its permissions."])[0]
    )


def _told(
    method: "Callable[Concatenate[SQLiteStore, P], R]",
) -> "Callable[Concatenate[SQLiteStore, P], R]":
    """Make a method raise `StoreError` in words where SQLite fails."""

    @wraps(method)
    def call(self: "SQLiteStore", *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except _OURS:
            raise
        except sqlite3.Error as error:
            raise fault_of(self.path, error) from error

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
        # Two, so that a long read does not keep the writer waiting.
        self._writer = Connection(self.connect)
        self._reader = Connection(self.connect)

    @_told
    def append(self, events: Sequence[Event]) -> int:
        """Store the events in one transaction; return how many were accepted."""
        with self._writer.held() as connection, transaction(connection):
            return EventGroup(connection, self._sql, events).write()

    @_told
    def record(self, reference: str) -> RunRecord:
        """Return the run with this id, start of an id, or name (the newest)."""
        for query, told in (
            ("run_by_id", reference.lower()),
            ("newest_run_by_name", reference),
            ("runs_by_id_prefix", reference.lower()),
        ):
            # Every id starts with nothing.
            rows = self._rows(query, reference=told) if reference else []
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
        """Close the connections; the next use opens them again."""
        self._writer.close()
        self._reader.close()

    def _rows(self, query: str, **values: Any) -> list[sqlite3.Row]:
        with self._reader.held() as connection:
            return connection.execute(self._sql[query], values).fetchall()

    def connect(self) -> sqlite3.Connection:
        """Open one more connection to the file, which is made if it is not there."""
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
        try:
            connection.row_factory = sqlite3.Row
            _set_journal(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        """Bring the file to the newest schema; refuse one from the future."""
        schema = load_queries("sqlite_schema.sql")
        if _version(connection) == len(schema):
            return
        with transaction(connection):
            done = _version(connection)
            if done > len(schema):
                raise StoreError(
                    f"The run store {str(self.path)!r} was written by a newer nborch "
                    f"(schema {done}, this one knows {len(schema)}). Upgrade nborch "
                    "or set NBORCH_HOME to another folder."
                )
            for number in range(done + 1, len(schema) + 1):
                for statement in schema[f"migration_{number}"].split(";\n"):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(schema)}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Do what follows as one write transaction."""
    # NB. IMMEDIATE: a transaction that starts by reading cannot wait for its turn to
    # write, it fails at once with "database is locked".
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite itself rolls back on some faults, a full disk among them.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _set_journal(connection: sqlite3.Connection) -> None:
    """Make readers and the writer not wait for each other."""
    # NB. The change needs the file alone and does not wait for it, so of several
    # processes that make the store at once, all but one must ask again.
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


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
