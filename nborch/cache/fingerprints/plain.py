"""Plain trees (lists, dicts, tuples of atoms) digested at the speed of C.

A survey asks first, one level of the tree at a time, whether a value holds nothing but
exact built-in containers and atoms and meets no list or dict twice. Then the C pickler
without its memo writes it straight into the hash: what it writes depends on content
alone. Whether a value is plain is a fact of its content too, so that equal values
always go the same way.
"""

import pickle
from collections.abc import Iterable
from gc import get_referents
from itertools import compress

from nborch.cache.fingerprints.walk import Encoder, Steps, Walk

__all__ = ["ATOMS", "are_atoms", "flat_digest", "plain_first", "survey"]

#: Exact types whose pickle, written without memo, is decided by their value alone.
ATOMS: frozenset[type] = frozenset({int, float, bool, complex, str, bytes, type(None)})
_MUTABLE = frozenset({list, dict})
_CONTAINERS = frozenset({list, dict, tuple})
_PLAIN = ATOMS | _CONTAINERS
#: A tree larger than this when written out (shared tuples may make it so) is walked.
_MAX_NODES = 50_000_000
#: Deeper trees are walked: the C pickler recurses.
_MAX_LEVELS = 100
#: A failed survey has cost the size of its tree: how many levels may try.
_MAX_DEPTH = 4


def are_atoms(values: Iterable[object]) -> bool:
    """Return whether values hold nothing but atoms, read at the speed of C.

    >>> are_atoms([1, "a", None]), are_atoms([1, [2]])
    (True, False)
    """
    return set(map(type, values)) <= ATOMS


def flat_digest(values: object) -> bytes:
    """Return 16 bytes for a plain value, whatever the identities within it.

    >>> flat_digest(["a", "a"]) == flat_digest(["a", "".join(["a"])])
    True
    """
    from xxhash import xxh3_128

    hasher = xxh3_128()
    pickler = pickle.Pickler(_Writer(hasher.update), protocol=5)  # type: ignore[arg-type]
    # NB. Without its memo the pickler would never end on a cycle, and it is blind to
    # sharing: only what a survey has passed may come here.
    pickler.fast = True
    pickler.dump(values)
    return hasher.digest()


class _Writer:
    """The file that the pickler wants: nothing but a hash's ``update``."""

    __slots__ = ("write",)

    def __init__(self, write: object) -> None:
        self.write = write


def survey(value: object) -> set[int] | None:
    """Return the identities of a plain tree's lists and dicts, or None if not plain.

    >>> survey([1, {"a": (2, 3)}]) is None
    False
    >>> twice = [1]
    >>> survey([twice, twice]) is None
    True
    """
    seen: set[int] = set()
    tuples: set[int] = set()
    shared: list[object] = []
    frontier: list[object] = [value]
    kinds: set[type] = {type(value)}
    nodes = 0
    for _ in range(_MAX_LEVELS):
        mutable = frontier
        if tuple in kinds:
            mutable = [item for item in frontier if type(item) is not tuple]
            frontier = mutable + _first_met(frontier, tuples, shared)
        before = len(seen)
        seen.update(map(id, mutable))
        if len(seen) != before + len(mutable):
            return None
        # NB. Not gc.is_tracked: a dict of atoms is not tracked.
        found = get_referents(*frontier)
        nodes += len(found)
        types = list(map(type, found))
        kinds = set(types)
        if nodes > _MAX_NODES or not kinds <= _PLAIN:
            return None
        if kinds.isdisjoint(_CONTAINERS):
            return seen if _is_affordable(shared, nodes) else None
        frontier = list(compress(found, map(_CONTAINERS.__contains__, types)))
    return None


def _first_met(
    frontier: list[object], tuples: set[int], shared: list[object]
) -> list[object]:
    first: list[object] = []
    for item in frontier:
        if type(item) is tuple and item:
            if id(item) in tuples:
                shared.append(item)
            else:
                tuples.add(id(item))
                first.append(item)
    return first


def _is_affordable(shared: list[object], nodes: int) -> bool:
    """Return whether shared tuples hold only atoms and stay small when written out."""
    sizes: dict[int, int] = {}
    for item in shared:
        nodes += _written_size(item, sizes)
        if nodes > _MAX_NODES:
            return False
    return True


def _written_size(root: object, sizes: dict[int, int]) -> int:
    stack = [root]
    while stack:
        item = stack[-1]
        if id(item) in sizes:
            stack.pop()
            continue
        inner = get_referents(item)
        if not _MUTABLE.isdisjoint(map(type, inner)):
            # A list shared through a tuple is a shared list.
            sizes[id(item)] = _MAX_NODES + 1
            continue
        tuples = [child for child in inner if type(child) is tuple]
        missing = [child for child in tuples if id(child) not in sizes]
        if missing:
            stack += missing
        else:
            sizes[id(item)] = len(inner) + sum(sizes[id(child)] for child in tuples)
    return sizes[id(root)]


def plain_first(encoder: Encoder) -> Encoder:
    """Return an encoder that tries the fast way before the given one."""

    def encode(walk: Walk, value: object) -> Steps | None:
        if walk.accelerate and walk.depth < _MAX_DEPTH:
            number = walk.numbers.get(id(value))
            identities = None if number is not None else survey(value)
            if identities is not None:
                _write_plain(walk, value, identities)
                return None
        return encoder(walk, value)

    return encode


def _write_plain(walk: Walk, value: object, identities: set[int]) -> None:
    if type(value) is not tuple:
        # The tree's own top may be met again: it is numbered as any other.
        walk.is_met(value)
        identities.discard(id(value))
    elif identities:
        walk.touched += 1
    walk.swallow(identities)
    walk.alive.append(value)
    walk.write(b"P" + flat_digest(value))
