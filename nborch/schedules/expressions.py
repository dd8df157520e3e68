"""Cron expressions: read, checked, and asked for the next wall time.

No time zones here: a wall time is what a clock on the wall shows, a naive `datetime`.
"""

import re
from calendar import monthrange
from dataclasses import dataclass, field
from datetime import MAXYEAR, date, datetime
from functools import lru_cache

from nborch.exceptions import InvalidSchedule, did_you_mean
from nborch.schedules.fields import (
    DAY,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    WEEKDAY,
    Field,
    parse_field,
)

__all__ = ["MACROS", "Expression", "parse_expression"]

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
EXAMPLE = "For example '0 8 * * 1-5': at 8:00 on weekdays."
_KINDS = (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY)
#: Multiplied with a week's bits, gives those of five weeks.
_WEEKS = 1 | 1 << 7 | 1 << 14 | 1 << 21 | 1 << 28
_FEBRUARY = 2
#: A time on a clock, without a time zone.
Wall = datetime
_LENGTHS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class Expression:
    """A cron expression that has been read.

    Parameters
    ----------
    both
        Whether a day must fit both of its fields; else either is enough.
    is_fixed
        Whether it names its times, by Debian cron's rule: neither minute nor hour
        begins with a star. Such times are not lost when a clock skips them, and do not
        come twice when it is put back.
    """

    second: Field
    minute: Field
    hour: Field
    day: Field
    month: Field
    weekday: Field
    both: bool
    is_fixed: bool
    first: tuple[int, int, int] = field(init=False)

    def __post_init__(self) -> None:
        fields = (self.hour, self.minute, self.second)
        first = tuple(_next_bit(each.bits, 0) for each in fields)
        object.__setattr__(self, "first", first)

    def following(self, wall: datetime) -> datetime | None:
        """Return the first wall time later than `wall`; None if there is none."""
        year, month, day = wall.year, wall.month, wall.day
        first_hour, first_minute, first_second = self.first
        days = self._days(year, month)
        if days >> day & 1:
            hour, minute = wall.hour, wall.minute
            hours, minutes = self.hour.bits, self.minute.bits
            if hours >> hour & 1:
                if minutes >> minute & 1:
                    second = _next_bit(self.second.bits, wall.second + 1)
                    if second >= 0:
                        return Wall(year, month, day, hour, minute, second)
                minute = _next_bit(minutes, minute + 1)
                if minute >= 0:
                    return Wall(year, month, day, hour, minute, first_second)
            hour = _next_bit(hours, hour + 1)
            if hour >= 0:
                return Wall(year, month, day, hour, first_minute, first_second)
        day = _next_bit(days, day + 1)
        while day < 0:
            month = _next_bit(self.month.bits, month + 1)
            if month < 0:
                month = _next_bit(self.month.bits, 1)
                year += 1
                if year > MAXYEAR:
                    return None
            day = _next_bit(self._days(year, month), 1)
        return Wall(year, month, day, first_hour, first_minute, first_second)

    def _days(self, year: int, month: int) -> int:
        """Return the days of a month, a bit each."""
        if not self.month.bits >> month & 1:
            return 0
        length = _LENGTHS[month] if month != _FEBRUARY else monthrange(year, month)[1]
        # Sunday is 0 here and 6 in Python.
        return self.days_of(date(year, month, 1).isoweekday() % 7, length)

    def days_of(self, first: int, length: int) -> int:
        """Return the days of a month by its first weekday and its length."""
        week = self.weekday.bits
        # The bit of the weekday that day 1 is goes to the right end.
        weekdays = ((week >> first | week << (7 - first)) & 127) * _WEEKS << 1
        days = self.day.bits
        for rule in self.weekday.rules:
            weekdays |= 1 << rule.day(first, length)
        for rule in self.day.rules:
            days |= 1 << rule.day(first, length)
        days = days & weekdays if self.both else days | weekdays
        # Bit 0 is that of rules that have no day in this month.
        return days & ((2 << length) - 2)


def _next_bit(bits: int, start: int) -> int:
    """Return the first bit that is set from `start` on, -1 if none is."""
    rest = bits >> start
    return start + (rest & -rest).bit_length() - 1 if rest else -1


@lru_cache(maxsize=1024)
def parse_expression(text: str, *, day_or: bool = True, seed: str = "") -> Expression:
    """Return a cron expression of five or six fields, or a macro, as read.

    >>> parse_expression("30 9-17/4 * * FRI").hour.values
    [9, 13, 17]

    Parameters
    ----------
    day_or
        Whether a day that fits either of the two day fields is enough, if neither
        begins with a star.
    seed
        What ``H`` is drawn for.
    """
    texts = _fields(text)
    try:
        fields = [
            parse_field(kind, part, seed)
            for kind, part in zip(_KINDS, texts, strict=True)
        ]
    except InvalidSchedule as error:
        raise InvalidSchedule(f"In the cron expression {text!r}, {error}") from None
    second, minute, hour, day, month, weekday = fields
    expression = Expression(
        second,
        minute,
        hour,
        day,
        month,
        weekday,
        both=not day_or or day.is_star or weekday.is_star,
        is_fixed=not (second.is_star or minute.is_star or hour.is_star),
    )
    if not _has_days(expression):
        raise InvalidSchedule(
            f"The cron expression {text!r} has no times: no month that {month.text!r} "
            f"allows has a day that fits the day of month {day.text!r}"
            + (
                "."
                if weekday.text in "*?"
                else f" and the day of week {weekday.text!r}."
            )
            + " The last day of a month is 'L': '0 8 L * *'."
        )
    return expression


def _fields(text: str) -> list[str]:
    """Return the texts of the six fields."""
    stripped = text.strip()
    if stripped.startswith("@"):
        return ["0", *_macro(stripped).split()]
    if "=" in stripped:
        raise InvalidSchedule(
            f"The cron expression {text!r} sets a variable. Give the time zone as "
            "an option: CronSchedule('0 8 * * *', timezone='Europe/Berlin')"
        )
    parts = stripped.upper().split()
    if len(parts) == len(_KINDS) - 1:
        return ["0", *parts]
    if len(parts) != len(_KINDS):
        raise InvalidSchedule(
            f"The cron expression {text!r} has {len(parts)} fields. It needs 5 of "
            "them: minute, hour, day of month, month, day of week; or 6, with the "
            f"second before these. {EXAMPLE}"
        )
    return parts


def _macro(text: str) -> str:
    if text.lower() in MACROS:
        return MACROS[text.lower()]
    if text.lower() == "@reboot":
        raise InvalidSchedule(
            "The cron expression '@reboot' names no time. Run it when the machine "
            "starts by a service of the system; once, right now, is "
            "At(datetime.now(UTC))."
        )
    known = [*MACROS, "@every 15m"]
    raise InvalidSchedule(
        f"There is no cron expression {text!r}.{did_you_mean(text, known)} "
        f"There are: {', '.join(known)}."
    )


def _has_days(expression: Expression) -> bool:
    """Tell whether some month of some year has a day that fits."""
    for month in expression.month.values:
        lengths = (28, 29) if month == _FEBRUARY else (_LENGTHS[month],)
        for length in lengths:
            # Each month begins on each day of the week in some year, and so does a
            # February of 29 days.
            if any(expression.days_of(first, length) for first in range(7)):
                return True
    return False


#: ``@every 15m``: counts on from midnight, which no field can say.
EVERY = re.compile(r"@every\s+(\S+)", re.IGNORECASE)
