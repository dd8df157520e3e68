"""The queue: runs wait, are claimed once, and always reach an end."""

from datetime import UTC, datetime, timedelta

import pytest

from nborch.events import log_written, state_entered
from nborch.exceptions import InvalidDeclaration, NotFound
from nborch.runs import RunKind
from nborch.states import Cancelled, Completed, Failed, Retrying, Running
from nborch.work import WorkPool, pool_lane

START = datetime(2026, 11, 23, tzinfo=UTC)


def entered(claim, state, attempt=None, *, at=START):
    return state_entered(claim.run_id, state.stamped(at), attempt or claim.attempt)


def ids(claims):
    return [claim.run_id for claim in claims]


def waiting(work, deployment, count):
    """Make runs that wait, one after the other; return their ids."""
    made = []
    for _ in range(count):
        work.turn(seconds=0.001)
        made.append(work.queue.enqueue(deployment).run.id)
    return made


@pytest.fixture
def deployment(work):
    return work.deploy(parameters={"region": "eu", "n": 1}, tags=frozenset({"daily"}))


@pytest.fixture
def worker(work, deployment):
    return work.workers.register("w", [deployment.lane])


@pytest.fixture
def enqueue(work, deployment):
    """Make a run that waits; return its id."""

    def make(**asked):
        return work.queue.enqueue(deployment, **asked).run.id

    return make


@pytest.fixture
def claim(work, worker, deployment):
    """Claim what is due."""

    def take(most=1, by=worker):
        return work.queue.claim([deployment.lane], by.id, most)

    return take


def test_a_run_waits_until_it_is_due(work, deployment, enqueue, claim):
    """A run is Scheduled until its time has come, and is nobody's before."""
    run_id = enqueue(due_at=START + timedelta(hours=1), parameters={"n": 2})

    assert work.state(run_id).is_scheduled()
    assert claim() == []
    assert work.queue.next_due([deployment.lane]) == START + timedelta(hours=1)
    work.turn(hours=1)
    (claimed,) = claim()

    assert claimed.run_id == run_id
    assert claimed.parameters == {"region": "eu", "n": 2}
    assert (claimed.attempt, claimed.crashes) == (1, 0)
    assert claimed.deployment.full_name == "report/nightly"
    assert work.state(run_id).name == "Submitting"
    assert work.queue.next_due([deployment.lane]) is None


def test_a_run_tells_where_it_comes_from(work, deployment, enqueue):
    """A run of a deployment has its flow, its name, and the tags of both."""
    run_id = enqueue(name="by hand", details={"tags": ["urgent"]})

    run = work.store.record(run_id).run
    assert (run.kind, run.of, run.name) == (RunKind.FLOW, "report", "by hand")
    assert run.tags == {"daily", "urgent"}
    assert run.details["deployment"] == {"id": deployment.id, "name": "report/nightly"}


def test_a_run_is_claimed_once(enqueue, claim, work, deployment):
    """Of two workers that ask, one gets the run."""
    enqueue()
    other = work.workers.register("other", [deployment.lane])

    assert len(claim(5)) == 1
    assert claim(5, other) == []


def test_who_waits_for_a_change_is_told_of_all(work, enqueue, deployment):
    """The queue's version changes with each write, by whichever connection."""
    from nborch.store.sqlite import SQLiteStore

    seen = [work.queue.version()]
    assert work.queue.version() == seen[-1]
    run_id = enqueue()
    seen.append(work.queue.version())
    work.pools.put(WorkPool(name="p"))
    seen.append(work.queue.version())
    theirs = SQLiteStore(work.store.path)
    line = log_written(run_id, START.timestamp(), "INFO", "x", "a line")
    theirs.append([line])
    seen.append(work.queue.version())
    work.ledger.close()
    theirs.append([line])
    seen.append(work.queue.version())
    theirs.close()

    assert len(set(seen)) == len(seen)
    assert work.queue.version() == seen[-1]


def test_greater_priority_is_claimed_first_and_then_who_waits_longest(
    work, enqueue, claim
):
    """Runs are claimed by priority, then by the time they are due."""
    late = enqueue()
    early = enqueue(due_at=START - timedelta(hours=1))
    urgent = enqueue(priority=5)
    unimportant = enqueue(priority=-1)

    assert ids(claim(2)) == [urgent, early]
    assert ids(claim(5)) == [late, unimportant]


