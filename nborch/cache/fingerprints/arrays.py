"""NumPy arrays by dtype, shape and content; their place in memory does not matter."""

import sys
from collections.abc import Callable
from typing import Any

from nborch.cache.fingerprints.plain import are_atoms, flat_digest
from nborch.cache.fingerprints.values import text
from nborch.cache.fingerprints.walk import Encoder, Steps, Walk, pack
from nborch.cache.pages import SMALLEST, known_digest, remember

__all__ = [
    "content",
    "encoder_of_numpy",
    "overlaps",
    "span",
    "update",
    "write_array",
]

#: Layouts other than C order are copied in pieces of about this many bytes.
_PIECE = 1 << 20
#: An extended float fills 16 bytes with 10; the others are never set.
_LONG_DOUBLE_BYTES = 10


def encoder_of_numpy(kind: type) -> Encoder | None:
    """Return the encoder of arrays, NumPy scalars or dtypes, if the class is such."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "ndarray"):
        return None
    if issubclass(kind, numpy.ndarray):
        return _encode_array
    if issubclass(kind, numpy.generic):
        return _encode_scalar
    if issubclass(kind, numpy.dtype):
        return _encode_dtype
    return None


def _encode_array(walk: Walk, value: object) -> Steps | None:
    if walk.is_met(value):
        return None
    array: Any = value
    walk.arrays.append(array)
    return _array(walk, array)


def _array(walk: Walk, array: Any) -> Steps:
    import numpy as np

    if type(array) in (np.ndarray, np.memmap):
        walk.write(b"a")
    else:
        # Masks, units and the like are in the state of the subclass.
        walk.write(b"s")
        yield "", type(array)
        yield from _subclass_state(array)
    yield from write_array(walk, array.view(np.ndarray))


def _subclass_state(array: Any) -> Steps:
    import numpy as np

    if isinstance(array, np.ma.MaskedArray):
        yield ".mask", np.array(np.ma.getmaskarray(array))
        yield ".fill_value", array.fill_value
        yield ".hardmask", array.hardmask
    if vars(array).keys() - _MASKED:
        yield "", {k: v for k, v in vars(array).items() if k not in _MASKED}


_MASKED = frozenset(
    {
        "_mask",
        "_fill_value",
        "_hardmask",
        "_sharedmask",
        "_isfield",
        "_baseclass",
        "_optinfo",
        "_basedict",
    }
)


def _encode_scalar(walk: Walk, value: object) -> Steps:
    import numpy as np

    walk.write(b"0")
    yield "", type(value)
    yield from write_array(walk, np.asarray(value))


def _encode_dtype(walk: Walk, value: object) -> Steps:
    walk.write(b"dtype")
    yield from write_dtype(walk, value)


def write_dtype(walk: Walk, dtype: Any) -> Steps:
    """Write all that tells two dtypes apart, fields and their places included."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        walk.write(b"(" + text(repr(shape)))
        yield from write_dtype(walk, base)
    elif dtype.names is not None:
        walk.write(b"{" + pack(dtype.itemsize) + pack(len(dtype.names)))
        walk.write(text(dtype.type.__name__))
        for name in dtype.names:
            inner, offset, *title = dtype.fields[name]
            walk.write(text(name) + text(repr(title)) + pack(offset))
            yield from write_dtype(walk, inner)
    else:
        # The class tells apart what is spelled alike, as NumPy's new string dtype.
        walk.write(text(type(dtype).__name__) + text(dtype.str))
        if dtype.char == "T":
            walk.write(text(repr(dtype)))
    if dtype.metadata:
        yield ".dtype.metadata", dict(dtype.metadata)


def write_array(walk: Walk, array: Any) -> Steps:
    """Write a base-class array: dtype, shape and every element."""
    yield from write_dtype(walk, array.dtype)
    walk.write(text(repr(array.shape)))
    if array.dtype.hasobject or array.dtype.char == "T":
        yield from write_objects(walk, array.ravel().tolist(), array.shape)
    else:
        walk.write(content(array))


def write_objects(walk: Walk, items: list[Any], shape: tuple[int, ...] = ()) -> Steps:
    """Write the elements of an array of objects, at once if they are all atoms."""
    walk.alive.append(items)
    if are_atoms(items):
        walk.write(b"o" + flat_digest(items))
        return
    walk.write(b"O" + pack(len(items)))
    for index, item in enumerate(items):
        place: object = index
        if len(shape) > 1:
            import numpy as np

            place = tuple(map(int, np.unravel_index(index, shape)))
        yield (place,), item


def content(array: Any) -> bytes:
    """Return the digest of the elements; of mapped memory without reading it."""
    from xxhash import xxh3_128

    place = _piece(array)
    known = known_digest(*place) if place else None
    if known is not None:
        return known
    hasher = xxh3_128()
    update(hasher.update, array)
    digest: bytes = hasher.digest()
    if place:
        remember(*place, digest)
    return digest


def _piece(array: Any) -> tuple[int, int] | None:
    """Return address and size of memory that is large and fed to a hash as it is."""
    dtype = array.dtype
    if array.nbytes < SMALLEST or not array.flags.c_contiguous:
        return None
    if dtype.names is not None or dtype.hasobject or dtype.char in "gG":
        return None
    return array.__array_interface__["data"][0], array.nbytes


def update(feed: Callable[[Any], None], array: Any) -> None:
    """Feed the elements of an array to a hash, in C order, without padding."""
    import numpy as np

    dtype = array.dtype
    if dtype.names is not None:
        for name in dtype.names:
            update(feed, array[name])
    elif dtype.char in "gG" and dtype.itemsize > 8:  # noqa: PLR2004  (plain doubles)
        width = dtype.itemsize // (2 if dtype.char == "G" else 1)
        raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        feed(np.ascontiguousarray(raw.reshape(-1, width)[:, :_LONG_DOUBLE_BYTES]))
    elif array.size == 0:
        return
    elif array.flags.c_contiguous:
        feed(array.reshape(-1).view(np.uint8))
    else:
        _update_in_pieces(feed, array)


def _update_in_pieces(feed: Callable[[Any], None], array: Any) -> None:
    import numpy as np

    rows = max(1, _PIECE * len(array) // array.nbytes)
    for start in range(0, len(array), rows):
        piece = array[start : start + rows]
        if piece.nbytes > 8 * _PIECE and piece.ndim > 1:
            update(feed, piece[0])
        else:
            feed(np.ascontiguousarray(piece).reshape(-1).view(np.uint8))


def span(array: Any) -> tuple[int, int]:
    """Return the first address of an array's elements, and the one behind the last."""
    from numpy.lib.array_utils import byte_bounds

    low, high = byte_bounds(array)
    return low, high


def overlaps(walk: Walk) -> bytes:
    """Return how the arrays of a value share memory, as bytes; none if they do not.

    Two views of one buffer are not two copies: a change of one shows in the other.
    """
    spans = sorted(
        (*span(array), walk.numbers[id(array)], array.strides)
        for array in {id(array): array for array in walk.arrays}.values()
        if array.size
    )
    shared: list[tuple[int, int, tuple[int, ...], int]] = []
    cluster: list[tuple[int, int, int, tuple[int, ...]]] = []
    end = -1
    for entry in (*spans, None):
        if entry is None or entry[0] >= end:
            if len(cluster) > 1:
                first = min(number for _, _, number, _ in cluster)
                start = cluster[0][0]
                shared += [(first, no, st, low - start) for low, _, no, st in cluster]
            cluster = []
        if entry is not None:
            cluster.append(entry)
            end = max(end, entry[1])
    return b"overlap" + text(repr(sorted(shared))) if shared else b""
