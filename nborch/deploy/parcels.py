"""Parcels: code that no file holds, kept in the home and signed.

A flow that was defined in a notebook's cell or at a prompt lives in one process only.
It is deployed by value: pickled with what it refers to, under a digest, and signed with
the user's own key, so that nobody else's pickle is ever loaded.
"""

import hashlib
import hmac
import pickle
import warnings
from pathlib import Path
from typing import Any

from nborch.cache.ownership import make_private, read_or_create
from nborch.exceptions import (
    InvalidDeclaration,
    NborchError,
    NborchWarning,
    NotFound,
    Unfingerprintable,
    Unsendable,
)

__all__ = ["Parcels", "version_of"]

#: Bytes of a pickle from which on one is told that it holds more than code.
LARGE = 10_000_000
_SIGNED = hashlib.sha256().digest_size


class Parcels:
    """The pickled flows in a folder.

    Parameters
    ----------
    secret_file
        The key that they are signed with.
    """

    def __init__(self, folder: Path, secret_file: Path) -> None:
        self._folder = folder
        self._secret_file = secret_file

    def keep(self, flow: Any) -> str:
        """Keep a flow; return the digest by which it is found.

        Raises
        ------
        Unsendable
            It refers to something that cannot be pickled.
        """
        import cloudpickle

        try:
            content: bytes = cloudpickle.dumps(flow)
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
        make_private(self._folder)
        path = self._path(digest)
        fresh = path.with_suffix(f".{hashlib.sha256(content).hexdigest()[32:40]}")
        fresh.write_bytes(self._signature(content) + content)
        fresh.replace(path)
        return digest

    def load(self, digest: str) -> Any:
        """Return the flow with this digest.

        Raises
        ------
        NotFound
            It is not there, or was not signed by this user.
        """
        path = self._path(digest)
        try:
            signed = path.read_bytes()
        except FileNotFoundError:
            raise NotFound(
                f"The code of the deployment is not in {str(self._folder)!r} any "
                "more. Deploy the flow again."
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
                f"The code of the deployment cannot be loaded here: "
                f"{type(error).__name__}: {error}. Install what it needs, or deploy "
                "it again."
            ) from error

    def _signature(self, content: bytes) -> bytes:
        key = read_or_create(self._secret_file)
        return hmac.digest(key, b"nborch deployment\0" + content, "sha256")

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.flow"


def version_of(function: object, digest: str) -> str:
    """Return what stands for the content of a function: the same in every process.

    Parameters
    ----------
    digest
        What stands for it if its content cannot be told, which is new each time.
    """
    from nborch.cache.code import code_digest

    try:
        return code_digest(function)[:16]
    except Unfingerprintable:
        return digest[:16]
