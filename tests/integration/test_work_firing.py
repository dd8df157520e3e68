"""Firing: every nominal time becomes one run, or is told why it did not."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from nborch.events import state_entered
from nborch.schedules import At, CronSchedule, IntervalSchedule, Policy
from nborch.states import Cancelled, Completed, Crashed, Failed, Running
from nborch.work import DeploymentSchedule, OutcomeKind
from nborch.work.firing import decide

START = datetime(2026, 11, 23, tzinfo=UTC)
HOURLY = CronSchedule("0 * * * *")
HOUR = timedelta(hours=1)


def scheduled(schedule=HOURLY, *, parameters=None, active=True, **policy):
    return DeploymentSchedule(
        schedule=schedule,
        policy=Policy(**policy),
        parameters=parameters or {},
        active=active,
    )


def kinds(outcomes):
    return [str(each.kind) for each in outcomes]


def hours(outcomes):
    return [(each.nominal - START) / HOUR for each in outcomes]


@pytest.fixture
def deploy(work):
    """Deploy with one schedule; return it as the store has it."""

    def put(schedule=HOURLY, *, parameters=None, **policy):
        declared = scheduled(schedule, parameters=parameters, **policy)
        deployment = work.deploy(declared, parameters={"a": 1, "b": 1})
        (record,) = work.deployments.schedules(deployment)
        return record

    return put


@pytest.fixture
def end(work):
    """Let a run end."""

    def let(outcome, state=None):
        deployment = work.deployments.get("nightly")
        worker = work.workers.register("w", [deployment.lane])
        for claim in work.queue.claim([deployment.lane], worker.id, 100):
            if claim.run_id == outcome.run_id:
                now = work.clock.now
                running = state_entered(claim.run_id, Running().stamped(now), 1)
                ended = (state or Completed()).stamped(now)
                work.store.append([running, state_entered(claim.run_id, ended, 1)])
                return
            work.queue.release(claim.run_id, claim.attempt)
        raise AssertionError("it could not be claimed")

    return let


def test_a_nominal_time_becomes_a_run(work, deploy):
    """When its time has come a schedule makes one run, which is told of as fired."""
    record = deploy(parameters={"b": 2})
    assert record.next_at == START + HOUR
    assert work.fire(minutes=59) == []

    (outcome,) = work.fire(minutes=1)

    assert (str(outcome.kind), outcome.nominal) == ("fired", START + HOUR)
    run = work.store.record(outcome.run_id).run
    assert run.parameters == {"a": 1, "b": 2}
    assert run.details["schedule"] == {
        "id": record.id,
        "nominal": outcome.nominal.timestamp(),
    }
    assert work.queue.standing(run.id).due == work.clock.now
    assert [each.run_id for each in work.deployments.outcomes(record.id)] == [run.id]
    assert work.fire() == []


def test_a_time_is_fired_once_whoever_plans_it(work, deploy):
    """Of two schedulers that have planned the same time, one fires it."""
    deploy()
    work.turn(hours=1)
    plans = [
        [decide(*each, work.clock.now) for each in work.firings.due(work.clock.now)]
        for _ in range(2)
    ]

    assert kinds(work.firings.fire(plans[0])) == ["fired"]
    assert work.firings.fire(plans[1]) == []
    assert len(work.store.records()) == 1


def test_what_was_planned_before_a_change_is_dropped(work, deploy):
    """A schedule that was paused after a scheduler looked is not fired by it."""
    deploy()
    work.turn(hours=1)
    plans = [decide(*each, work.clock.now) for each in work.firings.due(work.clock.now)]
    work.deployments.pause("nightly")

    assert work.firings.fire(plans) == []
    assert work.store.records() == []


def test_an_overlap_is_skipped_unless_it_is_said_otherwise(work, deploy, end):
    """While a run goes on, or waits, the next times are skipped and told so."""
    record = deploy()
    (first,) = work.fire(hours=1)
    (second,) = work.fire(hours=1)
    end(first)
    (third,) = work.fire(hours=1)

    assert kinds([first, second, third]) == ["fired", "skipped", "fired"]
    assert second.run_id is None
    assert second.told == "overlap: the run before had not ended"
    assert kinds(work.deployments.outcomes(record.id)) == ["fired", "skipped", "fired"]


def test_one_run_may_wait_for_the_end_of_another(work, deploy, end):
    """With queue_one, one run waits for its predecessor, and further ones are skipped."""
    deploy(overlap="queue_one")
    outcomes = [outcome for _ in range(3) for outcome in work.fire(hours=1)]
    assert kinds(outcomes) == ["fired", "queued", "skipped"]

    lane = work.deployments.get("nightly").lane
    worker = work.workers.register("w", [lane])
    (claim,) = work.queue.claim([lane], worker.id, 5)
    assert claim.run_id == outcomes[0].run_id
    assert work.queue.claim([lane], worker.id, 5) == []
    work.queue.finish(claim.run_id, claim.attempt, Completed())

    (claim,) = work.queue.claim([lane], worker.id, 5)
    assert claim.run_id == outcomes[1].run_id


def test_all_runs_may_wait_for_one_another(work, deploy):
    """With queue_all, every time gets its run, and they run one after the other."""
    deploy(overlap="queue_all")
    outcomes = [outcome for _ in range(4) for outcome in work.fire(hours=1)]
    assert kinds(outcomes) == ["fired", "queued", "queued", "queued"]

    lane = work.deployments.get("nightly").lane
    worker = work.workers.register("w", [lane])
    order = []
    while claims := work.queue.claim([lane], worker.id, 5):
        (claim,) = claims
        order.append(claim.run_id)
        work.queue.finish(claim.run_id, claim.attempt, Completed())

    assert order == [outcome.run_id for outcome in outcomes]


def test_the_previous_run_may_be_cancelled(work, deploy):
    """With cancel_previous, the run that goes on is cancelled and the new one follows."""
    deploy(overlap="cancel_previous")
    (first,) = work.fire(hours=1)
    lane = work.deployments.get("nightly").lane
    worker = work.workers.register("w", [lane])
    (claim,) = work.queue.claim([lane], worker.id, 5)
    (second,) = work.fire(hours=1)
    (third,) = work.fire(hours=1)

    assert work.state(first.run_id).is_cancelling()
    assert work.state(second.run_id).is_cancelled()
    assert work.queue.claim([lane], worker.id, 5) == []
    work.queue.finish(first.run_id, claim.attempt, Cancelled())

    (claim,) = work.queue.claim([lane], worker.id, 5)
    assert claim.run_id == third.run_id


def test_runs_may_overlap(work, deploy):
    """With allow, every time gets its run at once."""
    deploy(overlap="allow")
    outcomes = [outcome for _ in range(3) for outcome in work.fire(hours=1)]

    assert kinds(outcomes) == ["fired"] * 3
    lane = work.deployments.get("nightly").lane
    worker = work.workers.register("w", [lane])
    assert len(work.queue.claim([lane], worker.id, 5)) == 3


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({}, [(1, "missed"), (2, "missed"), (3, "fired")]),
        ({"catchup": "none"}, [(1, "missed"), (2, "missed"), (3, "missed")]),
        ({"catchup": "all"}, [(1, "fired"), (2, "queued"), (3, "queued")]),
        (
            {"catchup": "all", "overlap": "allow"},
            [(1, "fired"), (2, "fired"), (3, "fired")],
        ),
        (
            {"catchup": "all", "catchup_window": timedelta(hours=2)},
            [(1, "missed"), (2, "fired"), (3, "queued")],
        ),
        (
            {"catchup_window": timedelta(minutes=10)},
            [(1, "missed"), (2, "missed"), (3, "missed")],
        ),
    ],
)
def test_times_that_passed_unseen_are_caught_up_with(work, deploy, policy, expected):
    """What nobody was there to fire is made up for by policy, and told of."""
    record = deploy(**policy)

    work.fire(hours=3, minutes=30)

    outcomes = work.deployments.outcomes(record.id)[::-1]
    told = list(zip(hours(outcomes), kinds(outcomes), strict=True))
    assert told == expected
    (after,) = work.deployments.schedules(work.deployments.get("nightly"))
    assert after.next_at == START + 4 * HOUR


def test_a_time_that_is_noticed_late_was_not_missed(work, deploy):
    """Without catching up, a time counts for half a minute after it has come."""
    deploy(catchup="none")
    assert kinds(work.fire(hours=1, seconds=20)) == ["fired"]


def test_a_daily_time_is_caught_up_with_for_a_day(work, deploy):
    """The latest time is made up for until the next one, and for a day at most."""
    deploy(CronSchedule("0 8 * * 1"))
    assert kinds(work.fire(hours=31)) == ["fired"]

    other = work.deploy(scheduled(CronSchedule("0 8 * * 2")), name="other")
    assert kinds(work.fire(days=3)) == ["missed"]
    assert other.name == "other"


def test_a_long_absence_is_told_of_in_few_rows(work, deploy):
    """Thousands of missed times are counted together, but for the last ones."""
    record = deploy(IntervalSchedule(60))

    work.fire(days=2, seconds=-30)

    outcomes = work.deployments.outcomes(record.id, 10_000)[::-1]
    assert sum(each.count for each in outcomes) == 2 * 24 * 60 - 1
    assert len(outcomes) < 400
    assert kinds(outcomes[-1:]) == ["fired"]
    for one, two in pairwise(outcomes):
        assert two.nominal - one.last == timedelta(minutes=1)
    assert len(work.store.records()) == 1


def test_of_thousands_of_times_the_latest_is_made_up_for(work, deploy):
    """However long nobody was there and may be made up for, one run is made."""
    week = timedelta(days=7)
    deploy(IntervalSchedule(60), overlap="allow", catchup_window=week)

    work.fire(days=2, seconds=-30)

    (record,) = work.store.records()
    latest = work.clock.now - timedelta(seconds=30)
    assert record.run.details["schedule"]["nominal"] == latest.timestamp()


def test_a_schedule_is_paused_when_runs_fail_in_a_row(work, deploy, end):
    """After so many failures it rests, tells why, and goes on when it is resumed."""
    record = deploy(pause_on_failure=2)
    for state in (Failed(), Completed(), Failed(), Crashed()):
        (outcome,) = work.fire(hours=1)
        end(outcome, state)

    (paused,) = work.fire(hours=1)

    assert (str(paused.kind), paused.told) == ("paused", "2 runs in a row failed")
    (told,) = work.deployments.schedules(work.deployments.get("nightly"))
    assert (told.active, told.paused_because) == (False, "2 runs in a row failed")
    assert work.fire(hours=5) == []
    # Deploying it again does not wake it.
    deploy(pause_on_failure=2)
    assert work.fire(hours=1) == []
    work.deployments.resume("nightly")
    (outcome,) = work.fire(hours=1)
    assert kinds([outcome]) == ["fired"]
    end(outcome, Failed())
    assert kinds(work.fire(hours=1)) == ["fired"]
    assert record.id == outcome.schedule_id


def test_a_schedule_ends_after_so_many_runs(work, deploy):
    """With max_runs a schedule makes so many runs and no more."""
    deploy(max_runs=3, overlap="allow")

    outcomes = [outcome for _ in range(6) for outcome in work.fire(hours=1)]

    assert kinds(outcomes) == ["fired"] * 3
    (told,) = work.deployments.schedules(work.deployments.get("nightly"))
    assert (told.fired, told.next_at) == (3, None)


def test_a_schedule_ends_at_its_time(work, deploy):
    """No time from `until` on counts."""
    deploy(until=START + 3 * HOUR, overlap="allow")

    outcomes = [outcome for _ in range(6) for outcome in work.fire(hours=1)]

    assert hours(outcomes) == [1, 2]


def test_a_time_that_comes_once_is_fired_once(work, deploy):
    """A schedule of single times has an end."""
    deploy(At([START + HOUR]))

    assert kinds(work.fire(hours=2)) == ["fired"]
    (told,) = work.deployments.schedules(work.deployments.get("nightly"))
    assert told.next_at is None


def test_jitter_is_the_same_for_every_scheduler(work, deploy):
    """A time with jitter is fired later, and when is the same each time it is asked."""
    jitter = timedelta(minutes=10)
    record = deploy(jitter=jitter)
    assert record.next_at < record.due_at < record.next_at + jitter
    again = deploy(jitter=jitter)
    assert again.due_at == record.due_at

    late = (record.due_at - START).total_seconds()
    assert work.fire(seconds=late - 1) == []
    (outcome,) = work.fire(seconds=1)

    assert outcome.nominal == START + HOUR


def test_a_clock_that_is_set_back_fires_nothing_twice(work, deploy):
    """After the wall's clock was set back, what was fired is not fired again."""
    deploy(overlap="allow")
    for _ in range(3):
        work.fire(hours=1)
    work.clock.turn(hours=-2)
    # Even if somebody lets it start over from there.
    work.deployments.pause("nightly")
    work.deployments.resume("nightly")

    assert [o for _ in range(2) for o in work.fire(hours=1)] == []
    assert hours(work.fire(hours=1)) == [4]
    assert len(work.store.records()) == 4


