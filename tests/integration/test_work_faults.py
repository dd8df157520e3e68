"""Work that waits, under faults: processes killed and stopped, full disks, many at once."""

import json
import signal
import sqlite3
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from nborch.deploy.scheduler import Scheduler
from nborch.exceptions import StoreError
from nborch.schedules import At, CronSchedule, IntervalSchedule, Policy
from nborch.states import Completed
from nborch.testing import Clock
from nborch.work import Deployment, DeploymentSchedule, WorkPool

HOUR = timedelta(hours=1)

BEGIN = """
    import os, random, signal, sys, time
    from datetime import UTC, datetime, timedelta
    from nborch import context  # children of a fork draw anew
    from nborch.deploy.scheduler import Scheduler
    from nborch.home import current_home
    from nborch.leasing import is_alive
    from nborch.events import state_entered
    from nborch.states import Completed, Running

    home = current_home()

    def killed_at(statement):
        '''Kill this process when it begins so many statements of a transaction.'''
        left = [statement]
        def count(_sql):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
        with home.queue._ledger.reading() as connection:
            connection.set_trace_callback(count)

    def in_children(work, count):
        '''Do the work in so many processes at once; return how they ended.'''
        children = []
        for number in range(count):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    work(number)
                    code = 0
                finally:
                    home.close()
                    os._exit(code)
            children.append(child)
        return [os.waitpid(child, 0)[1] for child in children]
"""


def ok(home):
    """Tell whether the file of the store is whole."""
    with sqlite3.connect(home.store.path) as connection:
        told = connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()
    return told == "ok"


def done(process):
    """Return what a program printed, which has ended well."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


def scheduled(schedule, **policy):
    return DeploymentSchedule(schedule=schedule, policy=Policy(**policy))


TEN = (
    BEGIN
    + """
    def fire(_):
        scheduler = Scheduler(home)
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            scheduler.turn()

    print(in_children(fire, 10))
"""
)


def test_ten_schedulers_fire_each_time_once(script, home):
    """However many schedulers there are, each nominal time is told of once."""
    schedules = [scheduled(IntervalSchedule(1 / 8), overlap="allow", catchup="all")]
    deployment = home.deployments.put(
        Deployment(name="n", flow_name="f", schedules=tuple(schedules))
    )

    assert done(script(TEN)).strip() == str([0] * 10)

    (record,) = home.deployments.schedules(deployment)
    outcomes = home.deployments.outcomes(record.id, 1_000)[::-1]
    assert len(outcomes) >= 6
    for one, two in pairwise(outcomes):
        assert two.nominal - one.nominal == timedelta(seconds=1 / 8)
    runs = [run.run.id for run in home.store.records(limit=1_000)]
    assert sorted(runs) == sorted(each.run_id for each in outcomes)


KILLED_FIRING = (
    BEGIN
    + """
    from nborch.testing import Clock
    clock = Clock(datetime.fromtimestamp(float(sys.argv[1]), UTC))

    def fire(number):
        killed_at(1 + number * 7 % 45)
        Scheduler(home, clock=clock).turn()

    ends = []
    for number in range(100):
        clock.turn(hours=1)
        ends += in_children(lambda _, number=number: fire(number), 1)
    print(ends.count(signal.SIGKILL))
    clock.turn(hours=1)
    Scheduler(home, clock=clock).turn()
"""
)


def test_a_scheduler_killed_while_it_fires_loses_and_doubles_nothing(script, home):
    """Killed at any statement of a firing, it has fired a time wholly or not at all."""
    schedule = scheduled(
        CronSchedule("0 * * * *"),
        overlap="allow",
        catchup="all",
        catchup_window=timedelta(days=9),
    )
    deployment = home.deployments.put(
        Deployment(name="n", flow_name="f", schedules=(schedule,))
    )
    (record,) = home.deployments.schedules(deployment)
    start = record.next_at - HOUR
    home.close()

    kills = int(done(script(KILLED_FIRING, start.timestamp())))

    assert 20 < kills < 100
    outcomes = home.deployments.outcomes(record.id, 1_000)[::-1]
    assert [each.nominal for each in outcomes] == [
        record.next_at + number * HOUR for number in range(101)
    ]
    assert {str(each.kind) for each in outcomes} <= {"fired", "queued"}
    runs = home.store.records(limit=1_000)
    assert sorted(each.run_id for each in outcomes) == sorted(r.run.id for r in runs)
    assert all(record.state.is_scheduled() for record in runs)
    assert len(home.queue.unfinished()) == 101
    assert ok(home)


KILLED_WORKERS = (
    BEGIN
    + """
    lane = home.deployments.get("n").lane

    def work(number):
        worker = home.workers.register("w", [lane])
        killed_at(1 + number % 30)
        (claim,) = home.queue.claim([lane], worker.id)
        now = datetime.now(UTC)
        home.store.append([state_entered(claim.run_id, Running().stamped(now), claim.attempt)])
        home.queue.finish(claim.run_id, claim.attempt, Completed())

    for number in range(60):
        in_children(lambda _, number=number: work(number), 1)
        home.reap()
        home.close()
    print("done")
