"""A group of events, checked one by one and folded into one change per run."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nborch.events import Event, EventKind
from nborch.states import StateType, allowed_before, is_last
from nborch.store.queries import in_few_statements
from nborch.store.texts import any_text, json_text, run_id_of, run_key, utf8_text

__all__ = ["EventGroup"]

_BEFORE = {target.value: frozenset(allowed_before(target)) for target in StateType}
_NAMES = {target.value: target.value.title() for target in StateType}
_PENDING, _RUNNING = StateType.PENDING.value, StateType.RUNNING.value


@dataclass(slots=True)
class _Standing:
    """Where a run stands while a group of events is folded."""

    key: bytearray
    type: str
    attempt: int
    is_over: int
    started: float | None
    entered: float
    #: What the state has besides its type: its own name, and the rest as JSON.
    name: str = ""
    told: str = ""
    changed: bool = False
    #: Of a run that was made within the group: what it is, and its place.
    run: Mapping[str, Any] | None = None
    sequence: int = 0
    #: How many events stand with the run, and when it entered Pending among them.
    beginning: int = 1
    pending: float | None = None

    def stands(self) -> tuple[Any, ...]:
        """Return what changes of a run, as the columns stand in the queries."""
        return (
            self.attempt,
            self.type,
            self.name,
            self.told,
            self.entered,
            self.started,
            self.is_over,
        )

    def made(self) -> tuple[Any, ...]:
        """Return a new run, as the columns stand in the query."""
        run = self.run or {}
        parent = run["parent_id"]
        return (
            self.sequence,
            self.key,
            run["kind"],
            utf8_text(run["of"]),
            utf8_text(run["name"]),
            run["created"],
            utf8_text(run["process"]),
            None if parent is None else run_key(parent),
            json_text(run["details"]),
            self.beginning,
            self.pending,
            *self.stands(),
        )


class EventGroup:
    """Fold events into the runs they are of, within one write transaction.

    The transaction keeps others from writing, so that what is checked here still
    holds when it is written.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        queries: Mapping[str, str],
        events: Sequence[Event],
    ) -> None:
        self._connection = connection
        self._sql = queries
        self._rows: list[tuple[Any, ...]] = []
        row = connection.execute(queries["count"], (len(events),)).fetchall()[0]
        self._next = int(row["number"]) - len(events) + 1
        self._standings = self._known(events, row["newest_id"] or b"")
        take = {
            EventKind.CREATED: self._create,
            EventKind.STATE: self._enter,
            EventKind.LOG: self._log,
            EventKind.NOTED: self._note,
        }
        first = self._next
        for event in events:
            take[event.kind](event)
        #: How many events were accepted.
        self.accepted = self._next - first

    def _known(self, events: Sequence[Event], newest: bytes) -> dict[str, _Standing]:
        """Return where the runs of the events stand that were made before."""
        of_runs = {event.run_id for event in events if event.kind is not EventKind.LOG}
        made = {event.run_id for event in events if event.kind is EventKind.CREATED}
        # Ids grow with time: what is greater than all that are there is not there.
        asked = (of_runs - made) | {each for each in made if run_key(each) <= newest}
        keys = [(run_key(run_id),) for run_id in asked]
        rows = in_few_statements(self._connection, self._sql["standings"], keys)
        return {run_id_of(row["id"]): _Standing(*row) for row in rows}

    def write(self) -> None:
        """Write the group."""
        changed = [each for each in self._standings.values() if each.changed]
        for query, rows in (
            ("insert_runs", [each.made() for each in changed if each.run]),
            (
                "update_runs",
                [(each.key, *each.stands()) for each in changed if not each.run],
            ),
            ("insert_events", self._rows),
        ):
            in_few_statements(self._connection, self._sql[query], rows)

    def _create(self, event: Event) -> None:
        run_id, _, at, _, data, _ = event
        if run_id in self._standings:
            return
        self._standings[run_id] = _Standing(
            run_key(run_id),
            _PENDING,
            0,
            0,
            None,
            at,
            changed=True,
            run=data,
            sequence=self._next,
        )
        self._next += 1

    def _enter(self, event: Event) -> None:
        run_id, _, at, attempt, data, _ = event
        standing = self._standings.get(run_id)
        target = data["type"]
        if (
            standing is None
            or standing.is_over
            or attempt < standing.attempt
            or standing.type not in _BEFORE[target]
        ):
            return
        name = "" if data["name"] == _NAMES[target] else utf8_text(data["name"])
        is_bare = not data["details"] and data["message"] is None
        told = "" if is_bare else _told(data)
        is_over = int(is_last(target, name))
        if standing.run and (is_over or not (told or name)):
            stands_with_run = self._stands_with_run(standing, event, is_over)
        else:
            stands_with_run = False
        if not stands_with_run:
            row = (self._next, standing.key, "state", at, attempt, target, name, told)
            self._rows.append(row)
        self._next += 1
        standing.type, standing.attempt, standing.entered = target, attempt, at
        standing.name, standing.told, standing.is_over = name, told, is_over
        if target == _RUNNING and standing.started is None:
            standing.started = at
        standing.changed = True

    def _stands_with_run(self, standing: _Standing, event: Event, is_over: int) -> bool:
        """Let one of a run's first events stand with the run, if it can.

        Those are a Pending and a first Running that are only that, and the end. Each
        has the place after the one before, so nothing may have come between.
        """
        if self._next != standing.sequence + standing.beginning:
            return False
        if not is_over:
            target = event.data["type"]
            if target == _PENDING and event.attempt == 0 and standing.beginning == 1:
                standing.pending = event.at
            elif (
                target != _RUNNING or event.attempt != 1 or standing.started is not None
            ):
                return False
        standing.beginning += 1
        return True

    def _log(self, event: Event) -> None:
        run_id, _, at, attempt, data, _ = event
        level, logger, message = data["level"], data["logger"], data["message"]
        told = utf8_text(level), utf8_text(logger), any_text(message)
        self._rows.append((self._next, run_key(run_id), "log", at, attempt, *told))
        self._next += 1

    def _note(self, event: Event) -> None:
        run_id, _, at, attempt, data, _ = event
        standing = self._standings.get(run_id)
        if standing is None:
            return
        if standing.run is not None:
            run = standing.run
            name, details = _with(run["name"], run["details"], data)
            standing.run = {**run, "name": name, "details": details}
        else:
            query = self._sql["name_and_details"]
            row = self._connection.execute(query, (standing.key,)).fetchone()
            name, details = _with(row["name"], json.loads(row["details"]), data)
            noted = (utf8_text(name), json_text(details), standing.key)
            self._connection.execute(self._sql["note"], noted)
        told = "", "", json_text(data)
        self._rows.append((self._next, standing.key, "noted", at, attempt, *told))
        self._next += 1


def _told(state: Mapping[str, Any]) -> str:
    """Return what a state has besides its type, name and time."""
    return json_text({"message": state["message"], "details": state["details"]})


def _with(
    name: str, details: Mapping[str, Any], facts: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return the name and details of a run after facts of it became known."""
    more = dict(facts)
    name = str(more.pop("name", name))
    return name, {**details, **more}