def test_a_clock_that_is_set_on_misses_what_it_passed(work, deploy):
    """After the wall's clock was set on an hour, the latest time is fired."""
    record = deploy(CronSchedule("*/20 * * * *"))
    work.clock.turn(hours=1)

    work.fire()

    outcomes = work.deployments.outcomes(record.id)[::-1]
    assert kinds(outcomes) == ["missed", "missed", "fired"]


def test_new_rules_of_a_time_zone_are_followed(work, deploy):
    """The next time is sought anew at the start of a scheduler."""
    record = deploy(CronSchedule("0 8 * * *", timezone="Europe/Berlin"))
    assert not work.firings.correct(record)
    old = START + timedelta(hours=8)
    with work.ledger.writing() as connection:
        values = {"id": record.id, "edition": 1, "next_at": 0.0, "due_at": 0.0}
        values |= dict.fromkeys(("next_at", "due_at"), old.timestamp())
        connection.execute(work.ledger.sql["correct_time"], values)
    ((record, _),) = work.firings.firing()
    assert record.next_at == old

    assert work.firings.correct(record)

    ((record, _),) = work.firings.firing()
    assert record.next_at == START + timedelta(hours=7)


def test_a_paused_deployment_fires_nothing(work, deploy):
    """While a deployment is paused no time comes true, and none is made up for."""
    deploy(overlap="allow")
    work.fire(hours=1)
    work.deployments.pause("nightly")
    assert work.fire(hours=3) == []
    assert work.deploy(scheduled(overlap="allow")).paused
    assert work.fire(hours=3) == []

    work.deployments.resume("nightly")

    assert hours(work.fire(hours=1)) == [8]


