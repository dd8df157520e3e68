"""Held locks: one computation per key, and files that die with their owner.

The system releases all of them when a process dies, however it dies. They also exclude
threads of one process, since each holder opens the file. Where bytes can be locked, a
key is one byte of a file (see `nborch.cache.places`); elsewhere it has its own file.
"""

import errno
import fcntl
import hashlib
import os
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from nborch.cache.places import Place, Unsupported, host, is_at, open_lock
from nborch.cache.places import lock as lock_byte
from nborch.cache.places import told as told_byte
from nborch.cache.places import unlock as unlock_byte

__all__ = ["Claim", "Claims", "Gate", "sweep_unowned", "unowned_file"]

#: Seconds between two tries of a waiter: short at first, for short tasks.
FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.02
#: Seconds after which a lease is void that nobody renewed; see `_Lease`.
LEASE_SECONDS = 15.0
#: What the link is called that names the holder of a lock file.
_SIGNED = ".by"
_UNSUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}

_held_here: set[int] = set()
#: What the code that is running holds; tasks and threads started by it inherit it.
_held_around: ContextVar[frozenset[str]] = ContextVar("claims", default=frozenset())


def _close_inherited() -> None:
    # NB. A forked child shares the parent's locks: it would keep a claim alive after
    # the parent was killed.
    for descriptor in _held_here:
        with suppress(OSError):
            os.close(descriptor)
    _held_here.clear()


os.register_at_fork(after_in_child=_close_inherited)


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that is held."""

    path: str
    lock: "int | Place | _Lease"


class Claims:
    """The keys that are being computed, in one folder of lock files.

    Threads of one process see each other in a table and wake each other at once; a
    lock file excludes other processes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder / "claims")
        #: The file whose bytes are keys.
        self._keys = f"{self._folder}/keys"
        self._reset()
        _tables.add(self)

    def _reset(self) -> None:
        """Start with a table of nothing: in a new process nobody holds or waits."""
        self._lock = threading.Lock()
        self._waiting: dict[str, list[Callable[[], object]]] = {}

    def acquire(self, key: str, timeout: float | None) -> Claim | None:
        """Return the claim on a key, or None when the time is up.

        Raises
        ------
        OSError
            If the folder cannot hold lock files.
        """
        path = self._path(key)
        held = _held_around.get()
        if path in held:
            return None  # waiting for ourselves would be for ever
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._enter(path, deadline):
            return None
        lock = None
        try:
            lock = _acquire(path, self._keys, deadline)
        finally:
            if lock is None:
                self._leave(path)
        if lock is None:
            return None
        _held_around.set(held | {path})
        return Claim(path, lock)

    def release(self, claim: Claim) -> None:
        """Let the next one have it."""
        _held_around.set(_held_around.get() - {claim.path})
        try:
            if isinstance(claim.lock, int):
                _release(claim.path, claim.lock)
            elif isinstance(claim.lock, Place):
                if claim.lock.descriptor in _held_here:
                    _held_here.discard(claim.lock.descriptor)
                    unlock_byte(claim.lock)
            else:
                claim.lock.release()
        finally:
            self._leave(claim.path)

    def watch(self, key: str, wake: Callable[[], object]) -> bool:
        """Call `wake` once when the thread of this process that holds a key lets go.

        Returns False, and never calls it, if no thread of this process holds it.
        """
        path = self._path(key)
        with self._lock:
            waiting = self._waiting.get(path)
            if waiting is None:
                return False
            waiting.append(wake)
            return True

    def _enter(self, path: str, deadline: float | None) -> bool:
        """Become the only thread that has to do with a key; False if time is up."""
        while True:
            with self._lock:
                waiting = self._waiting.get(path)
                if waiting is None:
                    self._waiting[path] = []
                    return True
                if deadline is not None and time.monotonic() >= deadline:
                    return False
                free = threading.Event()
                waiting.append(free.set)
            free.wait(None if deadline is None else deadline - time.monotonic())

    def _leave(self, path: str) -> None:
        with self._lock:
            waiting = self._waiting.pop(path, ())
        for wake in waiting:
            # One who waited in an event loop that is closed by now has gone.
            with suppress(RuntimeError):
                wake()

    def holder(self, key: str) -> str:
        """Return who holds a key, as ``"process 4711 on host lab3"``, or nothing."""
        path = self._path(key)
        told = told_byte(self._keys, path.rpartition("/")[2])
        if not told:
            with suppress(OSError):
                told = os.readlink(path + _SIGNED)  # noqa: PTH115  # as text
        pid, _, host = told.partition(" ")
        return f"process {pid} on host {host}" if pid.isdigit() and host else ""

    def _path(self, key: str) -> str:
        name = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return f"{self._folder}/{name}"


_tables: "weakref.WeakSet[Claims]" = weakref.WeakSet()


def _reset_tables() -> None:
    for table in _tables:
        table._reset()  # noqa: SLF001  # its own module


os.register_at_fork(after_in_child=_reset_tables)


def _acquire(
    path: str, keys: str, deadline: float | None
) -> "int | Place | _Lease | None":
    """Return what holds a key, or None when time is up."""
    pause = FIRST_PAUSE
    while True:
        held: int | Place | _Lease | None
        try:
            held = _try_byte(keys, path.rpartition("/")[2])
        except Unsupported:
            held = _try_file(path)
        if held is not None:
            return held
        if deadline is not None and time.monotonic() >= deadline:
            return None
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _try_byte(keys: str, name: str) -> Place | None:
    place = lock_byte(keys, name)
    if place is not None:
        _held_here.add(place.descriptor)
    return place


