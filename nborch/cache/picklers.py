"""The pickler behind the serializer: what goes by reference, what is refused.

It is cloudpickle's, with three differences: large memory leaves the pickle, whatever
``__main__`` knows by name stays a name, and what lives in this process only is refused
instead of stored as something else.
"""

import io
import pickle
import threading
import types
from collections.abc import Callable
from functools import cache
from sys import modules
from typing import Any

from nborch.cache.functions import is_importable, reduce_cell, reduce_function
from nborch.cache.reducers import OUT_OF_BAND, reduce_small, reduction_of
from nborch.cache.whereabouts import phrase
from nborch.exceptions import NborchError

__all__ = ["Sink", "Unstorable", "pickler_type", "tied_pickler_type"]

_FRAME = b"\x95"
_LONG_FORMS = {b"\x8e": "bytes", b"\x96": "bytearray", b"\x8d": "str"}
_SHORT_FORMS = {b"B": "bytes", b"X": "str"}


class Unstorable(NborchError, TypeError):
    """A value cannot be stored: a lock, a generator, an open file.

    Parameters
    ----------
    reason
        What cannot be stored, as a phrase: ``"a lock cannot be stored"``.
    path
        Where it stands within the value: ``".rows[3]['lock']"``.
    """

    def __init__(self, reason: str, path: str = "") -> None:
        self.reason = reason
        self.path = path
        super().__init__(reason, path)

    def __str__(self) -> str:
        where = f" (at {self.path})" if self.path else ""
        return f"{self.reason}{where}"


class Sink:
    """The file that the pickler writes to; large byte strings pass it by.

    The C pickler hands a bytes object of 64 KiB or more to ``write`` by itself, right
    after its header. We leave such an object out of the pickle and put the opcodes
    for "the next buffer, as bytes" in place of the header.
    """

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.buffers: list[memoryview] = []
        self._expected: tuple[str, int, int] | None = None
        self._start = True

    def write(self, data: Any) -> int:
        """Take the next piece of the pickle, or the payload that was announced."""
        if self._expected is None:
            self.chunks.append(data)
            self._expected = self._announced(data)
        else:
            kind, size, header = self._expected
            self._expected = None
            if len(data) == size and type(data).__name__ == kind != "str":
                self.chunks[-1] = self.chunks[-1][:-header]
                self.chunks.append(b"cbuiltins\n" + kind.encode() + b"\n\x97\x98\x85R")
                self.buffers.append(memoryview(data))
            else:
                self.chunks.append(data)
        return len(data)

    def add_buffer(self, buffer: pickle.PickleBuffer) -> bool:
        """Take a buffer if it is large; tell the pickler to keep it otherwise."""
        raw = buffer.raw()
        if raw.nbytes < OUT_OF_BAND:
            return True
        self.buffers.append(raw)
        return False

    def _announced(self, chunk: bytes) -> tuple[str, int, int] | None:
        """Return kind, size and header length of the payload that must follow.

        A chunk is whole frames and then, only if a payload follows, its header:
        walking the frames finds it without guessing.
        """
        at = 2 if self._start else 0  # the PROTO opcode
        self._start = False
        while chunk[at : at + 1] == _FRAME:
            at += 9 + int.from_bytes(chunk[at + 1 : at + 9], "little")
        rest = chunk[at:]
        for forms, width in ((_LONG_FORMS, 8), (_SHORT_FORMS, 4)):
            header = rest[-width - 1 :]
            if len(header) == width + 1 and header[:1] in forms:
                size = int.from_bytes(header[1:], "little")
                if size >= OUT_OF_BAND:
                    return forms[header[:1]], size, width + 1
        return None