def test_the_priority_of_a_deployment_is_that_of_its_runs(work, deployment, worker):
    """A run has the priority of its deployment, unless it has one of its own."""
    first = work.deploy(name="first", priority=3, work_pool=None)
    assert work.queue.standing(work.queue.enqueue(first).run.id).priority == 3
    own = work.queue.enqueue(first, priority=9)
    assert work.queue.standing(own.run.id).priority == 9


def test_the_same_key_makes_one_run(work, deployment, enqueue):
    """A second request by an idempotency key gets the run of the first."""
    other = work.deploy(name="other")

    assert enqueue(idempotency_key="a") == enqueue(idempotency_key="a")
    assert enqueue(idempotency_key="b") != enqueue(idempotency_key="a")
    elsewhere = work.queue.enqueue(other, idempotency_key="a").run.id
    assert elsewhere != enqueue(idempotency_key="a")
    assert len(work.store.records()) == 3


def test_a_pool_lets_no_more_runs_go_on_than_its_limit(work):
    """However many workers a pool has, its limit holds for all of them together."""
    work.pools.put(WorkPool(name="p", limit=2))
    deployment = work.deploy(work_pool="p")
    runs = waiting(work, deployment, 4)
    one, two = (work.workers.register(n, [deployment.lane]) for n in "ab")

    first = work.queue.claim([pool_lane("p")], one.id, 10)
    assert ids(first) == runs[:2]
    assert work.queue.claim([pool_lane("p")], two.id, 10) == []
    assert (work.pools.get("p").held, work.pools.get("p").waiting) == (2, 2)
    work.queue.finish(runs[0], first[0].attempt, Completed())

    assert ids(work.queue.claim([pool_lane("p")], two.id, 10)) == [runs[2]]


def test_a_paused_pool_lets_nothing_be_claimed(work):
    """While a pool is paused its runs wait; those that go on are left alone."""
    work.pools.put(WorkPool(name="p"))
    deployment = work.deploy(work_pool="p")
    worker = work.workers.register("w", [deployment.lane])
    work.queue.enqueue(deployment)
    work.pools.pause("p")

    assert work.queue.claim([deployment.lane], worker.id) == []
    work.pools.resume("p")
    assert len(work.queue.claim([deployment.lane], worker.id)) == 1


def test_a_deployment_lets_no_more_runs_go_on_than_its_limit(work):
    """A full deployment does not keep others of its pool waiting."""
    work.pools.put(WorkPool(name="p"))
    limited = work.deploy(name="limited", work_pool="p", concurrency_limit=2)
    free = work.deploy(name="free", work_pool="p")
    worker = work.workers.register("w", [limited.lane])
    runs = waiting(work, limited, 4)
    others = waiting(work, free, 2)

    claimed = work.queue.claim([limited.lane], worker.id, 10)

    assert sorted(ids(claimed)) == sorted([*runs[:2], *others])
    assert work.queue.claim([limited.lane], worker.id, 10) == []
    work.queue.finish(runs[1], claimed[1].attempt, Completed())
    assert ids(work.queue.claim([limited.lane], worker.id, 10)) == [runs[2]]


def test_a_run_that_has_ended_has_given_up_its_place(work, deployment, enqueue, claim):
    """Whoever tells of a run's end, its place in the pool is free from then on."""
    run_id = enqueue()
    (claimed,) = claim()

    work.store.append(
        [entered(claimed, Running()), entered(claimed, Failed(message="no rows"))]
    )

    assert work.queue.standing(run_id).status == "over"
    assert work.queue.held_by(claimed.worker_id) == []
    assert work.queue.crash(run_id, claimed.attempt, "too late") is None
    assert work.queue.request_cancel(run_id) == "over"
    assert work.state(run_id).is_failed()


def test_a_run_that_was_given_back_is_tried_again(work, enqueue, claim):
    """A worker that stops hands its run back, and that does not count as a crash."""
    run_id = enqueue()
    (claimed,) = claim()

    assert work.queue.release(run_id, claimed.attempt, "The worker was stopped.")
    assert work.state(run_id).name == "AwaitingRetry"
    (again,) = claim()

    assert (again.run_id, again.attempt, again.crashes) == (run_id, 2, 0)
    assert not work.queue.release(run_id, claimed.attempt)


