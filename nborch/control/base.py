"""What every control plane can do: see and change what runs, whoever asks."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from nborch.control.forms import (
    Backfilled,
    CacheForm,
    Cleared,
    DeploymentForm,
    DeploymentPage,
    HappeningPage,
    Health,
    History,
    KeptPage,
    LimitForm,
    LimitPage,
    LogPage,
    OutcomePage,
    PoolForm,
    PoolPage,
    QueuedPage,
    RunDetail,
    RunPage,
    RunSummary,
    SettingPage,
    Told,
    VersionForm,
    WorkerPage,
)
from nborch.home import Home
from nborch.runs import RunRecord

__all__ = ["Control", "Runs"]


class Runs(Protocol):
    """Sees runs, and changes how they go on.

    Those that narrow what is looked at, wherever they may be given:

    state, kind
        The types of states, and ``flow``, ``session`` and ``task``; runs of flows and
        sessions if no kind is given.
    flow
        The name of the flow or task.
    deployment
        The id or the full name of the deployment.
    work_pool, tag
        A pool, and a tag.
    q
        What their name, their flow's name, or the start of their id has in it.
    since, until
        When they were made: from, and before, in seconds since 1970.
    parent
        The id of the run within which they were made.
    top
        Only those that were made within no other run, or within a session.
    """

    def runs(  # noqa: PLR0913  # each narrows what is returned
        self,
        *,
        state: Sequence[str] = (),
        kind: Sequence[str] = (),
        flow: str | None = None,
        deployment: str | None = None,
        work_pool: str | None = None,
        tag: str | None = None,
        q: str | None = None,
        since: float | None = None,
        until: float | None = None,
        parent: str | None = None,
        top: bool = False,
        whole: bool = False,
        limit: int = 50,
        cursor: str | None = None,
    ) -> RunPage:
        """Return runs, the newest first.

        Parameters
        ----------
        whole
            Whether all that is stored of each is told.
        cursor
            The "next" of the page before.
        """
        ...

    def run_counts(  # noqa: PLR0913  # each narrows what is returned
        self,
        *,
        state: Sequence[str] = (),
        kind: Sequence[str] = (),
        flow: str | None = None,
        deployment: str | None = None,
        work_pool: str | None = None,
        tag: str | None = None,
        q: str | None = None,
        since: float | None = None,
        until: float | None = None,
        parent: str | None = None,
        top: bool = False,
    ) -> dict[str, int]:
        """Return how many runs are in states of each type."""
        ...

    def run_history(  # noqa: PLR0913  # each narrows what is returned
        self,
        *,
        state: Sequence[str] = (),
        kind: Sequence[str] = (),
        flow: str | None = None,
        deployment: str | None = None,
        work_pool: str | None = None,
        tag: str | None = None,
        q: str | None = None,
        since: float | None = None,
        until: float | None = None,
        parent: str | None = None,
        top: bool = False,
        bins: int = 60,
    ) -> History:
        """Return how many runs were made when, by the state they are in now.

        Between ``since`` and ``until``; of the last day if these are not given.
        """
        ...

    def run(self, run_id: str) -> RunDetail:
        """Return the run with exactly this id."""
        ...

    def run_called(self, reference: str) -> RunDetail:
        """Return the run with this id, start of an id, or name (the newest)."""
        ...

    def run_states(self, run_id: str) -> HappeningPage:
        """Return the states that a run has entered."""
        ...

    def run_log(  # noqa: PLR0913  # each narrows what is returned
        self,
        run_id: str,
        *,
        after: int | None = None,
        before: int | None = None,
        level: str | None = None,
        q: str | None = None,
        limit: int = 500,
    ) -> LogPage:
        """Return lines of a run and of all runs within it: the last ones.

        Parameters
        ----------
        after
            The first ones after this place instead: the "next" of other lines, or 0.
        before
            The last ones before this place: the "previous" of other lines.
        level
            Lines of this level and above.
        q
            Lines that have this in them.
        """
        ...

    def cancel_run(self, run_id: str) -> Told:
        """Have a run end as Cancelled."""
        ...

    def retry_run(self, run_id: str) -> Told:
        """Have what a run was of run again, with the same parameters."""
        ...

    def resume_run(self, run_id: str) -> Told:
        """Have a notebook go on where its run has ended, as a new run."""
        ...


class Control(Runs, Protocol):
    """Sees and changes everything.

    The answers are JSON values, see `nborch.control.forms`. What is wrong is raised as
    an error of `nborch.exceptions`, also by a server elsewhere.
    """

    #: Where it does that, for people.
    where: str
    #: Seconds to pause between two looks at what has changed.
    pause: float
    #: So many items of a list are given at once, at most.
    at_once: int

    @property
    def home(self) -> Home | None:
        """The home that it works on; None if that is for a server to reach only."""
        ...

    def record(self, reference: str) -> RunRecord:
        """Return the run with this id, start of an id, or name, as it is stored."""
        ...

    # Deployments.

    def deployments(
        self,
        *,
        flow: str | None = None,
        work_pool: str | None = None,
        q: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> DeploymentPage:
        """Return deployments by name."""
        ...

    def deployment(self, deployment_id: str) -> DeploymentForm:
        """Return the deployment with exactly this id."""
        ...

    def deployment_called(self, reference: str) -> DeploymentForm:
        """Return the deployment with this id, full name, or name if only one has it."""
        ...

    def outcomes(self, deployment_id: str, *, limit: int = 50) -> OutcomePage:
        """Return what came of the last nominal times of a deployment's schedules."""
        ...

    def make_run(  # noqa: PLR0913  # each is a fact of the run
        self,
        deployment_id: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        at: float | None = None,
        name: str | None = None,
        tags: Sequence[str] = (),
        priority: int = 0,
        idempotency_key: str | None = None,
    ) -> RunSummary:
        """Make a run of a deployment, which waits for a worker."""
        ...

    def pause_deployment(self, deployment_id: str) -> DeploymentForm:
        """Let the schedules of a deployment rest."""
        ...

    def resume_deployment(self, deployment_id: str) -> DeploymentForm:
        """Let the schedules of a deployment go on from now."""
        ...

    def pause_schedule(self, deployment_id: str, schedule_id: str) -> DeploymentForm:
        """Let one schedule of a deployment rest."""
        ...

    def resume_schedule(self, deployment_id: str, schedule_id: str) -> DeploymentForm:
        """Let one schedule of a deployment go on from now."""
        ...

    def backfill(
        self,
        deployment_id: str,
        *,
        start: float,
        end: float | None = None,
        side_by_side: bool = False,
        dry_run: bool = False,
    ) -> Backfilled:
        """Make the runs that the schedules would have made in a time."""
        ...

    def delete_deployment(self, deployment_id: str) -> None:
        """Remove a deployment, and cancel its runs that wait."""
        ...

    # Work pools and workers.

    def work_pools(self, *, limit: int = 50, cursor: str | None = None) -> PoolPage:
        """Return work pools by name."""
        ...

    def work_pool(self, name: str) -> PoolForm:
        """Return the work pool of this name."""
        ...

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
        ...

    def change_work_pool(self, name: str, **changes: Any) -> PoolForm:
        """Change the ``limit``, ``paused`` or ``description`` of a work pool."""
        ...

    def delete_work_pool(self, name: str) -> None:
        """Remove a work pool, if no deployment names it."""
        ...

    def work_pool_queue(
        self, name: str, *, limit: int = 50, cursor: str | None = None
    ) -> QueuedPage:
        """Return the runs of a pool that wait or go on, as they are taken."""
        ...

    def workers(
        self,
        *,
        work_pool: str | None = None,
        status: Sequence[str] = (),
        limit: int = 50,
        cursor: str | None = None,
    ) -> WorkerPage:
        """Return workers, those who began last first."""
        ...

    # Concurrency limits.

    def limits(self, *, limit: int = 50, cursor: str | None = None) -> LimitPage:
        """Return concurrency limits by name, with who holds their slots."""
        ...

    def limit(self, name: str) -> LimitForm:
        """Return the concurrency limit of this name."""
        ...

    def create_limit(
        self, *, name: str, slots: int, slot_decay_per_second: float = 0.0
    ) -> LimitForm:
        """Create a concurrency limit."""
        ...

    def put_limit(
        self, name: str, *, slots: int, slot_decay_per_second: float = 0.0
    ) -> LimitForm:
        """Create a concurrency limit, or change it."""
        ...

    def reset_limit(self, name: str) -> LimitForm:
        """Free all slots of a concurrency limit; return it as it was before."""
        ...

    def delete_limit(self, name: str) -> None:
        """Remove a concurrency limit."""
        ...

    # The rest.

    def cache(self) -> CacheForm:
        """Return what the result cache holds, and what it has saved."""
        ...

    def cache_results(self, *, limit: int = 50, cursor: str | None = None) -> KeptPage:
        """Return the kept results, the newest first."""
        ...

    def clear_cache(
        self, *, task: str | None = None, older_than: float | None = None
    ) -> Cleared:
        """Remove kept results."""
        ...

    def collect_cache(self, *, max_bytes: int | None = None) -> Cleared:
        """Remove what is expired or of no use, and what is worth least past a size."""
        ...

    def settings(self) -> SettingPage:
        """Return the settings in force, and where each comes from."""
        ...

    def health(self) -> Health:
        """Tell that somebody answers."""
        ...

    def version(self) -> VersionForm:
        """Return what answers."""
        ...
