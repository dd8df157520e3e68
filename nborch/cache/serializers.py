"""Values as bytes: one pickle and the large buffers beside it.

``dump`` takes a value apart, ``load`` puts it together around memory that may be a
mapped file. Bytes and names are other modules' business.
"""

import gc
import io
import os
import pickle
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nborch.cache.picklers import (
    Sink,
    Unstorable,
    pickler_type,
    tied_pickler_type,
)
from nborch.cache.views import Span, shared_spans
from nborch.cache.whereabouts import path_to, phrase

__all__ = ["Serialized", "Tied", "Unstorable", "dump", "load"]


@dataclass(frozen=True, slots=True)
class Serialized:
    """A value as bytes: the pickle, and the buffers that it refers to in order."""

    body: bytes
    buffers: tuple[memoryview, ...]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.body) + sum(buffer.nbytes for buffer in self.buffers)


@dataclass(frozen=True, slots=True)
class Tied:
    """A value, parts of which are not stored: they are there when it is loaded.

    Parameters
    ----------
    refer
        Returns what stands for an object in the pickle; None to store the object.
        Functions of ``__main__`` are then stored to be rebuilt there.
    spans
        What is known of arrays that share memory, by ``id``.
    check
        Raises `Unstorable` if what was to be referred to was not met.
    """

    value: object
    refer: Callable[[object], object] | None
    spans: Mapping[int, Span]
    check: Callable[[], None]


def dump(value: object) -> Serialized:
    """Return the value as one pickle and the large buffers beside it.

    >>> stored = dump({"name": "Ada", "data": bytes(100_000)})
    >>> len(stored.buffers), len(stored.body) < 200
    (1, True)
    >>> load(stored.body, stored.buffers)["name"]
    'Ada'

    The buffers are views of the value's own memory: write them before it changes.
    Classes and functions that can be imported, or stand in ``__main__`` under their
    own name, are stored by reference; lambdas and closures by value.

    Raises
    ------
    Unstorable
        If the value holds something that only lives in this process.
    """
    if isinstance(value, Tied):
        refer = value.refer or _nothing
        tied = _Attempt(value.value, dict(value.spans), refer).result
        value.check()
        return tied
    first = _Attempt(value, {})
    spans = first.spans()
    return (_Attempt(value, spans) if spans else first).result


def load(
    body: Any,
    buffers: Sequence[Any] = (),
    resolve: Callable[[Any], object] | None = None,
) -> Any:
    """Return the value again, built around the buffers themselves.

    >>> load(dump([1, 2]).body)
    [1, 2]

    Arrays are writable where the buffers are. Nothing here can tell a harmless
    pickle from a harmful one: check the bytes first.

    Parameters
    ----------
    resolve
        Returns the object that a reference of a `Tied` value stands for.
    """
    with _collection_paused():
        if resolve is None:
            return pickle.loads(body, buffers=buffers)
        unpickler: Any = pickle.Unpickler(io.BytesIO(body), buffers=buffers)
        unpickler.persistent_load = resolve
        return unpickler.load()


def _nothing(_obj: object) -> None:
    """Refer to nothing."""


class _Attempt:
    """One pass of the pickler over a value."""

    def __init__(
        self,
        value: object,
        spans: dict[int, Any],
        refer: Callable[[object], object] | None = None,
    ) -> None:
        sink = Sink()
        kind = pickler_type() if refer is None else tied_pickler_type()
        self._pickler = kind(sink, spans)
        if refer is not None:
            self._pickler.persistent_id = refer
        try:
            self._pickler.dump(value)
        except Unstorable as problem:
            path = path_to(value, self._pickler.latest)
            raise Unstorable(problem.reason, path) from None
        except RecursionError:
            raise Unstorable("it is nested too deeply to be stored") from None
        except Exception as problem:
            raise self._explained(value, problem) from problem
        self.result = Serialized(b"".join(sink.chunks), tuple(sink.buffers))

    def _explained(self, value: object, problem: Exception) -> Unstorable:
        if isinstance(problem.__cause__, RecursionError):
            return Unstorable("it is nested too deeply to be stored")
        culprit = self._pickler.latest
        reason = f"{phrase(culprit)} cannot be stored"
        told = f"{type(problem).__name__}: {problem}"
        return Unstorable(f"{reason}, {told}", path_to(value, culprit))

    def spans(self) -> dict[int, Any]:
        """Return the spans that a second pass should keep, usually none."""
        pickler = self._pickler
        # NB. pandas keeps its own book of which columns share memory; a block that
        # shared memory behind its back would change under another frame.
        if pickler.holds_pandas or len(pickler.arrays) < 2:  # noqa: PLR2004 - a pair
            return {}
        return shared_spans(pickler.arrays)


_pauses = threading.Lock()
_paused = 0
_was_enabled = False


def _after_fork() -> None:
    """Resume in a forked child what other threads of the parent had paused."""
    global _pauses, _paused
    if _paused and _was_enabled:
        gc.enable()
    _pauses, _paused = threading.Lock(), 0


os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def _collection_paused() -> Iterator[None]:
    """Keep the cycle collector from walking a half-built value again and again.

    Counted, since other threads may load at the same time.
    """
    global _paused, _was_enabled  # noqa: PLW0603 - gc is one per process, so is this
    with _pauses:
        if _paused == 0:
            _was_enabled = gc.isenabled()
            gc.disable()
        _paused += 1
    try:
        yield
    finally:
        with _pauses:
            _paused = max(_paused - 1, 0)
            if _paused == 0 and _was_enabled:
                gc.enable()
