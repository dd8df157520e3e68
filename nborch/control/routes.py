"""The HTTP API in one table: what is asked for at which address, and how.

A server makes its handlers and its description of this table, and who asks a server
makes the requests of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nborch.control import forms
from nborch.control.forms.queries import (
    Called,
    DeploymentsQuery,
    HistoryQuery,
    LogQuery,
    Narrowed,
    OutcomesQuery,
    Paged,
    RunsQuery,
    WorkersQuery,
)

__all__ = ["ROUTES", "Route", "route_of"]

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An address, and what is done there.

    Parameters
    ----------
    name
        The method of `nborch.control.base.Control` that does it.
    path
        Below ``api/``; what stands in braces is given to the method by its place.
    query, body
        The forms of what is given to it by name.
    answer
        The form of what it returns; None for nothing.
    status, media, faults
        The status and the media type of the answer; statuses of refusals that one has
        to reckon with.
    renamed
        What is called otherwise in the body than in the method.
    is_open
        Whether strangers may ask.
    """

    name: str
    method: Method
    path: str
    summary: str
    answer: Any = None
    query: Any = None
    body: Any = None
    status: int = 200
    media: str = "application/json"
    faults: tuple[int, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    is_open: bool = False

    @property
    def changes(self) -> bool:
        """Whether it changes anything."""
        return self.method != "GET"


def _get(name: str, path: str, summary: str, answer: Any, **more: Any) -> Route:
    faults = (404,) if "{" in path or more.get("query") is Called else ()
    return Route(
        name=name,
        method="GET",
        path=path,
        summary=summary,
        answer=answer,
        faults=faults,
        **more,
    )


def _do(name: str, at: str, summary: str, answer: Any = None, **more: Any) -> Route:
    method, _, path = at.partition(" ")
    kind: Any = method
    more = {"status": 200 if answer is not None else 204, **more}
    return Route(
        name=name, method=kind, path=path, summary=summary, answer=answer, **more
    )


_DEPLOYMENT, _POOL = "deployments/{deployment}", "work-pools/{name}"
_SCHEDULE, _LIMIT = _DEPLOYMENT + "/schedules/{schedule}", "concurrency-limits/{name}"

#: In this order they are looked through: what stands for itself before what is given.
ROUTES: tuple[Route, ...] = (
    _get("runs", "runs", "List runs.", forms.RunPage, query=RunsQuery),
    _get("run_counts", "runs/counts", "Count runs.", dict[str, int], query=Narrowed),
    _get(
        "run_history",
        "runs/history",
        "Count runs over time.",
        forms.History,
        query=HistoryQuery,
    ),
    _get(
        "run_called",
        "runs/called",
        "Look a run up by its id, the start of it, or its name.",
        forms.RunDetail,
        query=Called,
    ),
    _get("run", "runs/{run}", "Look into a run.", forms.RunDetail),
    _get(
        "run_states",
        "runs/{run}/states",
        "List the states that a run has entered.",
        forms.HappeningPage,
    ),
    _get(
        "run_log",
        "runs/{run}/log",
        "Read the log of a run and of all runs within it.",
        forms.LogPage,
        query=LogQuery,
    ),
    _do(
        "cancel_run",
        "POST runs/{run}/cancel",
        "Cancel a run.",
        forms.Told,
        faults=(404,),
    ),
    _do(
        "retry_run",
        "POST runs/{run}/retry",
        "Make a run of a deployment again.",
        forms.Told,
        faults=(404, 409),
    ),
    _do(
        "resume_run",
        "POST runs/{run}/resume",
        "Have a notebook go on where its run ended.",
        forms.Told,
        faults=(404, 409),
    ),
    _get(
        "deployments",
        "deployments",
        "List deployments.",
        forms.DeploymentPage,
        query=DeploymentsQuery,
    ),
    _get(
        "deployment_called",
        "deployments/called",
        "Look a deployment up by its id, full name, or name.",
        forms.DeploymentForm,
        query=Called,
    ),
    _get("deployment", _DEPLOYMENT, "Look into a deployment.", forms.DeploymentForm),
    _get(
        "outcomes",
        f"{_DEPLOYMENT}/outcomes",
        "List what came of the times of a deployment's schedules.",
        forms.OutcomePage,
        query=OutcomesQuery,
    ),
    _do(
        "make_run",
        f"POST {_DEPLOYMENT}/runs",
        "Have a deployment run.",
        forms.RunSummary,
        body=forms.RunRequest,
        status=201,
        faults=(404,),
    ),
    _do(
        "pause_deployment",
        f"POST {_DEPLOYMENT}/pause",
        "Let the schedules of a deployment rest.",
        forms.DeploymentForm,
        faults=(404,),
    ),
    _do(
        "resume_deployment",
        f"POST {_DEPLOYMENT}/resume",
        "Let the schedules of a deployment go on from now.",
        forms.DeploymentForm,
        faults=(404,),
    ),
    _do(
        "backfill",
        f"POST {_DEPLOYMENT}/backfill",
        "Make the runs that schedules would have made in a time.",
        forms.Backfilled,
        body=forms.BackfillRequest,
        renamed={"from": "start", "to": "end"},
        faults=(404,),
    ),
    _do(
        "pause_schedule",
        f"POST {_SCHEDULE}/pause",
        "Let a schedule rest.",
        forms.DeploymentForm,
        faults=(404,),
    ),
    _do(
        "resume_schedule",
        f"POST {_SCHEDULE}/resume",
        "Let a schedule go on from now.",
        forms.DeploymentForm,
        faults=(404,),
    ),
    _do(
        "delete_deployment",
        f"DELETE {_DEPLOYMENT}",
        "Remove a deployment.",
        faults=(404,),
    ),
    _get("work_pools", "work-pools", "List work pools.", forms.PoolPage, query=Paged),
    _do(
        "create_work_pool",
        "POST work-pools",
        "Create a work pool.",
        forms.PoolForm,
        body=forms.PoolRequest,
        status=201,
        faults=(409,),
    ),
    _get("work_pool", _POOL, "Look into a work pool.", forms.PoolForm),
    _do(
        "change_work_pool",
        f"PATCH {_POOL}",
        "Change a work pool.",
        forms.PoolForm,
        body=forms.PoolChange,
        faults=(404,),
    ),
    _do("delete_work_pool", f"DELETE {_POOL}", "Remove a work pool.", faults=(404,)),
    _get(
        "work_pool_queue",
        f"{_POOL}/queue",
        "List the runs of a pool that wait or go on.",
        forms.QueuedPage,
        query=Paged,
    ),
    _get(
        "workers",
        "workers",
        "List workers.",
        forms.WorkerPage,
        query=WorkersQuery,
    ),
    _get(
        "limits",
        "concurrency-limits",
        "List concurrency limits.",
        forms.LimitPage,
        query=Paged,
    ),
    _do(
        "create_limit",
        "POST concurrency-limits",
        "Create a concurrency limit.",
        forms.LimitForm,
        body=forms.LimitRequest,
        status=201,
        faults=(409,),
    ),
    _get("limit", _LIMIT, "Look into a concurrency limit.", forms.LimitForm),
    _do(
        "put_limit",
        f"PUT {_LIMIT}",
        "Create a concurrency limit, or change it.",
        forms.LimitForm,
        body=forms.LimitChange,
    ),
    _do(
        "reset_limit",
        f"POST {_LIMIT}/reset",
        "Free all slots of a concurrency limit.",
        forms.LimitForm,
        faults=(404,),
    ),
    _do(
        "delete_limit",
        f"DELETE {_LIMIT}",
        "Remove a concurrency limit.",
        faults=(404,),
    ),
    _get("cache", "cache", "Tell what the cache holds.", forms.CacheForm),
    _get(
        "cache_results",
        "cache/results",
        "List the kept results.",
        forms.KeptPage,
        query=Paged,
    ),
    _do(
        "clear_cache",
        "POST cache/clear",
        "Remove kept results.",
        forms.Cleared,
        body=forms.ClearRequest,
    ),
    _do(
        "collect_cache",
        "POST cache/collect",
        "Bring the cache down to a size.",
        forms.Cleared,
        body=forms.CollectRequest,
    ),
    _get("settings", "settings", "List the settings in force.", forms.SettingPage),
    _get("health", "health", "Tell that it answers.", forms.Health, is_open=True),
    _get("version", "version", "Tell what answers.", forms.VersionForm),
)

_BY_NAME = {route.name: route for route in ROUTES}


def route_of(name: str) -> Route:
    """Return the route by which a method of a control plane is called."""
    return _BY_NAME[name]
