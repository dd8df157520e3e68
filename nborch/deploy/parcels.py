"""Parcels: code and values that travel by the home, pickled and signed.

A flow that was defined in a notebook's cell or at a prompt lives in one process only.
It is deployed by value: pickled with what it refers to, and signed with the user's own
key, so that nobody else's pickle is ever loaded. The same way a run's value reaches who
waits for it in another process.
"""

import hashlib
import hmac
import os
import pickle
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from nborch.cache.code import code_digest
from nborch.cache.ownership import make_private, read_or_create
from nborch.exceptions import (
    InvalidDeclaration,
    NborchError,
    NborchWarning,
    NotFound,
    Unfingerprintable,
    Unsendable,
)
from nborch.home import Home

__all__ = ["Parcels", "flow_parcels", "version_of"]

#: Bytes of a pickle from which on one is told that it holds more than code.
LARGE = 10_000_000
_SIGNED = hashlib.sha256().digest_size


class Parcels:
    """What is kept in a folder.

    Parameters
    ----------
    secret_file
        The key that they are signed with.
    """

    def __init__(self, folder: Path, secret_file: Path) -> None:
        self._folder = folder
        self._secret_file = secret_file

    def keep_flow(self, flow: Any) -> str:
        """Keep a flow; return the digest by which it is found.

        Raises
        ------
        Unsendable
            It refers to something that cannot be pickled.
        """
        try:
            content = _pickled(flow)
        except Exception as error:
            raise Unsendable(
                f"{flow.owner} cannot be deployed from here: {error}. It refers to "
                "something that belongs to this process; make that within the flow, "
                "or move the flow to a file."
            ) from error
        if len(content) > LARGE:
            warnings.warn(
                f"{flow.owner} takes {len(content) / 1e6:.0f} MB with what it refers "
                "to. Load large data within the flow instead.",
                NborchWarning,
                stacklevel=2,
            )
        digest = hashlib.sha256(content).hexdigest()[:32]
        self._write(digest, content)
        return digest

    def keep(self, name: str, value: Any) -> None:
        """Keep a value by a name.

        Raises
        ------
        Exception
            It cannot be pickled: whatever its own code raises then.
        """
        self._write(name, _pickled(value))

    def has(self, name: str) -> bool:
        """Tell whether there is something by this name."""
        return self._path(name).exists()

    def load(self, name: str) -> Any:
        """Return what is kept by a name or digest.

        Raises
        ------
        NotFound
            It is not there, or was not signed by this user.
        """
        path = self._path(name)
        try:
            signed = path.read_bytes()
        except FileNotFoundError:
            raise NotFound(
                f"What is needed is not in {str(self._folder)!r} any more. Deploy the "
                "flow again."
            ) from None
        signature, content = signed[:_SIGNED], signed[_SIGNED:]
        if not hmac.compare_digest(signature, self._signature(content)):
            raise NotFound(
                f"{str(path)!r} was changed, or not made by you, and is not loaded. "
                "Deploy the flow again."
            )
        try:
            return pickle.loads(content)
        except NborchError:
            raise
        except Exception as error:
            raise InvalidDeclaration(
                f"What was deployed cannot be loaded here: {type(error).__name__}: "
                f"{error}. Install what it needs, or deploy it again."
            ) from error

    def forget(self, seconds: float) -> None:
        """Remove what was kept longer ago than so many seconds."""
        before = time.time() - seconds
        for path in self._folder.glob("*.parcel"):
            with suppress(OSError):
                if path.stat().st_mtime < before:
                    path.unlink()

    def _write(self, name: str, content: bytes) -> None:
        make_private(self._folder)
        path = self._path(name)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.write_bytes(self._signature(content) + content)
        fresh.replace(path)

    def _signature(self, content: bytes) -> bytes:
        key = read_or_create(self._secret_file)
        return hmac.digest(key, b"nborch parcel\0" + content, "sha256")

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.parcel"


def flow_parcels(home: Home) -> Parcels:
    """Return what keeps the flows that no file holds."""
    return Parcels(home.folder / "deployments", home.settings.secret_file)


def version_of(flow: Any, digest: str) -> str:
    """Return what stands for the content of a flow: the same in every process.

    Parameters
    ----------
    digest
        What stands for it if its content cannot be told, which is new each time.
    """
    try:
        return code_digest(flow)[:16]
    except Unfingerprintable:
        return digest[:16]


def _pickled(value: Any) -> bytes:
    import cloudpickle

    content: bytes = cloudpickle.dumps(value)
    return content
