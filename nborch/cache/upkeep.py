"""Counting, checking and clearing a result cache as a whole."""

from collections.abc import Callable, Iterator

from nborch.cache.base import CacheStats, Finding
from nborch.cache.blobs import BlobDamaged, BlobStore
from nborch.cache.index import Index
from nborch.cache.manifests import Manifest, RowDamaged, RowForeign, Signer

__all__ = [
    "collect",
    "count",
    "manifests",
    "referenced",
    "scrub",
]

#: Without use a result loses half of its worth in this time: a week.
HALF_LIFE_SECONDS = 7 * 86_400.0
#: What finding a result saves at least, so that the age of quick ones counts too.
LEAST_SECONDS = 0.001


def manifests(index: Index, signer: Signer) -> Iterator[tuple[Manifest, bytes]]:
    """Yield every result that is ours, with its row."""
    for key, row in index.items():
        try:
            yield signer.unpack(key, row), row
        except (RowDamaged, RowForeign):
            continue


def referenced(index: Index, signer: Signer) -> set[str]:
    """Return the digests of all files that some result needs."""
    found = manifests(index, signer)
    return {blob.digest for manifest, _ in found for blob in manifest.blobs()}


def count(index: Index, blobs: BlobStore, signer: Signer) -> CacheStats:
    """Return how much there is."""
    entries, held, seconds = 0, 0, 0.0
    for manifest, row in manifests(index, signer):
        entries += 1
        held += len(row)
        seconds += manifest.seconds
    files = [size for _, size in blobs.present()]
    return CacheStats(entries, len(files), held + sum(files), seconds)


def scrub(index: Index, blobs: BlobStore, signer: Signer) -> list[Finding]:
    """Read every byte, remove what is damaged, and return what was found."""
    findings: list[Finding] = []
    checked: dict[str, str] = {}
    for key, row in index.items():
        try:
            manifest = signer.unpack(key, row)
        except RowForeign:
            continue  # its owner can tell whether it is right
        except RowDamaged as problem:
            findings.append(Finding(key, key, str(problem)))
            index.delete_if(key, row)
            continue
        for blob in manifest.blobs():
            if blob.digest not in checked:
                checked[blob.digest] = ""
                try:
                    blobs.check(blob, scrub=True)
                except BlobDamaged as problem:
                    checked[blob.digest] = str(problem)
            if checked[blob.digest]:
                findings.append(Finding(key, manifest.label, checked[blob.digest]))
                index.delete_if(key, row)
                break
    return findings


def collect(  # noqa: PLR0913 - each is one thing that decides
    index: Index,
    blobs: BlobStore,
    signer: Signer,
    *,
    is_current: Callable[[Manifest], bool],
    now: float,
    max_bytes: int | None = None,
) -> int:
    """Remove what no result needs; return the bytes freed. Nobody may be writing."""
    rows = list(manifests(index, signer))
    needed = {manifest.key: (manifest, row) for manifest, row in rows}
    for manifest, row in rows:
        if not is_current(manifest):
            index.delete_if(manifest.key, row)
            del needed[manifest.key]
    if max_bytes is not None:
        _shrink(index, needed, max_bytes, now)
    keep = {b.digest for manifest, _ in needed.values() for b in manifest.blobs()}
    freed = sum(len(row) for m, row in rows if m.key not in needed)
    for digest, size in list(blobs.present()):
        if digest not in keep:
            blobs.remove(digest)
            freed += size
    return freed + blobs.sweep()


def _shrink(
    index: Index, needed: dict[str, tuple[Manifest, bytes]], max_bytes: int, now: float
) -> None:
    """Drop results until the rest fits, those of the least worth first."""
    last_uses = index.last_uses()
    uses: dict[str, int] = {}
    total = 0
    for manifest, row in needed.values():
        total += len(row)
        for blob in manifest.blobs():
            uses[blob.digest] = uses.get(blob.digest, 0) + 1
            total += blob.size if uses[blob.digest] == 1 else 0

    def worth(held: tuple[Manifest, bytes]) -> tuple[float, float]:
        manifest, row = held
        used = max(last_uses.get(manifest.key, 0.0), manifest.created_at)
        seconds = manifest.seconds + LEAST_SECONDS
        saved = seconds * 0.5 ** (max(now - used, 0.0) / HALF_LIFE_SECONDS)
        return saved / (manifest.size + len(row)), used

    for manifest, row in sorted(needed.values(), key=worth):
        if total <= max_bytes:
            return
        index.delete_if(manifest.key, row)
        del needed[manifest.key]
        total -= len(row)
        for blob in manifest.blobs():
            uses[blob.digest] -= 1
            total -= blob.size if uses[blob.digest] == 0 else 0
