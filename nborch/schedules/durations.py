"""Durations: read from what people write, and told in words."""

import re
from datetime import timedelta

from nborch.exceptions import InvalidSchedule

__all__ = ["duration", "every_in_words", "in_words"]

_UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_WORDS = {86_400: "day", 3_600: "hour", 60: "minute"}
_PART = re.compile(r"(\d+(?:\.\d+)?)([wdhms])")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")


def duration(given: object, what: str = "duration") -> timedelta:
    """Return a duration that was given as one, in seconds, or as a text.

    >>> duration("1h30m")
    datetime.timedelta(seconds=5400)
    >>> duration(90) == duration("90s")
    True

    Parameters
    ----------
    given
        A `timedelta`, seconds, or numbers with the units ``w d h m s``.
    what
        What an error calls it.
    """
    if isinstance(given, timedelta):
        return given
    try:
        if isinstance(given, str) and _WHOLE.fullmatch(given.strip()):
            parts = _PART.findall(given)
            return timedelta(seconds=sum(float(n) * _UNITS[unit] for n, unit in parts))
        if isinstance(given, int | float) and type(given) is not bool:
            return timedelta(seconds=given)
    except (OverflowError, ValueError):  # infinity, and what is no number
        pass
    raise InvalidSchedule(
        f"The {what} {given!r} is no duration. Give a timedelta, seconds, or a text "
        "like '1h30m' or '15m'."
    )


def in_words(span: timedelta) -> str:
    """Return a duration as people say it.

    >>> in_words(timedelta(hours=1, minutes=30)), in_words(timedelta(days=14))
    ('1 hour 30 minutes', '14 days')
    """
    rest = span.total_seconds()
    words = []
    for size, unit in _WORDS.items():
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{count:.0f} {unit}{'s' if count != 1 else ''}")
    if rest or not words:
        words.append(f"{rest:g} second{'s' if rest != 1 else ''}")
    return " ".join(words)


def every_in_words(span: timedelta) -> str:
    """Return how often something is that is after each such span.

    >>> every_in_words(timedelta(days=1)), every_in_words(timedelta(minutes=90))
    ('Every day', 'Every 1 hour 30 minutes')
    """
    count, _, unit = in_words(span).partition(" ")
    if count == "1" and " " not in unit:
        return f"Every {unit}"
    return f"Every {count} {unit}"
