"""Pairs of values of data libraries: which a program can tell apart, and which not."""

# Case tables: values that differ in one thing, spelled out on purpose.
# ruff: noqa: PLC3002

import collections
import decimal
import functools
import re
import types
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from nborch.cache.fingerprints import fingerprint

X = np.arange(20.0).reshape(10, 2)
y = np.arange(10) % 2


def drawn():
    generator = np.random.default_rng(1)
    generator.random()
    return generator


def spawned():
    generator = np.random.default_rng(1)
    generator.spawn(1)
    return generator


DIFFERENT = {
    "trees of other targets": lambda: (
        DecisionTreeClassifier(random_state=0).fit(X, y),
        DecisionTreeClassifier(random_state=0).fit(X, 1 - y),
    ),
    "forests of other seeds": lambda: (
        RandomForestClassifier(3, random_state=0).fit(X, y),
        RandomForestClassifier(3, random_state=1).fit(X, y),
    ),
    "strings of any length": lambda: (
        np.array(["a", "b"], dtype=np.dtypes.StringDType()),
        np.array(["a", "c"], dtype=np.dtypes.StringDType()),
    ),
    "what is missing among strings": lambda: (
        np.array(["a", "b"], dtype=np.dtypes.StringDType()),
        np.array(["a", "b"], dtype=np.dtypes.StringDType(na_object=None)),
    ),
    "raw bytes": lambda: (np.array([b"a"], "V1"), np.array([b"b"], "V1")),
    "not a time": lambda: (np.array(["NaT"], "M8[s]"), np.array(["NaT"], "m8[s]")),
    "hard masks": lambda: (np.ma.array([1], hard_mask=True), np.ma.array([1])),
    "under a mask": lambda: (
        np.ma.array([1, 2], mask=[0, 1]),
        np.ma.array([1, 3], mask=[0, 1]),
    ),
    "record arrays": lambda: (
        np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    ),
    "intervals": lambda: (pd.Interval(0, 1), pd.Interval(0, 1, closed="left")),
    "ends of intervals": lambda: (pd.Interval(0, 1), pd.Interval(0, 1.0)),
    "periods": lambda: (pd.Period("2020", "Y"), pd.Period("2020-01", "M")),
    "offsets": lambda: (pd.offsets.Day(1), pd.offsets.Day(2)),
    "units of Timedelta": lambda: (
        pd.Timedelta(1, "s").as_unit("s"),
        pd.Timedelta(1, "s").as_unit("ns"),
    ),
    "dtypes of categories": lambda: (
        pd.CategoricalDtype(["a"]),
        pd.CategoricalDtype(["b"]),
    ),
    "dtypes of zones": lambda: (
        pd.DatetimeTZDtype(tz="UTC"),
        pd.DatetimeTZDtype(tz="Europe/Berlin"),
    ),
    "ranges as index": lambda: (pd.RangeIndex(3), pd.Index([0, 1, 2])),
    "unused levels": lambda: (
        pd.MultiIndex.from_product([[1, 2], [3]]),
        pd.MultiIndex.from_product([[1, 2, 3], [3]])[:2],
    ),
    "kinds of str": lambda: (
        pd.Series(["a"], dtype="str"),
        pd.Series(["a"], dtype="string"),
    ),
    "storage of strings": lambda: (
        pd.Series(["a"], dtype="string[pyarrow]"),
        pd.Series(["a"], dtype="string[python]"),
    ),
    "missing booleans": lambda: (
        pd.Series([True, None], dtype="boolean"),
        pd.Series([True, False], dtype="boolean"),
    ),
    "missing and not a number": lambda: (
        pd.Series([1.0, None], dtype="Float64"),
        pd.arrays.FloatingArray(np.array([1.0, np.nan]), np.array([False, False])),
    ),
    "kinds of sparse": lambda: (
        pd.arrays.SparseArray([0, 1, 0]),
        pd.arrays.SparseArray([0, 1, 0], kind="block"),
    ),
    "places of sparse": lambda: (
        pd.Series(pd.arrays.SparseArray([0, 0, 1], fill_value=0)),
        pd.Series(pd.arrays.SparseArray([0, 1, 0], fill_value=0)),
    ),
    "lengths of sparse": lambda: (
        pd.arrays.SparseArray([0, 1, 0]),
        pd.arrays.SparseArray([0, 1, 0, 0]),
    ),
    "arrays of intervals": lambda: (
        pd.arrays.IntervalArray.from_breaks([0, 1]),
        pd.arrays.IntervalArray.from_breaks([0, 2]),
    ),
    "polars categories and strings": lambda: (
        pl.Series(["a"], dtype=pl.Categorical),
        pl.Series(["a"]),
    ),
    "polars structs": lambda: (pl.Series([{"a": 1}]), pl.Series([{"b": 1}])),
    "polars decimals": lambda: (
        pl.Series(["1.0"]).cast(pl.Decimal(10, 2)),
        pl.Series(["1.0"]).cast(pl.Decimal(10, 3)),
    ),
    "polars zones": lambda: (
        pl.Series([0]).cast(pl.Datetime("us", "UTC")),
        pl.Series([0]).cast(pl.Datetime("us")),
    ),
    "polars nulls and nans": lambda: (
        pl.Series([float("nan")]),
        pl.Series([None], dtype=pl.Float64),
    ),
    "polars objects": lambda: (
        pl.Series([object], dtype=pl.Object),
        pl.Series([int], dtype=pl.Object),
    ),
    "polars 128-bit integers": lambda: (
        pl.Series([1], dtype=pl.Int128),
        pl.Series([2], dtype=pl.Int128),
    ),
    "polars arrays and lists": lambda: (
        pl.Series([[1, 2]], dtype=pl.Array(pl.Int8, 2)),
        pl.Series([[1, 2]], dtype=pl.List(pl.Int8)),
    ),
    "polars expressions": lambda: (pl.col("a") + 1, pl.col("a") + 2),
    "arrow scalars": lambda: (pa.scalar(1), pa.scalar(2)),
    "arrow schemas": lambda: (
        pa.schema([("a", pa.int8())]),
        pa.schema([("a", pa.int16())]),
    ),
    "arrow types": lambda: (pa.int8(), pa.int16()),
    "arrow fixed bytes": lambda: (
        pa.array([b"a" * 16]).cast(pa.binary(16)),
        pa.array([b"b" * 16]).cast(pa.binary(16)),
    ),
    "arrow nested nulls": lambda: (
        pa.array([{"a": None}]),
        pa.array([None], pa.struct([("a", pa.null())])),
    ),
    "arrow zeros in lists": lambda: (pa.array([[0.0]]), pa.array([[-0.0]])),
    "arrow times in lists": lambda: (
        pa.array([[1]], pa.list_(pa.timestamp("ns"))),
        pa.array([[2]], pa.list_(pa.timestamp("ns"))),
    ),
    "arrow runs": lambda: (
        pa.RunEndEncodedArray.from_arrays([1, 2], [1, 2]),
        pa.RunEndEncodedArray.from_arrays([1, 2], [1, 3]),
    ),
    "arrow ordered dictionaries": lambda: (
        pa.DictionaryArray.from_arrays([0], ["a"], ordered=True),
        pa.DictionaryArray.from_arrays([0], ["a"]),
    ),
    "arrow nans in lists": lambda: (
        pa.array([[float("nan")]]),
        pa.array([[None]], pa.list_(pa.float64())),
    ),
    "shared lists in cells": lambda: (
        pd.Series([[1], [1]]),
        pd.Series((lambda one: [one, one])([1])),
    ),
    "groupings": lambda: (
        pd.DataFrame({"a": [1], "b": [2]}).groupby("a"),
        pd.DataFrame({"a": [1], "b": [2]}).groupby("b"),
    ),
    "orders of counters": lambda: (
        collections.Counter("ab"),
        collections.Counter("ba"),
    ),
    "partials": lambda: (
        functools.partial(int, base=2),
        functools.partial(int, base=3),
    ),
    "namespaces": lambda: (types.SimpleNamespace(a=1), types.SimpleNamespace(a=2)),
    "bit generators": lambda: (
        np.random.Generator(np.random.MT19937(1)),
        np.random.Generator(np.random.PCG64(1)),
    ),
    "states of generators": lambda: (np.random.default_rng(1), drawn()),
    "shared generators": lambda: (
        (lambda r: [r, r])(np.random.default_rng(1)),
        [np.random.default_rng(1), np.random.default_rng(1)],
    ),
    "spawned generators": lambda: (np.random.default_rng(1), spawned()),
    "polynomials": lambda: (np.poly1d([1, 2]), np.poly1d([1, 3])),
    "units of datetime64": lambda: (np.datetime64("2020"), np.datetime64("2020-01")),
    "flags of patterns": lambda: (re.compile("a"), re.compile("a", re.IGNORECASE)),
    "decimal contexts": lambda: (decimal.Context(prec=3), decimal.Context(prec=4)),
}

