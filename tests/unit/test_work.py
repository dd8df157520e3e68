"""Work that waits: what is decided about nominal times, without a store."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nborch.schedules import IntervalSchedule, Overlap, Policy, jittered
from nborch.store.terms import Term, Terms
from nborch.work import Deployment, DeploymentSchedule, ScheduleRecord, Worker
from nborch.work.firing import AT_ONCE, admitted, decide, following

START = datetime(2026, 11, 23, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DEPLOYMENT = Deployment(id="d", name="nightly", flow_name="report")


def record(**policy):
    declared = DeploymentSchedule(
        schedule=IntervalSchedule(60), policy=Policy(**policy)
    )
    next_at, due_at = following("s", declared, START, 0)
    return ScheduleRecord(
        id="s",
        deployment_id="d",
        declared=declared,
        edition=1,
        after=START,
        next_at=next_at,
        due_at=due_at,
        counted_from=START,
    )


@given(
    catchup=st.sampled_from(["latest", "none", "all"]),
    minutes=st.integers(0, 3 * AT_ONCE),
    seconds=st.integers(0, 59),
    jitter=st.integers(0, 90),
)
def test_every_time_that_has_come_is_dealt_with_once(catchup, minutes, seconds, jitter):
    """Whatever the policy, each time up to now is due or missed, in one plan or the next."""
    told = record(catchup=catchup, jitter=timedelta(seconds=jitter), overlap="allow")
    now = START + timedelta(minutes=minutes, seconds=seconds)
    seen, due = [], []

    while told.due_at <= now:
        made = decide(told, DEPLOYMENT, now)
        seen += sorted([*made.missed, *made.due])
        due += made.due
        told = replace(told, after=made.after, next_at=made.next_at, due_at=made.due_at)

    assert seen == [START + (number + 1) * MINUTE for number in range(len(seen))]
    assert minutes - jitter // 60 - 1 <= len(seen) <= minutes
    assert told.next_at == START + (len(seen) + 1) * MINUTE
    if catchup == "all":
        fires = {each: jittered("s", each, timedelta(seconds=jitter)) for each in seen}
        assert due == [each for each in seen if now - fires[each] <= timedelta(days=1)]
    else:
        assert due in ([], seen[-1:])


@pytest.mark.parametrize(
    ("overlap", "made"),
    [
        ("skip", ["fired", "skipped", "skipped", "skipped"]),
        ("queue_one", ["fired", "queued", "skipped", "skipped"]),
        ("queue_all", ["fired", "queued", "queued", "queued"]),
        ("cancel_previous", ["fired", "queued", "queued", "queued"]),
        ("allow", ["fired", "fired", "fired", "fired"]),
    ],
)
def test_each_policy_says_what_becomes_of_an_overlap(overlap, made):
    """What becomes of a time depends on how many runs of its schedule are not over."""
    told = [str(admitted(Overlap(overlap), unfinished)) for unfinished in range(4)]

    assert told == made


def test_a_term_says_for_how_long_one_need_not_be_heard_of():
    """A term is over when its seconds have passed, by the clock of its own boot."""
    clock = [0.0]
    terms = Terms(30, steady=lambda: clock[0], wall=lambda: 1e9 + clock[0], boot="a")
    term = terms.grant()
    assert not terms.is_over(term)
    clock[0] = 30.5

    assert terms.is_over(term)
    assert not terms.is_over(terms.grant())
    assert not terms.is_over(Term("b", 0.0, 1e9 + 31))
    assert terms.is_over(Term("b", 99.0, 1e9 + 30))


def test_a_worker_knows_its_machine_and_process():
    """The name of a worker's process tells where it is."""
    worker = Worker(
        id="w",
        name="w",
        process="here:42:abcd",
        lanes=(),
        limit=None,
        started=START,
        seen=START,
        status="online",
    )

    assert (worker.host, worker.pid) == ("here", 42)
