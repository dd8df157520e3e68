"""Locks on single bytes of one file: any number of them, and no file for each.

To make a lock file and to remove it costs fifty times as much as to lock it. A byte of
a file that stays may be locked wherever it lies, beyond the end as well. Such a lock
belongs to who has opened the file, not to the process: it excludes the threads of one
process as well, and the system releases it when its holder dies.
"""

import errno
import fcntl
import os
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = [
    "Place",
    "Unsupported",
    "host",
    "is_at",
    "lock",
    "open_lock",
    "told",
    "unlock",
]

#: How much of the file each holder has for his name, and how many may stand in it.
_ROOM, _ROOMS = 128, 512
#: What a system answers, or a file system, that has no such locks.
_UNSUPPORTED = {
    *(errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP),
    *(errno.EOPNOTSUPP, errno.EOVERFLOW),
}
#: None where Python knows of no such locks.
_SET, _GET = (getattr(fcntl, f"F_OFD_{name}", None) for name in ("SETLK", "GETLK"))


class Unsupported(OSError):
    """There are no locks on bytes here."""


@dataclass(frozen=True, slots=True)
class Place:
    """A byte that is locked.

    Parameters
    ----------
    descriptor
        Holds the lock until it is released.
    at
        Where in the file it lies.
    """

    descriptor: int
    at: int


def lock(path: str, name: str) -> Place | None:
    """Lock the byte of a name, or return None if somebody else has it.

    Parameters
    ----------
    name
        Hex digits, of which the first fifteen tell it from others.

    Raises
    ------
    Unsupported
        The system, or this file system, has no such locks.
    OSError
        The file cannot be made.
    """
    if _SET is None:
        raise Unsupported(errno.ENOSYS, "Python knows of no locks on bytes here")
    at = int(name[:15], 16)
    while True:
        descriptor = open_lock(path)
        try:
            fcntl.fcntl(descriptor, _SET, _asked(fcntl.F_WRLCK, at))
            if is_at(path, descriptor):
                _sign(descriptor, at)
                return Place(descriptor, at)
        except (BlockingIOError, PermissionError):
            os.close(descriptor)
            return None
        except OSError as problem:
            os.close(descriptor)
            if problem.errno in _UNSUPPORTED:
                raise Unsupported(*problem.args) from problem
            raise
        os.close(descriptor)  # the folder was removed meanwhile: take the new file


def unlock(place: Place) -> None:
    """Let the next one have it."""
    with suppress(OSError):
        # NB. Explicitly: a child forked meanwhile may still share the descriptor.
        fcntl.fcntl(place.descriptor, _SET or 0, _asked(fcntl.F_UNLCK, place.at))
    os.close(place.descriptor)


def told(path: str, name: str) -> str:
    """Return who holds the byte of a name, as ``"4711 lab3"``, or nothing."""
    at = int(name[:15], 16)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return ""
    try:
        asked = _asked(fcntl.F_WRLCK, at)
        kind, *_ = struct.unpack_from("h", fcntl.fcntl(descriptor, _GET or 0, asked))
        signed = os.pread(descriptor, _ROOM, _room(at)).rstrip(b"\0")
    except OSError:
        return ""
    finally:
        os.close(descriptor)
    # Another one may have signed in the same room since.
    whose, _, who = signed.decode("utf-8", "replace").partition(" ")
    return who if kind != fcntl.F_UNLCK and whose == f"{at:x}" else ""


def open_lock(path: str) -> int:
    """Open a lock file, which is made with its folder if it is not there."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, flags, 0o600)


def is_at(path: str, descriptor: int) -> bool:
    """Tell whether what was opened is what is found there now."""
    try:
        there = os.stat(path)  # noqa: PTH116  # a Path costs more than the call
    except OSError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))


@cache
def host() -> str:
    """Return the name of this computer."""
    return socket.gethostname()


def _asked(kind: int, at: int) -> bytes:
    """Return what the system is asked for, as its ``struct flock``."""
    return struct.pack("hhqqi", kind, os.SEEK_SET, at, 1, 0)


def _sign(descriptor: int, at: int) -> None:
    """Say who we are, for the message of those who wait."""
    signed = f"{at:x} {os.getpid()} {host()}".encode()[:_ROOM]
    with suppress(OSError):
        os.pwrite(descriptor, signed.ljust(_ROOM, b"\0"), _room(at))


def _room(at: int) -> int:
    return at % _ROOMS * _ROOM
