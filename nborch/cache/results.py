"""Results that outlive the process: right, or absent.

A result is a row in the index (`nborch.cache.index`) and, if it is large, some files
(`nborch.cache.blobs`). The row is signed and the files are checked before either is
used; whatever does not fit is put aside with one warning, and the caller computes
again. No fault of the cache reaches the code whose result it keeps.
"""

import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

from nborch.cache.base import CacheStats, Finding
from nborch.cache.blobs import Blob, BlobDamaged, BlobStore
from nborch.cache.claims import Claim, Claims, Gate
from nborch.cache.entries import Entry, EntryUnusable
from nborch.cache.housekeeping import Housekeeper
from nborch.cache.index import Index, IndexUnavailable
from nborch.cache.manifests import (
    JSON,
    Manifest,
    RowDamaged,
    RowForeign,
    Signer,
)
from nborch.cache.ownership import make_private, read_or_create
from nborch.cache.placing import needs_files, place
from nborch.cache.remedies import remedy
from nborch.cache.serializers import Serialized, Unstorable, dump, load
from nborch.cache.upkeep import (
    collect,
    count,
    manifests,
    referenced,
    scrub,
)
from nborch.exceptions import CacheWarning
from nborch.secrets import holds_secret
from nborch.settings import load_settings

__all__ = ["CacheStats", "Entry", "EntryUnusable", "Finding", "ResultCache"]


