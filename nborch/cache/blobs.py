"""Content-addressed files: written once, checked, mapped, never changed.

A blob is named by the digest of its bytes, so equal columns of two frames are one
file. Each reference to a blob carries a *seal*: what the file looked like (inode,
size, change time, boot) when its digest was last known to be right. A file that
still looks so is mapped at once; any other is hashed first.
"""

import hashlib
import mmap
import os
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from functools import cache, partial
from pathlib import Path
from typing import Any

from nborch.cache.claims import sweep_unowned, unowned_file
from nborch.cache.pages import register

__all__ = ["Blob", "BlobDamaged", "BlobStore", "Digest", "Seal", "boot_id"]

#: Files below this size are read: mapping them saves less than a page fault costs.
MAPPED_FROM = 256 * 1024
#: Mappings that one process holds at a time; later files are read into memory.
#: NB. Before Python 3.13 every mapping keeps a file descriptor open.
MOST_MAPPINGS = 16_384 if sys.version_info >= (3, 13) else 256
#: Bytes hashed and written at a time, so that a chunk is still in the CPU's cache.
CHUNK = 1 << 20
#: Digests whose files this process remembers as right.
REMEMBERED = 4096


class BlobDamaged(Exception):
    """A file is missing, or its bytes are not those that its name says."""


class Digest(Enum):
    """How the bytes of a blob are fingerprinted."""

    #: For data: fast, and good against accidents.
    XXH3 = "xxh3"
    #: For pickles, which can run code: good against a forger too.
    SHA256 = "sha256"

    def start(self) -> Any:
        """Return a hash object without bytes yet."""
        if self is Digest.SHA256:
            return hashlib.sha256()
        import xxhash

        return xxhash.xxh3_128()

    def of(self, data: Any) -> str:
        """Return the digest of these bytes as text.

        >>> Digest.SHA256.of(b"")[:8]
        'e3b0c442'
        """
        digest = self.start()
        digest.update(data)
        return str(digest.hexdigest())


@dataclass(frozen=True, slots=True)
class Seal:
    """What a file looked like when its bytes were last known to be right."""

    inode: int
    size: int
    changed_ns: int
    boot: str

    @classmethod
    def of(cls, status: os.stat_result) -> "Seal":
        """Return the seal of a file with this status, in this boot.

        NB. Linux before 6.13 counts the change time in ticks of a few milliseconds: a
        change within the tick in which the file was written goes unseen. Nothing
        honest does that, the file being read-only.

        NB. Files are not synced to disk when they are written. After a power loss a
        file may hold anything, and the boot is another one: it is hashed again.
        """
        return cls(status.st_ino, status.st_size, status.st_ctime_ns, boot_id())


@dataclass(frozen=True, slots=True)
class Blob:
    """A reference to a file: its digest, its size and its seal."""

    kind: Digest
    digest: str
    size: int
    seal: Seal


