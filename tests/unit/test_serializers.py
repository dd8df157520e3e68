"""What the serializer gives back, keeps out of the pickle, and refuses."""

import asyncio
import concurrent.futures
import datetime as dt
import gc
import io
import math
import pickle
import socket
import subprocess
import sys
import threading
import types
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st

from nborch.cache.reducers import OUT_OF_BAND
from nborch.cache.serializers import Unstorable, dump, load

LARGE = 20_000  # eight-byte numbers: more than twice the out-of-band limit
#: Text that is missing is NaN by default since pandas 3, which knows no other before.
NAN = {"na_value": np.nan} if pd.__version__ >= "3" else {}


def through(value):
    """Return the value as it comes back, its buffers in writable memory."""
    stored = dump(value)
    return load(stored.body, [bytearray(buffer) for buffer in stored.buffers])


def in_band(value):
    """Return the bytes that the pickle itself has."""
    return len(dump(value).body)


class Colour(Enum):
    RED = 1


@dataclass(frozen=True)
class Point:
    x: float
    y: object


PLAIN = {
    "none": None,
    "int": 2**200,
    "float": -0.0,
    "complex": 1 - 2j,
    "text": "héllo \ud800 \0",
    "long text": "é" * 100_000,
    "bytes": bytes(range(256)),
    "long bytes": b"B" * 70_000 + bytes(256),
    "bytearray": bytearray(b"\x8e" * 200_000),
    "mixed long": [b"x" * 65_536, "y" * 65_536, bytearray(65_536), b"z" * 65_535],
    "header look-alike": ["B\x00\x00\x01\x00" * 20_000, b"B\x00\x00\x01\x00" * 20_000],
    "many frames": [*range(100_000), b"x" * 65_536, *range(100_000)],
    "nested": {"a": [1, (2, {3, frozenset({4})})], None: {1.5: [[]]}},
    "ordered": OrderedDict([("b", 1), ("a", 2)]),
    "counter": Counter("abracadabra"),
    "default": defaultdict(list, {"a": [1]}),
    "deque": deque([1, 2], maxlen=2),
    "date": dt.datetime(2020, 2, 29, 1, 2, 3, 4, tzinfo=dt.UTC),
    "decimal": Decimal("1.10"),
    "enum": [Colour.RED],
    "range": range(1, 10, 3),
    "dataclass": Point(1.5, [Point(2.0, None)]),
    "class": Point,
    "builtin": len,
    "function": math.sqrt,
}


@pytest.mark.parametrize("value", PLAIN.values(), ids=PLAIN.keys())
def test_plain_values_come_back_equal(value):
    """A value of plain Python comes back equal and of the same type."""
    again = through(value)

    assert again == value
    assert type(again) is type(value)


BASE = np.arange(4 * LARGE, dtype=float).reshape(4, LARGE)
STRUCTURED = np.zeros(
    LARGE, dtype=[("name", "U4"), ("when", "M8[s]"), ("at", "f4", (2,))]
)
STRUCTURED["name"] = "Ada"
STRUCTURED["when"] = np.datetime64("2020-01-01")
ARRAYS = {
    "ints": np.arange(LARGE),
    "bool": np.arange(4 * OUT_OF_BAND) % 3 == 0,
    "half": np.arange(LARGE * 4, dtype="f2"),
    "long double": np.arange(LARGE, dtype=np.longdouble),
    "complex": np.arange(LARGE) * 1j,
    "big endian": np.arange(LARGE, dtype=">i8"),
    "datetime": np.arange(LARGE).astype("M8[ns]"),
    "timedelta": np.arange(LARGE).astype("m8[ms]"),
    "not a time": np.full(LARGE, np.datetime64("NaT", "us")),
    "unicode": np.array(["é", "bc"] * LARGE),
    "bytes": np.array([b"a", b"bc"] * LARGE * 4),
    "structured": STRUCTURED,
    "fortran": np.asfortranarray(BASE),
    "transposed": BASE.T,
    "rows": BASE[::2],
    "columns": BASE[:, ::3],
    "backwards": BASE[::-1, ::-1],
    "axes": np.arange(60_000.0).reshape(10, 20, 300).transpose(1, 0, 2),
    "0-d": np.array("x" * 100_000),
    "empty": np.zeros((0, 5)),
    "small": np.arange(3),
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS.keys())
def test_arrays_come_back_equal(array):
    """An array comes back with its numbers, dtype, shape and order, and is writable."""
    again = through(array)

    np.testing.assert_array_equal(again, array)
    assert again.dtype == array.dtype
    assert again.shape == array.shape
    assert again.flags.f_contiguous == array.flags.f_contiguous or not (
        array.flags.f_contiguous or array.flags.c_contiguous
    )
    assert again.flags.writeable


