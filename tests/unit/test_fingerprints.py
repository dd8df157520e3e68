"""Fingerprints of data: different for different content, equal for equal content."""

# Case tables: values that differ in one thing, spelled out on purpose.
# ruff: noqa: B008, C409, C414, FBT003, FURB157, PLC3002, PYI024

import array
import collections
import copy
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import io
import pathlib
import pickle
import random
import socket
import sqlite3
import struct
import sys
import threading
import types
import uuid
import weakref
import zoneinfo

import attrs
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nborch.cache.fingerprints import fingerprint, fingerprints
from nborch.exceptions import Unfingerprintable


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Number(enum.IntEnum):
    ONE = 1


class Bits(enum.Flag):
    A = 1
    B = 2


@dataclasses.dataclass
class A:
    x: object = 1


@dataclasses.dataclass
class B:
    x: object = 1


@dataclasses.dataclass(frozen=True)
class Frozen:
    x: object = 1


@attrs.define
class Attrs:
    x: object = 1


class Model(pydantic.BaseModel):
    x: int = 1
    tags: set[str] = set()


class Plain:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class Slotted:
    __slots__ = ("x", "y")

    def __init__(self, x):
        self.x = x


class Reducing:
    def __init__(self, x):
        self.x = x
        self.lock = threading.Lock()

    def __reduce__(self):
        return (Reducing, (self.x,))


class Stating:
    def __init__(self, x):
        self.x = x
        self.lock = threading.Lock()

    def __getstate__(self):
        return {"x": self.x}


class Hooked:
    def __init__(self, x):
        self.x = x
        self.lock = threading.Lock()

    def __nborch_fingerprint__(self):
        return self.x


Point = collections.namedtuple("Point", "x y")
Other = collections.namedtuple("Other", "x y")


class MyList(list):
    pass


class MyDict(dict):
    pass


class MySet(set):
    pass


class MyInt(int):
    pass


class MyStr(str):
    __slots__ = ()


class MyTuple(tuple):
    __slots__ = ()


