"""The fields of a cron expression: which values each allows, as the bits of a number.

Bit 5 of the minutes is set if minute 5 is allowed. Days that depend on the month, such
as the last one, are rules of their own, which say the day when they are told the month.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from nborch.exceptions import InvalidSchedule
from nborch.schedules.draws import draw

__all__ = [
    "DAY",
    "DAYS",
    "HOUR",
    "MINUTE",
    "MONTH",
    "MONTHS",
    "SECOND",
    "WEEKDAY",
    "DayRule",
    "Field",
    "FieldKind",
    "parse_field",
]

MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
DAYS = "SUN MON TUE WED THU FRI SAT".split()
EVERY_DAY = 127


@dataclass(frozen=True, slots=True)
class FieldKind:
    """One of the six fields: its name, its values, and names for these."""

    name: str
    low: int
    high: int
    example: str
    names: tuple[str, ...] = ()
    #: The highest value that ``H`` draws; each month has 28 days.
    highest_draw: int | None = None

    @property
    def size(self) -> int:
        """How many values there are."""
        return self.high - self.low + 1

    def wrong(self, text: str, reason: str) -> InvalidSchedule:
        """Return the error for a field of this kind."""
        return InvalidSchedule(
            f"the {self.name} {text!r} cannot be read: {reason}. {self.example}"
        )


SECOND = FieldKind("second", 0, 59, "For example '*/10 * * * * *': every 10 seconds.")
MINUTE = FieldKind("minute", 0, 59, "For example '*/15 * * * *': every 15 minutes.")
HOUR = FieldKind("hour", 0, 23, "For example '0 9-17 * * *': each hour from 9 to 17.")
DAY = FieldKind(
    "day of month",
    1,
    31,
    "For example '0 8 1,15 * *': at 8:00 on days 1 and 15.",
    highest_draw=28,
)
MONTH = FieldKind(
    "month",
    1,
    12,
    "For example '0 8 1 JAN-MAR *': at 8:00 on day 1 of January to March.",
    tuple(MONTHS),
)
WEEKDAY = FieldKind(
    "day of week",
    0,
    6,
    "For example '0 8 * * MON-FRI': at 8:00 on weekdays; Sunday is 0 or 7.",
    tuple(DAYS),
)


@dataclass(frozen=True, slots=True)
class DayRule:
    """A day of the month by a rule: ``L``, ``L-3``, ``LW``, ``15W``, ``5L``, ``5#2``.

    Parameters
    ----------
    text
        The rule as it stands in the field.
    words
        The rule in words.
    day
        Returns the day of a month from its first weekday (Sunday is 0) and its length,
        and 0 if that month has none.
    """

    text: str
    words: str
    day: Callable[[int, int], int]


@dataclass(frozen=True, slots=True)
class Field:
    """What one field allows."""

    kind: FieldKind
    text: str
    #: The values, a bit each.
    bits: int
    #: Days that depend on the month.
    rules: tuple[DayRule, ...] = ()

    @property
    def is_star(self) -> bool:
        """Whether it begins with a star, which Debian's cron goes by."""
        return self.text.startswith(("*", "?"))

    @property
    def is_full(self) -> bool:
        """Whether every value is allowed."""
        return self.bits.bit_count() == self.kind.size

    @property
    def values(self) -> list[int]:
        """The values that are allowed, without the rules."""
        most = self.bits.bit_length()
        return [value for value in range(most) if self.bits >> value & 1]


@lru_cache(maxsize=4096)
def parse_field(kind: FieldKind, text: str, seed: str = "") -> Field:
    """Return what the text of a field allows.

    >>> parse_field(HOUR, "9-17/4").values
    [9, 13, 17]
    >>> parse_field(WEEKDAY, "FRI-MON").values
    [0, 1, 5, 6]
    """
    bits = 0
    rules = []
    for item in text.split(","):
        if not item:
            raise kind.wrong(text, "there is an empty place between its commas")
        rule = _rule(kind, item)
        if rule is None:
            bits |= _bits(kind, item, seed)
        else:
            rules.append(rule)
    return Field(kind, text, bits, tuple(rules))


_HASH = re.compile(r"H(?:\((\d+)-(\d+)\))?")


def _bits(kind: FieldKind, item: str, seed: str) -> int:
    """Return the values of one item of a list."""
    values, slash, step_text = item.partition("/")
    step = _step(kind, item, step_text) if slash else 1
    if hashed := _HASH.fullmatch(values):
        return _drawn(kind, item, hashed, step if slash else None, seed)
    start, end = _range(kind, item, values, has_step=bool(slash))
    if start <= end:
        chosen = range(start, end + 1, step)
    else:
        # FRI-MON goes on at the beginning.
        chosen = range(start, end + kind.size + 1, step)
    bits = 0
    for value in chosen:
        bits |= 1 << (value if value <= kind.high else value - kind.size)
    return bits


def _step(kind: FieldKind, item: str, text: str) -> int:
    if not _is_number(text) or int(text) == 0:
        raise kind.wrong(item, f"the step {text!r} is no number from 1 on")
    step = int(text)
    if step > kind.size:
        hint = f" To count on from hour to hour, use '@every {step}m'"
        raise kind.wrong(
            item,
            f"a step of {step} is more than the {kind.size} values that there are."
            + (hint if kind is MINUTE else f" Use 1 to {kind.size}"),
        )
    return step


