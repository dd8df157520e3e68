"""What a cell did, as it is stored and as it is done again."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

from nborch.cache.base import KeptResult
from nborch.cache.fingerprints.plain import survey
from nborch.notebook.analysis import CellAnalysis
from nborch.notebook.effects.namespace import (
    Changes,
    inputs_of,
    is_plain,
    is_repeatable,
    rebind,
)
from nborch.notebook.effects.parts import parts_of
from nborch.notebook.effects.patches import apply, fits
from nborch.notebook.effects.recipes import make_again
from nborch.notebook.effects.ties import Live, tie

__all__ = ["NAMES", "Restored", "described", "kept", "loaded_name", "phrase"]

#: The part of a kept cell with all that it made and changed.
NAMES = "names"
#: Within that part.
_VALUES, _CONTENTS, _LAST = "values", "contents", "last"
_STORED_PATH = re.compile(rf"{NAMES}\['(?:{_VALUES}|{_CONTENTS})'\]\['(\w+)'\]")
#: How the parts begin that hold one value alone.
_ALONE = "value "
#: Lists and dicts from which on a value is stored by itself.
LARGE = 1000


def kept(
    made: Changes, last: object, codes: Callable[[], Iterable[CodeType]]
) -> dict[str, object]:
    """Return what to store of a cell's effect on names, by part.

    Parameters
    ----------
    last
        The value that was shown last.
    codes
        Returns the cell's own code.

    Raises
    ------
    Unstorable
        An output holds something of an input that no certain way leads to.
    """
    values = {n: v for n, v in made.values.items() if n not in made.recipes}
    whole: dict[str, Any] = {_VALUES: values, _CONTENTS: made.contents}
    outputs = list(values.values())
    # NB. What an array holds is its memory, which is compared beside it.
    outputs += [inner for kind, inner in made.contents.values() if kind != "array"]
    unchanged = {
        name: value
        for name, value in made.inputs.items()
        if name not in made.contents and name not in made.mutated
    }
    if last is not None and (
        is_plain(last) or any(last is each for each in made.inputs.values())
    ):
        whole[_LAST] = last
        outputs.append(last)
    patched = {name: made.inputs[name] for name in made.contents}
    live = Live(made.inputs, made.inputs, codes)
    tied = tie(whole, outputs, unchanged, live, patched)
    if tied is not whole:
        return {NAMES: tied}
    # What is tied to nothing may be stored by itself: equal in another result, its
    # bytes are there already.
    alone = _independent(values, outputs)
    parts: dict[str, object] = {f"{_ALONE}{name}": values.pop(name) for name in alone}
    return {NAMES: whole} | parts


def _independent(values: Mapping[str, Any], outputs: list[object]) -> list[str]:
    """Return the names of large plain values that share nothing with the others."""
    large: dict[str, set[int]] = {}
    for name, value in values.items():
        ids = survey(value) if type(value) in {list, dict} else None
        if ids is not None and len(ids) >= LARGE:
            large[name] = ids
    if not large or len(outputs) == 1:
        return []
    met: dict[int, int] = {}
    for value in outputs:
        for key in parts_of([value], quick=True).ids:
            met[key] = met.get(key, 0) + 1
    return [n for n, ids in large.items() if all(met[key] == 1 for key in ids)]


def phrase(reason: str) -> str:
    """Return why a cell was not kept, in terms of its names.

    >>> phrase("a lock cannot be stored (at names['values']['rows'][0])")
    'a lock cannot be stored (at rows[0])'
    """
    return _STORED_PATH.sub(r"\1", reason)


def described(made: Changes) -> dict[str, Any]:
    """Return what is known of a cell's effect before anything of it is loaded."""
    return {
        "aliases": made.aliases,
        "contents": list(made.contents),
        "mutated": list(made.mutated),
        "deleted": list(made.deleted),
        "recipes": made.recipes,
    }


def loaded_name(entry: KeptResult, name: str, earlier: Mapping[str, Any]) -> Any:
    """Return the value of one name that a kept cell made, outside of any kernel.

    Parameters
    ----------
    earlier
        The values before the cell, of which its own may be made.

    Raises
    ------
    LookupError
        It has to be made by code, or of what is not among the earlier values.
    """
    meta: Mapping[str, Any] = entry.meta
    if name in meta["aliases"]:
        return earlier[meta["aliases"][name]]
    if name in meta["recipes"]:
        raise LookupError(f"{name!r} is made by the cell's code")
    # Functions of a kernel are not to be had here, and no code for them.
    live = Live(earlier, {}, tuple)
    if f"{_ALONE}{name}" in entry.parts:
        return entry.load(f"{_ALONE}{name}", live.resolve)
    whole = entry.load(NAMES, live.resolve)
    if name in whole[_CONTENTS]:
        value = earlier[name]
        apply(value, whole[_CONTENTS][name])
        return value
    return whole[_VALUES][name]


@dataclass(frozen=True, slots=True)
class Restored:
    """A kept cell, loaded and ready to be done again.

    Parameters
    ----------
    parts
        The other parts of the entry, by name.
    made
        What to do.
    values
        The values to bind, by name.
    last
        The value to show, in a tuple; None if it has a name or was not stored.
    """

    entry: KeptResult
    parts: Mapping[str, Any]
    made: Changes
    values: Mapping[str, Any]
    last: tuple[Any] | None

    @classmethod
    def load(
        cls,
        entry: KeptResult,
        analysis: CellAnalysis,
        names: Mapping[str, Any],
        namespace: dict[str, Any],
        codes: Callable[[], Iterable[CodeType]],
    ) -> "Restored | None":
        """Return the kept cell if all that it refers to is there, as it was.

        Parameters
        ----------
        names
            The names before the cell.
        namespace
            The names now, with the cell's imports and definitions.
        """
        meta: Mapping[str, Any] = entry.meta
        live = Live(names, inputs_of(analysis, names), codes)
        # All of it now: what cannot be loaded is found while the cell can run.
        loaded = {part: entry.load(part, live.resolve) for part in entry.parts}
        whole = loaded.pop(NAMES)
        contents = whole[_CONTENTS]
        if not all(fits(names[name], content) for name, content in contents.items()):
            return None
        for part in [each for each in loaded if each.startswith(_ALONE)]:
            whole[_VALUES][part.removeprefix(_ALONE)] = loaded.pop(part)
        made = Changes(
            aliases=meta["aliases"],
            contents=contents,
            mutated=tuple(meta["mutated"]),
            deleted=tuple(meta["deleted"]),
            inputs={name: names[name] for name in contents},
        )
        last = (whole[_LAST],) if _LAST in whole else None
        again = make_again(meta["recipes"], namespace)
        return cls(entry, loaded, made, whole[_VALUES] | again, last)

    @staticmethod
    def is_possible(entry: KeptResult, names: Mapping[str, Any]) -> bool:
        """Tell whether what the cell changed in place can be changed so again."""
        meta: Mapping[str, Any] = entry.meta
        return is_repeatable(names, meta["mutated"], meta.get("contents", ()))

    def bind(self, namespace: dict[str, Any]) -> None:
        """Do to the namespace what the cell did."""
        rebind(namespace, self.values, self.made)
