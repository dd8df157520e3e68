"""What a cell did to the namespace, found by comparing before and after."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

from nborch.cache.fingerprints import fingerprint
from nborch.exceptions import Unfingerprintable
from nborch.notebook.analysis import CellAnalysis
from nborch.notebook.effects.parts import TooManyParts, named, parts_of, shares_memory
from nborch.notebook.effects.patches import Content, apply, content_of

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
    contents
        What inputs hold after they were changed in place, by name.
    mutated
        Those among the values that are inputs changed in place which cannot be given
        a content: they are bound anew.
    deleted
        Names that are gone.
    recipes
        Expressions that make those of the values again which cannot be stored.
    inputs
        The inputs as they were bound, whether changed or not.
    """

    values: dict[str, Any] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    contents: dict[str, Content] = field(default_factory=dict)
    mutated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    recipes: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def outputs(self) -> dict[str, Any]:
        """The values that were made or changed, by name."""
        return {n: self.inputs[n] for n in self.contents} | self.values


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
    bound = _bound(analysis, before, after)
    contents: dict[str, Content] = {}
    values: dict[str, Any] = {}
    changed: set[int] = set()
    for name in _mutated(inputs, fingerprints):
        value = inputs[name]
        content = content_of(value) if id(value) not in changed else None
        if content is not None:
            contents[name] = content
            changed.add(id(value))
        elif id(value) not in changed:
            if after.get(name, value) is not value or name not in after:
                raise Uncachable(f"changes {name!r} in place and binds it anew")
            values[name] = value
    mutated = tuple(values)
    by_identity = {
        id(value): name
        for name, value in inputs.items()
        if name not in mutated and not _is_atom(value)
    }
    aliases = {}
    for name in bound:
        if name in analysis.prelude_names:
            continue
        value = after[name]
        source = by_identity.get(id(value))
        if source is not None:
            aliases[name] = source
        elif isinstance(value, _CODE) and not _is_rebuilt(value):
            kind = type(value).__name__
            raise Uncachable(f"makes the {kind} {name!r}, which has to be executed")
        else:
            values[name] = value
    gone = {n for n in {*before, *analysis.deletes} if n not in after}
    deleted = tuple(sorted(n for n in gone if not is_shells(n)))
    return Changes(values, aliases, contents, mutated, deleted, inputs=inputs)


def _is_rebuilt(value: Any) -> bool:
    """Tell whether code can be stored: by its name, or as a function of the cell's."""
    return isinstance(value, FunctionType | ModuleType) or named(value)


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


def is_repeatable(
    namespace: Mapping[str, Any],
    mutated: Collection[str],
    contents: Collection[str] = (),
) -> bool:
    """Tell whether a hit can repeat what a cell once did to inputs in place.

    An object that is given a new content stays what it is for all who hold it. But who
    holds a part of it would keep the old part; and one that is bound anew under its
    names would stay the old one for who holds it inside. Then the cell has to be run.

    >>> rows = [[1], 2]
    >>> is_repeatable({"rows": rows, "table": {"k": rows}}, [], ["rows"])
    True
    >>> is_repeatable({"rows": rows, "table": {"k": rows[0]}}, [], ["rows"])
    False

    Parameters
    ----------
    mutated
        The names of the inputs that are bound anew.
    contents
        The names of those that are given a new content.
    """
    anew = [namespace[name] for name in mutated if name in namespace]
    given = [namespace[name] for name in contents if name in namespace]
    if not anew and not given:
        return True
    replaced = {id(value): value for value in (*anew, *given)}
    others = [
        value
        for name, value in namespace.items()
        if id(value) not in replaced and not is_shells(name)
    ]
    try:
        parts = parts_of(replaced.values())
        outside = parts_of(others, stop=replaced, into_code=True)
    except TooManyParts:
        return False
    kept = {id(value) for value in given}
    if (parts.met.keys() - kept) & outside.met.keys():
        return False
    memory = [array for array in parts.arrays if id(array) not in kept]
    memory += [array for *_, array in parts.columns]
    return not shares_memory(memory, outside)


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
    targets = {name: namespace[source] for name, source in made.aliases.items()}
    for name, content in made.contents.items():
        apply(made.inputs[name], content)
    # Every name of an object that was bound anew gets the new one.
    changed = {id(namespace[n]): loaded[n] for n in made.mutated if n in namespace}
    if changed:
        for name, value in list(namespace.items()):
            if id(value) in changed and not is_shells(name):
                namespace[name] = changed[id(value)]
    namespace.update(loaded)
    namespace.update(targets)
    for name in made.deleted:
        namespace.pop(name, None)