SPECIAL = {
    "objects": np.array([1, "a", None] * LARGE, dtype=object),
    "strings": np.array(["a", "bcd"] * LARGE, dtype=np.dtypes.StringDType()),
}


@pytest.mark.parametrize("array", SPECIAL.values(), ids=SPECIAL.keys())
def test_arrays_of_objects_come_back_equal(array):
    """An array whose items are objects comes back equal."""
    again = through(array)

    assert again.dtype == array.dtype
    assert again.tolist() == array.tolist()


OUT = {
    **{name: array for name, array in ARRAYS.items() if array.nbytes >= OUT_OF_BAND},
    "long bytes": b"x" * OUT_OF_BAND,
    "long bytearray": bytearray(OUT_OF_BAND),
    "masked": np.ma.masked_array(np.arange(8 * LARGE), np.arange(8 * LARGE) % 2),
    "memmap": np.arange(LARGE).view(np.memmap),
    "record": np.rec.fromarrays([np.arange(LARGE), np.arange(LARGE)], names="a,b"),
    "pandas numbers": pd.DataFrame({"a": np.arange(LARGE), "b": 1.5}),
    "pandas times": pd.Series(pd.date_range("2020", periods=LARGE, freq="h")),
    "pandas zoned": pd.Series(
        pd.date_range("2020", periods=LARGE, freq="h", tz="Europe/Paris")
    ),
    "pandas spans": pd.Series(pd.timedelta_range("1h", periods=LARGE, freq="h")),
    "pandas category": pd.Series(["a", "b"] * 4 * LARGE, dtype="category"),
    "pandas text": pd.Series(
        [f"text {i}" for i in range(LARGE)], dtype=pd.StringDtype("pyarrow")
    ),
    "pandas nullable": pd.Series([1, None] * 4 * LARGE, dtype="Int64"),
    "pandas index": pd.DatetimeIndex(pd.date_range("2020", periods=LARGE, freq="h")),
    "polars": pl.DataFrame({"a": np.arange(LARGE), "t": ["long text " * 3] * LARGE}),
    "polars series": pl.Series("s", np.arange(LARGE)),
    "arrow": pa.table({"a": np.arange(LARGE), "t": ["text"] * LARGE}),
}


@pytest.mark.parametrize("value", OUT.values(), ids=OUT.keys())
def test_large_memory_stays_out_of_the_pickle(value):
    """The pickle of a value with much memory is small: the memory lies beside it."""
    stored = dump(value)

    assert len(stored.body) < 4_000
    assert sum(buffer.nbytes for buffer in stored.buffers) >= OUT_OF_BAND


def test_a_broadcast_array_is_stored_once():
    """An array that repeats its memory is stored without the repetitions."""
    wide = np.broadcast_to(np.arange(10.0), (1_000_000, 10))

    again = through(wide)

    assert dump(wide).size < 2_000
    assert again.strides == wide.strides
    assert not again.flags.writeable
    np.testing.assert_array_equal(again[::100_000], wide[::100_000])


