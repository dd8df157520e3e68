"""Connections to an SQLite file: one thread at a time, none across a fork."""

import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Connection", "reading", "transaction"]


class Connection:
    """Hold one connection that `opener` opens at first use.

    SQLite shares its locks among the connections of a process, and a forked child
    inherits what it remembers of them, but not the locks: the child would wait for
    ever, or write without a lock. So every connection is closed before a fork, when
    nobody uses it, and parent and child each open their own.
    """

    def __init__(self, opener: Callable[[], sqlite3.Connection]) -> None:
        self._opener = opener
        self._connection: sqlite3.Connection | None = None
        self.lock = threading.RLock()
        _all.add(self)

    @contextmanager
    def held(self) -> Iterator[sqlite3.Connection]:
        """Give the connection to this thread alone."""
        with self.lock:
            if self._connection is None:
                self._connection = self._opener()
            yield self._connection

    def close(self) -> None:
        """Close it; the next use opens it again."""
        with self.lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


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


@contextmanager
def reading(connection: sqlite3.Connection) -> Iterator[None]:
    """Read all that follows from one moment, whatever others write meanwhile."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


_all: weakref.WeakSet[Connection] = weakref.WeakSet()
_fork_lock = threading.RLock()
_held: list[Connection] = []


def _before_fork() -> None:
    _fork_lock.acquire()
    for connection in list(_all):
        connection.lock.acquire()
        connection.close()
        _held.append(connection)


def _after_in_parent() -> None:
    while _held:
        _held.pop().lock.release()
    _fork_lock.release()


def _after_in_child() -> None:
    global _fork_lock  # noqa: PLW0603  # its owner is a thread that is not here
    _fork_lock = threading.RLock()
    while _held:
        _held.pop().lock = threading.RLock()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_in_parent,
    after_in_child=_after_in_child,
)
