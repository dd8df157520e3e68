"""Cells that read names which are out of date: a quiet line says so.

Only what is certain is told, and nothing is compared before a name was bound after the
cell that has read it: looking costs next to nothing in a notebook that is up to date.
"""

import re
from collections.abc import Callable, Iterable

from nborch.notebook.reruns.history import History
from nborch.notebook.reruns.staleness import Standing, Status, Survey
from nborch.notebook.reruns.steps import CellRun, PlainRun

__all__ = ["StaleReads"]

_WORD = re.compile(r"[^\W\d]\w*")


class StaleReads:
    """Tells which names that a cell has read were out of date.

    Parameters
    ----------
    survey
        Returns where all stands now.
    """

    def __init__(self, history: History, survey: Callable[[], Survey]) -> None:
        self._history = history
        self._survey = survey
        self._known: dict[tuple[object, ...], Standing] = {}

    def of_plain(self, run: PlainRun) -> str | None:
        """Return what a plain cell has read that is out of date, in few words."""
        words = set(_WORD.findall(run.text))
        suspects = self._suspects(words, run.number)
        # NB. Analysed only now: most plain cells read nothing that could be stale.
        return self._told(suspects, run.reads) if suspects else None

    def of_task(self, run: CellRun) -> str | None:
        """Return what a cell task has read that is out of date, in few words."""
        return self._told(self._suspects(run.reads, run.number), run.reads)

    def _told(self, suspects: dict[str, CellRun], reads: Iterable[str]) -> str | None:
        for name in sorted(suspects.keys() & set(reads)):
            standing = self._standing(suspects[name])
            if standing.status is Status.STALE:
                return f"on older `{name}`: `{standing.run.task}` is stale"
        return None

    def _suspects(self, names: Iterable[str], before: int) -> dict[str, CellRun]:
        """Return the makers of these names whose own inputs were set since."""
        found = {}
        for name in names:
            source = self._history.writer(name, before)
            if isinstance(source, CellRun) and self._is_suspect(source, set()):
                found[name] = source
        return found

    def _is_suspect(self, run: CellRun, seen: set[int]) -> bool:
        """Tell whether an input was set after a run, or one of an input's maker."""
        if run.number in seen or self._history.latest.get(run.identity) is not run:
            return False
        seen.add(run.number)
        for name in run.reads:
            if name not in run.made and any(self._history.writers(name, run.number)):
                return True
            source = self._history.writer(name, run.number)
            if isinstance(source, CellRun) and self._is_suspect(source, seen):
                return True
        return False

    def _standing(self, run: CellRun) -> Standing:
        """Return where a task stands, found once for each setting of its inputs."""
        numbers = tuple(
            step.number
            for name in sorted(run.reads)
            for step in self._history.writers(name)
        )
        key = (run.number, numbers)
        if key not in self._known:
            self._known = {key: self._survey().standing(run)}
        return self._known[key]
