"""Noting what runs: in memory, in the store, and in few words for the badge."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nborch.context import RunContext
from nborch.events import noted
from nborch.notebook.cells import CellTask
from nborch.notebook.ingredients import differences
from nborch.notebook.reruns.history import History
from nborch.notebook.reruns.reading import StaleReads
from nborch.notebook.reruns.staleness import Survey
from nborch.notebook.reruns.steps import CellRun, Outcome, PlainRun
from nborch.notebook.reruns.watching import Watch
from nborch.notebook.results.handles import MADE, Made
from nborch.notebook.sent import request_metadata
from nborch.states import State
from nborch.view.notices import Notice

__all__ = ["Notes", "why_again"]

_log = logging.getLogger("nborch.notebook")


class Notes:
    """Takes a note of each cell that has run in a kernel.

    Parameters
    ----------
    shell
        The IPython shell.
    notebook
        The name of the notebook, where it is known.
    survey
        Returns where all cell tasks stand now.
    """

    def __init__(
        self, shell: Any, notebook: str | None, survey: Callable[[], Survey]
    ) -> None:
        self._shell = shell
        self.history = History(notebook)
        self.watch = Watch(shell, self.history, self._take_plain)
        self._stale = StaleReads(self.history, survey)

    def take(
        self,
        cell: CellTask,
        context: RunContext,
        state: State,
        bound: Iterable[str] = (),
    ) -> str | None:
        """Take a run of a cell task that has ended; return what to say about it.

        That is why it ran again, if it did, and which names that it has read were out
        of date, as far as that is known. It never raises: the cell has run.

        Parameters
        ----------
        bound
            What it has bound, if another process has run it.
        """
        try:
            return self._taken(cell, context, state, bound)
        except Exception:  # noqa: BLE001  # told to who looks for it
            _log.debug("The run of a cell was not noted", exc_info=True)
            return None

    def _taken(
        self, cell: CellTask, context: RunContext, state: State, bound: Iterable[str]
    ) -> str | None:
        run = self._run_of(cell, context, state, bound)
        previous = None
        if run.outcome is not Outcome.CACHED:
            previous = self.history.previous(run, context)
        upstream = self.history.upstream(run).values()
        self.history.note_task(run)
        facts: dict[str, Any] = {"ran": run.to_json()}
        if upstream and "run_id" not in request_metadata():
            # NB. Else the runner has told it, who knows of plain cells as well.
            facts["upstream"] = list({each.run_id: None for each in upstream})
        if state.is_completed():
            facts[MADE] = self._made_by(cell, run).to_json()
        if self.history.notebook:
            facts["notebook"] = self.history.notebook
        context.record(noted(context.run.id, time.time(), facts))
        told = [why_again(previous, run) if previous is not None else None]
        told.append(self._stale.of_task(run))
        return " · ".join(filter(None, told)) or None

    def _made_by(self, cell: CellTask, run: CellRun) -> Made:
        """Return what is known of the values that a cell made."""
        names = self._shell.user_ns
        types = {
            name: type(names[name]).__qualname__ if name in names else ""
            for name in sorted(run.made)
            if name not in run.defined and not name.startswith("_")
        }
        return Made(run.task, types, cell.kept_as, cell.reason)

    def _take_plain(self, run: PlainRun) -> None:
        """Say quietly that a plain cell has read what is out of date."""
        told = self._stale.of_plain(run)
        if told is not None:
            self._shell.display_pub.publish(Notice(f"ran {told}").bundle())

    def _run_of(
        self, cell: CellTask, context: RunContext, state: State, bound: Iterable[str]
    ) -> CellRun:
        """Return what is remembered of a run."""
        if bound and not cell.made and state.is_completed():
            cell.learn()
        return CellRun(
            number=self.history.next_number(),
            task=cell.source.name,
            cell=self.watch.cell_of(cell.source),
            header=cell.source.header,
            body=cell.source.body,
            outcome=_outcome(cell, state),
            reason=cell.reason or (state.message if state.is_failed() else None),
            ingredients=cell.ingredients,
            reads=cell.analysis.reads,
            made=_users(dict.fromkeys({*cell.bound, *bound}, "") | cell.made),
            defined=cell.analysis.prelude_names,
            gone=cell.unbound,
            files=cell.files,
            key=cell.key,
            seconds=cell.cost,
            run_id=context.run.id,
        )


def why_again(previous: CellRun, run: CellRun) -> str | None:
    """Return why a cell ran again instead of being restored, in few words."""
    if previous.outcome is Outcome.FAILED:
        return "failed before"
    if previous.ingredients is None or run.ingredients is None:
        return None
    changed = differences(previous.ingredients, run.ingredients)
    if not changed:
        return None
    more = len(changed) - 1
    return f"{changed[0]}{f' and {more} more' if more else ''}"


def _users(made: Mapping[str, str]) -> dict[str, str]:
    """Return the names without those that Python keeps for itself."""
    return {name: each for name, each in made.items() if not name.startswith("__")}


def _outcome(cell: CellTask, state: State) -> Outcome:
    if state.name == "Cached":
        return Outcome.CACHED
    if not state.is_completed():
        return Outcome.FAILED
    return Outcome.UNCACHED if cell.reason else Outcome.RAN
