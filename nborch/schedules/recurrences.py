"""Schedules by recurrence rule (RFC 5545): ``FREQ=MONTHLY;BYDAY=-1FR``.

The rules are worked out by dateutil, on wall times and from a date near the one that is
asked for: it counts from where a rule begins, which takes seconds after some years.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any, ClassVar, Self

from nborch.exceptions import InvalidSchedule, did_you_mean
from nborch.schedules.base import Schedule
from nborch.schedules.clocks import first_instant, moment, zone_name, zone_named
from nborch.schedules.notes import notes_on

__all__ = ["RRuleSchedule"]

EXAMPLE = "For example 'FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17': the last Friday at 17:00."
#: Where a rule begins that does not say it, as in Prefect.
BEGIN = datetime(2020, 1, 1)  # noqa: DTZ001  # a wall time
#: The frequencies that there are, and the days of their periods.
PERIODS = {"YEARLY": 366, "MONTHLY": 31, "WEEKLY": 7, "DAILY": 1}
FINER = {
    "HOURLY": "'0 * * * *' or interval=timedelta(hours=1)",
    "MINUTELY": "'* * * * *' or interval=timedelta(minutes=1)",
    "SECONDLY": "interval=timedelta(seconds=1)",
}
PARTS = (
    "FREQ INTERVAL COUNT UNTIL BYMONTH BYMONTHDAY BYYEARDAY BYWEEKNO BYDAY BYHOUR "
    "BYMINUTE BYSECOND BYSETPOS BYEASTER WKST"
).split()
#: A rule that ends after more times than these is a mistake.
MOST = 10_000
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RRuleSchedule(Schedule):
    """A schedule by a recurrence rule of calendars.

    >>> from datetime import UTC, datetime
    >>> payday = RRuleSchedule("FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17", "Europe/Berlin")
    >>> payday.next(datetime(2026, 11, 1, tzinfo=UTC)).isoformat()
    '2026-11-27T16:00:00+00:00'

    Parameters
    ----------
    rrule
        The rule, or lines with ``DTSTART``, ``RRULE``, ``RDATE`` and ``EXDATE``.
        A rule without ``DTSTART`` begins on 1 January 2020, as in Prefect.
    timezone
        IANA name of the zone whose clock counts; that of ``DTSTART`` if it has one,
        else UTC.
    """

    rrule: str
    timezone: str = "UTC"
    _zone: tzinfo = field(init=False, repr=False, compare=False)
    _rules: tuple["_Rule", ...] = field(init=False, repr=False, compare=False)
    _dates: tuple[datetime, ...] = field(init=False, repr=False, compare=False)
    _without: frozenset[datetime] = field(init=False, repr=False, compare=False)

    kind: ClassVar[str] = "rrule"

    def __init__(self, rrule: str, timezone: str | None = None) -> None:
        if not isinstance(rrule, str) or not rrule.strip():
            raise InvalidSchedule(
                f"The recurrence rule {rrule!r} is no text. {EXAMPLE}"
            )
        lines = [_split(rrule, line) for line in rrule.split("\n") if line.strip()]
        name = _zone_of(rrule, lines, timezone)
        zone = zone_named(name)
        keep = object.__setattr__
        keep(self, "rrule", rrule)
        keep(self, "timezone", name)
        keep(self, "_zone", zone)
        dates: dict[str, list[datetime]] = {"DTSTART": [], "RDATE": [], "EXDATE": []}
        for kind, _, value in lines:
            if kind in dates:
                dates[kind] += [_wall(rrule, each, zone) for each in value.split(",")]
        begin = (dates["DTSTART"] or [BEGIN])[0]
        rules = [
            _rule(rrule, v, begin, zone) for kind, _, v in lines if kind == "RRULE"
        ]
        keep(self, "_rules", tuple(rules))
        keep(self, "_dates", tuple(sorted(dates["RDATE"])))
        keep(self, "_without", frozenset(dates["EXDATE"]))
        if not rules and not dates["RDATE"]:
            raise InvalidSchedule(f"The text {rrule!r} has no rule. {EXAMPLE}")
        if self._following(min([begin, *dates["RDATE"]]) - DAY) is None:
            raise InvalidSchedule(
                f"The recurrence rule {rrule!r} has no times: no date fits all of it."
            )

    def next(self, after: datetime) -> datetime | None:
        """Return the first time later than `after`, in UTC; None if there is none."""
        after = moment(after)
        wall = after.astimezone(self._zone).replace(tzinfo=None, fold=0)
        while (following := self._following(wall)) is not None:
            begins = first_instant(following, self._zone)
            if begins is not None and begins > after:
                return begins
            wall = following
        return None

    def _following(self, wall: datetime) -> datetime | None:
        """Return the first wall time of the schedule that is later than `wall`."""
        while True:
            found = [rule.following(wall) for rule in self._rules]
            found += [date for date in self._dates if date > wall]
            first = min((each for each in found if each is not None), default=None)
            if first is None or first not in self._without:
                return first
            wall = first

    def explain(self) -> str:
        """Return the rule as it was given."""
        return f"By the rule {' '.join(self.rrule.split())}, {self.timezone}"

    def notes(self, after: datetime) -> list[str]:
        """Return what the clock changes of the year from `after` do to it."""
        return notes_on(self._zone, after, self._following, is_fixed=True)

    def to_json(self) -> dict[str, Any]:
        """Return what makes an equal schedule."""
        return {"kind": self.kind, "rrule": self.rrule, "timezone": self.timezone}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the schedule of a form."""
        return cls(values["rrule"], values["timezone"])


