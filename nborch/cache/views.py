"""Arrays of one value that look into the same memory, kept so.

Two views of one array are two names for the same numbers. Pickle makes two arrays of
them; here the memory that they share is stored once and both look into it again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["Span", "flat", "is_plain", "rebuild_view", "shared_spans"]


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of memory that several arrays of one value look into."""

    #: The memory, as an array of bytes.
    memory: Any
    #: Where this array starts within it.
    offset: int

    def reduce(self, array: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Return the array as a view of the span, for the pickler."""
        return rebuild_view, (
            self.memory,
            array.dtype,
            array.shape,
            array.strides,
            self.offset,
            array.flags.writeable,
        )


def shared_spans(arrays: Iterable[Any]) -> dict[int, Span]:
    """Return, by ``id``, the span of every array that overlaps another one.

    Two views of one array are two names for the same numbers: writing through one
    must be seen through the other also after a round trip.

    >>> import numpy as np
    >>> base = np.arange(6)
    >>> sorted(span.offset for span in shared_spans([base, base[2:]]).values())
    [0, 16]
    """
    by_owner: dict[int, list[tuple[Any, Any]]] = {}
    for array in arrays:
        owner = _owner(array)
        by_owner.setdefault(id(owner), []).append((array, owner))
    spans: dict[int, Span] = {}
    for members in by_owner.values():
        if len(members) > 1:
            family = [
                (*_extent(array), array, owner)
                for array, owner in members
                if array.nbytes and is_plain(array)
            ]
            family.sort(key=lambda member: member[:2])
            for group in _overlapping(family):
                spans.update(_span(group))
    return spans


def _owner(array: Any) -> Any:
    import numpy as np

    while isinstance(array.base, np.ndarray):
        array = array.base
    return array if array.base is None else array.base


def _extent(array: Any) -> tuple[int, int]:
    start: int = array.__array_interface__["data"][0]
    low = high = start
    for length, step in zip(array.shape, array.strides, strict=True):
        reach = (length - 1) * step
        low, high = low + min(reach, 0), high + max(reach, 0)
    return low, high + array.itemsize


def _overlapping(
    family: list[tuple[int, int, Any, Any]],
) -> list[list[tuple[int, int, Any, Any]]]:
    groups: list[list[tuple[int, int, Any, Any]]] = []
    end = -1
    for member in family:
        if member[0] >= end:
            groups.append([])
            end = member[1]
        groups[-1].append(member)
        end = max(end, member[1])
    return [group for group in groups if len(group) > 1]


def _span(group: list[tuple[int, int, Any, Any]]) -> dict[int, Span]:
    import numpy as np

    low, high = min(m[0] for m in group), max(m[1] for m in group)
    owner = group[0][3]
    # Columns far apart in one table do not overlap in fact: storing all between
    # them would cost more than the sharing is worth.
    if high - low > 2 * sum(member[2].nbytes for member in group):
        return {}
    try:
        if isinstance(owner, np.ndarray):
            if type(owner) is not np.ndarray or owner.dtype.hasobject:
                return {}
            whole = flat(owner)
        else:
            whole = np.frombuffer(owner, np.uint8)
    except (TypeError, ValueError, BufferError):
        return {}  # the owner's memory is not one piece, or not ours to read
    start = whole.__array_interface__["data"][0]
    if low < start or high > start + whole.nbytes:
        return {}
    memory = whole[low - start : high - start]
    return {
        id(array): Span(memory, array.__array_interface__["data"][0] - low)
        for _, _, array, _ in group
    }


def rebuild_view(  # noqa: PLR0913, PLR0917 - what an array header consists of
    span: Any,
    dtype: Any,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    writeable: bool,  # noqa: FBT001 - a pickle's arguments are positional
) -> Any:
    """Return an array that shares the memory of a span with other arrays."""
    import numpy as np

    array = np.ndarray(shape, dtype, buffer=span, offset=offset, strides=strides)
    if not writeable:
        array.flags.writeable = False
    return array


def is_plain(array: Any) -> bool:
    """Whether the array's bytes say all about it: no objects, no foreign dtypes."""
    dtype = array.dtype
    return (
        dtype.kind in "biufcmMSUV" and not dtype.hasobject and dtype.isbuiltin in {0, 1}
    )


def flat(array: Any) -> Any:
    """Return the memory of a contiguous array as bytes in one dimension, uncopied."""
    import numpy as np

    along = array if array.flags.c_contiguous else array.T
    return np.asarray(along).reshape(-1).view(np.uint8)
