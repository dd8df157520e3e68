"""How arrays and frames are taken apart so that their buffers stay out of the pickle.

Plain pickle keeps datetimes, strided views, masked arrays and polars frames inside
its byte stream, where they are copied on every load. The reductions here hand each
large block of memory to the pickler as a buffer, and the ``rebuild_*`` functions put
the object together around memory that may be a mapped file.
"""

from collections.abc import Callable
from contextlib import suppress
from pickle import PickleBuffer
from sys import modules
from typing import Any

from nborch.cache.views import flat, is_plain

__all__ = [
    "OUT_OF_BAND",
    "rebuild_array",
    "rebuild_arrow",
    "rebuild_broadcast",
    "rebuild_masked",
    "rebuild_memoryview",
    "rebuild_polars",
    "rebuild_small",
    "rebuild_subclass",
    "reduce_small",
    "reduction_of",
]

# NB. The names of the ``rebuild_*`` functions stand in stored pickles: renaming one
# turns every entry that uses it into a miss.

#: Bytes from which on a buffer is stored as a file of its own.
OUT_OF_BAND = 64 * 1024

Rule = Callable[[Any], Any]


def reduction_of(kind: type) -> Rule | None:
    """Return the function that takes a value of this type apart, if we have one.

    >>> reduction_of(int) is None
    True
    """
    # NB. A value's library is loaded already: asking sys.modules imports nothing.
    if kind is memoryview:
        return _reduce_memoryview
    numpy = modules.get("numpy")
    if numpy is not None and issubclass(kind, numpy.ndarray):
        rules: dict[type, Rule] = {
            numpy.ndarray: _reduce_array,
            numpy.ma.MaskedArray: _reduce_masked,
            numpy.memmap: _reduce_subclass,
            numpy.recarray: _reduce_subclass,
        }
        return rules.get(kind)
    root = kind.__module__.partition(".")[0]
    if root == "polars" and kind.__name__ in {"DataFrame", "Series"}:
        return _reduce_polars
    if root == "pyarrow" and _is_arrow_data(kind):
        return _reduce_arrow
    return None


def _is_arrow_data(kind: type) -> bool:
    import pyarrow as pa

    return issubclass(kind, (pa.Table, pa.RecordBatch, pa.ChunkedArray, pa.Array))


def _reduce_memoryview(view: memoryview) -> Any:
    data: bytes | bytearray = view.tobytes()
    if not view.readonly:
        data = bytearray(data)
    return rebuild_memoryview, (data, view.format, view.shape)


def rebuild_memoryview(
    data: bytes | bytearray, layout: str, shape: tuple[int, ...]
) -> memoryview:
    """Return a view of this shape over a copy of the original's memory."""
    return memoryview(data).cast("B").cast(layout, shape)  # type: ignore[call-overload,no-any-return]  # any format


def _reduce_array(array: Any) -> Any:
    # NB. numpy's own way loses the byte order of times, so these never go there.
    small = array.nbytes < OUT_OF_BAND and array.dtype.kind not in "mMV"
    if small or not is_plain(array):
        return NotImplemented
    if 0 in array.strides and array.nbytes >= OUT_OF_BAND:
        # A broadcast array repeats a little memory over and over: keep the little.
        core = array[
            tuple(slice(1) if step == 0 else slice(None) for step in array.strides)
        ]
        return rebuild_broadcast, (core.copy(), array.shape, array.flags.writeable)
    writeable = array.flags.writeable
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        array = array.copy(order="K")
        if not (array.flags.c_contiguous or array.flags.f_contiguous):
            array = array.copy(order="C")
        array.flags.writeable = writeable
    order = "C" if array.flags.c_contiguous else "F"
    return rebuild_array, (
        PickleBuffer(flat(array)),
        array.dtype,
        array.shape,
        order,
    )


def rebuild_array(data: Any, dtype: Any, shape: tuple[int, ...], order: str) -> Any:
    """Return an array over this memory; writable if the memory is."""
    import numpy as np

    strided: Any = np.ndarray  # its stub wants a literal order
    return strided(shape, dtype, buffer=data, order=order)


def reduce_small(array: Any) -> Any:
    """Return a small array as one that has memory of its own again.

    So that views of it have it for their base, and it can be resized.
    """
    if array.nbytes >= OUT_OF_BAND or not is_plain(array):
        return _reduce_array(array)
    along = array.flags.c_contiguous or array.flags.f_contiguous
    flags = array.flags.writeable
    kept = array if along else array.copy(order="K")
    if not (kept.flags.c_contiguous or kept.flags.f_contiguous):
        kept = array.copy(order="C")
    order = "C" if kept.flags.c_contiguous else "F"
    data = flat(kept).tobytes()
    return rebuild_small, (data, array.dtype, array.shape, order, flags)


