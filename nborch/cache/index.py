"""The index of the result cache: key to row, in SQLite, through diskcache.

diskcache brings the table and its care for many processes. What it must not do is
switched off here: it pickles nothing (CVE-2025-69872), evicts nothing, writes no
files, and waits for a lock no longer than `PATIENCE_SECONDS`.
"""

import atexit
import os
import shutil
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from nborch.cache.claims import Gate
from nborch.exceptions import NborchError

__all__ = ["Index", "IndexUnavailable"]

T = TypeVar("T")

#: Seconds to wait for another process's lock before doing without the cache.
PATIENCE_SECONDS = 2.0
#: Seconds for which the index is left alone after such a wait was in vain.
PAUSE_SECONDS = 10.0


class IndexUnavailable(NborchError, RuntimeError):
    """The index cannot be used now; the message says why and what to do."""


class Index:
    """Rows of bytes by key, in a folder of their own.

    Parameters
    ----------
    folder
        The cache's folder; the index is in ``index`` below it.
    warn
        Told in a sentence when a damaged index was replaced by an empty one.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self._folder = folder / "index"
        self._file = str(self._folder / "cache.db")
        self._gate = Gate(folder, "index-repair")
        self._warn = warn
        self._lock = threading.RLock()
        self._rows: Any = None
        self._identity: tuple[int, int, bool] | None = None
        self._pauses_until = {"read": 0.0, "write": 0.0}
        _open_indexes.add(self)

    def exists(self) -> bool:
        """Whether there is anything to look into."""
        return self._rows is not None or self._present() is not None

    def get(self, key: str) -> bytes | None:
        """Return the row of a key. The row may be anybody's: check it."""
        return self._do("read", lambda rows: _row(rows, key))

    def put(self, key: str, row: bytes, tag: str, beside: int) -> None:
        """Write the row of a key, in place of one that is there.

        Parameters
        ----------
        beside
            Bytes in files that belong to the row, for the total.
        """
        self._do("write", lambda rows: _set(rows, key, row, tag, beside))

    def replace(self, key: str, old: bytes, new: bytes, tag: str, beside: int) -> None:
        """Write a row only if the present one is still the old one."""

        def swap(rows: Any) -> None:
            with rows.transact():
                if _row(rows, key) == old:
                    _set(rows, key, new, tag, beside)

        self._do("write", swap)

    def total(self) -> int:
        """Return the bytes of all rows and of the files beside them.

        A file that belongs to two rows counts twice.
        """
        query = "SELECT value FROM Settings WHERE key = 'size'"
        found = self._do("read", lambda rows: rows._sql(query).fetchone())  # noqa: SLF001
        return found[0] if found and type(found[0]) is int else 0

    def note_uses(self, uses: Mapping[str, float]) -> None:
        """Write when rows were used, in seconds since 1970."""
        change = "UPDATE Cache SET access_time = ? WHERE key = ? AND raw = 1"
        listed = [(at, key) for key, at in uses.items()]

        def write(rows: Any) -> None:
            with rows.transact():
                for each in listed:
                    rows._sql(change, each)  # noqa: SLF001 - theirs has no such call

        self._do("write", write)

    def last_uses(self) -> dict[str, float]:
        """Return when each row was used last, of those that were."""
        # Written with both times alike, a row differs in them once it was used.
        query = (
            "SELECT key, access_time FROM Cache WHERE raw = 1"
            " AND access_time <> store_time AND typeof(access_time) = 'real'"
        )
        found = self._do("read", lambda rows: rows._sql(query).fetchall())  # noqa: SLF001
        return dict(found)

    def delete(self, key: str) -> bool:
        """Remove the row of a key; return whether there was one."""
        return bool(self._do("write", lambda rows: rows.delete(key)))

    def delete_if(self, key: str, row: bytes) -> None:
        """Remove a row only if it is still this one."""

        def remove(rows: Any) -> None:
            with rows.transact():
                if _row(rows, key) == row:
                    rows.delete(key)

        self._do("write", remove)

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Yield every key with its row, as they are when each is reached."""
        for key in self._do("read", lambda rows: [*rows.iterkeys()]):
            row = self.get(key) if type(key) is str else None
            if row is not None:
                yield key, row

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            rows, self._rows = self._rows, None
            if rows is not None:
                with suppress(sqlite3.Error):
                    rows.close()

    def _do(self, kind: str, action: Callable[[Any], T]) -> T:
        """Perform an action on the open index; reopen or repair it once."""
        with self._lock:
            if time.monotonic() < self._pauses_until[kind]:
                raise IndexUnavailable("another process locked it a moment ago")
            for last in (False, True):
                try:
                    return action(self._opened())
                except Exception as problem:  # a damaged file raises anything
                    # diskcache hides what was wrong behind a bare Timeout.
                    cause = problem if problem.args else problem.__context__ or problem
                    if _is_locked(cause):
                        self._pauses_until[kind] = time.monotonic() + PAUSE_SECONDS
                        raise IndexUnavailable(
                            f"another process has locked {self._file!r}; end"
                            " that process, or wait until it is done"
                        ) from problem
                    self.close()
                    if last:
                        raise IndexUnavailable(str(cause)) from problem
                    if _is_damage(cause):
                        self._set_aside(cause)
            raise AssertionError  # pragma: no cover - the loop returns or raises

    def _opened(self) -> Any:
        # NB. SQLite goes on with a file that was moved away, or emptied, and what is
        # written there is lost: look at the file's name each time.
        if self._rows is not None and self._present() != self._identity:
            self.close()
        if self._rows is None:
            self._identity = self._present()
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._rows = _rows_type()(
                str(self._folder),
                timeout=PATIENCE_SECONDS,
                disk=_disk_type(),
                eviction_policy="none",
                cull_limit=0,
                size_limit=2**62,
                statistics=0,
                tag_index=0,
                sqlite_synchronous=1,
                # NB. A mapped database that is truncated by someone kills the process.
                sqlite_mmap_size=0,
            )
            self._identity = self._present()
        return self._rows

    def _present(self) -> tuple[int, int, bool] | None:
        """Return what tells the file there from another one, if there is one."""
        try:
            status = os.stat(self._file)  # noqa: PTH116 - on every call
        except OSError:
            return None
        return status.st_dev, status.st_ino, status.st_size > 0

    def _set_aside(self, cause: BaseException) -> None:
        """Move the damaged folder away, unless another process has done so."""
        with self._gate.collect():
            if self._identity is None or self._present() != self._identity:
                return
            for older in self._folder.parent.glob("index.corrupt-*"):
                shutil.rmtree(older, ignore_errors=True)
            aside = self._folder.with_name(f"index.corrupt-{time.time_ns()}")
            self._folder.rename(aside)
        self._warn(
            f"The index of the result cache was damaged ({cause}). It was moved to"
            f" {str(aside)!r}; results are computed again."
        )

    def before_fork(self) -> None:
        """Let no other thread be within SQLite: its locks would stay shut for ever."""
        self._lock.acquire()

    def after_fork(self) -> None:
        """Go on in the parent."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Start afresh in the child; the parent's connection stays untouched."""
        if self._rows is not None:
            _of_the_parent.append(self._rows)
        self._rows = None
        self._lock = threading.RLock()


