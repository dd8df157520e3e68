"""Recurrence rules: held against dateutil, asked from the beginning of each rule."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr

from nborch.schedules import RRuleSchedule

BEGINS = [datetime(2020, 1, 1), datetime(2020, 1, 31, 9, 30), datetime(2020, 2, 29, 23)]
COUNT = 150


def random_rule(rng):
    """Return a rule of one of the four frequencies."""
    frequency = rng.choice(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])
    parts = [f"FREQ={frequency}"]
    if rng.random() < 0.5:
        parts.append(f"INTERVAL={rng.randint(1, 5)}")
    days = [
        f"BYDAY={rng.choice(['MO', 'TU,TH', 'SA,SU'])}",
        f"BYMONTHDAY={rng.choice(['1', '15,-1', '10'])}",
        "BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "BYMONTH=1,6",
    ]
    if frequency in ("MONTHLY", "YEARLY"):
        days += ["BYDAY=-1FR", "BYDAY=2MO"]
    if frequency == "YEARLY":
        days += ["BYYEARDAY=100,-1", "BYWEEKNO=20", "BYEASTER=-2"]
    if rng.random() < 0.6:
        parts.append(rng.choice(days))
    if rng.random() < 0.3:
        parts.append("BYHOUR=8,17")
    if rng.random() < 0.15:
        parts.append(rng.choice(["COUNT=20", "UNTIL=20240301T120000"]))
    return ";".join(parts)


def test_random_rules_are_due_when_dateutil_says():
    """A rule that is asked for a late time gives what it gives from its beginning."""
    rng = random.Random(4)

    for _ in range(COUNT):
        begin, rule = rng.choice(BEGINS), random_rule(rng)
        theirs = rrulestr(rule, dtstart=begin)
        ours = RRuleSchedule(f"DTSTART:{begin:%Y%m%dT%H%M%S}\nRRULE:{rule}")
        for _ in range(5):
            after = datetime(2019, 6, 1) + timedelta(hours=rng.randint(0, 70_000))
            expected = theirs.after(after)
            found = ours.next(after.replace(tzinfo=UTC))
            assert found == (expected and expected.replace(tzinfo=UTC)), (rule, after)


def local(schedule, after, count):
    """Return times as a clock in Berlin shows them."""
    zone = ZoneInfo("Europe/Berlin")
    times = schedule.times(after, count)
    return [f"{each.astimezone(zone):%Y-%m-%d %H:%M}" for each in times]


def test_rules_keep_the_local_clock():
    """Clock changes do to a rule what they do to a cron expression."""
    nightly = RRuleSchedule("FREQ=DAILY;BYHOUR=2;BYMINUTE=30", "Europe/Berlin")

    spring = local(nightly, datetime(2026, 3, 28, 12, tzinfo=UTC), 2)
    autumn = local(nightly, datetime(2026, 10, 24, 12, tzinfo=UTC), 2)

    assert spring == ["2026-03-29 03:00", "2026-03-30 02:30"]
    assert autumn == ["2026-10-25 02:30", "2026-10-26 02:30"]


def test_a_rule_may_come_with_its_dates():
    """DTSTART with a zone, added dates and excluded ones are understood."""
    schedule = RRuleSchedule(
        "DTSTART;TZID=Europe/Berlin:20260101T090000\n"
        "RRULE:FREQ=WEEKLY;BYDAY=TH;UNTIL=20260122T080000Z\n"
        "RDATE;TZID=Europe/Berlin:20260102T120000\n"
        "EXDATE;TZID=Europe/Berlin:20260108T090000"
    )

    assert schedule.timezone == "Europe/Berlin"
    assert local(schedule, datetime(2025, 1, 1, tzinfo=UTC), 9) == [
        "2026-01-01 09:00",
        "2026-01-02 12:00",
        "2026-01-15 09:00",
        "2026-01-22 09:00",
    ]


def test_a_last_day_is_included():
    """UNTIL with a date lets all of that day count."""
    schedule = RRuleSchedule("FREQ=DAILY;BYHOUR=8;UNTIL=20260102")

    times = schedule.times(datetime(2025, 12, 31, 12, tzinfo=UTC), 5)

    assert [each.day for each in times] == [1, 2]


def test_dates_alone_are_a_schedule():
    """A text may hold nothing but dates."""
    schedule = RRuleSchedule("RDATE:19990101T080000Z,20270101T080000Z")

    assert schedule.times(datetime(2020, 1, 1, tzinfo=UTC), 5) == [
        datetime(2027, 1, 1, 8, tzinfo=UTC)
    ]


@pytest.mark.parametrize(
    "rule", ["FREQ=DAILY", "RRULE:FREQ=DAILY", "freq=daily", "FREQ=DAILY;"]
)
def test_a_rule_is_written_in_many_ways(rule):
    """Prefix, case and a last semicolon do not matter."""
    found = RRuleSchedule(rule).next(datetime(2026, 1, 1, tzinfo=UTC))

    assert found == datetime(2026, 1, 2, tzinfo=UTC)