"""
)


def test_workers_killed_at_any_moment_leave_no_run_behind(script, home):
    """Killed at any statement, a worker leaves its run to others; each ends once."""
    deployment = home.deployments.put(
        Deployment(name="n", flow_name="f", max_crashes=1_000)
    )
    runs = [home.queue.enqueue(deployment).run.id for _ in range(60)]
    home.close()

    assert done(script(KILLED_WORKERS)).strip() == "done"

    home.reap()
    standing = [home.queue.standing(run_id) for run_id in runs]
    states = Counter(home.store.record(run_id).state.name for run_id in runs)
    assert {each.status for each in standing} == {"waiting", "over"}
    assert set(states) == {"Completed", "AwaitingRetry", "Scheduled"}
    for run_id, each in zip(runs, standing, strict=True):
        assert home.store.record(run_id).state.is_over() == (each.status == "over")
        ends = [
            event
            for event in home.store.events(run_id=run_id)
            if event.kind == "state" and event.data["type"] == "COMPLETED"
        ]
        assert len(ends) == (each.status == "over")
    assert ok(home)


HAMMER = (
    BEGIN
    + """
    from nborch.work import Deployment
    deployment = home.deployments.get("n")

    def hammer(number):
        worker = home.workers.register(f"w{number}", [deployment.lane])
        for i in range(10):
            home.queue.enqueue(deployment, idempotency_key=f"{number}-{i}")
            for claim in home.queue.claim([deployment.lane], worker.id, 2):
                now = datetime.now(UTC)
                state = Running().stamped(now)
                home.store.append([state_entered(claim.run_id, state, claim.attempt)])
                assert home.queue.finish(claim.run_id, claim.attempt, Completed())
            assert home.workers.renew(worker.id)

    print(in_children(hammer, 16))
"""
)


def test_sixteen_processes_share_one_file(script, home):
    """Sixteen processes that write as fast as they can get no error, and lose nothing."""
    deployment = home.deployments.put(Deployment(name="n", flow_name="f"))
    home.close()

    assert done(script(HAMMER)).strip() == str([0] * 16)

    worker = home.workers.register("last", [deployment.lane])
    while claims := home.queue.claim([deployment.lane], worker.id, 50):
        for claim in claims:
            home.queue.finish(claim.run_id, claim.attempt, Completed())
    records = home.store.records(limit=1_000)
    assert len(records) == 160
    assert {(r.state.name, r.attempt) for r in records} == {("Completed", 1)}
    assert ok(home)


HELD = (
    BEGIN
    + """
    from nborch.store.terms import Terms
    home.workers.terms = Terms(float(sys.argv[1]))
    deployment = home.deployments.get("n")
    worker = home.workers.register("w", [deployment.lane])
    (claim,) = home.queue.claim([deployment.lane], worker.id)
    home.store.answer_for(claim.run_id, claim.attempt, worker.id)
    def enter(state):
        now = datetime.now(UTC)
        state = state_entered(claim.run_id, state.stamped(now), claim.attempt)
        return home.store.append([state])
    print(enter(Running()), flush=True)
    time.sleep(float(sys.argv[2]))
    print(enter(Completed()), home.store.is_fenced_off, home.workers.renew(worker.id))
