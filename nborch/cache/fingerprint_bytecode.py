"""What a code object says: its instructions and constants, and what it refers to.

Everything here is a fact of one immutable code object, and is remembered for as long
as the code object lives.
"""

import dis
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Generic, TypeVar, cast
from weakref import ref

from nborch.cache.fingerprint_values import ATOM_BYTES, text
from nborch.cache.fingerprint_walk import Sink, pack

__all__ = ["Import", "Name", "References", "references", "shape"]

_T = TypeVar("_T")

#: Names that a class body is given by the compiler: places, not meaning.
_PLACES = frozenset({"__firstlineno__", "__static_attributes__"})
#: Instructions that do nothing: their presence follows the layout of the source.
_IDLE = frozenset({"NOP", "CACHE", "EXTENDED_ARG", "RESUME", "PRECALL"})


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


def _instructions(code: CodeType) -> Iterator[bytes]:
    """Yield each instruction with what it means, jumps as counts of instructions."""
    steps = [step for step in dis.get_instructions(code) if step.opname not in _IDLE]
    starts = [step.offset for step in steps]
    constants = set(dis.hasconst)
    jumps = set(dis.hasjrel) | set(dis.hasjabs)
    skipped = _place_constants(steps)
    for index, step in enumerate(steps):
        yield text(step.opname)
        if index in skipped:
            yield b"-"
        elif step.opcode in constants:
            yield _constant(step.argval)
        elif step.opcode in jumps:
            yield b"j" + pack(_ordinal(starts, cast("int", step.argval)))
        else:
            yield b"a" + pack(step.arg or 0)
            yield text(step.argval) if isinstance(step.argval, str) else b"-"
    for entry in dis._parse_exception_table(code):  # type: ignore[attr-defined]  # noqa: SLF001
        for offset in (entry.start, entry.end, entry.target):
            yield pack(_ordinal(starts, offset))
        yield pack(entry.depth) + (b"l" if entry.lasti else b"-")


def _place_constants(steps: list[dis.Instruction]) -> set[int]:
    # Python 3.13 stores a class's line number, and the attributes its methods set in
    # no certain order, as constants of the class body.
    return {
        index - 1
        for index, step in enumerate(steps)
        if step.opname == "STORE_NAME" and step.argval in _PLACES
    }


def _ordinal(starts: list[int], offset: int) -> int:
    return bisect_left(starts, offset)


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
    steps = [step for step in dis.get_instructions(code) if step.opname not in _IDLE]
    for index, step in enumerate(steps):
        if step.opname in {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}:
            names.add(Name(step.argval, _chain(steps, index + 1)))
        elif step.opname == "IMPORT_NAME":
            imports.add(_import(steps, index))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _scan(constant, names, imports)


def _chain(steps: list[dis.Instruction], index: int) -> tuple[str, ...]:
    chain: list[str] = []
    for step in steps[index:]:
        if step.opname not in {"LOAD_ATTR", "LOAD_METHOD"}:
            break
        chain.append(step.argval)
    return tuple(chain)


def _import(steps: list[dis.Instruction], index: int) -> Import:
    # The two constants before the import are its level and the names it takes.
    level, taken = steps[index - 2].argval, steps[index - 1].argval
    names = taken if isinstance(taken, tuple) else ()
    return Import(steps[index].argval, level if isinstance(level, int) else 0, names)
