"""Store and hit times of the result cache beside joblib and plain diskcache.

Run it with ``python tests/benchmarks/bench_cache.py``, or with ``--quick`` for small
sizes. Each result is stored by one process and found by a new one. A hit is timed
until the value is in hand; "+ sum" adds reading all of it once. The last columns say
whether the value that was found can be written to, and whether the stored copy was
still right after it had been written to.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diskcache
import joblib
import numpy as np
import pandas as pd

from nborch.cache.results import ResultCache

MB = 1_000_000
ITEMS = {
    "int": ("int", 0),
    "array 100 MB": ("array", 100 * MB),
    "array 1 GiB": ("array", 1 << 30),
    "frame 100 MB": ("frame", 100 * MB),
    "frame 1 GB": ("frame", 1000 * MB),
}
QUICK = {
    "int": ("int", 0),
    "array 8 MB": ("array", 8 * MB),
    "frame 8 MB": ("frame", 8 * MB),
}
TOOLS = ("nborch", "joblib", "joblib mmap_mode='r'", "diskcache", "diskcache, no limit")


def make(kind: str, size: int) -> Any:
    """Return the value to store: numbers, and in the frame times too."""
    if kind == "int":
        return 42
    if kind == "array":
        return np.arange(size // 8, dtype=float)
    rows = np.arange(size // 40)
    return pd.DataFrame(
        {
            "a": rows * 1.5,
            "b": rows[::-1] / 3,
            "c": rows % 7,
            "d": np.sqrt(rows),
            "time": rows.astype("M8[ns]"),
        }
    )


def total(value: Any) -> float:
    """Return the sum of a value, which reads all of it."""
    if isinstance(value, pd.DataFrame):
        return float(sum(value[name].astype("i8").sum() for name in value))
    return float(np.sum(value))


def overwrite(value: Any) -> bool:
    """Write zeros into a value, if it lets us."""
    try:
        if isinstance(value, pd.DataFrame):
            value.iloc[:, :4] = 0
        else:
            value[:] = 0
    except (TypeError, ValueError):
        return False
    return True


class Tool:
    """One cache: store a value under a name, and find it again."""

    def __init__(self, tool: str, folder: Path) -> None:
        self.store: Callable[[str, int], object]
        self.find: Callable[[str, int], Any]
        if tool == "nborch":
            cache = ResultCache(folder, secret=b"s" * 32)
            self.store = lambda kind, size: cache.keep(
                f"{kind} {size}", {"value": self.value}
            )
            self.find = lambda kind, size: _entry(cache, f"{kind} {size}").load("value")
        elif tool.startswith("joblib"):
            mode = "r" if "mmap" in tool else None
            memory = joblib.Memory(folder, mmap_mode=mode, verbose=0)
            kept = memory.cache(lookup)
            self.store = kept
            self.find = kept
        else:
            limit = {} if tool == "diskcache" else {"size_limit": 2**62}
            plain = diskcache.Cache(folder, **limit)
            self.store = lambda kind, size: plain.set(f"{kind} {size}", self.value)
            self.find = lambda kind, size: plain[f"{kind} {size}"]
        self.value: Any = None


def _entry(cache: ResultCache, key: str) -> Any:
    entry = cache.lookup(key)
    if entry is None:
        raise KeyError(key)
    return entry


_value: Any = None


def lookup(kind: str, size: int) -> Any:
    """Return the value that was made before; what joblib caches."""
    if _value is None:
        raise KeyError(kind, size)
    return _value


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Return milliseconds, and what the action returned."""
    began = time.perf_counter()
    result = action()
    return 1000 * (time.perf_counter() - began), result


def store(tool: str, folder: Path, kind: str, size: int) -> dict[str, Any]:
    """Store in this process, warmed up with another value."""
    global _value  # noqa: PLW0603 - joblib's function takes only what is in its key
    cache = Tool(tool, folder)
    cache.value = _value = 1
    cache.store("warm", 0)
    cache.value = _value = make(kind, size)
    milliseconds, _ = timed(lambda: cache.store(kind, size))
    return {"store": milliseconds, "sum": total(_value)}


def hit(tool: str, folder: Path, kind: str, size: int) -> dict[str, Any]:
    """Find in this process, warmed up with another value."""
    cache = Tool(tool, folder)
    try:
        cache.find("warm", 0)
        first, value = timed(lambda: cache.find(kind, size))
    except KeyError:
        return {"lost": True}
    reading, found = timed(lambda: total(value))
    writable = None if kind == "int" else overwrite(value)
    again, value = timed(lambda: cache.find(kind, size))
    unharmed = total(value) == found
    value = None  # so that at most one of them is in memory
    later = [timed(lambda: cache.find(kind, size))[0] for _ in range(3)]
    return {
        "hit": first,
        "best": min(first, again, *later),
        "read": first + reading,
        "sum": found,
        "writable": writable,
        "unharmed": unharmed,
    }


def in_new_process(*arguments: object) -> dict[str, Any]:
    """Run this script for one measurement."""
    done = subprocess.run(
        [sys.executable, __file__, "--measure", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def compare(items: dict[str, tuple[str, int]]) -> None:
    """Print a table for all items and tools."""
    print(
        f"{'':14} {'':22} {'store':>9} {'hit':>9} {'ratio':>8} {'best':>9}"
        f" {'+ sum':>9}  writable  unharmed"
    )
    for item, (kind, size) in items.items():
        reference = None
        for tool in TOOLS:
            folder = Path(tempfile.mkdtemp(prefix="bench-cache-"))
            try:
                stored = in_new_process("store", tool, folder, kind, size)
                found = in_new_process("hit", tool, folder, kind, size)
            finally:
                shutil.rmtree(folder)
            line = f"{item:14} {tool:22} {stored['store']:9.2f}"
            if found.get("lost"):
                print(f"{line}      lost", flush=True)
                continue
            if found["sum"] != stored["sum"]:
                raise SystemExit(f"{tool} gave back another {item}")
            reference = reference or found["hit"]
            writable = {None: "", True: "yes", False: "no"}[found["writable"]]
            print(
                f"{line} {found['hit']:9.3f} {found['hit'] / reference:7.1f}x"
                f" {found['best']:9.3f} {found['read']:9.2f}  {writable:8}"
                f"  {'yes' if found['unharmed'] else 'NO'}",
                flush=True,
            )
    print("Times in milliseconds; the ratio is of the first hit, to nborch's.")


def main() -> None:
    """Measure, or compare everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--measure", nargs=5, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        what, tool, folder, kind, size = chosen.measure
        measure = {"store": store, "hit": hit}[what]
        print(json.dumps(measure(tool, Path(folder), kind, int(size))))
    else:
        compare(QUICK if chosen.quick else ITEMS)


if __name__ == "__main__":
    main()
