"""Ways from a name to an object within its value, that hold for every equal value.

A fingerprint covers the order of items and which of them are one and the same. So in
two values with one fingerprint the same way leads to corresponding objects.
"""

import copyreg
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any

__all__ = ["Path", "follow", "paths_to"]

#: A name, and the steps from its value: how to go on, and where to.
Path = tuple[str, tuple[tuple[str, Any], ...]]

_TABLES = (dict, defaultdict, OrderedDict, Counter)
_KEYS = (str, int, bytes, bool, type(None))


def paths_to(roots: Mapping[str, object], wanted: Collection[int]) -> dict[int, Path]:
    """Return the shortest way from one of the names to each wanted object.

    >>> inner = [1]
    >>> paths_to({"x": {"a": (inner,)}}, {id(inner)})[id(inner)]
    ('x', (('key', 'a'), ('item', 0)))

    Parameters
    ----------
    wanted
        The objects by ``id``. Those that no certain way leads to are left out.
    """
    found: dict[int, Path] = {}
    seen: dict[int, object] = {}
    level: list[tuple[Path, object]] = [((n, ()), roots[n]) for n in sorted(roots)]
    while level and len(found) < len(wanted):
        deeper: list[tuple[Path, object]] = []
        for path, value in level:
            if id(value) in seen:
                continue
            seen[id(value)] = value
            if id(value) in wanted:
                found[id(value)] = path
            name, steps = path
            deeper += [((name, (*steps, step)), v) for step, v in _steps(value)]
        level = deeper
    return found


def follow(path: Path, roots: Mapping[str, object]) -> Any:
    """Return the object that a path leads to.

    >>> follow(("x", (("item", 1),)), {"x": [1, [2]]})
    [2]

    Raises
    ------
    LookupError
        It leads nowhere: the value is another one.
    """
    name, steps = path
    value: Any = roots[name]
    for how, where in steps:
        if how in {"key", "item"}:
            value = value[where]
        elif how == "place":
            value = next(islice(value.values(), where, None), None)
        elif where in vars(value):
            value = vars(value)[where]
        else:
            raise LookupError(where)
    return value


def _steps(value: Any) -> Iterator[tuple[tuple[str, Any], object]]:
    """Yield the certain steps from an object to its parts."""
    kind = type(value)
    if kind in (list, deque) or (kind is tuple or hasattr(kind, "_fields")):
        if isinstance(value, list | deque | tuple):
            yield from ((("item", place), item) for place, item in enumerate(value))
    elif kind in _TABLES:
        for place, (key, item) in enumerate(value.items()):
            is_plain = type(key) in _KEYS
            yield (("key", key) if is_plain else ("place", place)), item
    elif hasattr(value, "__dict__") and _is_told_by_attributes(kind):
        yield from ((("attribute", name), each) for name, each in vars(value).items())


def _is_told_by_attributes(kind: type) -> bool:
    """Tell whether a fingerprint covers an object's attributes as they are."""
    own: Any = kind
    names = ("__reduce_ex__", "__reduce__", "__getstate__")
    return (
        all(getattr(own, name) is getattr(object, name) for name in names)
        and not hasattr(kind, "__nborch_fingerprint__")
        and kind not in copyreg.dispatch_table
    )
