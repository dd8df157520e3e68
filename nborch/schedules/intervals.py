"""Schedules by interval: every so often, counted from a fixed time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, ClassVar, Self

from nborch.exceptions import InvalidSchedule
from nborch.schedules.base import Schedule
from nborch.schedules.clocks import (
    changes,
    first_instant,
    moment,
    zone_name,
    zone_named,
)
from nborch.schedules.durations import duration, every_in_words
from nborch.schedules.notes import notes_on

__all__ = ["IntervalSchedule"]

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
YEAR = timedelta(days=366)
LEAST = timedelta(milliseconds=100)
#: Where intervals are counted from: a Monday, at midnight in the time zone.
ANCHOR = datetime(2024, 1, 1)  # noqa: DTZ001  # a wall time


@dataclass(frozen=True, slots=True)
class IntervalSchedule(Schedule):
    """A time every so often: ``anchor + n * interval``, for every whole n.

    >>> from datetime import UTC, datetime, timedelta
    >>> often = IntervalSchedule(timedelta(hours=6))
    >>> often.next(datetime(2026, 11, 23, 8, tzinfo=UTC)).isoformat()
    '2026-11-23T12:00:00+00:00'

    Whole days keep the local time of day when clocks change. Everything else counts
    the time that has passed.

    Parameters
    ----------
    interval
        A `timedelta`, seconds, or a text like ``"1h30m"``.
    anchor_date
        One of the times. Not given, it is Monday, 1 January 2024, at midnight in the
        time zone, so that a restart does not move the others.
    timezone
        IANA name of the zone whose days and anchor are meant; the anchor's if it has
        one, else UTC.
    """

    interval: timedelta
    anchor_date: datetime = ANCHOR
    timezone: str = "UTC"
    _zone: tzinfo = field(init=False, repr=False, compare=False)
    _anchor: datetime = field(init=False, repr=False, compare=False)

    kind: ClassVar[str] = "interval"

    def __init__(
        self,
        interval: timedelta | float | str,
        anchor_date: datetime | str | None = None,
        timezone: str | None = None,
    ) -> None:
        span = duration(interval, "interval")
        if span < LEAST:
            raise InvalidSchedule(
                f"The interval {interval!r} is shorter than a tenth of a second. Give "
                "a longer one, such as timedelta(minutes=15)."
            )
        anchor = _anchor(anchor_date)
        if timezone is None:
            timezone = getattr(anchor.tzinfo, "key", None)
        name = "UTC" if timezone is None else zone_name(timezone)
        zone = zone_named(name)
        if anchor.tzinfo is not None:
            anchor = anchor.astimezone(zone).replace(tzinfo=None)
        begins = first_instant(anchor, zone)
        keep = object.__setattr__
        keep(self, "interval", span)
        keep(self, "anchor_date", anchor)
        keep(self, "timezone", name)
        keep(self, "_zone", zone)
        keep(self, "_anchor", begins or anchor.replace(tzinfo=zone).astimezone(UTC))

    @property
    def keeps_clock(self) -> bool:
        """Whether it keeps the local time of day, being of whole days."""
        return not self.interval % DAY

    def next(self, after: datetime) -> datetime | None:
        """Return the first time later than `after`, in UTC."""
        after = moment(after)
        try:
            if not self.keeps_clock or self._zone is UTC:
                steps = (after - self._anchor) // self.interval + 1
                return self._anchor + steps * self.interval
            wall = after.astimezone(self._zone).replace(tzinfo=None, fold=0)
            while True:
                wall = self._following(wall)
                begins = first_instant(wall, self._zone)
                if begins is not None and begins > after:
                    return begins
        except OverflowError:
            # Beyond the year 9999.
            return None

    def _following(self, wall: datetime) -> datetime:
        """Return the first wall time of the schedule that is later than `wall`."""
        steps = (wall - self.anchor_date) // self.interval + 1
        return self.anchor_date + steps * self.interval

    def explain(self) -> str:
        """Return the schedule in words."""
        every = every_in_words(self.interval)
        if self.keeps_clock:
            at = f"at {self.anchor_date:%H:%M}"
            if not self.interval % (7 * DAY):
                at += f" on a {self.anchor_date:%A}"
            return f"{every} {at}, {self.timezone}"
        if not DAY % self.interval and self.anchor_date == ANCHOR:
            return f"{every}, {self.timezone}"
        return f"{every} from {self.anchor_date:%Y-%m-%d %H:%M} on, {self.timezone}"

    def notes(self, after: datetime) -> list[str]:
        """Return what the clock changes of the year from `after` do to it."""
        if self.keeps_clock:
            return notes_on(self._zone, after, self._following, is_fixed=True)
        for change in changes(self._zone, after, after + YEAR):
            if not abs(change.wall_after - change.wall_before) % self.interval:
                continue
            day = f"{change.wall_after:%-d %B %Y}"
            return [f"It counts elapsed time: at other times of day from {day} on."]
        return []

    def to_json(self) -> dict[str, Any]:
        """Return what makes an equal schedule."""
        return {
            "kind": self.kind,
            "interval": self.interval.total_seconds(),
            "anchor_date": self.anchor_date.isoformat(),
            "timezone": self.timezone,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the schedule of a form."""
        anchor = datetime.fromisoformat(values["anchor_date"])
        return cls(values["interval"], anchor, values["timezone"])


def _anchor(given: object) -> datetime:
    if given is None:
        return ANCHOR
    if isinstance(given, str):
        try:
            return datetime.fromisoformat(given)
        except ValueError:
            pass
    if not isinstance(given, datetime):
        raise InvalidSchedule(
            f"The anchor_date {given!r} is no time. Give one like "
            "datetime(2026, 1, 1, 8, 30)."
        )
    return given
