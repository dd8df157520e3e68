"""The row of one result: what it consists of, signed so that it cannot be forged.

A row is ``magic, signer, MAC, header, inline pickles``. The MAC covers the store, the
key and everything after it, so a row is refused before any pickle in it is read, and
a valid row cannot be moved to another key or another store.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from nborch.cache.blobs import Blob, Digest, Seal

__all__ = [
    "JSON",
    "Manifest",
    "Part",
    "RowDamaged",
    "RowForeign",
    "Signer",
]

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

#: The last byte is the format's version; bytes of another one are nobody's damage.
_MAGIC = b"NBR1"
_SIGNER, _MAC, _LENGTH = 8, 32, 4
_HEADER_AT = len(_MAGIC) + _SIGNER + _MAC
#: Rows that a signer need not check again: so many of at most so many bytes.
MOST_REMEMBERED, LONGEST_REMEMBERED = 4096, 4096
_PURPOSE = b"nborch result, format 1"


class RowDamaged(Exception):
    """A row is not what was written."""


class RowForeign(Exception):
    """A row was written by another user, store or version."""


@dataclass(frozen=True, slots=True)
class Part:
    """One pickle with its buffers. The pickle is in the row if it is small."""

    body: bytes | Blob
    buffers: tuple[Blob, ...] = ()

    def blobs(self) -> Iterator[Blob]:
        """Yield the files that the part consists of."""
        if isinstance(self.body, Blob):
            yield self.body
        yield from self.buffers


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is known of one result without loading it."""

    key: str
    label: str
    seconds: float
    created_at: float
    expires_at: float | None = None
    meta: Mapping[str, JSON] = field(default_factory=dict)
    #: The metadata's own file, if it is large; ``meta`` is empty then.
    meta_blob: Blob | None = None
    parts: Mapping[str, Part] = field(default_factory=dict)

    def blobs(self) -> Iterator[Blob]:
        """Yield every file that the result consists of."""
        if self.meta_blob is not None:
            yield self.meta_blob
        for part in self.parts.values():
            yield from part.blobs()

    @property
    def size(self) -> int:
        """Bytes in all, shared files included."""
        inline = (p.body for p in self.parts.values() if isinstance(p.body, bytes))
        return sum(map(len, inline)) + self.size_of_files

    @property
    def size_of_files(self) -> int:
        """Bytes beside the row, shared files included."""
        return sum(blob.size for blob in self.blobs())

    def with_blobs(self, renewed: Mapping[str, Blob]) -> "Manifest":
        """Return the manifest with these blobs, by digest, in place of its own."""

        def new(blob: Blob) -> Blob:
            return renewed.get(blob.digest, blob)

        parts = {
            name: Part(
                new(part.body) if isinstance(part.body, Blob) else part.body,
                tuple(map(new, part.buffers)),
            )
            for name, part in self.parts.items()
        }
        meta_blob = None if self.meta_blob is None else new(self.meta_blob)
        return replace(self, parts=parts, meta_blob=meta_blob)