"""
)


def test_a_worker_that_was_stopped_for_too_long_is_not_believed(script, home, until):
    """Stopped beyond its lease and then let go on, its run's end is not accepted."""
    deployment = home.deployments.put(Deployment(name="n", flow_name="f"))
    run_id = home.queue.enqueue(deployment).run.id
    process = script(HELD, 0.3, 0.2)
    assert process.stdout.readline().strip() == "1"
    process.send_signal(signal.SIGSTOP)

    assert until(lambda: home.reap() or home.queue.standing(run_id).status == "waiting")
    worker = home.workers.register("other", [deployment.lane])
    (claim,) = home.queue.claim([deployment.lane], worker.id)
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=30)

    assert out.split() == ["0", "True", "False"], err
    assert claim.attempt == 2
    assert home.queue.finish(run_id, claim.attempt, Completed())
    assert home.store.record(run_id).state.is_completed()


def test_the_death_of_a_worker_is_seen_by_a_scheduler(script, home, until):
    """On the same host a killed worker's run waits again within a moment."""
    deployment = home.deployments.put(Deployment(name="n", flow_name="f"))
    run_id = home.queue.enqueue(deployment).run.id
    process = script(HELD, 30, 60)
    assert process.stdout.readline().strip() == "1"
    reaped = []
    scheduler = Scheduler(home, on_reaped=reaped.extend)
    scheduler.start()
    try:
        process.kill()
        killed = time.monotonic()
        assert until(lambda: reaped)
        seconds = time.monotonic() - killed
    finally:
        scheduler.stop()

    assert (reaped[0].run_id, reaped[0].became) == (run_id, "waiting")
    assert home.store.record(run_id).state.name == "AwaitingRetry"
    # A tenth of it where nothing else is going on.
    assert seconds < 5


def test_a_full_disk_is_told_and_work_goes_on_when_there_is_room(home):
    """What cannot be written is told with what to do; nothing is half done."""
    deployment = home.deployments.put(Deployment(name="n", flow_name="f"))
    kept = home.queue.enqueue(deployment).run.id
    with home.queue._ledger.reading() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
    made = [kept]

    def fill():
        while len(made) < 1_000:
            made.append(home.queue.enqueue(deployment).run.id)

    with pytest.raises(StoreError, match="Make room on the disk"):
        fill()
    assert sorted(r.run.id for r in home.store.records(limit=1_000)) == sorted(made)
    assert len(home.queue.unfinished(most=2_000)) == len(made)
    assert ok(home)
    with home.queue._ledger.reading() as connection:
        connection.execute("PRAGMA max_page_count = 1000000")

    assert home.queue.enqueue(deployment).run.id not in made


def test_a_scheduler_outlives_a_store_that_cannot_be_used(home, until, caplog):
    """While the store cannot be written it says so once, tries again, and then fires."""
    schedule = scheduled(At([datetime.now(UTC) + timedelta(seconds=0.2)]))
    home.deployments.put(Deployment(name="n", flow_name="f", schedules=(schedule,)))
    fired = []
    with home.queue._ledger.reading() as connection:
        connection.execute("PRAGMA query_only = ON")
    scheduler = Scheduler(home, on_fired=fired.extend)
    scheduler.start()
    try:
        assert until(lambda: "cannot be used" in caplog.text)
        with home.queue._ledger.reading() as connection:
            connection.execute("PRAGMA query_only = OFF")
        assert until(lambda: fired)
    finally:
        scheduler.stop()

    assert caplog.text.count("cannot be used") == 1


def test_a_store_of_a_newer_nborch_is_left_alone(home):
    """A process whose store was upgraded under it says so and writes nothing."""
    deployment = home.deployments.put(Deployment(name="n", flow_name="f"))
    with sqlite3.connect(home.store.path) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute(f"PRAGMA user_version = {version + 1}")
    connection.close()

    with pytest.raises(StoreError, match="upgraded by a newer nborch while this"):
        home.queue.enqueue(deployment)
    home.close()
    with pytest.raises(StoreError, match="written by a newer nborch"):
        home.queue.enqueue(deployment)


def test_a_scheduler_learns_of_new_schedules(script, home, until):
    """A deployment that another process makes is fired when its time comes."""
    fired = []
    scheduler = Scheduler(home, on_fired=fired.extend)
    scheduler.start()
    try:
        done(script(NEW))
        assert until(lambda: fired)
    finally:
        scheduler.stop()

    (outcome,) = fired
    assert home.store.record(outcome.run_id).run.of == "f"
    late = home.store.record(outcome.run_id).run.created - outcome.nominal
    assert timedelta(0) <= late < timedelta(seconds=5)


