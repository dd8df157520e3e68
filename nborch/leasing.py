"""Who is alive: each process holds a lock file for as long as it lives.

The operating system drops the lock with the process, however it ends, so that the
death of a process on this machine is seen at once and cannot be missed.
"""

import fcntl
import os
import secrets
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from nborch.events import Event, state_entered
from nborch.runs import RunRecord
from nborch.states import Crashed
from nborch.store.base import RunStore

__all__ = ["ProcessLease", "is_alive", "reap"]


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
        host = socket.gethostname().replace(":", "-")
        self.name = f"{host}:{os.getpid()}:{secrets.token_hex(4)}"
        self.path = _path(folder, self.name)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._file: int | None = os.open(self.path, flags, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        # NB. A forked child shares the lock: were it to keep the file open, the
        # parent would seem alive for as long as the child lives. Closing does not
        # unlock while the parent has it open.
        os.register_at_fork(after_in_child=self._forget)

    def release(self) -> None:
        """Give the lock back and remove its file; a second call does nothing."""
        if self._file is not None:
            with suppress(FileNotFoundError):
                self.path.unlink()
            self._forget()

    def _forget(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def is_alive(folder: Path, name: str) -> bool:
    """Tell whether the process called `name` holds its lock file in `folder`.

    A process of another machine counts as alive: its locks cannot be seen here.
    """
    if name.partition(":")[0] != socket.gethostname().replace(":", "-"):
        return True
    try:
        file = os.open(_path(folder, name), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def reap(store: RunStore, folder: Path, now: float) -> list[RunRecord]:
    """Mark the unfinished runs of dead processes as Crashed; return them."""
    alive: dict[str, bool] = {}
    orphans = []
    for record in store.unfinished():
        process = record.run.process
        if process not in alive:
            alive[process] = is_alive(folder, process)
        if not alive[process]:
            orphans.append(record)
    if orphans:
        store.append([_crashed(record, now) for record in orphans])
        for name, lives in alive.items():
            if not lives:
                with suppress(FileNotFoundError):
                    _path(folder, name).unlink()
    return orphans


def _crashed(record: RunRecord, now: float) -> Event:
    _, pid, _ = record.run.process.split(":")
    message = f"The process that ran it (pid {pid}) ended before the run did."
    state = Crashed(message=message).stamped(datetime.fromtimestamp(now, UTC))
    return state_entered(record.run.id, state, record.attempt)


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.lock"
