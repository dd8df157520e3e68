"""Runs and events as they stand in the rows of a database."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import chain
from operator import attrgetter
from typing import Any, Protocol

from nborch.events import Event, EventKind, end_written, run_created, state_entered
from nborch.runs import Run, RunKind, RunRecord
from nborch.states import State, StateType
from nborch.store.texts import run_id_of, text_of

__all__ = ["Row", "beginning_of", "event_of", "logs_of", "record_of"]


class Row(Protocol):
    """A row with its columns by name."""

    def __getitem__(self, column: str, /) -> Any:
        """Return the value in a column."""
        ...


def record_of(row: Row) -> RunRecord:
    """Return the run of a row, and where it stands."""
    state = _state_of_run(row)
    started = row["started"]
    return RunRecord(
        _run_of(row),
        state,
        row["attempt"],
        None if started is None else _time(started),
        state.timestamp if row["is_over"] else None,
    )


def beginning_of(row: Row) -> list[Event]:
    """Return the events that stand with their run: its creation and what followed."""
    run = _run_of(row)
    entered: list[tuple[State, int]] = []
    if row["pending"] is not None:
        entered.append((State(StateType.PENDING, timestamp=_time(row["pending"])), 0))
    if row["started"] is not None:
        entered.append((State(StateType.RUNNING, timestamp=_time(row["started"])), 1))
    if row["is_over"]:
        entered.append((_state_of_run(row), row["attempt"]))
    first = run_created(run)
    following = [state_entered(run.id, *each) for each in entered]
    events = [first, *following][: row["beginning"]]
    return [
        event._replace(sequence=sequence)
        for sequence, event in enumerate(events, row["sequence"])
    ]


def event_of(row: Row) -> Event:
    """Return the event of a row."""
    kind = EventKind(row["kind"])
    data: dict[str, Any]
    if kind is EventKind.STATE:
        state = _state_of(row["what"], row["name"], row["told"], row["at"])
        data = state.to_json()
    elif kind is EventKind.LOG:
        message = text_of(row["told"])
        data = {"level": row["what"], "logger": row["name"], "message": message}
    else:
        data = json.loads(row["told"])
    run_id = run_id_of(row["run"])
    return Event(run_id, kind, row["at"], row["attempt"], data, row["sequence"])


def logs_of(runs: Sequence[Row], events: Iterable[Row]) -> list[Event]:
    """Return the lines of the runs, each with the one that tells its end, in order.

    Parameters
    ----------
    events
        Those of the runs that are a state or a line, but for what stands with a run.
    """
    by_id = {run_id_of(run["id"]): _run_of(run) for run in runs}
    lines = []
    beginnings = chain.from_iterable(map(beginning_of, runs))
    for event in chain(beginnings, map(event_of, events)):
        if event.kind is EventKind.LOG:
            lines.append(event)
        elif event.kind is EventKind.STATE:
            state = State.from_json(event.data)
            if state.is_over():
                lines.append(end_written(by_id[event.run_id], event, state))
    lines.sort(key=attrgetter("sequence"))
    return lines


def _run_of(row: Row) -> Run:
    parent = row["parent"]
    return Run(
        run_id_of(row["id"]),
        RunKind(row["kind"]),
        row["flow_or_task"],
        row["name"],
        _time(row["created"]),
        row["process"],
        None if parent is None else run_id_of(parent),
        json.loads(row["details"]),
    )


def _state_of_run(row: Row) -> State:
    return _state_of(
        row["state_type"], row["state_name"], row["state_told"], row["entered"]
    )


def _state_of(kind: str, name: str, told: str, at: float) -> State:
    more = json.loads(told) if told else {"message": None, "details": {}}
    return State(StateType(kind), name, timestamp=_time(at), **more)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