class Countdown:
    """An iterator whose state is plain to see."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return self

    def __next__(self):
        self.n -= 1
        return self.n


def nan(payload):
    return struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000000 + payload))[0]


def fresh(text):
    return "".join(list(text))


def shared(make):
    value = make()
    return [value, value]


def apart(make):
    return [make(), make()]


def cyclic_list(depth):
    top = inner = []
    for _ in range(depth):
        deeper = []
        inner.append(deeper)
        inner = deeper
    inner.append(top)
    return top


def with_attributes(series, **attributes):
    series.attrs.update(attributes)
    return series


BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
OBJECT = np.arange(3).astype(object)

DIFFERENT = {
    "int, str": (1, "1"),
    "int, float": (1, 1.0),
    "int, bool": (1, True),
    "float, bool": (0.0, False),
    "int, complex": (1, 1 + 0j),
    "int, Decimal": (1, decimal.Decimal(1)),
    "int, Fraction": (1, fractions.Fraction(1)),
    "int, subclass": (1, MyInt(1)),
    "int, IntEnum": (1, Number.ONE),
    "int, numpy": (1, np.int64(1)),
    "str, bytes": ("a", b"a"),
    "str, subclass": ("a", MyStr("a")),
    "str, numpy": ("a", np.str_("a")),
    "bytes, bytearray": (b"a", bytearray(b"a")),
    "None, Ellipsis": (None, ...),
    "None, 'None'": (None, "None"),
    "None, nan": (None, float("nan")),
    "None, NaT": (None, pd.NaT),
    "NaT, NA": (pd.NaT, pd.NA),
    "NA, nan": (pd.NA, float("nan")),
    "zeros": (0.0, -0.0),
    "zeros in list": ([0.0], [-0.0]),
    "zeros in complex": (complex(0, 0.0), complex(0, -0.0)),
    "zeros in array": (np.array([0.0]), np.array([-0.0])),
    "nan payloads": (nan(1), nan(2)),
    "big ints": (2**70, 2**70 + 1),
    "signs": (2**70, -(2**70)),
    "int borders": (127, -129),
    "huge ints": (10**5000, 10**5000 + 1),
    "Decimal digits": (decimal.Decimal("1.0"), decimal.Decimal("1.00")),
    "Decimal signs": (decimal.Decimal("0"), decimal.Decimal("-0")),
    "surrogates": ("\ud800", "\ud801"),
    "normal forms": ("\u00e9", "e\u0301"),
    "list, tuple": ([1], (1,)),
    "list, subclass": ([1], MyList([1])),
    "list, deque": ([1], collections.deque([1])),
    "list, array": ([1], np.array([1])),
    "list, generic": ([1], array.array("l", [1])),
    "tuple, subclass": ((1,), MyTuple((1,))),
    "tuple, namedtuple": ((1, 2), Point(1, 2)),
    "namedtuples": (Point(1, 2), Other(1, 2)),
    "dict, OrderedDict": ({"a": 1}, collections.OrderedDict(a=1)),
    "dict, defaultdict": ({"a": 1}, collections.defaultdict(int, a=1)),
    "dict, subclass": ({"a": 1}, MyDict(a=1)),
    "dict, Counter": ({"a": 1}, collections.Counter("a")),
    "dict, proxy": ({"a": 1}, types.MappingProxyType({"a": 1})),
    "default factories": (collections.defaultdict(int), collections.defaultdict(list)),
    "set, frozenset": ({1}, frozenset({1})),
    "set, subclass": ({1}, MySet({1})),
    "set, list": ({1}, [1]),
    "empties": ([], ()),
    "empty dict, set": ({}, set()),
    "nesting": ([[1], 2], [[1, 2]]),
    "nesting of strings": (["a", "bc"], ["ab", "c"]),
    "nesting of tuples": (((1,), 2), ((1, 2),)),
    "dict order": ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    "dict order, deep": ([{"a": [], "b": 2}], [{"b": 2, "a": []}]),
    "dict key types": ({1: 1}, {True: 1}),
    "dict key, value": ({"a": "b"}, {"b": "a"}),
    "set of tuples": ({(1, 2)}, {(2, 1)}),
    "deque lengths": (collections.deque([1], 3), collections.deque([1], 4)),
    "array codes": (array.array("b", [1]), array.array("B", [1])),
    "ranges": (range(3), range(0, 3, 2)),
    "range, list": (range(2), [0, 1]),
    "slices": (slice(1, 2), slice(1, 2, 1)),
    "slice, range": (slice(1, 2), range(1, 2)),
    "memoryview formats": (memoryview(b"ab"), memoryview(b"ab").cast("b")),
    "date, datetime": (dt.date(2020, 1, 1), dt.datetime(2020, 1, 1)),
    "folds": (dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, fold=1)),
    "folds of time": (dt.time(1), dt.time(1, fold=1)),
    "naive, aware": (dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
    "zones": (
        dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
        dt.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("UTC")),
    ),
    "timedelta, seconds": (dt.timedelta(1), dt.timedelta(seconds=1)),
    "Timestamp, datetime": (pd.Timestamp("2020"), dt.datetime(2020, 1, 1)),
    "Timestamp units": (
        pd.Timestamp("2020").as_unit("s"),
        pd.Timestamp("2020").as_unit("ns"),
    ),
    "Timestamp, Timedelta": (pd.Timestamp(0), pd.Timedelta(0)),
    "paths": (pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a")),
    "path, str": (pathlib.Path("a"), "a"),
    "uuids": (uuid.UUID(int=1), uuid.UUID(int=2)),
    "enum members": (Color.RED, Color.BLUE),
    "enum, value": (Color.RED, 1),
    "flags": (Bits.A, Bits.A | Bits.B),
    "classes": (A(1), B(1)),
    "class, instance": (A, A()),
    "field values": (A(1), A(True)),
    "dataclass, frozen": (A(1), Frozen(1)),
    "attrs": (Attrs(1), Attrs(2)),
    "pydantic": (Model(x=1), Model(x=2)),
    "pydantic, set fields": (Model(x=1), Model()),
    "attribute order": (Plain(a=1, b=2), Plain(b=2, a=1)),
    "attribute names": (Plain(a=1), Plain(b=1)),
    "slots": (Slotted(1), Slotted(2)),
    "reduce": (Reducing(1), Reducing(2)),
    "getstate": (Stating(1), Stating(2)),
    "hook": (Hooked(1), Hooked(2)),
    "int subclass": (MyInt(1), MyInt(2)),
    "list subclass": (MyList([1]), MyList([2])),
    "dict subclass": (MyDict(a=1), MyDict(a=2)),
    "set subclass": (MySet([1]), MySet([2])),
    "exceptions": (ValueError("a"), ValueError("b")),
    "exception classes": (ValueError("a"), TypeError("a")),
    "iterators of the user": (Countdown(1), Countdown(2)),
    "random states": (random.Random(1), random.Random(2)),
    "in-memory files": (io.BytesIO(b"a"), io.BytesIO(b"b")),
    "modules": (collections, dataclasses),
    "types": (int, float),
    "generic types": (list[int], list[float]),
    "unions": (int | str, int | float),
    "sharing of lists": (shared(list), apart(list)),
    "sharing of full lists": (shared(lambda: [1]), apart(lambda: [1])),
    "sharing of dicts": (shared(dict), apart(dict)),
    "sharing of sets": (shared(set), apart(set)),
    "sharing of arrays": (shared(lambda: np.zeros(2)), apart(lambda: np.zeros(2))),
    "sharing of frames": (
        shared(lambda: pd.DataFrame({"a": [1]})),
        apart(lambda: pd.DataFrame({"a": [1]})),
    ),
    "sharing of objects": (shared(A), apart(A)),
    "sharing of bytearrays": (shared(bytearray), apart(bytearray)),
    "sharing of tuples of lists": (shared(lambda: ([],)), apart(lambda: ([],))),
    "sharing of tuples, all entangled": (
        (lambda t, y: [[[y]], y, t, t])(([],), [1]),
        (lambda t, u, y: [[[y]], y, t, u])(([],), ([],), [1]),
    ),
    "sharing, deep": (
        (lambda x: [[x], {"a": x}])([1]),
        [[[1]], {"a": [1]}],
    ),
    "sharing through tuples": (
        (lambda x: [(x, 1), (x, 1)])([]),
        [([], 1), ([], 1)],
    ),
    "sharing with a date beside": (
        (lambda x: [x, x, dt.date(2020, 1, 1)])([1]),
        [[1], [1], dt.date(2020, 1, 1)],
    ),
    "sharing into a plain tree": (
        (lambda x: [[[x]], dt.date(2020, 1, 1), x])([1]),
        [[[[1]]], dt.date(2020, 1, 1), [1]],
    ),
    "sharing out of a plain tree": (
        (lambda x: [x, dt.date(2020, 1, 1), [[x]]])([1]),
        [[1], dt.date(2020, 1, 1), [[[1]]]],
    ),
    "sharing between plain trees": (
        (lambda x: [[[x]], dt.date(2020, 1, 1), [[x]]])([1]),
        [[[[1]]], dt.date(2020, 1, 1), [[[1]]]],
    ),
    "which is shared": (
        (lambda x, y: [x, y, x])([], []),
        (lambda x, y: [x, y, y])([], []),
    ),
    "sharing with a member of a set": (
        (lambda x: [x, {x}])(Plain()),
        [Plain(), {Plain()}],
    ),
    "sharing among members of a set": (
        (lambda x: {Plain(a=1, x=x), Plain(a=2, x=x)})([]),
        {Plain(a=1, x=[]), Plain(a=2, x=[])},
    ),
    "views": (
        (lambda x: [x, x[1:]])(np.arange(4.0)),
        [np.arange(4.0), np.arange(4.0)[1:].copy()],
    ),
    "places of views": (
        (lambda x: [x, x[0:1]])(np.zeros(4)),
        (lambda x: [x, x[1:2]])(np.zeros(4)),
    ),
    "lengths of cycles": (cyclic_list(1), cyclic_list(2)),
    "dtypes, same bytes": (np.zeros(2, "f4"), np.zeros(2, "i4")),
    "signed": (np.zeros(2, "i8"), np.zeros(2, "u8")),
    "endianness": (np.ones(2, "<i4"), np.ones(2, ">i4")),
    "shapes": (np.zeros((2, 3)), np.zeros((3, 2))),
    "0-d": (np.array(1.0), np.float64(1)),
    "0-d, 1-d": (np.array(1.0), np.array([1.0])),
    "empty shapes": (np.zeros((0, 2)), np.zeros((0, 3))),
    "datetime64 units": (np.array([0], "M8[s]"), np.array([0], "M8[ms]")),
    "datetime64, timedelta64": (np.array([0], "M8[s]"), np.array([0], "m8[s]")),
    "string widths": (np.array(["a"], "U1"), np.array(["a"], "U2")),
    "bytes, str arrays": (np.array(["a"], "S1"), np.array(["a"], "U1")),
    "object elements": (np.array([1, None], object), np.array([True, None], object)),
    "object, int": (np.arange(3), OBJECT),
    "sharing in object arrays": (
        np.array((lambda x: [x, x, None])([1]), object),
        np.array([[1], [1], None], object),
    ),
    "field names": (np.zeros(1, [("a", "i4")]), np.zeros(1, [("b", "i4")])),
    "field orders": (
        np.zeros(1, [("a", "i4"), ("b", "i4")]),
        np.zeros(1, [("b", "i4"), ("a", "i4")]),
    ),
    "structured, not": (np.zeros(1, [("a", "i4")]), np.zeros(1, "i4")),
    "subclass": (np.zeros((1, 1)), np.asmatrix(np.zeros((1, 1)))),
    "last element": (np.zeros(10**6), np.r_[np.zeros(10**6 - 1), 1.0]),
    "middle element": (
        np.zeros(10**6),
        np.r_[np.zeros(500_000), 1.0, np.zeros(499_999)],
    ),
    "masks": (np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0])),
    "masked, not": (np.ma.array([1, 2]), np.array([1, 2])),
    "fill values": (np.ma.array([1], fill_value=1), np.ma.array([1], fill_value=2)),
    "scalars": (np.float32(1), np.float64(1)),
    "generators": (np.random.default_rng(1), np.random.default_rng(2)),
    "RandomState": (np.random.RandomState(1), np.random.RandomState(2)),
    "dtype objects": (np.dtype("i4"), np.dtype("i8")),
    "ufuncs": (np.add, np.subtract),
    "sparse": (scipy.sparse.csr_matrix([[1, 0]]), scipy.sparse.csr_matrix([[0, 1]])),
    "sparse formats": (scipy.sparse.csr_matrix([[1]]), scipy.sparse.csc_matrix([[1]])),
    "column names": (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})),
    "column order": (
        pd.DataFrame({"a": [1], "b": [1]}),
        pd.DataFrame({"b": [1], "a": [1]}),
    ),
    "column dtypes": (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1.0]})),
    "column values": (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [2, 1]})),
    "index": (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]}, index=[1])),
    "index names": (
        pd.DataFrame({"a": [1]}, index=pd.Index([0], name="x")),
        pd.DataFrame({"a": [1]}, index=pd.Index([0], name="y")),
    ),
    "columns' names": (
        pd.DataFrame({"a": [1]}).rename_axis(columns="x"),
        pd.DataFrame({"a": [1]}),
    ),
    "frame attrs": (
        with_attributes(pd.DataFrame({"a": [1]}), unit="m"),
        with_attributes(pd.DataFrame({"a": [1]}), unit="s"),
    ),
    "duplicate labels": (
        pd.DataFrame({"a": [1]}),
        pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False),
    ),
    "empty frames": (pd.DataFrame(), pd.DataFrame(index=[0])),
    "frame, series": (pd.DataFrame({"a": [1]}), pd.Series([1], name="a")),
    "series names": (pd.Series([1], name="a"), pd.Series([1], name="b")),
    "series attrs": (pd.Series([1]), with_attributes(pd.Series([1]), a=1)),
    "series, index": (pd.Series([1, 2]), pd.Index([1, 2])),
    "object, str": (pd.Series(["a"], dtype=object), pd.Series(["a"], dtype="string")),
    "str, category": (pd.Series(["a"]), pd.Series(["a"], dtype="category")),
    "missing kinds": (
        pd.Series(["a", None], dtype=object),
        pd.Series(["a", float("nan")], dtype=object),
    ),
    "missing string": (pd.Series(["a", ""]), pd.Series(["a", None])),
    "nullable": (pd.Series([1, 2], dtype="Int64"), pd.Series([1, 2], dtype="int64")),
    "nullable missing": (
        pd.Series([1, None], dtype="Int64"),
        pd.Series([1, 0], dtype="Int64"),
    ),
    "category order": (
        pd.Series(pd.Categorical(["a"], ["a", "b"])),
        pd.Series(pd.Categorical(["a"], ["b", "a"])),
    ),
    "unused category": (
        pd.Series(pd.Categorical(["a"], ["a", "b"])),
        pd.Series(pd.Categorical(["a"], ["a"])),
    ),
    "ordered category": (
        pd.Series(pd.Categorical(["a"])),
        pd.Series(pd.Categorical(["a"], ordered=True)),
    ),
    "column time zones": (
        pd.Series(pd.to_datetime(["2020"]).tz_localize("UTC")),
        pd.Series(pd.to_datetime(["2020"]).tz_localize("UTC").tz_convert(BERLIN)),
    ),
    "column time units": (
        pd.Series(np.array(["2020"], "M8[s]")),
        pd.Series(np.array(["2020"], "M8[ns]")),
    ),
    "periods": (
        pd.Series(pd.period_range("2020", periods=1, freq="D")),
        pd.Series(pd.period_range("2020", periods=1, freq="h")),
    ),
    "intervals": (
        pd.Series(pd.IntervalIndex.from_breaks([0, 1])),
        pd.Series(pd.IntervalIndex.from_breaks([0, 1], closed="left")),
    ),
    "sparse fill": (
        pd.Series(pd.arrays.SparseArray([0, 1], fill_value=0)),
        pd.Series(pd.arrays.SparseArray([0, 1], fill_value=1)),
    ),
    "arrow types": (
        pd.Series([1], dtype="int64[pyarrow]"),
        pd.Series([1], dtype="int32[pyarrow]"),
    ),
    "index frequencies": (
        pd.date_range("2020", periods=3, freq="D"),
        pd.DatetimeIndex(["2020-01-01", "2020-01-02", "2020-01-03"]),
    ),
    "multi-index names": (
        pd.MultiIndex.from_tuples([(1, 2)], names=["a", "b"]),
        pd.MultiIndex.from_tuples([(1, 2)], names=["a", "c"]),
    ),
    "multi-index, tuples": (
        pd.MultiIndex.from_tuples([(1, 2)]),
        pd.Index([(1, 2)], tupleize_cols=False),
    ),
    "cells of lists": (pd.DataFrame({"a": [[1, 2]]}), pd.DataFrame({"a": [(1, 2)]})),
    "polars names": (pl.DataFrame({"a": [1]}), pl.DataFrame({"b": [1]})),
    "polars dtypes": (pl.Series([1], dtype=pl.Int8), pl.Series([1], dtype=pl.Int16)),
    "polars nulls": (pl.Series([1, None]), pl.Series([1, 0])),
    "polars strings": (pl.Series(["a", "bc"]), pl.Series(["ab", "c"])),
    "polars lists": (pl.Series([[1], [2, 3]]), pl.Series([[1, 2], [3]])),
    "polars categories": (
        pl.Series(["a"], dtype=pl.Enum(["a", "b"])),
        pl.Series(["a"], dtype=pl.Enum(["b", "a"])),
    ),
    "polars, pandas": (pl.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]})),
    "polars empty": (pl.DataFrame(), pl.DataFrame({"a": []})),
    "arrow nulls": (pa.array([1, None]), pa.array([1, 0])),
    "arrow null places": (pa.array([1, None, 2]), pa.array([None, 1, 2])),
    "arrow strings": (pa.array(["a", "bc"]), pa.array(["ab", "c"])),
    "arrow dictionary": (pa.array(["a"]), pa.array(["a"]).dictionary_encode()),
    "arrow names": (pa.table({"a": [1]}), pa.table({"b": [1]})),
    "arrow metadata": (
        pa.table({"a": [1]}),
        pa.table({"a": [1]}).replace_schema_metadata({"x": "y"}),
    ),
    "estimator settings": (LinearRegression(), LinearRegression(positive=True)),
    "fitted estimator": (
        LinearRegression(),
        LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0]),
    ),
    "pipelines": (
        make_pipeline(StandardScaler(), LinearRegression()),
        make_pipeline(StandardScaler(with_mean=False), LinearRegression()),
    ),
}


def structured(junk):
    """Return a padded record array with arbitrary bytes in the padding."""
    kind = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    raw = np.full(kind.itemsize * 2, junk, "u1")
    records = raw.view(kind)
    records["a"], records["b"] = [1, 2], [3.0, 4.0]
    return records


def split_frame():
    frame = pd.DataFrame({"a": [1.0, 2.0]})
    frame["b"] = [3.0, 4.0]
    return frame


def under_mask(junk):
    values = np.array([1, junk])
    return pd.Series(pd.arrays.IntegerArray(values, np.array([False, True])))


def memmap(folder):
    path = folder / "numbers.npy"
    np.save(path, np.arange(6.0).reshape(2, 3))
    return np.load(path, mmap_mode="r")


def readonly():
    numbers = np.arange(6.0).reshape(2, 3)
    numbers.setflags(write=False)
    return numbers


def pair_of(x):
    return (x, x)


EQUAL = {
    "strings of other identity": ([fresh("abc")] * 2, [fresh("abc"), fresh("abc")]),
    "strings beside a date": (
        [*[fresh("abc")] * 2, dt.date(2020, 1, 1)],
        [fresh("abc"), fresh("abc"), dt.date(2020, 1, 1)],
    ),
    "big ints of other identity": ([2**70] * 2, [2**70, int(str(2**70))]),
    "tuples of other identity": ([(1, (2,))] * 2, [(1, (2,)), tuple([1, tuple([2])])]),
    "dates of other identity": (
        [dt.date(2020, 1, 1)] * 2,
        [dt.date(2020, 1, 1) for _ in "ab"],
    ),
    "tuples of dates": (
        [(dt.date(2020, 1, 1), fractions.Fraction(1))] * 2,
        [(dt.date(2020, 1, 1), fractions.Fraction(1)) for _ in "ab"],
    ),
    "tuples of members": ([(Color.RED, 1)] * 2, [tuple([Color.RED, 1]) for _ in "ab"]),
    "paths of other identity": (
        [pathlib.Path("a")] * 2,
        [pathlib.Path("a") for _ in "ab"],
    ),
    "frozensets of other identity": (
        [frozenset({1, 2})] * 2,
        [frozenset({1, 2}), frozenset([2, 1])],
    ),
    "set order": (set(range(100)), set(reversed(range(100)))),
    "set order of strings": ({"a", "b", "c"}, {"c", "b", "a"}),
    "set of frozensets": (
        {frozenset("ab"), frozenset("cd")},
        {frozenset("dc"), frozenset("ba")},
    ),
    "set in tuples": (({"a", "b"}, 1), ({"b", "a"}, 1)),
    "set of tuples": ({(1, "a"), (2, "b")}, {(2, "b"), (1, "a")}),
    "set of mixed": ({1, "a", None, (1,)}, {(1,), None, "a", 1}),
    "set of members": ({Color.RED, Color.BLUE}, {Color.BLUE, Color.RED}),
    "set of objects": (
        {Frozen(1), Frozen("a"), Frozen((1, 2))},
        {Frozen((1, 2)), Frozen("a"), Frozen(1)},
    ),
    "set subclass": (MySet("abc"), MySet("cba")),
    "nan": (float("nan"), nan(0)),
    "layouts": (
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    ),
    "strides": (np.arange(6.0)[::2], np.arange(6.0)[::2].copy()),
    "negative strides": (np.arange(3)[::-1], np.array([2, 1, 0])),
    "transposed": (
        np.arange(24).reshape(2, 3, 4).T,
        np.arange(24).reshape(2, 3, 4).T.copy(),
    ),
    "broadcast": (np.broadcast_to(np.arange(3), (2, 3)), np.array([[0, 1, 2]] * 2)),
    "read-only": (np.arange(6.0).reshape(2, 3), readonly()),
    "large strided": (
        np.arange(2 * 10**6).reshape(1000, 2000)[:, ::2],
        np.arange(2 * 10**6).reshape(1000, 2000)[:, ::2].copy(),
    ),
    "large rows": (
        np.arange(6 * 10**6).reshape(2, 3, 10**6).transpose(0, 2, 1),
        np.arange(6 * 10**6).reshape(2, 3, 10**6).transpose(0, 2, 1).copy(),
    ),
    "padding": (structured(0), structured(255)),
    "views apart": (
        (lambda x: [x[:2], x[2:]])(np.arange(4)),
        [np.arange(2), np.arange(2, 4)],
    ),
    "object layouts": (
        np.array([["a", None], [1, 2.0]], object),
        np.asfortranarray(np.array([["a", None], [1, 2.0]], object)),
    ),
    "frame blocks": (pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}), split_frame()),
    "frame of an array": (
        pd.DataFrame(np.arange(6.0).reshape(3, 2), columns=["a", "b"]),
        pd.DataFrame({"a": [0.0, 2.0, 4.0], "b": [1.0, 3.0, 5.0]}),
    ),
    "frame rows": (
        pd.DataFrame({"a": range(6)}).iloc[::2].reset_index(drop=True),
        pd.DataFrame({"a": range(0, 6, 2)}),
    ),
    "object strings": (
        pd.Series([fresh("ab")] * 2, dtype=object),
        pd.Series([fresh("ab"), fresh("ab")], dtype=object),
    ),
    "chunked strings": (
        pd.concat([pd.Series(["a"]), pd.Series(["b"])], ignore_index=True),
        pd.Series(["a", "b"]),
    ),
    "under the mask": (under_mask(1), under_mask(77)),
    "arrow chunks": (pa.chunked_array([["a"], ["b"]]), pa.chunked_array([["a", "b"]])),
    "arrow offsets": (pa.array([0, 1, None, 3])[1:], pa.array([1, None, 3])),
    "arrow string offsets": (pa.array(["x", "a", None])[1:], pa.array(["a", None])),
    "arrow bool offsets": (pa.array([True, False, None])[1:], pa.array([False, None])),
    "polars chunks": (
        pl.concat(
            [pl.DataFrame({"a": ["x"]}), pl.DataFrame({"a": ["y"]})], rechunk=False
        ),
        pl.DataFrame({"a": ["x", "y"]}),
    ),
    "polars slices": (pl.Series([1, 2, 3])[1:], pl.Series([2, 3])),
    "cycles": (cyclic_list(2), cyclic_list(2)),
    "hook": (Hooked(1), Hooked(1)),
    "getstate": (Stating(1), Stating(1)),
}


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_values_of_different_content_have_different_fingerprints(pair):
    """Two values that a program could tell apart never share a fingerprint."""
    one, other = pair

    assert fingerprint(one) != fingerprint(other)
    assert fingerprint([one, dt.date(1, 1, 1)]) != fingerprint(
        [other, dt.date(1, 1, 1)]
    )
    assert fingerprint(A(one)) != fingerprint(A(other))


@pytest.mark.parametrize("pair", EQUAL.values(), ids=EQUAL.keys())
def test_values_of_equal_content_have_equal_fingerprints(pair):
    """Memory layout, identity of atoms and the order of sets do not matter."""
    one, other = pair

    assert fingerprint(one) == fingerprint(other)
    assert fingerprint([one, dt.date(1, 1, 1)]) == fingerprint(
        [other, dt.date(1, 1, 1)]
    )
    assert fingerprint(A(one)) == fingerprint(A(other))


# What does not survive copying: sharing of memory between arrays, and lone identities.
NOT_COPIED = {
    "views", "places of views", "modules", "dict, proxy", "memoryview formats",
    "broadcast", "read-only", "hook", "getstate", "reduce",
}  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [one for name, one in {**DIFFERENT, **EQUAL}.items() if name not in NOT_COPIED],
    ids=[name for name in {**DIFFERENT, **EQUAL} if name not in NOT_COPIED],
)
def test_a_copy_has_the_same_fingerprint(value):
    """Deep copies and unpickled values are as good as the original."""
    copied = copy.deepcopy(value)
    unpickled = pickle.loads(pickle.dumps(value, protocol=5))

    assert fingerprint(copied) == fingerprint(value)
    assert fingerprint(unpickled) == fingerprint(value)


def test_a_memory_map_equals_an_array(tmp_path):
    """Whether an array lies in a file or in memory does not matter."""
    mapped = memmap(tmp_path)

    assert fingerprint(mapped) == fingerprint(np.arange(6.0).reshape(2, 3))


atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.complex_numbers()
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.dates()
    | st.timedeltas()
    | st.uuids()
    | st.sampled_from([Color.RED, Number.ONE, Bits.A | Bits.B, ..., int, range(3)])
)
hashable = st.recursive(
    atoms, lambda inner: st.tuples(inner, inner) | st.frozensets(inner), max_leaves=5
)
values = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(hashable, inner)
        | st.sets(hashable)
        | st.builds(A, inner)
        | inner.map(lambda value: [value, value])
    ),
    max_leaves=12,
)


@given(values)
def test_any_copy_has_the_same_fingerprint(value):
    """Whatever is nested in whatever: a copy equals its original."""
    expected = fingerprint(value)

    assert fingerprint(copy.deepcopy(value)) == expected
    assert fingerprint(pickle.loads(pickle.dumps(value, protocol=5))) == expected


@given(values, values)
def test_equal_fingerprints_mean_equal_content(one, other):
    """Two values with one fingerprint are alike in type and content."""
    assert repr_of(one) == repr_of(other) or fingerprint(one) != fingerprint(other)


def repr_of(value):
    """Return a text that tells the values of the strategy apart, order of sets aside."""
    if isinstance(value, set | frozenset):
        return type(value).__name__ + str(sorted(map(repr_of, value)))
    if isinstance(value, list | tuple):
        return type(value).__name__ + str([repr_of(item) for item in value])
    if isinstance(value, dict):
        return str([(repr_of(key), repr_of(item)) for key, item in value.items()])
    if isinstance(value, A):
        return f"A({repr_of(value.x)})"
    return f"{type(value).__name__} {value!r}"


@given(st.lists(st.lists(st.integers(), max_size=3), min_size=1, max_size=5), st.data())
def test_one_changed_element_changes_the_fingerprint(rows, data):
    """No part of a value is skipped."""
    changed = copy.deepcopy(rows)
    row = data.draw(st.integers(0, len(rows) - 1))

    changed[row].append(0)

    assert fingerprint(changed) != fingerprint(rows)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=6))
def test_the_pattern_of_sharing_is_kept(pattern):
    """Lists that are one and the same are not mistaken for equal ones."""
    pool = [[] for _ in range(4)]
    value = [pool[index] for index in pattern]
    renamed = {index: place for place, index in enumerate(dict.fromkeys(pattern))}
    same = [[] for _ in range(4)]
    alike = [same[renamed[index]] for index in pattern]
    is_shared = len(set(pattern)) < len(pattern)

    assert fingerprint(value) == fingerprint(alike)
    assert (fingerprint(value) != fingerprint([[] for _ in pattern])) == is_shared


def test_shared_tuples_do_not_multiply_the_work():
    """A tuple that is shared forty levels deep is fingerprinted at once."""
    value, changed = (), (1,)
    for _ in range(40):
        value, changed = (value, value), (changed, changed)

    assert fingerprint(value) != fingerprint(changed)
    assert fingerprint([value, dt.date(1, 1, 1)]) != fingerprint(
        [changed, dt.date(1, 1, 1)]
    )


def test_shared_lists_do_not_multiply_the_work():
    """A list that is shared forty levels deep is fingerprinted at once."""
    value, changed = [], [1]
    for _ in range(40):
        value, changed = [value, value], [changed, changed]

    assert fingerprint(value) != fingerprint(changed)


def test_tuples_of_shared_lists_do_not_multiply_the_work():
    """Tuples over one list, shared forty levels deep, are fingerprinted at once."""
    value, changed = ([],), ([1],)
    for _ in range(40):
        value, changed = (value, value), (changed, changed)

    assert fingerprint(value) != fingerprint(changed)


def test_deep_nesting_is_no_obstacle():
    """A linked list of twenty thousand nodes is fingerprinted without recursion."""

    def chain(last):
        node = Plain(value=last)
        for _ in range(20_000):
            node = Plain(next=node)
        return node

    assert fingerprint(chain(1)) != fingerprint(chain(2))
    assert fingerprint(chain(1)) == fingerprint(chain(1))


def test_objects_in_a_cycle_end():
    """An object that leads back to itself has a fingerprint."""

    def ring(size):
        nodes = [Plain(number=number) for number in range(size)]
        for node, following in zip(nodes, [*nodes[1:], nodes[0]], strict=True):
            node.next = following
        return nodes[0]

    assert fingerprint(ring(3)) == fingerprint(ring(3))
    assert fingerprint(ring(3)) != fingerprint(ring(4))


def test_a_set_may_hold_an_object_that_holds_the_set():
    """A cycle through a set ends."""

    def tree(leaf):
        top = Plain(name="top", children=set())
        for name in ("a", "b", leaf):
            top.children.add(Plain(name=name, parent=top))
        return top

    assert fingerprint(tree("c")) == fingerprint(tree("c"))
    assert fingerprint(tree("c")) != fingerprint(tree("d"))


def test_sets_of_objects_in_a_net_are_refused_in_time():
    """A net of objects that know each other by sets is refused, not walked for ever."""
    nodes = [Plain(number=number, near=set()) for number in range(30)]
    for node in nodes:
        node.near.update(other for other in nodes if other is not node)

    with pytest.raises(Unfingerprintable, match="refer to one another"):
        fingerprint(nodes)


def generator():
    yield 1


async def coroutine():
    pass


def opened(tmp_path):
    return (tmp_path / "file").open("w")


REFUSED = {
    "a generator": lambda _: generator(),
    "an iterator": lambda _: iter([1]),
    "an open file": opened,
    "a lock": lambda _: threading.Lock(),
    "a thread": lambda _: threading.Thread(),
    "a socket": lambda _: socket.socket(),
    "a database connection": lambda _: sqlite3.connect(":memory:"),
    "a weak reference": lambda _: weakref.ref(Plain),
    "a dictionary of weak references": lambda _: weakref.WeakValueDictionary(),
    "a coroutine": lambda _: coroutine(),
    "a lazy frame": lambda _: pl.LazyFrame(),
    "thread-local data": lambda _: threading.local(),
    "a frame of running code": lambda _: sys._getframe(),
}


@pytest.mark.parametrize(("reason", "make"), REFUSED.items(), ids=REFUSED.keys())
def test_what_has_no_content_is_refused_with_its_place(reason, make, tmp_path):
    """A value without comparable content raises, and says where it stands."""
    value = make(tmp_path)
    held = A(x={"rows": [1, (value, 2)]})

    try:
        with pytest.raises(Unfingerprintable) as caught:
            fingerprint(held)
        with pytest.raises(Unfingerprintable):
            fingerprint(value)
    finally:
        if hasattr(value, "close"):
            value.close()

    assert caught.value.reason == reason
    assert caught.value.path == ".x['rows'][1][0]"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ([threading.Lock()], "[0]"),
        ({"a": threading.Lock()}, "['a']"),
        (collections.OrderedDict(a=threading.Lock()), "['a']"),
        (pd.DataFrame({"a": [1, threading.Lock()]}), "['a'][1]"),
        (np.array([[1, threading.Lock()]], object), "[(0, 1)]"),
        (lambda lock=threading.Lock(): lock, "defaults of function '<lambda>'[0]"),
    ],
)
def test_the_path_reads_like_python(value, path):
    """The path of what was refused can be typed behind the name of the value."""
    with pytest.raises(Unfingerprintable) as caught:
        fingerprint(value)

    assert caught.value.path == path


def test_an_unpicklable_object_names_its_class():
    """An object that no one can take apart is refused by its class's name."""
    with pytest.raises(Unfingerprintable, match=r"'_struct\.Struct' object"):
        fingerprint([struct.Struct("i")])


