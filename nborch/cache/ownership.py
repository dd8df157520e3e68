"""Files and folders that are one user's alone."""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from nborch.exceptions import NborchError

__all__ = ["UntrustedFile", "make_private", "read_or_create"]

#: Length of a secret; as long as the digest that it signs with.
SECRET_BYTES = 32


class UntrustedFile(NborchError, PermissionError):
    """A file or folder that must be ours alone can be changed by others."""


def read_or_create(path: Path, length: int = SECRET_BYTES) -> bytes:
    """Return the random bytes in a file that only its owner can read.

    The file is made at the first use; of two processes that make it at the same
    time, both get the bytes of one.

    Raises
    ------
    UntrustedFile
        If others own it, can read it or could have chosen it.
    """
    for _ in range(100):
        with suppress(FileNotFoundError):
            return _read_owned(path, length)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(length))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                # A link appears with its content, and never replaces another.
                os.link(fresh, path)
        finally:
            fresh.unlink()
    raise UntrustedFile(f"The file {str(path)!r} cannot be made.")


def _read_owned(path: Path, length: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise
    except OSError as problem:
        raise UntrustedFile(
            f"The file {str(path)!r} cannot be opened ({problem.strerror}); nborch"
            " needs a plain file there. Remove it and a new one is made."
        ) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UntrustedFile(f"{str(path)!r} is no plain file. Remove it.")
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise UntrustedFile(
                f"The file {str(path)!r} is not yours alone."
                f" Run: chmod 600 {str(path)!r}, or remove it and a new one is made."
            )
        content = os.read(descriptor, length + 1)
    finally:
        os.close(descriptor)
    if len(content) != length:
        raise UntrustedFile(
            f"The file {str(path)!r} has not the {length} bytes that it should have."
            " Remove it and a new one is made; results kept so far are recomputed."
        )
    return content


def make_private(folder: Path) -> None:
    """Make the folder if it is missing, for its owner alone.

    Raises
    ------
    UntrustedFile
        If others own it or could put files into it.
    """
    try:
        status = os.stat(folder)  # noqa: PTH116  # before each computation
    except FileNotFoundError:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    if not stat.S_ISDIR(status.st_mode):
        raise UntrustedFile(f"{str(folder)!r} is a file. Choose another folder.")
    # Root works in folders that belong to others, in containers most of all.
    if os.geteuid() not in {0, status.st_uid}:
        raise UntrustedFile(
            f"The folder {str(folder)!r} belongs to another user. Choose another one."
        )
    if status.st_mode & stat.S_IWOTH:
        raise UntrustedFile(
            f"Every user can write to {str(folder)!r}. Run: chmod 700 {str(folder)!r}"
        )
