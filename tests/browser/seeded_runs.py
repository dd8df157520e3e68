"""What happened in the runs of a seeded store, as events; see `seeded`."""

import math
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from nborch.events import Event, log_written, run_created, state_entered
from nborch.runs import Run, RunKind
from nborch.states import (
    AwaitingRetry,
    Cached,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Paused,
    Pending,
    Retrying,
    Running,
    State,
    TimedOut,
)
from nborch.work import Deployment

__all__ = ["ENDS", "FLOWS", "STATES", "WEEK", "Stories", "entered", "moment"]

WEEK = 7 * 86_400.0
#: Runs of these many of the newest flow runs have tasks, and more than a line of log.
WITH_TASKS = 1_000

#: Flows: how many of a hundred runs, seconds as a rule, tags, tasks.
FLOWS = {
    "load-orders": (46, 14.0, ["etl", "orders"], ["extract", "clean", "count", "save"]),
    "daily-report": (20, 38.0, ["report"], ["extract", "join", "plot", "publish"]),
    "train-model": (12, 210.0, ["ml", "gpu"], ["split", "fit", "fit", "fit", "score"]),
    "clean-up": (12, 3.0, [], ["list_files", "remove"]),
    "explore-customers": (10, 65.0, ["notebook"], ["load", "join", "cluster"]),
}
#: States of a hundred runs that are over.
ENDS = ["COMPLETED"] * 86 + ["FAILED"] * 7 + ["TIMEDOUT"] * 2
ENDS += ["CRASHED"] * 2 + ["CANCELLED"] * 3
LINES = (
    ("INFO", "Reading 'warehouse/orders' since the last run"),
    ("INFO", "Read 18,204 rows in 1.9 s"),
    ("DEBUG", "Partition 4 of 7: 2,610 rows"),
    ("WARNING", "12 rows have no customer and were left out"),
    ("INFO", "Wrote 18,192 rows"),
)
TRACEBACK = """Traceback (most recent call last):
  File "orders.py", line 41, in clean
    return rows.astype({"amount": float})
ValueError: could not convert string to float: '12,50'
"""
_ERROR = {
    "type": "ValueError",
    "message": "could not convert string to float: '12,50'",
    "traceback": TRACEBACK,
}
STATES = {
    "": Completed(),
    "COMPLETED": Completed(),
    "FAILED": Failed(
        message=f"ValueError: {_ERROR['message']}", details={"error": _ERROR}
    ),
    "TIMEDOUT": TimedOut(message="It took longer than 60 seconds."),
    "CRASHED": Crashed(message="Its process (pid 4711) died."),
    "CANCELLED": Cancelled(message="Somebody cancelled it."),
}
_FIRST = ["amber", "bold", "calm", "deft", "eager", "fluent", "golden", "honest"]
_LAST = ["alpaca", "badger", "crane", "dolphin", "egret", "falcon", "gecko"]


