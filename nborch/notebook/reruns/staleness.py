"""Where each cell task stands: whether running it now would come to the same.

What counts is content, not order: the digests of what a cell has read and made are
compared with those of what the names hold now. A producer that ran again and made the
same leaves its readers fresh. Names that several cells write have versions: a reader is
bound to the cell whose value it has read.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from nborch.cache.fingerprints import fingerprint
from nborch.notebook.cells import CellTask
from nborch.notebook.files.traces import unchanged
from nborch.notebook.ingredients import (
    UNDEFINED,
    Difference,
    Ingredients,
    differences,
)
from nborch.notebook.reruns.history import History
from nborch.notebook.reruns.steps import CellRun, Outcome, PlainRun, Step

__all__ = ["Standing", "Status", "Survey"]


class Status(Enum):
    """Where a cell task stands, with its sign and the state whose colours it has."""

    #: Running it now would come to the same.
    FRESH = ("fresh", "✓", "COMPLETED")
    #: An input of it has changed, or a cell that it reads from is to run again.
    STALE = ("stale", "◷", "SCHEDULED")
    #: What it read or made was changed by something that is no cell task.
    DIRTY = ("dirty", "≠", "PAUSED")
    #: Its cell is there no more, but names that it made are.
    ORPHAN = ("orphan", "⊘", "CANCELLED")
    #: It is being run in the background.
    RUNNING = ("running", "◐", "RUNNING")
    #: It ran, but its result is not kept: it runs each time.
    UNCACHED = ("uncached", "○", "PENDING")
    #: It raised.
    FAILED = ("failed", "✕", "FAILED")

    def __init__(self, word: str, sign: str, shade: str) -> None:
        self.word = word
        self.sign = sign
        self.shade = shade


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one cell task stands, and why."""

    run: CellRun
    status: Status
    reason: str = ""
    #: Whether it would compute something else now, whatever other cells do.
    is_outdated: bool = False


