"""The deployment that the flow run is of: ``deployment.name``, ...

``id``, ``name`` and ``version`` are None without one; ``flow_run_id`` and
``parameters`` are those of the flow run.
"""

from typing import Any

from nborch.context import enclosing_run
from nborch.runtime.facts import Facts
from nborch.runtime.flow_run import __getattr__ as _flow_run


def _told(name: str) -> Any:
    context = enclosing_run()
    while context is not None and context.parent is not None:
        context = context.parent
    return context and context.run.details.get("deployment", {}).get(name)


def _name() -> str | None:
    # Its own, without that of the flow.
    full: str | None = _told("name")
    return full and full.rpartition("/")[2]


__getattr__ = Facts(
    "nborch.runtime.deployment",
    {
        "id": lambda: _told("id"),
        "name": _name,
        "version": lambda: _told("version"),
        "flow_run_id": lambda: _flow_run("id"),
        "parameters": lambda: _flow_run("parameters"),
    },
)


def __dir__() -> list[str]:
    """Return the names of the facts."""
    return __getattr__.names