class Stories:
    """Tells what happened in runs, the same each time.

    Parameters
    ----------
    now
        When the history ends.
    process
        Answers for the runs that go on.
    deployments
        Some of the runs are of these.
    """

    def __init__(
        self,
        now: float,
        process: str,
        deployments: Sequence[Deployment] = (),
        seed: float = 8,
    ) -> None:
        self.now = now
        self.chance = random.Random(seed)
        #: Runs worth looking at.
        self.large_id = self.live_id = self.failed_id = ""
        self._process = process
        self._deployments = deployments

    def new_id(self, at: float) -> str:
        """Return a run id, the same each time."""
        whole, part = divmod(int(at * 4_096_000), 4096)
        rest = 0x2 << 62 | self.chance.getrandbits(62)
        text = f"{whole:012x}7{part:03x}{rest:016x}"
        ends = (0, 8, 12, 16, 20, 32)
        return "-".join(text[a:b] for a, b in pairwise(ends))

    def past(self, count: int) -> list[Event]:
        """Return what happened in so many runs that are over, in a week."""
        names = [n for n, facts in FLOWS.items() for _ in range(facts[0])]
        stories: list[Event] = []
        for number in range(count):
            # More by day than by night, and the newest half an hour ago.
            share = (number + self.chance.random()) / count
            ago = 1_800 + WEEK * (1 - share)
            wave = math.sin((self.now - ago) / 86_400 * 2 * math.pi)
            at = self.now - ago + wave * min(5_400, ago / 4)
            of = self.chance.choice(names)
            end = self.chance.choice(ENDS)
            # On the fourth day, something was wrong with the orders.
            if of == "load-orders" and 0.52 < share < 0.55:
                end = "FAILED"
            is_new = number >= count - WITH_TASKS
            stories += self.run(of, at, end, is_told=is_new)
            if end == "FAILED" and is_new:
                self.failed_id = stories[-1].run_id
        return stories

    def run(
        self, of: str, at: float, end: str, *, is_told: bool, run_id: str | None = None
    ) -> Iterator[Event]:
        """Yield what happened in one run; the last is its own end."""
        chance, (_, usual, tags, tasks) = self.chance, FLOWS[of]
        run_id = run_id or self.new_id(at)
        took = usual * chance.lognormvariate(0, 0.35)
        parameters = {"rows": chance.randint(1, 90) * 1_000}
        details = {"parameters": parameters, **self._where(of), "tags": tags}
        yield self.made_run(run_id, RunKind.FLOW, of, at, details)
        begun, ended = at + 0.4, at + 0.4 + took
        yield entered(run_id, Pending(), at + 0.001, 0)
        yield entered(run_id, Running(), begun, 1)
        if is_told:
            yield from self.tasks(run_id, tasks, begun, ended, end)
        for number, (level, told) in enumerate(LINES if is_told else LINES[1:2]):
            line_at = begun + took * (number + 1) / 8
            yield log_written(run_id, line_at, level, "nborch.flow_runs", told)
        yield entered(run_id, STATES[end], ended, 1)

    def _where(self, of: str) -> dict[str, object]:
        """Return what a run is of: a deployment, a notebook, or neither."""
        if of == "explore-customers":
            return {"notebook": "explore_customers.ipynb"}
        if self.chance.random() < 0.3:
            return {}
        for each in self._deployments:
            if each.flow_name == of:
                return {"deployment": {"id": each.id, "name": each.full_name}}
        return {}

    def tasks(
        self, run_id: str, names: list[str], begun: float, ended: float, end: str
    ) -> Iterator[Event]:
        """Yield what happened in the tasks of a run, one after another."""
        each = (ended - begun) / len(names)
        before: list[str] = []
        for place, name in enumerate(names):
            at = begun + place * each
            is_last = place == len(names) - 1
            how = "COMPLETED" if end == "COMPLETED" or not is_last else end
            if how == "COMPLETED" and self.chance.random() < 0.2:
                how = "CACHED"
            id_ = self.new_id(at)
            yield from self.task(run_id, id_, name, at, each * 0.9, how, before)
            before = [id_]

    def task(  # noqa: PLR0913, PLR0917  # what is to be told of it
        self,
        parent: str,
        id_: str,
        of: str,
        at: float,
        took: float,
        end: str,
        upstream: list[str],
        *,
        retries: int = 0,
    ) -> Iterator[Event]:
        """Yield what happened in a task run; without an end, it goes on."""
        details = {"upstream": upstream} if upstream else {}
        yield self.made_run(id_, RunKind.TASK, of, at, details, parent)
        yield entered(id_, Pending(), at, 0)
        if end == "WAITS":
            return
        if end == "CACHED":
            saved = {"cache_key": f"seeded/{of}", "saved_seconds": round(took * 3, 2)}
            yield entered(id_, Cached(details=saved), at + 0.002, 0)
            return
        state = Running()
        for attempt in range(1, retries + 1):
            part = took / (retries + 1)
            yield entered(id_, state, at, attempt)
            told = "HTTP 503: the service is not available"
            wait = AwaitingRetry(moment(at + part), message=told)
            yield entered(id_, wait, at + part * 0.6, attempt)
            at, state, took = at + part, Retrying(), took - part
        yield entered(id_, state, at, retries + 1)
        logger = "nborch.task_runs"
        yield log_written(id_, at + took / 3, "INFO", logger, f"{of}: {took:.2f} s")
        if end:
            yield entered(id_, STATES[end], at + took, retries + 1)

    def made_run(  # noqa: PLR0913, PLR0917  # the facts of a run
        self,
        id_: str,
        kind: RunKind,
        of: str,
        at: float,
        details: dict[str, object],
        parent: str | None = None,
    ) -> Event:
        """Return that a run was made."""
        if kind is RunKind.TASK:
            name = f"{of}-{self.chance.getrandbits(12):03x}"
        else:
            name = f"{self.chance.choice(_FIRST)}-{self.chance.choice(_LAST)}"
        process = self._process
        told = {name: each for name, each in details.items() if each}
        return run_created(Run(id_, kind, of, name, moment(at), process, parent, told))

    def large(self, tasks: int) -> list[Event]:
        """Return a run with thousands of task runs: three maps, and what gathers them."""
        took, count = 1_500.0, (tasks - 2) // 3
        at = self.now - 2_400
        run_id = self.large_id = self.new_id(at)
        stories = list(self.run("train-model", at, "", is_told=False, run_id=run_id))[
            :-2
        ]
        first = self.new_id(at + 0.5)
        stories += self.task(
            run_id, first, "list_files", at + 0.5, 0.9, "COMPLETED", []
        )
        before = [first] * count
        for place, of in enumerate(("read", "clean", "score")):
            ids = []
            for number in range(count if place else tasks - 2 - 2 * count):
                begun = at + 2 + (place + number / count) * took / 3.5
                id_ = self.new_id(begun)
                end = "CACHED" if number % 9 == 0 else "COMPLETED"
                retries = 2 if number % 97 == 5 else 0
                upstream = [before[min(number, count - 1)]]
                end = "FAILED" if place == 2 and number % 1_000 == 7 else end
                retries = 0 if end == "CACHED" else retries
                stories += self.task(
                    run_id, id_, of, begun, 1.4, end, upstream, retries=retries
                )
                ids.append(id_)
            before = ids
        last, begun = self.new_id(at + took), at + took
        stories += self.task(
            run_id, last, "gather", begun, 2, "COMPLETED", before[:200]
        )
        return [*stories, entered(run_id, Completed(), begun + 3, 1)]

    def live(self) -> list[Event]:
        """Return a run that goes on, of the kinds of things that one looks at."""
        at = self.now - 95
        run_id = self.live_id = self.new_id(at)
        stories = list(self.run("daily-report", at, "", is_told=False, run_id=run_id))[
            :-2
        ]
        ids: dict[str, str] = {}

        def tell(name: str, of: str, begun: float, took: float, end: str, *after: str):
            ids[name] = self.new_id(at + begun)
            upstream, retries = [ids[each] for each in after], int(of == "fit")
            stories.extend(
                self.task(
                    run_id,
                    ids[name],
                    of,
                    at + begun,
                    took,
                    end,
                    upstream,
                    retries=retries,
                )
            )

        for n in range(4):
            tell(f"e{n}", "extract", 1 + n / 9, 6 + 2 * n, "COMPLETED")
            tell(
                f"c{n}",
                "clean",
                8 + 2 * n,
                5,
                "CACHED" if n == 2 else "COMPLETED",
                f"e{n}",
            )
        tell("j", "join", 22, 11, "COMPLETED", "c0", "c1", "c2", "c3")
        for n in range(3):
            tell(f"f{n}", "fit", 34, 30 + 9 * n, "COMPLETED" if n else "FAILED", "j")
        tell("s", "score", 80, 30, "", "f1", "f2")
        tell("p", "plot", 81, 0, "WAITS", "s")
        tell("u", "publish", 82, 0, "WAITS", "s", "p")
        return stories

    def beside(self) -> list[Event]:
        """Return runs in the other states that a run may stand in."""
        stories: list[Event] = []
        for place, state in enumerate(
            (Paused(message="Approve the draft"), Cancelling())
        ):
            at = self.now - 300 - place
            story = list(self.run("explore-customers", at, "", is_told=False))[:-2]
            stories += [*story, entered(story[0].run_id, state, at + 9, 1)]
        return stories


def entered(run_id: str, state: State, at: float, attempt: int) -> Event:
    """Return that a run entered a state."""
    return state_entered(run_id, state.stamped(moment(at)), attempt)


def moment(at: float) -> datetime:
    """Return the time of so many seconds."""
    return datetime.fromtimestamp(at, UTC)
