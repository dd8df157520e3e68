"""Deploying: flows are put into the store, for the workers of a pool."""

import os
import sys
from dataclasses import replace
from typing import Any

from nborch.deploy.deployments import declare
from nborch.deploy.entrypoints import loading
from nborch.exceptions import InvalidDeclaration
from nborch.home import Home, current_home
from nborch.work import Deployment

__all__ = ["DEFAULT_POOL", "deploy", "deployed"]

#: Names the pool of deployments that name none, as in Prefect.
DEFAULT_POOL = "NBORCH_DEFAULT_WORK_POOL_NAME"


def deployed(
    flow: Any, name: str, work_pool_name: str | None, home: Home, **options: Any
) -> str:
    """Deploy one flow; return the deployment's id. See `Deployable.deploy`."""
    if loading.get():
        # The program is only read, for a flow in it.
        return ""
    pool = work_pool_name or os.environ.get(DEFAULT_POOL)
    if pool is None:
        raise InvalidDeclaration(
            f"{flow.owner}: a deployment needs a work pool. Give work_pool_name=..., "
            "after: nborch work-pool create --type process NAME. To run it from here "
            "instead, use serve()."
        )
    deployment = home.deployments.put(
        declare(flow, name, home, work_pool_name=pool, **options)
    )
    _tell(deployment)
    return deployment.id


def deploy(
    *deployments: Deployment,
    work_pool_name: str | None = None,
    home: Home | None = None,
) -> list[str]:
    """Put several deployments into the store, for a work pool; return their ids.

    ::

        deploy(
            load.to_deployment(name="hourly", interval=3600),
            report.to_deployment(name="nightly", cron="0 2 * * *"),
            work_pool_name="local-process-pool",
        )
    """
    if loading.get():
        return []
    home = home or current_home()
    pool = work_pool_name or os.environ.get(DEFAULT_POOL)
    ids = []
    for each in deployments:
        if not isinstance(each, Deployment):
            raise InvalidDeclaration(
                f"{each!r} is no deployment. Make one of a flow with: "
                "flow.to_deployment(name=...)"
            )
        of_pool = replace(each, work_pool=each.work_pool or pool)
        ids.append(home.deployments.put(of_pool).id)
    return ids


def _tell(deployment: Deployment) -> None:
    """Tell, on a terminal, what can be done now."""
    if not os.isatty(2):
        return
    sys.stderr.write(
        f"Deployed '{deployment.full_name}' to the work pool "
        f"{deployment.work_pool!r}. Its runs begin while a worker runs:\n"
        f"  nborch worker start --pool {deployment.work_pool}\n"
        f"Run it now:\n  nborch deployment run '{deployment.full_name}'\n"
    )
