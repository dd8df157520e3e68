"""The deployment that made the flow run: ``deployment.name``, ...; none yet.

``id``, ``name`` and ``version`` are None without one; ``flow_run_id`` and
``parameters`` are those of the flow run.
"""

from nborch.runtime.facts import Facts
from nborch.runtime.flow_run import __getattr__ as _flow_run

__getattr__ = Facts(
    "nborch.runtime.deployment",
    {
        "id": lambda: None,
        "name": lambda: None,
        "version": lambda: None,
        "flow_run_id": lambda: _flow_run("id"),
        "parameters": lambda: _flow_run("parameters"),
    },
)


def __dir__() -> list[str]:
    """Return the names of the facts."""
    return __getattr__.names
