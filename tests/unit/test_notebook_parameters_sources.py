"""Values as source: what a run gives is what the notebook gets, to the type."""

import datetime as dt
import ipaddress
import math
import signal
import stat
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, IntFlag
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook

from nborch.notebook.parameters import given_before, inject
from nborch.notebook.parameters.injecting import injected_source
from nborch.notebook.parameters.natural import natural
from nborch.notebook.parameters.sources import Modules, Unwritable, python_source


def remade(value, taken=()):
    """Return what the source of a value makes, where nothing has been imported yet."""
    modules = Modules(taken)
    source = python_source(value, modules)
    namespace = {}
    exec("\n".join([*modules.imports, f"made = {source}"]), namespace)
    return namespace["made"]


def same(one, other):
    """Tell whether two values are equal, to the type and to the last bit."""
    return type(one) is type(other) and parts(one) == parts(other)


def parts(value):
    """Return what a value consists of, so that ``==`` compares all of it."""
    match value:
        case float() | complex():
            found = repr(value)
        case Decimal():
            found = value.as_tuple()
        case dt.datetime() | dt.time():
            found = (value.replace(tzinfo=None), value.fold, str(value.tzinfo))
        case dict():
            found = [parts(item) for pair in value.items() for item in pair]
        case list() | tuple() | deque():
            found = [parts(item) for item in value]
        case _:
            found = value
    return type(value), found


zones = st.sampled_from(
    [None, dt.UTC, ZoneInfo("Europe/Berlin"), dt.timezone(dt.timedelta(hours=-3), "X")]
)
atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary()
    | st.binary().map(bytearray)
    | st.decimals()
    | st.fractions()
    | st.dates()
    | st.timedeltas()
    | st.datetimes(timezones=zones)
    | st.times(timezones=st.sampled_from([None, dt.UTC]))
    | st.uuids()
    | st.text(st.characters(exclude_characters="\0")).map(Path)
    | st.ip_addresses()
    | st.sampled_from(signal.Signals)
)
keys = st.text() | st.integers() | st.dates() | st.tuples(st.integers(), st.text())
parameters = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.lists(inner).map(deque)
        | st.sets(keys)
        | st.frozensets(keys)
        | st.dictionaries(keys, inner)
        | st.dictionaries(keys, inner).map(OrderedDict)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(parameters)
def test_the_round_trip(value):
    """Whatever is written as source is made again, equal and of the same types."""
    assert same(remade(value), value)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["a", "datetime", "float", "set", "_pathlib"]), parameters
    )
)
def test_no_name_is_in_the_way(values):
    """What the parameters and the notebook are called does not matter."""
    source, _ = injected_source(values, taken={"_datetime", "complex", "frozenset"})
    namespace = {"complex": None, "frozenset": None, "_datetime": 1}

    exec(source, namespace)

    assert all(same(namespace[name], value) for name, value in values.items())
    assert namespace["_datetime"] == 1
    assert namespace["complex"] is None


WRITTEN = [
    (7, "7"),
    ("it's \"so\"\n", "'it\\'s \"so\"\\n'"),
    (float("nan"), "float('nan')"),
    ((1,), "(1,)"),
    (set(), "set()"),
    (frozenset({2, 1}), "frozenset({1, 2})"),
    (range(0, 9, 2), "range(0, 9, 2)"),
    (dt.date(2026, 1, 2), "_datetime.date(2026, 1, 2)"),
    (dt.datetime(2026, 1, 2, 3, 4), "_datetime.datetime(2026, 1, 2, 3, 4)"),
    (dt.datetime(2026, 1, 2, tzinfo=dt.UTC), "_datetime.datetime(2026, 1, 2, 0, 0, tzinfo=_datetime.timezone.utc)"),
    (dt.timedelta(days=1, seconds=2), "_datetime.timedelta(days=1, seconds=2)"),
    (dt.timedelta(), "_datetime.timedelta(0)"),
    (Path("a b\\c"), "_pathlib.Path('a b\\\\c')"),
    (Decimal("0.10"), "_decimal.Decimal('0.10')"),
    (Fraction(1, 3), "_fractions.Fraction(1, 3)"),
    (UUID(int=5), "_uuid.UUID('00000000-0000-0000-0000-000000000005')"),
    (signal.SIGTERM, "_signal.Signals.SIGTERM"),
    (["x" * 50, "y" * 50], f"[\n    '{'x' * 50}',\n    '{'y' * 50}',\n]"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "source"), WRITTEN)
def test_written(value, source):
    """A value is written as a person would write it."""
    assert python_source(value) == source


def test_huge_numbers():
    """A number of more digits than Python reads is written as a hexadecimal one."""
    assert same(remade(10**5000), 10**5000)
    assert same(remade(-(10**5000)), -(10**5000))


