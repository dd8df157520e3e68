"""Foresight: what is to be done about a crowd of schedules is decided before its time.

Thousands of schedules may be due at the same moment, on the hour. To read them and to
seek the time after the next takes a third of what it takes to fire them, and can be
done while nothing is due. The store drops what was decided about a schedule, or for a
deployment, that has changed since: that is then decided anew.
"""

from contextlib import suppress
from datetime import datetime, timedelta

from nborch.store.work_base import Firings
from nborch.work.firing import Firing, decide

__all__ = ["Foresight"]

#: How far it looks ahead.
AHEAD = timedelta(seconds=3)
#: Fewer than so many are fired soon enough without it; so many are looked at in one go.
CROWD = 200
#: Who comes later than that, after a sleep or another clock, decides anew.
LATE = timedelta(seconds=1)


class Foresight:
    """Decide about schedules that are due soon, if they are many."""

    def __init__(self, firings: Firings) -> None:
        self._firings = firings
        self._decided: dict[str, tuple[datetime, Firing]] = {}
        #: When the last of them is due, and its id.
        self._place: tuple[datetime, str] | None = None

    def look(self, now: datetime) -> bool:
        """Decide about the next of them; tell whether there may be more."""
        soon = now + AHEAD
        if not self._decided and self._firings.due_count(soon, CROWD) < CROWD:
            return False
        found = self._firings.due(soon, CROWD, after=self._place)
        for record, deployment in found:
            due_at = record.due_at or soon
            self._place = due_at, record.id
            # Of what cannot be decided it is told when its time has come.
            with suppress(Exception):
                self._decided[record.id] = due_at, decide(record, deployment, due_at)
        return len(found) == CROWD

    def come(self, now: datetime) -> list[Firing]:
        """Return, once, what was decided about those whose time has come."""
        come = [id_ for id_, (due_at, _) in self._decided.items() if due_at <= now]
        taken = [self._decided.pop(id_) for id_ in come]
        if not self._decided:
            self._place = None
        return [firing for due_at, firing in taken if now - due_at <= LATE]
