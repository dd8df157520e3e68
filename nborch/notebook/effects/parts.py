"""What values consist of: the objects that can change, and the memory under arrays.

Two values share something if a part of one is a part of the other. The graph of
objects is followed as the garbage collector sees it, so objects of any class count.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from gc import get_referents
from types import (
    BuiltinFunctionType,
    CodeType,
    FrameType,
    FunctionType,
    MethodType,
    ModuleType,
    TracebackType,
)
from typing import Any
from weakref import ProxyTypes, ref

from nborch.cache.code import is_local
from nborch.cache.fingerprints.bytecode import references
from nborch.cache.fingerprints.plain import survey
from nborch.cache.fingerprints.values import IMMUTABLE
from nborch.notebook.effects.memory import (
    Memory,
    columns_of,
    copies_on_write,
    memory_of,
)

__all__ = ["Parts", "TooManyParts", "named", "parts_of", "shares_memory"]

#: Objects that are looked through at most, to say what a value consists of.
MOST_PARTS = 2_000_000

_CONTAINERS = (list, dict, tuple)
_ATOMS = (type(None), bool, int, float, complex, str, bytes, type(...))
#: What is no part of a value, and leads to the whole process.
_SKIPPED = (
    type,
    ModuleType,
    CodeType,
    FrameType,
    TracebackType,
    ref,
    *ProxyTypes,
)
_SHELLS_MODULES = ("IPython.", "ipykernel.", "traitlets.")

Followed = Callable[[Any, Any], Iterable[Any]]


class TooManyParts(Exception):
    """A value leads to so many objects that nobody can say what it consists of."""


@dataclass(slots=True)
class Parts:
    """The parts of some values.

    Attributes
    ----------
    met
        The objects that have an identity, by ``id``.
    arrays
        NumPy arrays among them, whose memory may be shared in parts.
    columns
        Arrays within tables: a table, the place of a column in it, and its memory.
    blocks
        Memory of pandas' own arrays that stand outside of any table.
    has_code
        Whether there are functions, which have to be rebuilt.
    plain
        The ids of lists and dicts of which no more was asked.
    """

    met: dict[int, object] = field(default_factory=dict)
    arrays: list[Any] = field(default_factory=list)
    columns: list[tuple[Any, int, Any]] = field(default_factory=list)
    blocks: list[Any] = field(default_factory=list)
    has_code: bool = False
    plain: set[int] = field(default_factory=set)

    @property
    def ids(self) -> set[int]:
        """The ids of all objects that have an identity."""
        return self.plain | self.met.keys()


def parts_of(
    values: Iterable[object],
    *,
    stop: Mapping[int, object] | None = None,
    into_code: bool = False,
    quick: bool = False,
) -> Parts:
    """Return what values consist of.

    >>> inner = [1]
    >>> id(inner) in parts_of([{"a": (inner, 2)}]).met
    True

    Parameters
    ----------
    stop
        Objects, by ``id``, that are noted but not looked into.
    into_code
        Whether what functions, classes and modules of the user refer to counts too:
        calling a function can bring it to light.
    quick
        Whether the ids suffice for plain lists and dicts: that is much faster.

    Raises
    ------
    TooManyParts
        There are more than `MOST_PARTS`.
    """
    walk = _Survey(stop or {}, into_code=into_code)
    rest = []
    for value in values:
        plain = survey(value) if quick and type(value) in _CONTAINERS else None
        if plain is None:
            rest.append(value)
        else:
            walk.parts.plain |= plain
    return walk.run(rest)


class _Survey:
    """One walk, level by level."""

    def __init__(self, stop: Mapping[int, object], *, into_code: bool) -> None:
        self.parts = Parts()
        self._stop = stop
        self._into_code = into_code
        self._rules: dict[type, Followed | None] = dict.fromkeys(_ATOMS)
        # Objects without an identity that counts, each looked at once.
        self._transparent: dict[int, object] = {}

    def run(self, values: Iterable[object]) -> Parts:
        frontier = list(values)
        count = 0
        while frontier:
            count += len(frontier)
            if count > MOST_PARTS:
                raise TooManyParts
            frontier = list(self._next(frontier))
        return self.parts

    def _next(self, frontier: list[object]) -> Iterator[object]:
        met, rules = self.parts.met, self._rules
        found: list[object] = []
        for value in frontier:
            kind = type(value)
            follow = rules.get(kind, _UNKNOWN)
            if follow is _UNKNOWN:
                follow = rules[kind] = self._rule(kind)
            if follow is None or id(value) in met:
                continue
            if follow in _NOT_INDIVIDUAL:
                if id(value) in self._transparent:
                    continue
                self._transparent[id(value)] = value
            else:
                met[id(value)] = value
            if id(value) not in self._stop:
                found.extend(follow(self, value))
        return (each for each in found if rules.get(type(each), _UNKNOWN) is not None)

    def _rule(self, kind: type) -> Followed | None:
        """Return how to look into the values of a class; None if not at all."""
        rules: dict[Any, Followed] = {
            (tuple, frozenset): _Survey._transparently,
            FunctionType: _Survey._function,
            (MethodType, BuiltinFunctionType): _Survey._method,
        }
        if self._into_code:
            rules |= {type: _Survey._class, ModuleType: _Survey._module}
        for base, rule in rules.items():
            if issubclass(kind, base):
                return rule
        if issubclass(kind, (*_SKIPPED, *IMMUTABLE)):
            return None
        if kind.__module__.startswith(_SHELLS_MODULES):
            return None  # the shell itself holds every name there is
        return _rule_of_library(kind) or _Survey._generic

    def _generic(self, value: object) -> Iterable[object]:
        return get_referents(value)

    def _transparently(self, value: object) -> Iterable[object]:
        return get_referents(value)

    def _method(self, value: Any) -> Iterable[object]:
        # Made anew at every access; a function of a module has that for its owner.
        return (value.__self__, getattr(value, "__func__", None))

    def _function(self, value: Any) -> Iterable[object]:
        self.parts.has_code = True
        inner = [
            value.__closure__,
            value.__defaults__,
            value.__kwdefaults__,
            value.__dict__ or None,
        ]
        if self._into_code and is_local(value.__globals__.get("__name__") or ""):
            scope = value.__globals__
            names = (found.name for found in references(value.__code__).names)
            inner += [scope[name] for name in names if name in scope]
        return inner

    def _class(self, value: Any) -> Iterable[object]:
        is_users = is_local(getattr(value, "__module__", None) or "builtins")
        return [*vars(value).values(), *value.__bases__] if is_users else ()

    def _module(self, value: Any) -> Iterable[object]:
        is_users = is_local(value.__name__) and value.__name__ != "__main__"
        return list(vars(value).values()) if is_users else ()

    def _array(self, array: Any) -> Iterable[object]:
        self.parts.arrays.append(array)
        if array.dtype.hasobject:
            yield from array.ravel().tolist()
        yield getattr(array, "__dict__", None)

    def _table(self, table: Any) -> Iterable[object]:
        for place, array in columns_of(table):
            yield from self._column(table, place, array)
        yield from table.axes
        yield table.attrs or None

    def _column(self, table: Any, place: int, array: Any) -> Iterator[object]:
        for memory in memory_of(array):
            if memory.dtype.hasobject:
                yield from _distinct(memory)
            self.parts.columns.append((table, place, memory))

    def _extension(self, array: Any) -> Iterable[object]:
        for memory in memory_of(array):
            if memory.dtype.hasobject:
                yield from _distinct(memory)
            self.parts.blocks.append(memory)

    def _index(self, index: Any) -> Iterable[object]:
        # It cannot be changed; but its labels may be objects.
        if hasattr(index, "levels"):
            return list(index.levels)
        return _distinct(index.to_numpy()) if index.dtype == object else ()


_UNKNOWN: Any = object()
_NOT_INDIVIDUAL = frozenset(
    {
        _Survey._transparently,  # noqa: SLF001
        _Survey._method,  # noqa: SLF001
        _Survey._class,  # noqa: SLF001
        _Survey._module,  # noqa: SLF001
        _Survey._index,  # noqa: SLF001
    }
)


def _rule_of_library(kind: type) -> Any:
    """Return how to look into arrays and tables, of libraries that are loaded."""
    numpy = sys.modules.get("numpy")
    array = getattr(numpy, "ndarray", None)
    if array is not None and issubclass(kind, array):
        return _Survey._array  # noqa: SLF001
    if array is not None and issubclass(kind, (numpy.generic, numpy.dtype)):  # type: ignore[union-attr]  # it is there
        return None
    pandas = sys.modules.get("pandas")
    if not hasattr(pandas, "DataFrame"):
        return None
    rules = {
        (pandas.DataFrame, pandas.Series): _Survey._table,  # type: ignore[union-attr]  # noqa: SLF001
        pandas.Index: _Survey._index,  # type: ignore[union-attr]  # noqa: SLF001
        pandas.api.extensions.ExtensionArray: _Survey._extension,  # type: ignore[union-attr]  # noqa: SLF001
    }
    return next((rule for base, rule in rules.items() if issubclass(kind, base)), None)


def _distinct(memory: Any) -> list[object]:
    """Return the elements of an array of objects, unless they are all atoms."""
    items: list[object] = memory.ravel().tolist()
    return [] if set(map(type, items)) <= set(_ATOMS) else items


def named(value: Any) -> bool:
    """Tell whether a class, function or object is found by name wherever it is loaded.

    >>> named(len), named(lambda: 1)
    (True, False)
    """
    name = getattr(value, "__qualname__", None)
    if not isinstance(name, str):
        try:
            name = value.__reduce_ex__(4)
        except Exception:  # noqa: BLE001  # an odd class may raise anything
            return False
        if not isinstance(name, str):
            return False
    found: object = sys.modules.get(getattr(value, "__module__", None) or "builtins")
    for step in name.split("."):
        found = getattr(found, step, None)
    return found is value


def shares_memory(arrays: Iterable[Any], parts: Parts) -> bool:
    """Tell whether one of the arrays shares memory with an array among the parts.

    Tables among the parts do not count if they copy before they write.
    """
    bases = [*parts.arrays, *parts.blocks]
    if not copies_on_write():
        bases += [array for *_, array in parts.columns]
    memory = Memory([(base, None, base) for base in bases])
    return any(memory.touches(array) for array in arrays)