class BlobStore:
    """The content-addressed files in one folder.

    Parameters
    ----------
    folder
        Holds ``cas`` (the blobs) and ``tmp`` (blobs being written).
    """

    def __init__(self, folder: Path) -> None:
        self._files = folder / "cas"
        self._unfinished = folder / "tmp"
        self._known: dict[str, Seal] = {}

    def path(self, digest: str) -> Path:
        """Return where the blob of this digest is, or would be."""
        return self._files / digest[:2] / digest

    def put(self, data: memoryview | bytes, kind: Digest) -> Blob:
        """Return a blob of these bytes, written unless a good one is there.

        Raises
        ------
        OSError
            If the disk is full, or the folder cannot be written.
        """
        digest = kind.of(data)
        present = self._reusable(digest, len(data), kind)
        if present is not None:
            return present
        return self._write(memoryview(data), kind)

    def _reusable(self, digest: str, size: int, kind: Digest) -> Blob | None:
        try:
            status = self.path(digest).stat()
        except OSError:
            return None
        seal = Seal.of(status)
        if self._known.get(digest) == seal and seal.size == size:
            return Blob(kind, digest, size, seal)
        with suppress(BlobDamaged, OSError):
            return self.check(Blob(kind, digest, size, seal), scrub=True)
        return None

    def _write(self, data: memoryview, kind: Digest) -> Blob:
        with unowned_file(self._unfinished) as (descriptor, temporary):
            # NB. Hashed again as it is written: another thread may be changing the
            # array, and a file under a wrong name would be another entry's content.
            written = kind.start()
            for start in range(0, len(data), CHUNK):
                chunk = data[start : start + CHUNK]
                written.update(chunk)
                _write_all(descriptor, chunk)
            digest = written.hexdigest()
            os.fchmod(descriptor, 0o400)
            path = self.path(digest)
            try:
                temporary.replace(path)
            except FileNotFoundError:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                temporary.replace(path)
            # After the rename, for that is a change too.
            seal = Seal.of(os.fstat(descriptor))
        self._remember(digest, seal)
        return Blob(kind, digest, len(data), seal)

    def check(self, blob: Blob, *, scrub: bool = False) -> Blob:
        """Return the blob with a seal that holds now; hash the file if in doubt.

        Parameters
        ----------
        scrub
            Hash the file even if it looks untouched.

        Raises
        ------
        BlobDamaged
            If the file is missing or wrong. A wrong file is removed.
        """
        try:
            seal = Seal.of(self.path(blob.digest).stat())
        except OSError as problem:
            raise BlobDamaged(f"its file is gone ({problem.strerror})") from None
        if not scrub and seal == blob.seal and seal.boot:
            return blob
        sealed, _ = self._open(blob, trusted=None)
        return sealed

    def open(self, blob: Blob) -> memoryview:
        """Return the bytes of a blob, as memory that may be changed freely.

        Large blobs are mapped copy-on-write: no byte is read until it is used, and
        the file stays as it is whatever the memory's owner does.

        Raises
        ------
        BlobDamaged
            If the file is missing or wrong.
        """
        _, memory = self._open(blob, trusted=blob.seal)
        return memory

    def _open(self, blob: Blob, trusted: Seal | None) -> tuple[Blob, memoryview]:
        path = self.path(blob.digest)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as problem:
            raise BlobDamaged(f"its file is gone ({problem.strerror})") from None
        try:
            seal = Seal.of(os.fstat(descriptor))
            if seal.size != blob.size:
                self._discard(blob.digest, seal)
                raise BlobDamaged(f"{seal.size} bytes instead of {blob.size}")
            try:
                memory = _memory(descriptor, seal.size)
            except OSError as problem:
                raise BlobDamaged(f"it cannot be read ({problem.strerror})") from None
        finally:
            os.close(descriptor)
        if (seal != trusted or not seal.boot) and blob.kind.of(memory) != blob.digest:
            self._discard(blob.digest, seal)
            raise BlobDamaged("its bytes have changed")
        self._remember(blob.digest, seal)
        if blob.kind is Digest.XXH3:
            same = partial(_is_sealed, path, seal)
            register(memory, bytes.fromhex(blob.digest), same)
        return Blob(blob.kind, blob.digest, blob.size, seal), memory

    def _remember(self, digest: str, seal: Seal) -> None:
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        if seal.boot:
            self._known[digest] = seal

    def _discard(self, digest: str, seal: Seal) -> None:
        """Remove the file, unless a new one has taken its place meanwhile."""
        self._known.pop(digest, None)
        path = self.path(digest)
        with suppress(OSError):
            if Seal.of(path.stat()) == seal:
                path.unlink()

    def present(self) -> Iterator[tuple[str, int]]:
        """Yield digest and size of every file there is."""
        for path in self._files.glob("??/*"):
            with suppress(OSError):
                yield path.name, path.stat().st_size

    def remove(self, digest: str) -> None:
        """Remove a blob; memory that is mapped from it stays as it is."""
        self._known.pop(digest, None)
        with suppress(OSError):
            self.path(digest).unlink()

    @contextmanager
    def unfinished(self) -> Iterator[None]:
        """Mark, for as long as this lasts, that files are there before their row.

        If the process dies meanwhile, the mark stays and `is_littered` finds it.
        """
        with unowned_file(self._unfinished):
            yield

    def is_littered(self) -> bool:
        """Whether a writer may have died: something lies where files are written."""
        try:
            with os.scandir(self._unfinished) as found:
                return next(found, None) is not None
        except OSError:
            return False

    def sweep(self) -> int:
        """Remove what writers that died have left; return the bytes freed."""
        return sweep_unowned(self._unfinished)


def _is_sealed(path: Path, seal: Seal) -> bool:
    """Tell whether the file that was mapped is still there, untouched."""
    try:
        return Seal.of(path.stat()) == seal
    except OSError:
        return False


def _write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


_mappings = 0
_mappings_lock = threading.Lock()


def _memory(descriptor: int, size: int) -> memoryview:
    global _mappings  # noqa: PLW0603 - descriptors and maps are counted per process
    if size >= MAPPED_FROM and _mappings < MOST_MAPPINGS:
        with suppress(OSError, ValueError):
            mapping = _map(descriptor, size)
            with _mappings_lock:
                _mappings += 1
            weakref.finalize(mapping, _unmapped).atexit = False
            return memoryview(mapping)
    heap = bytearray(size)
    rest = memoryview(heap)
    while rest:
        count = os.readv(descriptor, [rest])
        if not count:
            raise OSError(0, "it ends too early")
        rest = rest[count:]
    return memoryview(heap)


def _after_fork() -> None:
    global _mappings_lock  # noqa: PLW0603 - a thread of the parent may hold it for ever
    _mappings_lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def _map(descriptor: int, size: int) -> mmap.mmap:
    if sys.version_info >= (3, 13):
        return mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY, trackfd=False)
    return mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY)


def _unmapped() -> None:
    global _mappings  # noqa: PLW0603 - see _memory
    # NB. No lock: this runs in the garbage collector, perhaps within _memory. An
    # update lost between two threads only shifts the limit by one.
    _mappings -= 1


@cache
def boot_id() -> str:
    """Return what tells this boot of the machine from the last; "" if unknown."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    with suppress(ImportError, OSError):
        import psutil  # type: ignore[import-untyped,unused-ignore]  # no types

        # Rounded, for some systems compute it from two clocks that drift apart.
        return f"up-since-{round(psutil.boot_time(), -1):.0f}"
    return ""
