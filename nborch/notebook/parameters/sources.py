"""Values as Python source that makes equal values of the same types.

The source names modules by aliases with a leading underscore (``_datetime``), so that
nothing that the notebook calls by the same name is touched.
"""

from collections import OrderedDict, deque
from functools import partial
from math import isfinite
from typing import Any

from nborch.notebook.parameters.instances import writer_of_instance
from nborch.notebook.parameters.modules import Inner, Modules, Unwritable, Writer
from nborch.notebook.parameters.natural import MANY_BITS

__all__ = ["Modules", "Unwritable", "python_source"]

#: Containers may stand within each other so deep.
DEPTH = 50
#: A container whose source is longer has a line for each item.
WIDTH = 80


def python_source(value: Any, modules: Modules | None = None) -> str:
    """Return an expression that makes an equal value of the same type.

    >>> python_source([1, (2.5, "a"), {3}, b"4", float("inf")])
    "[1, (2.5, 'a'), {3}, b'4', float('inf')]"

    Raises
    ------
    Unwritable
        If there is none, or the value could be too large for one.
    """
    return _source(value, modules or Modules(), DEPTH)


def _source(value: Any, modules: Modules, depth: int) -> str:
    if depth == 0:
        raise Unwritable(
            "a value that contains itself, or is nested too deeply to be written into "
            "a notebook."
        )
    writer = _WRITERS.get(type(value)) or writer_of_instance(value)
    return writer(value, modules, partial(_source, modules=modules, depth=depth - 1))


# What follows writes one kind of value each.


def _constant(value: Any, _modules: Modules, _inner: Inner) -> str:
    return repr(value)


def _integer(value: int, _modules: Modules, _inner: Inner) -> str:
    return hex(value) if value.bit_length() > MANY_BITS else repr(value)


def _float(value: float, modules: Modules, _inner: Inner) -> str:
    if isfinite(value):
        return repr(value)
    return f"{modules.member('builtins', 'float')}({str(value)!r})"


def _complex(value: complex, modules: Modules, inner: Inner) -> str:
    # NB. Not repr: -0j and nanj do not survive it.
    parts = ", ".join(inner(part) for part in (value.real, value.imag))
    return f"{modules.member('builtins', 'complex')}({parts})"


def _bytearray(value: bytearray, modules: Modules, _inner: Inner) -> str:
    return f"{modules.member('builtins', 'bytearray')}({bytes(value)!r})"


def _range(value: range, modules: Modules, _inner: Inner) -> str:
    name = modules.member("builtins", "range")
    step = f", {value.step}" if value.step != 1 else ""
    return f"{name}({value.start}, {value.stop}{step})"


def _list(value: list[Any], _modules: Modules, inner: Inner) -> str:
    return _bracketed("[]", [inner(item) for item in value])


def _tuple(value: tuple[Any, ...], _modules: Modules, inner: Inner) -> str:
    items = [inner(item) for item in value]
    return f"({items[0]},)" if len(items) == 1 else _bracketed("()", items)


def _set(value: set[Any], modules: Modules, inner: Inner) -> str:
    # Sorted: the order of a set is another in each process.
    items = sorted(map(inner, value))
    if not items:
        return f"{modules.member('builtins', 'set')}()"
    return _bracketed("{}", items)


def _frozenset(value: frozenset[Any], modules: Modules, inner: Inner) -> str:
    items = _set(set(value), modules, inner) if value else ""
    return f"{modules.member('builtins', 'frozenset')}({items})"


def _dict(value: dict[Any, Any], _modules: Modules, inner: Inner) -> str:
    return _bracketed(
        "{}",
        [f"{inner(key)}: {inner(item)}" for key, item in value.items()],
    )


def _ordered_dict(value: Any, modules: Modules, inner: Inner) -> str:
    items = _dict(dict(value), modules, inner) if value else ""
    return f"{modules.member('collections', 'OrderedDict')}({items})"


def _deque(value: Any, modules: Modules, inner: Inner) -> str:
    items = _list(list(value), modules, inner)
    limit = "" if value.maxlen is None else f", maxlen={value.maxlen}"
    return f"{modules.member('collections', 'deque')}({items}{limit})"


def _bracketed(brackets: str, items: list[str]) -> str:
    opening, closing = brackets[0], brackets[1]
    inner = ", ".join(items)
    if len(inner) <= WIDTH and "\n" not in inner:
        return f"{opening}{inner}{closing}"
    lines = ",\n".join(items).replace("\n", "\n    ")
    return f"{opening}\n    {lines},\n{closing}"


_WRITERS: dict[type, Writer] = {
    type(None): _constant,
    bool: _constant,
    str: _constant,
    bytes: _constant,
    int: _integer,
    float: _float,
    complex: _complex,
    bytearray: _bytearray,
    range: _range,
    list: _list,
    tuple: _tuple,
    set: _set,
    frozenset: _frozenset,
    dict: _dict,
    OrderedDict: _ordered_dict,
    deque: _deque,
}
