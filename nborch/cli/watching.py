"""Watching a run from the command line: its lines as they come, and how it ends."""

import sys
import time
from datetime import UTC, datetime

import click

from nborch.deploy.orders import OUTPUT
from nborch.deploy.outputs import folder_of
from nborch.events import EventKind
from nborch.home import Home
from nborch.runs import RunRecord
from nborch.states import StateType

__all__ = ["exit_code", "watch_run"]

#: Seconds between two looks at the store.
LOOK = 0.1
#: Seconds for which the last output of a run is waited for.
PATIENCE = 2.0


def watch_run(home: Home, run_id: str) -> RunRecord:
    """Print what a run logs until it is over; return how it ended.

    Ctrl-C ends the watching, and not the run.
    """
    shown = 0
    try:
        while True:
            record = home.store.record(run_id)
            shown = _print_new(home, run_id, shown)
            if record.state.is_over() and not _is_being_read(home, record):
                _print_new(home, run_id, shown)
                return record
            time.sleep(LOOK)
    except KeyboardInterrupt:
        name = home.store.record(run_id).run.name
        cancel = f"nborch flow-run cancel {name}"
        click.echo(f"It goes on. Cancel it with: {cancel}", err=True)
        sys.exit(130)


def _is_being_read(home: Home, record: RunRecord) -> bool:
    """Tell whether a worker still has to keep what the run has printed last."""
    folder = folder_of(home, record.run.id, record.attempt)
    ended = record.ended.timestamp() if record.ended else 0.0
    # NB. Not for ever: that worker may be gone, or on another machine.
    return (folder / OUTPUT).exists() and time.time() - ended < PATIENCE


def exit_code(record: RunRecord) -> int:
    """Return the exit code for a run's end."""
    if record.state.name == "TimedOut":
        return 124
    codes = {StateType.COMPLETED: 0, StateType.CRASHED: 138, StateType.CANCELLED: 130}
    return codes.get(record.state.type, 1)


def _print_new(home: Home, run_id: str, shown: int) -> int:
    """Print the lines after those that were shown; return how many are now."""
    lines = home.store.logs(run_id)
    for event in lines[shown:]:
        if event.kind is EventKind.LOG:
            at = datetime.fromtimestamp(event.at, UTC).astimezone()
            level, message = event.data["level"], event.data["message"]
            stamp = f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"
            click.echo(f"{stamp} | {level:<7} | {message}")
    return len(lines)