def test_a_fingerprint_is_32_hex_digits():
    """A fingerprint is 32 hex digits."""
    assert len(bytes.fromhex(fingerprint([1]))) == 16


SHARED_INPUTS = {
    "one list": lambda x: (x, x),
    "list within": lambda x: (x, {"a": [x]}),
    "deep in a plain tree": lambda x: ([[[x]]], {"a": [[x]]}),
    "list and object": lambda x: (x, A(x)),
    "list and function": lambda x: (x, lambda: x),
    "arrays": lambda x: [np.zeros(3)] * 2,
    "views": lambda x: (lambda a: (a[:3], a[1:]))(np.zeros(4)),
    "frame": lambda x: [pd.DataFrame({"a": [1]})] * 2,
}


@pytest.mark.parametrize("make", SHARED_INPUTS.values(), ids=SHARED_INPUTS.keys())
def test_inputs_that_share_are_told_from_inputs_that_do_not(make):
    """Two names for one list are not two lists, though each has the same content."""
    one, other = make([1])
    apart = copy.deepcopy(one), other

    together = fingerprints({"a": one, "b": other})
    separate = fingerprints({"a": apart[0], "b": apart[1]})

    assert (
        together.each
        == separate.each
        == {"a": fingerprint(one), "b": fingerprint(other)}
    )
    assert together.sharing != ""
    assert separate.sharing == ""


