"""Schedules of single times."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self

from nborch.exceptions import InvalidSchedule
from nborch.schedules.base import Schedule
from nborch.schedules.clocks import first_instant, moment, zone_name, zone_named

__all__ = ["At"]

#: So many times are told.
FEW = 3


@dataclass(frozen=True, slots=True)
class At(Schedule):
    """Single times, each of which comes once.

    >>> from datetime import UTC, datetime
    >>> once = At("2027-01-01 09:00", timezone="Europe/Berlin")
    >>> once.explain()
    'At 2027-01-01 09:00, Europe/Berlin'
    >>> once.times(datetime(2026, 1, 1, tzinfo=UTC), 5)
    [datetime.datetime(2027, 1, 1, 8, 0, tzinfo=datetime.timezone.utc)]

    Parameters
    ----------
    moments
        A time or several, as `datetime` or text. Those without a time zone are of
        `timezone`.
    timezone
        IANA name of a time zone; needed for times that have none.
    """

    moments: tuple[datetime, ...]
    timezone: str = "UTC"

    kind: ClassVar[str] = "at"

    def __init__(
        self,
        moments: datetime | str | Iterable[datetime | str],
        timezone: str | None = None,
    ) -> None:
        given = [moments] if isinstance(moments, datetime | str) else list(moments)
        if not given:
            raise InvalidSchedule(
                "A schedule of single times needs one. For example "
                "At('2027-01-01 09:00', timezone='Europe/Berlin')."
            )
        name = None if timezone is None else zone_name(timezone)
        found = sorted({_moment(each, name) for each in given})
        object.__setattr__(self, "moments", tuple(found))
        object.__setattr__(self, "timezone", name or "UTC")

    def next(self, after: datetime) -> datetime | None:
        """Return the first of the times later than `after`, in UTC."""
        index = bisect_right(self.moments, moment(after))
        return self.moments[index] if index < len(self.moments) else None

    def explain(self) -> str:
        """Return the times."""
        zone = zone_named(self.timezone)
        told = [f"{each.astimezone(zone):%Y-%m-%d %H:%M}" for each in self.moments]
        if len(told) > FEW:
            told[FEW:] = [f"{len(told) - FEW} more"]
        *first, last = told
        times = f"{', '.join(first)} and {last}" if first else last
        return f"At {times}, {self.timezone}"

    def to_json(self) -> dict[str, Any]:
        """Return what makes an equal schedule."""
        return {
            "kind": self.kind,
            "moments": [each.isoformat() for each in self.moments],
            "timezone": self.timezone,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the schedule of a form."""
        return cls(values["moments"], values["timezone"])


def _moment(given: object, zone: str | None) -> datetime:
    if isinstance(given, str):
        try:
            given = datetime.fromisoformat(given)
        except ValueError:
            raise InvalidSchedule(
                f"{given!r} is no time. A time looks like '2027-01-01 09:00'."
            ) from None
    if not isinstance(given, datetime):
        raise InvalidSchedule(
            f"{given!r} is no time. Give one like datetime(2027, 1, 1, 9, tzinfo=UTC)."
        )
    if given.utcoffset() is not None:
        return moment(given)
    if zone is None:
        raise InvalidSchedule(
            f"The time {given.isoformat(' ')!r} has no time zone. Say which is meant: "
            f"At({given.isoformat(' ', 'minutes')!r}, timezone='Europe/Berlin')"
        )
    begins = first_instant(given, zone_named(zone))
    return begins or moment(given.replace(tzinfo=zone_named(zone)))
