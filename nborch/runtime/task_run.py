"""The task run that this code runs in: ``task_run.name``, ``task_run.parameters``, ...

``id``, ``name``, ``task_name``, ``tags``, ``parameters``, ``run_count``; ``api_url``
and ``ui_url`` are those of a server, if there is one. Outside a task run each is None
or empty.
"""

from typing import Any

from nborch.context import RunContext, enclosing_run
from nborch.runs import RunKind
from nborch.runtime.facts import Facts


def _run() -> RunContext | None:
    context = enclosing_run()
    return context if context and context.run.kind is RunKind.TASK else None


def _of(name: str) -> Any:
    run = _run()
    return getattr(run.run, name) if run else None


def _parameters() -> dict[str, Any]:
    run = _run()
    return dict(run.parameters or {}) if run else {}


def _run_count() -> int:
    run = _run()
    return run.attempt if run else 0


__getattr__ = Facts(
    "nborch.runtime.task_run",
    {
        "id": lambda: _of("id"),
        "name": lambda: _of("name"),
        "task_name": lambda: _of("of"),
        "tags": lambda: sorted(_of("tags") or ()),
        "parameters": _parameters,
        "run_count": _run_count,
        "api_url": lambda: None,
        "ui_url": lambda: None,
    },
)


def __dir__() -> list[str]:
    """Return the names of the facts."""
    return __getattr__.names
