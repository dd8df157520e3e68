"""Schedules in words, and what clock changes do to them."""

from datetime import UTC, datetime, timedelta

import pytest

from nborch.schedules import At, CronSchedule, IntervalSchedule, RRuleSchedule

AFTER = datetime(2026, 10, 1, tzinfo=UTC)

WORDS = [
    ("* * * * *", "Every minute"),
    ("* * * * * *", "Every second"),
    ("*/15 * * * *", "Every 15 minutes"),
    ("*/10 * * * * *", "Every 10 seconds"),
    ("*/7 * * * *", "At minutes 0, 7, 14 and so on to 56 of every hour"),
    ("5 * * * *", "Every hour at minute 5"),
    ("5,35 * * * *", "At minutes 5 and 35 of every hour"),
    ("0 */2 * * *", "Every 2 hours at minute 0"),
    ("0 1-23/2 * * *", "At minute 0 of the hours 1, 3, 5 and so on to 23"),
    ("0 9-17 * * *", "Every hour from 09:00 to 17:00"),
    ("*/15 9-17 * * 1-5", "Every 15 minutes from 09:00 to 17:45 on Monday to Friday"),
    ("*/15 9,12 * * 1", "Every 15 minutes of the hours 9 and 12 on Monday"),
    ("0 8 * * 1-5", "At 08:00 on Monday to Friday"),
    ("0,30 8,12 * * *", "At 08:00, 08:30, 12:00 and 12:30 every day"),
    ("30 0 8 * * *", "At 08:00:30 every day"),
    ("30 */15 * * * *", "Every 15 minutes, at second 30"),
    ("1,2 0 8 * * *", "At seconds 1 and 2, at 08:00 every day"),
    ("@weekly", "At 00:00 on Sunday"),
    ("@yearly", "At 00:00 on day 1 of the month in January"),
    ("0 8 * * SAT,SUN", "At 08:00 on Saturday and Sunday"),
    ("0 8 * * FRI-MON", "At 08:00 on Friday to Monday"),
    ("0 8 1,15 6-8 *", "At 08:00 on days 1 and 15 of the month in June to August"),
    ("0 8 13 * 5", "At 08:00 on day 13 of the month and on Friday"),
    (
        "0 8 */10 * 1",
        "At 08:00 on Monday, if that is one of the days 1, 11, 21 and 31 of the month",
    ),
    ("0 8 L * *", "At 08:00 on the last day of the month"),
    (
        "0 8 1,L 1,2 *",
        "At 08:00 on day 1 of the month and the last day of the month in January and February",
    ),
    ("0 8 * * 5L", "At 08:00 on the last Friday of the month"),
    ("0 8 * * MON#1", "At 08:00 on the first Monday of the month"),
]


@pytest.mark.parametrize(("cron", "words"), WORDS)
def test_a_cron_expression_in_words(cron, words):
    """An expression is told as a person would say it, with its zone."""
    assert CronSchedule(cron).explain() == f"{words}, UTC"


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (IntervalSchedule(timedelta(hours=6)), "Every 6 hours, UTC"),
        (IntervalSchedule("1h"), "Every hour, UTC"),
        (
            CronSchedule("@every 90m"),
            "Every 1 hour 30 minutes, UTC",
        ),
        (IntervalSchedule("1d"), "Every day at 00:00, UTC"),
        (IntervalSchedule("14d"), "Every 14 days at 00:00 on a Monday, UTC"),
        (
            IntervalSchedule("7h", datetime(2026, 1, 1, 8)),
            "Every 7 hours from 2026-01-01 08:00 on, UTC",
        ),
        (RRuleSchedule("FREQ=DAILY"), "By the rule FREQ=DAILY, UTC"),
        (
            At([f"2027-01-0{day} 09:00" for day in range(1, 6)], timezone="Asia/Tokyo"),
            "At 2027-01-01 09:00, 2027-01-02 09:00, 2027-01-03 09:00 and 2 more, Asia/Tokyo",
        ),
        (
            CronSchedule("0 8 * * *") | CronSchedule("0 9 * * 1"),
            "At 08:00 every day, UTC; at 09:00 on Monday, UTC",
        ),
        (
            CronSchedule("@daily").excluding("2026-12-24", "2026-12-25"),
            "At 00:00 every day, UTC, but not on 2026-12-24 or 2026-12-25",
        ),
    ],
)
def test_other_schedules_in_words(schedule, words):
    """Every schedule can be told."""
    assert schedule.explain() == words


def test_notes_tell_what_happens_to_a_skipped_and_a_repeated_time():
    """A time that a clock skips or shows twice is told with the day."""
    nightly = CronSchedule("30 2 * * *", "Europe/Berlin")

    back, forward = nightly.notes(AFTER)

    assert back == (
        "On Sunday, 25 October 2026 the clock goes back from 03:00 to 02:00: 02:30 comes "
        "twice, and only the first time counts."
    )
    assert forward == (
        "On Sunday, 28 March 2027 the clock goes forward from 02:00 to 03:00: what is due "
        "at 02:30 begins at 03:00."
    )


def test_notes_on_what_goes_by_the_clock():
    """An expression with a star is not made up for, and may come twice."""
    by_star = CronSchedule("*/15 2 * * *", "Europe/Berlin")

    back, forward = by_star.notes(AFTER)

    assert back.endswith("02:00 to 02:45 come twice, and both times count.")
    assert forward.endswith("02:00 to 02:45 do not exist.")


@pytest.mark.parametrize(
    ("schedule", "notes"),
    [
        (
            CronSchedule("0 8 * * 1-5", "Europe/Berlin"),
            [
                "It keeps its local time when the clock goes back on Sunday, 25 October 2026."
            ],
        ),
        (
            IntervalSchedule("6h", timezone="Europe/Berlin"),
            ["It counts elapsed time: at other times of day from 25 October 2026 on."],
        ),
        (IntervalSchedule("15m", timezone="Europe/Berlin"), []),
        (CronSchedule("*/15 * * * *", "Europe/Berlin"), []),
        (CronSchedule("30 2 * * *"), []),
        (CronSchedule("30 2 * * *", "Asia/Tokyo"), []),
        (At("2027-01-01 09:00", timezone="Europe/Berlin"), []),
    ],
)
def test_notes_say_no_more_than_matters(schedule, notes):
    """A schedule that no clock change touches has no warning."""
    assert schedule.notes(AFTER) == notes


def test_sets_of_schedules_have_the_notes_of_their_parts():
    """A note that several parts have is told once."""
    nightly = CronSchedule("30 2 * * *", "Europe/Berlin")
    both = nightly | IntervalSchedule(
        "1d", datetime(2026, 1, 1, 2, 30), "Europe/Berlin"
    )

    assert both.notes(AFTER) == nightly.notes(AFTER)
    assert both.excluding("2026-12-24").notes(AFTER) == nightly.notes(AFTER)
