"""Schedules that cannot be are refused when they are declared, in words that help."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from nborch.exceptions import InvalidDeclaration, InvalidSchedule
from nborch.schedules import (
    AnyOf,
    At,
    Cron,
    CronSchedule,
    Interval,
    IntervalSchedule,
    Plan,
    Policy,
    RRuleSchedule,
    schedule_from_json,
)

#: Expression, and what the error says of it.
WRONG = [
    ("60 8 * * *", "the minute '60' cannot be read: 60 is not between 0 and 59"),
    ("0 24 * * *", "the hour '24' cannot be read: 24 is not between 0 and 23"),
    ("0 8 0 * *", "the day of month '0' cannot be read: 0 is not between 1 and 31"),
    ("0 8 * 13 *", "the month '13' cannot be read"),
    ("0 8 * * 8", "the day of week '8' cannot be read: 8 is not between 0 and 7"),
    ("61 0 8 * * *", "the second '61' cannot be read"),
    ("0 8 * * MO", "there is no 'MO', only SUN, MON, TUE"),
    ("0 8 * JUNE *", "there is no 'JUNE', only JAN, FEB"),
    ("a * * * *", "the minute 'A' cannot be read: 'A' is no number"),
    ("1- * * * *", "a number is missing"),
    ("1,,2 * * * *", "there is an empty place between its commas"),
    ("-1 * * * *", "a number is missing"),
    ("*/0 * * * *", "the step '0' is no number from 1 on"),
    ("*/x * * * *", "the step 'X' is no number from 1 on"),
    ("*/90 * * * *", "use '@every 90m'"),
    ("0 */48 * * *", "a step of 48 is more than the 24 values"),
    ("٣ * * * *", "is no number"),
    ("0 8 * * L", "The last Friday of a month is '5L' or 'FRIL'"),
    ("0 8 * * 5#6", "a month has no day of the week 6 times"),
    ("0 8 32W * *", "32 is not between 1 and 31"),
    ("0 8 L-31 * *", "no month has a day 31 days before its last one"),
    ("L 8 * * *", "the minute 'L' cannot be read"),
    ("H(9-5) 8 * * *", "9 is more than 5"),
    ("0 8 * *", "has 4 fields. It needs 5"),
    ("0 0 8 * * * 2027", "has 7 fields. It needs 5"),
    ("", "has 0 fields"),
    ("0 0 31 2 *", "has no times: no month that '2' allows has a day that fits"),
    ("0 0 31 4,6 */2", "and the day of week '*/2'"),
    ("0 0 31W 2 *", "has no times"),
    ("@dayly", "Did you mean '@daily'?"),
    ("@every", "There are: @yearly"),
    ("@every soon", "The interval 'soon' is no duration"),
    ("@reboot", "names no time"),
    ("CRON_TZ=Europe/Berlin 0 8 * * *", "Give the time zone as an option"),
    (None, "is no text"),
]


@pytest.mark.parametrize(("cron", "told"), WRONG)
def test_a_wrong_expression_is_refused(cron, told):
    """The error names the field and what is wrong with it."""
    with pytest.raises(InvalidSchedule) as caught:
        CronSchedule(cron)

    assert told in str(caught.value)


def test_the_error_gives_an_example():
    """A whole message: expression, field, value, reason, and what is right."""
    with pytest.raises(InvalidSchedule) as caught:
        CronSchedule("0 25 * * *")

    assert str(caught.value) == (
        "In the cron expression '0 25 * * *', the hour '25' cannot be read: 25 is not "
        "between 0 and 23. For example '0 9-17 * * *': each hour from 9 to 17."
    )
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, InvalidDeclaration)


@pytest.mark.parametrize(
    ("zone", "told"),
    [
        ("Berlin", "Did you mean 'Europe/Berlin'?"),
        ("europe/berlin", "Did you mean 'Europe/Berlin'?"),
        ("New York", "Did you mean 'America/New_York'?"),
        ("../../etc/passwd", "There is no time zone"),
        ("Europe", "There is no time zone 'Europe'"),
        ("", "is not a name"),
        (7, "is not a name"),
    ],
)
def test_a_wrong_time_zone_is_refused(zone, told):
    """A zone that does not exist gets the one that was meant."""
    with pytest.raises(InvalidSchedule) as caught:
        CronSchedule("0 8 * * *", zone)

    assert told in str(caught.value)


def test_a_zone_may_be_given_itself():
    """A ZoneInfo is as good as its name, and no zone is UTC."""
    assert CronSchedule("@daily", ZoneInfo("Asia/Tokyo")).timezone == "Asia/Tokyo"
    assert CronSchedule("@daily", None).timezone == "UTC"


SINGLE = datetime(2027, 1, 1, 9)
OTHERS = [
    (lambda: IntervalSchedule(0), "shorter than a tenth of a second"),
    (lambda: IntervalSchedule(timedelta(hours=-1)), "shorter than a tenth"),
    (lambda: IntervalSchedule("1 fortnight"), "is no duration"),
    (lambda: IntervalSchedule(float("inf")), "is no duration"),
    (lambda: IntervalSchedule(float("nan")), "is no duration"),
    (lambda: IntervalSchedule(60, "someday"), "The anchor_date 'someday' is no time"),
    (lambda: At([]), "needs one"),
    (lambda: At("tomorrow"), "'tomorrow' is no time"),
    (lambda: At(SINGLE), "timezone='Europe/Berlin'"),
    (lambda: At([7]), "7 is no time"),
    (lambda: AnyOf(()), "needs at least one"),
    (lambda: CronSchedule("@daily").excluding("Christmas"), "neither a day nor"),
    (lambda: CronSchedule("@daily").excluding(SINGLE), "Whole days are excluded"),
    (
        lambda: CronSchedule("@daily").excluding(CronSchedule("* * * * *")),
        "Nothing is left",
    ),
    (lambda: CronSchedule("@daily").next(SINGLE), "has no time zone"),
    (lambda: Plan(Cron("@daily")), "is no schedule that a plan can be made of"),
    (lambda: Cron("@daily", slug="a") | Interval(60), "cannot be one"),
    (lambda: schedule_from_json({"kind": "moon"}), "no kind of schedule named 'moon'"),
    (lambda: Policy(overlap="skipp"), "Did you mean 'skip'?"),
    (lambda: Policy(catchup="some"), "There are: latest, none, all."),
    (lambda: Policy(jitter=timedelta(seconds=-1)), "which is negative"),
    (lambda: Policy(catchup_window="long"), "The catchup_window 'long' is no duration"),
    (lambda: Policy(max_runs=0), "The option max_runs is 0"),
    (lambda: Policy(pause_on_failure=True), "The option pause_on_failure is True"),
    (lambda: Policy(until=date(2027, 1, 1)), "which is no time"),
    (lambda: Policy(until=SINGLE), "has no time zone"),
    (lambda: Policy.from_json({"colour": "red"}), "no option 'colour'"),
    (lambda: RRuleSchedule(""), "is no text"),
    (
        lambda: RRuleSchedule("FREQ=HOURLY"),
        "'0 * * * *' or interval=timedelta(hours=1)",
    ),
    (lambda: RRuleSchedule("BYDAY=MO"), "needs a FREQ"),
    (lambda: RRuleSchedule("FREQ=DAILY;BYDYA=MO"), "Did you mean 'BYDAY'?"),
    (lambda: RRuleSchedule("FREQ=DAILY;BYDAY=XX"), "cannot be read"),
    (lambda: RRuleSchedule("FREQ=DAILY;INTERVAL=0"), "INTERVAL must be from 1 on"),
    (lambda: RRuleSchedule("FREQ=DAILY;COUNT=99999999"), "COUNT from 1 to"),
    (lambda: RRuleSchedule("FREQ=DAILY;UNTIL=soon"), "where a date should be"),
    (lambda: RRuleSchedule("DTSTART:20270101T090000"), "has no rule"),
    (lambda: RRuleSchedule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), "has no times"),
    (lambda: RRuleSchedule("EXRULE:FREQ=DAILY"), "calendars have given up"),
    (lambda: RRuleSchedule("X-RULE:FREQ=DAILY"), "none of DTSTART, RRULE"),
    (
        lambda: RRuleSchedule(
            "DTSTART;TZID=Asia/Tokyo:20270101T090000\nRRULE:FREQ=DAILY", "Europe/Berlin"
        ),
        "more than one time zone: Asia/Tokyo, Europe/Berlin",
    ),
]


@pytest.mark.parametrize(("declare", "told"), OTHERS)
def test_other_wrong_declarations_are_refused(declare, told):
    """Whatever a schedule cannot be is said, with what to do."""
    with pytest.raises(InvalidSchedule) as caught:
        declare()

    assert told in str(caught.value)


def test_other_things_do_not_join():
    """A schedule joins schedules only."""
    with pytest.raises(TypeError):
        CronSchedule("@daily") | "0 8 * * *"
    with pytest.raises(TypeError):
        Cron("@daily") | datetime(2027, 1, 1, tzinfo=UTC)