def test_arrays_that_cannot_be_written_to_are_told():
    """A read-only input is another one: code that writes to it fails."""
    array, fixed = np.zeros(3), np.zeros(3)
    fixed.flags.writeable = False

    found = [fingerprints({"a": one}) for one in (array, fixed)]
    within = [fingerprints({"a": {"k": [array, one]}}) for one in (array + 0, fixed)]

    assert found[0].each == found[1].each
    assert found[0].sharing != found[1].sharing
    assert within[0].sharing != within[1].sharing


def test_memory_within_memory_is_shared():
    """Inputs that share memory are found although other memory lies between."""
    array = np.zeros(9)

    found = fingerprints({"a": [array, array[1:2]], "b": array[3:4]})

    assert found.sharing != ""


def test_sharing_of_inputs_says_which_share():
    """The names that share, and how, decide what is shared."""
    x, y = [1], [1]

    found = {
        fingerprints({"a": one, "b": two, "c": three}).sharing
        for one, two, three in [(x, x, y), (x, y, x), (x, x, x), (x, y, [1])]
    }

    assert len(found) == 4


def test_atoms_are_shared_by_no_inputs():
    """Immutable inputs are independent, one and the same or not."""
    value = ("a", 2**70, dt.date(2020, 1, 1), frozenset("ab"), Color.RED, len)

    assert fingerprints({"a": value, "b": value}).sharing == ""


