"""Processes that run submitted tasks."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, Self

from nborch.exceptions import InvalidDeclaration
from nborch.task_runners.threads import ThreadPoolTaskRunner
from nborch.task_runners.workers import Workers

__all__ = ["ProcessPoolTaskRunner"]


class ProcessPoolTaskRunner(ThreadPoolTaskRunner):
    """Run submitted tasks in processes, for Python code that needs its own core.

    ::

        @flow(task_runner=ProcessPoolTaskRunner(max_workers=4))
        def simulate(): ...

    Functions, arguments and results travel by value, so functions of a notebook work
    and no ``if __name__ == "__main__"`` is needed. A process that dies takes only the
    task run with it that it was executing, which becomes Crashed.

    Parameters
    ----------
    max_workers
        How many processes; as many as there are cores if not given.
    initializer, initargs
        Called once in each process, before its first task.
    """

    # NB. A thread here waits for each process and performs the lifecycle, so that
    # states, retries and timeouts are the same as with threads.

    def __init__(
        self,
        max_workers: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        super().__init__(max_workers)
        if initializer is not None and not callable(initializer):
            raise InvalidDeclaration(
                f"{self.name}: initializer must be a function, not {initializer!r}."
            )
        self._initializer = initializer
        self._initargs = tuple(initargs)

    @property
    def max_workers(self) -> int:
        """How many tasks run at the same time, at most."""
        return self._given or _cores()

    @cached_property
    def elsewhere(self) -> Workers:
        """The processes, started as they are needed."""
        return Workers(self._initializer, self._initargs)

    def duplicate(self) -> Self:
        """Return a runner with the same options and no processes yet."""
        return type(self)(self._given, self._initializer, self._initargs)

    def close(self) -> None:
        """End the threads and processes, each when its task is done."""
        super().close()
        if "elsewhere" in self.__dict__:
            self.elsewhere.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._given, self._initializer, self._initargs)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ProcessPoolTaskRunner)
            and super().__eq__(other)
            and other._initializer == self._initializer
            and other._initargs == self._initargs
        )

    __hash__ = ThreadPoolTaskRunner.__hash__


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