NEW = (
    BEGIN
    + """
    from nborch.schedules import At
    from nborch.work import Deployment, DeploymentSchedule
    soon = At([datetime.now(UTC) + timedelta(seconds=0.5)])
    home.deployments.put(
        Deployment(name="n", flow_name="f", schedules=(DeploymentSchedule(schedule=soon),))
    )
"""
)


def test_a_scheduler_sleeps_when_all_is_fired(home):
    """After a time was fired a scheduler waits for the next one, and not in vain."""
    start = datetime(2026, 11, 23, 1, tzinfo=UTC)
    clock = home.deployments._clock = Clock(start - HOUR)
    schedule = scheduled(CronSchedule("0 * * * *"))
    home.deployments.put(Deployment(name="n", flow_name="f", schedules=(schedule,)))
    scheduler = Scheduler(home, clock=clock)
    scheduler.turn()
    clock.turn(minutes=59, seconds=59.95)
    assert scheduler.turn() == []
    assert 0 < scheduler._pause() < 0.06
    clock.turn(seconds=0.05)

    assert len(scheduler.turn()) == 1
    assert scheduler._pause() == pytest.approx(0.2)


def test_a_schedule_that_cannot_be_read_stops_no_other(home, caplog):
    """A schedule of a newer nborch is left alone and told of; the others are fired."""
    clock = Clock(datetime(2026, 11, 23, tzinfo=UTC))
    home.deployments._clock = home.firings._clock = clock
    for name, expression in [("newer", "0 * * * *"), ("ours", "1 * * * *")]:
        schedule = scheduled(CronSchedule(expression))
        home.deployments.put(
            Deployment(name=name, flow_name="f", schedules=(schedule,))
        )
    with home.queue._ledger.writing() as connection:
        change = (
            "UPDATE schedule SET spec = ? WHERE deployment = "
            "(SELECT id FROM deployment WHERE name = 'newer')"
        )
        connection.execute(change, (json.dumps({"kind": "moon", "phase": 1}),))
    clock.turn(hours=2)
    scheduler = Scheduler(home, clock=clock)

    outcomes = scheduler.turn()

    assert [str(each.kind) for each in outcomes] == ["missed", "fired"]
    assert scheduler.turn() == []
    assert scheduler.correct() == 0
    # It is not looked at again and again.
    assert scheduler._pause() == pytest.approx(0.2)
    assert caplog.text.count("A schedule of 'f/newer' is not fired by this") == 1
    assert "no kind of schedule named 'moon'" in caplog.text


def test_a_scheduler_goes_on_after_a_fault(home, until, caplog):
    """Whatever goes wrong in a scheduler, it says so and fires what comes next."""
    faults = [ZeroDivisionError("once")]

    def fail(_outcomes):
        if faults:
            raise faults.pop()
        fired.append(1)

    fired = []
    every = scheduled(IntervalSchedule(0.2), overlap="allow")
    home.deployments.put(Deployment(name="n", flow_name="f", schedules=(every,)))
    scheduler = Scheduler(home, on_fired=fail)
    scheduler.start()
    try:
        assert until(lambda: fired)
    finally:
        scheduler.stop()

    assert "ZeroDivisionError: once" in caplog.text


def test_a_scheduler_follows_a_clock_that_is_set(home, until):
    """Set on, the clock makes a scheduler fire at once; set back, it fires nothing."""
    clock = Clock(datetime(2026, 11, 23, tzinfo=UTC))
    home.deployments._clock = home.firings._clock = home.queue._clock = clock
    schedule = scheduled(CronSchedule("0 * * * *"), overlap="allow")
    home.deployments.put(Deployment(name="n", flow_name="f", schedules=(schedule,)))
    fired = []
    scheduler = Scheduler(home, clock=clock, on_fired=fired.extend)
    scheduler.start()
    try:
        clock.turn(hours=1)
        assert until(lambda: len(fired) == 1)
        clock.turn(hours=-1)
        clock.turn(hours=1)
        clock.turn(hours=2)
        assert until(lambda: len(fired) == 3)
    finally:
        scheduler.stop()

    assert [str(each.kind) for each in fired] == ["fired", "missed", "fired"]


def test_two_homes_do_not_see_each_other(home, tmp_path):
    """What waits in one home waits in no other."""
    from nborch.home import Home
    from nborch.settings import Settings

    other = Home(Settings(tmp_path / "other", tmp_path / "secret"))
    home.pools.put(WorkPool(name="p"))

    assert other.pools.list() == []
    other.close()