def test_an_unfingerprintable_input_is_named():
    """The path of a refused value begins with the name of the input."""
    with pytest.raises(Unfingerprintable) as caught:
        fingerprints({"a": 1, "rows": [threading.Lock()]})

    assert caught.value.path == "rows[0]"


class Treacherous:
    """An object that cannot be looked at."""

    def __getstate__(self):
        raise ZeroDivisionError("no")


def test_an_object_that_raises_is_refused():
    """Whatever an object raises when it is read, the answer is a refusal."""
    with pytest.raises(Unfingerprintable, match="Treacherous' object") as caught:
        fingerprint([Treacherous()])

    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    "kind",
    [
        pa.int8(), pa.uint64(), pa.float16(), pa.float64(), pa.bool_(), pa.string(),
        pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.null(),
        pa.date32(), pa.date64(), pa.time32("s"), pa.time64("ns"), pa.timestamp("us"),
        pa.timestamp("ns", "UTC"), pa.duration("ms"), pa.decimal128(5, 2), pa.list_(pa.int8()),
        pa.month_day_nano_interval(), pa.binary(2), pa.dictionary(pa.int8(), pa.string()),
        pa.struct([("a", pa.int8())]), pa.map_(pa.string(), pa.int8()),
    ],
    ids=str,
)  # fmt: skip
def test_arrow_arrays_of_every_type_are_told_by_content(kind):
    """Nulls, values, chunks and slices of each Arrow type are read right."""
    values = {
        pa.bool_(): [True, False],
        pa.null(): [None, None],
        pa.list_(pa.int8()): [[1], [2]],
        pa.struct([("a", pa.int8())]): [{"a": 1}, {"a": 2}],
        pa.map_(pa.string(), pa.int8()): [[("a", 1)], [("b", 1)]],
        pa.month_day_nano_interval(): [(1, 2, 3), (1, 2, 4)],
        pa.decimal128(5, 2): [decimal.Decimal("1.00"), decimal.Decimal("2.00")],
        pa.date32(): [dt.date(2020, 1, 1), dt.date(2020, 1, 2)],
        pa.date64(): [dt.date(2020, 1, 1), dt.date(2020, 1, 2)],
        pa.float16(): [np.float16(1), np.float16(2)],
    }
    is_text = "string" in str(kind) and not pa.types.is_nested(kind)
    is_binary = "binary" in str(kind)
    default = ["aa", "bb"] if is_text else [b"aa", b"bb"] if is_binary else [1, 2]
    one, two = values.get(kind, default)
    whole = pa.array([two, one, None, two], kind)
    chunks = pa.chunked_array([pa.array([two, one], kind), pa.array([None, two], kind)])

    assert fingerprint(pa.chunked_array([whole])) == fingerprint(chunks)
    assert fingerprint(whole[1:]) == fingerprint(pa.array([one, None, two], kind))
    assert fingerprint(whole) == fingerprint(pickle.loads(pickle.dumps(whole)))
    if one is not None:
        assert fingerprint(whole) != fingerprint(pa.array([two, one, two, None], kind))
        assert fingerprint(whole) != fingerprint(pa.array([one, two, None, two], kind))
