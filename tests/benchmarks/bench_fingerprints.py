"""How fast a gigabyte is recognised, as a ratio to merely reading it.

Run it with ``python tests/benchmarks/bench_fingerprints.py``. The ratios count: the
figures of one machine are not those of another.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from nborch.cache.fingerprints import fingerprint
from nborch.cache.results import ResultCache

ROUNDS = 3


def best(function, *args):
    """Return the least milliseconds of a few rounds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        function(*args)
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def main(megabytes=1024):
    """Print what each kind of memory costs beside a sum over all its numbers."""
    numbers = np.random.default_rng(0).random(megabytes << 17)
    table = pd.DataFrame({name: numbers[i::4].copy() for i, name in enumerate("abcd")})
    read = best(np.sum, numbers)
    rows = [
        ("reading it (sum)", read),
        ("fingerprint of an array", best(fingerprint, numbers)),
        ("fingerprint of a table", best(fingerprint, table)),
        ("fingerprint, strided", best(fingerprint, numbers[::2])),
    ]
    with tempfile.TemporaryDirectory() as folder:
        cache = ResultCache(Path(folder) / "cache", secret=b"x" * 32)
        cache.keep("key", {"value": numbers})
        del numbers, table
        entry = cache.lookup("key")
        mapped = entry.load("value")
        rows.append(("mapped, never touched", best(fingerprint, mapped)))
        float(mapped.sum())
        rows.append(("mapped, read since", best(fingerprint, mapped)))
        mapped[len(mapped) // 2] = 0
        rows.append(("mapped, one page written", best(fingerprint, mapped)))
        del mapped
        cache.close()
    print(f"{megabytes} MiB of numbers")
    for name, taken in rows:
        print(f"{name:28} {taken:10.2f} ms {taken / read:8.3f} x reading")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
