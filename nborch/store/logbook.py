"""The log of a run and of all runs within it, a page at a time."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nborch.events import Event, EventKind, end_written
from nborch.runs import Run
from nborch.states import State
from nborch.store.connections import reading
from nborch.store.ledgers import Ledger
from nborch.store.queries import in_few_statements
from nborch.store.rows import event_of, record_of
from nborch.store.sqlite import SQLiteStore
from nborch.store.texts import run_id_of, run_key

__all__ = ["LogLines", "SQLiteLogbook"]

#: So few events after a place are looked through one by one; of more, only those of the
#: run are sought.
NEAR = 5_000
#: Later than all that is recorded.
END = 2**62


@dataclass(frozen=True, slots=True)
class LogLines:
    """Lines in order, and where others are.

    Parameters
    ----------
    lines
        Events of the kind "log".
    runs
        Those that have written them, by id.
    after
        The place from which the lines go on.
    before
        The place up to which there are others; None if there are none.
    more
        Whether some follow already.
    """

    lines: tuple[Event, ...]
    runs: Mapping[str, Run]
    after: int
    before: int | None
    more: bool


class SQLiteLogbook:
    """Read logs from the file of a run store."""

    def __init__(self, ledger: Ledger, store: SQLiteStore) -> None:
        self._ledger = ledger
        self._sql = ledger.sql
        self._store = store

    def lines(  # noqa: PLR0913  # each narrows what is returned
        self,
        run_id: str,
        *,
        after: int | None = None,
        before: int | None = None,
        too_low: Collection[str] = (),
        text: str = "",
        limit: int = 500,
    ) -> LogLines:
        """Return lines of a run and of all runs within it: the last ones.

        The line that tells how each of them has ended is among them.

        Parameters
        ----------
        after
            The first ones after this place instead; 0 for all.
        before
            The last ones before this place.
        too_low
            Levels that are left out.
        text
            Only lines that have it in them, in whatever case.
        """
        last = self._last()
        if after is not None and last - after <= NEAR:
            found = self._near(run_id, after)
            lines, runs = _sifted(*found, too_low, text)
            return _page(lines[: limit + 1], runs, limit, after, last)
        values = {
            "key": run_key(run_id),
            "after": after if after is not None else -1,
            "before": END if before is None or after is not None else before,
            "too_low": json.dumps([*too_low]),
            "direction": -1 if after is None else 1,
            # NB. How an end is told is not to be had from the columns alone.
            "limit": -1 if text else limit + 1,
        }
        lines, runs = self._read(values)
        if text:
            lines, runs = _sifted(lines, runs, (), text)
        if after is not None:
            return _page(lines[: limit + 1], runs, limit, after, last)
        lines.reverse()
        return _page_back(lines[-limit - 1 :], runs, limit, before, last)

    def _last(self) -> int:
        return int(self._ledger.rows("last_sequence")[0]["number"])

    def _read(self, values: Mapping[str, Any]) -> tuple[list[Event], dict[str, Run]]:
        with self._ledger.reading() as connection, reading(connection):
            rows = connection.execute(self._sql["log_page"], values).fetchall()
            runs = self._runs(connection, {run_id_of(row["run"]) for row in rows})
        return [_line(event_of(row), runs) for row in rows], runs

    def _near(self, run_id: str, after: int) -> tuple[list[Event], dict[str, Run]]:
        """Return the lines after a place that is not far from the last one."""
        events = [e for e in self._store.events(after) if _is_line(e)]
        with self._ledger.reading() as connection, reading(connection):
            runs = self._runs(connection, {each.run_id for each in events})
            around = dict(runs)
            while missing := _parents(around):
                found = self._runs(connection, missing)
                if not found:
                    break
                around |= found
        within = {each for each in runs if _is_within(each, run_id, around)}
        lines = [_line(event, runs) for event in events if event.run_id in within]
        return lines, runs

    def _runs(
        self, connection: sqlite3.Connection, run_ids: Iterable[str]
    ) -> dict[str, Run]:
        asked = [(run_key(run_id),) for run_id in run_ids]
        rows = in_few_statements(connection, self._sql["runs_by_ids"], asked)
        return {run_id_of(row["id"]): record_of(row).run for row in rows}


def _is_line(event: Event) -> bool:
    if event.kind is EventKind.STATE:
        return State.from_json(event.data).is_over()
    return event.kind is EventKind.LOG


def _line(event: Event, runs: Mapping[str, Run]) -> Event:
    if event.kind is EventKind.LOG:
        return event
    return end_written(runs[event.run_id], event, State.from_json(event.data))


def _parents(runs: Mapping[str, Run]) -> set[str]:
    """Return what is around the runs and is not among them."""
    around = {run.parent_id for run in runs.values() if run.parent_id}
    return around - runs.keys()


def _is_within(run_id: str | None, root: str, runs: Mapping[str, Run]) -> bool:
    while run_id is not None and run_id != root:
        run = runs.get(run_id)
        run_id = None if run is None else run.parent_id
    return run_id == root


def _sifted(
    lines: list[Event], runs: dict[str, Run], too_low: Collection[str], text: str
) -> tuple[list[Event], dict[str, Run]]:
    sought = text.lower()
    kept = [
        line
        for line in lines
        if line.data["level"] not in too_low and sought in line.data["message"].lower()
    ]
    return kept, runs


def _page(
    lines: list[Event], runs: Mapping[str, Run], limit: int, after: int, last: int
) -> LogLines:
    """Return the first ones of the lines after a place."""
    more = len(lines) > limit
    shown = tuple(lines[:limit])
    place = shown[-1].sequence if more else _end_of(shown, max(last, after))
    before = shown[0].sequence if shown and after > 0 else None
    return LogLines(shown, runs, place, before, more)


def _page_back(
    lines: list[Event],
    runs: Mapping[str, Run],
    limit: int,
    before: int | None,
    last: int,
) -> LogLines:
    """Return the last ones of the lines before a place, or of all."""
    has_earlier = len(lines) > limit
    shown = tuple(lines[-limit:])
    place = _end_of(shown, last)
    if before is not None:
        place = shown[-1].sequence if shown else before - 1
    earlier = shown[0].sequence if has_earlier else None
    return LogLines(shown, runs, place, earlier, before is not None)


def _end_of(lines: Sequence[Event], last: int) -> int:
    """Return the place after which more may come.

    Lines may have been written after it was asked what the last event is.
    """
    return max(last, lines[-1].sequence) if lines else last