class ResultCache:
    """A folder of results that several processes share.

    ::

        cache = ResultCache(Path(".nborch/cache"))
        cache.keep("key", {"result": frame}, seconds=41.0, label="clean")
        cache.lookup("key").load("result")

    Nothing is opened or made before the first use.

    Parameters
    ----------
    folder
        Made with mode 0700 at the first write.
    secret
        Signs the rows, so that nobody else can plant one. Give this or a file.
    secret_file
        Where the secret is kept, made at the first use. NB. Not in the folder: who
        can write there could then sign. By default where the settings say.
    clock
        Returns seconds since 1970; tests turn it by hand.
    size_limit
        Bytes that the results may take; past it those of the least worth go, beside
        the work. None means no limit.
    """

    def __init__(
        self,
        folder: Path,
        *,
        secret: bytes | None = None,
        secret_file: Path | None = None,
        clock: Callable[[], float] = time.time,
        size_limit: int | None = None,
    ) -> None:
        self.folder = Path(folder)
        self._secret = secret
        self._secret_file = secret_file
        self._clock = clock
        self._index = Index(self.folder, self._warn)
        self._blobs = BlobStore(self.folder)
        self._claims = Claims(self.folder)
        self._gate = Gate(self.folder, "writers")
        self._keeper = Housekeeper(self._index, size_limit, clock, self.collect)
        self._store_file = str(self.folder / "store-id")
        self._signer: Signer | None = None
        self._told: set[str] = set()
        #: The size of the last result for which there was no room.
        self._unwritten = 0

    # -- reading ---------------------------------------------------------------

    def lookup(self, key: str) -> Entry | None:
        """Return the result kept under a key, checked, or None.

        An expired, damaged or foreign result is None; damage is told in one warning
        and removed.
        """
        try:
            if not self._index.exists():
                return None
            signer = self._ready()
            row = self._index.get(key)
            return None if row is None else self._checked(signer, key, row)
        except (IndexUnavailable, OSError) as problem:
            self._tell_once("read", remedy(self.folder, problem))
            return None

    def _checked(self, signer: Signer, key: str, row: bytes) -> Entry | None:
        try:
            manifest = signer.unpack(key, row)
        except RowForeign:
            self._tell_once(
                "foreign",
                f"The results in {str(self.folder)!r} were kept by another user, by"
                " another version of nborch or before the secret changed; they are"
                " computed again.",
            )
            return None
        except RowDamaged as problem:
            self._spoiled(key, row, key, str(problem))
            return None
        if not self._is_current(manifest):
            return None
        try:
            manifest, row = self._renewed(signer, manifest, row)
            entry = self._entry(manifest, row, self._meta(manifest))
        except BlobDamaged as problem:
            self._spoiled(key, row, manifest.label, str(problem))
            return None
        self._keeper.used(key)
        return entry

    def _is_current(self, manifest: Manifest) -> bool:
        """Whether it has not expired.

        A clock that was set back must not prolong a result's life: one that seems to
        come from the future has no age that could be trusted.
        """
        if manifest.expires_at is None:
            return True
        return manifest.created_at - 1.0 <= self._clock() < manifest.expires_at

    def _renewed(
        self, signer: Signer, manifest: Manifest, row: bytes
    ) -> tuple[Manifest, bytes]:
        """Return the manifest with seals that hold, and keep them for the next time."""
        renewed: dict[str, Blob] = {}
        for blob in manifest.blobs():
            checked = self._blobs.check(blob)
            if checked is not blob:
                renewed[blob.digest] = checked
        if renewed:
            manifest = manifest.with_blobs(renewed)
            fresh = signer.pack(manifest)
            try:
                size = manifest.size_of_files
                self._index.replace(manifest.key, row, fresh, manifest.label, size)
                row = fresh
            except IndexUnavailable:
                pass  # hashed again the next time: slower, not wrong
        return manifest, row

    def _meta(self, manifest: Manifest) -> dict[str, JSON]:
        if manifest.meta_blob is None:
            return dict(manifest.meta)
        stored: dict[str, JSON] = json.loads(
            bytes(self._blobs.open(manifest.meta_blob))
        )
        return stored

    def _entry(self, manifest: Manifest, row: bytes, meta: dict[str, JSON]) -> Entry:
        return Entry(manifest, meta, partial(self._load, manifest, row))

    def _load(
        self,
        manifest: Manifest,
        row: bytes,
        name: str,
        resolve: Callable[[Any], object] | None,
    ) -> Any:
        try:
            part = manifest.parts[name]
        except KeyError:
            raise EntryUnusable(
                f"The result of {manifest.label!r} has no part {name!r}."
            ) from None
        try:
            body = part.body
            pickled = self._blobs.open(body) if isinstance(body, Blob) else body
            buffers = [self._blobs.open(blob) for blob in part.buffers]
        except BlobDamaged as problem:
            self._spoiled(manifest.key, row, manifest.label, str(problem))
            raise EntryUnusable(
                f"The kept result of {manifest.label!r} was damaged: {problem}."
            ) from problem
        try:
            return load(pickled, buffers, resolve)
        except Exception as problem:
            raise EntryUnusable(
                f"The kept result of {manifest.label!r} cannot be loaded"
                f" ({type(problem).__name__}: {problem})."
            ) from problem

    # -- writing ---------------------------------------------------------------

    def keep(  # noqa: PLR0913 - each is one thing known of a result
        self,
        key: str,
        parts: Mapping[str, object],
        *,
        meta: Mapping[str, JSON] | None = None,
        seconds: float = 0.0,
        expires_at: float | None = None,
        label: str = "",
        tell: Callable[[str], object] | None = None,
    ) -> Entry | None:
        """Keep a result and return its entry; None, with one warning, if it cannot be.

        Parameters
        ----------
        parts
            Objects by name; each is loaded by itself. Objects that belong together
            (one refers to the other) go into one part.
        meta
            JSON that comes back with the entry, before any part is loaded.
        seconds
            What computing the result took.
        expires_at
            Seconds since 1970 from which on it is no hit.
        label
            What messages call the result; the key if empty.
        tell
            Called with the reason why it is not kept, in place of a warning.
        """
        told = label or key
        try:
            stored = {name: self._dumped(name, part) for name, part in parts.items()}
            described = json.dumps(dict(meta or {})).encode()
            manifest = Manifest(
                key, told, float(seconds), self._clock(), expires_at, dict(meta or {})
            )
        except Unstorable as problem:
            advice = "Return plain data instead, or switch the cache off for it."
            self._not_kept(told, str(problem), advice, tell)
            return None
        except Exception as problem:  # noqa: BLE001 - the value's own code raises anything
            reason = f"{type(problem).__name__}: {problem}"
            self._not_kept(told, reason, "", tell)
            return None
        if holds_secret(described) or any(
            holds_secret(value.body, *value.buffers) for value in stored.values()
        ):
            self._not_kept(told, "it holds the text of a secret", "", tell)
            return None
        size = sum(value.size for value in stored.values())
        limit = self._keeper.limit
        if limit is not None and size > limit:
            reason = f"its {size:,} bytes are more than the whole cache may take"
            advice = f"Raise NBORCH_CACHE_SIZE_LIMIT, which is {limit:,} bytes."
            self._not_kept(told, reason, advice, tell)
            return None
        try:
            entry = self._written(manifest, stored, described)
        except (IndexUnavailable, OSError, MemoryError) as problem:
            reason = remedy(self.folder, problem)
            if tell is not None:
                tell(reason)
            self._unwritten = size
            self._tell_once("write", f"The result of {told!r} was not kept. {reason}")
            return None
        if size >= self._unwritten:
            self._told.discard("write")
        self._keeper.kept(size)
        return entry

    def _not_kept(
        self, told: str, reason: str, advice: str, tell: Callable[[str], object] | None
    ) -> None:
        """Say why a value cannot be kept."""
        if tell is not None:
            tell(reason)
        else:
            self._warn(
                f"The result of {told!r} was not kept: {reason}. {advice}".strip()
            )

    def _dumped(self, name: str, part: object) -> Serialized:
        try:
            return dump(part)
        except Unstorable as problem:
            raise Unstorable(problem.reason, f"{name}{problem.path}") from problem

    def _written(
        self, manifest: Manifest, stored: Mapping[str, Serialized], described: bytes
    ) -> Entry:
        signer = self._ready()
        placed: list[Blob] = []
        large = needs_files(stored, described)
        marked = self._blobs.unfinished() if large else nullcontext()
        try:
            with self._gate.write(), marked:
                manifest = place(self._blobs, manifest, stored, described, placed)
                row = signer.pack(manifest)
                size = manifest.size_of_files
                self._index.put(manifest.key, row, manifest.label, size)
        except BaseException:
            self._take_back(signer, placed)
            raise
        return self._entry(manifest, row, json.loads(described))

    def _take_back(self, signer: Signer, placed: list[Blob]) -> None:
        """Remove the files of a result that was not kept after all."""
        if placed:
            with suppress(IndexUnavailable, OSError), self._gate.collect():
                keep = referenced(self._index, signer)
                for digest in {blob.digest for blob in placed} - keep:
                    self._blobs.remove(digest)

    def forget(self, key: str) -> bool:
        """Remove the result kept under a key; return whether there was one.

        Its files go with the next `collect`.
        """
        try:
            return self._index.exists() and self._index.delete(key)
        except (IndexUnavailable, OSError) as problem:
            self._tell_once("read", remedy(self.folder, problem))
            return False

    # -- one computation per key -------------------------------------------------

    @contextmanager
    def claim(self, key: str, timeout: float | None = None) -> Iterator[bool]:
        """Hold a key while its result is computed, so that others wait for it.

        ::

            with cache.claim(key) as alone:
                entry = cache.lookup(key)  # somebody may have kept it meanwhile
                ...

        Yields True to one holder at a time, over all threads and processes. If a
        holder dies, the next takes over. Yields False when the time is up or when this
        thread itself holds the key. Where the folder cannot hold locks nobody can be
        waited for, and each caller gets True.

        Parameters
        ----------
        timeout
            Seconds to wait at most; 0 does not wait.
        """
        held: Claim | None = None
        alone = True
        try:
            make_private(self.folder)
            held = self._claims.acquire(key, timeout)
            alone = held is not None
        except OSError as problem:
            self._tell_once("write", remedy(self.folder, problem))
        try:
            yield alone
        finally:
            if held is not None:
                self._claims.release(held)

    def watch(self, key: str, wake: Callable[[], object]) -> bool:
        """Call `wake` once when the thread of this process that holds a key lets go.

        Returns False, and never calls it, if no thread of this process holds it: it
        is free, or another process has it.
        """
        return self._claims.watch(key, wake)

    def holder(self, key: str) -> str:
        """Return who holds a key, as ``"process 4711 on host lab3"``, or nothing."""
        return self._claims.holder(key)

    # -- upkeep ------------------------------------------------------------------

    def entries(self) -> Iterator[Entry]:
        """Yield every result, expired ones too; their files are not checked."""
        if self._index.exists():
            signer = self._ready()
            for manifest, row in manifests(self._index, signer):
                with suppress(BlobDamaged):
                    yield self._entry(manifest, row, self._meta(manifest))

    def stats(self) -> CacheStats:
        """Return how much the cache holds and what it has cost."""
        if not self._index.exists():
            return CacheStats(0, 0, 0, 0.0)
        return count(self._index, self._blobs, self._ready())

    def verify(self) -> list[Finding]:
        """Read every byte, remove what is damaged, and return what was found."""
        if not self._index.exists():
            return []
        return scrub(self._index, self._blobs, self._ready())

    def collect(self, max_bytes: int | None = None) -> int:
        """Remove what no result needs, and return the bytes that were freed.

        These are expired results, files without a result, and what processes that
        were killed have left.

        Parameters
        ----------
        max_bytes
            If given, results also go until the rest fits: first those that save the
            fewest seconds per byte, where a week without use halves what one saves.
        """
        if not self._index.exists():
            return self._blobs.sweep()
        signer = self._ready()
        self._keeper.write_uses()
        with self._gate.collect():
            return collect(
                self._index,
                self._blobs,
                signer,
                max_bytes=max_bytes,
                now=self._clock(),
                is_current=self._is_current,
            )

    def close(self) -> None:
        """Close the index's file; the next call opens it again."""
        self._keeper.close()
        self._index.close()
        self._signer = None

    # -- the ground --------------------------------------------------------------

    def _ready(self) -> Signer:
        """Return the signer of the store as it is on disk now."""
        known = self._signer
        if known is not None and os.path.exists(self._store_file):  # noqa: PTH110
            return known
        # The first use, or the folder was removed under us: begin (again).
        self._index.close()
        make_private(self.folder)
        secret = self._secret or read_or_create(
            self._secret_file or load_settings().secret_file
        )
        signer = Signer(secret, read_or_create(Path(self._store_file), 16).hex())
        self._signer = signer
        if self._blobs.is_littered():
            self._tidy(signer)
        return signer

    def _tidy(self, signer: Signer) -> None:
        """Remove what a killed process has left, unless somebody is writing."""
        with suppress(IndexUnavailable, OSError), self._gate.collect(wait=False):
            collect(
                self._index, self._blobs, signer, is_current=lambda _: True, now=0.0
            )

    def _spoiled(self, key: str, row: bytes, label: str, problem: str) -> None:
        with suppress(IndexUnavailable, OSError):
            self._index.delete_if(key, row)
        self._warn(
            f"The kept result of {label!r} was damaged ({problem}); it was removed"
            " and is computed again. Check the others with: nborch cache verify"
        )

    def _tell_once(self, kind: str, message: str) -> None:
        """Warn of a fault that meets every call, at the first call only."""
        if kind not in self._told:
            self._told.add(kind)
            self._warn(message)

    def _warn(self, message: str) -> None:
        warnings.warn(message, CacheWarning, stacklevel=2)


def _any(_manifest: Manifest) -> bool:
    return True
