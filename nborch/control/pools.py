"""Work pools and workers, in the store of this machine."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nborch.control.deployments import LocalDeployments
from nborch.control.forms import (
    PoolForm,
    PoolPage,
    QueuedPage,
    WorkerForm,
    WorkerPage,
)
from nborch.control.pages import page_of
from nborch.control.telling import seconds_of, summaries
from nborch.exceptions import AlreadyExists, InvalidDeclaration
from nborch.work import QueuedRun, Worker, WorkPool

__all__ = ["LocalPools"]

#: Workers that are looked at: those of a week, of which most have gone.
MOST_WORKERS = 2_000
MOST_QUEUED = 10_000
STATUSES = ("online", "left", "lost")
#: What may be changed of a pool.
CHANGES = ("limit", "paused", "description")


class LocalPools(LocalDeployments):
    """See and change the work pools in a home; see `nborch.control.base`."""

    def work_pools(self, *, limit: int = 50, cursor: str | None = None) -> PoolPage:
        """Return work pools by name."""
        self.reap()
        pools = sorted(self.home.pools.list(), key=_name)
        page, after = page_of(pools, _name, limit, cursor)
        return {"items": self._pools(page), "next": after}

    def work_pool(self, name: str) -> PoolForm:
        """Return the work pool of this name."""
        self.reap()
        return self._pools([self.home.pools.get(name)])[0]

    def create_work_pool(  # the options of a pool
        self,
        *,
        name: str,
        type: str = "process",  # noqa: A002  # as it is called everywhere
        limit: int | None = None,
        paused: bool = False,
        description: str | None = None,
    ) -> PoolForm:
        """Create a work pool."""
        if any(each.name == name for each in self.home.pools.list()):
            raise AlreadyExists(
                f"The work pool {name!r} exists. Change it with: "
                f"nborch work-pool update {name}"
            )
        self.home.pools.put(
            WorkPool(
                name=name,
                kind=type,
                limit=limit,
                paused=paused,
                description=description,
            )
        )
        return self.work_pool(name)

    def change_work_pool(self, name: str, **changes: Any) -> PoolForm:
        """Change the ``limit``, ``paused`` or ``description`` of a work pool."""
        for change in changes:
            if change not in CHANGES:
                raise InvalidDeclaration(
                    f"A work pool has no {change!r} that could be changed. Change one "
                    f"of: {', '.join(CHANGES)}."
                )
        self.home.pools.put(replace(self.home.pools.get(name), **changes))
        return self.work_pool(name)

    def delete_work_pool(self, name: str) -> None:
        """Remove a work pool, if no deployment names it."""
        self.home.pools.delete(name)

    def work_pool_queue(
        self, name: str, *, limit: int = 50, cursor: str | None = None
    ) -> QueuedPage:
        """Return the runs of a pool that wait or go on, as they are taken."""
        self.reap()
        lane = self.home.pools.get(name).lane
        queued = self.home.queue.unfinished(lane=lane, most=MOST_QUEUED)
        page, after = page_of(queued, _turn, limit, cursor)
        found = self.home.listing.several([each.run_id for each in page])
        runs = {each["id"]: each for each in summaries(found, self.home.listing)}
        return {
            "items": [
                {
                    "run": runs[each.run_id],
                    "status": each.status,
                    "due": each.due.timestamp(),
                    "priority": each.priority,
                    "worker": each.worker_id,
                }
                for each in page
                if each.run_id in runs
            ],
            "next": after,
        }

    def workers(
        self,
        *,
        work_pool: str | None = None,
        status: Sequence[str] = (),
        limit: int = 50,
        cursor: str | None = None,
    ) -> WorkerPage:
        """Return workers, those who began last first."""
        self.reap()
        for each in status:
            if each not in STATUSES:
                raise InvalidDeclaration(
                    f"{each!r} is no status of a worker. Choose of: "
                    f"{', '.join(STATUSES)}."
                )
        lane = None if work_pool is None else self.home.pools.get(work_pool).lane
        found = [
            each
            for each in self.home.workers.list(MOST_WORKERS)
            if (lane is None or lane in each.lanes)
            and (not status or each.status in status)
        ]
        found.sort(key=_recency)
        page, after = page_of(found, _recency, limit, cursor)
        names = {
            each.lane: each.full_name
            for each in self.home.deployments.list()
            if each.work_pool is None
        }
        return {"items": [_worker(each, names) for each in page], "next": after}

    def _pools(self, pools: Sequence[WorkPool]) -> list[PoolForm]:
        deployments = self.home.deployments.list()
        online = [e for e in self.home.workers.list(MOST_WORKERS) if _is_online(e)]
        return [
            {
                "name": pool.name,
                "type": pool.kind,
                "limit": pool.limit,
                "paused": pool.paused,
                "description": pool.description,
                "running": pool.held,
                "waiting": pool.waiting,
                "created": seconds_of(pool.created),
                "deployments": [
                    each.full_name
                    for each in deployments
                    if each.work_pool == pool.name
                ],
                "workers": [each.name for each in online if pool.lane in each.lanes],
            }
            for pool in pools
        ]


def _name(pool: WorkPool) -> str:
    return pool.name


def _turn(queued: QueuedRun) -> str:
    """Return what sorts runs by when they are taken: those that are held first."""
    priority = 2**40 - queued.priority
    due = queued.due.timestamp()
    return f"{queued.status} {priority:020} {due:020.6f} {queued.run_id}"


def _recency(worker: Worker) -> str:
    return f"{1e12 - worker.started.timestamp():020.6f} {worker.id}"


def _is_online(worker: Worker) -> bool:
    return worker.status == "online"


def _worker(worker: Worker, names: dict[str, str]) -> WorkerForm:
    status: Any = worker.status
    return {
        "id": worker.id,
        "name": worker.name,
        "lanes": list(worker.lanes),
        "works_for": [
            names.get(lane) or lane.partition("/")[2] for lane in worker.lanes
        ],
        "status": status,
        "running": worker.held,
        "limit": worker.limit,
        "host": worker.host,
        "pid": worker.pid,
        "started": worker.started.timestamp(),
        "seen": worker.seen.timestamp(),
    }
