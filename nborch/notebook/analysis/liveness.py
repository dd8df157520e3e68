"""What may have happened to each name at a point of a cell, and what is still to come.

The analysis walks a cell in the order in which Python evaluates it. For every name it
keeps the set of things that may be true of it: it still has its value from before the
cell (`OLD`), the cell has bound it (`BOUND`) or deleted it (`GONE`). Where paths meet,
the sets are united. A read counts as an input exactly when `OLD` is in the set.

Nothing but a binding or a deletion takes `OLD` away, and nothing brings it back. This
is why two passes over a loop are enough, and why the reads of a function have to be
looked at only once: at the first moment when something may call it.

Two things are left out on purpose: finalisers and signal handlers, which run at any
moment, and what functions from earlier cells read or bind. The fingerprints of those
functions account for that.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from nborch.notebook.analysis.scopes import ClassName

__all__ = ["BOUND", "GONE", "OLD", "Body", "Flow", "Name", "Note", "NoteKind", "join"]

# Plain integers: the flags of an enum are united twenty times slower, and this is the
# inner loop.
OLD = 1
BOUND = 2
GONE = 4

Name = str | ClassName


class NoteKind(Enum):
    """What a remark about a line is for."""

    #: Why the inputs of the cell cannot be proven.
    DYNAMIC = "dynamic"
    #: What a restored cell would not repeat.
    EFFECT = "effect"
    #: What a restored cell can simply repeat.
    SETTING = "setting"


class Note(NamedTuple):
    """A remark about one line of the cell."""

    line: int
    phrase: str
    kind: NoteKind

    def __str__(self) -> str:
        return f"line {self.line} {self.phrase}"


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """What happens to the globals when a function, lambda or generator runs.

    Parameters
    ----------
    reads
        Globals that it may read before it has bound them itself.
    writes, deletes
        Globals that it may bind or delete.
    surely
        Globals that are bound whenever it returns.
    mutates, reaches_into
        Globals whose object it visibly changes in place, or an attribute of it.
    notes
        Remarks that hold once it runs.
    """

    reads: frozenset[str]
    writes: frozenset[str] = frozenset()
    deletes: frozenset[str] = frozenset()
    surely: frozenset[str] = frozenset()
    mutates: frozenset[str] = frozenset()
    reaches_into: frozenset[str] = frozenset()
    notes: frozenset[Note] = frozenset()


@dataclass(slots=True)
class Flow:
    """The state of all names at one point of a cell.

    Parameters
    ----------
    names
        What may be true of each name; a name that is not there is `OLD`.
    pending
        Bodies that exist and that nothing has had a chance to call yet.
    writers
        Bodies that may have been called, and may bind globals when called again.
    known
        Names that certainly are a certain plain function of this cell.
    reachable
        False after ``raise``, ``break``, ``continue`` and ``return``.
    """

    names: dict[Name, int] = field(default_factory=dict)
    pending: frozenset[Body] = frozenset()
    writers: frozenset[Body] = frozenset()
    known: dict[str, Body] = field(default_factory=dict)
    reachable: bool = True

    def copy(self) -> "Flow":
        """Return a state that can go another way than this one."""
        return Flow(
            self.names.copy(),
            self.pending,
            self.writers,
            self.known.copy(),
            self.reachable,
        )

    def of(self, name: Name) -> int:
        """Return what may be true of `name`: some of `OLD`, `BOUND` and `GONE`."""
        return self.names.get(name, OLD)

    def absorb(self, other: "Flow") -> None:
        """Let this point also be reached from `other`."""
        if not other.reachable:
            return
        if not self.reachable:
            self.names = other.names.copy()
            self.pending = other.pending
            self.writers = other.writers
            self.known = other.known.copy()
            self.reachable = True
            return
        mine, theirs = self.names, other.names
        for name in mine.keys() | theirs.keys():
            mine[name] = mine.get(name, OLD) | theirs.get(name, OLD)
        self.pending |= other.pending
        self.writers |= other.writers
        for name in [n for n, b in self.known.items() if other.known.get(n) is not b]:
            del self.known[name]

    def same_as(self, other: "Flow") -> bool:
        """Return whether nothing is possible here that is not possible there."""
        return (
            self.reachable == other.reachable
            and self.pending == other.pending
            and self.writers == other.writers
            and self.known == other.known
            and all(
                self.of(name) == other.of(name)
                for name in self.names.keys() | other.names.keys()
            )
        )


def join(flows: Iterable[Flow]) -> Flow:
    """Return the state of a point that is reached from any of `flows`."""
    joined = Flow(reachable=False)
    for flow in flows:
        joined.absorb(flow)
    return joined