def test_the_next_attempt_is_greater_than_all_the_run_has_made(work, enqueue, claim):
    """A run whose flow was retried goes on counting in its next process."""
    enqueue()
    (claimed,) = claim()
    work.store.append(
        [
            entered(claimed, Running()),
            entered(claimed, Retrying(), 2),
            entered(claimed, Retrying(), 3),
        ]
    )
    work.queue.release(claimed.run_id, claimed.attempt)

    (again,) = claim()

    assert again.attempt == 4
    assert work.store.append([entered(again, Running())]) == 1
    assert work.store.append([entered(claimed, Completed(), 3)]) == 0


def test_a_process_that_lost_its_run_is_not_believed(work, enqueue, claim, tmp_path):
    """What the process of an earlier attempt still reports is refused, all of it."""
    from nborch.store.sqlite import SQLiteStore

    run_id = enqueue()
    (claimed,) = claim()
    theirs = SQLiteStore(work.store.path)
    theirs.answer_for(run_id, claimed.attempt, claimed.worker_id)
    assert theirs.append([entered(claimed, Running())]) == 1
    work.queue.release(run_id, claimed.attempt)

    # While it waits, and once somebody else has it.
    assert theirs.append([entered(claimed, Completed())]) == 0
    assert theirs.is_fenced_off
    (again,) = claim()
    assert theirs.append([entered(claimed, Completed(), 99)]) == 0
    work.store.append([entered(again, Running()), entered(again, Completed())])
    late = Failed(message="late")

    assert theirs.append([entered(claimed, late, 99)]) == 0
    assert work.state(run_id).is_completed()
    theirs.close()


def test_a_process_may_tell_more_after_its_run_has_ended(work, enqueue, claim):
    """The end of a run does not fence off its own process: its hooks may log."""
    from nborch.store.sqlite import SQLiteStore

    run_id = enqueue()
    (claimed,) = claim()
    theirs = SQLiteStore(work.store.path)
    theirs.answer_for(run_id, claimed.attempt, claimed.worker_id)
    theirs.append([entered(claimed, Running()), entered(claimed, Completed())])

    line = log_written(run_id, START.timestamp(), "INFO", "x", "after the end")
    assert theirs.append([line]) == 1
    assert not theirs.is_fenced_off
    theirs.close()


@pytest.mark.parametrize("crashes", [1, 2, 3])
def test_a_run_that_kills_its_process_is_not_tried_for_ever(work, crashes):
    """A run is Crashed for good when its process has died as often as it may."""
    deployment = work.deploy(max_crashes=crashes)
    worker = work.workers.register("w", [deployment.lane])
    run_id = work.queue.enqueue(deployment).run.id

    for number in range(crashes):
        work.turn(minutes=1)
        (claimed,) = work.queue.claim([deployment.lane], worker.id)
        assert claimed.crashes == number
        reaped = work.queue.crash(run_id, claimed.attempt, "It was killed.")

    assert reaped.became == "crashed"
    assert work.state(run_id).is_crashed()
    assert work.queue.claim([deployment.lane], worker.id) == []
    assert work.queue.standing(run_id).status == "over"
    told = work.state(run_id).message
    assert told.startswith("It was killed.")
    assert ("time" in told) == (crashes > 1)


def test_a_run_that_waits_is_cancelled_at_once(work, enqueue, claim):
    """A run that nobody has claimed is Cancelled, and is not claimed any more."""
    run_id = enqueue()

    assert work.queue.request_cancel(run_id, "Not needed.") == "cancelled"
    assert work.queue.request_cancel(run_id) == "over"

    state = work.state(run_id)
    assert (state.is_cancelled(), state.message) == (True, "Not needed.")
    assert claim() == []


def test_a_worker_is_told_to_cancel(work, enqueue, claim, worker):
    """A run that goes on is Cancelling until its worker has ended it."""
    run_id = enqueue()
    (claimed,) = claim()

    assert work.queue.request_cancel(run_id) == "cancelling"
    assert work.state(run_id).is_cancelling()
    (held,) = work.queue.held_by(worker.id)
    assert held.cancel_requested
    assert work.queue.finish(run_id, claimed.attempt, Cancelled())

    assert work.state(run_id).is_cancelled()
    assert not work.queue.finish(run_id, claimed.attempt, Cancelled())


