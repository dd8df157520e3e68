"""What a function or class of the notebook reaches, by name: to say what changed in it.

A fingerprint covers all the code that a function calls, but does not tell which part of
it differs. These digests do. They are no part of any key.
"""

from collections.abc import Iterator
from contextlib import suppress
from types import FunctionType, MethodType, ModuleType
from typing import Any

from nborch.cache.code import is_local
from nborch.cache.fingerprints import fingerprint
from nborch.cache.fingerprints.bytecode import references, shape
from nborch.cache.keys import digest
from nborch.exceptions import Unfingerprintable

__all__ = ["reached"]

#: More functions than this are not told apart.
MOST = 200
#: A container with more items is not compared for its name's sake.
FEW = 100

_ATOMS = frozenset({bool, bytes, float, int, str, type(None)})


def reached(value: Any) -> dict[str, str]:
    """Return the digest of each function, class and small value that code looks up.

    Each by itself, without what it looks up in turn. Empty for what is no code.

    >>> reached([1, 2])
    {}
    """
    if not _is_code(value):
        return {}
    found: dict[str, str] = {}
    waiting = [(_name(value), value)]
    while waiting and len(found) < MOST:
        name, thing = waiting.pop()
        if name in found:
            continue
        told = _digest(thing)
        if told is not None:
            found[name] = told
            waiting += [each for each in _looked_up(thing) if each[0] not in found]
    return found


def _is_code(value: Any) -> bool:
    return isinstance(value, FunctionType | MethodType | type) and is_local(
        getattr(value, "__module__", None) or ""
    )


def _name(value: Any) -> str:
    return str(getattr(value, "__qualname__", ""))


def _functions(value: Any) -> Iterator[FunctionType]:
    """Yield the functions that a function, method or class consists of."""
    if isinstance(value, MethodType):
        value = value.__func__
    if isinstance(value, FunctionType):
        yield value
    elif isinstance(value, type):
        for each in vars(value).values():
            plain = getattr(each, "__func__", None) or getattr(each, "fget", each)
            if isinstance(plain, FunctionType):
                yield plain


def _digest(value: Any) -> str | None:
    """Return what tells a thing from another, without what it looks up; None if big."""
    if _is_code(value):
        functions = list(_functions(value))
        defaults = [
            repr(each)
            for f in functions
            for each in (*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values())
            if type(each) in _ATOMS
        ]
        return digest(*[shape(f.__code__) for f in functions], *defaults)
    if isinstance(value, ModuleType | type | FunctionType) or callable(value):
        return None
    if hasattr(value, "__len__") and not isinstance(value, str | bytes):
        try:
            if len(value) > FEW or type(value) not in (list, tuple, dict, set):
                return None
        except TypeError:
            return None
    try:
        return fingerprint(value)
    except Unfingerprintable:
        return None


def _looked_up(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the names that code looks up, with their values."""
    if not _is_code(value):
        return
    if isinstance(value, type):
        for base in value.__mro__[1:-1]:
            yield _name(base), base
    for function in _functions(value):
        for name in references(function.__code__).names:
            if name.name in function.__globals__:
                found = _attribute(function.__globals__[name.name], name.attributes)
                yield (_name(found) if _is_code(found) else name.name), found
        cells = function.__closure__ or ()
        for free, cell in zip(function.__code__.co_freevars, cells, strict=True):
            with suppress(ValueError):  # it has no value yet
                yield f"{function.__qualname__}.{free}", cell.cell_contents


def _attribute(value: Any, names: tuple[str, ...]) -> Any:
    """Follow names through the user's modules to what is looked up in them."""
    for name in names:
        if not (isinstance(value, ModuleType) and is_local(value.__name__)):
            break
        value = getattr(value, name, None)
    return value
