"""Actions: what the buttons of a graph do to the run that it shows."""

import asyncio
import sys
import threading
from contextlib import suppress
from contextvars import Context
from typing import Any

from nborch.context import RunContext, current_run, retry_of
from nborch.flows import Flow
from nborch.notebook import flow_cells
from nborch.parameters import spread

__all__ = ["CANCELLED", "Retry", "can_be_told_while_busy"]

#: Why a run has ended that was cancelled by its button.
CANCELLED = "Cancelled with the button of its graph."


def can_be_told_while_busy() -> bool:
    """Tell whether this kernel hears of a button while it runs a cell.

    From version 7 on, ipykernel has threads for that.
    """
    ipykernel = sys.modules.get("ipykernel")
    return getattr(ipykernel, "version_info", (0,))[0] >= 7  # noqa: PLR2004


class Retry:
    """Calls a flow once more, as a run of its own; see `of`.

    Task runs that completed are restored, as far as their results are kept.

    Parameters
    ----------
    run_id
        The run that did not complete.
    """

    def __init__(self, run_id: str, flow: Flow[..., Any], parameters: Any) -> None:
        self._run_id = run_id
        self._flow = flow
        self._parameters = parameters
        self._thread: threading.Thread | None = None

    @classmethod
    def of(cls, context: RunContext) -> "Retry | None":
        """Return how a run is called once more; None if nobody but its caller can.

        The code of a cell belongs into the main thread, and who takes what a generator
        yields is not to be found again.
        """
        flow = context.owner
        if not isinstance(flow, Flow) or flow.isgenerator:
            return None
        if getattr(flow.fn, "__module__", None) == flow_cells.__name__:
            return None
        # What it was retried for counts, however often.
        run_id = str(context.run.details.get("retry_of", context.run.id))
        return cls(run_id, flow, dict(context.parameters or {}))

    def start(self, around: Context) -> None:
        """Call it in a thread of its own.

        Parameters
        ----------
        around
            The context in which it is called: what it shows belongs to that.
        """
        self._thread = threading.Thread(
            target=around.run, args=(self._call,), name="nborch-retry", daemon=True
        )
        self._thread.start()

    def _call(self) -> None:
        current_run.set(None)
        retry_of.set(self._run_id)
        args, kwargs = spread(self._flow.signature, self._parameters)
        # NB. How it ends is told by the graph, and by its lines.
        with suppress(Exception):
            called: Any = self._flow(*args, **kwargs)
            if self._flow.isasync:
                asyncio.run(called)
