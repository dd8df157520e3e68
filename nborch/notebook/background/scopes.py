"""Scopes: the names of a background cell, apart from those of the notebook.

A cell in the background works on the names as they were when it was submitted. What it
binds is seen by nobody before it has ended; then it is bound in the notebook, between
two cells.
"""

import builtins
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nborch.notebook.effects.namespace import is_shells

__all__ = ["GONE", "Effect", "Scope", "effect_on"]

#: Stands for the value of a name that is not bound.
GONE: Any = object()


class Scope(dict[str, Any]):
    """The names of a background cell.

    Functions that the cell defines look up their names here for good. So once the cell
    is over and its scope is opened, every name in it is the notebook's.

    >>> scope = Scope({"x": 1})
    >>> f = eval("lambda: x", scope)
    >>> scope.open({"x": 2})
    >>> f()
    2
    """

    __slots__ = ("_live",)

    def __init__(self, names: Mapping[str, Any]) -> None:
        super().__init__(names)
        self._live: Mapping[str, Any] | None = None

    def __missing__(self, name: str) -> Any:
        if self._live is not None and name in self._live:
            return self._live[name]
        return vars(builtins)[name]

    def open(self, live: Mapping[str, Any]) -> None:
        """Let every name be that of `live` from now on."""
        self._live = live
        kept = {n: self[n] for n in ("__builtins__", "__name__") if n in self}
        self.clear()
        self.update(kept)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a background cell did to its names.

    Parameters
    ----------
    bound
        Values by name.
    deleted
        Names that are gone.
    replaced
        Objects that the cell changed in place elsewhere, with those in their stead.
    before
        What the names were when the cell was submitted.
    """

    bound: Mapping[str, Any] = field(default_factory=dict)
    deleted: tuple[str, ...] = ()
    replaced: tuple[tuple[Any, Any], ...] = ()
    before: Mapping[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """The names that it binds or deletes."""
        return frozenset({*self.bound, *self.deleted})

    @property
    def made(self) -> frozenset[str]:
        """Those of them that do not just follow an object that was replaced."""
        follow = {(id(old), id(new)) for old, new in self.replaced}
        return frozenset(
            name
            for name in self.names
            if (id(self.before.get(name, GONE)), id(self.bound.get(name))) not in follow
        )

    def apply(
        self,
        namespace: dict[str, Any],
        is_free: Callable[[str], bool] = lambda _: True,
        since: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """Do the same to other names; return those that were left alone.

        Parameters
        ----------
        is_free
            Whether nobody has bound the name since the cell was submitted.
        since
            What names are by what was submitted before the cell and ended later.
        """
        new = {id(old): value for old, value in self.replaced}
        for name, value in list(namespace.items()):
            if id(value) in new and not is_shells(name):
                namespace[name] = new[id(value)]
        left = []
        for name in self.names:
            now = namespace.get(name, GONE)
            known = (since or {}).get(name, self.before.get(name, GONE))
            if not is_free(name) or (now is not known and id(known) not in new):
                left.append(name)
            elif name in self.bound:
                namespace[name] = self.bound[name]
            else:
                namespace.pop(name, None)
        return sorted(left)


def effect_on(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    surely: Iterable[str] = (),
    replaced: Iterable[tuple[Any, Any]] = (),
) -> Effect:
    """Return what makes `after` of `before`.

    >>> effect_on({"x": 1, "y": 2}, {"x": 1, "z": 3}).deleted
    ('y',)

    Parameters
    ----------
    surely
        Names that were bound, even if to the very object that they had.
    """
    bound = {
        name: value
        for name, value in after.items()
        if before.get(name, GONE) is not value and not is_shells(name)
    }
    bound |= {name: after[name] for name in surely if name in after}
    gone = tuple(sorted(n for n in before.keys() - after.keys() if not is_shells(n)))
    return Effect(bound, gone, tuple(replaced), before)
