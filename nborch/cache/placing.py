"""What of a result stands in its row, and what becomes files."""

from collections.abc import Mapping
from dataclasses import replace

from nborch.cache.blobs import Blob, BlobStore, Digest
from nborch.cache.manifests import Manifest, Part
from nborch.cache.reducers import OUT_OF_BAND
from nborch.cache.serializers import Serialized

__all__ = ["needs_files", "place"]

#: Bytes of small pickles that one row holds at most; the rest become files.
MOST_INLINE = 4 * OUT_OF_BAND


def needs_files(stored: Mapping[str, Serialized], described: bytes) -> bool:
    """Whether the parts and the metadata may be too much for a row alone."""
    pickles = sum(len(value.body) for value in stored.values())
    beside = any(value.buffers for value in stored.values())
    return beside or max(pickles, len(described)) >= OUT_OF_BAND


def place(
    blobs: BlobStore,
    manifest: Manifest,
    stored: Mapping[str, Serialized],
    described: bytes,
    placed: list[Blob],
) -> Manifest:
    """Write what is large into files, and return the manifest that names them.

    Parameters
    ----------
    described
        The metadata as JSON.
    placed
        Each file is added here as it is written, for the case that the next fails.
    """

    def put(data: memoryview | bytes, kind: Digest) -> Blob:
        placed.append(blobs.put(data, kind))
        return placed[-1]

    room = MOST_INLINE
    parts: dict[str, Part] = {}
    for name, value in stored.items():
        body: bytes | Blob = value.body
        if len(value.body) >= OUT_OF_BAND or len(value.body) > room:
            body = put(value.body, Digest.SHA256)
        else:
            room -= len(value.body)
        buffers = tuple(put(buffer, Digest.XXH3) for buffer in value.buffers)
        parts[name] = Part(body, buffers)
    if len(described) >= OUT_OF_BAND:
        # NB. Checked like a pickle: displays are markup, which can run code too.
        blob = put(described, Digest.SHA256)
        return replace(manifest, parts=parts, meta={}, meta_blob=blob)
    return replace(manifest, parts=parts)
