"""Chaos: workers and schedulers are killed and stopped at random, and nothing is lost."""

import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from datetime import UTC, datetime

import pytest

from nborch.deploy.entrypoints import load_file
from nborch.schedules import IntervalSchedule, Policy
from nborch.states import StateType
from nborch.work import OutcomeKind, WorkPool

#: How many runs the schedules make in all; more for a longer look.
RUNS = int(os.environ.get("NBORCH_CHAOS_RUNS", "60"))
SCHEDULES = 10
#: Seconds between two nominal times of each schedule.
EVERY = 0.5
#: Seconds after which a worker that is not heard of is given up.
LEASE = 1.0

PROGRAM = """
import os
import time
from nborch import flow


@flow(log_prints=True)
def short(number: int):
    print("begins")
    # NB. The runs of the first schedule are long enough to be hit for certain.
    time.sleep(0.05 if number else 1.0)
    print("ends")
"""

WORKER = f"""
import sys, time
from nborch.deploy.worker import Worker
from nborch.home import current_home
from nborch.store.terms import Terms
home = current_home()
home.workers.terms = Terms({LEASE})
worker = Worker(home, sys.argv[1:], limit=4)
worker.start()
worker.join()
"""

SCHEDULER = """
from nborch.deploy.scheduler import Scheduler
from nborch.home import current_home
Scheduler(current_home()).run()
"""


class Crowd:
    """Processes of one kind, which are always as many."""

    def __init__(self, count, start):
        self._start = start
        self.processes = [start() for _ in range(count)]

    def torment(self, rng):
        """Kill one of them, or stop it for a while."""
        index = rng.randrange(len(self.processes))
        process = self.processes[index]
        if rng.random() < 0.5:
            process.kill()
            process.wait()
            self.processes[index] = self._start()
        else:
            process.send_signal(signal.SIGSTOP)
            time.sleep(rng.uniform(0.1, 2.0 * LEASE))
            process.send_signal(signal.SIGCONT)


@pytest.mark.timeout(600)
def test_each_time_gets_one_run_and_each_run_one_end(
    home, script, tmp_path, monkeypatch, until
):
    """Whatever dies or stops, each nominal time comes true once, and each run ends."""
    seed = int(os.environ.get("NBORCH_CHAOS_SEED", random.randrange(10_000)))
    rng = random.Random(seed)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "chaotic.py").write_text(PROGRAM)
    short = load_file(tmp_path / "chaotic.py").short
    home.pools.put(WorkPool(name="pool"))
    lane = home.pools.get("pool").lane
    now = datetime.now(UTC)
    policy = Policy(overlap="allow", catchup="all", max_runs=RUNS // SCHEDULES)
    deployments = [
        home.deployments.put(
            short.to_deployment(
                f"number-{number}",
                work_pool_name="pool",
                parameters={"number": number},
                schedule=IntervalSchedule(EVERY, anchor_date=now),
                policy=policy,
                max_crashes=1_000,
            )
        )
        for number in range(SCHEDULES)
    ]

    workers = Crowd(3, lambda: script(WORKER, lane))
    schedulers = Crowd(2, lambda: script(SCHEDULER))
    schedules = [home.deployments.schedules(each)[0] for each in deployments]

    def is_hittable():
        made = home.deployments.outcomes(schedules[0].id, RUNS)
        ids = [each.run_id for each in made if each.run_id is not None]
        return any(home.store.record(run_id).state.is_running() for run_id in ids)

    assert until(is_hittable, 60), seed
    for process in workers.processes:
        process.kill()
    workers = Crowd(3, lambda: script(WORKER, lane))
    until_then = time.monotonic() + max(8.0, RUNS / 12)
    while time.monotonic() < until_then:
        (schedulers if rng.random() < 0.25 else workers).torment(rng)
        time.sleep(rng.uniform(0.1, 0.4))

    def outcomes():
        return [
            outcome
            for schedule in schedules
            for outcome in home.deployments.outcomes(schedule.id, 10_000)
        ]

    def made():
        return [outcome for outcome in outcomes() if outcome.run_id is not None]

    def unfinished():
        return [
            each
            for each in made()
            if not home.store.record(each.run_id).state.is_over()
        ]

    assert until(lambda: len(made()) == RUNS and not unfinished(), 120), seed
    fates = outcomes()
    times = Counter((each.schedule_id, each.nominal) for each in fates)
    assert max(times.values()) == 1
    assert {each.kind for each in fates} == {OutcomeKind.FIRED}
    runs = [home.store.record(each.run_id) for each in fates]
    assert len({record.run.id for record in runs}) == RUNS
    assert {record.state.type for record in runs} == {StateType.COMPLETED}, seed
    attempts = [record.attempt for record in runs]
    assert max(attempts) > 1, "nobody was hit"
    for record in runs:
        # One attempt was listened to, from its beginning to its end.
        ends = [
            event
            for event in home.store.events(run_id=record.run.id)
            if event.kind == "state" and event.data["type"] == "COMPLETED"
        ]
        assert [event.attempt for event in ends] == [record.attempt]
    assert not home.queue.unfinished()
    assert until(lambda: not home.store.unfinished())
    with sqlite3.connect(home.store.path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    for crowd in (workers, schedulers):
        for process in crowd.processes:
            process.kill()
