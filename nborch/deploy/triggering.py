"""Runs of deployments on request: asked for here, done by whoever serves or works."""

import asyncio
import time
from collections.abc import Generator, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from nborch.context import enclosing_run
from nborch.deploy.entrypoints import loading
from nborch.deploy.parcels import Parcels
from nborch.deploy.schemas import as_json, check_values
from nborch.exceptions import InvalidDeclaration, MissingResult, RunTimedOut
from nborch.home import Home, current_home
from nborch.runs import RunRecord
from nborch.specs import checked_tags
from nborch.states import State, StateType
from nborch.work import Deployment

__all__ = [
    "RETURNED",
    "WANTED",
    "DeploymentRun",
    "arun_deployment",
    "returned_values",
    "run_deployment",
    "trigger",
]

#: Seconds between two looks at the store for a run that is waited for.
LOOK = 0.05
#: Seconds for which a value is kept that a run returned for somebody who waits.
MEMORY = 7 * 86_400.0
#: The folder in the home that has them, and what in a run's details asks for it.
RETURNED, WANTED = "returned", "wants_result"


class DeploymentRun:
    """A run of a deployment, which goes on elsewhere: its facts, and its future.

    Attributes
    ----------
    id, name
        Those of the run.
    parameters
        What the flow is called with.
    deployment
        The full name of the deployment.
    """

    def __init__(self, home: Home, run_id: str, deployment: str) -> None:
        self._home = home
        self.id = run_id
        self.deployment = deployment

    @property
    def record(self) -> RunRecord:
        """The run as the store knows it now."""
        return self._home.store.record(self.id)

    @property
    def name(self) -> str:
        """The run's name."""
        return self.record.run.name

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What the flow is called with."""
        return self.record.run.parameters

    @property
    def state(self) -> State:
        """The state that it is in now; once it is over, with what came of it."""
        state = self.record.state
        if not state.is_completed():
            return state
        return State(
            state.type,
            state.name,
            state.message,
            self._value(missing=None),
            state.timestamp,
            state.details,
            self.id,
        )

    @property
    def state_name(self) -> str:
        """The name of that state."""
        return self.record.state.name

    @property
    def state_type(self) -> StateType:
        """The type of that state."""
        return self.record.state.type

    def done(self) -> bool:
        """Tell whether the run is over."""
        return self.record.state.is_over()

    def wait(self, timeout: float | None = None) -> Self:
        """Wait until the run is over, or so many seconds.

        Raises
        ------
        RunTimedOut
            It is not over by then. It goes on nevertheless.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while not self.done():
            if until is not None and time.monotonic() >= until:
                raise RunTimedOut(
                    f"The run {self.name!r} of {self.deployment!r} is not over after "
                    f"{timeout:g} seconds. It goes on: see nborch flow-run inspect "
                    f"{self.name}"
                )
            time.sleep(LOOK)
        return self

    def result(
        self,
        timeout: float | None = None,
        *,
        raise_on_failure: bool = True,
    ) -> Any:
        """Wait for the run and return what its flow returned.

        Raises
        ------
        FailedRun, CrashedRun, CancelledRun
            The run did not complete.
        MissingResult
            What it returned could not be brought here.
        """
        self.wait(timeout)
        state = self.record.state
        if state.is_completed():
            return self._value()
        return state.result(raise_on_failure=raise_on_failure)

    def cancel(self) -> None:
        """Have the run cancelled."""
        self._home.queue.request_cancel(self.id)

    def _value(self, **default: Any) -> Any:
        parcels = returned_values(self._home)
        if parcels.has(self.id):
            return parcels.load(self.id)
        if default:
            return default["missing"]
        raise MissingResult(
            f"What the run {self.name!r} returned was not kept: nobody has asked for "
            "it, it could not be sent, or a week has gone by."
        )

    def __await__(self) -> Generator[Any, None, Self]:
        """Return itself, for ``await run_deployment(...)``."""
        yield from asyncio.sleep(0).__await__()
        return self

    def __repr__(self) -> str:
        return f"<Run {self.name!r} of {self.deployment!r}: {self.record.state!r}>"


def run_deployment(  # noqa: PLR0913  # as in Prefect
    name: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    scheduled_time: datetime | None = None,
    flow_run_name: str | None = None,
    timeout: float | None = None,
    tags: Iterable[str] | None = None,
    idempotency_key: str | None = None,
    priority: int = 0,
    home: Home | None = None,
    **unneeded: Any,
) -> DeploymentRun:
    """Have a deployment run, and wait for it; return the run.

    ::

        run = run_deployment("report/nightly", parameters={"month": 7})
        run.result()

        run = run_deployment("report/nightly", timeout=0)   # does not wait
        run.result()                                        # this does

    Somebody has to serve the deployment, or work for its pool.

    Parameters
    ----------
    name
        ``flow/deployment``, or the deployment's own name if no other has it.
    parameters
        Values in place of the deployment's.
    scheduled_time
        When it is to begin; at once if not given.
    timeout
        Seconds to wait for its end; None waits as long as it takes, 0 not at all.
    idempotency_key
        A run that was asked for by this key before is returned, and none is made.

    Raises
    ------
    NotFound
        There is no such deployment.
    ParameterBindError, ParameterTypeError
        The parameters do not fit.
    """
    del unneeded  # what Prefect's takes besides
    if loading.get():
        raise InvalidDeclaration(
            "run_deployment() was called while a program was loaded for a flow in it. "
            'Call it within a flow, or below: if __name__ == "__main__"'
        )
    home = home or current_home()
    deployment = home.deployments.get(name)
    record = trigger(
        home,
        deployment,
        parameters or {},
        at=scheduled_time,
        name=flow_run_name,
        tags=tags,
        idempotency_key=idempotency_key,
        priority=priority,
        wants_result=True,
    )
    run = DeploymentRun(home, record.run.id, deployment.full_name)
    if timeout != 0:
        try:
            run.wait(timeout)
        except RunTimedOut:
            # As in Prefect: the run as it stands by then.
            return run
    return run


async def arun_deployment(name: str, **options: Any) -> DeploymentRun:
    """Do what `run_deployment` does, while the event loop goes on."""
    return await asyncio.to_thread(run_deployment, name, **options)


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
