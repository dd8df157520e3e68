"""Runs of deployments on request, by the path that Prefect has them at.

>>> from nborch.deployments import run_deployment
"""

from nborch.deploy.triggering import DeploymentRun, arun_deployment, run_deployment

__all__ = ["DeploymentRun", "arun_deployment", "run_deployment"]
