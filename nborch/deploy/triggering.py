"""Runs of deployments on request: made here, done by whoever serves or works."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nborch.context import enclosing_run
from nborch.deploy.parcels import Parcels
from nborch.deploy.schemas import as_json, check_values
from nborch.home import Home
from nborch.runs import RunRecord
from nborch.specs import checked_tags
from nborch.work import Deployment

__all__ = [
    "RETURNED",
    "WANTED",
    "returned_values",
    "trigger",
]

#: Seconds for which a value is kept that a run returned for somebody who waits.
MEMORY = 7 * 86_400.0
#: The folder in the home that has them, and what in a run's details asks for it.
RETURNED, WANTED = "returned", "wants_result"


def trigger(  # noqa: PLR0913  # each is a fact of the run
    home: Home,
    deployment: Deployment,
    parameters: Mapping[str, Any],
    *,
    at: datetime | None = None,
    name: str | None = None,
    tags: Iterable[str] | None = None,
    idempotency_key: str | None = None,
    priority: int = 0,
    wants_result: bool = False,
) -> RunRecord:
    """Make a run of a deployment that waits for a worker; return it.

    Raises
    ------
    ParameterBindError, ParameterTypeError
        The parameters do not fit.
    """
    owner = f"Deployment {deployment.full_name!r}"
    given = as_json(parameters, owner)
    if deployment.enforce_schema:
        values = {**deployment.parameters, **given}
        check_values(values, deployment.parameter_schema, owner)
    details: dict[str, Any] = {}
    if tags:
        details["tags"] = sorted(checked_tags(owner, tags))
    if wants_result:
        details[WANTED] = True
    around = enclosing_run()
    if around is not None:
        details["asked_for_by"] = around.run.id
    return home.queue.enqueue(
        deployment,
        parameters=given,
        due_at=None if at is None else _aware(at),
        priority=priority,
        idempotency_key=idempotency_key,
        name=name,
        details=details,
    )


def returned_values(home: Home) -> Parcels:
    """Return what keeps the values that runs have returned for others."""
    folder: Path = home.folder / RETURNED
    return Parcels(folder, home.settings.secret_file)


def _aware(moment: datetime) -> datetime:
    """Return a time with its zone: this machine's, if it has none."""
    return moment.astimezone(UTC)
