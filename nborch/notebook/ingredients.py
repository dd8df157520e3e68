"""What goes into a cell task: all that decides its result, as comparable digests.

The key of a cell is made of its ingredients, and "why did it run again?" is answered by
comparing those of two runs. They are digests only, so they can be kept for ever.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

from nborch.cache.keys import cache_key

__all__ = ["UNDEFINED", "Difference", "Ingredients", "differences"]

#: The digest of a name that has no value.
UNDEFINED = "undefined"
#: A longer text of a cell is not kept for comparing.
LONGEST = 20_000

#: How an ingredient is called, by the word before its name.
_TOLD = {
    "name": "input",
    "module": "module",
    "variable": "variable",
    "file": "file",
    "generator": "random generator",
}

#: What of a cell can differ as a whole.
_WHOLE = {"code": "its code changed", "sharing": "its inputs share other parts"}


class Difference(NamedTuple):
    """One ingredient that two runs do not share.

    Parameters
    ----------
    kind
        ``code``, ``sharing``, or the word before an ingredient's name: ``name``,
        ``module``, ``variable``, ``file``, ``generator``.
    old, new
        The digests; None where there is none.
    via
        For an input that is code: what differs in it, itself or what it calls.
    """

    kind: str
    name: str
    old: str | None
    new: str | None
    via: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind in _WHOLE:
            return _WHOLE[self.kind]
        what = f"{_TOLD.get(self.kind, self.kind)} `{self.name}`"
        if self.old in (None, UNDEFINED):
            return f"{what} is new"
        if self.new in (None, UNDEFINED):
            return f"{what} is gone"
        if self.via and self.name not in self.via:
            return f"{what} changed, by `{self.via[0]}`"
        return f"{what} changed"


@dataclass(frozen=True, slots=True)
class Ingredients:
    """What decides the result of a cell.

    >>> one = Ingredients("b", {"name x": "1"})
    >>> print(*differences(one, Ingredients("b", {"name x": "2"})))
    input `x` changed

    Parameters
    ----------
    body
        The digest of the code.
    inputs
        The digest of each input by its kind and name: ``name x``, ``module pandas``,
        ``variable HOME``, ``file data.csv``.
    options
        What else is part of the key, such as what the inputs have in common.
    found
        What the cell turned out to depend on while it ran, named like inputs.
    reached
        Of each input that is code, the digest of each function that it reaches.
    text
        The code itself without layout and comments, if it is short enough to keep.
    """

    body: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    found: Mapping[str, str] = field(default_factory=dict)
    reached: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    text: str = ""

    @property
    def key(self) -> str:
        """The key under which the result is kept."""
        return cache_key(body=self.body, inputs=self.inputs, options=self.options)

    def name(self, name: str) -> str | None:
        """Return the digest of a name that the cell reads."""
        return self.inputs.get(f"name {name}")

    @property
    def names(self) -> frozenset[str]:
        """The names that the cell reads."""
        marked = (each.partition(" ") for each in self.inputs)
        return frozenset(name for kind, _, name in marked if kind == "name")

    def with_names(self, digests: Mapping[str, str]) -> Self:
        """Return the ingredients with other values of some of the names read."""
        told = {f"name {name}": value for name, value in digests.items()}
        known = {name: value for name, value in told.items() if name in self.inputs}
        return replace(self, inputs={**self.inputs, **known})

    def with_found(self, found: Mapping[str, str]) -> Self:
        """Return the ingredients with what the cell turned out to depend on."""
        return replace(self, found=dict(found))

    def to_json(self) -> dict[str, Any]:
        """Return the ingredients as JSON values."""
        return {
            "body": self.body,
            "inputs": dict(self.inputs),
            "options": dict(self.options),
            "found": dict(self.found),
            "reached": {name: dict(each) for name, each in self.reached.items()},
            "text": self.text if len(self.text) <= LONGEST else "",
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the ingredients that `to_json` gave these values for."""
        known = {name: values.get(name) for name in cls.__slots__}
        return cls(**{name: each for name, each in known.items() if each is not None})


def differences(old: Ingredients, new: Ingredients) -> list[Difference]:
    """Return each ingredient that differs, the code first.

    What both found while they ran is compared where both know of it: the digests of a
    run that has not been made have nothing in ``found``.
    """
    changed = []
    if old.body != new.body:
        changed.append(Difference("code", "", old.body, new.body))
    changed += [
        each._replace(via=_via(old, new, each.name))
        for each in _of(old.inputs, new.inputs, {*old.inputs, *new.inputs})
    ]
    changed += _of(old.found, new.found, old.found.keys() & new.found.keys())
    for name in sorted({*old.options, *new.options}):
        one, other = old.options.get(name) or "", new.options.get(name) or ""
        if one != other:
            kind = "sharing" if name == "sharing" else "option"
            changed.append(Difference(kind, name, one or None, other or None))
    if old.body != new.body:
        # What only one of the codes reads is no reason of its own.
        changed = [each for each in changed if None not in (each.old, each.new)]
    # Inputs that share parts differ in that whenever one of them differs.
    told = [each for each in changed if each.kind != "sharing"]
    return told or changed


def _via(old: Ingredients, new: Ingredients, name: str) -> tuple[str, ...]:
    """Return what differs in an input that is code, by name."""
    one, other = old.reached.get(name, {}), new.reached.get(name, {})
    if not one or not other:
        return ()
    return tuple(sorted(n for n in {*one, *other} if one.get(n) != other.get(n)))


def _of(
    old: Mapping[str, str], new: Mapping[str, str], names: Iterable[str]
) -> Iterator[Difference]:
    for each in sorted(names):
        one, other = old.get(each), new.get(each)
        if one != other:
            kind, _, name = each.partition(" ")
            yield Difference(kind, name, one, other)