def _range(kind: FieldKind, item: str, text: str, *, has_step: bool) -> tuple[int, int]:
    """Return the first and last value; the last comes first where it wraps."""
    if text == "*" or (text == "?" and kind in (DAY, WEEKDAY)):
        return kind.low, kind.high
    first, dash, last = text.partition("-")
    start = _value(kind, item, first)
    if dash:
        end = _value(kind, item, last)
        if kind is WEEKDAY and first in ("0", "SUN") and last == "7":
            end = kind.high
        return start, end
    return start, kind.high if has_step else start


def _value(kind: FieldKind, item: str, text: str) -> int:
    if text in kind.names:
        return kind.names.index(text) + kind.low
    if not _is_number(text):
        if text[:1].isalpha() and kind.names:
            known = f"there is no {text!r}, only {', '.join(kind.names)}"
            raise kind.wrong(item, known)
        reason = f"{text!r} is no number" if text else "a number is missing"
        raise kind.wrong(item, reason)
    value = int(text)
    if kind is WEEKDAY and value == len(DAYS):
        return 0
    if not kind.low <= value <= kind.high:
        high = len(DAYS) if kind is WEEKDAY else kind.high
        raise kind.wrong(item, f"{value} is not between {kind.low} and {high}")
    return value


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _drawn(
    kind: FieldKind, item: str, hashed: re.Match[str], step: int | None, seed: str
) -> int:
    """Return a value, or each n-th from one on, that is drawn for the seed."""
    low, high = kind.low, kind.highest_draw or kind.high
    if hashed[1] is not None:
        low, high = _value(kind, item, hashed[1]), _value(kind, item, hashed[2])
        if low > high:
            raise kind.wrong(item, f"{low} is more than {high}")
    lot = draw(seed, kind.name)
    if step is None:
        return 1 << (low + lot % (high - low + 1))
    bits = 0
    for value in range(low + lot % min(step, high - low + 1), high + 1, step):
        bits |= 1 << value
    return bits


_LAST = re.compile(r"L(?:-(\d{1,2}))?")
_NEAREST = re.compile(r"(\d{1,2})W")
_LAST_WEEKDAY = re.compile(r"(\w+)L")
_NTH = re.compile(r"(\w+)#(\d+)")
_ORDINALS = ("", "first", "second", "third", "fourth", "fifth")


def _rule(kind: FieldKind, item: str) -> DayRule | None:
    """Return the rule that an item is, or None if it is plain values."""
    if kind is DAY:
        return _rule_of_days(item)
    if kind is WEEKDAY:
        return _rule_of_weekdays(item)
    return None


def _rule_of_days(item: str) -> DayRule | None:
    if item == "LW":
        words = "the last weekday (Monday to Friday) of the month"
        return DayRule(item, words, lambda first, length: _near(length, first, length))
    if found := _LAST.fullmatch(item):
        back = int(found[1] or 0)
        if back >= DAY.high:
            raise DAY.wrong(item, f"no month has a day {back} days before its last one")
        words = f"the day {back} days before the last" if back else "the last day"
        return DayRule(
            item, f"{words} of the month", lambda _, length: max(length - back, 0)
        )
    if found := _NEAREST.fullmatch(item):
        day = _value(DAY, item, found[1])
        return DayRule(
            item,
            f"the weekday (Monday to Friday) nearest to day {day} of the month",
            lambda first, length: _near(day, first, length) if day <= length else 0,
        )
    return None


def _near(day: int, first: int, length: int) -> int:
    """Return the Monday to Friday nearest to a day and in the same month."""
    weekday = (first + day - 1) % 7
    if weekday == DAYS.index("SAT"):
        return day - 1 if day > 1 else day + 2
    if weekday == DAYS.index("SUN"):
        return day + 1 if day < length else day - 2
    return day


def _rule_of_weekdays(item: str) -> DayRule | None:
    if item == "L":
        raise WEEKDAY.wrong(
            item,
            "it does not say which day. The last Friday of a month is '5L' or 'FRIL'",
        )
    if found := _LAST_WEEKDAY.fullmatch(item):
        weekday = _value(WEEKDAY, item, found[1])
        name = _day_name(weekday)
        return DayRule(
            item,
            f"the last {name} of the month",
            lambda first, length: length - (first + length - 1 - weekday) % 7,
        )
    if found := _NTH.fullmatch(item):
        weekday = _value(WEEKDAY, item, found[1])
        nth = int(found[2])
        if not 1 <= nth < len(_ORDINALS):
            raise WEEKDAY.wrong(item, f"a month has no day of the week {nth} times")
        return DayRule(
            item,
            f"the {_ORDINALS[nth]} {_day_name(weekday)} of the month",
            lambda first, length: _nth(weekday, nth, first, length),
        )
    return None


def _nth(weekday: int, nth: int, first: int, length: int) -> int:
    day = 1 + (weekday - first) % 7 + 7 * (nth - 1)
    return day if day <= length else 0


def _day_name(weekday: int) -> str:
    names = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
    return (*names, "Saturday")[weekday]
