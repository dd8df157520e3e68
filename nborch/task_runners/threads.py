"""Threads that run submitted tasks."""

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Self

from nborch.exceptions import InvalidDeclaration
from nborch.task_runners.base import Elsewhere
from nborch.timers import tell_of_error

__all__ = ["MAX_WORKERS", "ThreadPoolTaskRunner", "checked_workers"]

#: Tasks mostly wait for disks, networks and libraries that let other threads run. A
#: thread each for hundreds of tasks would cost memory and gain nothing.
MAX_WORKERS = 32


class _Parked:
    """A thread that waits for a place."""

    __slots__ = ("_has_place", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self._has_place = False

    def wait(self) -> bool:
        """Wait until there is a place, or until there will be none any more."""
        self._lock.acquire()  # released by who wakes it
        return self._has_place

    def go_on(self, *, with_place: bool = True) -> None:
        """Let the thread go on."""
        self._has_place = with_place
        self._lock.release()


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
        self._reset()
        _runners[id(self)] = self

    def _reset(self) -> None:
        """Start without threads and jobs: in a new runner, and in a forked child."""
        self._lock = threading.Lock()
        self._jobs: deque[Callable[[], object]] = deque()
        self._places = self.max_workers
        #: Jobs that have waited and want to go on: they come before any new one.
        self._returning: deque[_Parked] = deque()
        #: Threads without a place, the last one that had one at the end.
        self._idle: list[_Parked] = []
        self._is_waking = False
        self._threads = 0
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
        with self._lock:
            self._jobs.append(job)
            if self._places and not self._is_waking:
                self._wake_one()

    def leave(self) -> None:
        """Let another job run while the one that calls this waits."""
        with self._lock:
            self._give_place()

    def enter(self) -> None:
        """Wait until the job that left may go on; it goes before any new one."""
        with self._lock:
            if self._places:
                self._places -= 1
                return
            parked = _Parked()
            self._returning.append(parked)
        parked.wait()

    def duplicate(self) -> Self:
        """Return a runner with the same options and no threads yet."""
        return type(self)(self._given)

    def close(self) -> None:
        """End the threads, each when no job is left for it; return at once."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for parked in idle:
            parked.go_on(with_place=False)

    def _give_place(self) -> None:
        """Give a place to who needs one. The lock is held."""
        if self._returning:
            self._returning.popleft().go_on()
            return
        self._places += 1
        if self._jobs and not self._is_waking:
            self._wake_one()

    def _wake_one(self) -> None:
        """Give a free place to a thread. The lock is held."""
        # One at a time: it wakes the next one when it runs itself. To wake more would
        # make them all wait for the interpreter at once.
        self._is_waking = True
        self._places -= 1
        if self._idle:
            self._idle.pop().go_on()
        else:
            self._start_thread()

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name="nborch-worker", daemon=True)
        self._threads += 1
        try:
            thread.start()
        except RuntimeError:
            # The system has no more threads. Those there are do the job later.
            self._threads -= 1
            self._places += 1
            self._is_waking = False
            if not self._threads:
                self._jobs.pop()
                raise

    def _work(self) -> None:
        """Run jobs, in a thread that has a place, until there are none any more."""
        parked = _Parked()
        while True:
            job = self._next_job(parked)
            if job is not None:
                try:
                    job()
                except BaseException:  # noqa: BLE001  # the worker goes on for the others
                    tell_of_error()
                # NB. Else it would live until the next one comes.
                del job
            elif not parked.wait():
                with self._lock:
                    self._threads -= 1
                return

    def _next_job(self, parked: "_Parked") -> Callable[[], object] | None:
        """Return the next job for a thread with a place, or take the place from it."""
        with self._lock:
            self._is_waking = False
            if self._jobs and not self._returning:
                job = self._jobs.popleft()
                if self._jobs and self._places:
                    self._wake_one()
                return job
            self._give_place()
            if self._closed:
                parked.go_on(with_place=False)
            else:
                self._idle.append(parked)
            return None

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


# By identity: runners of the same options are equal, and not the same.
_runners: weakref.WeakValueDictionary[int, ThreadPoolTaskRunner]
_runners = weakref.WeakValueDictionary()


def _reset_in_child() -> None:
    # The threads are the parent's, and it does the jobs.
    for runner in list(_runners.values()):
        runner._reset()  # noqa: SLF001  # its own module


os.register_at_fork(after_in_child=_reset_in_child)


def checked_workers(owner: str, count: int | None) -> int | None:
    """Return the number of workers, or raise if it is no count."""
    if count is None:
        return None
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InvalidDeclaration(
            f"{owner}: max_workers must be a whole number from 1, not {count!r}."
        )
    return count
