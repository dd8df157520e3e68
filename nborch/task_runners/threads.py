"""Threads that run submitted tasks."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Self

from nborch.exceptions import InvalidDeclaration
from nborch.task_runners.base import Elsewhere

__all__ = ["MAX_WORKERS", "ThreadPoolTaskRunner", "checked_workers"]

#: Tasks mostly wait for disks, networks and libraries that let other threads run. A
#: thread each for hundreds of tasks would cost memory and gain nothing.
MAX_WORKERS = 32


class ThreadPoolTaskRunner:
    """Run submitted tasks in threads of this process.

    ::

        @flow(task_runner=ThreadPoolTaskRunner(max_workers=8))
        def etl(): ...

    A task that waits (for another task's result, for its retry) holds no worker, so
    tasks may submit tasks and wait for them, even with one worker.

    Parameters
    ----------
    max_workers
        How many tasks run at the same time; 32 if not given.
    """

    def __init__(self, max_workers: int | None = None) -> None:
        self._given = checked_workers(type(self).__name__, max_workers)
        lock = threading.Lock()
        self._job_there = threading.Condition(lock)
        self._place_free = threading.Condition(lock)
        self._jobs: deque[Callable[[], object]] = deque()
        self._places = self._given or MAX_WORKERS
        self._returning = 0  # jobs that have waited and want to go on
        self._idle = 0  # threads without a place, ready to take a job
        self._closed = False

    @property
    def name(self) -> str:
        """What the runner is called."""
        return type(self).__name__

    @property
    def max_workers(self) -> int:
        """How many tasks run at the same time, at most."""
        return self._given or MAX_WORKERS

    @property
    def elsewhere(self) -> Elsewhere | None:
        """Nothing: the tasks run here."""
        return None

    def start(self, job: Callable[[], object]) -> None:
        """Run the job soon, in one of the threads; return at once."""
        with self._job_there:
            self._jobs.append(job)
            self._fill()

    def leave(self) -> None:
        """Let another job run while the one that calls this waits."""
        with self._job_there:
            self._places += 1
            self._fill()

    def enter(self) -> None:
        """Wait until the job that left may go on; it goes before any new one."""
        with self._place_free:
            self._returning += 1
            self._place_free.wait_for(lambda: self._places)
            self._returning -= 1
            self._places -= 1
            self._fill()

    def duplicate(self) -> Self:
        """Return a runner with the same options and no threads yet."""
        return type(self)(self._given)

    def close(self) -> None:
        """End the threads, each when no job is left for it; return at once."""
        with self._job_there:
            self._closed = True
            self._idle = 0
            self._job_there.notify_all()

    def _fill(self) -> None:
        """See to it that a free place is taken. The lock is held."""
        if not self._places:
            return
        if self._returning:
            self._place_free.notify()
        elif self._jobs:
            if self._idle:
                # Counted off here: until it runs, the next job must not count on it.
                self._idle -= 1
                self._job_there.notify()
            else:
                self._places -= 1
                threading.Thread(
                    target=self._work, name="nborch-worker", daemon=True
                ).start()

    def _work(self) -> None:
        while True:
            with self._job_there:
                if self._returning or not self._jobs:
                    self._places += 1
                    self._fill()
                    while not self._may_go_on():
                        self._idle += 1
                        self._job_there.wait()
                    if not self._jobs:
                        return  # closed
                    self._places -= 1
                job = self._jobs.popleft()
            job()
            # NB. Else it would live until the next one comes.
            del job

    def _may_go_on(self) -> bool:
        if self._jobs:
            return self._places > self._returning
        return self._closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        # It travels without its threads.
        return type(self), (self._given,)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._given == self._given

    def __hash__(self) -> int:
        return hash((type(self).__name__, self._given))

    def __repr__(self) -> str:
        return f"{self.name}(max_workers={self._given})"


def checked_workers(owner: str, count: int | None) -> int | None:
    """Return the number of workers, or raise if it is no count."""
    if count is None:
        return None
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InvalidDeclaration(
            f"{owner}: max_workers must be a whole number from 1, not {count!r}."
        )
    return count
