"""Outputs of a cell that hold parts of its inputs: stored as references to them.

``y = x[0]`` makes no new object, and ``v = a[:2]`` no new memory. A stored copy would
no longer change along with ``x`` or ``a``. So what an output shares with older names is
stored as the way to it, and after a hit the output holds the live object again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any

from nborch.cache.fingerprints.arrays import span
from nborch.cache.fingerprints.bytecode import shape
from nborch.cache.serializers import Tied, Unstorable
from nborch.cache.views import shared_spans
from nborch.notebook.effects.memory import (
    SHARED,
    Memory,
    columns_of,
    copies_on_write,
    owner_of,
)
from nborch.notebook.effects.parts import (
    Parts,
    TooManyParts,
    named,
    parts_of,
)
from nborch.notebook.effects.paths import Path, follow, paths_to

__all__ = ["Live", "tie"]

#: How a reference begins, by what it refers to.
OBJECT, VIEW, CODE = "object", "view", "code"


class Live:
    """The objects that stored references refer to, in this kernel.

    Parameters
    ----------
    names
        The names that references start from, with their values before the cell.
    inputs
        Those among them that the cell reads.
    codes
        Returns the code of the cell itself, in pieces.
    """

    def __init__(
        self,
        names: Mapping[str, object],
        inputs: Mapping[str, object],
        codes: Callable[[], Iterable[CodeType]],
    ) -> None:
        self._names = names
        self._inputs = inputs
        self._own_codes = codes
        self._codes: dict[bytes, CodeType] | None = None

    def code(self, digest: bytes) -> CodeType | None:
        """Return the code of a function by its digest, if the cell has access to it."""
        if self._codes is None:
            known: dict[bytes, CodeType] = {}
            held = parts_of(self._inputs.values(), into_code=True).met.values()
            functions = (each for each in held if isinstance(each, FunctionType))
            pieces = [*self._own_codes(), *(each.__code__ for each in functions)]
            for piece in pieces:
                for inner in _nested(piece):
                    known.setdefault(shape(inner), inner)
            self._codes = known
        return self._codes.get(digest)

    def resolve(self, reference: tuple[Any, ...]) -> Any:
        """Return what a reference refers to.

        Raises
        ------
        LookupError
            It is not there, or not as it was.
        """
        kind, *rest = reference
        if kind == OBJECT:
            path, type_name = rest
            value = follow(path, self._names)
            if type(value).__qualname__ != type_name:
                raise LookupError(path)
            return value
        if kind == VIEW:
            return _view(*rest)
        code = self.code(rest[0])
        if code is None:
            raise LookupError("the code of a function")
        return code


def tie(
    stored: object,
    outputs: Iterable[object],
    inputs: Mapping[str, object],
    live: Live,
    patched: Mapping[str, object],
) -> object:
    """Return what to store, with references for all that the outputs share.

    Parameters
    ----------
    stored
        The object to store, which holds the outputs.
    outputs
        The values that the cell made.
    inputs
        The values that it could get hold of and has left as they were.
    live
        The functions at hand.
    patched
        Inputs, by name, that are changed in place and stay the objects they are.

    Raises
    ------
    Unstorable
        An output holds something of an input that no certain way leads to.
    """
    outputs = list(outputs)
    try:
        made = parts_of(outputs, quick=True)
        if not made.ids and not patched:
            return stored
        held = parts_of(inputs.values(), into_code=True, quick=True)
        is_apart = (
            made.ids.isdisjoint(held.ids)
            and not made.arrays
            and not made.blocks
            and not made.columns
            and not made.has_code
            and not patched
        )
        if is_apart:
            return stored
        held = parts_of(inputs.values(), into_code=True)
        stop = held.met | {id(each): each for each in patched.values()}
        made = parts_of(outputs, stop=stop)
    except TooManyParts:
        raise Unstorable("it holds too many objects to look through") from None
    return _Knot(made, held, inputs, live, patched).tied(stored)


class _Knot:
    """What of the outputs is tied to what of the inputs."""

    def __init__(
        self,
        made: Parts,
        held: Parts,
        inputs: Mapping[str, object],
        live: Live,
        patched: Mapping[str, object],
    ) -> None:
        self._made = made
        self._held = held
        self._live = live
        self._references: dict[int, tuple[Any, ...] | str] = {}
        self._due: set[int] = set()
        # Ids stand for objects only while the objects live.
        self._alive: list[object] = []
        self._names = dict(inputs)
        for function in held.met.values():
            if isinstance(function, FunctionType):
                self._names.update(_globals_read(function))
        for name, value in patched.items():
            self._refer_to(value, (name, ()))
        self._tie_objects()
        self._tie_memory()

    def tied(self, stored: object) -> Tied:
        """Return the object to store with the means to do so."""
        separate = [a for a in self._made.arrays if id(a) not in self._references]
        spans = shared_spans(separate) if len(separate) > 1 else {}
        needed = bool(self._references) or self._made.has_code
        return Tied(stored, self._refer if needed else None, spans, self._check)

    def _refer_to(self, value: object, path: Path) -> None:
        self._references[id(value)] = OBJECT, path, type(value).__qualname__
        self._alive.append(value)

    def _tie_objects(self) -> None:
        common = self._made.met.keys() & self._held.met.keys()
        common -= self._references.keys()
        if not common:
            return
        paths = paths_to(self._names, common)
        for key in common:
            value = self._made.met[key]
            if key in paths:
                self._refer_to(value, paths[key])
            elif named(value):
                continue
            else:
                kind = type(value).__name__
                self._references[key] = f"the {kind} is a part of what was there before"
            self._due.add(key)

    # Memory.

    def _tie_memory(self) -> None:
        """Refer to the memory of inputs, and of the outputs' own tables."""
        made, held = self._made, self._held
        patched = [each for each in self._alive if type(each).__name__ == "ndarray"]
        alone = [*held.arrays, *patched]
        arrays = Memory([(array, None, array) for array in alone])
        tables = Memory(held.columns)
        blocks = Memory([(block, None, block) for block in held.blocks])
        # The outputs' own tables, and arrays that others look into.
        owners = [(a, None, a) for a in made.arrays if owner_of(a) is a]
        own = Memory([*made.columns, *owners])
        for array in made.arrays:
            if id(array) in self._references or not array.size:
                continue
            place = arrays.around(array) or tables.around(array)
            if place is None and owner_of(array) is not array:
                place = own.around(array)
            if place is not None:
                self._references[id(array)] = self._reference(array, *place)
                self._due.add(id(array))
            elif blocks.touches(array):
                raise Unstorable(SHARED)
        everything = (arrays, tables, blocks, own)
        if any(each.touches(block) for block in made.blocks for each in everything):
            raise Unstorable(SHARED)
        # Two tables that share memory are as good as copies, if they copy on write.
        others = (arrays, blocks) if copies_on_write() else (arrays, blocks, tables)
        if any(each.touches(column[2]) for column in made.columns for each in others):
            raise Unstorable(SHARED)

    def _reference(
        self, array: Any, owner: Any, column: int | None, base: Any
    ) -> tuple[Any, ...] | str:
        """Return the reference of an array that looks into another one's memory."""
        whole = base.flags.c_contiguous or base.flags.f_contiguous
        if type(array).__name__ != "ndarray" or type(base).__name__ != "ndarray":
            return SHARED
        if not whole or array.dtype.hasobject or base.dtype.hasobject:
            return SHARED
        if id(owner) in self._held.met and id(owner) not in self._references:
            path = paths_to(self._names, {id(owner)}).get(id(owner))
            if path is None:
                return SHARED
            self._refer_to(owner, path)
        offset = span(array)[0] - span(base)[0] + _lead(array)
        layout = base.dtype.str, base.shape, base.strides
        form = array.dtype, array.shape, array.strides, offset, array.flags.writeable
        return (VIEW, owner, column, layout, *form)

    # Asked by the pickler.

    def _refer(self, value: object) -> object:
        reference = self._references.get(id(value))
        if reference is not None:
            if isinstance(reference, str):
                raise Unstorable(reference)
            self._due.discard(id(value))
            return reference
        if type(value) is CodeType:
            digest = shape(value)
            return (CODE, digest) if self._live.code(digest) is not None else None
        return None

    def _check(self) -> None:
        """Raise `Unstorable` if something shared was copied after all."""
        if self._due:
            kinds = {type(self._made.met[key]).__name__ for key in self._due}
            raise Unstorable(f"it copies a shared {min(kinds)}")


