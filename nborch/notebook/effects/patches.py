"""Changes of objects in place: stored as their new content, put into the live object.

A cell that sorts a list leaves the same list behind, and whoever holds it sees it
sorted. So after a hit the live object is given the content, and stays what it is.
"""

import random
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

__all__ = ["apply", "content_of", "fits"]

#: The kind of an object, and what it holds. Both can be stored.
Content = tuple[str, Any]


def content_of(value: Any) -> Content | None:
    """Return what an object holds, apart from the object; None if it cannot be given.

    >>> rows = [3, 1]
    >>> content = content_of([1, 3])
    >>> apply(rows, content)
    >>> rows
    [1, 3]
    """
    kind = _kind(value)
    return None if kind is None else (kind, _CONTENTS[kind](value))


def fits(value: Any, content: Content) -> bool:
    """Tell whether `apply` can give an object this content, for certain."""
    kind, inner = content
    if _kind(value) != kind:
        return False
    if kind == "array":
        alike = (value.shape, value.dtype) == (inner.shape, inner.dtype)
        return bool(alike and value.flags.writeable)
    return kind != "deque" or value.maxlen == inner[1]


def apply(value: Any, content: Content) -> None:
    """Give an object the content that another one had."""
    kind, inner = content
    _APPLY[kind](value, inner)


_LIBRARY_KINDS = {
    ("numpy", "ndarray"): "array",
    # What is put into it is put into its file.
    ("numpy", "memmap"): "array",
    ("numpy.random", "Generator"): "generator",
    ("numpy.random", "RandomState"): "legacy",
    ("pandas", "DataFrame"): "table",
    ("pandas", "Series"): "table",
}


def _kind(value: Any) -> str | None:
    """Return how an object is given a content, if it can be done completely."""
    kind = type(value)
    known = _KINDS.get(kind)
    if known is not None:
        return known
    for (module, name), found in _LIBRARY_KINDS.items():
        if kind is getattr(sys.modules.get(module), name, None):
            return found if _is_complete(value, found) else None
    return "attributes" if _is_all_attributes(kind) else None


def _is_complete(value: Any, found: str) -> bool:
    if found == "array":
        return not value.dtype.hasobject
    if found == "table":
        # Before pandas 3, series of a frame look into its memory.
        version = sys.modules["pandas"].__version__
        return hasattr(value, "_mgr") and int(version.partition(".")[0]) >= 3  # noqa: PLR2004
    return True


def _is_all_attributes(kind: type) -> bool:
    """Tell whether the attributes of an object are all that it consists of."""
    own = kind.__mro__[:-1]
    is_python = all(
        each.__flags__ & _HEAP_TYPE
        and "__slots__" not in vars(each)
        and each.__module__ != "builtins"
        for each in own
    )
    is_plain = kind.__basicsize__ <= _Plain.__basicsize__
    # NB. A twin must not end what the object holds open.
    return bool(own) and is_python and is_plain and not hasattr(kind, "__del__")


_HEAP_TYPE = 1 << 9


class _Plain:
    """A class whose objects have attributes and nothing else."""


def _twin(value: Any) -> Any:
    """Return an object of the same class with the same attributes."""
    twin = object.__new__(type(value))
    vars(twin).update(vars(value))
    return twin


_KINDS: dict[type, str] = {
    list: "list",
    dict: "dict",
    OrderedDict: "dict",
    Counter: "dict",
    defaultdict: "defaultdict",
    set: "set",
    bytearray: "bytes",
    deque: "deque",
    random.Random: "random",
}

_CONTENTS: dict[str, Callable[[Any], Any]] = {
    "list": list,
    "dict": lambda value: list(value.items()),
    "defaultdict": lambda value: (value.default_factory, list(value.items())),
    "set": list,
    "bytes": bytes,
    "deque": lambda value: (list(value), value.maxlen),
    "random": lambda value: value.getstate(),
    "array": lambda value: value.view(sys.modules["numpy"].ndarray),
    "generator": lambda value: value.bit_generator.state,
    "legacy": lambda value: value.get_state(legacy=False),
    "table": lambda value: value.copy(deep=False),
    # Its class knows how to store one, and may leave out what cannot be stored.
    "attributes": _twin,
}


def _give_list(value: Any, inner: Any) -> None:
    value[:] = inner


def _give_dict(value: Any, inner: Any) -> None:
    value.clear()
    value.update(inner) if type(value) is not Counter else dict.update(value, inner)


def _give_defaultdict(value: Any, inner: Any) -> None:
    value.default_factory, items = inner
    _give_dict(value, items)


def _give_set(value: Any, inner: Any) -> None:
    value.clear()
    value.update(inner)


def _give_deque(value: Any, inner: Any) -> None:
    value.clear()
    value.extend(inner[0])


def _give_array(value: Any, inner: Any) -> None:
    value[...] = inner


def _give_generator(value: Any, inner: Any) -> None:
    value.bit_generator.state = inner


def _give_table(value: Any, inner: Any) -> None:
    # What the methods with ``inplace=True`` do.
    object.__setattr__(value, "_mgr", inner._mgr)  # noqa: SLF001
    object.__setattr__(value, "_attrs", dict(inner.attrs))
    object.__setattr__(value, "_flags", inner._flags)  # noqa: SLF001
    if hasattr(inner, "_name"):
        object.__setattr__(value, "_name", inner._name)  # noqa: SLF001


def _give_attributes(value: Any, inner: Any) -> None:
    attributes = vars(value)
    attributes.clear()
    attributes.update(vars(inner))


_APPLY: dict[str, Callable[[Any, Any], None]] = {
    "list": _give_list,
    "dict": _give_dict,
    "defaultdict": _give_defaultdict,
    "set": _give_set,
    "bytes": _give_list,
    "deque": _give_deque,
    "random": lambda value, inner: value.setstate(inner),
    "array": _give_array,
    "generator": _give_generator,
    "legacy": lambda value, inner: value.set_state(inner),
    "table": _give_table,
    "attributes": _give_attributes,
}
