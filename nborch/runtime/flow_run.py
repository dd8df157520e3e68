"""The flow run that this code runs in: ``flow_run.name``, ``flow_run.parameters``, ...

``id``, ``name``, ``flow_name``, ``flow_version``, ``tags``, ``parameters``,
``run_count``, ``scheduled_start_time``, ``parent_flow_run_id``, ``root_flow_run_id``;
``parent_deployment_id``, ``job_variables``, ``api_url`` and ``ui_url`` are those of its
deployment and of a server, if there are any. Outside a run each is None or empty, but
for ``scheduled_start_time``, which is now.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from nborch.context import RunContext, enclosing_run
from nborch.runtime.facts import Facts


def _run() -> RunContext | None:
    context = enclosing_run()
    return context and context.flow_run


def _above() -> RunContext | None:
    run = _run()
    return run.parent.flow_run if run and run.parent else None


def _root() -> RunContext | None:
    root = run = _run()
    while run is not None:
        root = run
        run = run.parent.flow_run if run.parent else None
    return root


def _details() -> Mapping[str, Any]:
    """Return what is known of the outermost run; nothing outside a run."""
    root = _root()
    return root.run.details if root else {}


def _scheduled() -> datetime:
    """Return when the run was to begin: its nominal time, if a schedule made it."""
    nominal = _details().get("schedule", {}).get("nominal")
    if nominal is not None:
        return datetime.fromtimestamp(nominal, UTC)
    return _of(_run(), "created") or datetime.now(UTC)


def _of(run: RunContext | None, name: str) -> Any:
    return getattr(run.run, name) if run else None


def _parameters() -> dict[str, Any]:
    run = _run()
    if run is None:
        return {}
    # In another process than the flow's only what its store knows is known.
    return dict(run.run.parameters if run.parameters is None else run.parameters)


def _version() -> str | None:
    run = _run()
    return run.spec.version if run else None


def _run_count() -> int:
    run = _run()
    return run.attempt if run else 0


__getattr__ = Facts(
    "nborch.runtime.flow_run",
    {
        "id": lambda: _of(_run(), "id"),
        "name": lambda: _of(_run(), "name"),
        "flow_name": lambda: _of(_run(), "of"),
        "flow_version": _version,
        "tags": lambda: sorted(_of(_run(), "tags") or ()),
        "parameters": _parameters,
        "run_count": _run_count,
        "scheduled_start_time": _scheduled,
        "parent_flow_run_id": lambda: _of(_above(), "id"),
        "root_flow_run_id": lambda: _of(_root(), "id"),
        "parent_deployment_id": lambda: None,
        "job_variables": lambda: {} if _run() else None,
        "api_url": lambda: None,
        "ui_url": lambda: None,
    },
)


def __dir__() -> list[str]:
    """Return the names of the facts."""
    return __getattr__.names
