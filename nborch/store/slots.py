"""One transaction on slots: take them, give them back, wait in the store's queue."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from nborch.slots import Claim, Limit, seconds_to_wait
from nborch.store.queries import load_queries

__all__ = ["PATIENCE", "Answer", "SlotTransaction"]

#: Seconds without a sign after which a waiting process loses its turn: it may be
#: stopped, and those behind it are not to wait for ever.
PATIENCE = 2.0


class Answer(NamedTuple):
    """What came of a claim: 0 seconds to wait if it was granted."""

    seconds: float
    #: The names that are limits.
    known: tuple[str, ...]


class SlotTransaction:
    """Look at limits and take their slots, while nobody else does.

    Parameters
    ----------
    process
        The name of this process, which slots are taken in.
    is_gone
        Tells whether what a process holds until a time is anybody's again.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        process: str,
        now: float,
        is_gone: Callable[[str, float], bool],
    ) -> None:
        self.now = now
        self._execute = connection.execute
        self._sql = load_queries("sqlite_limits.sql")
        self._process = process
        self._is_gone = is_gone

    def take(self, claim: Claim, ticket: int | None = None) -> Answer:
        """Take the slots of a claim if they are free and nobody was there before.

        Parameters
        ----------
        ticket
            The place in the queue, if the claim has one.

        Raises
        ------
        ConcurrencySlotAcquisitionError
            No waiting would help.
        """
        names = json.dumps(claim.names)
        limits = self._limits(names)
        answer = self._answer(claim, limits, ticket)
        if answer.seconds and self.end_leases(names):
            limits = self._limits(names)
            answer = self._answer(claim, limits, ticket)
        if not answer.seconds:
            self._note(claim, limits)
        return answer

    def is_free(self, claim: Claim, ticket: int | None) -> bool:
        """Tell whether `take` is worth trying; only reads, so outside of a transaction.

        Whether those in front or inside are still alive is not looked at.
        """
        for row in self._execute(self._sql["waiters"]).fetchall():
            if row["ticket"] == ticket:
                break
            if not set(claim.names).isdisjoint(json.loads(row["names"])):
                return False
        rows = self._execute(self._sql["limits_among"], (json.dumps(claim.names),))
        limits = [Limit(*row) for row in rows.fetchall()]
        return all(
            # What can never be had is refused, which is also an end of the wait.
            limit.free(self.now) >= min(claim.slots, limit.slots or 1)
            for limit in limits
        )

    def give_back(self, claim: Claim, names: Iterable[str]) -> bool:
        """Free the slots of a claim; tell whether it had all of them still."""
        query = self._sql["give_back"]
        # Each of them, also after one that was lost.
        freed = [self._execute(query, (name, claim.id)).rowcount for name in names]
        return all(freed)

    def renew(self, claim: Claim, names: Iterable[str]) -> bool:
        """Let the slots of a claim stay taken; tell whether it had them still."""
        query, expires = self._sql["renew"], self.now + claim.lasts
        held = [self._execute(query, (expires, n, claim.id)).rowcount for n in names]
        return all(held)

    def queue_up(self, names: Sequence[str], ticket: int | None) -> int:
        """Show that this process waits; return its ticket, a new one if it lost it."""
        if ticket is not None:
            query = self._sql["still_waiting"]
            if self._execute(query, (self.now, ticket)).rowcount:
                return ticket
        row = (json.dumps(names), self._process, self.now)
        return self._execute(self._sql["queue_up"], row).lastrowid or 0

    def leave_queue(self, ticket: int) -> None:
        """Let those behind go ahead."""
        self._execute(self._sql["leave_queue"], (ticket,))

    def end_leases(self, names: str) -> bool:
        """Free the slots of these limits whose processes are gone, if there are any.

        Parameters
        ----------
        names
            A JSON array.
        """
        gone = [
            (row["process"], row["expires"])
            for row in self._execute(self._sql["lease_terms"], (names,))
            if self._is_gone(row["process"], row["expires"])
        ]
        for term in gone:
            self._execute(self._sql["end_leases"], term)
        return bool(gone)

    def _limits(self, names: str) -> list[Limit]:
        rows = self._execute(self._sql["limits_among"], (names,)).fetchall()
        return [self._in_time(Limit(*row)) for row in rows]

    def _in_time(self, limit: Limit) -> Limit:
        """Return the limit as of a time that has come, if the clock was set back."""
        if limit.spent_at <= self.now:
            return limit
        self._execute(self._sql["spend"], (limit.spent, self.now, limit.name))
        return replace(limit, spent_at=self.now)

    def _answer(
        self, claim: Claim, limits: Sequence[Limit], ticket: int | None
    ) -> Answer:
        known = tuple(limit.name for limit in limits)
        seconds = seconds_to_wait(claim, limits, self.now)
        if not seconds and self._is_behind(known, ticket):
            # Whoever is in front shows up or loses its turn.
            seconds = PATIENCE
        return Answer(seconds, known)

    def _is_behind(self, names: Sequence[str], ticket: int | None) -> bool:
        """Tell whether another process waits for one of the names since earlier."""
        for row in self._execute(self._sql["waiters"]).fetchall():
            if row["ticket"] == ticket:
                return False
            if set(names).isdisjoint(json.loads(row["names"])):
                continue
            seen = row["seen"]
            silent = abs(self.now - seen) > PATIENCE
            if not silent and not self._is_gone(row["process"], seen + PATIENCE):
                return True
            self.leave_queue(row["ticket"])
        return False

    def _note(self, claim: Claim, limits: Sequence[Limit]) -> None:
        """Write down that the claim was granted."""
        if claim.is_rate:
            for limit in limits:
                left = limit.spend(claim.slots, self.now)
                row = (left.spent, left.spent_at, limit.name)
                self._execute(self._sql["spend"], row)
            return
        expires, holder = self.now + claim.lasts, json.dumps(dict(claim.holder))
        taken = (claim.id, claim.slots, self._process, holder, self.now, expires)
        for limit in limits:
            self._execute(self._sql["lease"], (limit.name, *taken))