class Permission(IntFlag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: str


OTHERS = [
    PurePosixPath("/a/b"),
    PureWindowsPath("c:/a"),
    ipaddress.ip_network("10.0.0.0/8"),
    stat.S_IFMT(0o100644),
    deque([1, 2], maxlen=3),
    dt.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    dt.timezone(dt.timedelta(hours=2)),
    math.inf,
]


@pytest.mark.parametrize("value", OTHERS)
def test_others(value):
    """Less common values keep their types, too."""
    assert same(remade(value), value)


def test_importable_classes(monkeypatch):
    """Enums, flags and named tuples of a module are made by it again."""
    import sys
    import types

    module = types.ModuleType("own_module")
    module.Permission, module.Point = Permission, Point
    monkeypatch.setitem(sys.modules, "own_module", module)
    monkeypatch.setattr(Permission, "__module__", "own_module")
    monkeypatch.setattr(Point, "__module__", "own_module")

    both = Permission.READ | Permission.WRITE

    assert remade(Permission.READ) is Permission.READ
    assert remade(both) == both
    assert type(remade(both)) is Permission
    assert same(remade(Point(1, "a")), Point(1, "a"))


def test_numpy_and_pandas():
    """What numpy and pandas count with keeps its type, resolution and zone."""
    np = pytest.importorskip("numpy")
    pd = pytest.importorskip("pandas")
    values = [
        np.float32(1.5),
        np.int64(3),
        np.bool_(True),  # noqa: FBT003
        np.str_("a"),
        np.complex128(1 - 0j),
        np.datetime64("2026-01-02T03"),
        np.timedelta64(5, "D"),
        pd.Timestamp("2026-01-02 03:04:05.000000006"),
        pd.Timestamp("2026-10-25 01:30", tz="UTC").tz_convert("Europe/Berlin"),
        pd.Timestamp("2026-01-02").as_unit("s"),
        pd.Timedelta("1 days 2 hours 3 ns"),
    ]

    for value in values:
        found = remade(value)
        assert type(found) is type(value)
        assert found == value
        assert repr(found) == repr(value)
        assert getattr(found, "unit", None) == getattr(value, "unit", None)
    assert remade(pd.NaT) is pd.NaT


class Local(Enum):
    ONE = 1


@dataclass
class Record:
    x: int


def _recursive():
    value = []
    value.append(value)
    return value


REFUSED = [
    (object(), "a object, which cannot"),
    (Record(1), "dataclasses.asdict"),
    (lambda: 1, "Give its name"),
    (_recursive(), "contains itself"),
    ([1, {"a": object()}], "a object, which"),
    (Counter("a"), "a Counter"),
    (dt.datetime(2026, 1, 1, tzinfo=type("Zone", (dt.tzinfo,), {})()), "zoneinfo"),
]


@pytest.mark.parametrize(("value", "message"), REFUSED)
def test_refused(value, message):
    """What cannot be made again is refused by its name, with what to do instead."""
    with pytest.raises(Unwritable, match=message):
        python_source(value)


def test_refused_frames():
    """A frame or an array belongs in a file, which is said."""
    np = pytest.importorskip("numpy")
    pd = pytest.importorskip("pandas")

    for value in (np.zeros(3), pd.DataFrame({"a": [1]}), pd.Series([1])):
        with pytest.raises(Unwritable, match="Save it to a file and give its path"):
            python_source(value)


def test_refused_local_enum(monkeypatch):
    """An enum that the kernel cannot import is refused."""
    monkeypatch.setattr(Local, "__module__", "__main__")

    with pytest.raises(Unwritable, match="Define the class in a module"):
        python_source(Local.ONE)


NATURAL = [
    (dt.date(2026, 1, 2), "2026-01-02"),
    ((1, {2}), [1, [2]]),
    ({3: b"ab"}, {"3": "YWI="}),
    (float("inf"), "inf"),
    (signal.SIGTERM, 15),
    (Path("a/b"), "a/b"),
    (dt.timedelta(minutes=1), 60.0),
    (1 << 16_000, f"0x1{4_000 * '0'}"),
]


@pytest.mark.parametrize(("value", "expected"), NATURAL, ids=range(len(NATURAL)))
def test_natural(value, expected):
    """For a document's metadata a value is the JSON that a person would write."""
    assert natural(value) == expected


@settings(deadline=None)
@given(parameters)
def test_natural_is_json(value):
    """That JSON is valid for every value."""
    import json

    json.dumps(natural(value), allow_nan=False)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), parameters))
def test_read_again(values):
    """What an executed notebook was given is read from it as it was."""
    nb = new_notebook(metadata={"papermill": {"parameters": natural(values)}})
    inject(nb, values)

    found = given_before(nb)

    assert same({name: found[name] for name in values}, values)


EDITED = [
    # what somebody wrote into the injected cell
    "day = __import__('os').system('touch touched')",
    "import os as _os\nday = _os.system('touch touched')",
    "import pathlib as _p\nday = _p.Path.touch(_p.Path('touched'))",
    "import mystery as _m\nday = _m.Class(1)",
    "import subprocess as _s\nday = _s.Popen(['touch', 'touched'])",
    "import numpy as _n\nday = _n.memmap('touched', mode='w+', shape=1)",
    "import builtins as _b\nday = _b.open('touched', 'w')",
    "day = [",
    "day = day + 1",
]


@pytest.mark.parametrize("source", EDITED)
def test_read_again_after_an_edit(source, tmp_path, monkeypatch):
    """Nothing of an edited cell is run: then the metadata says what was given."""
    monkeypatch.chdir(tmp_path)
    cell = new_code_cell(source, metadata={"tags": ["injected-parameters"]})
    about = {"papermill": {"parameters": {"day": "2026-01-02"}}}

    found = given_before(new_notebook(cells=[cell], metadata=about))

    assert found == {"day": "2026-01-02"}
    assert not list(tmp_path.iterdir())


def test_numbers_read_again():
    """What numpy and pandas count with is read again, too."""
    np = pytest.importorskip("numpy")
    pd = pytest.importorskip("pandas")
    values = {"a": np.float32(1.5), "b": [pd.Timestamp("2026-01-02").as_unit("s")]}
    nb = new_notebook(metadata={"papermill": {"parameters": natural(values)}})
    inject(nb, values)

    found = given_before(nb)

    assert found == values
    assert type(found["a"]) is np.float32
    assert found["b"][0].unit == "s"
