"""What runs the calls of submitted tasks."""

from collections.abc import Callable
from typing import Any, Protocol, Self

__all__ = ["Elsewhere", "TaskRunner"]


class Elsewhere(Protocol):
    """Calls functions in other processes."""

    def call(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] = ...,
        *,
        timeout: float | None = None,
        fresh: bool = False,
    ) -> Any:
        """Return what the function returns there; raise what it raises.

        Raises
        ------
        CrashedRun
            The process died.
        """
        ...


class TaskRunner(Protocol):
    """Runs jobs in workers, a bounded number at a time. It knows nothing of tasks.

    A job is the next stretch of one task run: from where it had to wait (for what it
    needs, for its retry) to where it waits again or ends. A run that waits is no job
    and holds no worker. All runners pass the same conformance tests.
    """

    @property
    def name(self) -> str:
        """What the runner is called."""
        ...

    @property
    def max_workers(self) -> int:
        """How many jobs run at the same time, at most."""
        ...

    @property
    def elsewhere(self) -> Elsewhere | None:
        """What calls functions in other processes, if jobs are to do that."""
        ...

    def start(self, job: Callable[[], object]) -> None:
        """Run the job soon, in a worker of this runner; return at once."""
        ...

    def leave(self) -> None:
        """Let another job run while the one that calls this waits."""
        ...

    def enter(self) -> None:
        """Wait until the job that left may go on."""
        ...

    def duplicate(self) -> Self:
        """Return a runner with the same options and no workers yet."""
        ...

    def close(self) -> None:
        """End the workers, each when its job is done; return at once."""
        ...
