"""Intervals, single times, sets of schedules, plans, and their forms in JSON."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nborch.schedules import (
    At,
    Cron,
    CronSchedule,
    Interval,
    IntervalSchedule,
    Plan,
    Policy,
    RRule,
    RRuleSchedule,
    Schedule,
    schedule_from_json,
)

BERLIN = ZoneInfo("Europe/Berlin")
SPRING = datetime(2026, 3, 28, 12, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 24, 12, tzinfo=UTC)


def local(times, zone=BERLIN):
    """Return times as a clock shows them."""
    return [f"{each.astimezone(zone):%d %H:%M}" for each in times]


def test_an_interval_counts_from_its_anchor():
    """The times are the anchor and every interval before and after it."""
    anchor = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
    often = IntervalSchedule(timedelta(hours=6), anchor_date=anchor)

    times = often.times(datetime(2025, 6, 1, 5, tzinfo=UTC), 3)

    assert [f"{each:%H:%M}" for each in times] == ["06:05", "12:05", "18:05"]
    assert often.next(anchor) == anchor + timedelta(hours=6)


@given(
    st.integers(1, 10**9),
    st.datetimes(datetime(1980, 1, 1), datetime(2080, 1, 1), timezones=st.just(UTC)),
)
def test_an_interval_never_drifts(tenths, after):
    """Each time is the anchor and a whole number of intervals, to the microsecond."""
    step = timedelta(milliseconds=100 * tenths)
    anchor = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
    schedule = IntervalSchedule(step, anchor)

    found = schedule.next(after)

    assert after < found <= after + step
    assert (found - anchor) % step == timedelta(0)


def test_the_usual_anchor_is_a_monday_midnight():
    """Without an anchor, intervals go round the clock from a local midnight."""
    after = datetime(2026, 11, 18, 12, tzinfo=UTC)

    assert local(IntervalSchedule(600, timezone="Europe/Berlin").times(after, 2)) == [
        "18 13:10",
        "18 13:20",
    ]
    weekly = IntervalSchedule(timedelta(weeks=1), timezone="Europe/Berlin")
    assert local(weekly.times(after, 1)) == ["23 00:00"]


@pytest.mark.parametrize("given_zone", [None, "Europe/Berlin"])
def test_whole_days_keep_the_local_clock(given_zone):
    """An interval of days is due at the same local time when clocks have changed."""
    anchor = datetime(2026, 1, 1, 8, tzinfo=BERLIN)
    daily = IntervalSchedule(timedelta(days=1), anchor, given_zone)

    assert local(daily.times(SPRING, 2)) == ["29 08:00", "30 08:00"]
    assert local(daily.times(AUTUMN, 2)) == ["25 08:00", "26 08:00"]


def test_a_skipped_or_repeated_time_comes_once():
    """An interval of days has the rule of cron for hours that do not exist."""
    nightly = IntervalSchedule("1d", datetime(2026, 1, 1, 2, 30), "Europe/Berlin")

    assert local(nightly.times(SPRING, 2)) == ["29 03:00", "30 02:30"]
    assert local(nightly.times(AUTUMN, 2)) == ["25 02:30", "26 02:30"]
    assert nightly.next(AUTUMN).hour == 0


@pytest.mark.parametrize(
    "nightly",
    [
        CronSchedule("30 2 * * *", "Europe/Berlin"),
        IntervalSchedule("1d", datetime(2026, 1, 1, 2, 30), "Europe/Berlin"),
        RRuleSchedule("FREQ=DAILY;BYHOUR=2;BYMINUTE=30", "Europe/Berlin"),
    ],
    ids=lambda schedule: schedule.kind,
)
def test_the_second_showing_of_an_hour_has_passed(nightly):
    """Asked within an hour that comes again, a schedule goes on with the next day."""
    again = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)

    assert local([again]) == ["25 02:15"]
    assert local(nightly.times(again, 1)) == ["26 02:30"]


def test_hours_count_the_time_that_passes():
    """An interval that is no whole number of days does not follow the clock."""
    schedule = IntervalSchedule(timedelta(hours=12), timezone="Europe/Berlin")

    assert local(schedule.times(SPRING, 3)) == ["29 00:00", "29 13:00", "30 01:00"]
    assert schedule.keeps_clock is False


@pytest.mark.parametrize("given", [90, 90.0, "90s", "1.5m", "1m30s", timedelta(0, 90)])
def test_an_interval_may_be_given_in_many_ways(given):
    """Seconds, a text and a timedelta say the same."""
    assert IntervalSchedule(given) == IntervalSchedule(timedelta(seconds=90))


def test_an_anchor_of_another_zone_is_the_same_instant():
    """An anchor with an offset keeps its instant, and the zone is UTC."""
    anchor = datetime(2026, 1, 1, 8, tzinfo=timezone(timedelta(hours=3)))

    found = IntervalSchedule("1d", anchor).next(SPRING)

    assert (found.hour, IntervalSchedule("1d", anchor).timezone) == (5, "UTC")


def test_single_times_come_in_order_and_end():
    """Each time comes once, in order; then the schedule is over."""
    later, sooner = datetime(2027, 1, 2, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    twice = At([later, sooner, later])

    assert twice.times(SPRING, 5) == [sooner, later]
    assert twice.next(sooner) == later
    assert twice.next(later) is None


def test_single_times_may_be_texts():
    """A text without a time zone is of the zone that is given."""
    once = At("2026-07-01 09:00", timezone="Europe/Berlin")

    assert once.times(SPRING, 2) == [datetime(2026, 7, 1, 7, tzinfo=UTC)]
    assert At("2026-07-01T09:00+02:00") == At("2026-07-01T07:00Z")


def test_a_union_has_each_time_once():
    """The times of all, in order, where several coincide once."""
    both = (
        CronSchedule("0 8 * * *")
        | CronSchedule("0 */4 * * *")
        | At("2026-03-29T09:30Z")
    )

    times = both.times(SPRING.replace(hour=23), 5)

    assert local(times, UTC) == [
        "29 00:00",
        "29 04:00",
        "29 08:00",
        "29 09:30",
        "29 12:00",
    ]


def test_a_union_of_unions_is_one():
    """It does not matter how schedules are joined."""
    one, two, three = (CronSchedule(f"0 {hour} * * *") for hour in (1, 2, 3))

    assert (one | two) | three == one | (two | three)


def test_days_are_excluded_as_they_are_locally():
    """An excluded day begins and ends at local midnight."""
    hourly = CronSchedule("0 */8 * * *", "Europe/Berlin").excluding(date(2026, 3, 29))

    assert local(hourly.times(SPRING, 3)) == ["28 16:00", "30 00:00", "30 08:00"]


def test_schedules_are_excluded_by_their_times():
    """The times of another schedule are left out."""
    closed = CronSchedule("* * 24-26 12 *", "Europe/Berlin")
    daily = CronSchedule("0 8 * * *", "Europe/Berlin").excluding(closed, "2026-12-28")

    times = daily.times(datetime(2026, 12, 22, 12, tzinfo=UTC), 3)

    assert local(times) == ["23 08:00", "27 08:00", "29 08:00"]


def test_many_times_of_an_excluded_day_are_passed_at_once():
    """A schedule of seconds gets over weeks that are excluded."""
    days = [f"2026-12-{day:02d}" for day in range(1, 32)]
    seconds = CronSchedule("* * * * * *").excluding(*days)

    found = seconds.next(datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC))

    assert found == datetime(2027, 1, 1, tzinfo=UTC)


def test_times_between_two_moments():
    """The first moment counts, the last one does not."""
    daily = CronSchedule("@daily")

    days = list(
        daily.between(
            datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC)
        )
    )

    assert [each.day for each in days] == [1, 2, 3]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_times_are_in_utc(zone):
    """A time is in UTC whatever the zone, so that two of them can be compared."""
    for schedule in (
        CronSchedule("0 8 * * *", zone),
        IntervalSchedule("1d", timezone=zone),
        RRuleSchedule("FREQ=DAILY", zone),
    ):
        assert schedule.next(SPRING.astimezone(BERLIN)).tzinfo is UTC
        assert schedule.next(SPRING.astimezone(BERLIN)) == schedule.next(SPRING)


POLICY = Policy(
    overlap="queue_one",
    catchup="all",
    catchup_window=timedelta(hours=2),
    jitter=timedelta(seconds=30),
    pause_on_failure=3,
    until=datetime(2028, 1, 1, tzinfo=UTC),
    max_runs=100,
)
SCHEDULES = [
    CronSchedule("0 8 * * 1-5", "Europe/Berlin"),
    CronSchedule("0 0 13 * 5", day_or=False),
    CronSchedule("H 3 * * *").seeded("report"),
    CronSchedule("@every 90m"),
    IntervalSchedule(0.5),
    IntervalSchedule("14d", datetime(2026, 1, 1, 8, tzinfo=BERLIN)),
    RRuleSchedule("FREQ=MONTHLY;BYDAY=-1FR", "Asia/Tokyo"),
    RRuleSchedule("DTSTART;TZID=Asia/Tokyo:20270101T090000\nRRULE:FREQ=DAILY;COUNT=3"),
    At(["2027-01-01 09:00", "2027-01-02 09:00"], timezone="Europe/Berlin"),
    CronSchedule("@daily") | IntervalSchedule("7h"),
    CronSchedule("@daily").excluding("2026-12-24", CronSchedule("0 0 1 1 *")),
    Cron(
        "@daily", timezone="Asia/Tokyo", slug="a", active=False, parameters={"n": [1]}
    ),
    Plan(CronSchedule("@daily"), POLICY),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_a_schedule_survives_the_store(schedule):
    """A schedule equals the one that is made of its form in JSON, with its times."""
    form = json.loads(json.dumps(schedule.to_json()))

    again = schedule_from_json(form)

    assert again == schedule
    assert isinstance(again, Schedule)
    assert again.times(SPRING, 4) == schedule.times(SPRING, 4)
    assert again.explain() == schedule.explain()


def test_prefects_spellings():
    """Cron, Interval and RRule give a schedule with what is done at its times."""
    plan = Cron("0 8 * * *", timezone="Europe/Berlin", parameters={"region": "eu"})

    assert plan.schedule == CronSchedule("0 8 * * *", "Europe/Berlin")
    assert (plan.active, plan.parameters, plan.slug) == (True, {"region": "eu"}, None)
    assert Interval(60, SPRING, "UTC").schedule == IntervalSchedule(60, SPRING)
    assert RRule("FREQ=DAILY", "UTC").schedule == RRuleSchedule("FREQ=DAILY")
    assert Plan.of(plan) is plan
    assert Plan.of(plan.schedule) == Cron("0 8 * * *", timezone="Europe/Berlin")


def test_plans_join_as_schedules_do():
    """A plan keeps what it says when times are added to it or left out."""
    one, other = CronSchedule("0 8 * * *"), CronSchedule("0 9 * * *")
    plan = Plan(one, POLICY, slug="a")

    assert plan | other == Plan(one | other, POLICY, slug="a")
    assert other | plan == Plan(other | one, POLICY, slug="a")
    assert plan | Plan(other, POLICY, slug="a") == plan | other
    assert plan.excluding("2026-12-24").policy == POLICY
    assert plan.seeded("x").next(SPRING) == one.next(SPRING)
