"""Slots: what a concurrency limit allows, decided without a store or a clock."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any, Self

from nborch.exceptions import ConcurrencySlotAcquisitionError, InvalidDeclaration

__all__ = ["Claim", "Limit", "seconds_to_wait"]

#: What the arithmetic of decaying slots may be off by.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Limit:
    """A concurrency limit as it stands.

    >>> limit = Limit("external-api", slots=5, held=3)
    >>> limit.free(now=0.0), limit.seconds_until_free(2, now=0.0)
    (2.0, 0.0)

    Parameters
    ----------
    slots
        How many there are; none closes the limit until there are some again.
    decay
        Slots per second that `rate_limit` gives back by itself.
    held
        Slots that are in use now.
    spent, spent_at
        What `rate_limit` had taken, and not yet given back, at a time in seconds.
    """

    name: str
    slots: int
    decay: float = 0.0
    held: int = 0
    spent: float = 0.0
    spent_at: float = 0.0

    def __post_init__(self) -> None:
        if not self.name or not _is_count(self.slots, 0):
            raise InvalidDeclaration(
                f"The concurrency limit {self.name!r} cannot have {self.slots!r} "
                "slots. Give it a name and a whole number, 0 or more."
            )
        if not 0 <= self.decay < inf:
            raise InvalidDeclaration(
                f"The slots of {self.name!r} cannot decay at {self.decay!r} per "
                "second. Give a number, 0 or more."
            )

    def still_spent(self, now: float) -> float:
        """Return the slots that `rate_limit` has taken and not yet given back."""
        # A clock that was set back gives nothing back, and takes nothing away.
        return max(0.0, self.spent - self.decay * max(0.0, now - self.spent_at))

    def free(self, now: float) -> float:
        """Return how many slots can be taken now."""
        return self.slots - self.held - self.still_spent(now)

    def seconds_until_free(self, slots: int, now: float) -> float:
        """Return how long until so many slots are free by themselves.

        Infinity says that somebody must give slots back first.
        """
        short = slots - self.free(now)
        if short <= _ROUNDING:
            return 0.0
        if self.decay and self.held + slots <= self.slots:
            return short / self.decay
        return inf

    def spend(self, slots: int, now: float) -> Self:
        """Return the limit after `rate_limit` took so many slots."""
        return replace(self, spent=self.still_spent(now) + slots, spent_at=now)


@dataclass(frozen=True, slots=True)
class Claim:
    """So many slots of each of these limits: all of them or none.

    Parameters
    ----------
    id
        Names the slots in the store, once they are taken.
    is_rate
        The slots are not given back, they decay.
    strict
        Every name must be a limit; otherwise unknown names limit nothing.
    lasts
        Seconds that the slots stay taken where their process cannot be watched.
    owned
        The slots, by name, that whoever asks has already: while it waits it will
        not give them back.
    """

    id: str
    names: tuple[str, ...]
    slots: int = 1
    is_rate: bool = False
    strict: bool = False
    lasts: float = 300.0
    holder: Mapping[str, Any] = field(default_factory=dict)
    owner: object = None
    owned: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _is_count(self.slots, 1):
            raise InvalidDeclaration(
                f"Nobody can occupy {self.slots!r} slots. Give a whole number, 1 or "
                "more."
            )
        if not self.lasts > 0:
            raise InvalidDeclaration(
                f"A lease cannot last {self.lasts!r} seconds. Give a number above 0."
            )


def seconds_to_wait(claim: Claim, limits: Sequence[Limit], now: float) -> float:
    """Return 0 if the claim can be granted, else how long to wait for slots.

    >>> seconds_to_wait(Claim("1", ("api",)), [Limit("api", slots=5, held=5)], now=0.0)
    inf

    Parameters
    ----------
    limits
        Those of the claim's names that exist.

    Raises
    ------
    ConcurrencySlotAcquisitionError
        No waiting would help.
    """
    if claim.strict:
        _check_known(claim, {limit.name for limit in limits})
    for limit in limits:
        _check_possible(claim, limit)
    return max(
        (limit.seconds_until_free(claim.slots, now) for limit in limits), default=0
    )


def _check_known(claim: Claim, known: Collection[str]) -> None:
    for name in claim.names:
        if name not in known:
            raise ConcurrencySlotAcquisitionError(
                f"No concurrency limit is called {name!r}. Create it with: "
                f"nborch concurrency-limit create {name} {max(claim.slots, 5)}"
            )


def _check_possible(claim: Claim, limit: Limit) -> None:
    if claim.is_rate and not limit.decay:
        raise ConcurrencySlotAcquisitionError(
            f"The slots of the concurrency limit {limit.name!r} do not decay, so "
            "rate_limit() would never get them back. Let them with: nborch "
            f"concurrency-limit create {limit.name} {limit.slots} "
            "--slot-decay-per-second 1"
        )
    # NB. A limit of 0 is closed: it opens again, so waiting for it is no mistake.
    if not limit.slots or claim.slots + claim.owned.get(limit.name, 0) <= limit.slots:
        return
    if claim.slots > limit.slots:
        raise ConcurrencySlotAcquisitionError(
            f"The concurrency limit {limit.name!r} has {limit.slots} slots and "
            f"{claim.slots} were asked for, so waiting would not help. Occupy fewer, "
            "or raise the limit with: nborch concurrency-limit create "
            f"{limit.name} {claim.slots}"
        )
    raise ConcurrencySlotAcquisitionError(
        f"The code that asks for {claim.slots} slots of the concurrency limit "
        f"{limit.name!r} already holds {claim.owned[limit.name]} of its {limit.slots}: "
        "it would wait for itself. Ask once, outside, or raise the limit."
    )


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
