"""Schedules: the times at which something is due, and sets of them.

A schedule is a plain value without a clock: it is asked which time comes next after
one that it is given. All times that it returns are in UTC.

>>> from datetime import UTC, datetime
>>> from nborch.schedules import CronSchedule
>>> mornings = CronSchedule("0 8 * * 1-5", timezone="Europe/Berlin")
>>> mornings.next(datetime(2026, 11, 20, 12, tzinfo=UTC)).isoformat()
'2026-11-23T07:00:00+00:00'
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from typing import Any, ClassVar, Self

from nborch.exceptions import InvalidSchedule
from nborch.schedules.clocks import local_day_end, moment, zone_named

__all__ = ["AnyOf", "Excluding", "Schedule", "schedule_from_json"]

#: How many times in a row may be excluded before a schedule counts as over.
PATIENCE = 100_000
#: The same for a schedule that is being declared.
PATIENCE_AT_FIRST = 10_000
#: From when a declared schedule must have a time.
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)

_KINDS: dict[str, type["Schedule"]] = {}
#: Where the other kinds are, that are loaded when one is stored somewhere.
_MODULES = ("cron", "intervals", "moments", "plans", "recurrences")


class Schedule(ABC):
    """When something is due: a cron expression, an interval, a rule or a set of them.

    >>> from nborch.schedules import CronSchedule, IntervalSchedule
    >>> both = CronSchedule("0 8 * * *") | IntervalSchedule(3600)
    >>> quiet = both.excluding("2026-12-24", "2026-12-25")
    """

    __slots__ = ()

    #: What it is called in JSON.
    kind: ClassVar[str] = ""
    #: IANA name of the time zone that its days and hours are in.
    timezone: str
    #: Whether it says more than times, so that it joins others in its own way.
    is_plan: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.kind:
            # A dataclass with slots is made twice; the second one stands.
            _KINDS[cls.kind] = cls

    @abstractmethod
    def next(self, after: datetime) -> datetime | None:
        """Return the first time later than `after`, in UTC; None if there is none.

        Parameters
        ----------
        after
            Any aware time; a naive one is refused.
        """

    @abstractmethod
    def explain(self) -> str:
        """Return the schedule in words: ``At 08:00 on Monday, Europe/Berlin``."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return what `schedule_from_json` makes an equal schedule of."""

    @classmethod
    @abstractmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the schedule that was turned into these values."""

    def notes(self, after: datetime) -> list[str]:
        """Return what the clock changes of the year from `after` do to it."""
        del after
        return []

    def seeded(self, name: str) -> "Schedule":
        """Return the schedule with each ``H`` in it drawn for this name.

        A deployment gives its own name, so that many deployments that say
        ``H 3 * * *`` do not begin at the same minute.
        """
        del name
        return self

    def times(self, after: datetime, count: int) -> list[datetime]:
        """Return the next `count` times later than `after`, or as many as there are."""
        found: list[datetime] = []
        while len(found) < count and (following := self.next(after)) is not None:
            found.append(following)
            after = following
        return found

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Yield the times from `start` on and before `end`."""
        end = moment(end)
        following = self.next(moment(start) - _TICK)
        while following is not None and following < end:
            yield following
            following = self.next(following)

    def excluding(self, *what: "Schedule | date | str") -> "Schedule":
        """Return the schedule without some of its times.

        >>> from nborch.schedules import CronSchedule
        >>> closed = CronSchedule("* * 24-26 12 *", timezone="Europe/Berlin")
        >>> daily = CronSchedule("0 8 * * *", timezone="Europe/Berlin")
        >>> daily.excluding(closed, "2027-01-01").explain()
        'At 08:00 every day, Europe/Berlin, but not on 2027-01-01 or when it is every \
minute on days 24 to 26 of the month in December, Europe/Berlin'

        Parameters
        ----------
        what
            Days, as dates or texts like ``"2026-12-24"``, in the schedule's time
            zone; and schedules, whose times are left out.
        """
        schedules = tuple(each for each in what if isinstance(each, Schedule))
        days = frozenset(_day(each) for each in what if not isinstance(each, Schedule))
        return Excluding(self, schedules, days)

    def __or__(self, other: "Schedule") -> "Schedule":
        if not isinstance(other, Schedule) or other.is_plan:
            return NotImplemented
        return AnyOf((*_parts(self), *_parts(other)))


