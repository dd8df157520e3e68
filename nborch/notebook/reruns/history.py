"""The history of a kernel: what ran, which names it read and made."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

from nborch.context import RunContext
from nborch.notebook.reruns.steps import UNNAMED, CellRun, PlainRun, Step
from nborch.runs import RunKind, RunRecord

__all__ = ["History"]

#: Plain cells that are remembered; of more the oldest are forgotten.
MOST = 5_000
#: Runs of the same name among which that of this notebook is looked for.
LOOKED_AT = 20
#: Runs among which those before this kernel are looked for when a task first runs.
RECENT = 200


class History:
    """Remembers the cells that ran in this kernel, in their order.

    Parameters
    ----------
    notebook
        The name of the notebook, where it is known.
    """

    def __init__(self, notebook: str | None = None) -> None:
        self.notebook = notebook
        #: The number of the last step.
        self.number = 0
        #: The last run of each cell task, by identity, in the order of those runs.
        self.latest: dict[str, CellRun] = {}
        #: The run before the last one of each.
        self.earlier: dict[str, CellRun] = {}
        #: Why the cell of a task is there no more, by identity.
        self.gone: dict[str, str] = {}
        self._steps: dict[int, Step] = {}
        self._writers: dict[str, list[int]] = {}
        self._before: list[RunRecord] | None = None

    # Taking notes.

    def next_number(self) -> int:
        """Return the number for a step that has ended."""
        self.number += 1
        return self.number

    def note_task(self, run: CellRun) -> None:
        """Take a run of a cell task."""
        identity = run.identity
        last = self.latest.pop(identity, None)
        if last is not None:
            self.earlier[identity] = last
        elif run.task != UNNAMED:
            self._replace_namesake(run)
        self.latest[identity] = run
        self.gone.pop(identity, None)
        self._note(run, {*run.made, *run.gone})

    def _replace_namesake(self, run: CellRun) -> None:
        """Forget the cell of the same name: it was moved, or written anew."""
        for identity, other in list(self.latest.items()):
            if other.task == run.task:
                self.earlier[run.identity] = self.latest.pop(identity)

    def note_plain(self, run: PlainRun) -> None:
        """Take a run of a plain cell."""
        self._note(run, run.bound | run.gone)
        replaced = f"id {run.cell}"
        if run.cell and replaced in self.latest:
            self.gone[replaced] = "its cell has another text now"

    def note_deleted(self, cells: list[str]) -> None:
        """Take the ids of cells that were deleted in the front end."""
        for cell in cells:
            if f"id {cell}" in self.latest:
                self.gone[f"id {cell}"] = "its cell was deleted"

    def _note(self, step: Step, names: set[str] | frozenset[str]) -> None:
        self._steps[step.number] = step
        for name in names:
            self._writers.setdefault(name, []).append(step.number)
        if len(self._steps) > MOST:
            self._steps.pop(next(iter(self._steps)))

    # Looking back.

    @property
    def tasks(self) -> list[CellRun]:
        """The last run of each cell task, in the order of those runs."""
        return list(self.latest.values())

    def named(self, name: str) -> list[CellRun]:
        """Return the last runs of the cell tasks with this name."""
        return [run for run in self.tasks if run.task == name]

    def writers(self, name: str, after: int = 0) -> Iterator[Step]:
        """Yield the steps after one that bound a name, oldest first."""
        numbers = self._writers.get(name, [])
        for number in numbers[bisect_right(numbers, after) :]:
            if number in self._steps:
                yield self._steps[number]

    def writer(self, name: str, before: int) -> Step | None:
        """Return the last step before one that bound a name, if any did."""
        numbers = self._writers.get(name, [])
        earlier = bisect_left(numbers, before)
        return self._steps.get(numbers[earlier - 1]) if earlier else None

    def upstream(self, run: CellRun) -> dict[str, CellRun]:
        """Return the last run of each task that a run has read from, by name read."""
        found = {}
        for name in sorted(run.reads):
            source = self.writer(name, run.number)
            if isinstance(source, CellRun) and source.identity != run.identity:
                latest = self.latest.get(source.identity)
                if latest is not None:
                    found[name] = latest
        return found

    def step(self, number: int) -> Step | None:
        """Return the step with this number, if it is remembered."""
        return self._steps.get(number)

    def plain_after(self, number: int) -> Iterator[PlainRun]:
        """Yield the plain cells that ran after a step."""
        for step in self._steps.values():
            if step.number > number and isinstance(step, PlainRun):
                yield step

    def previous(self, run: CellRun, context: RunContext) -> CellRun | None:
        """Return the run of the same cell before this one, of any kernel."""
        known = self.latest.get(run.identity)
        if known is not None or (run.task == UNNAMED and not run.cell):
            return known
        namesakes = self.named(run.task) if run.task != UNNAMED else []
        if namesakes:
            return namesakes[-1]
        if self._before is None:
            # NB. Once for all: a task that is new would be looked for in all runs.
            store = context.home.store
            self._before = store.records(kinds=(RunKind.TASK,), limit=RECENT)
        alike = (r for r in self._before if r.run.of == run.task)
        return next(self._of_this_notebook(alike, run.cell, context), None)

    def stored(
        self, task: str, cell: str | None, context: RunContext
    ) -> Iterator[CellRun]:
        """Yield earlier runs of a task of this notebook from the store, newest first.

        Parameters
        ----------
        cell
            The id of the cell, which tells those without a name apart.
        """
        store, kinds = context.home.store, (RunKind.TASK,)
        found = store.records(kinds=kinds, of=task, limit=LOOKED_AT)
        return self._of_this_notebook(found, cell, context)

    def _of_this_notebook(
        self, records: Iterable[RunRecord], cell: str | None, context: RunContext
    ) -> Iterator[CellRun]:
        """Yield those runs that this notebook's cells have made, as they are kept."""
        for record in records:
            details = record.run.details
            if record.run.id == context.run.id or "ran" not in details:
                continue
            here, there = self.notebook, details.get("notebook")
            if here and there and here != there:
                continue
            run = CellRun.from_json(record.run.of, record.run.id, details["ran"])
            if run.task != UNNAMED or run.cell == cell:
                yield run
