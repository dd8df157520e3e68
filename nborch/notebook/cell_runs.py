"""The task run of one code cell: its states, and what is kept of what it printed."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from nborch.context import RunContext
from nborch.events import Event, EventKind, log_written, noted
from nborch.exceptions import InvalidDeclaration
from nborch.notebook.headers.header import parse_header
from nborch.notebook.magics import is_flow, is_task
from nborch.notebook.marks import marks_of
from nborch.notebook.reports import CellOutcome, CellReport
from nborch.notebook.results.handles import GIVEN
from nborch.performing import Performer
from nborch.states import (
    TRANSITIONS,
    Cancelled,
    Completed,
    Crashed,
    Failed,
    State,
    TimedOut,
)

__all__ = ["CellFacts", "CellRun", "state_of"]

#: Lines of what a cell printed that are kept with its run: the first and the last.
HEAD, TAIL = 300, 200

#: Characters of such a line that are kept.
LONGEST = 10_000

#: Why a cell was not run.
NOT_RUN = "An earlier cell ended the run."
KEPT = "The cell may run once and has, in an earlier run."

#: Tags by which a cell is called where it has no other name.
_NAMING_TAGS = ("parameters", "injected-parameters")


@dataclass(frozen=True, slots=True)
class CellFacts:
    """What a cell's source and tags say of its run before it runs.

    >>> CellFacts.of(0, "%%task load --tags nightly", ["parameters"]).name
    'load'
    """

    index: int
    name: str
    is_task: bool
    tags: tuple[str, ...] = ()

    @classmethod
    def of(cls, index: int, source: str, tags: list[str]) -> "CellFacts":
        """Return the facts of the cell at this place."""
        first = source.partition("\n")[0]
        if is_task(first) or is_flow(first):
            # A wrong line is told by the cell itself when it runs.
            with suppress(InvalidDeclaration):
                header = parse_header(first)
                told = tuple(sorted(header.tags)) if is_task(first) else ()
                return cls(index, header.name, is_task(first), told)
            return cls(index, f"cell {index + 1}", is_task(first))
        names = [name for name in _NAMING_TAGS if name in tags]
        return cls(index, (*names, f"cell {index + 1}")[0], is_task=False)

    def details(self) -> dict[str, Any]:
        """Return them as the details of a run."""
        details: dict[str, Any] = {"cell": self.index, "label": self.name}
        if self.tags:
            details["tags"] = list(self.tags)
        return details


@dataclass(slots=True)
class CellRun:
    """The task run of one code cell, and where it stands.

    Parameters
    ----------
    told
        The final state that the cell task in the kernel reported. It counts once the
        kernel has also said that the cell is over.
    facts
        What the cell has noted of itself, such as what it gave; see
        `nborch.notebook.results.handles`.
    """

    index: int
    performer: Performer
    is_task: bool
    report: CellReport | None = None
    told: State | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def context(self) -> RunContext:
        """The run's context."""
        return self.performer.context

    @property
    def name(self) -> str:
        """What the cell is called."""
        return self.context.spec.name

    @property
    def state(self) -> State | None:
        """The state it is in."""
        return self.context.state

    @property
    def is_cached(self) -> bool:
        """Whether the cell was restored."""
        return self.state is not None and self.state.name == "Cached"

    def enter(self, state: State) -> None:
        """Enter a state if the present one leads to it."""
        now = self.state
        if now is None or state.type in TRANSITIONS[now.type]:
            self.performer.enter(state, self.context.attempt or int(state.is_running()))

    def hear(self, payload: dict[str, Any]) -> None:
        """Take an event that the cell in the kernel reports of itself."""
        event = Event.from_json(payload)
        if event.kind is EventKind.STATE:
            state = State.from_json(event.data)
            if state.is_final():
                self.told = state
            elif not (state.is_pending() or state.name == "Running"):
                self.enter(state)
        elif event.kind is EventKind.NOTED:
            self.note(event.data)

    def end(self, report: CellReport, node: Any) -> None:
        """Enter the state that the cell ended in; keep what it printed."""
        self.report = report
        self.enter(state_of(report, self.told, node))
        self._keep_lines(node)

    def close(self) -> None:
        """Leave no run open of which no more will be heard."""
        if self.state is not None and not self.state.is_final():
            waits = self.state.is_pending()
            self.enter(
                Cancelled(name="NotRun", message=NOT_RUN) if waits else Crashed()
            )

    def note(self, told: Mapping[str, Any]) -> None:
        """Take facts that the cell notes of itself."""
        facts = dict(told)
        if not facts:
            return
        if GIVEN in facts:
            # A cell may give several results, one after the other.
            facts[GIVEN] = {**self.facts.get(GIVEN, {}), **facts[GIVEN]}
        self.facts.update(facts)
        # NB. Of this run: what a restored cell shows again was noted of an earlier one.
        self.context.record(noted(self.context.run.id, time.time(), facts))

    def _keep_lines(self, node: Any) -> None:
        lines = [
            (output.name, line if len(line) <= LONGEST else f"{line[:LONGEST]}…")
            for output in node.get("outputs", ())
            if output.output_type == "stream"
            for line in output.text.splitlines()
        ]
        if len(lines) > HEAD + TAIL:
            left_out = f"... {len(lines) - HEAD - TAIL} lines are not kept here ..."
            lines = [*lines[:HEAD], ("stdout", left_out), *lines[-TAIL:]]
        for stream, line in lines:
            level = "WARNING" if stream == "stderr" else "INFO"
            event = log_written(self.context.run.id, time.time(), level, stream, line)
            self.context.record(event)


_STATES: dict[CellOutcome, Callable[..., State]] = {
    CellOutcome.COMPLETED: Completed,
    CellOutcome.FAILED: Failed,
    CellOutcome.TIMED_OUT: TimedOut,
    CellOutcome.CANCELLED: Cancelled,
    CellOutcome.CRASHED: Crashed,
}


def state_of(report: CellReport, told: State | None, node: Any) -> State:
    """Return the final state of a cell's run.

    Parameters
    ----------
    told
        The final state that the cell task in the kernel reported, if it did.
    node
        The cell as it stands in the notebook.
    """
    if report.outcome is CellOutcome.COMPLETED and told and told.is_completed():
        return told
    if report.outcome in _STATES:
        message = report.error.headline if report.error else None
        details = {"line": report.error.line} if report.error else {}
        if report.outcome is CellOutcome.FAILED and told and told.name == "TimedOut":
            # Its own --timeout ended it, of which the kernel only shows an error.
            return TimedOut(message=told.message, details=details)
        return _STATES[report.outcome](message=message, details=details)
    if report.outcome is CellOutcome.KEPT:
        return Completed(name="Kept", message=KEPT)
    if marks_of(node, report.index + 1).skips:
        return Completed(name="Skipped", message="The cell is tagged skip-execution.")
    return Cancelled(name="NotRun", message=NOT_RUN)
