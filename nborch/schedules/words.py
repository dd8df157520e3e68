"""A cron expression in words: ``At 08:00 on Monday to Friday``."""

from itertools import pairwise, product

from nborch.schedules.expressions import Expression
from nborch.schedules.fields import Field

__all__ = ["expression_in_words"]

#: So many times of day are listed; more are told by their fields.
FEW = 6
HOURS = 24
MINUTES = 60
WEEK = 7
#: From so many on, numbers of equal distance are shortened.
MANY = 6
_MONTHS = (
    "",
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


def expression_in_words(expression: Expression) -> str:
    """Return a cron expression in words.

    >>> from nborch.schedules.expressions import parse_expression
    >>> expression_in_words(parse_expression("*/15 9-17 * * 1-5"))
    'Every 15 minutes from 09:00 to 17:45 on Monday to Friday'
    """
    words = [_times(expression), _days(expression), _months(expression.month)]
    return " ".join(filter(None, words))


def _times(expression: Expression) -> str:
    """Return the times of the day."""
    second, minute, hour = expression.second, expression.minute, expression.hour
    seconds = second.values
    if len(seconds) == 1:
        return _times_of_day(minute.values, hour.values, seconds[0])
    step = _step(seconds, MINUTES)
    told = _every(step, "second") if step else f"At seconds {_numbers(seconds)}"
    if minute.is_full and hour.is_full:
        return told
    within = _times_of_day(minute.values, hour.values, 0)
    return f"{told}, {within[0].lower()}{within[1:]}"


def _times_of_day(minutes: list[int], hours: list[int], second: int) -> str:
    if len(hours) * len(minutes) <= FEW:
        ends = f":{second:02d}" if second else ""
        times = [f"{h:02d}:{m:02d}{ends}" for h, m in product(hours, minutes)]
        return f"At {_listed(times)}"
    if len(minutes) == 1:
        told = _hourly(minutes[0], hours)
    elif step := _step(minutes, MINUTES):
        told = f"{_every(step, 'minute')}{_within(minutes, hours)}"
    else:
        told = f"At minutes {_numbers(minutes)} of {_hours(hours)}"
    return f"{told}, at second {second}" if second else told


def _hourly(minute: int, hours: list[int]) -> str:
    """Return one time of many hours."""
    if step := _step(hours, HOURS):
        return f"{_every(step, 'hour')} at minute {minute}"
    if _is_run(hours):
        return f"Every hour{_within([minute], hours)}"
    return f"At minute {minute} of {_hours(hours)}"


def _within(minutes: list[int], hours: list[int]) -> str:
    """Return between which times of day something is due."""
    if len(hours) == HOURS:
        return ""
    if not _is_run(hours):
        return f" of {_hours(hours)}"
    first = f"{hours[0]:02d}:{minutes[0]:02d}"
    return f" from {first} to {hours[-1]:02d}:{minutes[-1]:02d}"


def _hours(hours: list[int]) -> str:
    if len(hours) == HOURS:
        return "every hour"
    return f"the hours {_numbers(hours)}"


def _step(values: list[int], size: int) -> int:
    """Return the step that leads from 0 round the clock to 0 again, or 0."""
    step = values[1] if len(values) > 1 else size
    return step if values == list(range(0, size, step)) and not size % step else 0


def _every(count: int, unit: str) -> str:
    return f"Every {unit}" if count == 1 else f"Every {count} {unit}s"


def _days(expression: Expression) -> str:
    """Return the days on which it is due."""
    day, weekday = expression.day, expression.weekday
    if day.is_full and weekday.is_full:
        return "every day" if len(expression.hour.values) <= FEW else ""
    on_days = f"on {_days_of_month(day)}"
    on_weekdays = f"on {_weekdays(weekday)}"
    if weekday.is_full and (expression.both or weekday.is_star):
        return on_days
    if day.is_full and (expression.both or day.is_star):
        return on_weekdays
    if expression.both:
        return f"{on_weekdays}, if that is {_days_of_month(day, one=True)}"
    return f"{on_days} and {on_weekdays}"


def _days_of_month(field: Field, *, one: bool = False) -> str:
    told = [rule.words for rule in field.rules]
    values = field.values
    if values:
        many = "day" if len(values) == 1 else "one of the days" if one else "days"
        told.insert(0, f"{many} {_numbers(values)} of the month")
    return _listed(told, "or" if one else "and")


def _weekdays(field: Field) -> str:
    # The week of people ends with Sunday.
    order = sorted(field.values, key=lambda value: (value - 1) % WEEK)
    told = [_DAYS[value] for value in order]
    starts = [value for value in order if (value - 1) % WEEK not in order]
    if 2 < len(order) < WEEK and len(starts) == 1:  # noqa: PLR2004  # "to" spares a name
        told = [f"{_DAYS[starts[0]]} to {_DAYS[(starts[0] + len(order) - 1) % WEEK]}"]
    return _listed([*told, *(rule.words for rule in field.rules)])


def _months(field: Field) -> str:
    if field.is_full:
        return ""
    values = field.values
    names = [_MONTHS[value] for value in values]
    if len(names) > 2 and _is_run(values):  # noqa: PLR2004  # "to" spares a name
        return f"in {names[0]} to {names[-1]}"
    return f"in {_listed(names)}"


def _is_run(values: list[int]) -> bool:
    return all(later - earlier == 1 for earlier, later in pairwise(values))


def _numbers(values: list[int]) -> str:
    """Return numbers, with runs of three and more shortened.

    >>> _numbers([1, 2, 3, 7])
    '1 to 3 and 7'
    """
    steps = {later - earlier for earlier, later in pairwise(values)}
    if len(values) >= MANY and len(steps) == 1 and steps != {1}:
        return f"{values[0]}, {values[1]}, {values[2]} and so on to {values[-1]}"
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    told = []
    for run in runs:
        if len(run) > 2:  # noqa: PLR2004  # "to" spares a number
            told.append(f"{run[0]} to {run[-1]}")
        else:
            told += map(str, run)
    return _listed(told)


def _listed(words: list[str], before_last: str = "and") -> str:
    *first, last = words
    return f"{', '.join(first)} {before_last} {last}" if first else last