def rebuild_small(
    data: bytes,
    dtype: Any,
    shape: tuple[int, ...],
    order: str,
    writeable: bool,  # noqa: FBT001 - a pickle's arguments are positional
) -> Any:
    """Return an array with a copy of this memory."""
    array = rebuild_array(data, dtype, shape, order).copy(order)
    array.flags.writeable = writeable
    return array


def rebuild_broadcast(core: Any, shape: tuple[int, ...], writeable: bool) -> Any:  # noqa: FBT001 - a pickle's arguments are positional
    """Return an array that repeats the core along its axes of length one."""
    import numpy as np

    strides = tuple(
        0 if have == 1 and want != 1 else step
        for have, want, step in zip(core.shape, shape, core.strides, strict=True)
    )
    return np.lib.stride_tricks.as_strided(core, shape, strides, writeable=writeable)


def _reduce_subclass(array: Any) -> Any:
    import numpy as np

    if array.nbytes < OUT_OF_BAND or not is_plain(array):
        return NotImplemented
    return rebuild_subclass, (type(array), array.view(np.ndarray))


def rebuild_subclass(kind: Any, array: Any) -> Any:
    """Return the array as the subclass that it was: a memmap without its file."""
    return array.view(kind)


#: What a masked array knows beside its data and its mask.
_OF_MASKED = ("_fill_value", "_hardmask", "_sharedmask", "_optinfo")


def _reduce_masked(array: Any) -> Any:
    import numpy as np

    if array.nbytes < OUT_OF_BAND or not is_plain(array):
        return NotImplemented
    data = array.data
    if type(data) is not np.ndarray:
        return NotImplemented
    mask = None if array.mask is np.ma.nomask else array.mask
    attributes = {name: array.__dict__[name] for name in _OF_MASKED}
    return rebuild_masked, (data, mask, attributes)


def rebuild_masked(data: Any, mask: Any, attributes: dict[str, Any]) -> Any:
    """Return a masked array around its data and its mask."""
    import numpy as np

    array = data.view(np.ma.MaskedArray)
    attributes["_mask"] = np.ma.nomask if mask is None else mask
    array.__dict__.update(attributes)
    return array


def _reduce_polars(frame: Any) -> Any:
    import polars as pl

    if frame.estimated_size() < OUT_OF_BAND:
        return NotImplemented
    name = None if isinstance(frame, pl.DataFrame) else frame.name
    table = frame if name is None else frame.to_frame("")
    if any(dtype.base_type() is pl.Object for dtype in table.dtypes):
        return NotImplemented
    try:
        stored = table.write_ipc(
            None, compression="uncompressed", compat_level=pl.CompatLevel.newest()
        )
    except (pl.exceptions.PolarsError, TypeError):
        return NotImplemented  # polars' own pickling knows what Arrow does not
    return rebuild_polars, (PickleBuffer(stored.getvalue()), table.schema, name)


def rebuild_polars(data: Any, schema: Any, name: str | None) -> Any:
    """Return a polars frame, or the series of this name, from Arrow IPC bytes.

    pyarrow reads them where they are; polars alone copies them first.
    """
    import polars as pl

    frame = None
    with suppress(ImportError, NotImplementedError):
        import pyarrow as pa

        with pa.ipc.open_file(pa.py_buffer(data)) as file:
            frame = pl.from_arrow(file.read_all(), rechunk=False)
    if frame is None or frame.schema != schema:
        # Arrow does not know all of polars' types: 128-bit integers, for one.
        frame = pl.read_ipc(bytes(data))
    return frame if name is None else frame.to_series().alias(name)


def _reduce_arrow(data: Any) -> Any:
    import pyarrow as pa

    # A slice pickles the whole of the buffers that it looks into.
    if data.get_total_buffer_size() <= 2 * data.nbytes + OUT_OF_BAND:
        return NotImplemented
    if isinstance(data, pa.Table):
        kind, table = "Table", data
    elif isinstance(data, pa.RecordBatch):
        kind, table = "RecordBatch", data
    elif isinstance(data, pa.ChunkedArray):
        kind, table = "ChunkedArray", pa.Table.from_arrays([data], names=[""])
    else:
        kind, table = "Array", pa.RecordBatch.from_arrays([data], names=[""])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write(table)
    return rebuild_arrow, (kind, PickleBuffer(sink.getvalue()))


def rebuild_arrow(kind: str, data: Any) -> Any:
    """Return a table, batch or column from Arrow IPC bytes, uncopied."""
    import pyarrow as pa

    with pa.ipc.open_stream(pa.py_buffer(data)) as stream:
        table = stream.read_all()
    if kind == "Table":
        return table
    if kind == "ChunkedArray":
        return table.column(0)
    batches = table.to_batches()
    batch = batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)
    return batch if kind == "RecordBatch" else batch.column(0)
