"""The deployment that made the flow run: ``deployment.name``, ...; none yet.

``id``, ``name``, ``version``, ``flow_run_id``, ``parameters``.
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
        "parameters": dict,
    },
)


def __dir__() -> list[str]:
    return __getattr__.names
