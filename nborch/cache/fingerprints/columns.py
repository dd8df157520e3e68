"""Columns of pandas: NumPy arrays and the extension arrays, by dtype and content."""

from typing import Any

from nborch.cache.fingerprints.arrays import write_array, write_objects
from nborch.cache.fingerprints.arrow import write_arrow
from nborch.cache.fingerprints.values import text
from nborch.cache.fingerprints.walk import Steps, Walk, pack

__all__ = ["write_column"]


def write_column(walk: Walk, array: Any) -> Steps:
    """Write a column's dtype and values, wherever and however they lie."""
    import numpy as np
    import pandas as pd

    if type(array) is np.ndarray:
        walk.write(b"p")
        yield from write_array(walk, array)
        return
    walk.write(b"x" + text(str(array.dtype)) + pack(len(array)))
    yield "", type(array)
    kinds = pd.arrays
    if type(array).__module__.partition(".")[0] != "pandas":
        yield from _elements(walk, array)
    elif isinstance(array, pd.Categorical):
        walk.write(pack(int(array.ordered)))
        yield ".categories", array.categories
        yield from write_array(walk, np.asarray(array.codes))
    elif isinstance(array, kinds.DatetimeArray | kinds.TimedeltaArray):
        yield ".dtype", getattr(array.dtype, "tz", None)
        yield ".freq", getattr(array, "freq", None)
        yield from write_array(walk, array._ndarray)  # noqa: SLF001
    elif isinstance(array, kinds.PeriodArray):
        yield from write_array(walk, array.asi8)
    elif isinstance(array, kinds.IntervalArray):
        yield ".left", array.left
        yield ".right", array.right
    else:
        yield from _by_layout(walk, array)


def _by_layout(walk: Walk, array: Any) -> Steps:
    import numpy as np
    import pandas as pd

    if hasattr(array, "_pa_array"):
        yield ".dtype.na_value", getattr(array.dtype, "na_value", None)
        yield from write_arrow(walk, array._pa_array)  # noqa: SLF001
    elif hasattr(array, "_data") and hasattr(array, "_mask"):
        mask, data = array._mask, array._data  # noqa: SLF001
        yield from write_array(walk, mask)
        # What lies under a mask is arbitrary.
        yield from write_array(walk, np.where(mask, data.dtype.type(0), data))
    elif isinstance(array, pd.arrays.NumpyExtensionArray):
        yield from write_array(walk, array.to_numpy())
    elif isinstance(array, pd.arrays.SparseArray):
        walk.write(text(array.kind))
        yield ".fill_value", array.fill_value
        yield from write_array(walk, array.sp_index.indices)
        yield from write_array(walk, array.sp_values)
    else:
        yield from _elements(walk, array)


def _elements(walk: Walk, array: Any) -> Steps:
    # Another package's array may keep what it likes besides its elements.
    yield ".dtype", array.dtype
    yield from write_objects(walk, list(array))
