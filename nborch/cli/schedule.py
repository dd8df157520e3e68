"""``nborch schedule``: what a schedule means, and when it is due."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from nborch.schedules import (
    CronSchedule,
    IntervalSchedule,
    RRuleSchedule,
    Schedule,
)
from nborch.schedules.clocks import moment, zone_name, zone_named
from nborch.schedules.durations import in_words
from nborch.view.table import print_json, print_table

__all__ = ["schedule"]

COUNT = 10
_INTERVAL = re.compile(r"\d[\d.]*[wdhms]\S*")
_RULE = re.compile(r"(RRULE|DTSTART|RDATE|FREQ\b)", re.IGNORECASE)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


@click.group()
def schedule() -> None:
    """Tell what a schedule means and when it is due."""


@schedule.command()
@click.argument("expression")
@click.option(
    "--timezone",
    "-z",
    default="UTC",
    show_default=True,
    help="The zone whose clock counts, such as Europe/Berlin.",
)
@click.option(
    "--count",
    "-n",
    type=click.IntRange(1, 1000),
    default=COUNT,
    show_default=True,
    help="Times to show.",
)
@click.option("--from", "start", metavar="TIME", help="Times after this one, not now.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(
    expression: str, *, timezone: str, count: int, start: str | None, as_json: bool
) -> None:
    """Tell EXPRESSION in words, with its next times and the days clocks change.

    EXPRESSION is a cron expression, "0 8 * * 1-5"; an interval, "6h" or "1h30m"; or a
    recurrence rule, "FREQ=MONTHLY;BYDAY=-1FR".
    """
    found = _schedule(expression, timezone)
    after = _moment(start, timezone)
    times = found.times(after, count)
    if as_json:
        print_json(_facts(found, times, after))
        return
    click.echo(f"{found.explain()}\n")
    if not times:
        click.echo("It is not due any more.")
        return
    zone = zone_named(found.timezone)
    print_table(
        ["day", "time", "zone", "UTC", "in"],
        [
            [
                f"{each.astimezone(zone):%a %Y-%m-%d}",
                _time(each.astimezone(zone)),
                f"{each.astimezone(zone):%Z}",
                f"{each:%m-%d} {_time(each)}",
                _distance(each - after),
            ]
            for each in times
        ],
    )
    for note in found.notes(after):
        click.echo(f"\n{note}")


def _schedule(expression: str, timezone: str) -> Schedule:
    """Return the schedule of a text, of whichever kind it is."""
    text = expression.strip()
    if _INTERVAL.fullmatch(text):
        return IntervalSchedule(text, timezone=timezone)
    if _RULE.match(text):
        return RRuleSchedule(text.replace("\\n", "\n"), timezone)
    return CronSchedule(text, timezone)


def _moment(given: str | None, timezone: str) -> datetime:
    if given is None:
        return datetime.now(UTC)
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        raise click.BadParameter(
            f"{given!r} is no time. A time looks like '2027-01-01 09:00'.",
            param_hint="--from",
        ) from None
    if found.tzinfo is None:
        found = found.replace(tzinfo=zone_named(zone_name(timezone)))
    return moment(found)


def _facts(found: Schedule, times: list[datetime], after: datetime) -> dict[str, Any]:
    zone = zone_named(found.timezone)
    return {
        "schedule": found.to_json(),
        "words": found.explain(),
        "timezone": found.timezone,
        "after": after.isoformat(),
        "times": [
            {"utc": each.isoformat(), "local": each.astimezone(zone).isoformat()}
            for each in times
        ],
        "notes": found.notes(after),
    }


def _time(at: datetime) -> str:
    if at.microsecond:
        return f"{at:%H:%M:%S.%f}".rstrip("0")
    return f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"


def _distance(span: timedelta) -> str:
    """Return how far off a time is, in the two largest units."""
    if span < MINUTE:
        return in_words(timedelta(seconds=span // timedelta(seconds=1)))
    unit = MINUTE if span < DAY else timedelta(hours=1)
    return in_words(span // unit * unit)
