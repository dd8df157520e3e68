"""Where a cell's result is kept, if it depends on more than could be known before.

The key of a cell is made of what its text names. What it turns out to read (files, the
user's own modules, random generators) stands beside its result. Of one key there may
be several results: the first under the key itself, the others under names made of the
key and the digests of what the first one had turned out to read. So a file that is
changed back finds what was computed from it.
"""

from collections.abc import Mapping
from typing import Any

from nborch.cache.base import KeptResult, ResultStore
from nborch.cache.keys import digest
from nborch.exceptions import Unfingerprintable
from nborch.notebook.effects.surroundings import Surroundings
from nborch.notebook.files.traces import digests_now, unchanged
from nborch.notebook.imports import module_fingerprints

__all__ = ["candidate_key", "find", "fits", "found_by"]


def find(
    cache: ResultStore, key: str, *, seeded: bool
) -> tuple[KeptResult | None, str]:
    """Return the result for the present state, and where one for it is to be kept.

    Parameters
    ----------
    seeded
        Whether somebody seeds random generators in this notebook.
    """
    entry = cache.lookup(key)
    if entry is None or fits(entry.meta, seeded=seeded):
        return entry, key
    other = candidate_key(key, entry.meta, seeded=seeded)
    if other is None:
        return None, key
    entry = cache.lookup(other)
    return entry if entry and fits(entry.meta, seeded=seeded) else None, other


def fits(meta: Mapping[str, Any], *, seeded: bool) -> bool:
    """Tell whether what a kept result turned out to depend on is as it was then.

    Parameters
    ----------
    seeded
        Whether somebody seeds random generators in this notebook. In any other they
        start from chance, and a cell that draws is kept like any other.
    """
    if unchanged(meta["files"]) or not _same_modules(meta["modules"]):
        return False
    drawn = meta["drawn_from"]
    return not (drawn and seeded) or Surroundings.now().generators(drawn) == dict(drawn)


def candidate_key(key: str, meta: Mapping[str, Any], *, seeded: bool) -> str | None:
    """Return the key of a result for the present state of what this one depends on.

    None where that state cannot be told.
    """
    try:
        now = {f"file {path}": each for path, each in digests_now(meta["files"])}
        now |= _named("module", module_fingerprints(meta["modules"]))
    except Exception:  # noqa: BLE001  # a file that cannot be read, a module that fails
        return None
    if seeded and meta["drawn_from"]:
        drawn = Surroundings.now().generators(meta["drawn_from"])
        now |= _named("generator", drawn)
    told = (part for name in sorted(now) for part in (name, now[name]))
    return digest("candidate", key, *told)


def found_by(meta: Mapping[str, Any]) -> dict[str, str]:
    """Return what a kept result turned out to depend on, as ingredients."""
    files = {t["path"]: t["digest"] or "absent" for t in meta["files"]}
    return {
        **_named("file", files),
        **_named("module", meta["modules"]),
        **_named("generator", meta["drawn_from"]),
    }


def _named(kind: str, digests: Mapping[str, str]) -> dict[str, str]:
    return {f"{kind} {name}": each for name, each in digests.items()}


def _same_modules(known: Mapping[str, str]) -> bool:
    try:
        return module_fingerprints(known) == dict(known)
    except (Unfingerprintable, ImportError):
        return False
