"""What `bench_engine` measures, the same program for Prefect and for nborch.

``python engine_work.py ROOT PIECE[:COUNT]...`` imports the package ROOT, does the
pieces of work and prints a line of JSON for each. What a package logs goes to standard
error, at its default level.

Each piece of work returns the seconds ``within`` the flow, from the first call to the
last result, and the seconds of the ``whole`` flow, after which nborch has written
everything to disk.
"""

import json
import resource
import subprocess
import sys
import time
import tracemalloc
from importlib import import_module
from pathlib import Path
from typing import Any

MIB = 1 << 20
WORKERS = 8


class Stopwatch:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self.began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.perf_counter() - self.began


class Work:
    """Tasks of a package, and flows that call them."""

    def __init__(self, root: str) -> None:
        self.root = root
        package = import_module(root)
        self.flow, self.task = package.flow, package.task

        @self.task
        def inc(x: Any) -> Any:
            return x + 1

        self.inc = inc

    def part(self, name: str) -> Any:
        """Return a module of the package."""
        return import_module(f"{self.root}.{name}")

    def threads(self, workers: int = WORKERS) -> Any:
        """Return a task runner."""
        return self.part("task_runners").ThreadPoolTaskRunner(max_workers=workers)

    def timed(self, body: Any, **options: Any) -> dict[str, float]:
        """Return the seconds of a body in a flow, and those of the flow."""
        within = []

        @self.flow(**options)
        def measured() -> None:
            watch = Stopwatch()
            body()
            within.append(watch.seconds)

        watch = Stopwatch()
        measured()
        return {"within": within[0], "whole": watch.seconds}

    def first(self) -> dict[str, float]:
        """Run one task in one flow."""
        return self.timed(lambda: self.inc(1))

    def call(self, n: int) -> dict[str, float]:
        """Call a task, one after the other."""

        def body() -> None:
            for number in range(n):
                self.inc(number)

        return self.timed(body)

    def submit(self, n: int) -> dict[str, float]:
        """Submit a task and wait for all results."""

        def body() -> None:
            for future in [self.inc.submit(number) for number in range(n)]:
                future.result()

        return self.timed(body, task_runner=self.threads())

    def map(self, n: int) -> dict[str, float]:
        """Map a task and wait for all results."""

        def body() -> None:
            result = self.inc.map(range(n)).result()
            assert result[-1] == n, result[-1]

        return self.timed(body, task_runner=self.threads())

    def chain(self, n: int) -> dict[str, float]:
        """Submit tasks, each of which is given the future of the one before."""

        def body() -> None:
            future = self.inc.submit(0)
            for _ in range(n - 1):
                future = self.inc.submit(future)
            assert future.result() == n, future.result()

        return self.timed(body, task_runner=self.threads())

    def subflow(self, n: int) -> dict[str, float]:
        """Call a flow within a flow."""

        @self.flow
        def child(x: int) -> int:
            return x + 1

        def body() -> None:
            for number in range(n):
                child(number)

        return self.timed(body)

    def kept(self, function: Any) -> Any:
        """Return a task whose results are reused for the same inputs."""
        policy = self.part("cache_policies").INPUTS
        return self.task(function, cache_policy=policy, persist_result=True)

    def hit_int(self, n: int) -> dict[str, float]:
        """Call a task whose result, a number, is known."""

        def number(x: int) -> int:
            return x + 1

        task = self.kept(number)
        self.timed(lambda: task(1))

        def body() -> None:
            for _ in range(n):
                assert task(1) == 2

        return self.timed(body)

    def hit_array(self, n: int, *, read: bool = False) -> dict[str, float]:
        """Call a task whose result, an array of 100 MiB, is known."""
        import numpy as np

        def array(x: str) -> Any:
            return np.arange(100 * MIB // 8, dtype=float)

        task = self.kept(array)
        self.timed(lambda: task("array"))

        def body() -> None:
            for _ in range(n):
                value = task("array")
                assert value[-1] == 100 * MIB // 8 - 1, value[-1]
                if read:
                    value.sum()

        return self.timed(body)

    def read_array(self, n: int) -> dict[str, float]:
        """Call a task whose result, an array of 100 MiB, is known, and read all."""
        return self.hit_array(n, read=True)

    def limit(self, n: int) -> dict[str, float]:
        """Sleep 50 ms in each of some tasks, of which five may at once."""
        self.allow("bench", 5)
        concurrency = self.part("concurrency.sync").concurrency

        @self.task
        def limited(x: int) -> None:
            with concurrency("bench", occupy=1):
                time.sleep(0.05)

        def body() -> None:
            for future in [limited.submit(number) for number in range(n)]:
                future.result()

        return self.timed(body, task_runner=self.threads(n))

    def allow(self, name: str, slots: int) -> None:
        """Make a concurrency limit, which each package does in its own way."""
        if self.root == "prefect":
            actions = self.part("client.schemas.actions")
            limit = actions.GlobalConcurrencyLimitCreate(name=name, limit=slots)
            with self.part("client.orchestration").get_client(sync_client=True) as c:
                c.create_global_concurrency_limit(limit)
            return
        command = Path(sys.executable).with_name(self.root)
        create = [command, "concurrency-limit", "create", name, str(slots)]
        subprocess.run(create, check=True, stdout=subprocess.DEVNULL)

    def stampede(self, n: int) -> dict[str, float]:
        """Submit a task with one and the same key at once; count its executions."""
        executed = []

        def slow(x: str) -> str:
            executed.append(x)
            time.sleep(0.3)
            return x

        task = self.kept(slow)

        def body() -> None:
            for future in [task.submit("key") for _ in range(n)]:
                future.result()

        measured = self.timed(body, task_runner=self.threads())
        return {**measured, "executions": len(executed)}

    def mapped(self, n: int) -> dict[str, float]:
        """Map a task that does nothing; tell the memory that each one took."""
        self.map(100)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        measured = self.map(n)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {**measured, "kilobytes": (after - before) / n}

    def traced(self, n: int) -> dict[str, float]:
        """Map a task that does nothing; tell what Python allocated for each."""
        self.map(100)
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        measured = self.map(n)
        _, peak = tracemalloc.get_traced_memory()
        return {**measured, "kilobytes": (peak - before) / n / 1024}


def main(root: str, *pieces: str) -> None:
    """Do some pieces of work (``call:1000 map:1000``) in one process."""
    work = Work(root)
    if pieces != ("first",):
        # The first flow starts what there is to start.
        work.first()
    for piece in pieces:
        name, _, number = piece.partition(":")
        measured = getattr(work, name)(*([int(number)] if number else []))
        print(json.dumps({"piece": piece, **measured}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
