"""Bringing cell tasks up to date: which of them run next, and what came of them."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from nborch.exceptions import FailedRun
from nborch.notebook.reruns.planning import Action, Move, Plan
from nborch.notebook.reruns.reports import Report
from nborch.notebook.reruns.steps import CellRun, Outcome

__all__ = ["Errors", "Tally", "Waves", "run_moves"]

#: Seconds that a task took, from which on it is worth a process of its own.
LONG = 0.5

#: The errors of those that failed, by identity.
Errors = dict[str, BaseException]


@dataclass(slots=True)
class Tally:
    """What came of the moves of a plan, by the names of the tasks."""

    ran: list[str] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    failed: dict[str, BaseException] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = {
            "ran": self.ran,
            "restored": self.restored,
            "up to date": self.fresh,
            "failed": list(self.failed),
            "skipped": self.skipped,
        }
        parts = [
            f"{len(names)} {what} ({', '.join(names)})"
            for what, names in told.items()
            if names
        ]
        return " · ".join(parts) or "nothing to do: all is up to date"

    def check(self) -> None:
        """Raise `FailedRun` if a task failed, with the first error as its cause."""
        if self.failed:
            name, error = next(iter(self.failed.items()))
            raise FailedRun(
                f"{len(self.failed)} of the cell tasks failed: "
                f"{', '.join(self.failed)}. The first error is in {name!r}: "
                f"{type(error).__name__}: {error}"
            ) from error


#: Yields the tasks that may run at the same time; is sent the errors of those that
#: failed; returns what came of all.
Waves = Generator[list[CellRun], Errors, Tally]


def run_moves(
    plan: Plan,
    is_due: Callable[[CellRun], bool],
    latest: Callable[[str], CellRun | None],
    show: Callable[[Any], object],
) -> Waves:
    """Yield the tasks that are to run next, wave by wave; return what came of all.

    Tasks that read from a failed one are left out, the others go on.

    Parameters
    ----------
    is_due
        Tells whether a task is out of date at this moment.
    latest
        Returns the last run of the task with this identity.
    show
        Called with a heading for each task before it runs.
    """
    tally = Tally(fresh=[each.run.task for each in plan.fresh])
    broken: set[str] = set()
    left = list(plan.moves)
    while left:
        wave = _wave(left)
        left = [move for move in left if move not in wave]
        due = []
        for move in wave:
            run = move.run
            if move.after & broken:
                broken.add(run.identity)
                tally.skipped.append(run.task)
            elif move.action is Action.PERHAPS and not is_due(run):
                tally.fresh.append(run.task)
            else:
                due.append(move)
        if not due:
            continue
        if len(due) == 1:
            show(_heading(due[0]))
        else:
            show(Report(f"{Action.RUN.sign} {', '.join(m.run.task for m in due)}"))
        errors = yield [move.run for move in due]
        for move in due:
            error = errors.get(move.run.identity)
            if error is not None:
                broken.add(move.run.identity)
                tally.failed[move.run.task] = error
                continue
            now = latest(move.run.identity)
            was_restored = now is not None and now.outcome is Outcome.CACHED
            (tally.restored if was_restored else tally.ran).append(move.run.task)
    return tally


def _heading(move: Move) -> Report:
    return Report(f"{move.action.sign} {move.run.task}")


def _wave(left: list[Move]) -> list[Move]:
    """Return the next move, with those after it that may run at the same time.

    These read nothing that one of the others makes, and make nothing that one of the
    others reads or makes; the same holds for the moves that they are drawn before.
    """
    first, *rest = left
    wave: list[Move] = [first]
    passed: list[Move] = []
    if not _is_worth_it(first):
        return wave
    for move in rest:
        earlier = [*wave, *passed]
        if _is_worth_it(move) and all(_independent(move, each) for each in earlier):
            wave.append(move)
        else:
            passed.append(move)
    return wave


def _is_worth_it(move: Move) -> bool:
    return move.action is Action.RUN and move.run.seconds >= LONG


def _independent(move: Move, earlier: Move) -> bool:
    one, other = move.run, earlier.run
    mine, theirs = _changed(one), _changed(other)
    return (
        other.identity not in move.after
        and not mine & theirs
        and not mine & other.reads
        and not theirs & one.reads
    )


def _changed(run: CellRun) -> set[str]:
    """Return the names that a task leaves changed; equal imports change nothing."""
    return {*run.made, *run.gone} - run.defined
