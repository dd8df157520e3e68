"""Memory that is mapped from our files, and whether it is still what the file holds.

Results are mapped privately: a page that somebody writes to becomes a page of this
process alone, and the system knows which those are. So an array of a gigabyte that
nobody wrote to is recognised by asking for its pages, without reading one byte of it.

Linux tells it since 6.7 through the ``PAGEMAP_SCAN`` request, and page by page through
``/proc/self/pagemap`` before (admin-guide/mm/pagemap.rst in its documentation). Where
neither is there, or whenever anything is in doubt, the bytes are read.
"""

import ctypes
import mmap
import os
import struct
import sys
import weakref
from array import array
from bisect import bisect_right, insort
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

__all__ = ["SMALLEST", "is_untouched", "known_digest", "register", "remember"]

#: Below this size reading the bytes costs less than asking for their pages.
SMALLEST = 1 << 20

_PAGE = mmap.PAGESIZE
# struct pm_scan_arg of linux/fs.h: twelve numbers of 64 bits.
_SCAN = 0xC0606610
_SCAN_FORM = "=12Q"
_IS_FILE, _IS_PRESENT, _IS_SWAPPED = 1 << 2, 1 << 3, 1 << 4
# An entry of /proc/self/pagemap.
_ENTRY_FILE, _ENTRY_SWAPPED, _ENTRY_PRESENT = 1 << 61, 1 << 62, 1 << 63


@dataclass(slots=True)
class _Mapping:
    """A file in memory, with the digests of the pieces that were read of it."""

    start: int
    size: int
    is_same_file: Callable[[], bool]
    digests: dict[tuple[int, int], bytes] = field(default_factory=dict)


_mappings: dict[int, _Mapping] = {}
_starts: list[int] = []


def register(
    memory: memoryview, digest: bytes, is_same_file: Callable[[], bool]
) -> None:
    """Note that memory was mapped from a file, and the digest of its bytes.

    Parameters
    ----------
    memory
        All of a private mapping.
    is_same_file
        Tells whether the file is still the one that was mapped, unchanged: what is
        written to a file shows in the pages that nobody wrote to.
    """
    mapping = memory.obj
    if not isinstance(mapping, mmap.mmap) or memory.nbytes < SMALLEST:
        return
    if not sys.platform.startswith("linux"):
        return
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    size = memory.nbytes
    if start not in _mappings:
        insort(_starts, start)
    _mappings[start] = _Mapping(start, size, is_same_file, {(0, size): digest})
    weakref.finalize(mapping, _forget, start).atexit = False


def _forget(start: int) -> None:
    # NB. This may run in the garbage collector, at any time: each step stands alone.
    if _mappings.pop(start, None) is not None:
        with suppress(ValueError):
            _starts.remove(start)


def known_digest(address: int, size: int) -> bytes | None:
    """Return the digest of memory if it is known and the memory still as it was."""
    mapping = _around(address, size)
    if mapping is None:
        return None
    digest = mapping.digests.get((address - mapping.start, size))
    if digest is None or not _is_clean(mapping, address, size):
        return None
    return digest


def remember(address: int, size: int, digest: bytes) -> None:
    """Note the digest of a piece of mapped memory that has just been read."""
    mapping = _around(address, size)
    # Whoever finds the pages clean now knows that they were so while they were read.
    if mapping is not None and _is_clean(mapping, address, size):
        mapping.digests[address - mapping.start, size] = digest


def _around(address: int, size: int) -> _Mapping | None:
    place = bisect_right(_starts, address)
    mapping = _mappings.get(_starts[place - 1]) if place else None
    if mapping is None or address + size > mapping.start + mapping.size:
        return None
    return mapping


def _is_clean(mapping: _Mapping, address: int, size: int) -> bool:
    return is_untouched(address, size) and mapping.is_same_file()


def is_untouched(address: int, size: int) -> bool:
    """Tell whether no page of a private mapping was written to, for certain.

    A page that was swapped out, and any answer that is not understood, counts as
    written to. So does a page of no file.
    """
    first = address - address % _PAGE
    last = -(-(address + size) // _PAGE) * _PAGE
    try:
        # NB. Opened anew each time: a file that was opened before a fork tells of the
        # parent's memory.
        descriptor = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        found = _scan(descriptor, first, last)
        return _read(descriptor, first, last) if found is None else found
    except (OSError, OverflowError):
        return False
    finally:
        os.close(descriptor)


def _scan(descriptor: int, first: int, last: int) -> bool | None:
    """Ask for one page that is this process's own; None if that cannot be asked."""
    from fcntl import ioctl

    region = bytearray(24)
    place = ctypes.addressof(ctypes.c_char.from_buffer(region))
    # Not of a file, and present or swapped out; one such page is enough.
    request = struct.pack(
        _SCAN_FORM,
        struct.calcsize(_SCAN_FORM),
        0,
        first,
        last,
        0,
        place,
        1,
        1,
        _IS_FILE,
        _IS_FILE,
        _IS_PRESENT | _IS_SWAPPED,
        _IS_PRESENT | _IS_SWAPPED,
    )
    answer = bytearray(request)
    try:
        found = ioctl(descriptor, _SCAN, answer)
    except OSError:
        return None
    walked_to = struct.unpack(_SCAN_FORM, answer)[4]
    return bool(found == 0 and walked_to == last)


def _read(descriptor: int, first: int, last: int) -> bool:
    """Look at what the system tells of each page."""
    own = _ENTRY_PRESENT | _ENTRY_SWAPPED
    place, end = first // _PAGE * 8, last // _PAGE * 8
    while place < end:
        data = os.pread(descriptor, min(end - place, 1 << 16), place)
        if not data or len(data) % 8:
            return False
        entries = array("Q", data)
        # Most pages look alike: told apart by kind, they are few.
        if any(entry & own and not entry & _ENTRY_FILE for entry in set(entries)):
            return False
        place += len(data)
    return True
