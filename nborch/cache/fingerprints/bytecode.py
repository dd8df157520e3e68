"""What a code object says: its instructions and constants, and what it refers to.

Everything here is a fact of one immutable code object, and is remembered for as long
as the code object lives.
"""

import dis
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from types import CodeType
from typing import Generic, NamedTuple, TypeVar, cast
from weakref import ref

from nborch.cache.fingerprints.values import ATOM_BYTES, text
from nborch.cache.fingerprints.walk import Sink, pack

__all__ = ["Import", "Name", "References", "references", "shape"]

_T = TypeVar("_T")

#: Names that a class body is given by the compiler: places, not meaning.
_PLACES = frozenset({"__firstlineno__", "__static_attributes__"})
#: Instructions that do nothing: their presence follows the layout of the source.
_IDLE = frozenset({"NOP", "CACHE", "EXTENDED_ARG", "RESUME", "PRECALL"})


#: Pairs that Python 3.13 melts into one instruction if they stand on one line.
_PAIRS = {
    "LOAD_FAST_LOAD_FAST": ("LOAD_FAST", "LOAD_FAST"),
    "STORE_FAST_LOAD_FAST": ("STORE_FAST", "LOAD_FAST"),
    "STORE_FAST_STORE_FAST": ("STORE_FAST", "STORE_FAST"),
}
_LOOKUPS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_CONSTANTS = frozenset(dis.hasconst)
_JUMPS = frozenset(dis.hasjrel) | frozenset(dis.hasjabs)


class _Step(NamedTuple):
    """One instruction, as `dis` reads it."""

    name: str
    value: object
    number: int
    offset: int
    has_constant: bool
    is_jump: bool


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """A global name, and the attributes that are read from it at once."""

    name: str
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Import:
    """An import within a function: the names it takes, or none for the module."""

    module: str
    level: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class References:
    """All that a code object, and the code within it, looks up when it runs."""

    names: tuple[Name, ...]
    imports: tuple[Import, ...]


class _Memo(Generic[_T]):
    """What is known of code objects, for as long as each of them lives.

    NB. By identity: code objects with different qualified names may be equal.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[ref[CodeType], _T]] = {}

    def get(self, code: CodeType) -> _T | None:
        entry = self._known.get(id(code))
        return entry[1] if entry is not None and entry[0]() is code else None

    def put(self, code: CodeType, value: _T) -> _T:
        key = id(code)

        def forget(gone: ref[CodeType]) -> None:
            # Another code object may have taken the place meanwhile.
            entry = self._known.get(key)
            if entry is not None and entry[0] is gone:
                del self._known[key]

        self._known[key] = (ref(code, forget), value)
        return value


_shapes: _Memo[bytes] = _Memo()
_references: _Memo[References] = _Memo()


def shape(code: CodeType) -> bytes:
    r"""Return 16 bytes for what a code object does, wherever it was written.

    >>> one = compile("x = 1", "a.py", "exec")
    >>> two = compile("# moved\nx   =   1", "b.py", "exec")
    >>> shape(one) == shape(two)
    True
    """
    known = _shapes.get(code)
    if known is not None:
        return known
    sink = Sink()
    for piece in _pieces(code):
        sink.write(piece)
    return _shapes.put(code, sink.digest())


def _pieces(code: CodeType) -> Iterator[bytes]:
    yield text(code.co_name)
    yield text(code.co_qualname)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
    for number in (*counts, code.co_flags):
        yield pack(number)
    for names in (code.co_varnames, code.co_cellvars, code.co_freevars):
        yield _constant(names)
    yield from _instructions(code)
    # A docstring is the first constant, and no instruction need mention it.
    yield b"D" + _constant(code.co_consts[0] if code.co_consts else None)


def _steps(code: CodeType) -> Iterator[_Step]:
    for step in dis.get_instructions(code):
        number, value = step.arg or 0, step.argval
        if step.opname in _PAIRS:
            one, two = _PAIRS[step.opname]
            for name, part, place in (
                (one, value[0], number >> 4),
                (two, value[1], number & 15),
            ):
                yield _Step(name, part, place, step.offset, False, False)  # noqa: FBT003
        elif step.opname not in _IDLE:
            is_constant, is_jump = step.opcode in _CONSTANTS, step.opcode in _JUMPS
            if is_constant:
                # NB. dis itself does not look up all of them: not KW_NAMES of 3.11.
                value = code.co_consts[number]
            yield _Step(step.opname, value, number, step.offset, is_constant, is_jump)


def _instructions(code: CodeType) -> Iterator[bytes]:
    """Yield each instruction with what it means, jumps as counts of instructions."""
    steps = list(_steps(code))
    starts = [step.offset for step in steps]
    skipped = _place_constants(steps)
    for index, step in enumerate(steps):
        yield text(step.name)
        if index in skipped:
            yield b"-"
        elif step.has_constant:
            yield _constant(step.value)
        elif step.is_jump:
            yield b"j" + pack(bisect_left(starts, cast("int", step.value)))
        else:
            yield b"a" + pack(step.number)
            yield text(step.value) if isinstance(step.value, str) else b"-"
    for entry in dis._parse_exception_table(code):  # type: ignore[attr-defined]  # noqa: SLF001
        for offset in (entry.start, entry.end, entry.target):
            yield pack(bisect_left(starts, offset))
        yield pack(entry.depth) + (b"l" if entry.lasti else b"-")


def _place_constants(steps: list[_Step]) -> set[int]:
    # Python 3.13 stores a class's line number, and the attributes its methods set in
    # no certain order, as constants of the class body.
    return {
        index - 1
        for index, step in enumerate(steps)
        if step.name == "STORE_NAME" and step.value in _PLACES
    }


def _constant(value: object) -> bytes:
    if isinstance(value, CodeType):
        return b"K" + shape(value)
    if isinstance(value, tuple):
        return b"U" + pack(len(value)) + b"".join(map(_constant, value))
    if isinstance(value, frozenset):
        return b"Z" + pack(len(value)) + b"".join(sorted(map(_constant, value)))
    return ATOM_BYTES[type(value)](value)


def references(code: CodeType) -> References:
    """Return the global names and imports that a code object looks up.

    >>> code = compile("print(tools.clean(1))", "a.py", "exec")
    >>> [(name.name, name.attributes) for name in references(code).names]
    [('print', ()), ('tools', ('clean',))]
    """
    known = _references.get(code)
    if known is not None:
        return known
    names: set[Name] = set()
    imports: set[Import] = set()
    _scan(code, names, imports)
    found = References(tuple(sorted(names)), tuple(sorted(imports)))
    return _references.put(code, found)


def _scan(code: CodeType, names: set[Name], imports: set[Import]) -> None:
    steps = list(_steps(code))
    for index, step in enumerate(steps):
        if step.name in _LOOKUPS:
            names.add(Name(str(step.value), _chain(steps, index + 1)))
        elif step.name == "IMPORT_NAME":
            imports.add(_import(steps, index))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _scan(constant, names, imports)


def _chain(steps: list[_Step], index: int) -> tuple[str, ...]:
    read = takewhile(lambda step: step.name in _ATTRIBUTES, steps[index:])
    return tuple(str(step.value) for step in read)


def _import(steps: list[_Step], index: int) -> Import:
    # The two constants before the import are its level and the names it takes.
    level, taken = steps[index - 2].value, steps[index - 1].value
    names = taken if isinstance(taken, tuple) else ()
    module = str(steps[index].value)
    return Import(module, level if isinstance(level, int) else 0, names)