class Survey:
    """Tells where the cell tasks of a kernel stand at one moment.

    Parameters
    ----------
    look
        Returns a cell task for a header and a body, compared but not run.
    running
        The names of the tasks that run in the background.
    """

    def __init__(
        self,
        history: History,
        namespace: Mapping[str, Any],
        look: Callable[[str, str], CellTask],
        running: frozenset[str] = frozenset(),
    ) -> None:
        self.history = history
        self.namespace = namespace
        self._look = look
        self._running = running
        self._cells: dict[str, CellTask | None] = {}
        self._digests: dict[str, str] = {}
        self._standings: dict[str, Standing] = {}

    def standings(self) -> list[Standing]:
        """Return where each stands, in the order in which they ran last."""
        # NB. All cells first: they digest most of the names.
        for run in self.history.tasks:
            self.cell(run)
        told = [self.standing(run) for run in self.history.tasks]
        return [each for each in told if not self._is_forgotten(each)]

    def standing(self, run: CellRun) -> Standing:
        """Return where the cell of a run stands."""
        known = self._standings.get(run.identity)
        if known is None:
            # Cells that read from each other in a circle: the first one looked at.
            self._standings[run.identity] = Standing(run, Status.FRESH)
            known = self._standings[run.identity] = self._found(run)
        return known

    def upstream(self, run: CellRun) -> dict[str, CellRun]:
        """Return the last run of each task that a run has read from, by name read."""
        return self.history.upstream(run)

    def ingredients(self, run: CellRun) -> Ingredients | None:
        """Return what would go into the cell if it ran now; None if it is unknown."""
        cell = self.cell(run)
        return cell.ingredients if cell is not None else None

    def cell(self, run: CellRun) -> CellTask | None:
        """Return the cell as it would run now; None if its text cannot be read."""
        if run.identity not in self._cells:
            try:
                cell = self._look(run.header, run.body)
            except Exception:  # noqa: BLE001  # whatever it is, running it will tell
                self._cells[run.identity] = None
            else:
                self._cells[run.identity] = cell
                self._digests |= cell.fingerprints
        return self._cells[run.identity]

    def digest(self, name: str) -> str:
        """Return the digest of what a name holds now."""
        if name not in self.namespace:
            return UNDEFINED
        if name not in self._digests:
            try:
                self._digests[name] = fingerprint(self.namespace[name])
            except Exception:  # noqa: BLE001  # the user's own code is asked
                self._digests[name] = ""
        return self._digests[name]

    # How it is found.

    def _found(self, run: CellRun) -> Standing:
        """Return where a cell stands, for the first of the reasons there are."""
        gone = self.history.gone.get(run.identity)
        if run.task in self._running:
            return Standing(run, Status.RUNNING)
        if gone is not None:
            return Standing(run, Status.ORPHAN, gone)
        if run.outcome is Outcome.FAILED:
            return Standing(run, Status.FAILED, run.reason or "", is_outdated=True)
        outdated = next(self._reasons(run), None)
        if outdated is not None:
            return Standing(run, *outdated, is_outdated=True)
        damage = next(self._damages(run), None)
        if damage is not None:
            return Standing(run, Status.DIRTY, damage)
        is_kept = run.outcome is not Outcome.UNCACHED
        status = Status.FRESH if is_kept else Status.UNCACHED
        return Standing(run, status, "" if is_kept else run.reason or "")

    def _reasons(self, run: CellRun) -> Iterator[tuple[Status, str]]:
        """Yield why a cell would compute something else now."""
        now = self.ingredients(run)
        if run.ingredients is not None and now is not None:
            for each in differences(run.ingredients, now):
                if each.kind == "name":
                    verdict = self._verdict(run, each)
                    if verdict is not None:
                        yield verdict
                elif each.kind != "sharing":
                    yield Status.STALE, str(each)
        elif run.ingredients is None:
            yield from (
                (Status.STALE, f"input `{n}` was set") for n in self._reset(run)
            )
        path = unchanged(run.files)
        if path is not None:
            yield Status.STALE, f"file `{path}` changed"
        for name, source in self.upstream(run).items():
            if self.standing(source).is_outdated:
                word = self.standing(source).status.word
                yield (
                    Status.STALE,
                    f"reads `{name}` of `{source.task}`, which is {word}",
                )

    def _reset(self, run: CellRun) -> Iterator[str]:
        """Yield the inputs set since, of a cell whose inputs were not compared."""
        for name in sorted(run.reads - run.made.keys() - run.gone):
            source = self.history.writer(name, run.number)
            for step in self.history.writers(name, run.number):
                if not (
                    isinstance(step, CellRun)
                    and isinstance(source, CellRun)
                    and (made := step.made.get(name))
                    and made == source.made.get(name)
                ):
                    yield name
                    break

    def _verdict(
        self, run: CellRun, difference: Difference
    ) -> tuple[Status, str] | None:
        """Return what another value of an input means; None if it is to be so."""
        name = difference.name
        source = self.history.writer(name, run.number)
        if isinstance(source, CellRun):
            latest = self.history.latest.get(source.identity)
            again = latest is not None and latest.number > run.number
            made = latest.made.get(name, "") if latest and again else ""
            if made not in ("", difference.old):
                return Status.STALE, f"{difference}, by `{source.task}`"
        if name in run.made or name in run.gone:
            return None  # the cell itself has changed it
        writers = list(self.history.writers(name, run.number))
        if difference.via and not writers:
            return Status.STALE, str(difference)  # by a function that it calls
        if not writers:
            return Status.DIRTY, self._in_place(name, run, "input ")
        if all(_is_other_version(each, name, source, run) for each in writers):
            return None
        return Status.STALE, str(difference)

    def _damages(self, run: CellRun) -> Iterator[str]:
        """Yield how what a cell made was changed by something that is no task."""
        for name, made in sorted(run.made.items()):
            writers = list(self.history.writers(name, run.number))
            if any(isinstance(each, CellRun) for each in writers):
                continue
            if name not in self.namespace:
                yield f"`{name}` is gone"
            elif made and self.digest(name) != made:
                if writers:
                    yield f"`{name}` was bound anew by a plain cell"
                else:
                    yield self._in_place(name, run)

    def _in_place(self, name: str, run: CellRun, kind: str = "") -> str:
        told = f"{kind}`{name}` was changed in place"
        after = self.history.plain_after(run.number)
        by = [each for each in after if name in each.mutates]
        return f"{told}: {_line(by[-1], name)}" if by else told

    def _is_forgotten(self, standing: Standing) -> bool:
        """Tell whether a cell is gone, and so is all that it made."""
        run = standing.run
        if standing.status is Status.ORPHAN:
            return not any(
                name in self.namespace
                and not list(self.history.writers(name, run.number))
                for name in run.made
            )
        return self._is_overwritten(run)

    def _is_overwritten(self, run: CellRun) -> bool:
        """Tell whether a cell without name or id was written anew, as it seems.

        Another one like it has made all that it made, without reading any of it.
        """
        if not run.identity.startswith("text ") or not run.made:
            return False
        later = [
            other
            for other in self.history.tasks
            if other.number > run.number and other.identity.startswith("text ")
        ]
        return any(
            run.made.keys() <= other.made.keys() and not run.made.keys() & other.reads
            for other in later
        )


def _is_other_version(step: Step, name: str, source: Step | None, run: CellRun) -> bool:
    """Tell whether a step made another version of a name than the one that was read.

    A cell task is known from others. A plain cell that binds a name without reading it
    may be the very cell that made what was read, edited since.
    """
    if isinstance(step, CellRun):
        same = (run.identity, getattr(source, "identity", None))
        return step.identity not in same
    is_same_cell = (
        isinstance(source, PlainRun) and step.cell and step.cell == source.cell
    )
    return not is_same_cell and name in step.reads


def _line(step: PlainRun, name: str) -> str:
    """Return the line of a plain cell that tells what it does to a name."""
    lines = [line.strip() for line in step.text.splitlines() if name in line]
    return lines[0][:60] if lines else "by a plain cell"