def _row(rows: Any, key: str) -> bytes | None:
    """Return the row of a key, as diskcache would and in half the time."""
    query = "SELECT mode, filename, value FROM Cache WHERE key = ? AND raw = 1"
    found = rows._sql(query, (key,)).fetchone()  # noqa: SLF001 - see above
    if found is None:
        return None
    mode, filename, value = found
    row: bytes = rows.disk.fetch(mode, filename, value, False)  # noqa: FBT003 - theirs
    return row


def _set(rows: Any, key: str, row: bytes, tag: str, beside: int) -> None:
    # NB. Only one thread is within the index at a time; see `Index`.
    rows.disk.beside = beside
    rows.set(key, row, tag=tag or None)


_open_indexes: "weakref.WeakSet[Index]" = weakref.WeakSet()
_forking: list[Index] = []
#: NB. A connection that was opened before a fork must not be closed in the child.
_of_the_parent: list[Any] = []


def _before_fork() -> None:
    _forking[:] = list(_open_indexes)
    for index in _forking:
        index.before_fork()


def _after_fork() -> None:
    while _forking:
        _forking.pop().after_fork()


def _after_fork_in_child() -> None:
    while _forking:
        _forking.pop().after_fork_in_child()


def _close_all() -> None:
    for index in list(_open_indexes):
        index.close()


atexit.register(_close_all)
os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork,
    after_in_child=_after_fork_in_child,
)


