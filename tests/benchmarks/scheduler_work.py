"""What ``bench_scheduler.py`` measures, in a process of its own: ``python FILE PIECE``.

Each piece prints one JSON value. The pieces of peers are run by a Python that has them.
"""

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta

MINUTES = 10


def fire(count, seconds):
    """Let one scheduler fire `count` schedules, spread over ten minutes."""
    from nborch.deploy.scheduler import Scheduler
    from nborch.home import current_home
    from nborch.schedules import IntervalSchedule, Policy
    from nborch.work import Deployment, DeploymentSchedule

    home = current_home()
    start = datetime.now(UTC)
    for number in range(count):
        schedule = IntervalSchedule(
            timedelta(minutes=MINUTES),
            anchor_date=start + timedelta(minutes=MINUTES * number / count),
        )
        declared = DeploymentSchedule(schedule=schedule, policy=Policy())
        name = f"n{number}"
        home.deployments.put(
            Deployment(name=name, flow_name="f", schedules=(declared,))
        )
    return _measured(Scheduler(home), home, seconds)


def _measured(scheduler, home, seconds):
    outcomes = []
    scheduler._on_fired = outcomes.extend
    scheduler.start()
    time.sleep(2)  # what passed while they were declared
    del outcomes[:]
    cpu, start = time.process_time(), time.monotonic()
    time.sleep(seconds)
    cpu, passed = time.process_time() - cpu, time.monotonic() - start
    scheduler.stop()
    late = sorted(_late(home, outcome) for outcome in outcomes)
    return {"cpu": cpu / passed, "fired": len(late), "late": late[-1] if late else None}


def _late(home, outcome):
    run = home.store.record(outcome.run_id).run
    return (run.created - outcome.nominal).total_seconds()


def burst(count):
    """Let one scheduler come to a time at which all `count` schedules are due."""
    from nborch.deploy.scheduler import Scheduler
    from nborch.home import current_home
    from nborch.schedules import At, Policy
    from nborch.work import Deployment, DeploymentSchedule

    home = current_home()
    due = datetime.now(UTC) + timedelta(hours=1)
    declared = (DeploymentSchedule(schedule=At([due]), policy=Policy()),)
    for number in range(count):
        home.deployments.put(
            Deployment(name=f"n{number}", flow_name="f", schedules=declared)
        )
    # By its clock the hour has nearly passed.
    ahead = due.timestamp() - time.time() - 6
    fired = []

    def note(outcomes):
        fired.append((time.time() + ahead - due.timestamp(), len(outcomes)))

    clock = lambda: time.time() + ahead  # noqa: E731
    scheduler = Scheduler(home, clock=clock, on_fired=note)
    scheduler.start()
    while sum(number for _, number in fired) < count:
        time.sleep(0.05)
    scheduler.stop()
    return {"first": fired[0][0], "last": fired[-1][0]}


def idle(seconds):
    """Let a scheduler that has nothing to do run."""
    from nborch.deploy.scheduler import Scheduler
    from nborch.home import current_home

    home = current_home()
    return _measured(Scheduler(home), home, seconds)


def claims(count, processes):
    """Let so many processes claim and finish `count` runs."""
    from nborch import context  # noqa: F401  # children of a fork draw anew
    from nborch.home import current_home
    from nborch.states import Completed
    from nborch.work import Deployment

    home = current_home()
    deployment = home.deployments.put(Deployment(name="n", flow_name="f"))
    for _ in range(count):
        home.queue.enqueue(deployment)
    home.close()

    def work(number):
        worker = home.workers.register(f"w{number}", [deployment.lane])
        while claimed := home.queue.claim([deployment.lane], worker.id):
            for claim in claimed:
                home.queue.finish(claim.run_id, claim.attempt, Completed())

    seconds = _in_processes(work, processes)
    records = home.store.records(limit=count + 1)
    assert len(records) == count
    assert all(record.state.is_completed() for record in records)
    return {"rate": count / seconds}


def huey_claims(count, processes):
    """Let so many processes take `count` messages from huey's SQLite queue."""
    from huey.storage import SqliteStorage

    file = os.path.join(os.environ["NBORCH_HOME"], "huey.db")  # noqa: PTH118
    os.makedirs(os.environ["NBORCH_HOME"], exist_ok=True)  # noqa: PTH103
    storage = SqliteStorage("bench", filename=file, timeout=60)
    for _ in range(count):
        storage.enqueue(b"x" * 200)
    storage.close()

    def work(_number):
        own = SqliteStorage("bench", filename=file, timeout=60)
        while own.dequeue() is not None:
            pass

    return {"rate": count / _in_processes(work, processes)}


def apscheduler_fire(count, seconds):
    """Let APScheduler fire `count` jobs that it keeps in memory."""
    from apscheduler.schedulers.background import BackgroundScheduler

    scheduler = BackgroundScheduler(timezone="UTC")
    start = datetime.now(UTC)
    for number in range(count):
        at = start + timedelta(minutes=MINUTES * number / count)
        scheduler.add_job(
            note,
            "interval",
            minutes=MINUTES,
            start_date=at,
            args=[at.timestamp()],
            misfire_grace_time=3600,
        )
    scheduler.start()
    time.sleep(2)
    del LATE[:]
    cpu, begun = time.process_time(), time.monotonic()
    time.sleep(seconds)
    cpu, passed = time.process_time() - cpu, time.monotonic() - begun
    scheduler.shutdown(wait=False)
    return {
        "cpu": cpu / passed,
        "fired": len(LATE),
        "late": max(LATE) if LATE else None,
    }


LATE = []


def note(at):
    """Note how late a job of APScheduler is."""
    passed = time.time() - at
    if passed < MINUTES * 60:
        LATE.append(passed)


def _in_processes(work, count):
    start = time.perf_counter()
    children = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work(number)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    ends = [os.waitpid(child, 0)[1] for child in children]
    assert ends == [0] * count, ends
    return time.perf_counter() - start


if __name__ == "__main__":
    piece, *numbers = sys.argv[1:]
    print(json.dumps(globals()[piece](*map(int, numbers))))
