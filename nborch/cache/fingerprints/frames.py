"""Tables and columns of pandas, polars and Arrow, by content, column by column."""

import sys
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from nborch.cache.fingerprints.arrays import content, write_objects
from nborch.cache.fingerprints.arrow import write_arrow
from nborch.cache.fingerprints.columns import write_column
from nborch.cache.fingerprints.values import text
from nborch.cache.fingerprints.walk import Encoder, Steps, Walk, pack

__all__ = ["encoder_of_pandas", "encoder_of_polars"]

#: Rows of numeric columns that lie side by side are copied in blocks that fit a cache.
_BLOCK = 1 << 13


def encoder_of_pandas(kind: type) -> Encoder | None:
    """Return the encoder of a pandas tables, columns, indexes and arrays."""
    pandas: Any = sys.modules.get("pandas")
    if pandas is None or not hasattr(pandas, "DataFrame"):
        return None
    if issubclass(kind, pandas.DataFrame):
        return _encode_frame
    if issubclass(kind, pandas.Series):
        return _encode_series
    if issubclass(kind, pandas.Index):
        return _encode_index
    if issubclass(kind, pandas.api.extensions.ExtensionArray):
        return _encode_extension
    return None


def _head(walk: Walk, value: Any) -> Steps:
    yield "", type(value)
    walk.write(pack(int(value.flags.allows_duplicate_labels)))
    yield ".attrs", dict(value.attrs)
    # What a subclass declares to belong to its content.
    names = [name for name in value._metadata if name not in {"_name", "name"}]  # noqa: SLF001
    for name in names:
        walk.write(text(name))
        yield f".{name}", getattr(value, name, None)


def _encode_frame(walk: Walk, value: object) -> Steps | None:
    return None if walk.is_met(value) else _frame(walk, value)


def _frame(walk: Walk, frame: Any) -> Steps:
    walk.write(b"frame")
    yield from _head(walk, frame)
    yield ".columns", frame.columns
    yield ".index", frame.index
    arrays = list(frame._iter_column_arrays())  # noqa: SLF001  (no public way without copies)
    digests = _numeric_digests(arrays)
    for place, array in enumerate(arrays):
        name = frame.columns[place]
        known = digests.get(place)
        if known is None:
            yield from _labelled((name,), write_column(walk, array))
        else:
            walk.write(b"n" + text(array.dtype.str) + known)


def _labelled(label: tuple[object], steps: Steps) -> Steps:
    for inner, child in steps:
        rest = inner if isinstance(inner, str) else f"[{inner[0]!r}]"
        yield f"[{label[0]!r}]{rest}", child


def _numeric_digests(arrays: list[Any]) -> dict[int, bytes]:
    """Return the digests of the columns that are plain numbers.

    A frame made of one array has its columns side by side, each value a row apart. All
    of them are read together, a block of rows at a time, while it is in the cache.
    """
    import numpy as np
    from xxhash import xxh3_128

    plain = {
        place: (array, xxh3_128())
        for place, array in enumerate(arrays)
        if type(array) is np.ndarray and array.dtype.kind in "biufcmM"
    }
    plain = {
        place: pair for place, pair in plain.items() if pair[0].dtype.char not in "gG"
    }
    digests = {
        place: content(array)
        for place, (array, _) in plain.items()
        if array.flags.c_contiguous
    }
    strided = [pair for place, pair in plain.items() if place not in digests]
    rows = max((len(array) for array, _ in strided), default=0)
    for start in range(0, rows, _BLOCK):
        for array, hasher in strided:
            block = np.ascontiguousarray(array[start : start + _BLOCK])
            hasher.update(block.view(np.uint8).data)
    hashed = {place: hasher.digest() for place, (_, hasher) in plain.items()}
    return hashed | digests


def _encode_series(walk: Walk, value: object) -> Steps | None:
    return None if walk.is_met(value) else _series(walk, value)


def _series(walk: Walk, series: Any) -> Steps:
    walk.write(b"series")
    yield from _head(walk, series)
    yield ".name", series.name
    yield ".index", series.index
    yield from write_column(walk, series._values)  # noqa: SLF001  (.array wraps and may copy)


def _encode_index(walk: Walk, value: object) -> Steps | None:
    # An index cannot be changed, so it is told by content alone.
    def content() -> Steps:
        index: Any = value
        walk.write(b"index")
        yield "", type(index)
        yield ".names", tuple(index.names)
        if hasattr(index, "levels"):
            for level, codes in zip(index.levels, index.codes, strict=True):
                yield ".levels", level
                yield from write_column(walk, codes)
        elif hasattr(index, "start") and hasattr(index, "step"):
            walk.write(text(f"{index.start} {index.stop} {index.step}"))
        else:
            yield ".freq", getattr(index, "freq", None)
            yield from write_column(walk, index._values)  # noqa: SLF001

    return walk.freeze(value, content)


def _encode_extension(walk: Walk, value: object) -> Steps | None:
    return None if walk.is_met(value) else write_column(walk, value)


def encoder_of_polars(kind: type) -> Encoder | None:
    """Return the encoder of a polars tables and columns."""
    polars: Any = sys.modules.get("polars")
    if polars is None or not hasattr(polars, "DataFrame"):
        return None
    if issubclass(kind, polars.DataFrame):
        return _encode_polars_frame
    return _encode_polars_series if issubclass(kind, polars.Series) else None


def _encode_polars_frame(walk: Walk, value: object) -> Steps | None:
    return None if walk.is_met(value) else _polars_frame(walk, value)


def _polars_frame(walk: Walk, frame: Any) -> Steps:
    walk.write(b"polars")
    yield "", type(frame)
    walk.write(text(repr(frame.shape)))
    for series in frame.get_columns():
        yield from _labelled((series.name,), _polars_series(walk, series))


def _encode_polars_series(walk: Walk, value: object) -> Steps | None:
    return None if walk.is_met(value) else _polars_series(walk, value)


def _polars_series(walk: Walk, series: Any) -> Steps:
    import polars as pl

    walk.write(b"ps" + text(series.name) + text(repr(series.dtype)))
    if isinstance(series.dtype, pl.Enum):
        yield ".dtype", series.dtype.categories.to_list()
    arrow = None
    if not isinstance(series.dtype, pl.Object) and find_spec("pyarrow") is not None:
        # Arrow does not know all of polars' types: 128-bit integers, for one.
        with suppress(ValueError):
            arrow = series.to_arrow()
    if arrow is None:
        yield from write_objects(walk, series.to_list())
    else:
        yield from write_arrow(walk, arrow)
