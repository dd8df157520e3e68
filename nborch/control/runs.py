"""Runs, in the store of this machine."""

import time
from collections.abc import Sequence
from typing import Any

from nborch.control import starting
from nborch.control.forms import (
    Happening,
    HappeningPage,
    History,
    LogLine,
    LogPage,
    RunDetail,
    RunPage,
    RunSummary,
    Told,
)
from nborch.control.inspecting import detail_of
from nborch.control.pages import cut, place_of
from nborch.control.telling import TaskCounts, summaries
from nborch.events import Event, EventKind
from nborch.exceptions import InvalidDeclaration, NotFound, did_you_mean
from nborch.home import Home
from nborch.runs import Run, RunKind, RunRecord
from nborch.settings import LEVELS
from nborch.states import StateType
from nborch.store.listing import RunFilter

__all__ = ["LocalRuns"]

#: Seconds between two looks for what has died, at least.
REAP = 2.0
DAY = 86_400.0
#: More bins than a screen has room for.
MOST_BINS = 1_000
#: Later than every time that there is.
_SPAN = 1.0


class LocalRuns:
    """See the runs in a home, and change how they go on; see `nborch.control.base`."""

    pause = 0.05
    at_once = 100_000

    def __init__(self, home: Home) -> None:
        self.home = home
        self.where = str(home.folder)
        self._counts = TaskCounts(home.listing)
        self._reaped = -REAP

    def reap(self) -> None:
        """Mark what has died, unless that was done a moment ago."""
        now = time.monotonic()
        if now - self._reaped >= REAP:
            self._reaped = now
            self.home.reap()

    def runs(
        self,
        *,
        whole: bool = False,
        limit: int = 50,
        cursor: str | None = None,
        **narrowed: Any,
    ) -> RunPage:
        """Return runs, the newest first."""
        self.reap()
        which, before = self._filter(**narrowed), place_of(cursor)
        found = self.home.listing.runs(which, before=before, limit=limit + 1)
        page, after = cut(found, limit, lambda record: record.run.id)
        return {"items": self._told(page, whole=whole), "next": after}

    def run_counts(self, **narrowed: Any) -> dict[str, int]:
        """Return how many runs are in states of each type."""
        self.reap()
        return self.home.listing.counts(self._filter(**narrowed))

    def run_history(self, *, bins: int = 60, **narrowed: Any) -> History:
        """Return how many runs were made when, by the state they are in now."""
        which = self._filter(**narrowed)
        until = time.time() + _SPAN if which.until is None else which.until
        since = until - DAY if which.since is None else which.since
        if since >= until or not 1 <= bins <= MOST_BINS:
            raise InvalidDeclaration(
                f"There is no history from {since!r} until {until!r} in {bins!r} bins. "
                f"Give a time that begins before it ends, and 1 to {MOST_BINS} bins."
            )
        counts = self.home.listing.counts_over_time(which, since, until, bins)
        width = (until - since) / bins
        return {
            "bins": [
                {
                    "start": since + number * width,
                    "end": since + (number + 1) * width,
                    "states": states,
                }
                for number, states in enumerate(counts)
            ]
        }

    def record(self, reference: str) -> RunRecord:
        """Return the run with this id, start of an id, or name, as it is stored."""
        self.reap()
        return self.home.store.record(reference)

    def run(self, run_id: str) -> RunDetail:
        """Return the run with exactly this id."""
        self.reap()
        record = self.home.listing.get(run_id)
        (told,) = self._told([record], whole=True)
        return detail_of(self.home, record, told)

    def run_called(self, reference: str) -> RunDetail:
        """Return the run with this id, start of an id, or name (the newest)."""
        return self.run(self.home.store.record(reference).run.id)

    def run_states(self, run_id: str) -> HappeningPage:
        """Return the states that a run has entered."""
        self.home.listing.get(run_id)
        events = self.home.store.events(run_id=run_id)
        entered = [each for each in events if each.kind is EventKind.STATE]
        return {"items": [_happening(each) for each in entered], "next": None}

    def run_log(  # noqa: PLR0913  # each narrows what is returned
        self,
        run_id: str,
        *,
        after: int | None = None,
        before: int | None = None,
        level: str | None = None,
        q: str | None = None,
        limit: int = 500,
    ) -> LogPage:
        """Return lines of a run and of all runs within it: the last ones."""
        self.home.listing.get(run_id)
        found = self.home.logbook.lines(
            run_id,
            after=after,
            before=before,
            too_low=_below(level),
            text=q or "",
            limit=limit,
        )
        return {
            "lines": [_line(each, found.runs[each.run_id]) for each in found.lines],
            "next": found.after,
            "previous": found.before,
            "more": found.more,
        }

    def cancel_run(self, run_id: str) -> Told:
        """Have a run end as Cancelled."""
        self.home.reap()
        record = self.home.listing.get(run_id)
        told = starting.cancel(self.home, record)
        return {"told": told, "run": self._told([self.home.listing.get(run_id)])[0]}

    def retry_run(self, run_id: str) -> Told:
        """Have what a run was of run again, with the same parameters."""
        self.home.reap()
        made = starting.again(self.home, self.home.listing.get(run_id))
        told = f"Run {made.run.name!r} begins as soon as a worker takes it."
        return {"told": told, "run": self._told([made], whole=True)[0]}

    def resume_run(self, run_id: str) -> Told:
        """Have a notebook go on where its run has ended, as a new run."""
        self.home.reap()
        told = starting.resume(self.home, self.home.listing.get(run_id))
        return {"told": told, "run": None}

    def summaries(self, records: Sequence[RunRecord]) -> list[RunSummary]:
        """Return what lists tell of runs, with how many are within them."""
        return self._told(records)

    def _told(
        self, records: Sequence[RunRecord], *, whole: bool = False
    ) -> list[RunSummary]:
        return summaries(records, self.home.listing, self._counts, whole=whole)

    def _filter(  # each narrows what is returned
        self,
        *,
        state: Sequence[str] = (),
        kind: Sequence[str] = (),
        deployment: str | None = None,
        work_pool: str | None = None,
        q: str | None = None,
        **same: Any,
    ) -> RunFilter:
        kinds = [_one_of(RunKind, each) for each in kind]
        if not kinds:
            kinds = [RunKind.FLOW, RunKind.SESSION]
        return RunFilter(
            kinds=kinds,
            states=[_one_of(StateType, each) for each in state],
            deployment=self._deployment_id(deployment),
            work_pool=work_pool,
            text=q,
            **same,
        )

    def _deployment_id(self, reference: str | None) -> str | None:
        if reference is None:
            return None
        try:
            return self.home.deployments.get(reference).id
        except NotFound:
            return reference  # its runs are there still


def _one_of(choices: Any, given: str) -> Any:
    try:
        return choices(given)
    except ValueError:
        listed = [each.value for each in choices]
        raise InvalidDeclaration(
            f"{given!r} is none of {', '.join(listed)}.{did_you_mean(given, listed)}"
        ) from None


def _below(level: str | None) -> tuple[str, ...]:
    """Return the levels below one."""
    if level is None:
        return ()
    if level.upper() not in LEVELS:
        raise InvalidDeclaration(
            f"Level {level!r} does not exist. Choose one of {', '.join(LEVELS)}."
            f"{did_you_mean(level.upper(), LEVELS)}"
        )
    return LEVELS[: LEVELS.index(level.upper())]


def _happening(event: Event) -> Happening:
    data = event.data
    return {
        "at": event.at,
        "type": data["type"],
        "name": data["name"],
        "message": data["message"],
        "attempt": event.attempt,
    }


def _line(event: Event, run: Run) -> LogLine:
    data = event.data
    return {
        "at": event.at,
        "level": data["level"],
        "logger": data["logger"],
        "message": data["message"],
        "run": run.id,
        "name": str(run.details.get("label", run.name)),
        "kind": run.kind.value,
        "attempt": event.attempt,
        "sequence": event.sequence,
    }
