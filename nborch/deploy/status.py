"""The status of a server: live on a terminal, a line for each fact elsewhere."""

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from nborch.deploy.worker import Watcher
from nborch.runs import RunRecord
from nborch.showing import GLYPHS, card, duration
from nborch.states import StateType
from nborch.work import ClaimedRun

__all__ = ["LineStatus", "LiveStatus", "Status", "card_of", "status_here"]

#: So many of the last runs, and of the next times, are shown.
LAST, NEXT = 5, 5
#: Seconds between two looks for the next times.
LOOK = 1.0

#: What states look like on a terminal.
_COLOURS = {
    StateType.COMPLETED: "green",
    StateType.FAILED: "red",
    StateType.CRASHED: "magenta",
    StateType.CANCELLED: "yellow",
    StateType.RUNNING: "blue",
}


class _Fact(NamedTuple):
    """A line of what goes on: a run that goes on, is due, or has ended."""

    what: str
    state: StateType
    word: str
    name: str
    of: str
    told: str


class Status(Watcher):
    """Remembers what a worker does, and shows none of it.

    Attributes
    ----------
    server
        Sets itself here; see `nborch.deploy.serving.Server`.
    """

    def __init__(self) -> None:
        self.server: Any = None
        self.last: deque[RunRecord] = deque(maxlen=LAST)
        self._next: list[tuple[datetime, str]] = []
        self._looked = 0.0
        self._lock = threading.Lock()

    def ended(self, claim: ClaimedRun, record: RunRecord, fate: str) -> None:
        """Remember the run."""
        del claim
        if fate == "over":
            self.last.appendleft(record)

    def stopping(self, count: int, *, again: bool) -> None:
        """Tell that no more runs are taken."""

    def refresh(self) -> None:
        """Show the present."""

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the status of the server in the block."""
        yield

    def next_times(self) -> list[tuple[datetime, str]]:
        """Return what is due next, and when."""
        now = time.monotonic()
        with self._lock:
            if now - self._looked > LOOK and self.server is not None:
                self._looked = now
                self._next = _next_times(self.server)
            return self._next


class LineStatus(Status):
    """Writes a line for each fact, for logs."""

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Tell what is served, and when it ends."""
        self._say(f"Serving {_what(self.server)}. Press Ctrl-C to stop.")
        for at, name in self.next_times():
            self._say(f"Next run of {name!r}: {at.astimezone():%Y-%m-%d %H:%M:%S %Z}.")
        yield
        self._say("Stopped.")

    def began(self, claim: ClaimedRun) -> None:
        """Tell of it."""
        run = claim.record.run
        again = f", attempt {claim.attempt}" if claim.crashes else ""
        self._say(f"Run {run.name!r} of {claim.deployment.full_name!r} begins{again}.")

    def ended(self, claim: ClaimedRun, record: RunRecord, fate: str) -> None:
        """Tell of it."""
        super().ended(claim, record, fate)
        name = record.run.name
        if fate == "over":
            seconds = record.seconds
            took = "" if seconds is None else f" after {seconds:.1f} s"
            self._say(f"Run {name!r} has ended{took}: {record.state!r}.")
        elif fate == "waiting":
            self._say(f"Run {name!r} waits again: {record.state.message}")

    def line(self, text: str) -> None:
        """Pass it on."""
        self._write(text)

    def trouble(self, text: str) -> None:
        """Tell of it."""
        self._say(text)

    def stopping(self, count: int, *, again: bool) -> None:
        """Tell what is waited for."""
        if not count:
            return
        runs = f"{count} run{'' if count == 1 else 's'}"
        self._say(
            f"Waiting for {runs} to end. Press Ctrl-C again to hand back at once."
            if again
            else f"Handing back {runs}."
        )

    def _say(self, text: str) -> None:
        self._write(f"{datetime.now().astimezone():%H:%M:%S} | {text}")

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            # Nobody reads it any more; the runs go on.
            return