EQUAL = {
    "trees": lambda: (
        DecisionTreeClassifier(random_state=0).fit(X, y),
        DecisionTreeClassifier(random_state=0).fit(X, y),
    ),
    "forests": lambda: (
        RandomForestClassifier(3, random_state=0).fit(X, y),
        RandomForestClassifier(3, random_state=0).fit(X, y),
    ),
    "no mask": lambda: (np.ma.array([1, 2]), np.ma.array([1, 2], mask=[0, 0])),
    "periods": lambda: (pd.Period("2020", "Y"), pd.Period("2020", "Y")),
    "offsets": lambda: (pd.offsets.BDay(1), pd.offsets.BDay(1)),
    "dtypes of categories": lambda: (
        pd.CategoricalDtype(["a"]),
        pd.CategoricalDtype(["a"]),
    ),
    "levels from tuples": lambda: (
        pd.MultiIndex.from_product([[1, 2], [3]]),
        pd.MultiIndex.from_tuples([(1, 3), (2, 3)]),
    ),
    "polars categories and strings": lambda: (
        pl.Series(["a", "b"], dtype=pl.Categorical),
        pl.Series(["x", "a", "b"], dtype=pl.Categorical)[1:],
    ),
    "polars flags": lambda: (pl.Series([1, 2]), pl.Series([1, 2]).set_sorted()),
    "polars expressions": lambda: (pl.col("a") + 1, pl.col("a") + 1),
    "partials": lambda: (
        functools.partial(int, base=2),
        functools.partial(int, base=2),
    ),
    "states of generators": lambda: (drawn(), drawn()),
    "exceptions": lambda: (ValueError("a"), ValueError("a")),
}


@pytest.fixture(autouse=True)
def _quiet():
    # pandas warns of what it will change about frequencies and dtypes.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("make", DIFFERENT.values(), ids=DIFFERENT)
def test_different(make):
    """Two values that a program can tell apart never share a fingerprint."""
    one, other = make()

    assert fingerprint(one) != fingerprint(other)
    assert fingerprint({"k": [one]}) != fingerprint({"k": [other]})


@pytest.mark.parametrize("make", EQUAL.values(), ids=EQUAL)
def test_equal(make):
    """Two values that are alike in content share a fingerprint."""
    one, other = make()

    assert fingerprint(one) == fingerprint(other)
    assert fingerprint({"k": [one]}) == fingerprint({"k": [other]})