@dataclass(frozen=True, slots=True)
class AnyOf(Schedule):
    """The times of several schedules; one that several have counts once.

    >>> from nborch.schedules import CronSchedule
    >>> (CronSchedule("0 8 * * *") | CronSchedule("30 12 * * *")).explain()
    'At 08:00 every day, UTC; at 12:30 every day, UTC'
    """

    schedules: tuple[Schedule, ...]

    kind: ClassVar[str] = "any_of"

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedules", tuple(self.schedules))
        if not self.schedules:
            raise InvalidSchedule("A union of schedules needs at least one of them.")

    @property
    def timezone(self) -> str:  # type: ignore[override]  # of its parts, not its own
        """The time zone of the first."""
        return self.schedules[0].timezone

    def next(self, after: datetime) -> datetime | None:
        """Return the first time of any of them that is later than `after`."""
        found = (each.next(after) for each in self.schedules)
        return min((each for each in found if each is not None), default=None)

    def explain(self) -> str:
        """Return all of them in words."""
        first, *rest = (each.explain() for each in self.schedules)
        return "; ".join([first, *(each[0].lower() + each[1:] for each in rest)])

    def notes(self, after: datetime) -> list[str]:
        """Return the notes of each, once."""
        notes = [note for each in self.schedules for note in each.notes(after)]
        return list(dict.fromkeys(notes))

    def seeded(self, name: str) -> Schedule:
        """Return the union of the seeded schedules."""
        return AnyOf(tuple(each.seeded(name) for each in self.schedules))

    def to_json(self) -> dict[str, Any]:
        """Return the forms of all of them."""
        return {"kind": self.kind, "schedules": [s.to_json() for s in self.schedules]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the union of the schedules in a form."""
        return cls(tuple(schedule_from_json(each) for each in values["schedules"]))


@dataclass(frozen=True, slots=True)
class Excluding(Schedule):
    """The times of a schedule that are on no excluded day and no other schedule's."""

    schedule: Schedule
    excluded: tuple[Schedule, ...] = ()
    days: frozenset[date] = frozenset()

    kind: ClassVar[str] = "excluding"

    def __post_init__(self) -> None:
        if (
            self._next(BEGIN, PATIENCE_AT_FIRST)
            is None
            is not self.schedule.next(BEGIN)
        ):
            raise InvalidSchedule(
                f"Nothing is left of the schedule {self.schedule.explain()!r} without "
                "the times that are excluded. Exclude fewer of them."
            )

    @property
    def timezone(self) -> str:  # type: ignore[override]  # of its part, not its own
        """The time zone of the schedule that it leaves times out of."""
        return self.schedule.timezone

    def next(self, after: datetime) -> datetime | None:
        """Return the first time later than `after` that is not excluded."""
        return self._next(after, PATIENCE)

    def _next(self, after: datetime, patience: int) -> datetime | None:
        zone = zone_named(self.timezone)
        for _ in range(patience):
            found = self.schedule.next(after)
            if found is None:
                return None
            if self.days and found.astimezone(zone).date() in self.days:
                # A day has up to 86,400 times.
                after = local_day_end(found, zone) - _TICK
            elif any(each.next(found - _TICK) == found for each in self.excluded):
                after = found
            else:
                return found
        return None

    def explain(self) -> str:
        """Return the schedule in words, and what is left out."""
        days = [f"on {_listed([day.isoformat() for day in sorted(self.days)])}"]
        others = [each.explain() for each in self.excluded]
        parts = (days if self.days else []) + [
            f"when it is {each[0].lower()}{each[1:]}" for each in others
        ]
        return f"{self.schedule.explain()}, but not {_listed(parts)}"

    def notes(self, after: datetime) -> list[str]:
        """Return the notes of the schedule."""
        return self.schedule.notes(after)

    def seeded(self, name: str) -> Schedule:
        """Return the seeded schedule without the same times."""
        return Excluding(self.schedule.seeded(name), self.excluded, self.days)

    def to_json(self) -> dict[str, Any]:
        """Return the forms of the schedule and of what is excluded."""
        return {
            "kind": self.kind,
            "schedule": self.schedule.to_json(),
            "excluded": [each.to_json() for each in self.excluded],
            "days": [day.isoformat() for day in sorted(self.days)],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the schedule of a form."""
        return cls(
            schedule_from_json(values["schedule"]),
            tuple(schedule_from_json(each) for each in values["excluded"]),
            frozenset(map(date.fromisoformat, values["days"])),
        )


def schedule_from_json(values: Mapping[str, Any]) -> Schedule:
    """Return the schedule whose `to_json` returned these values.

    >>> from nborch.schedules import CronSchedule
    >>> schedule_from_json(CronSchedule("@daily").to_json())
    CronSchedule(cron='@daily', timezone='UTC')
    """
    kind = values.get("kind", "")
    if kind not in _KINDS:
        for name in _MODULES:
            import_module(f"nborch.schedules.{name}")
    if kind not in _KINDS:
        raise InvalidSchedule(
            f"There is no kind of schedule named {kind!r}, only "
            f"{_listed(sorted(_KINDS))}. Was it stored by a newer nborch?"
        )
    return _KINDS[kind].from_json(values)


def _parts(schedule: Schedule) -> tuple[Schedule, ...]:
    return schedule.schedules if isinstance(schedule, AnyOf) else (schedule,)


def _day(given: date | str) -> date:
    if isinstance(given, datetime):
        raise InvalidSchedule(
            f"Whole days are excluded, and {given.isoformat()!r} is a time. Exclude "
            "a single time with: schedule.excluding(At(time))"
        )
    if isinstance(given, date):
        return given
    try:
        return date.fromisoformat(given)
    except (TypeError, ValueError):
        raise InvalidSchedule(
            f"{given!r} is neither a day nor a schedule, so it cannot be excluded. "
            "A day looks like '2026-12-24'."
        ) from None


def _listed(words: list[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