class LiveStatus(LineStatus):
    """Shows a picture that changes, with the lines of runs above it."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._live: Any = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the picture."""
        from rich.live import Live

        with Live(
            get_renderable=self._picture,
            console=self._console,
            refresh_per_second=4,
            redirect_stdout=False,
            redirect_stderr=False,
        ) as live:
            self._live = live
            yield
        self._live = None
        self._say("Stopped.")

    def _write(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def _picture(self) -> Any:
        from rich.console import Group
        from rich.rule import Rule
        from rich.table import Table
        from rich.text import Text

        server = self.server
        grid = Table.grid(padding=(0, 2))
        for _ in range(3):
            grid.add_column(overflow="ellipsis", no_wrap=True)
        for fact in _facts(self, server):
            mark = f"{GLYPHS[fact.state.name]} {fact.word}"
            style = _COLOURS.get(fact.state, "dim")
            name = Text.assemble(fact.name, " ", (fact.of, "dim"))
            grid.add_row(Text(mark, style), name, fact.told)
        told = "stopping" if server.worker.is_stopping else "Ctrl-C stops"
        return Group(Rule(f"serving {_what(server)} · {told}", style="dim"), grid)


def status_here() -> Status:
    """Return the status for where standard error goes."""
    is_terminal = os.isatty(2) and os.environ.get("TERM", "") != "dumb"
    return LiveStatus() if is_terminal else LineStatus()


def card_of(server: Any, status: Status) -> dict[str, str]:
    """Return what a server does, in the forms that front ends show."""
    rows: list[tuple[str, str]] = []
    labelled = set()
    for fact in _facts(status, server):
        label = fact.what if fact.what not in labelled else ""
        labelled.add(fact.what)
        parts = [f"{fact.name} of {fact.of}" if fact.of else fact.name, fact.told]
        if fact.what == "last":
            parts.insert(0, f"{GLYPHS[fact.state.name]} {fact.word}")
        rows.append((label, " · ".join(filter(None, parts))))
    state = ("RUNNING", "serving") if server.is_running else ("CANCELLED", "stopped")
    return card("Server of", _what(server), rows, state=state)


def _facts(status: Status, server: Any) -> Iterator[_Fact]:
    now = time.monotonic()
    for tenure in list(server.worker.held.values()):
        claim = tenure.claim
        run, of = claim.record.run.name, claim.deployment.full_name
        told = f"{now - tenure.began:.0f} s"
        yield _Fact("running", StateType.RUNNING, "running", run, of, told)
    if not server.worker.is_stopping:
        for at, name in status.next_times()[:NEXT]:
            yield _Fact("next", StateType.SCHEDULED, "next", name, "", _soon(at))
    for record in list(status.last):
        state, seconds = record.state, record.seconds
        took = "" if seconds is None else duration(seconds)
        run = record.run
        yield _Fact("last", state.type, state.name.lower(), run.name, run.of, took)


def _soon(at: datetime) -> str:
    left = at - datetime.now(UTC)
    local = at.astimezone()
    if left < timedelta(minutes=2):
        return f"in {max(0, round(left.total_seconds()))} s"
    if left < timedelta(hours=20):
        return f"at {local:%H:%M}"
    return f"{local:%a %Y-%m-%d %H:%M}"


def _next_times(server: Any) -> list[tuple[datetime, str]]:
    home = server.home
    deployments = server.deployments or [
        each for each in home.deployments.list() if each.lane in server.worker.lanes
    ]
    found = [
        (record.due_at, deployment.full_name)
        for deployment in deployments
        for record in home.deployments.schedules(deployment)
        if record.due_at is not None
    ]
    return sorted(found)


def _what(server: Any) -> str:
    names = [each.full_name for each in server.deployments]
    if not names:
        names = [lane.partition("/")[2] for lane in server.worker.lanes]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")
