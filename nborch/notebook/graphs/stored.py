"""Runs of the store as graphs: those that are over, and those of other processes."""

import time
from typing import Any

from nborch.cancelling import cancel, is_cancellable
from nborch.exceptions import NborchError
from nborch.home import Home, current_home
from nborch.notebook.displays.tapping import untapped
from nborch.notebook.graphs.actions import CANCELLED
from nborch.notebook.graphs.frames import Frame, has_notebook, shell_here
from nborch.notebook.graphs.results import KeptResults
from nborch.runs import RunKind, RunRecord
from nborch.view.kept import KeptGraph
from nborch.view.model import RunView
from nborch.view.pump import pump
from nborch.view.standalone import SECONDS, stored
from nborch.view.static import bundle as looks

__all__ = ["DrawnRun", "drawn"]

#: Seconds between two looks at what has happened in a run of another process.
LOOK = 0.25


class DrawnRun:
    """A run with all that runs within it, as a graph in a notebook and a text else.

    Parameters
    ----------
    reference
        Its name or id.
    """

    def __init__(self, home: Home, reference: str) -> None:
        home.recorder.flush()
        self._home = home
        run_id = home.store.record(reference).run.id
        self._view = RunView.from_store(home.store, run_id, cache=KeptResults(home))
        self._looks = looks(self._view.snapshot())

    def __str__(self) -> str:
        return str(self._looks["text/plain"])

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        told: dict[str, Any] = dict(self._looks)
        shell = shell_here()
        if not has_notebook(shell):
            return told
        if self._view.is_over and Frame(shell).is_of_program:
            return stored(told, self._view)
        return _live(told, self._view, self._home)


def drawn(record: RunRecord) -> dict[str, Any] | None:
    """Return the graph of a flow run in the forms that front ends show."""
    if record.run.kind is not RunKind.FLOW:
        return None
    try:
        run = DrawnRun(current_home(), record.run.id)
    except NborchError:
        return None  # it is of another store
    return run._repr_mimebundle_()  # its own module


def _live(told: dict[str, Any], view: RunView, home: Home) -> dict[str, Any]:
    """Return what shows a run in a widget, if there are widgets."""
    try:
        followed = FollowedRun(view, home)
    except Exception:  # noqa: BLE001  # without them, there is the picture
        return told
    has_view = not (view.is_over or Frame(shell_here()).is_one_page)
    return dict(followed.widget.stand(told, seconds=SECONDS, has_view=has_view))


class FollowedRun:
    """Shows a run in a widget, and follows it by what is stored until it has ended."""

    def __init__(self, view: RunView, home: Home) -> None:
        # Slow to load, and few programs show a widget.
        from nborch.view.widget import RunGraph

        self._view = view
        self._home = home
        self._around = untapped()
        self._next_look = 0.0
        if view.is_over:
            self.widget = RunGraph(self._kept())
            return
        view.change(can=["cancel"] if is_cancellable(view.run_id) else [])
        self.widget = RunGraph(view, self._act)
        pump.add(self)

    def flush(self) -> bool:
        """Show what has changed; tell whether more is to come."""
        if time.monotonic() >= self._next_look:
            self._view.catch_up()
            self._next_look = time.monotonic() + LOOK
            self._around.run(self._tell)
        return not self._view.is_over

    def _tell(self) -> None:
        if self._view.is_over:
            self._view.change(can=[])
        self.widget.flush()
        if self._view.is_over:
            self.widget.source = self._kept()
            self.widget.settle()

    def _kept(self) -> KeptGraph:
        results = KeptResults(self._home)
        return KeptGraph(self._view.snapshot(), self._home.store, results)

    def _act(self, op: str) -> str | None:
        if op == "cancel" and cancel(self._view.run_id, CANCELLED):
            return None
        return "The run has ended, or belongs to another process."
