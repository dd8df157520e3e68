"""Kinship: which run is within which, for the events of runs that come by."""

from collections.abc import Iterable, Iterator

from nborch.events import Event, EventKind
from nborch.store.signs import Kin, SQLiteSigns

__all__ = ["Kinship"]

#: Runs that are remembered; the oldest of them are looked up again.
MOST = 50_000


class Kinship:
    """Remember of which kind runs are, and what is around them.

    One thread uses it.
    """

    def __init__(self, signs: SQLiteSigns) -> None:
        self._signs = signs
        self._known: dict[str, Kin] = {}

    def learn(self, events: Iterable[Event]) -> None:
        """Take what events tell, and look up the runs that they are of."""
        unknown = set()
        for event in events:
            if event.kind is EventKind.CREATED:
                data = event.data
                self._known[event.run_id] = Kin(data["kind"], data["parent_id"])
            elif event.run_id not in self._known:
                unknown.add(event.run_id)
        while unknown:
            found = self._signs.kin(unknown)
            self._known |= found
            around = {kin.parent for kin in found.values() if kin.parent}
            unknown = around - self._known.keys()
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]

    def kind(self, run_id: str) -> str:
        """Return the kind of a run, "" if it is not known."""
        kin = self._known.get(run_id)
        return kin.kind if kin else ""

    def parent(self, run_id: str) -> str | None:
        """Return the run around a run."""
        kin = self._known.get(run_id)
        return kin.parent if kin else None

    def around(self, run_id: str) -> Iterator[str]:
        """Yield a run and all around it."""
        at: str | None = run_id
        while at is not None:
            yield at
            at = self.parent(at)