@dataclass(frozen=True, slots=True)
class _Rule:
    """One recurrence rule, without its end.

    A rule that ends after a number of times has all of them.
    """

    rule: Any
    begin: datetime
    frequency: str
    interval: int
    until: datetime | None
    counted: tuple[datetime, ...] | None

    def following(self, wall: datetime) -> datetime | None:
        """Return the first wall time of the rule that is later than `wall`."""
        if self.counted is not None:
            index = bisect_right(self.counted, wall)
            return self.counted[index] if index < len(self.counted) else None
        nearby = self.rule.replace(dtstart=self._nearby(wall))
        # NB. Before the rule begins, dateutil is asked from its own beginning.
        found: datetime | None = nearby.after(max(wall, self.begin - DAY))
        if found is None or (self.until is not None and found > self.until):
            return None
        return found

    def _nearby(self, wall: datetime) -> datetime:
        """Return a beginning of the same rule shortly before `wall`."""
        begin = self.begin
        if wall <= begin:
            return begin
        if self.frequency in ("DAILY", "WEEKLY"):
            step = timedelta(days=PERIODS[self.frequency] * self.interval)
            return begin + max((wall - begin) // step - 1, 0) * step
        if self.frequency == "MONTHLY":
            passed = (wall.year - begin.year) * 12 + wall.month - begin.month
            steps = max(passed // self.interval - 1, 0)
            month = begin.month - 1 + steps * self.interval
            year, month = begin.year + month // 12, month % 12 + 1
        else:
            steps = max((wall.year - begin.year) // self.interval - 1, 0)
            year, month = begin.year + steps * self.interval, 1
        # Nothing is left out at the very beginning.
        return (
            max(begin, begin.replace(year=year, month=month, day=1)) if steps else begin
        )


def _split(rrule: str, line: str) -> tuple[str, str, str]:
    """Return the name, the parameters and the value of a line."""
    line = line.strip().upper() if "TZID" not in line.upper() else line.strip()
    head, colon, value = line.partition(":")
    if not colon:
        head, value = "RRULE", line
    name, _, parameters = head.partition(";")
    if name.upper() == "EXRULE":
        raise InvalidSchedule(
            f"The rule {rrule!r} has an EXRULE, which calendars have given up. Use "
            "RRuleSchedule(...).excluding(RRuleSchedule(...))."
        )
    if name.upper() not in ("DTSTART", "RRULE", "RDATE", "EXDATE"):
        raise InvalidSchedule(
            f"The rule {rrule!r} has a line {line!r} that is none of DTSTART, RRULE, "
            f"RDATE and EXDATE. {EXAMPLE}"
        )
    return name.upper(), parameters, value


def _zone_of(rrule: str, lines: list[tuple[str, str, str]], given: str | None) -> str:
    """Return the name of the zone that is given, or that the lines name."""
    named = {
        parameter.partition("=")[2]
        for _, parameters, _ in lines
        for parameter in parameters.split(";")
        if parameter.upper().startswith("TZID=")
    }
    if given is not None:
        named.add(given)
    if len(named) > 1:
        raise InvalidSchedule(
            f"The rule {rrule!r} is given more than one time zone: "
            f"{', '.join(sorted(named))}. Give one."
        )
    return zone_name(named.pop()) if named else "UTC"


def _wall(rrule: str, text: str, zone: tzinfo) -> datetime:
    """Return the wall time of a date in a rule."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidSchedule(
            f"The rule {rrule!r} has {text!r} where a date should be. A date looks "
            "like 20270101T090000, or 20270101T080000Z in UTC."
        ) from None
    if found.tzinfo is not None:
        found = found.astimezone(zone).replace(tzinfo=None)
    return found


def _rule(rrule: str, value: str, begin: datetime, zone: tzinfo) -> _Rule:
    """Return one rule as read by dateutil."""
    try:
        from dateutil.rrule import rrulestr
    except ImportError:
        raise InvalidSchedule(
            "Recurrence rules need the package python-dateutil. Install it with: "
            "pip install python-dateutil"
        ) from None
    parts = _parts(rrule, value)
    until = parts.pop("UNTIL", None)
    count = parts.pop("COUNT", None)
    _derive(parts, begin)
    text = ";".join(f"{name}={part}" for name, part in parts.items())
    try:
        rule = rrulestr(text, dtstart=begin)
        interval = int(parts.get("INTERVAL", 1))
        most = None if count is None else int(count)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InvalidSchedule(
            f"The recurrence rule {rrule!r} cannot be read: {error}. {EXAMPLE}"
        ) from None
    if interval < 1 or (most is not None and not 1 <= most <= MOST):
        raise InvalidSchedule(
            f"In the recurrence rule {rrule!r}, INTERVAL must be from 1 on and COUNT "
            f"from 1 to {MOST}."
        )
    last = None
    if until is not None:
        last = _wall(rrule, until, zone)
        if "T" not in until:
            # A date means all of that day.
            last += DAY - timedelta(seconds=1)
    counted = None if most is None else _first(rule, most, last)
    return _Rule(rule, begin, parts["FREQ"], interval, last, counted)


def _first(rule: Any, count: int, last: datetime | None) -> tuple[datetime, ...]:
    times = (each for each, _ in zip(rule, range(count), strict=False))
    return tuple(each for each in times if last is None or each <= last)


def _parts(rrule: str, value: str) -> dict[str, str]:
    """Return the parts of a rule by name."""
    parts = {}
    for part in value.strip(";").split(";"):
        name, equals, text = part.strip().upper().partition("=")
        if name not in PARTS or not equals or not text:
            hint = did_you_mean(name, PARTS)
            raise InvalidSchedule(
                f"The recurrence rule {rrule!r} has a part {part!r} that is not known."
                f"{hint} {EXAMPLE}"
            )
        parts[name] = text
    frequency = parts.get("FREQ")
    if frequency in FINER:
        raise InvalidSchedule(
            f"The recurrence rule {rrule!r} is {frequency}. Rules are for days and "
            f"more; say this with {FINER[frequency]}, or with "
            "FREQ=DAILY;BYHOUR=9,12,15."
        )
    if frequency not in PERIODS:
        raise InvalidSchedule(
            f"The recurrence rule {rrule!r} needs a FREQ, one of "
            f"{', '.join(PERIODS)}. {EXAMPLE}"
        )
    return parts


def _derive(parts: dict[str, str], begin: datetime) -> None:
    """Say in the rule what it takes from the day of its beginning.

    Else it would take it from wherever it is begun later on.
    """
    days = {"BYDAY", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYEASTER"}
    if days & parts.keys():
        return
    if parts["FREQ"] == "YEARLY":
        parts.setdefault("BYMONTH", str(begin.month))
    if parts["FREQ"] in ("YEARLY", "MONTHLY"):
        parts["BYMONTHDAY"] = str(begin.day)
