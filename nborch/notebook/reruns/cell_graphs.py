"""The cell tasks of a notebook as a graph that follows them: fresh, stale, running."""

import time
from collections.abc import Callable
from typing import Any

from nborch.exceptions import NborchError
from nborch.home import Home
from nborch.notebook.displays.tapping import untapped
from nborch.notebook.headers.options import TASK
from nborch.notebook.reruns.history import History
from nborch.notebook.reruns.staleness import Standing, Status, Survey
from nborch.notebook.reruns.steps import CellRun, Outcome
from nborch.view.details import detail, log
from nborch.view.graphs import CellView, Message
from nborch.view.pump import pump

__all__ = ["CellGraph"]

#: Seconds without a running cell after which all is looked at again.
IDLE = 0.2
#: Seconds between two looks while cells run in the background.
LOOK = 1.0
#: Where the last look took long, so many times of it pass before the next one.
REST = 5

_STATUS = {
    Outcome.RAN: Status.FRESH,
    Outcome.CACHED: Status.FRESH,
    Outcome.UNCACHED: Status.UNCACHED,
    Outcome.FAILED: Status.FAILED,
}


class CellGraph:
    """Shows where the cell tasks of a kernel stand, and goes on doing so.

    Where each stands is found out by comparing what its names hold, which may take
    long: so it is done while no cell runs. What a cell has come to is told at once.

    Parameters
    ----------
    shell
        The IPython shell.
    survey
        Returns where all stands now.
    """

    def __init__(
        self, shell: Any, history: History, survey: Callable[[], Survey], home: Home
    ) -> None:
        # Slow to load, and few notebooks ask for it.
        from nborch.view.widget import RunGraph

        self._shell = shell
        self._history = history
        self._survey = survey
        self._home = home
        self._view = CellView(history.notebook or "this notebook")
        self._nodes: dict[str, Message] = {}
        self._number = 0
        self._timer: Any = None
        self._took = 0.0
        self._around = untapped()
        self.look()
        self.widget = RunGraph(self)
        for event, listener in self._listeners:
            shell.events.register(event, listener)

    @property
    def _listeners(self) -> list[tuple[str, Callable[[Any], None]]]:
        return [("pre_run_cell", self._cell_begins), ("post_run_cell", self._cell_ends)]

    def close(self) -> None:
        """Follow the cells no more; what is shown stays as it is."""
        self._wait_no_more()
        for event, listener in self._listeners:
            self._shell.events.unregister(event, listener)

    # What the widget asks for.

    def snapshot(self) -> Message:
        """Return all there is."""
        return self._view.snapshot()

    def delta(self) -> Message | None:
        """Return what has changed since the last delta, None if nothing has."""
        return self._view.delta()

    def detail(self, node: str) -> Message | None:
        """Return all that is known of the last run of a cell, None if nothing is."""
        run = self._history.latest.get(node)
        if run is None or not run.run_id:
            return None
        self._home.recorder.flush()
        try:
            found = detail(self._home.store, run.run_id)
        except NborchError:
            return None
        return {**found, "id": node, "code": f"{run.header}\n{run.body}"}

    def log(self, node: str, after: int) -> Message:
        """Return the lines of a cell's last run, and the place to go on from."""
        run = self._history.latest.get(node)
        if run is None or not run.run_id:
            return {"lines": [], "next": after}
        return log(self._home.store, run.run_id, after)

    def flush(self) -> bool:
        """Send what has changed, for the pump; tell whether anything has."""
        return bool(self._around.run(self.widget.flush))

    # What happens.

    def look(self) -> None:
        """Look where each cell stands now."""
        began = time.monotonic()
        self._timer = None
        survey = self._survey()
        standings = survey.standings()
        known = {each.run.identity for each in standings}
        self._nodes = {
            each.run.identity: _node(each, survey, known) for each in standings
        }
        self._number = self._history.number
        self._view.show(self._nodes.values())
        self._took = time.monotonic() - began
        if any(each.status is Status.RUNNING for each in standings):
            self._look_after(LOOK)

    def _cell_begins(self, info: Any) -> None:
        self._wait_no_more()
        cell, text = getattr(info, "cell_id", None), str(info.raw_cell)
        if text.split(maxsplit=1)[:1] != [TASK]:
            return
        identity = f"id {cell}"
        if cell is None:
            _, _, body = text.partition("\n")
            alike = (r for r in self._history.tasks if r.body.strip() == body.strip())
            identity = next((run.identity for run in alike), "")
        node = self._nodes.get(identity)
        if node is not None:
            self._change({identity: {**node, **_state(Status.RUNNING, "")}})

    def _cell_ends(self, _result: Any) -> None:
        survey = self._survey()
        fresh = [r for r in self._history.tasks if r.number > self._number]
        self._number = self._history.number
        known = {*self._nodes, *(run.identity for run in fresh)}
        changed = {run.identity: _node(_ended(run), survey, known) for run in fresh}
        if changed:
            self._change(changed)
        self._look_after(max(IDLE, REST * self._took))

    def _change(self, nodes: dict[str, Message]) -> None:
        self._nodes |= nodes
        self._view.show(self._nodes.values())
        pump.add(self)

    def _look_after(self, seconds: float) -> None:
        """Look again in a while, between two cells."""
        self._wait_no_more()
        loop = getattr(getattr(self._shell, "kernel", None), "io_loop", None)
        if loop is not None:
            self._timer = loop, loop.call_later(seconds, self._look_and_tell)

    def _wait_no_more(self) -> None:
        if self._timer is not None:
            loop, handle = self._timer
            loop.remove_timeout(handle)
            self._timer = None

    def _look_and_tell(self) -> None:
        self.look()
        pump.add(self)


def _ended(run: CellRun) -> Standing:
    """Return where a cell stands that has just run."""
    return Standing(run, _STATUS[run.outcome], run.reason or "")


def _state(status: Status, reason: str) -> Message:
    return {"state": {"type": status.shade, "name": status.word}, "why": reason or None}


def _node(standing: Standing, survey: Survey, known: set[str]) -> Message:
    run = standing.run
    sources = {each.identity: None for each in survey.upstream(run).values()}
    return {
        "id": run.identity,
        "kind": "cell",
        "of": run.task,
        "name": run.task,
        "upstream": [each for each in sources if each in known],
        "expected_seconds": run.seconds or None,
        **_state(standing.status, standing.reason),
    }
