"""Objects of any class, by what they are pickled from; and what has no content."""

import contextvars
import copyreg
import enum
import io
import sys
import threading
import types
import typing
import weakref
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, cast

from nborch.cache.fingerprints.values import ATOM_BYTES, IMMUTABLE, encode_set, text
from nborch.cache.fingerprints.walk import Encoder, Steps, Walk, pack
from nborch.cache.origins import is_local, library_version
from nborch.exceptions import Unfingerprintable

__all__ = ["HOOK", "encoder_of_objects", "refusal"]

#: A class may define this method: what it returns stands for the object.
HOOK = "__nborch_fingerprint__"

_LOCKS = (type(threading.Lock()), type(threading.RLock()))
_REFUSED: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (types.GeneratorType, "a generator"),
    (types.AsyncGeneratorType, "an async generator"),
    (types.CoroutineType, "a coroutine"),
    (_LOCKS, "a lock"),
    (threading.Thread, "a thread"),
    (threading.local, "thread-local data"),
    (
        (weakref.ref, weakref.ProxyType, weakref.CallableProxyType, weakref.WeakSet),
        "a weak reference",
    ),
    (
        (weakref.WeakKeyDictionary, weakref.WeakValueDictionary),
        "a dictionary of weak references",
    ),
    ((types.FrameType, types.TracebackType), "a frame of running code"),
    ((contextvars.Context, contextvars.ContextVar), "a context variable"),
)
#: Refused where the module is loaded: nothing is imported to ask.
_REFUSED_BY_NAME = (
    ("socket", "socket", "a socket"),
    ("subprocess", "Popen", "a running process"),
    ("multiprocessing.process", "BaseProcess", "a process"),
    ("sqlite3", "Connection", "a database connection"),
    ("sqlite3", "Cursor", "a database cursor"),
    ("asyncio", "Future", "a future"),
    ("concurrent.futures", "Future", "a future"),
    ("concurrent.futures", "Executor", "an executor"),
    ("polars", "LazyFrame", "a lazy frame"),
)
_TYPE_VARIABLES: tuple[type, ...] = (
    typing.TypeVar,
    typing.ParamSpec,
    typing.TypeVarTuple,
    # Python 3.12 has it: the object of a "type" statement.
    getattr(typing, "TypeAliasType", typing.TypeVar),
)
_IN_MEMORY = (io.BytesIO, io.StringIO)


def refusal(kind: type) -> str | None:
    """Return what it is about values of a class that cannot be compared, if anything.

    >>> refusal(type(iter([1]))), refusal(list)
    ('an iterator', None)
    """
    for kinds, reason in _REFUSED:
        if issubclass(kind, kinds):
            return reason
    for module, name, reason in _REFUSED_BY_NAME:
        refused = getattr(sys.modules.get(module), name, None)
        if isinstance(refused, type) and issubclass(kind, refused):
            return reason
    if issubclass(kind, io.IOBase) and not issubclass(kind, _IN_MEMORY):
        return "an open file"
    step = getattr(kind, "__next__", None)
    # An iterator written in Python has its state in attributes, as any object.
    if step is None or isinstance(step, types.FunctionType):
        return None
    return None if issubclass(kind, _IN_MEMORY) else "an iterator"


def encoder_of_objects(kind: type) -> Encoder:
    """Return the encoder of a class's objects: by their class and their state."""
    reason = refusal(kind)
    if hasattr(kind, HOOK):
        encoder: Callable[[Walk, object], Steps] = _hooked
    elif reason is not None:
        return partial(_refuse, reason)
    elif issubclass(kind, _TYPE_VARIABLES):
        encoder = _type_variable
    elif issubclass(kind, enum.Enum):
        encoder = _member_of_enum
    elif issubclass(kind, set | frozenset):
        encoder = _subclass_of_set
    else:
        encoder = _reduced
    by_value = issubclass(kind, IMMUTABLE)

    def encode(walk: Walk, value: object) -> Steps | None:
        if by_value:
            return walk.freeze(value, lambda: encoder(walk, value))
        return None if walk.is_met(value) else encoder(walk, value)

    return encode


def _refuse(reason: str, _walk: Walk, _value: object) -> None:
    raise Unfingerprintable(reason)


def _hooked(walk: Walk, value: object) -> Steps:
    walk.write(b"H")
    yield "", type(value)
    yield "", getattr(value, HOOK)()


