"""The result cache of this machine: what it holds, what it has saved."""

import time
from collections import defaultdict

from nborch.cache.base import KeptResult
from nborch.control.forms import CacheForm, CacheOfTask, Cleared, KeptForm, KeptPage
from nborch.control.limits import LocalLimits
from nborch.control.pages import page_of

__all__ = ["LocalResults"]

#: Seconds for which it is told what was saved: a month.
LOOK_BACK = 30 * 86_400.0


class LocalResults(LocalLimits):
    """See and clear the result cache in a home; see `nborch.control.base`."""

    def cache(self) -> CacheForm:
        """Return what the result cache holds, and what it has saved."""
        cache = self.home.cache
        tasks: dict[str, CacheOfTask] = defaultdict(_nothing)
        for entry in cache.entries():
            task = tasks[entry.label]
            task["entries"] += 1
            task["size"] += entry.size
            task["seconds"] += entry.seconds
        reused = self.home.listing.reused_by_task(time.time() - LOOK_BACK)
        for name, (hits, seconds) in reused.items():
            tasks[name]["hits"] += hits
            tasks[name]["seconds_saved"] += seconds
        for name, task in tasks.items():
            task["task"] = name
        known = cache.stats()
        return {
            "folder": str(cache.folder),
            "size": known.bytes,
            "limit": self.home.settings.cache_size_limit,
            "entries": known.entries,
            "seconds": known.seconds,
            "hits": sum(task["hits"] for task in tasks.values()),
            "seconds_saved": sum(task["seconds_saved"] for task in tasks.values()),
            "by_task": sorted(
                tasks.values(), key=lambda task: (-task["size"], task["task"])
            ),
        }

    def cache_results(self, *, limit: int = 50, cursor: str | None = None) -> KeptPage:
        """Return the kept results, the newest first."""
        entries = sorted(self.home.cache.entries(), key=_recency)
        page, after = page_of(entries, _recency, limit, cursor)
        return {"items": [_kept(each) for each in page], "next": after}

    def clear_cache(
        self, *, task: str | None = None, older_than: float | None = None
    ) -> Cleared:
        """Remove kept results."""
        cache = self.home.cache
        until = None if older_than is None else time.time() - older_than
        keys = [
            entry.key
            for entry in cache.entries()
            if (task is None or entry.label == task)
            and (until is None or entry.created_at < until)
        ]
        removed = sum(cache.forget(key) for key in keys)
        return {"removed": removed, "freed": cache.collect()}

    def collect_cache(self, *, max_bytes: int | None = None) -> Cleared:
        """Remove what is expired or of no use, and what is worth least past a size."""
        cache = self.home.cache
        before = cache.stats().entries
        freed = cache.collect(max_bytes)
        return {"removed": max(0, before - cache.stats().entries), "freed": freed}


def _nothing() -> CacheOfTask:
    return {
        "task": "",
        "entries": 0,
        "size": 0,
        "seconds": 0.0,
        "hits": 0,
        "seconds_saved": 0.0,
    }


def _recency(entry: KeptResult) -> str:
    return f"{1e12 - entry.created_at:020.6f} {entry.key}"


def _kept(entry: KeptResult) -> KeptForm:
    return {
        "key": entry.key,
        "task": entry.label,
        "created": entry.created_at,
        "seconds": entry.seconds,
        "bytes": entry.size,
        "expires": entry.expires_at,
    }
