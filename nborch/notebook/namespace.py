"""What a cell did to the namespace, found by comparing before and after."""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

from nborch.cache.fingerprints import fingerprint
from nborch.exceptions import Unfingerprintable
from nborch.notebook.analysis import CellAnalysis

__all__ = [
    "Changes",
    "Uncachable",
    "changes",
    "inputs_of",
    "is_repeatable",
    "is_shells",
    "rebind",
]

#: Names that IPython keeps for its own history.
_OURS = frozenset(
    "_ __ ___ _i _ii _iii In Out _ih _oh _dh _exit_code".split()  # noqa: SIM905
)
#: What is executed again or found by name, not changed in place.
_CODE = FunctionType | type | ModuleType
_SHELLS_MODULES = ("IPython.", "ipykernel.")
#: Names that IPython puts into every namespace.
_SHELLS = frozenset({"get_ipython", "exit", "quit", "open", "display"})


#: Packages whose objects are data.
_DATA_LIBRARIES = frozenset(
    {"numpy", "pandas", "polars", "pyarrow", "datetime", "decimal", "fractions"}
)
#: A container with more items is not looked through.
MOST_PLAIN = 10_000


class Uncachable(Exception):  # it is a reason, not an error
    """Why a cell cannot be restored later: a phrase for its badge."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The effect of a cell on the namespace.

    Parameters
    ----------
    values
        What is to be stored, by name.
    aliases
        Names that were bound to the very object of an input: ``{"y": "x"}``.
    mutated
        Those among the values that are inputs changed in place.
    deleted
        Names that are gone.
    """

    values: dict[str, Any] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    mutated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()


def is_shells(name: str) -> bool:
    """Tell whether IPython itself binds the name, at any time."""
    return name in _OURS or (name[:1] == "_" and name[1:].lstrip("i").isdigit())