def test_a_run_to_be_cancelled_is_not_tried_again(work, enqueue, claim):
    """A run that somebody cancelled ends Cancelled, also if its process died."""
    crashed, released = enqueue(), enqueue()
    for claimed in claim(2):
        work.queue.request_cancel(claimed.run_id)

    assert work.queue.crash(crashed, 1, "It was killed.").became == "cancelled"
    work.queue.release(released, 1)

    assert work.state(crashed).is_cancelled()
    assert work.state(released).is_cancelled()


def test_an_end_that_may_not_follow_is_an_end_nevertheless(work, enqueue, claim):
    """A run is over when its worker says so, whatever state it was in."""
    run_id = enqueue()
    (claimed,) = claim()
    from nborch.states import AwaitingRetry

    work.store.append([entered(claimed, AwaitingRetry())])
    assert work.queue.finish(run_id, claimed.attempt, Completed())

    assert work.state(run_id).is_over()


def test_the_runs_of_a_dead_worker_are_given_to_others(work, enqueue, claim, worker):
    """When a worker's process has died, its runs wait again, once."""
    run_id = enqueue()
    claim()
    assert work.reap() == []
    work.dead.add(work.process)

    (reaped,) = work.reap()
    assert work.reap() == []

    assert (reaped.run_id, reaped.became) == (run_id, "waiting")
    assert "died" in work.state(run_id).message
    assert work.workers.get(worker.id).status == "lost"
    assert not work.workers.renew(worker.id)
    assert claim() == []
    other = work.workers.register("other", worker.lanes)
    (again,) = claim(1, other)
    assert (again.attempt, again.crashes) == (2, 1)


def test_a_worker_that_is_not_heard_of_loses_its_runs(work, enqueue, claim, worker):
    """A lease that is not renewed ends; one that is renewed does not."""
    run_id = enqueue()
    claim()
    for _ in range(10):
        work.turn(seconds=20)
        assert work.workers.renew(worker.id)
        assert work.reap() == []
    work.turn(seconds=31)

    (reaped,) = work.reap()

    assert (reaped.run_id, reaped.became) == (run_id, "waiting")
    assert "not heard of for 30 seconds" in reaped.why
    assert not work.workers.renew(worker.id)


@pytest.mark.parametrize("hours", [1, -1, 24 * 365])
def test_no_lease_is_lost_when_the_clock_is_set(work, enqueue, claim, hours):
    """The wall's clock may be set on or back: who is alive stays so."""
    enqueue()
    claim()

    work.clock.turn(hours=hours)

    assert work.reap() == []


def test_a_machine_that_slept_loses_no_lease(work, enqueue, claim):
    """In a suspend the wall's clock goes on and the steady one does not."""
    enqueue()
    claim()
    work.clock.turn(hours=9)
    work.steady.turn(seconds=5)

    assert work.reap() == []


def test_after_a_restart_of_the_machine_the_wall_clock_counts(work, enqueue, claim):
    """A worker of another boot, or another machine, is judged by the wall's clock."""
    from nborch.store.terms import Terms

    run_id = enqueue()
    claim()
    elsewhere = Terms(30, steady=lambda: 0.0, wall=work.clock, boot="that")
    work.workers.terms = elsewhere
    assert work.reap() == []

    work.clock.turn(seconds=31)

    assert [each.run_id for each in work.reap()] == [run_id]


def test_a_cancelled_run_of_a_dead_worker_ends(work, enqueue, claim):
    """A run that is to be cancelled and whose worker is dead is Cancelled."""
    run_id = enqueue()
    claim()
    work.queue.request_cancel(run_id)
    work.dead.add(work.process)

    (reaped,) = work.reap()

    assert reaped.became == "cancelled"
    assert work.state(run_id).is_cancelled()


def test_what_a_worker_left_behind_is_given_to_others(work, enqueue, claim, worker):
    """A worker that ended without handing back its runs loses them."""
    run_id = enqueue()
    claim()
    work.workers.leave(worker.id)

    assert [each.run_id for each in work.reap()] == [run_id]
    assert work.workers.get(worker.id).status == "left"
    assert claim() == []


def test_a_run_that_ended_before_its_worker_died_stays_as_it_ended(
    work, enqueue, claim
):
    """The death of a worker changes nothing about runs that are over."""
    run_id = enqueue()
    (claimed,) = claim()
    work.store.append([entered(claimed, Running()), entered(claimed, Completed())])
    work.dead.add(work.process)

    assert work.reap() == []
    assert work.state(run_id).is_completed()


