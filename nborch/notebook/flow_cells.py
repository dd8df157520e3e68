"""Cell flows: the body of a cell as one flow run."""

from typing import Any

from nborch.flows import Flow, flow
from nborch.logs import get_run_logger
from nborch.notebook.attempts import Bindings
from nborch.notebook.bodies import CellBody, Source

__all__ = ["cell_flow"]


def cell_flow(shell: Any, source: Source) -> Flow[[], None]:
    """Return a flow that runs a cell's body in the user's namespace when called.

    Parameters
    ----------
    shell
        The IPython shell whose namespace it is.
    source
        The cell; what its header asks for are the flow's options.
    """
    asks = source.asks
    body = CellBody(shell, source)
    bindings = Bindings(shell.user_ns, body.analysis, {}) if asks.retries else None

    def begin() -> None:
        changed = bindings.begin() if bindings else []
        if changed:
            names = ", ".join(changed)
            told = "This attempt sees %s as the failed one has changed it in place."
            get_run_logger().warning(told, names)

    # NB. Without docstrings: they would be the flow's description.
    def execute() -> None:
        begin()
        body.execute()

    async def execute_async() -> None:
        begin()
        await body.execute_async()

    declare = flow(
        name=asks.name,
        retries=asks.retries,
        retry_delay_seconds=list(asks.retry_delays),
        timeout_seconds=asks.timeout,
        tags=asks.tags,
        log_prints=asks.log_prints or None,
        validate_parameters=False,
    )
    made: Flow[[], None] = declare(
        execute_async if body.analysis.is_async else execute  # type: ignore[arg-type]  # either
    )
    return made