def _globals_read(function: FunctionType) -> dict[str, object]:
    """Return the user's names that a function looks up."""
    from nborch.cache.fingerprints.bytecode import references

    scope = function.__globals__
    if scope.get("__name__") != "__main__":
        return {}
    found = (each.name for each in references(function.__code__).names)
    return {name: scope[name] for name in found if name in scope}


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _lead(array: Any) -> int:
    """Return how far an array's first element lies behind its lowest address."""
    start: int = array.__array_interface__["data"][0]
    return start - span(array)[0]


def _view(  # noqa: PLR0913, PLR0917  # what an array header consists of
    owner: Any,
    column: int | None,
    layout: tuple[Any, ...],
    dtype: Any,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    offset: int,
    writeable: bool,  # noqa: FBT001  # they come in a row
) -> Any:
    """Return an array that looks into the memory of a live array or column.

    Raises
    ------
    LookupError
        That memory is laid out in another way than it was.
    """
    import numpy as np

    base = owner if column is None else dict(columns_of(owner)).get(column)
    if type(base) is not np.ndarray or (base.dtype.str, base.shape, base.strides) != (
        layout
    ):
        raise LookupError("memory in another layout")
    whole = owner_of(base)
    if not (whole.flags.c_contiguous or whole.flags.f_contiguous):
        raise LookupError("memory in pieces")
    along = whole if whole.flags.c_contiguous else whole.T
    memory = along.reshape(-1).view(np.uint8)
    start = span(base)[0] - span(whole)[0] + offset
    array: Any = np.ndarray(shape, dtype, memory, start, strides)
    if array.flags.writeable and not writeable:
        array.flags.writeable = False
    elif writeable and not array.flags.writeable:
        raise LookupError("memory that is read-only")
    return array