class Signer:
    """Writes and reads the rows of one store with one user's secret.

    >>> signer = Signer(bytes(32), "store")
    >>> row = signer.pack(Manifest("key", "clean", 1.5, 0.0))
    >>> signer.unpack("key", row).label
    'clean'
    >>> signer.unpack("another key", row)
    Traceback (most recent call last):
        ...
    nborch.cache.manifests.RowDamaged: its signature does not fit
    """

    def __init__(self, secret: bytes, store_id: str) -> None:
        self._secret = secret
        self._store = store_id.encode()
        self._id = hashlib.sha256(b"signer" + secret + self._store).digest()[:_SIGNER]
        #: Rows whose signatures were checked, and what they say.
        self._checked: dict[str, tuple[bytes, Manifest]] = {}

    def pack(self, manifest: Manifest) -> bytes:
        """Return the manifest as a signed row."""
        inline: list[bytes] = []
        header = json.dumps(_header(manifest, inline), separators=(",", ":")).encode()
        length = len(header).to_bytes(_LENGTH, "little")
        payload = b"".join((length, header, *inline))
        mac = self._mac(manifest.key, payload)
        return b"".join((_MAGIC, self._id, mac, payload))

    def unpack(self, key: str, row: bytes) -> Manifest:
        """Return the manifest of a row that was written here under this key.

        Raises
        ------
        RowForeign
            If another secret, store or version of nborch signed it.
        RowDamaged
            If it is not, byte for byte, what was written.
        """
        known = self._checked.get(key)
        if known is not None and known[0] == row:
            return known[1]
        manifest = self._unpack(key, row)
        # What could be changed by its reader is read anew each time.
        if len(row) <= LONGEST_REMEMBERED and _is_flat(manifest.meta):
            if len(self._checked) >= MOST_REMEMBERED:
                self._checked.clear()
            self._checked[key] = row, manifest
        return manifest

    def _unpack(self, key: str, row: bytes) -> Manifest:
        view = memoryview(row)
        magic = row[: len(_MAGIC)]
        if len(row) < _HEADER_AT + _LENGTH or magic[:-1] != _MAGIC[:-1]:
            raise RowDamaged("it does not start like a row")
        if magic != _MAGIC:
            raise RowForeign("another version of nborch wrote it")
        if row[len(_MAGIC) : len(_MAGIC) + _SIGNER] != self._id:
            raise RowForeign("it was signed elsewhere")
        mac, payload = view[_HEADER_AT - _MAC : _HEADER_AT], view[_HEADER_AT:]
        if not hmac.compare_digest(mac, self._mac(key, payload)):
            raise RowDamaged("its signature does not fit")
        end = _LENGTH + int.from_bytes(payload[:_LENGTH], "little")
        return _manifest(key, json.loads(bytes(payload[_LENGTH:end])), payload[end:])

    def _mac(self, key: str, payload: bytes | memoryview) -> bytes:
        mac = hmac.new(self._secret, _PURPOSE, hashlib.sha256)
        for piece in (self._store, key.encode("utf-8", "surrogatepass")):
            # Lengths, so that bytes cannot move from one field to the next.
            mac.update(len(piece).to_bytes(8, "little"))
            mac.update(piece)
        mac.update(payload)
        return mac.digest()


def _is_flat(meta: Mapping[str, JSON]) -> bool:
    return not any(isinstance(value, list | dict) for value in meta.values())


def _header(manifest: Manifest, inline: list[bytes]) -> dict[str, Any]:
    parts: list[Any] = []
    for name, part in manifest.parts.items():
        body: Any
        if isinstance(part.body, Blob):
            body = _listed(part.body)
        else:
            body = len(part.body)
            inline.append(part.body)
        parts.append([name, body, [_listed(blob) for blob in part.buffers]])
    header: dict[str, Any] = {
        "label": manifest.label,
        "seconds": manifest.seconds,
        "created": manifest.created_at,
        "expires": manifest.expires_at,
        "parts": parts,
    }
    if manifest.meta_blob is None:
        header["meta"] = dict(manifest.meta)
    else:
        header["meta_blob"] = _listed(manifest.meta_blob)
    return header


def _manifest(key: str, header: dict[str, Any], inline: memoryview) -> Manifest:
    parts: dict[str, Part] = {}
    at = 0
    for name, body, buffers in header["parts"]:
        held: bytes | Blob
        if isinstance(body, int):
            held = bytes(inline[at : at + body])
            at += body
        else:
            held = _blob(body)
        parts[name] = Part(held, tuple(map(_blob, buffers)))
    meta_blob = header.get("meta_blob")
    return Manifest(
        key=key,
        label=header["label"],
        seconds=header["seconds"],
        created_at=header["created"],
        expires_at=header["expires"],
        meta=header.get("meta", {}),
        meta_blob=None if meta_blob is None else _blob(meta_blob),
        parts=parts,
    )


def _listed(blob: Blob) -> list[Any]:
    seal = blob.seal
    return [
        blob.kind.value,
        blob.digest,
        blob.size,
        seal.inode,
        seal.changed_ns,
        seal.boot,
    ]


def _blob(listed: list[Any]) -> Blob:
    kind, digest, size, inode, changed_ns, boot = listed
    return Blob(Digest(kind), digest, size, Seal(inode, size, changed_ns, boot))
