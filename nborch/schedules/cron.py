"""Schedules by cron expression, with the rule of Debian's cron for clock changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, ClassVar, Self

from nborch.exceptions import InvalidSchedule
from nborch.schedules.base import Schedule
from nborch.schedules.clocks import (
    first_instant,
    instants,
    moment,
    repeated_from,
    zone_name,
    zone_named,
)
from nborch.schedules.expressions import EVERY, Expression, parse_expression
from nborch.schedules.intervals import IntervalSchedule
from nborch.schedules.notes import notes_on
from nborch.schedules.words import expression_in_words

__all__ = ["CronSchedule"]

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class CronSchedule(Schedule):
    """A schedule by a cron expression: ``0 8 * * 1-5`` is 8:00 on weekdays.

    >>> from datetime import UTC, datetime
    >>> mornings = CronSchedule("0 8 * * 1-5", timezone="Europe/Berlin")
    >>> mornings.explain()
    'At 08:00 on Monday to Friday, Europe/Berlin'
    >>> mornings.next(datetime(2026, 11, 20, 12, tzinfo=UTC)).isoformat()
    '2026-11-23T07:00:00+00:00'

    The fields are minute, hour, day of month, month and day of week. With six, the
    first is the second. Each is a list of numbers, ranges (``9-17``, ``FRI-MON``) and
    steps (``*/15``). Days may also be ``L`` (the last one), ``L-3``, ``LW`` (the last
    weekday), ``15W`` (the weekday nearest to it), ``5L`` (the last Friday) and
    ``5#2`` (the second Friday). ``H`` is a value drawn for each deployment. There are
    ``@hourly``, ``@daily``, ``@weekly``, ``@monthly``, ``@yearly`` and ``@every 15m``.

    When a clock skips hours, what names its times (``30 2 * * *``) begins right after;
    when hours come twice, it begins in the first of them. What begins its minute or
    hour with a star (``*/15 * * * *``) goes by what the clock shows.

    Parameters
    ----------
    timezone
        IANA name of the zone whose clock counts.
    day_or
        If both day fields are restricted, whether a day that fits either is enough,
        as in cron. A field that begins with a star does not restrict.
    seed
        What ``H`` is drawn for: the name of the deployment.
    """

    cron: str
    timezone: str = "UTC"
    day_or: bool = field(default=True, repr=False)
    seed: str = field(default="", repr=False)
    _expression: Expression | None = field(init=False, repr=False, compare=False)
    _every: IntervalSchedule | None = field(init=False, repr=False, compare=False)
    _zone: tzinfo = field(init=False, repr=False, compare=False)

    kind: ClassVar[str] = "cron"

    def __post_init__(self) -> None:
        keep = object.__setattr__
        if not isinstance(self.cron, str):
            raise InvalidSchedule(
                f"The cron expression {self.cron!r} is no text. For example "
                "'0 8 * * 1-5': at 8:00 on weekdays."
            )
        if self.timezone is None:
            keep(self, "timezone", "UTC")
        elif self.timezone != "UTC":
            keep(self, "timezone", zone_name(self.timezone))
        keep(self, "_zone", zone_named(self.timezone))
        every = EVERY.fullmatch(self.cron.strip()) if "@" in self.cron else None
        if every:
            keep(self, "_every", IntervalSchedule(every[1], timezone=self.timezone))
            keep(self, "_expression", None)
            return
        expression = parse_expression(self.cron, day_or=self.day_or, seed=self.seed)
        keep(self, "_expression", expression)
        keep(self, "_every", None)

    def next(self, after: datetime) -> datetime | None:
        """Return the first time later than `after`, in UTC; None if there is none."""
        after = moment(after)
        expression, zone = self._expression, self._zone
        if expression is None:
            return self._every.next(after) if self._every else None
        if zone is UTC:
            wall = expression.following(after.replace(tzinfo=None))
            return None if wall is None else wall.replace(tzinfo=UTC)
        local = after.astimezone(zone)
        found = self._next(local.replace(tzinfo=None, fold=0), after)
        if not expression.is_fixed and (again := repeated_from(local)):
            # Wall times that have passed will come once more.
            found = _earlier(found, self._next(again - _SECOND, after))
        return found

    def _next(self, wall: datetime, after: datetime) -> datetime | None:
        """Return the first time later than `after` whose wall time is after `wall`."""
        expression, zone = self._expression, self._zone
        following: datetime | None = wall
        while expression and following:
            following = expression.following(following)
            if following is None:
                break
            if expression.is_fixed:
                begins = first_instant(following, zone)
                if begins is not None and begins > after:
                    return begins
                continue
            for begins in instants(following, zone):
                if begins > after:
                    return begins
        return None

    def explain(self) -> str:
        """Return the schedule in words."""
        if self._every is not None:
            return self._every.explain()
        if self._expression is None:
            return self.cron
        return f"{expression_in_words(self._expression)}, {self.timezone}"

    def notes(self, after: datetime) -> list[str]:
        """Return what the clock changes of the year from `after` do to it."""
        expression = self._expression
        if expression is None:
            return self._every.notes(after) if self._every else []
        if not expression.is_fixed and expression.hour.is_full:
            # It goes on and on.
            return []
        return notes_on(
            self._zone, after, expression.following, is_fixed=expression.is_fixed
        )

    def seeded(self, name: str) -> Schedule:
        """Return the schedule with each ``H`` in it drawn for this name."""
        return replace(self, seed=name) if "H" in self.cron.upper() else self

    def to_json(self) -> dict[str, Any]:
        """Return what makes an equal schedule."""
        form: dict[str, Any] = {
            "kind": self.kind,
            "cron": self.cron,
            "timezone": self.timezone,
        }
        if not self.day_or:
            form["day_or"] = False
        if self.seed:
            form["seed"] = self.seed
        return form

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the schedule of a form."""
        return cls(
            values["cron"],
            values["timezone"],
            day_or=values.get("day_or", True),
            seed=values.get("seed", ""),
        )


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((each for each in (one, other) if each is not None), default=None)
