"""Values within values: find some in lists, dicts and the like, and replace them.

Most arguments hold nothing to be found and may be large. So they are first searched
level by level with `gc.get_referents`, which looks at a million items in a few
hundredths of a second; only what holds something is walked through item by item.
"""

import dataclasses
import gc
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["fields_of_model", "hold", "replaced"]

_CONTAINERS = frozenset({list, tuple, dict, set, frozenset})
#: Whether instances of a type are looked into, as far as it has been asked.
_looked_into: dict[type, bool] = dict.fromkeys(_CONTAINERS, True)
_looked_into.update(
    dict.fromkeys((int, str, float, bool, bytes, complex, type(None), type), False)
)


def _is_looked_into(kind: type) -> bool:
    known = _looked_into.get(kind)
    if known is None:
        known = issubclass(kind, list | tuple | dict | set | frozenset) or (
            dataclasses.is_dataclass(kind) or fields_of_model(kind) is not None
        )
        _looked_into[kind] = known
    return known


def fields_of_model(kind: type) -> Mapping[str, Any] | None:
    """Return the fields of a class of pydantic's models, None for any other class."""
    if not hasattr(kind, "__pydantic_validator__"):
        return None
    # NB. Before pydantic 2.10 they have no other name than `model_fields`.
    known = getattr(kind, "__pydantic_fields__", None)
    return getattr(kind, "model_fields", None) if known is None else known


def hold(values: Iterable[Any], wanted: tuple[type, ...], opaque: type) -> bool:
    """Tell whether some value is, or holds at any depth, an instance of `wanted`.

    >>> hold([1, {"a": [2.5]}], (float,), bytes), hold([1, ["a"]], (float,), bytes)
    (True, False)

    Parameters
    ----------
    opaque
        Instances of it are not looked into; they count if they are wanted.
    """
    level = [value for value in values if _may_hold(value, wanted)]
    if not level:
        return False
    seen: set[int] = set()
    while level:
        kinds = set(map(type, level))
        if any(issubclass(kind, wanted) for kind in kinds):
            return True
        within = {
            kind for kind in kinds if _is_looked_into(kind) and kind is not opaque
        }
        if not within:
            return False
        # By identity: what stands in two places is looked at once.
        fresh = {id(v): v for v in level if type(v) in within and id(v) not in seen}
        seen.update(fresh)
        level = gc.get_referents(*fresh.values())
    return False


def _may_hold(value: Any, wanted: tuple[type, ...]) -> bool:
    kind = type(value)
    return _looked_into.get(kind, True) or issubclass(kind, wanted)


def replaced(
    value: Any, wanted: tuple[type, ...], replace: Callable[[Any], Any]
) -> Any:
    """Return the value with each instance of `wanted` in it replaced.

    Containers without one come back as they are, others as new ones of their type.

    >>> replaced([1, {"a": 2.5}, "b"], (float,), int)
    [1, {'a': 2}, 'b']
    """
    return _Walk(wanted, replace).changed(value)


class _Walk:
    """One walk through a value."""

    def __init__(self, wanted: tuple[type, ...], replace: Callable[[Any], Any]) -> None:
        self._wanted = wanted
        self._replace = replace
        # By identity, what has become of each value: one that stands in many places is
        # walked through once. It is kept with it, for else another may take its place.
        self._known: dict[int, tuple[Any, Any]] = {}

    def changed(self, value: Any) -> Any:
        if isinstance(value, self._wanted):
            return self._replace(value)
        kind = type(value)
        if not _is_looked_into(kind):
            return value
        known = self._known.get(id(value))
        if known is not None:
            return known[1]
        # While it is walked through: a value may hold itself.
        self._known[id(value)] = value, value
        new = self._rebuilt(value, kind)
        self._known[id(value)] = value, new
        return new

    def _rebuilt(self, value: Any, kind: type) -> Any:
        if isinstance(value, dict):
            return self._rebuilt_dict(value, kind)
        if isinstance(value, list | tuple | set | frozenset):
            items = [self.changed(item) for item in value]
            if all(new is old for new, old in zip(items, value, strict=True)):
                return value
            return kind(items) if kind in _CONTAINERS else _made_like(value, items)
        return self._rebuilt_object(value)

    def _rebuilt_dict(self, value: dict[Any, Any], kind: type) -> Any:
        pairs = [(self.changed(k), self.changed(v)) for k, v in value.items()]
        if all(
            nk is k and nv is v
            for (k, v), (nk, nv) in zip(value.items(), pairs, strict=True)
        ):
            return value
        return dict(pairs) if kind is dict else _made_like(value, pairs)

    def _rebuilt_object(self, value: Any) -> Any:
        """Return a copy of a dataclass or model whose fields have changed."""
        names = _fields(value)
        new = {name: self.changed(getattr(value, name)) for name in names}
        if all(new[name] is getattr(value, name) for name in names):
            return value
        import copy

        made = copy.copy(value)
        for name, field in new.items():
            # Frozen ones too: the copy is nobody else's yet.
            object.__setattr__(made, name, field)
        return made


def _made_like(value: Any, items: list[Any]) -> Any:
    """Return a collection like `value`, of a class of the user's, with other items."""
    # What its constructor takes is not known: for a named tuple each item by itself.
    kind = type(value)
    if isinstance(value, tuple | frozenset):
        base = tuple if isinstance(value, tuple) else frozenset
        made: Any = base.__new__(kind, items)
        if hasattr(value, "__dict__"):
            made.__dict__.update(value.__dict__)
        return made
    import copy

    made = copy.copy(value)
    made.clear()
    if isinstance(value, list):
        made.extend(items)
    elif isinstance(value, set):
        made.update(items)
    else:
        # NB. Not by update(), which adds where the class is a Counter.
        for key, item in items:
            made[key] = item
    return made


def _fields(value: Any) -> list[str]:
    if dataclasses.is_dataclass(value):
        names: Iterable[str] = (field.name for field in dataclasses.fields(value))
    else:
        names = fields_of_model(type(value)) or ()
    return [name for name in names if hasattr(value, name)]
