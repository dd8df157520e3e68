"""What every flow can do as a deployment: be declared as one, deployed, served."""

from typing import Any, TypeVar

from nborch.exceptions import InvalidDeclaration

__all__ = ["Deployable"]

S = TypeVar("S")

#: Options of Prefect's that mean something only with its server or its images.
_UNNEEDED = frozenset(
    {
        "build", "push", "print_next_steps", "ignore_warnings", "webserver",
        "print_starting_message", "entrypoint_type", "pause_on_shutdown",
    }
)  # fmt: skip


class Deployable:
    """Makes deployments of itself.

    What deployments need is loaded with the first (law 7).
    """

    def entrypoint(self) -> dict[str, Any] | None:
        """Return where its code is, as JSON values; None if no file holds it."""
        from nborch.deploy.entrypoints import describe

        return describe(self)

    def parameter_schema(self) -> dict[str, Any]:
        """Return what it takes, as the JSON Schema of an object.

        >>> from nborch import flow
        >>> @flow
        ... def report(month: int) -> None: ...
        >>> report.parameter_schema()["required"]
        ['month']
        """
        from nborch.deploy.schemas import schema_of

        flow: Any = self
        return schema_of(flow.fn, flow.signature)

    def to_deployment(self, name: str | None = None, **options: Any) -> Any:
        """Return a deployment of this flow, for `nborch.serve` with others.

        ::

            from nborch import serve

            serve(
                load.to_deployment(name="hourly", interval=timedelta(hours=1)),
                report.to_deployment(name="nightly", cron="0 2 * * *"),
            )

        Parameters
        ----------
        name
            What it is called; as the flow if not given.
        options
            When it runs (``cron``, ``interval``, ``rrule``, ``timezone``,
            ``schedule``, ``schedules``, ``policy``, ``paused``), with what
            (``parameters``, ``enforce_parameter_schema``), how
            (``concurrency_limit``, ``priority``, ``max_crashes``) and what it says of
            itself (``description``, ``tags``, ``version``).

        Raises
        ------
        InvalidDeclaration
            Something about it is wrong.
        """
        from nborch.deploy.deployments import declare

        flow: Any = self
        given = _checked(flow, options)
        return declare(flow, name or flow.name, _home_of(flow), **given)

    def deploy(
        self, name: str | None = None, work_pool_name: str | None = None, **options: Any
    ) -> str:
        """Have the workers of a pool run this flow, by schedule or on request.

        ::

            my_pipeline.deploy(
                name="prod-pipeline",
                work_pool_name="local-process-pool",
                cron="0 6 * * *",
                parameters={"env": "prod"},
            )

        Deploying again changes what was deployed by that name. A flow that was
        defined in a notebook's cell goes by value, with what it refers to.

        Parameters
        ----------
        work_pool_name
            The pool; made with ``nborch work-pool create --type process NAME``. The
            variable ``NBORCH_DEFAULT_WORK_POOL_NAME`` may name it, too.
        options
            As for `to_deployment`.

        Returns
        -------
        str
            The id of the deployment.

        Raises
        ------
        InvalidDeclaration
            Something about it is wrong.
        """
        from nborch.deploy.deploying import deployed

        flow: Any = self
        return deployed(
            flow,
            name or flow.name,
            work_pool_name,
            _home_of(flow),
            **_checked(flow, options),
        )

    def serve(
        self, name: str | None = None, *, limit: int | None = None, **options: Any
    ) -> Any:
        """Run this flow by schedule and on request, here, until Ctrl-C.

        ::

            if __name__ == "__main__":
                daily_report.serve(name="daily-report", cron="0 8 * * *")

        Each run has a process of its own. In a notebook this returns at once, and the
        kernel serves in the background until `stop` is called on what it returns.

        Parameters
        ----------
        limit
            How many runs may go on at the same time.
        options
            As for `to_deployment`.
        """
        from nborch.deploy.serving import serve

        deployment = self.to_deployment(name, **options)
        return serve(deployment, limit=limit, home=_home_of(self))


def _home_of(flow: Any) -> Any:
    """Return where a deployment of a flow is kept."""
    from nborch.home import current_home

    return flow.home or current_home()


def _checked(flow: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that mean something; raise if one does not exist."""
    from nborch.deploy.deployments import DeploymentOptions
    from nborch.exceptions import did_you_mean

    given = {n: each for n, each in options.items() if n not in _UNNEEDED}
    if "global_limit" in given:
        given["concurrency_limit"] = given.pop("global_limit")
    known = DeploymentOptions.__annotations__
    for name, value in list(given.items()):
        if name in known:
            continue
        if value is None:
            del given[name]
            continue
        raise InvalidDeclaration(
            f"{flow.owner}: a deployment has no option {name!r}."
            f"{did_you_mean(name, known)} Its options are: {', '.join(known)}."
        )
    return given