def inputs_of(analysis: CellAnalysis, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that the cell may read, by name."""
    return {
        name: namespace[name]
        for name in analysis.reads
        if name in namespace and not (name in _SHELLS and _of_shell(namespace[name]))
    }


def _of_shell(value: Any) -> bool:
    module = getattr(value, "__module__", None) or ""
    return module.startswith((*_SHELLS_MODULES, "_io"))


def changes(
    analysis: CellAnalysis,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    fingerprints: Mapping[str, str],
) -> Changes:
    """Return what the cell did to the namespace, as far as it can be done again.

    Parameters
    ----------
    before
        The namespace as it was, with the same objects.
    fingerprints
        Of the inputs, before the cell ran.

    Raises
    ------
    Uncachable
        The effect cannot be repeated without running the cell.
    """
    inputs = {name: before[name] for name in fingerprints if name in before}
    mutated = _mutated(inputs, fingerprints)
    by_identity = {id(value): name for name, value in inputs.items()}
    values: dict[str, Any] = {name: inputs[name] for name in mutated}
    aliases = {}
    for name in _bound(analysis, before, after):
        value = after[name]
        if name in analysis.prelude_names:
            continue
        if isinstance(value, _CODE):
            kind = type(value).__name__
            raise Uncachable(f"makes the {kind} {name!r}, which has to be executed")
        source = by_identity.get(id(value))
        if source is not None and source not in mutated and not _is_atom(value):
            aliases[name] = source
        else:
            values[name] = value
    kept = {name: value for name, value in inputs.items() if name not in mutated}
    _check_sharing(values, kept)
    gone = {n for n in {*before, *analysis.deletes} if n not in after}
    deleted = tuple(sorted(n for n in gone if not is_shells(n)))
    return Changes(values, aliases, tuple(mutated), deleted)


def _check_sharing(values: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
    """Raise `Uncachable` if an output holds a part of an input that can change.

    A stored copy would no longer be changed along with it. Inputs that are stored
    themselves, because the cell changed them, keep what they share.
    """
    held = {
        part: name for name, value in inputs.items() for part in _mutable_parts(value)
    }
    for name in sorted(values):
        for part in _mutable_parts(values[name]):
            if part in held:
                raise Uncachable(
                    f"makes {name!r}, which holds a part of {held[part]!r}"
                )


def _bound(
    analysis: CellAnalysis, before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[str]:
    """Return the names that the cell bound, as seen and as proven."""
    nothing = object()
    seen = {
        name
        for name, value in after.items()
        if before.get(name, nothing) is not value and not is_shells(name)
    }
    return sorted(seen | {name for name in analysis.writes if name in after})


def _mutated(inputs: Mapping[str, Any], fingerprints: Mapping[str, str]) -> list[str]:
    """Return the inputs whose content the cell changed."""
    mutated = []
    for name, value in sorted(inputs.items()):
        if _is_atom(value):
            continue
        try:
            same = fingerprint(value) == fingerprints[name]
        except Unfingerprintable as error:
            raise Uncachable(f"leaves {name!r} with {error}") from None
        if same:
            continue
        if isinstance(value, _CODE):
            raise Uncachable(f"changes what {name!r} refers to")
        mutated.append(name)
    return mutated


def _is_atom(value: Any) -> bool:
    return value is None or isinstance(
        value, bool | int | float | complex | str | bytes
    )


def is_plain(value: Any) -> bool:
    """Tell whether a value is data, which can be stored for certain and at little cost.

    >>> is_plain([1, "a"]), is_plain(iter([]))
    (True, False)
    """
    kind = type(value)
    if kind in (list, tuple, set, frozenset):
        return len(value) <= MOST_PLAIN and all(map(is_plain, value))
    if kind is dict:
        return len(value) <= MOST_PLAIN and all(map(is_plain, value.values()))
    library = kind.__module__.partition(".")[0]
    return (_is_atom(value) and value is not None) or library in _DATA_LIBRARIES


def is_repeatable(namespace: Mapping[str, Any], mutated: Collection[str]) -> bool:
    """Tell whether `rebind` can repeat what a cell once did to inputs in place.

    Another name of the object is given the new value, too. But what holds the object
    inside, or holds a part of it, would keep the old one: the cell has to be run.

    >>> rows = [1]
    >>> is_repeatable({"rows": rows, "same": rows}, ["rows"])
    True
    >>> is_repeatable({"rows": rows, "table": {"k": rows}}, ["rows"])
    False

    Parameters
    ----------
    mutated
        The names of the inputs that were changed.
    """
    objects = [namespace[name] for name in mutated if name in namespace]
    if not objects:
        return True
    rebound = {id(value) for value in objects}
    parts = {part for value in objects for part in _mutable_parts(value)}
    return not any(
        part in parts
        for name, value in namespace.items()
        if id(value) not in rebound and not is_shells(name)
        for part in _mutable_parts(value)
    )


def _mutable_parts(value: Any) -> Iterator[int]:
    """Yield the ids of the objects that a value consists of and that can change."""
    # NB. What is yielded by id is held by `value` meanwhile, so no id is used twice.
    seen: set[int] = set()
    left = [value]
    while left:
        part = left.pop()
        if id(part) in seen or _is_atom(part) or isinstance(part, _CODE):
            continue
        if type(part).__module__.startswith(_SHELLS_MODULES):
            continue  # the shell itself holds every name there is
        seen.add(id(part))
        if isinstance(part, tuple | frozenset):
            left.extend(part)
            continue
        while type(part).__name__ == "ndarray" and type(part.base) is type(part):
            part = part.base  # the array that owns the memory
        yield id(part)
        if isinstance(part, dict):
            left.extend(part.values())
        elif isinstance(part, list | set | deque):
            left.extend(part)
        else:
            # Of a frame or an array the whole counts: its parts are its own.
            left.extend(getattr(part, "__dict__", {}).values())


def rebind(
    namespace: dict[str, Any],
    loaded: Mapping[str, Any],
    made: Changes,
) -> None:
    """Do to the namespace what the cell did.

    Parameters
    ----------
    loaded
        The stored values by name.
    made
        What else there is to do; its values are not used.
    """
    # Every name of an object that was changed in place sees the change.
    changed = {id(namespace[n]): loaded[n] for n in made.mutated if n in namespace}
    if changed:
        for name, value in list(namespace.items()):
            if id(value) in changed and not is_shells(name):
                namespace[name] = changed[id(value)]
    targets = {name: namespace[source] for name, source in made.aliases.items()}
    namespace.update(loaded)
    namespace.update(targets)
    for name in made.deleted:
        namespace.pop(name, None)