def test_resuming_what_is_not_paused_changes_nothing(work, deploy):
    """A time that has come is not lost because somebody resumes the deployment."""
    deploy()
    work.turn(hours=1)

    work.deployments.resume("nightly")

    assert kinds(work.fire()) == ["fired"]


def test_a_deployment_can_be_paused_by_deploying_it(work, deploy):
    """A deployment that is said to be paused rests, also if nothing else changes."""
    deploy()

    work.deploy(scheduled(), parameters={"a": 1, "b": 1}, paused=True)

    assert work.fire(hours=3) == []
    assert work.firings.next_due() is None


def test_a_deployment_that_was_found_can_be_put_back(work):
    """What the store says of a deployment is what was declared: nothing else begins."""
    declared = scheduled(CronSchedule("H H * * *"), active=False, max_runs=3)
    deployment = work.deploy(declared)
    (record,) = work.deployments.schedules(deployment)

    assert deployment.schedules == (declared,)
    assert record.declared.schedule != declared.schedule
    assert work.deployments.put(deployment) == deployment
    assert work.deployments.schedules(deployment) == [record]


def test_a_schedule_that_was_switched_off_stays_off(work):
    """A schedule can rest alone; resuming or deploying again does not wake it."""
    declared = scheduled(overlap="allow"), scheduled(CronSchedule("30 * * * *"))
    deployment = work.deploy(*declared)
    first, second = work.deployments.schedules(deployment)
    work.deployments.set_active(second.id, active=False)
    work.deployments.pause("nightly")
    work.deployments.resume("nightly")
    work.deploy(*declared)

    assert hours(work.fire(hours=1)) == [1]
    assert work.deployments.set_active(second.id, active=True).active
    assert hours(work.fire(hours=1)) == [1.5, 2]
    assert first.active


