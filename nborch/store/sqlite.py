"""The run store in one SQLite file, for one machine and many processes."""

import json
import sqlite3
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import wraps
from operator import attrgetter
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from nborch.events import Event
from nborch.exceptions import NotFound, StoreError, did_you_mean
from nborch.runs import RunKind, RunRecord
from nborch.states import StateType
from nborch.store.connections import Connection, reading, transaction
from nborch.store.groups import EventGroup
from nborch.store.migrations import migrate
from nborch.store.queries import load_queries
from nborch.store.reserves import Reserve
from nborch.store.rows import beginning_of, event_of, logs_of, record_of
from nborch.store.texts import key_range, run_key

__all__ = ["SQLiteStore", "fault_of", "transaction"]

P = ParamSpec("P")
R = TypeVar("R")

#: How long a write waits for another process's, in seconds. The writer tries again,
#: and the end of a program does not hang on a lock that somebody forgot.
PATIENCE = 5.0

#: So many events at most stand with their run: it is made, Pending, Running, and over.
BEGINNING = 4

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


def _is_full(error: sqlite3.Error) -> bool:
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL


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
        self._reserve = Reserve(path.with_suffix(".reserve"))
        # Two, so that a long read does not keep the writer waiting.
        self._writer = Connection(self.connect)
        self._reader = Connection(self.connect)
        self._claim: tuple[bytearray, int, str] | None = None
        self.is_fenced_off = False

    def answer_for(self, run_id: str, attempt: int, worker_id: str) -> None:
        """Append from now on only while a worker holds a run with this attempt."""
        self._claim = run_key(run_id), attempt, worker_id

    def _holds(self, connection: sqlite3.Connection) -> bool:
        query = load_queries("sqlite_queue.sql")["is_held"]
        return connection.execute(query, self._claim or ()).fetchone() is not None

    @_told
    def append(self, events: Sequence[Event]) -> int:
        """Store the events in one transaction; return how many were accepted.

        On a full disk the reserve makes room for them, once.
        """
        try:
            return self._append(events)
        except sqlite3.OperationalError as error:
            if not (_is_full(error) and self._reserve.give_up()):
                raise
            return self._append(events)

    def _append(self, events: Sequence[Event]) -> int:
        with self._writer.held() as connection, transaction(connection):
            if self._claim is not None and not self._holds(connection):
                self.is_fenced_off = True
                return 0
            group = EventGroup(connection, self._sql, events)
            group.write()
            return group.accepted

    @_told
    def record(self, reference: str) -> RunRecord:
        """Return the run with this id, start of an id, or name (the newest)."""
        key, between = run_key(reference.lower()), key_range(reference.lower())
        rows = self._rows("run_by_id", key=key) or self._named(reference)
        # Every id starts with nothing.
        if not rows and reference and between:
            least, greatest = between
            rows = self._rows("runs_between_ids", least=least, greatest=greatest)
        if len(rows) == 1:
            return record_of(rows[0])
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

    def _named(self, name: str) -> list[sqlite3.Row]:
        """Return the newest run with the name, a task's only if no other has it."""
        return self._rows("newest_run_by_name", name=name) or self._rows(
            "newest_task_run_by_name", name=name
        )

    @_told
    def records(  # noqa: PLR0913  # each narrows what is returned
        self,
        *,
        kinds: Sequence[RunKind] = tuple(RunKind),
        states: Sequence[StateType] | None = None,
        of: str | None = None,
        parent: str | None = None,
        top: bool = False,
        limit: int = 50,
    ) -> list[RunRecord]:
        """Return the newest runs first; only those without a parent if `top`."""
        query = "runs" if RunKind.TASK in kinds else "runs_but_tasks"
        rows = self._rows(
            query if parent is None else "runs_of_parent",
            kinds=json.dumps(kinds),
            states=None if states is None else json.dumps(states),
            of=of,
            parent=None if parent is None else run_key(parent),
            top=top,
            limit=limit,
        )
        return [record_of(row) for row in rows]

    @_told
    def children(self, run_id: str) -> list[RunRecord]:
        """Return the runs made within a run, oldest first."""
        return [record_of(row) for row in self._rows("children", key=run_key(run_id))]

    @_told
    def within(self, run_id: str) -> list[RunRecord]:
        """Return a run and all runs within it, at any depth."""
        return [record_of(row) for row in self._rows("within", key=run_key(run_id))]

    @_told
    def unfinished(self) -> list[RunRecord]:
        """Return every run that is not over."""
        return [record_of(row) for row in self._rows("unfinished")]

    @_told
    def events(
        self, after: int = 0, *, run_id: str | None = None, besides: str | None = None
    ) -> list[Event]:
        """Return the events after a sequence number, in order."""
        queries = ("run_by_id", "events_of_run")
        if run_id is None:
            queries = ("runs_after", "events_after")
            if besides is not None:
                queries = ("runs_after_besides", "events_after_besides")
        key = None if run_id is None else run_key(run_id)
        with self._reader.held() as connection, reading(connection):
            # NB. What stands with a run may have a later place than the run itself.
            values = {"key": key, "after": after - BEGINNING, "besides": besides}
            runs = connection.execute(self._sql[queries[0]], values).fetchall()
            rows = connection.execute(self._sql[queries[1]], values).fetchall()
        events = [event for row in runs for event in beginning_of(row)]
        events += map(event_of, rows)
        events.sort(key=attrgetter("sequence"))
        return events[bisect_right(events, after, key=attrgetter("sequence")) :]

    @_told
    def last_sequence(self) -> int:
        """Return the sequence number of the last event."""
        return int(self._rows("last_sequence")[0]["number"])

    @_told
    def seconds(
        self, of: str, *, besides: str = "", runs: int = 5, most: int = 20_000
    ) -> list[tuple[str, float, bool]]:
        """Return what the last runs of a flow took that completed, and those within."""
        found = self._rows(
            "seconds", of=of, besides=run_key(besides), runs=runs, most=most
        )
        return [(row["name"], row["seconds"], bool(row["is_whole"])) for row in found]

    @_told
    def logs(self, run_id: str) -> list[Event]:
        """Return the log lines of a run and of all runs within it, in order."""
        values = {"key": run_key(run_id)}
        with self._reader.held() as connection, reading(connection):
            runs = connection.execute(self._sql["within"], values).fetchall()
            rows = connection.execute(self._sql["logs"], values).fetchall()
        return logs_of(runs, rows)

    @_told
    def has_workers(self) -> bool:
        """Tell whether a worker counts as alive: it may be dead, and hold runs."""
        return bool(self._rows("any_worker"))

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
            migrate(connection, self.path)
            self._reserve.lay_up()
        except BaseException:
            connection.close()
            raise
        return connection


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
