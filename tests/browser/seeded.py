"""A real store with a week of history: runs, deployments, pools, limits, results.

``python tests/browser/seeded.py HOME`` makes one to look at and holds its runs that go
on until Ctrl-C. All goes through the real store, and is the same each time but for the
ids of what the store itself names.
"""

import argparse
import os
import random
import sys
import threading
import time
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import timedelta
from operator import attrgetter
from pathlib import Path

from seeded_runs import ENDS, FLOWS, STATES, WEEK, Stories, entered, moment

from nborch.deploy.deployments import declare
from nborch.deploy.entrypoints import load_file
from nborch.events import Event, EventKind
from nborch.home import Home, open_home
from nborch.leasing import is_alive
from nborch.schedules import CronSchedule, IntervalSchedule
from nborch.settings import load_settings
from nborch.states import Running
from nborch.store.deployments import SQLiteDeployments
from nborch.store.firings import SQLiteFirings
from nborch.store.queue import SQLiteQueue
from nborch.store.terms import Terms
from nborch.store.workers import SQLiteWorkers
from nborch.work import Deployment, Worker, WorkPool
from nborch.work.firing import decide

__all__ = ["Seeded", "seed"]

#: Events that are written in one transaction.
GROUP = 5_000
#: Times of each schedule that went through the queue.
FIRED = 24
#: Runs that wait in the queue, or are held by a worker, at the end.
WAITING = 18


@dataclass
class Seeded:
    """What was made, for tests to find it.

    Attributes
    ----------
    now
        The time in seconds at which the history ends.
    large
        The run with ten thousand task runs.
    live
        A run that goes on, with retries, cached tasks, and some that wait.
    failed
        A run that has failed, with an error and its traceback.
    """

    home: Home
    now: float
    runs: int = 0
    large: str = ""
    live: str = ""
    failed: str = ""
    deployments: dict[str, Deployment] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    #: What is to be held for as long as runs go on and slots are in use.
    held: list[object] = field(default_factory=list)


def seed(
    home: Home,
    *,
    runs: int = 10_000,
    tasks: int = 10_000,
    now: float | None = None,
) -> Seeded:
    """Fill a home that is empty; runs that go on belong to this process.

    Parameters
    ----------
    runs
        How many runs of flows there are at the end.
    tasks
        How many task runs the large one has; none if 0.
    now
        When the history ends.
    """
    made = Seeded(home, now=time.time() if now is None else now, runs=runs)
    sower = _Sower(made)
    sower.declare()
    times = sower.times()
    stories = Stories(made.now, home.process, list(made.deployments.values()))
    events = stories.live() + stories.beside()
    events += stories.large(tasks) if tasks else []
    events += stories.past(runs - _flow_runs(events) - len(times) - WAITING)
    made.large, made.live = stories.large_id, stories.live_id
    made.failed = stories.failed_id
    events.sort(key=attrgetter("at"))
    sower.write(events, times)
    sower.queue_up()
    sower.occupy()
    sower.keep()
    return made


def _flow_runs(events: list[Event]) -> int:
    made = (each for each in events if each.kind is EventKind.CREATED)
    return sum(each.data["parent_id"] is None for each in made)


