"""What every store of work that waits can do; see `nborch.work`.

All adapters pass the same conformance tests. The docstrings of `nborch.store.queue` and
its neighbours say more of each method.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from nborch.runs import RunRecord
from nborch.states import State
from nborch.store.terms import Terms
from nborch.work.claims import ClaimedRun, HeldRun, QueuedRun, Reaped
from nborch.work.deployed import Deployment, Outcome, ScheduleRecord
from nborch.work.firing import Firing
from nborch.work.places import Worker, WorkPool

__all__ = ["DeploymentStore", "Firings", "PoolStore", "RunQueue", "WorkerStore"]


class DeploymentStore(Protocol):
    """Keeps deployments, each under the name of its flow and its own."""

    def put(self, deployment: Deployment) -> Deployment:
        """Create the deployment or change the one that is called the same."""
        ...

    def get(self, reference: str) -> Deployment:
        """Return the deployment with this id, full name, or name."""
        ...

    def schedules(self, deployment: Deployment) -> list[ScheduleRecord]:
        """Return the schedules of a deployment, as they stand."""
        ...

    def outcomes(self, schedule_id: str, most: int = 100) -> list[Outcome]:
        """Return what came of the nominal times of a schedule, the latest first."""
        ...

    def pause(self, reference: str) -> Deployment:
        """Let the schedules of a deployment rest."""
        ...

    def resume(self, reference: str) -> Deployment:
        """Let the schedules of a deployment go on from now."""
        ...

    def set_active(self, schedule_id: str, *, active: bool) -> ScheduleRecord:
        """Switch one schedule on, from now, or off."""
        ...

    def delete(self, reference: str) -> Deployment:
        """Remove a deployment, and cancel its runs that wait."""
        ...

    # Last: within the class it would stand for the builtin.
    def list(self) -> list[Deployment]:
        """Return all deployments by name."""
        ...


class PoolStore(Protocol):
    """Keeps work pools by name."""

    def put(self, pool: WorkPool) -> bool:
        """Create the pool or change it; tell whether it is new."""
        ...

    def get(self, name: str) -> WorkPool:
        """Return the pool as it stands."""
        ...

    def pause(self, name: str) -> None:
        """Let no more runs of the pool be claimed."""
        ...

    def resume(self, name: str) -> None:
        """Let the runs of the pool be claimed again."""
        ...

    def delete(self, name: str) -> None:
        """Remove the pool, if no deployment names it."""
        ...

    def list(self) -> list[WorkPool]:
        """Return all pools by name."""
        ...


class RunQueue(Protocol):
    """Keeps runs that wait, and who holds those that do not."""

    def enqueue(  # noqa: PLR0913  # each is a fact of the run
        self,
        deployment: Deployment,
        *,
        parameters: Mapping[str, Any] | None = None,
        due_at: datetime | None = None,
        priority: int = 0,
        idempotency_key: str | None = None,
        name: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> RunRecord:
        """Make a run of a deployment that waits for a worker."""
        ...

    def claim(
        self, lanes: Sequence[str], worker_id: str, most: int = 1
    ) -> list[ClaimedRun]:
        """Take runs that are due to the worker: each goes to one."""
        ...

    def next_due(self, lanes: Sequence[str]) -> datetime | None:
        """Return when the first of the waiting runs may start."""
        ...

    def held_by(self, worker_id: str) -> list[HeldRun]:
        """Return the runs that a worker holds still."""
        ...

    def release(self, run_id: str, attempt: int, why: str = ...) -> bool:
        """Let a run wait again that this attempt holds."""
        ...

    def crash(self, run_id: str, attempt: int, why: str) -> Reaped | None:
        """Tell that the process of a run died."""
        ...

    def finish(self, run_id: str, attempt: int, state: State) -> bool:
        """End a run that has not reported its end itself."""
        ...

    def request_cancel(self, run_id: str, why: str = ...) -> str:
        """Cancel a run that waits, or ask its worker to."""
        ...

    def standing(self, run_id: str) -> QueuedRun:
        """Return where a run stands in the queue."""
        ...

    def unfinished(
        self,
        *,
        lane: str | None = None,
        deployment_id: str | None = None,
        most: int = 1_000,
    ) -> list[QueuedRun]:
        """Return the runs that are held or wait."""
        ...

    def version(self) -> int:
        """Return a number that changes when anybody has written."""
        ...


class WorkerStore(Protocol):
    """Keeps workers for as long as they are heard of."""

    terms: Terms

    def register(
        self, name: str, lanes: Sequence[str], *, limit: int | None = None
    ) -> Worker:
        """Return a new worker in this process."""
        ...

    def renew(self, worker_id: str) -> bool:
        """Be heard of; False if it is too late."""
        ...

    def leave(self, worker_id: str) -> None:
        """End well."""
        ...

    def get(self, worker_id: str) -> Worker:
        """Return the worker."""
        ...

    def reap(self, is_alive: Callable[[str], bool]) -> list[Reaped]:
        """Take their runs from workers that are dead."""
        ...

    def list(self, most: int = 100) -> list[Worker]:
        """Return the workers, those who began last first."""
        ...


class Firings(Protocol):
    """Makes runs of nominal times, one of each."""

    def due(
        self,
        now: datetime,
        most: int = 200,
        *,
        after: tuple[datetime, str] | None = None,
    ) -> list[tuple[ScheduleRecord, Deployment]]:
        """Return the schedules with a time that has come."""
        ...

    def due_count(self, now: datetime, most: int) -> int:
        """Return how many schedules have a time until then, or `most`."""
        ...

    def firing(self) -> list[tuple[ScheduleRecord, Deployment]]:
        """Return all schedules that have a next time."""
        ...

    def next_due(self) -> datetime | None:
        """Return when the next schedule is due."""
        ...

    def set_aside(
        self, schedule_id: str, deployment: Deployment, error: Exception
    ) -> None:
        """Leave out a schedule that cannot be dealt with here, and tell of it once."""
        ...

    def correct(self, record: ScheduleRecord) -> bool:
        """Seek the next time of a schedule anew."""
        ...

    def fire(self, firings: Sequence[Firing]) -> list[Outcome]:
        """Do what was planned, if nobody else has done it."""
        ...

    def backfill(
        self,
        record: ScheduleRecord,
        deployment: Deployment,
        times: Sequence[datetime],
        *,
        side_by_side: bool = False,
    ) -> list[Outcome]:
        """Make runs for nominal times that had none."""
        ...