def _type_variable(walk: Walk, value: object) -> Steps:
    # Pickled by name, but one of a generic function (PEP 695) has no such name.
    walk.write(b"v" + text(type(value).__name__) + text(str(value)))
    for name in ("__bound__", "__constraints__", "__value__"):
        yield f".{name}", getattr(value, name, None)


def _member_of_enum(walk: Walk, value: object) -> Steps:
    member = cast("enum.Enum", value)
    walk.write(b"e" + text(repr(member.name)))
    yield "", type(member)
    yield ".value", member.value


def _subclass_of_set(walk: Walk, value: object) -> Steps:
    walk.write(b"X")
    yield "", type(value)
    plain = frozenset(cast("frozenset[object]", value))
    yield from encode_set(walk, plain) or ()
    yield from _state(walk, vars(value) if hasattr(value, "__dict__") else None)


def _reduced(walk: Walk, value: object) -> Steps:
    reduced = _reduce(value)
    if isinstance(reduced, str):
        yield from _named(walk, value, reduced)
        return
    parts: tuple[Any, ...] = (*reduced, None, None, None, None)[:6]
    # Ids are kept of what the reduction has made: it must live as long as the walk.
    walk.alive.append(reduced)
    make, arguments, state, items, entries, setter = parts
    if make is getattr(copyreg, "__newobj__"):  # noqa: B009  (a name with no stub)
        walk.write(b"n")
    else:
        walk.write(b"r")
        yield "", make
    walk.write(pack(len(arguments)))
    for argument in arguments:
        yield "", argument
    yield from _state(walk, state)
    yield from _sequence(walk, items)
    yield from _pairs(walk, entries)
    if setter is not None:
        yield "", setter


def _reduce(value: object) -> "str | tuple[Any, ...]":
    reducer = copyreg.dispatch_table.get(type(value))
    try:
        reduced = reducer(value) if reducer else value.__reduce_ex__(4)
    except Unfingerprintable:
        raise
    except Exception as error:
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        raise Unfingerprintable(f"a {name!r} object ({error})") from error
    return reduced


def _named(walk: Walk, value: object, name: str) -> Steps:
    """Write a thing that is pickled as a name: a singleton, a ufunc."""
    module_name = getattr(value, "__module__", None) or type(value).__module__
    found: object = sys.modules.get(module_name)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not value:
        raise Unfingerprintable(
            f"the object {name!r} that {module_name!r} does not hold"
        )
    walk.write(b"g" + text(module_name) + text(name))
    yield "", type(value)
    if not is_local(module_name):
        walk.write(text(library_version(module_name)))
    else:
        yield from _state(walk, getattr(value, "__dict__", None))


def _state(walk: Walk, state: object) -> Steps:
    is_split = isinstance(state, tuple) and len(state) == 2  # noqa: PLR2004
    if is_split and _is_table(state[0]) and _is_table(state[1]):  # type: ignore[index]
        attributes, slots = cast("tuple[Any, Any]", state)
        walk.write(b"2")
        yield from _attributes(walk, attributes or {})
        yield from _attributes(walk, slots or {})
    elif type(state) is dict:
        walk.write(b"1")
        yield from _attributes(walk, state)
    else:
        walk.write(b"0")
        yield "", state


def _is_table(value: object) -> bool:
    return value is None or type(value) is dict


def _attributes(walk: Walk, attributes: dict[object, object]) -> Steps:
    walk.write(pack(len(attributes)))
    for name, value in attributes.items():
        if type(name) is str:
            walk.write(text(name))
        else:
            yield "", name
        atom = ATOM_BYTES.get(type(value))
        if atom is None:
            yield f".{name}", value
        else:
            walk.write(atom(value))


def _sequence(walk: Walk, items: "Iterable[object] | Iterator[object] | None") -> Steps:
    count = 0
    for index, item in enumerate(items or ()):
        walk.write(b"+")
        # Pairs of a dict subclass are made on the way.
        walk.alive.append(item)
        yield (index,), item
        count += 1
    walk.write(b"." + pack(count))


def _pairs(walk: Walk, pairs: "Iterable[tuple[object, object]] | None") -> Steps:
    count = 0
    for key, item in pairs or ():
        walk.write(b"+")
        walk.alive.append((key, item))
        yield "[a key]", key
        yield (key,), item
        count += 1
    walk.write(b"." + pack(count))