@cache
def pickler_type() -> Any:  # noqa: C901 - one small class, which must be made late
    """Return our pickler; made at first use, for cloudpickle is a third party."""
    import cloudpickle

    class _Pickler(cloudpickle.Pickler):  # type: ignore[misc,unused-ignore]  # no types
        def __init__(self, sink: Sink, spans: dict[int, Any]) -> None:
            super().__init__(sink, protocol=5, buffer_callback=sink.add_buffer)
            self.latest: object = None
            self.arrays: list[Any] = []
            self.holds_pandas = False
            self._spans = spans
            self._rules: dict[type, Callable[[Any], Any]] = {}
            self._array: Any = getattr(modules.get("numpy"), "ndarray", None)

        def reducer_override(self, obj: Any) -> Any:
            self.latest = obj
            kind = type(obj)
            rule = self._rules.get(kind)
            if rule is None:
                rule = self._rules[kind] = self._rule(kind)
            return rule(obj)

        def _rule(self, kind: type) -> Callable[[Any], Any]:
            if issubclass(kind, type) or kind is types.FunctionType:
                return self._code
            if issubclass(kind, _refused()):
                return _refuse
            if kind is self._array:
                return self._view
            self.holds_pandas |= kind.__module__.partition(".")[0] == "pandas"
            return reduction_of(kind) or _left_to_pickle

        def _code(self, obj: Any) -> Any:
            if _stands_in_main(obj):
                return NotImplemented  # by reference
            return super().reducer_override(obj)

        def _view(self, array: Any) -> Any:
            span = self._spans.get(id(array))
            if span is not None:
                return span.reduce(array)
            self.arrays.append(array)
            reduce = reduction_of(type(array))
            return reduce(array) if reduce else NotImplemented

    return _Pickler


@cache
def tied_pickler_type() -> Any:
    """Return the pickler of values that refer to live objects and rebuild functions."""

    class _TiedPickler(pickler_type()):  # type: ignore[misc]  # made late
        def _code(self, obj: Any) -> Any:
            if isinstance(obj, types.FunctionType) and not is_importable(obj):
                return reduce_function(obj)
            return super()._code(obj)

        def _rule(self, kind: type) -> Callable[[Any], Any]:
            if kind is types.CellType:
                return reduce_cell
            return super()._rule(kind)  # type: ignore[no-any-return]

        def _view(self, array: Any) -> Any:
            span = self._spans.get(id(array))
            return span.reduce(array) if span is not None else reduce_small(array)

    return _TiedPickler


def _rule_for(kind: type) -> Callable[[Any], Any]:
    if issubclass(kind, _refused()):
        return _refuse
    return reduction_of(kind) or _left_to_pickle


def _left_to_pickle(_obj: object) -> Any:
    return NotImplemented


def _refuse(obj: object) -> Any:
    raise Unstorable(f"{phrase(obj)} cannot be stored")


def _refused() -> tuple[type, ...]:
    """Return the types that live in this process only, of the modules in use.

    Most refuse to be pickled by themselves. Named here are those that cloudpickle or
    pickle would store as something else: an open file as a copy of its text.
    """
    kinds: list[type] = [
        types.GeneratorType,
        types.CoroutineType,
        types.AsyncGeneratorType,
        types.FrameType,
        io.FileIO,
        io.BufferedReader,
        io.BufferedWriter,
        io.BufferedRandom,
        io.TextIOWrapper,
        threading.Thread,
    ]
    for module, name in (
        ("socket", "socket"),
        ("subprocess", "Popen"),
        ("asyncio", "Future"),
        ("concurrent.futures", "Future"),
        ("concurrent.futures", "Executor"),
        ("multiprocessing.process", "BaseProcess"),
        ("mmap", "mmap"),
    ):
        kind = getattr(modules.get(module), name, None)
        if isinstance(kind, type):
            kinds.append(kind)
    return tuple(kinds)


def _stands_in_main(obj: Any) -> bool:
    """Whether ``__main__`` knows the class or function by its own name."""
    if getattr(obj, "__module__", None) != "__main__":
        return False
    found: Any = modules.get("__main__")
    for name in obj.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is obj
