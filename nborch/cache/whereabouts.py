"""Where within a value something stands, in the words of a message."""

import io
import threading
import types
from collections import deque
from collections.abc import Iterator
from typing import Any

__all__ = ["path_to", "phrase"]

#: Objects that a search looks at before it gives up.
PATIENCE = 100_000

_PHRASES: dict[type, str] = {
    types.GeneratorType: "a generator",
    types.CoroutineType: "a coroutine",
    types.AsyncGeneratorType: "an async generator",
    types.FrameType: "a stack frame",
    type(threading.Lock()): "a lock",
    type(threading.RLock()): "a lock",
    threading.Thread: "a thread",
}


def phrase(obj: object) -> str:
    """Return what the object is, for a sentence.

    >>> phrase(x for x in ())
    'a generator'
    """
    kind = type(obj)
    if kind in _PHRASES:
        return _PHRASES[kind]
    if isinstance(obj, io.IOBase):
        name = getattr(obj, "name", None)
        return f"an open file ({name!r})" if isinstance(name, str) else "an open file"
    if isinstance(obj, type):
        return f"the class {obj.__qualname__!r}"
    if isinstance(obj, types.FunctionType):
        return f"the function {obj.__qualname__!r}"
    name = kind.__qualname__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name!r} object"


def path_to(value: object, target: object) -> str:
    """Return the way from a value to something in it, or nothing if it is not found.

    >>> lock = object()
    >>> path_to({"rows": [1, lock]}, lock)
    "['rows'][1]"
    """
    if value is target:
        return ""
    seen = {id(value)}
    queue: deque[tuple[object, str]] = deque([(value, "")])
    while queue and len(seen) < PATIENCE:
        parent, path = queue.popleft()
        for step, child in _children(parent):
            if child is target:
                return path + step
            if id(child) not in seen and not isinstance(child, (str, bytes, int)):
                seen.add(id(child))
                queue.append((child, path + step))
    return ""


def _children(parent: Any) -> Iterator[tuple[str, object]]:
    try:
        if isinstance(parent, (dict, list, tuple, set, frozenset)):
            yield from _items(parent)
        elif isinstance(parent, types.FunctionType):
            yield from _names(parent)
        elif isinstance(parent, types.MethodType):
            yield ".__self__", parent.__self__
        yield from _attributes(parent)
    except Exception:  # noqa: BLE001 - a strange object only ends the search here
        return


def _items(container: Any) -> Iterator[tuple[str, object]]:
    if isinstance(container, dict):
        yield from ((f"[{key!r:.60}]", item) for key, item in container.items())
    elif isinstance(container, (list, tuple)):
        yield from ((f"[{at}]", item) for at, item in enumerate(container))
    else:
        yield from ((" in the set", item) for item in container)


def _names(function: types.FunctionType) -> Iterator[tuple[str, object]]:
    code = function.__code__
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        yield f", its name {name!r}", cell.cell_contents
    for name in code.co_names:
        if name in function.__globals__:
            yield f", its name {name!r}", function.__globals__[name]


def _attributes(obj: object) -> Iterator[tuple[str, object]]:
    for name, value in getattr(obj, "__dict__", {}).items():
        yield f".{name}", value
    for kind in type(obj).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(obj, name):
                yield f".{name}", getattr(obj, name)