def test_a_read_only_array_stays_read_only():
    """An array that could not be written to cannot be written to afterwards."""
    array = np.arange(LARGE)
    array.flags.writeable = False

    assert not through(array).flags.writeable


def test_masked_arrays_come_back_whole():
    """A masked array keeps its mask, its fill value and its hardness."""
    array = np.ma.masked_array(np.arange(LARGE), np.arange(LARGE) % 3 == 0)
    array.fill_value = 7
    array.harden_mask()

    again = through(array)
    unmasked = through(np.ma.masked_array(np.arange(LARGE)))
    again[1] = 100

    assert again.fill_value == 7
    assert again.hardmask
    assert again[1] == 100
    assert again[0] is np.ma.masked
    assert again[3:].sum() == array[3:].sum()
    assert unmasked.mask is np.ma.nomask


def test_a_memmap_comes_back_without_its_file(tmp_path):
    """A memmap comes back as one, with the numbers that its file had then."""
    mapped = np.memmap(tmp_path / "numbers", dtype=float, mode="w+", shape=LARGE)
    mapped[:] = 2.0

    again = through(mapped)
    mapped[:] = 3.0

    assert type(again) is np.memmap
    assert (again == 2.0).all()


def test_views_go_on_sharing_their_memory():
    """Writing through one of two arrays that overlap is seen through the other."""
    base = np.arange(LARGE)
    value = {"all": base, "even": base[::2], "turned": base[::-1], "other": [base[:3]]}

    again = through(value)
    again["all"][0] = -1
    again["turned"][0] = -2

    assert again["even"][0] == -1
    assert again["other"][0][0] == -1
    assert again["all"][-1] == -2
    assert dump(value).size < 1.1 * base.nbytes


def test_views_share_again_and_again():
    """Arrays that came from the cache share memory also when they are kept again."""
    base = np.arange(LARGE)

    again = through(through([base, base[5:]]))
    again[1][0] = -1

    assert again[0][5] == -1


def test_a_small_view_does_not_bring_its_base():
    """A slice of a large array is stored without the rest of it."""
    base = np.arange(10 * LARGE)

    assert dump([base[:5], base[-5:]]).size < 2_000


def test_frames_share_no_memory_behind_the_back_of_pandas():
    """Changing a frame that came back leaves a column that was taken from it."""
    frame = pd.DataFrame({"a": np.arange(LARGE), "b": np.arange(LARGE)})
    column = frame["a"]

    frame_again, column_again = through((frame, column))
    frame_again.iloc[0, 0] = -1

    assert column_again[0] == 0


def pandas_frame():
    n = 2 * LARGE
    return pd.DataFrame(
        {
            "int": np.arange(n),
            "float": np.linspace(0, 1, n),
            "bool": np.arange(n) % 2 == 0,
            "text": [f"text {i}" if i % 7 else None for i in range(n)],
            "objects": [i if i % 2 else "x" for i in range(n)],
            "python text": pd.array(
                ["a", None] * LARGE, dtype=pd.StringDtype("python", **NAN)
            ),
            "time": pd.date_range("2020", periods=n, freq="s"),
            "zoned": pd.date_range("2020", periods=n, freq="s", tz="Europe/Paris"),
            "span": pd.timedelta_range("1s", periods=n, freq="s"),
            "category": pd.Categorical(["a", "b"] * LARGE, ["b", "a"], ordered=True),
            "nullable": pd.array([1, None] * LARGE, dtype="Int32"),
            "arrow": pd.array([1.5, None] * LARGE, dtype="double[pyarrow]"),
            "period": pd.period_range("2000", periods=n, freq="h"),
            "sparse": pd.arrays.SparseArray([0, 1] * LARGE),
            "interval": pd.interval_range(0, n),
        },
        index=pd.Index(np.arange(n)[::-1], name="key"),
    )


