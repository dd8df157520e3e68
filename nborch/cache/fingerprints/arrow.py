"""Arrow arrays and tables by type and content; chunks and offsets do not matter."""

import sys
from typing import Any

from nborch.cache.fingerprints.arrays import write_objects
from nborch.cache.fingerprints.values import text
from nborch.cache.fingerprints.walk import Encoder, Steps, Walk, pack

__all__ = ["encoder_of_arrow", "write_arrow"]


def encoder_of_arrow(kind: type) -> Encoder | None:
    """Return the encoder of Arrow tables, batches and arrays."""
    arrow: Any = sys.modules.get("pyarrow")
    if arrow is None or not hasattr(arrow, "Table"):
        return None
    if issubclass(kind, arrow.Table | arrow.RecordBatch):
        return _encode_table
    if issubclass(kind, arrow.Array | arrow.ChunkedArray):
        return _encode_array
    return None


def _encode_table(walk: Walk, value: object) -> Steps:
    # Arrow data cannot be changed, so it is told by content alone.
    def content() -> Steps:
        table: Any = value
        walk.write(b"table")
        yield "", type(table)
        yield ".schema.metadata", table.schema.metadata
        for field in table.schema:
            nullable = pack(int(field.nullable))
            walk.write(text(field.name) + text(str(field.type)) + nullable)
            yield ".metadata", field.metadata
        for column in table.columns:
            yield from write_arrow(walk, column)

    return walk.freeze(value, content)


def _encode_array(walk: Walk, value: object) -> Steps:
    def content() -> Steps:
        yield "", type(value)
        yield from write_arrow(walk, value)

    return walk.freeze(value, content)


def write_arrow(walk: Walk, array: Any) -> Steps:
    """Write an Arrow array or chunked array: type, nulls and values."""
    import pyarrow as pa

    if isinstance(array, pa.Array):
        array = pa.chunked_array([array], type=array.type)
    walk.write(text(str(array.type)) + pack(len(array)))
    if not _write_buffers(walk, array):
        yield from write_objects(walk, array.to_pylist())


def _write_buffers(walk: Walk, array: Any) -> bool:
    """Write the values of a simple type from memory; return whether it is one."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from xxhash import xxh3_128

    kind = array.type
    if isinstance(kind, pa.ExtensionType | pa.DictionaryType):
        return False
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        is_text = pa.types.is_string_view(kind)
        array = array.cast(pa.large_string() if is_text else pa.large_binary())
        kind = array.type
    is_variable = any(
        test(kind)
        for test in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_binary,
            pa.types.is_large_binary,
        )
    )
    if not is_variable and not pa.types.is_primitive(kind):
        return False
    nulls, sizes, values = xxh3_128(), xxh3_128(), xxh3_128()
    for original in array.chunks:
        chunk = original
        if array.null_count:
            nulls.update(chunk.is_null().to_numpy(zero_copy_only=False))
            # What lies under a null is arbitrary.
            chunk = _without_nulls(chunk)
        if is_variable:
            lengths = pc.binary_length(chunk).to_numpy(zero_copy_only=False)
            sizes.update(lengths.astype("<i8"))
            values.update(_joined(chunk))
        else:
            if pa.types.is_time(kind):
                # Python's times are coarser than a nanosecond.
                chunk = chunk.view(f"int{kind.bit_width}")
            numbers = chunk.to_numpy(zero_copy_only=False)
            if numbers.dtype.hasobject:
                return False
            values.update(numbers.view("u1"))
    for hasher in (nulls, sizes, values):
        walk.write(hasher.digest())
    return True


def _without_nulls(chunk: Any) -> Any:
    return chunk.drop_null()


def _joined(chunk: Any) -> Any:
    """Return the bytes of a chunk's strings, without those outside its slice."""
    import numpy as np
    import pyarrow as pa

    if len(chunk) == 0:
        return b""
    is_large = pa.types.is_large_string(chunk.type) or pa.types.is_large_binary(
        chunk.type
    )
    offset_type = np.int64 if is_large else np.int32
    _, offsets, data = chunk.buffers()
    places = np.frombuffer(offsets, offset_type)
    first, last = places[chunk.offset], places[chunk.offset + len(chunk)]
    return memoryview(data)[first:last] if data is not None else b""