class _Sower:
    """Tells what has happened, and has it written."""

    def __init__(self, made: Seeded) -> None:
        self.made, self.home, self.now = made, made.home, made.now
        self.chance = random.Random(8)
        self._clock = made.now
        self.home.pools  # noqa: B018  # opens all that keeps work
        ledger = self.home._work
        self.put = SQLiteDeployments(ledger, self.clock)
        self.firings = SQLiteFirings(ledger, self.clock)
        self.queue = SQLiteQueue(ledger, self.clock)
        # Longer terms than a test takes: nobody renews them here.
        self.workers = SQLiteWorkers(
            ledger, lambda: self.home.process, Terms(WEEK, wall=self.clock)
        )

    def clock(self) -> float:
        """Return the time that is written about."""
        return self._clock

    # What there is to run.

    def declare(self) -> None:
        """Put pools, workers and deployments, as of eight days ago."""
        self._clock = self.now - 8 * 86_400
        pools = self.home.pools
        pools.put(WorkPool(name="nightly", limit=4, description="Reports and loads"))
        pools.put(WorkPool(name="gpu", limit=1, description="Training, one at a time"))
        pools.put(WorkPool(name="archive"))
        pools.pause("archive")
        module = load_file(Path(__file__).with_name("seeded_flows.py"))
        for flow, name, options in (
            (
                module.load_orders,
                "hourly",
                {"cron": "5 * * * *", "work_pool_name": "nightly", "version": "v14"},
            ),
            (
                module.daily_report,
                "nightly",
                {
                    "schedules": [CronSchedule("0 6 * * *", timezone="Europe/Berlin")],
                    "parameters": {"month": "2026-11-01", "region": "south"},
                    "work_pool_name": "nightly",
                    "tags": ["report"],
                },
            ),
            (
                module.train_model,
                "weekly",
                {
                    "schedules": [IntervalSchedule(timedelta(hours=6))],
                    "work_pool_name": "gpu",
                    "concurrency_limit": 1,
                },
            ),
            (module.clean_up, "rarely", {"work_pool_name": "archive"}),
            (module.wait_for, "by-hand", {"work_pool_name": "nightly"}),
        ):
            declared = declare(flow, name, self.home, **options)
            self.made.deployments[name] = self.put.put(declared)
        self._clock = self.now - 3 * 86_400
        lost = SQLiteWorkers(self.home._work, lambda: _nobody(self.home), Terms(60))
        lost.register("laptop", ["pool/nightly"], limit=2)
        lost.reap(lambda process: is_alive(self.home.folder / "processes", process))
        left = self.workers.register("old-gpu-box", ["pool/gpu"], limit=1)
        self.workers.leave(left.id)

    def join(self) -> list[Worker]:
        """Return a worker for each pool that has runs."""
        if not self.made.workers:
            for name, pool, limit in (("gauss", "nightly", 4), ("noether", "gpu", 1)):
                lanes = [f"pool/{pool}"]
                worker = self.workers.register(name, lanes, limit=limit)
                self.made.workers.append(worker)
        return self.made.workers

    def times(self) -> list[tuple[float, str]]:
        """Return when schedules fired whose last times go through the queue."""
        told: list[tuple[float, str]] = []
        for name in ("hourly", "nightly", "weekly"):
            deployment = self.made.deployments[name]
            (declared,) = deployment.schedules
            at, times = moment(self.now - 8 * 86_400), []
            while (at := declared.schedule.next(at)).timestamp() < self.now - 60:
                times.append((at.timestamp() + 0.2, deployment.id))
            told += times[-FIRED:]
        return sorted(told)

    # Writing it.

    def write(self, stories: list[Event], times: list[tuple[float, str]]) -> None:
        """Write what has happened, and fire schedules in between, in their order."""
        done = 0
        for at, id_ in times:
            until = bisect_left(stories, at, key=attrgetter("at"))
            self._append(stories[done:until])
            done = until
            self._fire(self.home.deployments.get(id_), at)
        self._append(stories[done:])
        self._clock = self.now

    def _append(self, events: list[Event]) -> None:
        for start in range(0, len(events), GROUP):
            part = events[start : start + GROUP]
            accepted = self.home.store.append(part)
            assert accepted == len(part), "the store has refused something"

    def _fire(self, deployment: Deployment, at: float) -> None:
        """Do what a scheduler and a worker do about one time of a schedule."""
        self._clock = at
        (record,) = self.put.schedules(deployment)
        self.firings.fire([decide(record, deployment, moment(at))])
        worker = self.join()[deployment.work_pool == "gpu"]
        (claimed,) = self.queue.claim(worker.lanes, worker.id)
        usual = FLOWS[deployment.flow_name][1]
        took = min(usual * self.chance.lognormvariate(0, 0.2), self.now - at - 1)
        end, attempt, id_ = self.chance.choice(ENDS), claimed.attempt, claimed.run_id
        self._append(
            [
                entered(id_, Running(), at + 0.3, attempt),
                entered(id_, STATES[end], at + 0.3 + took, attempt),
            ]
        )

    # What goes on now.

    def queue_up(self) -> None:
        """Let runs wait, and workers hold some."""
        self._clock = self.now - 120
        of = self.made.deployments
        asked = [of["by-hand"]] * 3 + [of["weekly"]]
        for each in asked:
            self.queue.enqueue(each)
        for worker in self.join():
            for claimed in self.queue.claim(worker.lanes, worker.id, 3):
                at, attempt = self._clock + 1, claimed.attempt
                self._append([entered(claimed.run_id, Running(), at, attempt)])
        self._clock = self.now - 30
        later = [timedelta(minutes=10 * n) for n in range(1, 9)]
        for wait in later:
            due = moment(self.now) + wait
            self.queue.enqueue(of["hourly"], due_at=due, priority=wait.seconds % 3)
        for _ in range(3):
            self.queue.enqueue(of["rarely"])
        for _ in range(3):
            self.queue.enqueue(of["weekly"])
        self._clock = self.now
        for worker in self.join():
            self.workers.renew(worker.id)

    def occupy(self) -> None:
        """Make concurrency limits, and hold slots of some."""
        limits = self.home.limits
        for name, slots, decay in (
            ("database", 5, 0.0),
            ("external-api", 10, 2.0),
            ("gpu", 1, 0.0),
            ("closed", 0, 0.0),
        ):
            limits.store.put(name, slots, decay)
        for name, slots in (("database", 2), ("database", 1), ("gpu", 1)):
            holder = {"type": "flow_run", "id": self.made.live}
            lease = limits.acquire(limits.claim([name], slots, holder=holder))
            self.made.held.append(lease)

    def keep(self) -> None:
        """Keep some results."""
        for number in range(60):
            name = ("extract", "clean", "fit", "score", "join")[number % 5]
            key = f"seeded/{name}" if number < 5 else f"seeded/{name}/{number}"
            rows = self.chance.randbytes(200 * (number + 1))
            seconds = self.chance.uniform(0.5, 90)
            self.home.cache.keep(key, {"result": rows}, seconds=seconds, label=name)


def _nobody(home: Home) -> str:
    """Return the name of a process of this machine that is no more."""
    host = home.process.partition(":")[0]
    return f"{host}:999999:00000000"


def main() -> None:
    """Make one and hold it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--leave", action="store_true", help="end once it is made")
    asked = parser.parse_args()
    os.environ["NBORCH_HOME"] = str(asked.home.resolve())
    start = time.perf_counter()
    home = open_home(load_settings(Path.cwd()))
    made = seed(home, runs=asked.runs, tasks=asked.tasks)
    print(f"{home.folder}: {made.runs:,} runs in {time.perf_counter() - start:.1f} s")  # noqa: T201
    print(f"large {made.large}  live {made.live}  failed {made.failed}", flush=True)  # noqa: T201
    if not asked.leave:
        threading.Event().wait()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
