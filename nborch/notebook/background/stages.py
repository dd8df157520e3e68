"""Stages: how far a cell in the background is, and the line that says so."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from nborch.view.badge import Badge

__all__ = ["STAGES", "Stage", "Standing", "listed"]


class Stage(Enum):
    """How far a cell in the background is."""

    #: It waits for another one that makes what it reads.
    WAITING = "waiting"
    #: Its body runs, or is about to.
    RUNNING = "running"
    #: It ran, or was restored.
    COMPLETED = "completed"
    #: It raised.
    FAILED = "failed"
    #: Its process died.
    CRASHED = "crashed"
    #: It was cancelled.
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self not in {Stage.WAITING, Stage.RUNNING}


#: The stage that a final state means; any other one failed.
STAGES = {
    "COMPLETED": Stage.COMPLETED,
    "CRASHED": Stage.CRASHED,
    "CANCELLED": Stage.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Standing:
    """What is told of a cell in the background.

    Parameters
    ----------
    mode
        Where it runs: in a ``"process"`` or a ``"thread"``.
    reason
        Why it is a thread.
    waits
        For what it waits, as phrases.
    notes
        What else there is to say.
    made
        The badge of the cell itself, once it has run or was restored.
    """

    task: str
    stage: Stage
    mode: str
    seconds: float = 0.0
    reason: str | None = None
    waits: Sequence[str] = ()
    notes: Sequence[str] = ()
    error: BaseException | None = None
    made: Badge | None = None

    def badge(self) -> Badge:
        """Return the one line under the cell."""
        where = [self.mode, self.reason] if self.mode == "thread" else [self.mode]
        if self.stage is Stage.WAITING:
            where = list(self.waits)
        if self.made is not None:
            where = where if self.mode == "thread" and self.reason else []
            told = _joined(self.made.reason, *where, *self.notes)
            return replace(self.made, reason=told)
        if self.stage in {Stage.FAILED, Stage.CRASHED} and self.error is not None:
            where.insert(0, type(self.error).__name__)
        # While it runs, nobody keeps the number up to date.
        seconds = self.seconds if self.stage.is_over else 0.0
        told = _joined(*where, *self.notes)
        return Badge(self.task, self.stage.value, seconds, reason=told)


def listed(names: Iterable[str]) -> str:
    """Return names as they stand in a badge.

    >>> listed({"rows", "columns"})
    '`columns`, `rows`'
    """
    return ", ".join(f"`{name}`" for name in sorted(names))


def _joined(*parts: str | None) -> str | None:
    told = [part for part in dict.fromkeys(parts) if part]
    return " · ".join(told) or None
