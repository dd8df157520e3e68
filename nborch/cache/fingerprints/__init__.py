"""The fingerprint of any value: equal for equal content, in every process.

Never a false hit: what has no content to compare raises `Unfingerprintable`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from nborch.cache.fingerprints import code as of_code
from nborch.cache.fingerprints import values as of_values
from nborch.cache.fingerprints.arrays import encoder_of_numpy, overlaps, span
from nborch.cache.fingerprints.arrow import encoder_of_arrow
from nborch.cache.fingerprints.frames import encoder_of_pandas, encoder_of_polars
from nborch.cache.fingerprints.objects import encoder_of_objects
from nborch.cache.fingerprints.walk import Encoder, Encoders, Entangled, Walk
from nborch.exceptions import Unfingerprintable

__all__ = ["Fingerprints", "fingerprint", "fingerprints"]

_BY_TYPE: dict[type, Encoder] = {
    **of_values.ENCODERS,
    **of_code.ENCODERS,
}
#: Each looks only at libraries that are loaded.
_BY_LIBRARY = (encoder_of_numpy, encoder_of_pandas, encoder_of_polars, encoder_of_arrow)


def fingerprint(value: object) -> str:
    """Return 32 hex digits that two values share only if their content is the same.

    >>> fingerprint([1, 2]) == fingerprint([1, 2])
    True
    >>> fingerprint([1, 2]) == fingerprint((1, 2))
    False
    >>> fingerprint({"b", "a"}) == fingerprint({"a", "b"})
    True
    """
    return _walked(value)[0]


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """The fingerprints of several values, and what they have in common."""

    #: The fingerprint of each value by its name.
    each: Mapping[str, str]
    #: How they share what can be changed, and which arrays cannot be changed: empty
    #: if they are independent and all can be.
    sharing: str


def fingerprints(values: Mapping[str, object]) -> Fingerprints:
    """Return the fingerprint of each of several values, and of what they share.

    >>> a, b = [1], [1]
    >>> fingerprints({"x": a, "y": b}).sharing
    ''
    >>> fingerprints({"x": a, "y": a}).sharing == ""
    False

    Code that changes one of two inputs changes the other too if they are one and the
    same list. So the key of a cell needs, besides its inputs one by one, this.
    """
    each: dict[str, str] = {}
    met: dict[int, str] = {}
    spans: list[tuple[int, int, str]] = []
    alive: list[Walk] = []
    related: set[str] = set()
    frozen: dict[str, list[int]] = {}
    for name in sorted(values):
        each[name], walk = _walked(values[name], name)
        alive.append(walk)
        identities = walk.swallowed | walk.numbers.keys()
        for key in identities & met.keys():
            related |= {name, met[key]}
        met |= dict.fromkeys(identities, name)
        spans += [(*span(array), name) for array in walk.arrays]
        fixed = [a for a in walk.arrays if not a.flags.writeable]
        if fixed:
            frozen[name] = sorted({walk.numbers[id(array)] for array in fixed})
    related |= _overlapping(spans)
    joint = {name: values[name] for name in sorted(related)}
    sharing = fingerprint(joint) if joint else ""
    # Content is the same, but writing to one raises an error.
    return Fingerprints(each, sharing + fingerprint(frozen) if frozen else sharing)


def _overlapping(spans: list[tuple[int, int, str]]) -> set[str]:
    """Return the names of values whose memory overlaps that of another one."""
    related: set[str] = set()
    # Of those that have begun: how far each name's memory reaches.
    open_ends: dict[str, int] = {}
    for low, high, name in sorted(spans):
        open_ends = {n: end for n, end in open_ends.items() if end > low}
        others = open_ends.keys() - {name}
        if others and high > low:
            related |= others | {name}
        open_ends[name] = max(high, open_ends.get(name, 0))
    return related


def _walked(value: object, name: str = "") -> tuple[str, Walk]:
    walk = Walk(_ENCODERS)
    try:
        try:
            return walk.run(value).hex(), walk
        except Entangled:
            walk = Walk(_ENCODERS, accelerate=False)
            return walk.run(value).hex(), walk
    except Unfingerprintable as error:
        raise Unfingerprintable(error.reason, name + error.path) from error.__cause__


def _encoder_of(kind: type) -> Encoder:
    known = _BY_TYPE.get(kind)
    if known is not None:
        return known
    if issubclass(kind, type):
        return of_code.encode_class
    for find in _BY_LIBRARY:
        encoder = find(kind)
        if encoder is not None:
            return encoder
    return encoder_of_objects(kind)


def _finish(walk: Walk) -> None:
    if len(walk.arrays) > 1:
        walk.write(overlaps(walk))


_ENCODERS = Encoders(_encoder_of, of_code.encode_body, _finish)
