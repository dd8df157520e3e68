"""Runs of deployments on request: asked for here, done by whoever serves or works.

Where ``NBORCH_API_URL`` names a server, that is asked for them.
"""

import asyncio
import time
from collections.abc import Generator, Iterable, Mapping
from datetime import datetime
from typing import Any, Self

from nborch.control.base import Control
from nborch.control.choosing import current_control
from nborch.control.local import LocalControl
from nborch.deploy.entrypoints import loading
from nborch.deploy.schemas import as_json
from nborch.deploy.triggering import returned_values, trigger
from nborch.exceptions import InvalidDeclaration, MissingResult, RunTimedOut
from nborch.home import Home
from nborch.runs import RunRecord
from nborch.specs import checked_tags
from nborch.states import State, StateType

__all__ = ["DeploymentRun", "arun_deployment", "run_deployment"]


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

    def __init__(self, control: Control, run_id: str, deployment: str) -> None:
        self._control = control
        self.id = run_id
        self.deployment = deployment

    @property
    def record(self) -> RunRecord:
        """The run as the store knows it now."""
        return self._control.record(self.id)

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
            time.sleep(self._control.pause)
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
        self._control.cancel_run(self.id)

    def _value(self, **default: Any) -> Any:
        home = self._control.home
        parcels = None if home is None else returned_values(home)
        if parcels is not None and parcels.has(self.id):
            return parcels.load(self.id)
        if default:
            return default["missing"]
        if home is None:
            raise MissingResult(
                f"What the run {self.name!r} returned stays where the server at "
                f"{self._control.where} is. Have the flow write it to a place that "
                "both of you reach."
            )
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
    control = current_control() if home is None else LocalControl(home)
    asked: dict[str, Any] = {
        "name": flow_run_name,
        "idempotency_key": idempotency_key,
        "priority": priority,
    }
    run = _asked_for(control, name, parameters or {}, scheduled_time, tags, asked)
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


def _asked_for(  # noqa: PLR0913, PLR0917  # each is a fact of the run
    control: Control,
    name: str,
    parameters: Mapping[str, Any],
    at: datetime | None,
    tags: Iterable[str] | None,
    asked: Mapping[str, Any],
) -> DeploymentRun:
    """Return the run that was made on request."""
    if control.home is not None:
        deployment = control.home.deployments.get(name)
        record = trigger(
            control.home,
            deployment,
            parameters,
            at=at,
            tags=tags,
            wants_result=True,
            **asked,
        )
        return DeploymentRun(control, record.run.id, deployment.full_name)
    form = control.deployment_called(name)
    owner = f"Deployment {form['full_name']!r}"
    made = control.make_run(
        form["id"],
        parameters=as_json(parameters, owner),
        at=None if at is None else at.timestamp(),
        tags=sorted(checked_tags(owner, tags)),
        **asked,
    )
    return DeploymentRun(control, made["id"], form["full_name"])
