"""Crowds: very many schedules that are due at once are decided about beforehand."""

from datetime import UTC, datetime, timedelta

import pytest

from nborch.deploy.foresight import AHEAD, CROWD, LATE
from nborch.deploy.scheduler import Scheduler
from nborch.schedules import CronSchedule
from nborch.testing import Clock
from nborch.work import Deployment, DeploymentSchedule

START = datetime(2026, 11, 23, tzinfo=UTC)
HOUR = START + timedelta(hours=1)
MANY = CROWD + 60


def set_to(clock, time):
    clock.turn(seconds=(time - clock.now).total_seconds())


def deployed(number, **changes):
    hourly = DeploymentSchedule(schedule=CronSchedule("0 * * * *"))
    return Deployment(name=f"d{number}", flow_name="f", schedules=(hourly,), **changes)


@pytest.fixture
def clock(home):
    """The clock of a home whose crowd is due on the hour."""
    clock = Clock(START)
    for store in (home.deployments, home.firings):
        store._clock = clock
    for number in range(MANY):
        home.deployments.put(deployed(number))
    set_to(clock, HOUR - AHEAD / 2)
    return clock


@pytest.fixture
def scheduler(home, clock):
    """A scheduler that has decided about the crowd."""
    made = Scheduler(home, clock=clock)
    turns = 0
    while made.turn() == [] and made._has_more:
        turns += 1
    assert turns == MANY // CROWD
    assert len(made._foresight._decided) == MANY
    return made


def made(home, outcomes):
    """Return the parameters of the runs, by the name of the deployment."""
    records = home.store.records(limit=MANY * 2)
    by_id = {each.run.id: each.run for each in records}
    runs = [by_id[each.run_id] for each in outcomes]
    return {run.details["deployment"]["name"]: run.parameters for run in runs}


def test_a_crowd_is_fired_as_it_was_decided(home, clock, scheduler, monkeypatch):
    """All of it fires once when its time has come, and nothing is decided then."""
    decided = []
    monkeypatch.setattr(
        "nborch.deploy.scheduler.decide", lambda *what: decided.append(what)
    )
    set_to(clock, HOUR)

    outcomes = scheduler.turn()

    assert not decided
    assert len(made(home, outcomes)) == len(outcomes) == MANY
    assert {each.nominal for each in outcomes} == {HOUR}
    assert scheduler.turn() == []
    assert scheduler._next_due == HOUR + timedelta(hours=1)
    assert not scheduler._foresight._decided


def test_what_changes_meanwhile_counts(home, clock, scheduler):
    """A deployment that is paused, deleted or changed is fired as it is then."""
    ids = {each.name: each.id for each in home.deployments.list()}
    home.deployments.pause(ids["d1"])
    home.deployments.delete(ids["d2"])
    home.deployments.put(deployed(3, parameters={"a": 1}))
    home.deployments.put(deployed("new"))
    set_to(clock, HOUR)

    told = made(home, scheduler.turn())

    assert len(told) == MANY - 1
    assert not {"f/d1", "f/d2"} & told.keys()
    assert told["f/d3"] == {"a": 1}
    assert told["f/d4"] == {}
    assert "f/dnew" in told


def test_another_scheduler_may_have_fired_it(home, clock, scheduler):
    """Two that have decided about the same crowd fire each of it once, together."""
    other = Scheduler(home, clock=clock)
    while other.turn() == [] and other._has_more:
        pass
    set_to(clock, HOUR)

    assert len(made(home, other.turn())) == MANY
    assert scheduler.turn() == []


def test_who_sleeps_through_the_time_decides_anew(home, clock, scheduler):
    """What was decided for a time is not done an hour later."""
    set_to(clock, HOUR + timedelta(hours=2) + LATE)

    outcomes = scheduler.turn()

    fired = [each for each in outcomes if str(each.kind) == "fired"]
    assert {each.nominal for each in fired} == {HOUR + timedelta(hours=2)}
    assert len(fired) == MANY


def test_a_few_schedules_are_no_crowd(home, clock):
    """Fewer are not decided about beforehand."""
    for each in home.deployments.list()[CROWD - 1 :]:
        home.deployments.delete(each.id)
    scheduler = Scheduler(home, clock=clock)

    assert scheduler.turn() == []

    assert not scheduler._has_more
    assert not scheduler._foresight._decided
    set_to(clock, HOUR)
    assert len(scheduler.turn()) == CROWD - 1
