"""Topics that are told by events: the list of runs, and the log of one of them."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from nborch.control.forms import LogPage, RunSummary
from nborch.events import Event, EventKind
from nborch.runs import RunRecord
from nborch.server.bodies import written
from nborch.server.kinship import Kinship
from nborch.server.topics import Batch, Message, News, Ring, merged
from nborch.store.signs import SQLiteSigns

__all__ = ["LogTopic", "RunTold", "RunsTopic"]

#: Seconds between two counts of the tasks within a run: its own states come at once.
COUNT_SECONDS = 1.0
#: Who knows less than what was so many events ago asks for the list again.
MOST_EVENTS = 5_000
#: Runs that are told of at once.
MOST_RUNS = 200

#: Lines that are sent at once, and that are kept for those who have not taken them yet.
LINES, KEPT_LINES = 500, 2_000

_TASK = "task"


class RunTold(Protocol):
    """Tells what the topics tell of runs."""

    def summaries(self, records: Sequence[RunRecord]) -> list[RunSummary]:
        """Return runs as lists show them."""
        ...

    def run_log(
        self, run_id: str, *, after: int | None = None, limit: int = LINES
    ) -> LogPage:
        """Return lines of a run and of all runs within it."""
        ...


class RunsTopic:
    """The runs that lists show, each as a whole whenever it has changed."""

    def __init__(
        self, told: RunTold, signs: SQLiteSigns, kinship: Kinship, position: int
    ) -> None:
        self._told, self._signs, self._kinship = told, signs, kinship
        self._ring = Ring()
        self._position = position
        #: Runs within which tasks have changed, from which event on.
        self._counted: dict[str, int] = {}
        self._last_count = 0.0

    def look(self, batch: Batch) -> bool:
        """Read the runs that have changed."""
        due = self._due(batch.events)
        if self._counted and batch.at - self._last_count >= COUNT_SECONDS:
            due |= self._counted.keys()
            self._last_count = batch.at
        for run_id in due:
            self._counted.pop(run_id, None)
        if due:
            self._ring.add(self._items(due) if len(due) <= MOST_RUNS else None)
        # NB. Not past what is still to be told: who comes back asks from there on.
        self._position = min([batch.position, *(n - 1 for n in self._counted.values())])
        return bool(due)

    def begin(self, after: int) -> News:
        """Return the runs that have changed since."""
        cursor, position = self._ring.last, self._position
        if self._signs.position() - after > MOST_EVENTS:
            return News([_AGAIN], cursor, position)
        # NB. A kinship of its own: another thread uses the other.
        kinship, events = Kinship(self._signs), self._signs.events(after)
        kinship.learn(events)
        due = {each for event in events for each in _changed(event, kinship)}
        if len(due) > MOST_RUNS:
            return News([_AGAIN], cursor, position)
        told = merged("runs", [self._items(due)])
        return News(told, cursor, max(position, after))

    def news(self, cursor: int) -> News | None:
        """Return each run once that has changed, as it is now."""
        position = self._position
        parts = self._ring.after(cursor)
        if parts is None:
            return None
        last = cursor + len(parts)
        if None in parts:
            return News([_AGAIN], last, position)
        return News(merged("runs", parts), last, position)

    def close(self) -> None:
        """Nothing is held."""

    def _due(self, events: Iterable[Event]) -> set[str]:
        """Return the runs that have changed themselves; note where tasks have."""
        due = set()
        for event in events:
            for run_id in _changed(event, self._kinship):
                if run_id == event.run_id:
                    due.add(run_id)
                else:
                    self._counted.setdefault(run_id, event.sequence)
        return due

    def _items(self, run_ids: Iterable[str]) -> dict[str, bytes]:
        records = self._signs.records(run_ids)
        told = self._told.summaries(records) if records else []
        return {each["id"]: written(each) for each in told}


class LogTopic:
    """The lines of a run and of all runs within it."""

    def __init__(
        self, run_id: str, told: RunTold, kinship: Kinship, position: int
    ) -> None:
        self._run_id, self._told, self._kinship = run_id, told, kinship
        #: Up to where lines were read, and whether there are more.
        self._read, self._has_more = position, False
        #: The lines after a place, each with its own.
        self._kept: tuple[int, tuple[tuple[int, bytes], ...]] = (position, ())
        self._position = position

    def look(self, batch: Batch) -> bool:
        """Read the lines that have come."""
        is_due = self._has_more or any(map(self._is_of_it, batch.events))
        if is_due:
            page = self._told.run_log(self._run_id, after=self._read, limit=LINES)
            self._read, self._has_more = page["next"], page["more"]
            self._keep(page["lines"])
        if not self._has_more:
            self._position = max(self._read, batch.position)
        return is_due

    def begin(self, after: int) -> News:
        """Return the first lines after a place; `news` begins with those after them."""
        position = self._position
        page = self._told.run_log(self._run_id, after=after, limit=LINES)
        cursor = page["next"]
        if not page["more"]:
            # What was written until then has been read.
            cursor = max(cursor, after, position)
        lines = [(each["sequence"], written(each)) for each in page["lines"]]
        return News(self._message(lines, cursor), cursor, cursor)

    def news(self, cursor: int) -> News | None:
        """Return the lines after a place."""
        position = self._position
        start, lines = self._kept
        if cursor < start:
            return None
        found = [line for line in lines if line[0] > cursor]
        last = found[-1][0] if found else cursor
        return News(self._message(found, last), last, max(position, last))

    def close(self) -> None:
        """Nothing is held."""

    def _is_of_it(self, event: Event) -> bool:
        is_line = event.kind is EventKind.LOG or event.kind is EventKind.STATE
        return is_line and self._run_id in self._kinship.around(event.run_id)

    def _keep(self, lines: Iterable[Any]) -> None:
        start, kept = self._kept
        kept = (*kept, *((each["sequence"], written(each)) for each in lines))
        if len(kept) > KEPT_LINES:
            start, kept = kept[-KEPT_LINES - 1][0], kept[-KEPT_LINES:]
        self._kept = start, kept

    def _message(self, lines: Sequence[tuple[int, bytes]], last: int) -> list[Message]:
        if not lines:
            return []
        facts = written({"run": self._run_id, "next": last})
        told = b",".join(line for _, line in lines)
        return [("log", (facts[:-1] + b',"lines":[' + told + b"]}",))]


#: Too much has changed: ask for the list.
_AGAIN = ("runs", (b'{"items":[],"again":true}',))


def _changed(event: Event, kinship: Kinship) -> Iterable[str]:
    """Yield the runs of a list that look different after an event."""
    if event.kind is EventKind.LOG:
        return
    if kinship.kind(event.run_id) != _TASK:
        yield event.run_id
    parent = kinship.parent(event.run_id)
    if parent is not None and event.kind is not EventKind.NOTED:
        yield parent