def test_a_schedule_that_stays_goes_on_as_it_was(work, deploy):
    """A new version keeps the schedule with its history; other times are another one."""
    record = deploy()
    work.fire(hours=1)
    work.turn(minutes=30)

    same = deploy(max_runs=10)
    assert (same.id, same.fired, same.next_at) == (record.id, 1, START + 2 * HOUR)
    other = deploy(CronSchedule("15 * * * *"))

    assert other.id != record.id
    assert len(work.deployments.schedules(work.deployments.get("nightly"))) == 1


def test_a_past_can_be_backfilled(work, deploy):
    """Times that had no run get one when asked for, each once, one after the other."""
    record = deploy(catchup="none")
    work.fire(hours=3, minutes=30)
    deployment = work.deployments.get("nightly")
    (record,) = work.deployments.schedules(deployment)
    times = list(HOURLY.between(START - 2 * HOUR, START + 3 * HOUR))

    made = work.firings.backfill(record, deployment, times)
    again = work.firings.backfill(record, deployment, times)

    assert hours(made) == [-2, -1, 0, 1, 2]
    assert again == []
    told = work.deployments.outcomes(record.id)[::-1]
    assert kinds(told) == ["backfilled"] * 5 + ["missed"]
    # The schedule goes on beside it.
    assert kinds(work.fire(minutes=30)) == ["fired"]
    worker = work.workers.register("w", [deployment.lane])
    claimed = work.queue.claim([deployment.lane], worker.id, 10)
    assert len(claimed) == 2


def test_a_backfill_parts_what_was_told_of_together(work, deploy):
    """Backfilling the first of many missed times leaves the count of the others right."""
    deploy(IntervalSchedule(60))
    work.fire(hours=10)
    deployment = work.deployments.get("nightly")
    (record,) = work.deployments.schedules(deployment)
    before = work.deployments.outcomes(record.id, 10_000)
    first = before[-1]
    assert first.count > 2

    times = [first.nominal, first.nominal + timedelta(minutes=1)]
    work.firings.backfill(record, deployment, times, side_by_side=True)

    after = work.deployments.outcomes(record.id, 10_000)
    assert kinds(after[-3:]) == ["missed", "backfilled", "backfilled"]
    assert sum(o.count for o in after) == sum(o.count for o in before)
    assert all(isinstance(o.kind, OutcomeKind) for o in after)


def test_the_next_due_schedule_is_known(work, deploy):
    """A scheduler knows until when it may sleep."""
    assert work.firings.next_due() is None
    deploy()
    assert work.firings.next_due() == START + HOUR
