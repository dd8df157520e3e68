"""A kept result, as its finder holds it."""

from collections.abc import Callable
from typing import Any

from nborch.cache.manifests import JSON, Manifest
from nborch.exceptions import NborchError

__all__ = ["Entry", "EntryUnusable"]


class EntryUnusable(NborchError, LookupError):
    """A result is there and cannot be loaded: compute it again."""


class Entry:
    """A kept result: what is known of it, and its parts to load.

    ::

        entry = cache.lookup(key)
        if entry is not None:
            rows = entry.load("rows")
    """

    __slots__ = ("_loader", "_manifest", "meta")

    def __init__(
        self,
        manifest: Manifest,
        meta: dict[str, JSON],
        loader: Callable[[str, Callable[[Any], object] | None], Any],
    ) -> None:
        self._manifest = manifest
        self._loader = loader
        #: What `ResultCache.keep` was given beside the parts.
        self.meta = meta

    @property
    def key(self) -> str:
        """What the result is looked up by."""
        return self._manifest.key

    @property
    def label(self) -> str:
        """The name that messages call it by."""
        return self._manifest.label

    @property
    def seconds(self) -> float:
        """What computing it took."""
        return self._manifest.seconds

    @property
    def created_at(self) -> float:
        """When it was kept, in seconds since 1970."""
        return self._manifest.created_at

    @property
    def expires_at(self) -> float | None:
        """When it stops being a hit, in seconds since 1970."""
        return self._manifest.expires_at

    @property
    def size(self) -> int:
        """Bytes in all; files that it shares with other results count fully."""
        return self._manifest.size

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of its parts, as they were kept."""
        return tuple(self._manifest.parts)

    def load(self, part: str, resolve: Callable[[Any], object] | None = None) -> Any:
        """Return one part as a new object, the caller's to change.

        Large arrays are mapped, not read: a gigabyte costs less than a millisecond
        until it is used. Writing into them never changes what is stored.

        Parameters
        ----------
        resolve
            Returns what a reference stands for that the part was kept with.

        Raises
        ------
        EntryUnusable
            If a file was damaged meanwhile, or a class in it no longer exists.
        """
        return self._loader(part, resolve)

    def __repr__(self) -> str:
        return f"Entry(key={self.key!r}, label={self.label!r}, parts={self.parts!r})"
