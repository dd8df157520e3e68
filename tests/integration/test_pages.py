"""Mapped memory is recognised unread, and every write to it is noticed."""

import ctypes
import gc
import io
import os
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nborch.cache import pages
from nborch.cache.fingerprints import arrays, fingerprint
from nborch.cache.results import ResultCache

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux tells of pages"
)

COUNT = 1 << 19
PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    opened = ResultCache(tmp_path_factory.mktemp("cache"), secret=b"x" * 32)
    numbers = np.arange(float(COUNT))
    opened.keep("array", {"value": numbers})
    table = pd.DataFrame({"a": numbers, "b": numbers + 1, "c": np.arange(COUNT)})
    opened.keep("table", {"value": table})
    yield opened
    opened.close()


def loaded(cache, key):
    return cache.lookup(key).load("value")


@pytest.fixture
def reads(monkeypatch):
    """How often memory was read to fingerprint it."""
    counted = []
    update = arrays.update

    def counting(feed, array):
        counted.append(array.nbytes)
        update(feed, array)

    monkeypatch.setattr(arrays, "update", counting)
    return counted


def test_an_untouched_array_is_not_read(cache, reads):
    """A mapped array that nobody wrote to has its fingerprint without being read."""
    array = loaded(cache, "array")
    float(array.sum())

    found = fingerprint(array)

    assert reads == []
    assert found == fingerprint(np.arange(float(COUNT)))


def test_an_untouched_table_is_read_once(cache, reads):
    """The columns of a mapped table are read for the first fingerprint only."""
    table = loaded(cache, "table")
    first = fingerprint(table)
    reads.clear()

    second = fingerprint(table)

    assert reads == []
    assert first == second


def test_a_written_array_is_read(cache, reads):
    """After one write the array is read, and is another one until it is undone."""
    array = loaded(cache, "array")
    before = fingerprint(array)

    array[COUNT // 2] += 1
    changed = fingerprint(array)
    array[COUNT // 2] -= 1

    assert changed != before
    assert fingerprint(array) == before
    assert len(reads) == 2


def by_slice(array, place):
    array[place : place + 1] = -1.0


def by_memoryview(array, place):
    memoryview(array).cast("B")[place * 8] ^= 0xFF


def by_view(array, place):
    array.view(np.uint8)[place * 8 + 7] ^= 0x01


def by_ufunc(array, place):
    np.negative(array[place:], out=array[place:])
    array[place] = -2.0


def by_file(array, place):
    io.BytesIO(b"\xff" * 8).readinto(memoryview(array[place : place + 1]).cast("B"))


def by_system(array, place):
    read, write = os.pipe()
    os.write(write, b"\xff" * 8)
    os.readv(read, [memoryview(array[place : place + 1]).cast("B")])
    os.close(read)
    os.close(write)


def by_pointer(array, place):
    ctypes.memset(array.ctypes.data + place * 8, 0x7F, 8)


WRITES = [by_slice, by_memoryview, by_view, by_ufunc, by_file, by_system, by_pointer]


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(write=st.sampled_from(WRITES), place=st.integers(1, COUNT - 1))
def test_every_write_is_noticed(cache, write, place):
    """Whoever writes to mapped memory, in whatever way, changes the fingerprint."""
    array = loaded(cache, "array")
    before = fingerprint(array)

    write(array, place)

    assert fingerprint(array) != before
    assert fingerprint(array) == fingerprint(array.copy())


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(column=st.sampled_from("abc"), place=st.integers(0, COUNT - 1))
def test_every_write_to_a_table_is_noticed(cache, column, place):
    """A cell of a mapped table that is set changes the fingerprint."""
    table = loaded(cache, "table")
    before = fingerprint(table)

    table.loc[place, column] = -5

    assert fingerprint(table) != before


def test_a_fork_does_not_hide_a_write(cache):
    """A child sees its own writes, and the parent's from before, but no others."""
    array = loaded(cache, "array")
    address, size = array.ctypes.data, array.nbytes
    pages.is_untouched(address, size)
    child = os.fork()
    if child == 0:
        clean = pages.is_untouched(address, size)
        array[7] = -1.0
        os._exit(0 if clean and not pages.is_untouched(address, size) else 1)

    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert pages.is_untouched(address, size)
    array[9] = -1.0
    assert not pages.is_untouched(address, size)


def test_a_changed_file_is_noticed(cache):
    """A file that was changed under its mapping makes the memory be read."""
    own = ResultCache(cache.folder.parent / "own", secret=b"y" * 32)
    own.keep("k", {"value": np.arange(float(COUNT))})
    array = loaded(own, "k")
    before = fingerprint(array)
    (file,) = [f for f in own.folder.glob("cas/*/*") if f.stat().st_size > COUNT]
    file.chmod(0o600)

    with file.open("r+b") as stream:
        stream.seek(8)
        stream.write(b"\x11" * 8)

    assert fingerprint(array) != before
    own.close()


def test_memory_of_no_file_is_never_untouched():
    """Memory that was not mapped from a file is always read."""
    array = np.ones(COUNT)

    assert not pages.is_untouched(array.ctypes.data, array.nbytes)
    assert pages.known_digest(array.ctypes.data, array.nbytes) is None


def test_mappings_are_forgotten(cache):
    """What is known of a mapping goes with it: its place may be used again."""
    array = loaded(cache, "array")
    address, size = array.ctypes.data, array.nbytes
    assert pages.known_digest(address, size) is not None

    del array
    gc.collect()

    assert pages.known_digest(address, size) is None


def test_page_by_page(cache, monkeypatch):
    """Where pages cannot be scanned, they are looked at one by one."""
    array = loaded(cache, "array")
    float(array.sum())
    address, size = array.ctypes.data, array.nbytes
    monkeypatch.setattr(pages, "_scan", lambda *_: None)

    before = pages.is_untouched(address, size)
    array[COUNT - 1] = -1.0

    assert before
    assert not pages.is_untouched(address, size)
    assert pages.is_untouched(address, PAGE)


def test_where_nothing_is_told(cache, monkeypatch):
    """Where the system tells nothing of pages, memory is read."""
    array = loaded(cache, "array")
    before = fingerprint(array)

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(pages.os, "open", refuse)

    assert not pages.is_untouched(array.ctypes.data, array.nbytes)
    assert fingerprint(array) == before