def _try_file(path: str) -> "int | _Lease | None":
    """Return a descriptor that holds the lock file, or a lease where none can be."""
    while True:
        descriptor = open_lock(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_at(path, descriptor):
                _held_here.add(descriptor)
                _sign(path)
                return descriptor
            os.close(descriptor)  # its last holder removed it: take the new one
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as problem:
            os.close(descriptor)
            if problem.errno not in _UNSUPPORTED:
                raise
            lease = _Lease(Path(f"{path}.lease"))
            return lease if lease.take() else None


def _sign(path: str) -> None:
    """Say who we are, for the message of those who wait."""
    # A link, because the system takes ten times as long to free a file's content.
    told = f"{os.getpid()} {host()}"
    with suppress(OSError):
        try:
            os.symlink(told, path + _SIGNED)  # noqa: PTH211  # as above
        except FileExistsError:
            os.unlink(path + _SIGNED)  # noqa: PTH108  # its holder was killed
            os.symlink(told, path + _SIGNED)  # noqa: PTH211  # as above


def _release(path: str, descriptor: int) -> None:
    if descriptor not in _held_here:
        return  # a forked child: the parent holds it
    _held_here.discard(descriptor)
    with suppress(OSError):
        if is_at(path, descriptor):
            with suppress(OSError):
                os.unlink(path + _SIGNED)  # noqa: PTH108  # as below
            os.unlink(path)  # noqa: PTH108  # while we hold it, so that none is left
    with suppress(OSError):
        # NB. Explicitly: a child forked meanwhile may still share the descriptor.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


class _Lease:
    """A claim where locks do not work: a file that its holder keeps renewing.

    Some network file systems have no ``flock``. There a dead holder is only noticed
    when its file has not been touched for `LEASE_SECONDS`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._token = f"{host()}:{os.getpid()}:{secrets.token_hex(8)}"
        self._over = threading.Event()

    def take(self) -> bool:
        """Try once to become the holder."""
        self._remove_if_void()
        try:
            descriptor = os.open(
                self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600
            )
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "w") as file:
            file.write(self._token)
        threading.Thread(target=self._renew, name="nborch-lease", daemon=True).start()
        return True

    def release(self) -> None:
        """Let the next one have it."""
        self._over.set()
        with suppress(OSError):
            if self._path.read_text() == self._token:
                self._path.unlink()

    def _renew(self) -> None:
        while not self._over.wait(LEASE_SECONDS / 3):
            with suppress(OSError):
                if self._path.read_text() != self._token:
                    return  # we were away for too long: it is another's now
                os.utime(self._path)

    def _remove_if_void(self) -> None:
        with suppress(OSError):
            if time.time() - self._path.stat().st_mtime > LEASE_SECONDS:
                # Renamed first: of two that find it void, one succeeds.
                aside = self._path.with_name(self._path.name + secrets.token_hex(4))
                self._path.rename(aside)
                aside.unlink()


class Gate:
    """Lets many writers in, or one collector that finds no write under way."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = str(folder / f"{name}.lock")

    @contextmanager
    def write(self) -> Iterator[None]:
        """Write: waits while a collection is under way."""
        with self._hold(fcntl.LOCK_SH):
            yield

    @contextmanager
    def collect(self, *, wait: bool = True) -> Iterator[None]:
        """Collect: waits until every write has ended, or raises BlockingIOError."""
        with self._hold(fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB):
            yield

    @contextmanager
    def _hold(self, kind: int) -> Iterator[None]:
        descriptor = open_lock(self._path)
        _held_here.add(descriptor)
        try:
            try:
                fcntl.flock(descriptor, kind)
            except OSError as problem:
                if problem.errno not in _UNSUPPORTED:
                    raise
            yield
        finally:
            if descriptor in _held_here:
                _held_here.discard(descriptor)
                with suppress(OSError):
                    fcntl.flock(descriptor, fcntl.LOCK_UN)
                os.close(descriptor)


@contextmanager
def unowned_file(folder: Path) -> Iterator[tuple[int, Path]]:
    """Open a new file that its writer holds locked; removed unless it was renamed.

    Whoever can lock such a file knows that its writer is dead.
    """
    while True:
        path = folder / f"{os.getpid()}-{secrets.token_hex(8)}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(path, flags, 0o600)
        except FileNotFoundError:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, flags, 0o600)
        _held_here.add(descriptor)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            break
        _forget(descriptor)  # swept away before it was locked
    try:
        yield descriptor, path
    finally:
        with suppress(OSError):
            path.unlink()
        _forget(descriptor)


def _forget(descriptor: int) -> None:
    if descriptor in _held_here:
        _held_here.discard(descriptor)
        os.close(descriptor)


def sweep_unowned(folder: Path) -> int:
    """Remove the files whose writers are dead; return their size in bytes."""
    freed = 0
    try:
        paths = list(folder.iterdir())
    except OSError:
        return 0
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            freed += os.fstat(descriptor).st_size
            path.unlink()
        except OSError:
            pass  # its writer lives
        finally:
            os.close(descriptor)
    return freed
