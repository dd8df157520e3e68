"""Atoms, built-in containers and the immutable values of the standard library."""

import datetime as dt
import decimal
import enum
import fractions
import ipaddress
import pathlib
import re
import struct
import types
import uuid
import zoneinfo
from collections.abc import Callable, Mapping
from gc import get_referents
from typing import Any, cast

from nborch.cache.fingerprints.plain import ATOMS, are_atoms, flat_digest, plain_first
from nborch.cache.fingerprints.walk import Encoder, Steps, Walk, pack

__all__ = ["ATOM_BYTES", "ENCODERS", "IMMUTABLE", "encode_set", "text"]

#: Classes whose instances are told apart by content alone, never by identity.
IMMUTABLE: tuple[type, ...] = (
    dt.date,
    dt.time,
    dt.timedelta,
    dt.tzinfo,
    decimal.Decimal,
    enum.Enum,
    fractions.Fraction,
    frozenset,
    ipaddress.IPv4Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Address,
    ipaddress.IPv6Network,
    pathlib.PurePath,
    range,
    re.Pattern,
    slice,
    tuple,
    types.GenericAlias,
    types.UnionType,
    uuid.UUID,
    zoneinfo.ZoneInfo,
)


def text(value: str) -> bytes:
    """Return a string as bytes that end by themselves."""
    data = value.encode("utf-8", "surrogatepass")
    return b"s%d:" % len(data) + data


def _integer(value: int) -> bytes:
    # Not decimal digits: Python limits those, and their cost is quadratic.
    size = value.bit_length() // 8 + 1
    return b"i%d:" % size + value.to_bytes(size, "little", signed=True)


def _complex(value: complex) -> bytes:
    return b"c" + struct.pack("<dd", value.real, value.imag)


#: How each atom is written where its neighbours are no atoms.
ATOM_BYTES: Mapping[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"N",
    bool: lambda value: b"T" if value else b"t",
    int: _integer,
    # NB. By bits: -0.0 is not 0.0, and a NaN equals itself.
    float: lambda value: b"f" + struct.pack("<d", value),
    complex: _complex,
    str: text,
    bytes: lambda value: b"b%d:" % len(value) + value,
    type(Ellipsis): lambda _: b"E",
    type(NotImplemented): lambda _: b"I",
    dt.date: lambda value: b"m" + pack(value.toordinal()),
    dt.timedelta: lambda value: (
        b"w" + text(f"{value.days} {value.seconds} {value.microseconds}")
    ),
    # NB. Not str(), which depends on the context; 1.0 is not 1.00.
    decimal.Decimal: lambda value: b"h" + text(repr(value.as_tuple())),
    uuid.UUID: lambda value: b"j" + value.bytes + text(value.is_safe.name),
}


def _encode_atom(walk: Walk, value: object) -> None:
    walk.write(ATOM_BYTES[type(value)](value))


def _encode_time(walk: Walk, value: object) -> Steps | None:
    # The pickled bytes hold the fold too.
    raw, *zone = cast("Any", value).__reduce_ex__(4)[1]
    walk.write(b"when" + text(type(value).__name__) + raw + pack(len(zone)))
    return iter([(".tzinfo", zone[0])]) if zone else None


def _encode_list(walk: Walk, value: object) -> Steps | None:
    items = cast("list[object]", value)
    if walk.is_met(items):
        return None
    if are_atoms(items):
        walk.write(b"l" + flat_digest(items))
        return None
    walk.write(b"L" + pack(len(items)))
    return _items(walk, items)


def _encode_tuple(walk: Walk, value: object) -> Steps | None:
    items = cast("tuple[object, ...]", value)
    if are_atoms(items):
        walk.write(b"u" + flat_digest(items))
        return None

    def content() -> Steps:
        walk.write(b"U" + pack(len(items)))
        yield from _items(walk, items)

    return walk.freeze(items, content)


def _items(walk: Walk, items: "list[object] | tuple[object, ...]") -> Steps:
    for index, item in enumerate(items):
        atom = ATOM_BYTES.get(type(item))
        if atom is None:
            yield (index,), item
        else:
            walk.write(atom(item))


def _encode_dict(walk: Walk, value: object) -> Steps | None:
    table = cast("dict[object, object]", value)
    if walk.is_met(table):
        return None
    if are_atoms(table) and are_atoms(table.values()):
        walk.write(b"d" + flat_digest(table))
        return None
    walk.write(b"D" + pack(len(table)))
    return _entries(walk, table)


def _entries(walk: Walk, table: dict[object, object]) -> Steps:
    # In their order: a program can see it.
    for key, item in table.items():
        atom = ATOM_BYTES.get(type(key))
        if atom is None:
            yield f"[key {key!r}]" if type(key) in ATOMS else "[a key]", key
        else:
            walk.write(atom(key))
        atom = ATOM_BYTES.get(type(item))
        if atom is None:
            yield (key,), item
        else:
            walk.write(atom(item))


def encode_set(walk: Walk, value: object) -> Steps | None:
    """Write an exact set or frozenset, the same whatever its order in memory."""
    members = cast("set[object] | frozenset[object]", value)
    if type(members) is set:
        if walk.is_met(members):
            return None
        walk.write(b"S" + pack(len(members)))
        _write_members(walk, members)
        return None

    def content() -> Steps:
        walk.write(b"Z" + pack(len(members)))
        _write_members(walk, members)
        yield from ()

    return walk.freeze(members, content)


def _write_members(walk: Walk, members: "set[object] | frozenset[object]") -> None:
    if are_atoms(members):
        walk.write(b"".join(sorted(ATOM_BYTES[type(item)](item) for item in members)))
    else:
        walk.write_members(members)


def _encode_bytearray(walk: Walk, value: object) -> None:
    if not walk.is_met(value):
        data = bytes(cast("bytearray", value))
        walk.write(b"A%d:" % len(data) + data)


def _encode_memoryview(walk: Walk, value: object) -> Steps | None:
    view = cast("memoryview", value)
    if walk.is_met(view):
        return None
    walk.write(b"V" + text(f"{view.format} {view.shape} {view.readonly}"))
    walk.write(ATOM_BYTES[bytes](view.tobytes()))
    # The memory may be shared with its owner, and seen through it.
    return iter([(".obj", view.obj)])


def _encode_proxy(walk: Walk, value: object) -> Steps | None:
    if walk.is_met(value):
        return None
    walk.write(b"Y")
    return iter([("", inner) for inner in get_referents(value)])


#: Encoders by exact type.
ENCODERS: Mapping[type, Encoder] = {
    **dict.fromkeys(ATOM_BYTES, _encode_atom),
    list: plain_first(_encode_list),
    tuple: plain_first(_encode_tuple),
    dict: plain_first(_encode_dict),
    set: encode_set,
    frozenset: encode_set,
    bytearray: _encode_bytearray,
    memoryview: _encode_memoryview,
    dt.datetime: _encode_time,
    dt.time: _encode_time,
    types.MappingProxyType: _encode_proxy,
}
