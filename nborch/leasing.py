"""Who is alive: each process holds a lock file for as long as it lives.

The operating system drops the lock with the process, however it ends, so that the
death of a process on this machine is seen at once and cannot be missed.
"""

import fcntl
import os
import weakref
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from nborch.events import Event, state_entered
from nborch.runs import RunRecord
from nborch.states import Crashed
from nborch.store.base import RunStore

__all__ = ["ProcessLease", "is_alive", "leave_note", "notes", "reap"]


class ProcessLease:
    """Hold a lock file in `folder` until this process ends.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lease = ProcessLease(Path(folder))
    ...     is_alive(Path(folder), lease.name)
    ...     lease.release()
    ...     is_alive(Path(folder), lease.name)
    True
    False

    Attributes
    ----------
    name
        Names the process in runs: host, process id and a random part.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        host = _host()
        self.name = f"{host}:{os.getpid()}:{os.urandom(4).hex()}"
        self.path = _path(folder, self.name)
        self._file: int | None = _hold(self.path)
        _leases.add(self)

    @property
    def is_held(self) -> bool:
        """Whether the lock is held, by this process."""
        return self._file is not None

    def release(self) -> None:
        """Give the lock back and remove its file; a second call does nothing."""
        if self._file is not None:
            with suppress(OSError):
                self.path.unlink()
            self._forget()

    def _forget(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


_leases: weakref.WeakSet[ProcessLease] = weakref.WeakSet()


def _forget_in_child() -> None:
    # NB. A forked child shares the lock: were it to keep the file open, the parent
    # would seem alive for as long as the child lives. Closing does not unlock while
    # the parent has it open.
    for lease in _leases:
        lease._forget()  # noqa: SLF001  # its own module


os.register_at_fork(after_in_child=_forget_in_child)


def _hold(path: Path) -> int:
    """Make the file and lock it; return its descriptor."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file).st_nlink:
            return file
        # Somebody swept it away in the moment before it was locked.
        os.close(file)


def is_alive(folder: Path, name: str) -> bool:
    """Tell whether the process called `name` holds its lock file in `folder`.

    A process of another machine counts as alive: its locks cannot be seen here.
    """
    if name.partition(":")[0] != _host():
        return True
    try:
        file = os.open(_path(folder, name), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # NB. Shared: two that ask at once must not take each other for the owner.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def leave_note(folder: Path, name: str, text: str) -> None:
    """Leave a text for the process called `name`, in place of the one before."""
    path = _path(folder, name).with_suffix(".note")
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_text(text, "utf-8")
    part.replace(path)


def notes() -> list[str]:
    """Return what was left for this process, by whichever of its names."""
    found = []
    for lease in tuple(_leases):
        with suppress(OSError, ValueError):
            if lease.is_held:
                found.append(lease.path.with_suffix(".note").read_text("utf-8"))
    return found


def reap(store: RunStore, folder: Path, now: float) -> list[RunRecord]:
    """Mark the unfinished runs of dead processes as Crashed; return them.

    Of two that reap at once, each run is returned to one of them.
    """
    alive: dict[str, bool] = {}
    orphans = []
    for record in store.unfinished():
        process = record.run.process
        if process not in alive:
            alive[process] = is_alive(folder, process)
        if not alive[process]:
            orphans.append(record)
    # One by one: what another has marked meanwhile, or its owner finished in its
    # last moment, is refused by the store and none of ours.
    reaped = [record for record in orphans if store.append([_crashed(record, now)])]
    _sweep(folder)
    return reaped


def _sweep(folder: Path) -> None:
    """Remove the lock files that no process holds, and notes for who is gone."""
    for path in folder.glob("*.lock"):
        with suppress(OSError):
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                # Removed while it is locked, so that its maker can tell; see _hold().
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            finally:
                os.close(file)
    for path in folder.glob("*.note*"):
        name = path.name.partition(".note")[0]
        if not _path(folder, name).exists():
            path.unlink(missing_ok=True)


def _crashed(record: RunRecord, now: float) -> Event:
    _, pid, _ = record.run.process.split(":")
    message = f"The process that ran it (pid {pid}) ended before the run did."
    state = Crashed(message=message).stamped(datetime.fromtimestamp(now, UTC))
    return state_entered(record.run.id, state, record.attempt)


def _host() -> str:
    # A colon parts the names of processes.
    return os.uname().nodename.replace(":", "-")


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.lock"