def _is_locked(cause: BaseException) -> bool:
    told = str(cause)
    return isinstance(cause, sqlite3.OperationalError) and (
        "locked" in told or "busy" in told
    )


def _is_damage(cause: BaseException) -> bool:
    if isinstance(cause, sqlite3.OperationalError):
        told = str(cause)
        return "no such" in told or "malformed" in told or "schema" in told
    # What was planted in the settings table makes diskcache stumble in many ways.
    stumbles = (TypeError, ValueError, LookupError, AttributeError, AssertionError)
    harmless = (sqlite3.ProgrammingError, UnicodeError)
    damage = isinstance(cause, (sqlite3.DatabaseError, *stumbles))
    return damage and not isinstance(cause, harmless)


@cache
def _disk_type() -> Any:
    """Return diskcache's ``Disk`` without its pickles and its files."""
    import diskcache

    class _BytesOnly(diskcache.Disk):  # type: ignore[misc,unused-ignore]  # no types
        #: Bytes in files that belong to the row that is written next.
        beside = 0

        def put(self, key: Any) -> tuple[str, bool]:
            if type(key) is not str:
                raise TypeError(f"A key is text, not {key!r}.")
            return key, True

        def get(self, key: Any, raw: Any) -> Any:
            return key if raw else b""  # a planted pickle is no key

        def store(
            self, value: Any, read: Any, key: Any = None
        ) -> tuple[int, int, None, bytes]:
            del read, key
            if type(value) is not bytes:
                raise TypeError(f"A row is bytes, not {type(value).__name__}.")
            size = len(value) + self.beside
            return size, diskcache.core.MODE_RAW, None, value

        def fetch(self, mode: Any, filename: Any, value: Any, read: Any) -> bytes:
            del filename, read
            # A planted pickle, file or text: no signature fits an empty row.
            raw = mode == diskcache.core.MODE_RAW and type(value) is bytes
            return value if raw else b""

        def remove(self, file_path: Any) -> None:
            """Remove nothing: a file's name could only have been planted."""

    return _BytesOnly


@cache
def _rows_type() -> Any:  # noqa: C901 - one small class, which must be made late
    """Return diskcache's ``Cache`` with one connection and a short patience."""
    import diskcache

    class _Rows(diskcache.Cache):  # type: ignore[misc,unused-ignore]  # no types
        # One connection for all threads, since `Index` lets one in at a time: it can
        # then be closed by whoever closes the cache.
        _connection: sqlite3.Connection | None = None

        def __init__(self, directory: str, **settings: Any) -> None:
            try:
                super().__init__(directory, **settings)
            except BaseException:
                self.close()
                raise

        @property
        def _con(self) -> sqlite3.Connection:
            if self._connection is None:
                self._connection = sqlite3.connect(
                    os.path.join(self._directory, "cache.db"),  # noqa: PTH118 - text
                    timeout=PATIENCE_SECONDS,
                    isolation_level=None,
                    check_same_thread=False,
                )
                # NB. diskcache tries to set a pragma for 60 seconds: find out before
                # that whether another process holds the lock.
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.execute("ROLLBACK")
                with suppress(sqlite3.OperationalError):
                    rows = self._connection.execute("SELECT key, value FROM Settings")
                    for key, value in rows.fetchall():
                        if key.startswith("sqlite_"):
                            self.reset(key, value, update=False)
            return self._connection

        @property
        def _sql_retry(self) -> Any:
            # Theirs retries for 60 seconds; the connection's own timeout is enough.
            return self._con.execute

        def reset(self, key: str, value: Any = None, *args: Any, **update: Any) -> Any:
            # Theirs tries to set a pragma for 60 seconds, too.
            if value is None:
                return super().reset(key)
            if not key.startswith("sqlite_"):
                return super().reset(key, value, *args, **update)
            if update.get("update", True):
                self._sql("UPDATE Settings SET value = ? WHERE key = ?", (value, key))
            pragma = key.removeprefix("sqlite_")
            if not pragma.isidentifier() or type(value) not in {int, str}:
                raise sqlite3.DatabaseError(f"malformed setting {key!r}")
            if self._sql(f"PRAGMA {pragma}").fetchall() != [(value,)]:
                self._sql(f"PRAGMA {pragma} = {value}").fetchall()
            setattr(self, key, value)
            return value

        def close(self) -> None:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    return _Rows
