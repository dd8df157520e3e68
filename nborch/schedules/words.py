"""A cron expression in words: ``At 08:00 on Monday to Friday``."""

from itertools import pairwise, product

from nborch.schedules.expressions import Expression
from nborch.schedules.fields import MONTH, WEEKDAY, Field, FieldKind

__all__ = ["expression_in_words"]

#: So many times of day are listed; more are told by their fields.
FEW = 6
HOURS = 24
MINUTES = 60
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
    if second.text != "0" and len(second.values) > 1:
        return f"{_seconds(second)}{_within(minute, hour)}"
    (at,) = second.values
    hours, minutes = hour.values, minute.values
    if len(hours) * len(minutes) <= FEW:
        seconds = f":{at:02d}" if at else ""
        times = [f"{h:02d}:{m:02d}{seconds}" for h, m in product(hours, minutes)]
        return f"At {_listed(times)}"
    told = _minutes(minute, hour)
    return f"{told}, at second {at}" if at else told


def _seconds(second: Field) -> str:
    step = _step(second, MINUTES)
    if step:
        return _every(step, "second")
    return f"At seconds {_numbers(second.values)}"


def _within(minute: Field, hour: Field) -> str:
    if len(minute.values) == MINUTES and len(hour.values) == HOURS:
        return ""
    told = _minutes(minute, hour)
    return f", {told[0].lower()}{told[1:]}"


def _minutes(minute: Field, hour: Field) -> str:
    """Return the minutes of the day, at more times than are listed."""
    hours, minutes = hour.values, minute.values
    step, hour_step = _step(minute, MINUTES), _step(hour, HOURS)
    if len(minutes) == 1:
        (at,) = minutes
        if hour_step:
            return f"{_every(hour_step, 'hour')}, at minute {at}"
        if _is_run(hours):
            return f"Every hour from {hours[0]:02d}:{at:02d} to {hours[-1]:02d}:{at:02d}"
        return f"At minute {at} of the hours {_numbers(hours)}"
    if step and _is_run(hours):
        told = _every(step, "minute")
        uneven = f", beginning anew each hour{_first(minutes)}"
        if MINUTES % step or minutes[0]:
            told += uneven
        if len(hours) == HOURS:
            return told
        end = f"{hours[-1]:02d}:{minutes[-1]:02d}"
        return f"{told} from {hours[0]:02d}:{minutes[0]:02d} to {end}"
    told = f"At minutes {_numbers(minutes)}"
    if step:
        told = _every(step, "minute")
    if len(hours) == HOURS:
        return f"{told} of every hour"
    if hour_step:
        return f"{told} of {_every(hour_step, 'hour').lower()}"
    return f"{told} of the hours {_numbers(hours)}"


def _first(minutes: list[int]) -> str:
    return f" at minute {minutes[0]}" if minutes[0] else ""


def _step(field: Field, size: int) -> int:
    """Return the distance between the values, if it is one and they go all round."""
    values = field.values
    steps = {later - earlier for earlier, later in pairwise(values)}
    if len(steps) != 1:
        return 0
    (step,) = steps
    return step if values[0] < step and values[-1] + step >= size else 0


def _every(count: int, unit: str) -> str:
    return f"Every {unit}" if count == 1 else f"Every {count} {unit}s"


def _days(expression: Expression) -> str:
    """Return the days on which it is due."""
    day, weekday = expression.day, expression.weekday
    any_day, any_weekday = _is_any(day, 31), _is_any(weekday, 7)
    if any_day and any_weekday:
        return "every day" if len(expression.hour.values) <= FEW else ""
    on_days = f"on {_days_of_month(day)}"
    on_weekdays = f"on {_weekdays(weekday)}"
    if any_weekday and (expression.both or weekday.is_star):
        return on_days
    if any_day and (expression.both or day.is_star):
        return on_weekdays
    if expression.both:
        return f"{on_weekdays}, if that is {_days_of_month(day, one=True)}"
    return f"{on_days} and {on_weekdays}"


def _is_any(field: Field, size: int) -> bool:
    return field.bits.bit_count() == size


def _days_of_month(field: Field, *, one: bool = False) -> str:
    told = [rule.words for rule in field.rules]
    values = field.values
    if values:
        many = "day" if len(values) == 1 else "one of the days" if one else "days"
        told.insert(0, f"{many} {_numbers(values)} of the month")
    return _listed(told, "or" if one else "and")


def _weekdays(field: Field) -> str:
    values = field.values
    # The week of people ends with Sunday.
    order = sorted(values, key=lambda value: (value - 1) % 7)
    told = [_DAYS[value] for value in order]
    positions = [(value - 1) % 7 for value in order]
    if len(told) > 2 and _is_run(positions):  # noqa: PLR2004  # "to" spares a name
        told = [f"{told[0]} to {told[-1]}"]
    return _listed([*told, *(rule.words for rule in field.rules)])


def _months(field: Field) -> str:
    values = field.values
    if len(values) == MONTH.size:
        return ""
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