def test_pandas_frames_come_back_equal():
    """A pandas frame comes back with its values, dtypes, index and attributes."""
    frame = pandas_frame()
    frame.attrs["unit"] = "m"

    again = through(frame)
    again.loc[0, "int"] = -1

    pd.testing.assert_frame_equal(through(frame), frame, check_freq=True)
    assert again.attrs == {"unit": "m"}
    assert frame.loc[0, "int"] != -1


def test_a_frame_of_two_indexes_comes_back_equal():
    """A frame with a multi-index on both axes comes back equal."""
    index = pd.MultiIndex.from_product([range(200), list("abcde")], names=["n", None])
    frame = pd.DataFrame(np.random.default_rng(1).random((1000, 1000)), index, index)

    pd.testing.assert_frame_equal(through(frame), frame)


POLARS = {
    "i": pl.Series(range(LARGE)),
    "s": pl.Series([f"some text, long enough {i}" for i in range(LARGE)]),
    "c": pl.Series(["a", "b"] * (LARGE // 2), dtype=pl.Categorical),
    "e": pl.Series(["a", "b"] * (LARGE // 2), dtype=pl.Enum(["b", "a"])),
    "d": pl.Series([dt.datetime(2020, 1, 1, tzinfo=dt.UTC)] * LARGE),
    "l": pl.Series([[1, None], []] * (LARGE // 2)),
    "r": pl.Series([[1, 2]] * LARGE, dtype=pl.Array(pl.Int8, 2)),
    "t": pl.Series([{"a": 1, "b": "x"}] * LARGE),
    "n": pl.Series([None] * LARGE),
    "decimal": pl.Series([Decimal("1.5")] * LARGE),
    "wide": pl.Series([2**100] * LARGE, dtype=pl.Int128),
}


@pytest.mark.parametrize("name", POLARS)
def test_polars_columns_come_back_equal(name):
    """A polars column of any type comes back equal, alone and in a frame."""
    series = POLARS[name].alias("column")
    frame = pl.DataFrame([series, pl.Series("row", range(LARGE))])

    again = through(series)
    frame_again = through(frame)

    assert again.name == "column"
    assert again.dtype == series.dtype
    assert again.equals(series, null_equal=True)
    assert frame_again.schema == frame.schema
    assert frame_again.equals(frame)


def test_polars_objects_and_lazy_frames_come_back():
    """A polars frame of Python objects, or a lazy one, is left to polars to pickle."""
    lazy = pl.LazyFrame({"a": [1, 2]}).select(pl.col("a") * 2)

    assert through(lazy).collect().to_dict(as_series=False) == {"a": [2, 4]}


def test_arrow_data_comes_back_equal():
    """Arrow tables, batches and columns come back equal, also when they are slices."""
    table = pa.table(
        {
            "a": pa.array(range(LARGE)),
            "t": pa.array(["x", None] * (LARGE // 2)).dictionary_encode(),
            "l": pa.array([[1], None] * (LARGE // 2)),
        },
        metadata={"k": "v"},
    )
    batch = table.to_batches()[0]

    for value in (table, batch, table["l"], batch["a"]):
        part = value.slice(7, 100)
        empty = value.slice(0, 0)

        assert through(value).equals(value)
        assert through(part).equals(part)
        assert type(through(part)) is type(part)
        assert through(empty).equals(empty)
        assert dump(part).size < 20_000


def test_models_come_back_and_predict_alike():
    """A fitted model predicts the same after a round trip."""
    from sklearn.ensemble import RandomForestRegressor

    rows = np.random.default_rng(1).random((300, 5))
    model = RandomForestRegressor(n_estimators=3, random_state=1)
    model.fit(rows, rows.sum(axis=1))

    np.testing.assert_array_equal(through(model).predict(rows), model.predict(rows))


def test_identity_within_a_value_is_kept():
    """What was one object in a value is one object afterwards, cycles included."""
    row, blob, array = [1], b"x" * OUT_OF_BAND, np.arange(LARGE)
    value = [row, row, blob, blob, array, array]
    value.append(value)

    again = through(value)

    assert again[0] is again[1]
    assert again[2] is again[3]
    assert again[4] is again[5]
    assert again[6] is again


def test_memoryviews_come_back_as_such():
    """A memoryview comes back with its format, shape and writability."""
    view = memoryview(bytearray(range(24))).cast("H", [3, 4])

    again = through(view)
    again[0, 0] = 1

    assert (again.format, again.shape, again.readonly) == ("H", (3, 4), False)
    assert view[0, 0] == 0x0100
    assert through(memoryview(b"ab")).readonly


@settings(max_examples=80, deadline=None)
@given(
    numpy_st.arrays(
        st.one_of(
            numpy_st.scalar_dtypes(), numpy_st.array_dtypes(allow_subarrays=True)
        ),
        numpy_st.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    st.booleans(),
)
def test_any_array_comes_back(array, enlarged):
    """An array of any dtype and shape comes back byte for byte."""
    if enlarged and array.nbytes:
        repeats = -(-OUT_OF_BAND // array.nbytes)
        array = np.concatenate([array.reshape(-1)] * repeats)[::-1]

    again = through(array)

    assert again.dtype == array.dtype
    assert again.shape == array.shape
    assert again.tobytes() == array.tobytes()


chunks = st.integers(OUT_OF_BAND - 8, OUT_OF_BAND + 8)
pieces = st.one_of(
    chunks.map(lambda n: b"\x8e" * n),
    chunks.map(lambda n: bytearray(b"B\x00\x00\x01\x00"[:1] * n)),
    chunks.map(lambda n: "X\x08\x00\x01\x00" * (n // 5 + 1)),
    chunks.map(lambda n: list(range(n // 3))),
    st.binary(max_size=8),
    st.none(),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(pieces, max_size=6))
def test_any_mixture_of_long_strings_comes_back(value):
    """Long bytes leave the pickle in whatever order they stand among other things."""
    again = through(value)

    assert again == value
    assert [type(item) for item in again] == [type(item) for item in value]
    long = [v for v in value if isinstance(v, bytes | bytearray) and len(v) >= 65_536]
    assert [buffer.nbytes for buffer in dump(value).buffers] == list(map(len, long))


# -- code ------------------------------------------------------------------------


@pytest.fixture
def main(monkeypatch):
    """A `__main__` of its own, as a notebook's namespace is one."""
    module = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    return module


def test_notebook_classes_go_by_reference(main):
    """An instance of a class of the notebook is an instance of that class again."""
    exec(
        "from dataclasses import dataclass\n@dataclass\nclass Row:\n    n: int",
        main.__dict__,
    )
    again = through([main.Row(1), main.Row])

    assert type(again[0]) is main.Row
    assert again[1] is main.Row
    assert again[0] == main.Row(1)


def test_a_class_that_is_gone_fails_to_load(main):
    """A value whose class the notebook no longer has cannot be loaded."""
    exec("class Row: pass", main.__dict__)
    stored = dump(main.Row())
    del main.Row

    with pytest.raises(AttributeError):
        load(stored.body, stored.buffers)


def test_notebook_functions_go_by_reference_and_others_by_value(main):
    """A function goes by its name where that names it, and by value elsewhere."""
    exec("def double(n): return 2 * n\nlost = double", main.__dict__)
    double = main.double
    by_name = through(double)
    exec("def double(n): return 0", main.__dict__)
    by_value = through(double)

    def closure(n):
        return n + LARGE

    assert by_name is double
    assert by_value is not main.double
    assert by_value(4) == 8
    assert through(lambda n: n * 3)(2) == 6
    assert through(closure)(1) == LARGE + 1


def test_local_classes_go_by_value():
    """A class made within a function comes back with its instances."""

    class Local:
        def __init__(self, n):
            self.n = n

    again = through([Local(3), Local])

    assert type(again[0]) is again[1]
    assert again[0].n == 3


# -- refusals --------------------------------------------------------------------


class Holder:
    def __init__(self, held):
        self.rows = [1, {"held": held}]


class Slotted:
    __slots__ = ("held",)

    def __init__(self, held):
        self.held = held


def generator():
    yield 1


async def coroutine():
    pass


async def async_generator():
    yield 1


REFUSED = {
    "generator": (generator, "a generator"),
    "expression": (lambda: (n for n in ()), "a generator"),
    "async generator": (async_generator, "an async generator"),
    "lock": (threading.Lock, "a lock"),
    "rlock": (threading.RLock, "a lock"),
    "thread": (threading.Thread, "a thread"),
    "future": (concurrent.futures.Future, "a 'Future' object"),
    "frame": (sys._getframe, "a stack frame"),
    "process": (lambda: subprocess.Popen(["true"]), "a 'Popen' object"),
}


@pytest.mark.parametrize(("make", "what"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("wrap", [Holder, Slotted])
def test_what_lives_in_the_process_only_is_refused(make, what, wrap):
    """A lock, a generator and their like are refused, and the message says where."""
    held = make()
    where = r"\.rows\[1\]\['held'\]" if wrap is Holder else r"\.held"

    with pytest.raises(Unstorable, match=f"{what}.* cannot be stored.*{where}"):
        dump(wrap(held))
    if isinstance(held, subprocess.Popen):
        held.wait()


def test_open_files_are_refused(tmp_path):
    """An open file is refused, also one whose text could have been copied."""
    path = tmp_path / "notes.txt"
    path.write_text("text")

    for mode in ("r", "w", "rb", "wb", "r+b"):
        with path.open(mode) as file, pytest.raises(Unstorable, match="an open file"):
            dump([file])


def test_files_in_memory_are_values():
    """A file that is only memory is a value like another."""
    assert through(io.StringIO("text")).getvalue() == "text"
    assert through(io.BytesIO(b"x" * OUT_OF_BAND)).getvalue() == b"x" * OUT_OF_BAND


def test_sockets_and_asyncio_objects_are_refused():
    """A socket, a coroutine and a future of a loop are refused."""
    loop = asyncio.new_event_loop()
    running = coroutine()
    with socket.socket() as connection:
        for value in (connection, running, loop.create_future()):
            with pytest.raises(Unstorable, match="cannot be stored"):
                dump(value)
    running.close()
    loop.close()


def test_a_captured_lock_is_found_in_a_closure():
    """The message names the variable by which a function holds what is refused."""
    lock = threading.Lock()

    with pytest.raises(Unstorable, match=r"a lock.*its name 'lock'"):
        dump({"call": lambda: lock})


class Spiteful:
    def __reduce__(self):
        raise ZeroDivisionError("no")


def test_errors_of_the_value_are_explained():
    """An error in a value's own pickling is named with the place of the value."""
    with pytest.raises(Unstorable, match=r"ZeroDivisionError: no \(at \['a'\]\)"):
        dump({"a": Spiteful()})


def test_deep_nesting_is_refused():
    """A value that is nested too deeply is refused instead of ending the process."""
    deep = []
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(Unstorable, match="nested too deeply"):
        dump(deep)


def test_refusals_can_be_pickled():
    """A refusal keeps its reason and path between processes."""
    problem = Unstorable("a lock cannot be stored", ".lock")

    again = pickle.loads(pickle.dumps(problem))

    assert str(again) == "a lock cannot be stored (at .lock)"


def test_loading_leaves_the_collector_as_it_was():
    """Loading, also in several threads, leaves garbage collection switched on."""
    stored = dump([{"n": n} for n in range(5_000)])

    threads = [threading.Thread(target=load, args=(stored.body,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert gc.isenabled()
