"""Deployments: flows that are run by schedule and on request, by workers.

- `deployable`, `deployments`: what every flow can do, and what is declared of it
- `entrypoints`, `parcels`, `orders`: where code is, and how it reaches a run's process
- `schemas`: parameters as JSON, and what fits them
- `scheduler`: fires schedules; `worker`, `tenures`: claims runs and has them done
- `outputs`: what the processes of runs print
- `serving`, `status`, `notifying`: both in one process, shown and told of
- `deploying`, `triggering`: putting deployments into the store, and asking for runs

Called, it puts several deployments into the store, as Prefect's function ``deploy``
does: see `nborch.deploy.deploying.deploy`.
"""

import sys
from types import ModuleType
from typing import Any


class _Package(ModuleType):
    """The package, which can be called."""

    def __call__(self, *deployments: Any, **options: Any) -> list[str]:
        from nborch.deploy.deploying import deploy

        return deploy(*deployments, **options)


sys.modules[__name__].__class__ = _Package