def test_nobody_is_dead_whose_run_waits(work, home, enqueue):
    """A run that waits belongs to no process: none can end and make it Crashed."""
    from nborch.leasing import reap

    run_id = enqueue()

    assert reap(work.store, home.folder / "processes", 0.0) == []
    assert work.state(run_id).is_scheduled()


def test_deleting_a_deployment_cancels_what_waits(work, deployment, enqueue, claim):
    """The runs of a deleted deployment are cancelled, or end and are not repeated."""
    waits, goes_on = enqueue(due_at=START + timedelta(hours=1)), enqueue()
    (claimed,) = claim()
    work.deployments.delete("report/nightly")

    assert work.state(waits).is_cancelled()
    assert work.state(goes_on).name == "Submitting"
    assert work.queue.crash(goes_on, claimed.attempt, "killed").became == "crashed"
    assert work.deployments.list() == []


def test_runs_move_with_their_deployment(work, deployment, enqueue):
    """Runs that wait follow their deployment to another pool."""
    run_id = enqueue()
    work.pools.put(WorkPool(name="p"))
    moved = work.deploy(work_pool="p")

    assert moved.id == deployment.id
    assert work.queue.standing(run_id).lane == pool_lane("p")


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda w: w.deployments.get("nightli"), NotFound, "Did you mean 'nightly'"),
        (lambda w: w.deployments.get("same"), NotFound, "Several deployments"),
        (lambda w: w.pools.get("q"), NotFound, "work-pool create --type process q"),
        (lambda w: w.deploy(work_pool="p"), NotFound, "No work pool is called 'p'"),
        (lambda w: w.deploy(name="a/b"), InvalidDeclaration, "without a slash"),
        (lambda w: w.queue.standing("x"), NotFound, "not one of a deployment"),
        (lambda w: w.queue.request_cancel("x"), NotFound, "not one of a deployment"),
        (lambda w: w.workers.get("x"), NotFound, "nborch worker ls"),
        (lambda w: w.deployments.set_active("x", active=True), NotFound, "No schedule"),
        (lambda w: w.pools.put(WorkPool(name="")), InvalidDeclaration, "cannot be"),
        (
            lambda w: w.pools.put(WorkPool(name="p", limit=-1)),
            InvalidDeclaration,
            "from 0",
        ),
    ],
)
def test_what_is_not_there_is_said(work, call, error, told):
    """Each wrong name is told of, with what to do."""
    for flow_name, name in [("f", "nightly"), ("f", "same"), ("g", "same")]:
        work.deploy(flow_name=flow_name, name=name)

    with pytest.raises(error, match=told):
        call(work)


def test_a_pool_that_is_used_is_not_deleted(work):
    """A pool goes only when no deployment names it any more."""
    work.pools.put(WorkPool(name="p"))
    work.deploy(work_pool="p")

    with pytest.raises(InvalidDeclaration, match="is used by report/nightly"):
        work.pools.delete("p")
    work.deployments.delete("nightly")
    work.pools.delete("p")

    assert work.pools.list() == []


def test_a_deployment_is_what_was_put(work):
    """All that is said of a deployment is found again, by each of its names."""
    work.pools.put(WorkPool(name="p", kind="process", limit=3, description="d"))
    put = work.deploy(
        entrypoint={"kind": "file", "path": "a.py", "name": "f"},
        parameters={"n": 1},
        parameter_schema={"type": "object"},
        enforce_schema=False,
        work_pool="p",
        priority=2,
        version="abc",
        tags=frozenset({"x"}),
        description="words",
        concurrency_limit=4,
        max_crashes=7,
    )

    for name in (put.id, "report/nightly", "nightly"):
        assert work.deployments.get(name) == put
    assert put.version == "abc"
    assert put.entrypoint["path"] == "a.py"
    assert put.created == put.updated == START


def test_deploying_the_same_again_changes_nothing(work):
    """A second deployment of the same is none, and a change keeps the id."""
    first = work.deploy(version="1")
    work.turn(hours=1)

    assert work.deploy(version="1") == first
    second = work.deploy(version="2")

    assert (second.id, second.version) == (first.id, "2")
    assert second.updated == START + timedelta(hours=1)
