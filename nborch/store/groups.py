"""A group of events, checked one by one and folded into one change per run."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nborch.events import Event, EventKind
from nborch.states import FINAL, Pending, StateType, allowed_before

__all__ = ["EventGroup", "json_text"]

_BEFORE = {target.value: frozenset(allowed_before(target)) for target in StateType}
_PENDING = json.dumps(Pending().to_json())


# Made once: json.dumps() makes an encoder for every call that has an option.
_encode = json.JSONEncoder(allow_nan=False).encode


def json_text(value: Mapping[str, Any]) -> str:
    """Return strict JSON, whatever stands in it.

    >>> json_text({"limit": float("inf"), (1, 2): None})
    '{"limit": "inf", "[1, 2]": null}'
    """
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError):
        return _encode(_plain(value, 20))


def _plain(value: Any, depth: int) -> Any:
    """Return the value with a text for whatever JSON does not have."""
    if depth and isinstance(value, Mapping):
        return {str(_plain(k, 1)): _plain(v, depth - 1) for k, v in value.items()}
    if depth and type(value) in (list, tuple):
        return [_plain(item, depth - 1) for item in value]
    try:
        _encode(value)
    except (TypeError, ValueError, RecursionError):
        try:
            return str(value)
        except Exception:  # noqa: BLE001  # it cannot tell itself
            return f"<{type(value).__qualname__}>"
    return value


@dataclass(slots=True)
class _Standing:
    """Where a run stands while a group of events is folded."""

    type: str
    attempt: int
    state: str
    started: float | None
    ended: float | None
    created: Mapping[str, Any] | None = None
    changed: bool = False

    def stands(self) -> tuple[Any, ...]:
        """Return what changes of a run, as the columns stand in the queries."""
        return self.type, self.attempt, self.state, self.started, self.ended

    def made(self, run_id: str) -> tuple[Any, ...]:
        """Return a new run, as the columns stand in the query."""
        run = self.created or {}
        return (
            run_id,
            run["kind"],
            _text(run["of"]),
            _text(run["name"]),
            run["created"],
            _text(run["process"]),
            run["parent_id"],
            json_text(run["details"]),
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
        self._rows: list[tuple[str, str, float, int, str]] = []
        # One query for the group: a statement costs more than what it reads.
        ids = json.dumps(list({_text(event.run_id) for event in events}))
        self._standings = {
            row[0]: _Standing(*row[1:])
            for row in connection.execute(queries["standings"], (ids,))
        }
        for event in events:
            self._take(event)

    def _take(self, event: Event) -> None:
        """Take the event into the group, if it may follow what is known."""
        data = json_text(event.data)
        if event.kind is EventKind.STATE:
            accepted = self._enter(event, data)
        elif event.kind is EventKind.CREATED:
            accepted = self._create(event)
        elif event.kind is EventKind.NOTED:
            accepted = self._note(event)
        else:
            accepted = True
        if accepted:
            row = (_text(event.run_id), event.kind, event.at, event.attempt, data)
            self._rows.append(row)

    def write(self) -> int:
        """Write the group; return how many events were accepted."""
        changed = [(k, s) for k, s in self._standings.items() if s.changed]
        self._connection.executemany(
            self._sql["insert_run"], [s.made(k) for k, s in changed if s.created]
        )
        self._connection.executemany(
            self._sql["update_run"],
            [(*s.stands(), k) for k, s in changed if not s.created],
        )
        self._connection.executemany(self._sql["insert_event"], self._rows)
        return len(self._rows)

    def _create(self, event: Event) -> bool:
        run_id = _text(event.run_id)
        if run_id in self._standings:
            return False
        self._standings[run_id] = _Standing(
            "PENDING", 0, _PENDING, None, None, created=event.data, changed=True
        )
        return True

    def _enter(self, event: Event, data: str) -> bool:
        standing = self._standings.get(_text(event.run_id))
        target = event.data["type"]
        if (
            standing is None
            or event.attempt < standing.attempt
            or standing.type not in _BEFORE[target]
        ):
            return False
        standing.type, standing.attempt, standing.state = target, event.attempt, data
        if target == StateType.RUNNING and standing.started is None:
            standing.started = event.at
        if target in FINAL:
            standing.ended = event.at
        standing.changed = True
        return True

    def _note(self, event: Event) -> bool:
        standing = self._standings.get(_text(event.run_id))
        if standing is None:
            return False
        if standing.created is not None:
            details = {**standing.created["details"], **event.data}
            standing.created = {**standing.created, "details": details}
            return True
        row = self._connection.execute(
            self._sql["details"], (_text(event.run_id),)
        ).fetchone()
        noted = json_text({**json.loads(row[0]), **event.data})
        self._connection.execute(self._sql["note"], (noted, _text(event.run_id)))
        return True


def _text(text: str) -> str:
    r"""Return text that UTF-8 can hold: a lone surrogate becomes ``\udc80``."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
