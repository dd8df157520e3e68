"""Local clocks: time zones, the hours that they skip and those that come twice."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from nborch.exceptions import InvalidSchedule, did_you_mean

__all__ = [
    "ClockChange",
    "changes",
    "first_instant",
    "instants",
    "local_day_end",
    "moment",
    "repeated_from",
    "zone_name",
    "zone_named",
]

_SECOND = timedelta(seconds=1)
#: Debian's cron takes a larger change for a correction of the clock.
MOST = timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class ClockChange:
    """A change of a zone's clock: at `at` it goes from one wall time to another."""

    #: In UTC.
    at: datetime
    #: What the clock would have shown.
    wall_before: datetime
    #: What it shows.
    wall_after: datetime

    @property
    def is_forward(self) -> bool:
        """Whether wall times are skipped; else some come twice."""
        return self.wall_after > self.wall_before


def moment(given: datetime) -> datetime:
    """Return a time in UTC; one without a time zone is refused."""
    if given.tzinfo is UTC:
        return given
    if given.utcoffset() is None:
        raise InvalidSchedule(
            f"The time {given.isoformat()!r} has no time zone, so it is not known when "
            "it is. Say one: datetime(..., tzinfo=UTC)"
        )
    return given.astimezone(UTC)


@lru_cache(maxsize=1024)
def zone_named(name: str) -> tzinfo:
    """Return the time zone of an IANA name.

    >>> zone_named("Europe/Berlin")
    zoneinfo.ZoneInfo(key='Europe/Berlin')
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        known = available_timezones()
        if not known:
            raise InvalidSchedule(
                f"The time zone {name!r} cannot be used, since this machine has no "
                "time zone data. Install it with: pip install tzdata"
            ) from None
        raise InvalidSchedule(
            f"There is no time zone {name!r}.{_hint(name, known)} Zones are named like "
            "'Europe/Berlin' or 'UTC'."
        ) from None


def _hint(name: str, known: set[str]) -> str:
    """Return the zone that was meant, also if only its town was named."""
    wanted = name.lower().replace(" ", "_")
    for zone in sorted(known):
        if wanted in (zone.lower(), zone.lower().rpartition("/")[2]):
            return f" Did you mean {zone!r}?"
    return did_you_mean(name, known)


def zone_name(given: object) -> str:
    """Return the name of a time zone that exists, from a name or a `ZoneInfo`."""
    name = str(given) if isinstance(given, tzinfo) else given
    if not isinstance(name, str) or not name:
        raise InvalidSchedule(
            f"The time zone {given!r} is not a name. Zones are named like "
            "'Europe/Berlin' or 'UTC'."
        )
    zone_named(name)
    return name


def instants(wall: datetime, zone: tzinfo) -> tuple[datetime, ...]:
    """Return when a clock shows a wall time: once, never, or twice, in UTC."""
    first = wall.replace(tzinfo=zone, fold=0)
    second = first.replace(fold=1)
    before, after = first.utcoffset(), second.utcoffset()
    if before == after:
        return (first.astimezone(UTC),)
    if before is None or after is None or before < after:
        return ()
    return first.astimezone(UTC), second.astimezone(UTC)


def first_instant(wall: datetime, zone: tzinfo) -> datetime | None:
    """Return when what is due at a wall time begins, by the rule of Debian's cron.

    That is when the clock first shows it. If the clock skips it, that is at once after
    it was changed, unless it skips three hours or more: then it is never.
    """
    aware = wall.replace(tzinfo=zone, fold=0)
    later = aware.replace(fold=1)
    before, after = aware.utcoffset(), later.utcoffset()
    if before is None or after is None or before >= after:
        return aware.astimezone(UTC)
    if after - before >= MOST:
        return None
    # The two readings of a time that does not exist lie around the change.
    return _change(zone, later.astimezone(UTC), aware.astimezone(UTC))


def repeated_from(local: datetime) -> datetime | None:
    """Return where the clock will go back to, if it will show `local` once more.

    The wall time, without a time zone; None if `local` comes once or for the second
    time.
    """
    zone = local.tzinfo
    if local.fold or zone is None:
        return None
    before, after = local.utcoffset(), local.replace(fold=1).utcoffset()
    if before is None or after is None or before <= after:
        return None
    now = local.astimezone(UTC)
    change = _change(zone, now, now + (before - after))
    return change.astimezone(zone).replace(tzinfo=None, fold=0)


def _change(zone: tzinfo, low: datetime, high: datetime) -> datetime:
    """Return when between two times the clock is changed, to the second."""
    low = low.replace(microsecond=0)
    offset = low.astimezone(zone).utcoffset()
    while high - low > _SECOND:
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high


def changes(zone: tzinfo, start: datetime, end: datetime) -> Iterator[ClockChange]:
    """Yield the changes of a zone's clock between two times."""
    step = timedelta(days=1)
    low = start.astimezone(UTC).replace(microsecond=0)
    while low < end:
        high = low + step
        before = low.astimezone(zone).utcoffset()
        if before is not None and high.astimezone(zone).utcoffset() != before:
            at = _change(zone, low, high)
            wall = at.astimezone(zone).replace(tzinfo=None, fold=0)
            yield ClockChange(at, at.replace(tzinfo=None) + before, wall)
        low = high


def local_day_end(at: datetime, zone: tzinfo) -> datetime:
    """Return when the local day of a time ends, in UTC."""
    day = at.astimezone(zone).replace(
        tzinfo=None, hour=0, minute=0, second=0, microsecond=0, fold=0
    )
    end = first_instant(day + timedelta(days=1), zone)
    return end or at + timedelta(days=1)
