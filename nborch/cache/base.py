"""What a store of results can do, for those who use one.

It stands apart from `nborch.cache.results`, whose modules take half the time that
``from nborch import task`` may take: they are loaded with the first result.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

__all__ = ["CacheStats", "Finding", "KeptResult", "ResultStore"]


@dataclass(frozen=True, slots=True)
class CacheStats:
    """What a cache holds."""

    #: Results that can be looked up.
    entries: int
    #: Files that hold their large buffers.
    blobs: int
    #: Bytes on disk: files, and what stands in rows.
    bytes: int
    #: Seconds that computing all the results took, and that one hit on each saves.
    seconds: float


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong that was found in a cache, and removed."""

    #: The key of the result, or the name of the file.
    key: str
    #: The name that messages call the result by.
    label: str
    #: What was wrong with it.
    problem: str


class KeptResult(Protocol):
    """A kept result, as its finder holds it: what is known of it, and its parts."""

    meta: dict[str, Any]

    @property
    def key(self) -> str:
        """What the result is looked up by."""
        ...

    @property
    def label(self) -> str:
        """The name that messages call it by."""
        ...

    @property
    def seconds(self) -> float:
        """What computing it took."""
        ...

    @property
    def created_at(self) -> float:
        """When it was kept, in seconds since 1970."""
        ...

    @property
    def expires_at(self) -> float | None:
        """When it stops being a hit, in seconds since 1970."""
        ...

    @property
    def size(self) -> int:
        """Bytes in all."""
        ...

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of its parts, as they were kept."""
        ...

    def load(self, part: str, resolve: Callable[[Any], object] | None = None) -> Any:
        """Return one part as a new object, the caller's to change.

        Parameters
        ----------
        resolve
            Returns what a reference stands for that the part was kept with.
        """
        ...


class ResultStore(Protocol):
    """Keeps results by key, for many processes. `ResultCache` is one."""

    folder: Path

    def lookup(self, key: str) -> KeptResult | None:
        """Return the result kept under a key, checked, or None."""
        ...

    def keep(  # noqa: PLR0913 - each is one thing known of a result
        self,
        key: str,
        parts: Mapping[str, object],
        *,
        meta: Mapping[str, Any] | None = None,
        seconds: float = 0.0,
        expires_at: float | None = None,
        label: str = "",
        tell: Callable[[str], object] | None = None,
    ) -> KeptResult | None:
        """Keep a result and return its entry; None if it cannot be kept."""
        ...

    def claim(
        self, key: str, timeout: float | None = None
    ) -> AbstractContextManager[bool]:
        """Hold a key while its result is computed, so that others wait for it."""
        ...

    def watch(self, key: str, wake: Callable[[], object]) -> bool:
        """Call `wake` once when a thread of this process lets a key go, if one can."""
        ...

    def holder(self, key: str) -> str:
        """Return who holds a key, or nothing."""
        ...

    def forget(self, key: str) -> bool:
        """Remove the result kept under a key; return whether there was one."""
        ...

    def entries(self) -> Iterator[KeptResult]:
        """Yield every result."""
        ...

    def stats(self) -> CacheStats:
        """Return how much is held and what it has cost."""
        ...

    def verify(self) -> list[Finding]:
        """Read every byte, remove what is damaged, and return what was found."""
        ...

    def collect(self, max_bytes: int | None = None) -> int:
        """Remove what is of no use, and return the bytes that were freed."""
        ...

    def close(self) -> None:
        """Give back what is held open."""
        ...
