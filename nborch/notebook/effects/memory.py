"""The memory that arrays and tables lie in, and who shares it."""

import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any

from nborch.cache.fingerprints.arrays import span
from nborch.cache.serializers import Unstorable

__all__ = [
    "SHARED",
    "Memory",
    "columns_of",
    "copies_on_write",
    "memory_of",
    "owner_of",
]

#: Why an array is not stored.
SHARED = "it shares memory with what was there before"


#: Who has a piece of memory, as which of its columns, and the piece as an array.
Base = tuple[Any, int | None, Any]


class Memory:
    """Pieces of memory that arrays may look into."""

    def __init__(self, bases: Iterable[Base]) -> None:
        spans = ((*span(base[2]), base) for base in bases if base[2].size)
        self._clusters: list[tuple[int, int, list[Base]]] = []
        for low, high, base in sorted(spans, key=itemgetter(0, 1)):
            if self._clusters and low < self._clusters[-1][1]:
                first, last, members = self._clusters[-1]
                self._clusters[-1] = first, max(last, high), [*members, base]
            else:
                self._clusters.append((low, high, [base]))

    def _near(self, array: Any) -> list[Base]:
        low, high = span(array)
        place = bisect_left(self._clusters, high, key=itemgetter(0))
        near: list[Base] = []
        while place and self._clusters[place - 1][1] > low:
            place -= 1
            near += self._clusters[place][2]
        return near

    def touches(self, array: Any) -> bool:
        """Tell whether an array shares a piece."""
        if not array.size:
            return False
        low, high = span(array)
        spans = (span(base[2]) for base in self._near(array))
        return any(low < last and first < high for first, last in spans)

    def around(self, array: Any) -> Base | None:
        """Return the first piece that an array lies in, if any.

        Raises
        ------
        Unstorable
            It lies in a piece with a part of it only.
        """
        low, high = span(array)
        for base in self._near(array):
            first, last = span(base[2])
            if first <= low and high <= last:
                return base
        if self.touches(array):
            raise Unstorable(SHARED)
        return None


def columns_of(table: Any) -> Iterator[tuple[int, Any]]:
    """Yield the columns of a pandas table, or a series, as they lie in memory."""
    if hasattr(table, "_iter_column_arrays"):
        yield from enumerate(table._iter_column_arrays())  # noqa: SLF001
    else:
        yield 0, table._values  # noqa: SLF001


def memory_of(array: Any) -> Iterator[Any]:
    """Yield the NumPy arrays that a column consists of."""
    import numpy as np

    if isinstance(array, np.ndarray):
        yield array
        return
    names = ("_ndarray", "_data", "_mask", "_codes", "_sparse_values")
    for name in names:
        inner = getattr(array, name, None)
        if isinstance(inner, np.ndarray):
            yield inner
    for name in ("_left", "_right"):
        inner = getattr(array, name, None)
        if inner is not None and not isinstance(inner, np.ndarray):
            yield from memory_of(getattr(inner, "_values", inner))
        elif inner is not None:
            yield inner


def owner_of(array: Any) -> Any:
    """Return the array that has the memory that another one looks into."""
    import numpy as np

    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def copies_on_write() -> bool:
    """Tell whether pandas copies shared memory before it is written to."""
    version = getattr(sys.modules.get("pandas"), "__version__", "3")
    return int(version.partition(".")[0]) >= 3  # noqa: PLR2004  # the first to do so
