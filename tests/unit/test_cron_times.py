"""When cron expressions are due: held against an oracle that lives every minute."""

import importlib.util
import pickle
import random
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nborch.exceptions import InvalidSchedule
from nborch.schedules import CronSchedule


def _oracle():
    """Load the module that lies beside this one."""
    path = Path(__file__).with_name("cron_oracle.py")
    spec = importlib.util.spec_from_file_location("cron_oracle", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["cron_oracle"] = module
    spec.loader.exec_module(module)
    return module


oracle = _oracle()
SEED = 20261
EXPRESSIONS = 1_000
#: Times of one expression that are compared, from before a clock is changed.
MOST = 80
#: What cronsim reads otherwise: 3-3/5 as 3/5, and steps of weekdays up to 7.
OTHERWISE = re.compile(r"\b(\w+)-\1/|/\d+$")


@pytest.mark.parametrize(("zone", "day", "cron", "told"), oracle.CASES)
def test_a_clock_change_loses_and_doubles_nothing(zone, day, cron, told):
    """A time that a clock skips begins right after, and one that it shows twice once."""
    start, times = oracle.expected(zone, day, told)

    found = CronSchedule(cron, zone).times(start, len(times))

    assert found == times
    debian = oracle.Cron(zone, start + oracle.MINUTE, times[-1] + oracle.MINUTE)
    assert debian.times(cron) == times


def windows(zone):
    """Return days around both clock changes of a zone, as the oracle lived them."""
    for day in oracle.ZONES[zone]:
        middle = datetime.fromisoformat(day).replace(tzinfo=UTC)
        start, end = middle - timedelta(hours=30), middle + timedelta(days=25)
        yield start, end, oracle.Cron(zone, start, end)


def drawn(zone):
    """Return the share of the random expressions that a zone gets."""
    rng = random.Random(f"{SEED} {zone}")
    count = -(-EXPRESSIONS // len(oracle.ZONES))
    return [oracle.random_expression(rng) for _ in range(count)]


def first_times(cron, zone, after):
    """Return times of an expression; one that is refused as impossible has none."""
    try:
        return CronSchedule(cron, zone).times(after, MOST)
    except InvalidSchedule as error:
        if "has no times" not in str(error):
            raise
        return []


@pytest.mark.parametrize("zone", oracle.ZONES)
def test_random_expressions_are_due_when_debians_cron_runs_them(zone):
    """A thousand expressions in seven zones agree with cron, around clock changes."""
    lived = list(windows(zone))

    wrong = []
    for number, cron in enumerate(drawn(zone)):
        start, end, debian = lived[number % 2]
        times = debian.times(cron)
        found = first_times(cron, zone, start - oracle.MINUTE)
        if [each for each in found if each < end] != times[:MOST]:
            wrong.append(cron)

    assert wrong == []


def test_cronsim_gives_a_second_opinion():
    """In a zone that shifts by whole hours, cronsim finds the times that we find."""
    cronsim = pytest.importorskip("cronsim")
    zone = ZoneInfo("Europe/Berlin")
    start = datetime(2026, 10, 23, tzinfo=UTC).astimezone(zone)

    compared = 0
    for cron in drawn("Europe/Berlin"):
        try:
            theirs = cronsim.CronSim(cron, start)
        except cronsim.CronSimError:
            continue
        if OTHERWISE.search(cron):
            continue
        ours = first_times(cron, "Europe/Berlin", start)[:20]
        assert [next(theirs).astimezone(UTC) for _ in ours] == ours, cron
        compared += 1

    assert compared > 50


def test_a_day_that_never_was():
    """What is due on a day that a zone leaves out is left out, as cron does."""
    before = datetime(2011, 12, 29, 12, tzinfo=UTC)

    daily = CronSchedule("0 8 * * *", "Pacific/Apia").times(before, 2)

    assert daily == [
        datetime(2011, 12, 29, 18, tzinfo=UTC),
        datetime(2011, 12, 30, 18, tzinfo=UTC),
    ]


#: Expression, after which wall time, and when it is due next in UTC.
FORMS = [
    ("*/15 * * * *", "2026-11-23 12:00", "2026-11-23 12:15"),
    ("5/20 * * * *", "2026-11-23 12:10", "2026-11-23 12:25"),
    ("0 22-2 * * *", "2026-11-23 23:30", "2026-11-24 00:00"),
    ("0 8 * * MON-FRI", "2026-11-20 09:00", "2026-11-23 08:00"),
    ("0 8 * * mon-fri", "2026-11-20 09:00", "2026-11-23 08:00"),
    ("0 8 * * FRI-MON", "2026-11-23 09:00", "2026-11-27 08:00"),
    ("0 8 * * 5-7", "2026-11-21 09:00", "2026-11-22 08:00"),
    ("0 8 * * 0-7", "2026-11-22 09:00", "2026-11-23 08:00"),
    ("0 8 * * 7", "2026-11-20 09:00", "2026-11-22 08:00"),
    ("0 8 * * 6/1", "2026-11-20 09:00", "2026-11-21 08:00"),
    ("0 8 1 NOV-FEB *", "2026-12-02 00:00", "2027-01-01 08:00"),
    # The first two of these fit either field, the others both.
    ("0 0 13 * 5", "2026-11-07 00:00", "2026-11-13 00:00"),
    ("0 0 13 * 5", "2026-11-13 00:00", "2026-11-20 00:00"),
    ("0 0 */10 * 1", "2026-11-01 00:00", "2026-12-21 00:00"),
    ("0 0 13 * *", "2026-11-13 00:00", "2026-12-13 00:00"),
    ("0 0 ? * 1", "2026-11-23 00:00", "2026-11-30 00:00"),
    ("0 0 L * *", "2027-02-01 00:00", "2027-02-28 00:00"),
    ("0 0 L-2 * *", "2027-02-01 00:00", "2027-02-26 00:00"),
    ("0 0 LW * *", "2027-01-05 00:00", "2027-01-29 00:00"),
    ("0 0 1W * *", "2027-05-01 00:00", "2027-05-03 00:00"),
    ("0 0 15W * *", "2027-05-01 00:00", "2027-05-14 00:00"),
    ("0 0 31W * *", "2027-01-30 00:00", "2027-03-31 00:00"),
    ("0 0 * * 5L", "2026-11-01 00:00", "2026-11-27 00:00"),
    ("0 0 * * FRIL", "2026-11-27 00:00", "2026-12-25 00:00"),
    ("0 0 * * 5#2", "2026-11-01 00:00", "2026-11-13 00:00"),
    ("0 0 * * MON#5", "2026-11-30 00:00", "2027-03-29 00:00"),
    ("0 0 29 2 *", "2026-11-01 00:00", "2028-02-29 00:00"),
    ("0 0 29 2 */7", "2026-11-01 00:00", "2032-02-29 00:00"),
    ("@hourly", "2026-11-23 12:10", "2026-11-23 13:00"),
    ("@Daily", "2026-11-23 12:10", "2026-11-24 00:00"),
    ("@weekly", "2026-11-23 12:10", "2026-11-29 00:00"),
    ("@monthly", "2026-11-23 12:10", "2026-12-01 00:00"),
    ("@yearly", "2026-11-23 12:10", "2027-01-01 00:00"),
    ("@every 90m", "2026-11-23 12:10", "2026-11-23 13:30"),
    ("*/10 * * * * *", "2026-11-23 12:10:51", "2026-11-23 12:11:00"),
    ("30 0 8 * * *", "2026-11-23 08:00", "2026-11-23 08:00:30"),
]


@pytest.mark.parametrize(("cron", "after", "due"), FORMS)
def test_every_form_of_an_expression(cron, after, due):
    """Names, ranges, steps, rules for days and macros say what they say in cron."""
    found = CronSchedule(cron).next(datetime.fromisoformat(after).replace(tzinfo=UTC))

    assert found == datetime.fromisoformat(due).replace(tzinfo=UTC)


def test_both_day_fields_can_be_asked_for():
    """With day_or=False a day must fit both of its fields."""
    friday_13th = CronSchedule("0 0 13 * 5", day_or=False)

    found = friday_13th.next(datetime(2026, 11, 14, tzinfo=UTC))

    assert (found.year, found.month, found.day) == (2027, 8, 13)


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2026-11-23"])
@pytest.mark.parametrize("cron", ["30 2 * * *", "*/20 2 * * *", "0 */3 * * 1-5"])
def test_a_second_of_zero_changes_nothing(cron, day):
    """Six fields of which the first is 0 are the other five."""
    after = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=3)

    five = CronSchedule(cron, "Europe/Berlin").times(after, 9)

    assert CronSchedule(f"0 {cron}", "Europe/Berlin").times(after, 9) == five


def test_a_drawn_value_is_the_names_own():
    """H is the same for a name whenever it is asked, and differs between names."""
    nightly = CronSchedule("H H(1-4) * * *")
    after = datetime(2026, 11, 23, tzinfo=UTC)

    times = [nightly.seeded(f"report-{n}").next(after) for n in range(200)]

    assert times == [nightly.seeded(f"report-{n}").next(after) for n in range(200)]
    assert len(set(times)) > 100
    assert {each.hour for each in times} == {1, 2, 3, 4}
    # NB. Another value would move all deployments that there are.
    assert f"{nightly.seeded('report').next(after):%H:%M}" == "01:43"
    steps = CronSchedule("H/15 * * * *").seeded("report").times(after, 3)
    assert steps[2] - steps[1] == steps[1] - steps[0] == timedelta(minutes=15)


INSTANTS = st.datetimes(
    datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)
)
CRONS = st.randoms(use_true_random=False).map(oracle.random_expression)


@settings(max_examples=150, deadline=None)
@given(CRONS, st.sampled_from(list(oracle.ZONES)), INSTANTS, INSTANTS)
def test_next_is_the_next(cron, zone, one, other):
    """The next time is later, and nothing lies between: an earlier question agrees."""
    assume(first_times(cron, zone, one))
    schedule = CronSchedule(cron, zone)
    one, other = sorted((one, other))

    found, later = schedule.next(one), schedule.next(other)

    assert found > one
    assert found <= later
    if found > other:
        assert found == later
    assert schedule.next(found - timedelta(microseconds=1)) == found


def test_a_schedule_crosses_processes():
    """A schedule pickles, and equals its copy."""
    schedule = CronSchedule("0 8 * * 1-5", "Europe/Berlin")

    again = pickle.loads(pickle.dumps(schedule))

    assert again == schedule
    assert again.next(datetime(2026, 1, 1, tzinfo=UTC)).hour == 7
    assert len({schedule, again}) == 1
