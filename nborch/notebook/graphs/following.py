"""Following: one flow run from its beginning to its end, for a graph of it."""

import time

from nborch.cancelling import Stopper
from nborch.context import RunContext
from nborch.notebook.graphs.actions import Retry, can_be_told_while_busy
from nborch.notebook.graphs.results import KeptResults
from nborch.showing import of_run
from nborch.task_runners.threads import ThreadPoolTaskRunner
from nborch.view.kept import KeptGraph
from nborch.view.model import RunView

__all__ = ["Following"]

INTERRUPT = "To stop it, interrupt the kernel (■)."
#: Seconds between two looks for what other processes have done within the run.
LOOK = 0.5


class Following:
    """Takes in the events of a run; made in the run's own thread when it begins.

    Attributes
    ----------
    view
        The run as a graph.
    stopper, retry
        What cancels it, and what calls it once more; None where nothing can.
    """

    def __init__(self, context: RunContext) -> None:
        self._context = context
        run = context.run
        #: What is shown of it before there is anything to draw.
        self.announcement = of_run(run.kind, run.name, run.of, ("RUNNING", "Running"))
        self.home = context.home
        self.stopper = Stopper.of(context)
        self.retry = Retry.of(context)
        can = self.stopper is not None and can_be_told_while_busy()
        self._results = KeptResults(self.home)
        self.view = RunView(
            context.run,
            self.home.store,
            cache=self._results,
            can=["cancel"] if can else [],
        )
        if self.stopper is not None and not can:
            self.view.change(hint=INTERRUPT)
        runner = getattr(context.owner, "task_runner", None)
        # Whether all that happens in it is recorded by this process.
        self._is_here = isinstance(runner, ThreadPoolTaskRunner)
        self._has_estimates = False
        self.began = time.monotonic()
        self._next_look = self.began + LOOK
        self.home.recorder.subscribe(self.view.take)

    def estimate(self) -> None:
        """Look up what the run will take, by earlier ones; once."""
        if not self._has_estimates:
            self._has_estimates = True
            self.view.expect()

    def look(self) -> None:
        """Take in what other processes have done, now and then."""
        if time.monotonic() >= self._next_look:
            self.view.catch_up(besides=self.home.process)
            self._next_look = time.monotonic() + LOOK

    def end(self) -> None:
        """Take in how the run has ended."""
        if self.stopper is not None:
            self.stopper.close()
        self.home.recorder.unsubscribe(self.view.take)
        self.view.told_all()
        if not self._is_here or time.monotonic() >= self._next_look:
            self.view.catch_up(besides=self.home.process)
        self.view.change(can=[], hint="")
        state = self._context.state
        if state is None or state.is_completed():
            self.retry = None

    def kept(self) -> KeptGraph:
        """Return the graph as it stays."""
        return KeptGraph(self.view.snapshot(), self.home.store, self._results)
