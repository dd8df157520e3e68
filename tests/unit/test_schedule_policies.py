"""Policies: what is done when a time comes."""

from datetime import UTC, datetime, timedelta

import pytest

from nborch.schedules import At, CatchUp, CronSchedule, Overlap, Policy, jittered

NOMINAL = datetime(2026, 11, 23, 8, tzinfo=UTC)
MINUTES = timedelta(minutes=5)


def test_the_usual_policy():
    """Runs do not overlap, and after a pause the latest missed time is made up for."""
    usual = Policy()

    assert (usual.overlap, usual.catchup) == (Overlap.SKIP, CatchUp.LATEST)
    assert usual.to_json() == {}
    assert Policy.from_json({}) == usual


def test_a_policy_survives_the_store():
    """A policy equals the one that is made of its form."""
    policy = Policy(overlap="allow", jitter=30, until=NOMINAL, catchup_window="2h")

    assert policy.jitter == timedelta(seconds=30)
    assert policy.to_json() == {
        "overlap": "allow",
        "catchup_window": 7200.0,
        "jitter": 30.0,
        "until": "2026-11-23T08:00:00+00:00",
    }
    assert Policy.from_json(policy.to_json()) == policy


@pytest.mark.parametrize(
    ("cron", "window"),
    [
        ("*/15 * * * *", timedelta(minutes=15)),
        ("0 * * * *", timedelta(hours=1)),
        ("0 8 * * *", timedelta(days=1)),
        ("0 8 * * 1", timedelta(days=1)),
    ],
)
def test_a_time_is_made_up_for_until_the_next_one(cron, window):
    """The usual window reaches to the next time of the schedule, and at most a day."""
    assert Policy().window(CronSchedule(cron), NOMINAL) == window
    assert Policy(catchup_window=MINUTES).window(CronSchedule(cron), NOMINAL) == MINUTES


def test_a_single_time_is_made_up_for_within_a_day():
    """What has no next time can be made up for during a day."""
    assert Policy().window(At(NOMINAL), NOMINAL) == timedelta(days=1)


def test_jitter_is_not_drawn_again():
    """The delay of a time follows from the schedule and the time, in every process."""
    begin = jittered("a-schedule", NOMINAL, MINUTES)

    # NB. Another value would begin runs twice after an update.
    assert begin.isoformat() == "2026-11-23T08:00:41.992031+00:00"


def test_jitter_differs_between_times_and_schedules():
    """Delays spread over all of the time that is given, and are never more."""
    delays = [
        jittered(f"schedule-{n}", NOMINAL + timedelta(days=d), MINUTES)
        - NOMINAL
        - timedelta(days=d)
        for n in range(20)
        for d in range(20)
    ]

    assert all(timedelta(0) <= delay < MINUTES for delay in delays)
    assert len(set(delays)) > 390
    assert min(delays) < timedelta(seconds=15) < timedelta(seconds=285) < max(delays)
    assert jittered("a-schedule", NOMINAL, timedelta(0)) == NOMINAL
