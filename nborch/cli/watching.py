"""Watching a run from the command line: its lines as they come, and how it ends."""

import sys
import time
from datetime import UTC, datetime

import click

from nborch.control.base import Control
from nborch.deploy.orders import OUTPUT
from nborch.deploy.outputs import folder_of
from nborch.runs import RunRecord
from nborch.states import StateType

__all__ = ["exit_code", "watch_run"]

#: Lines of a log that are asked for at once.
AT_ONCE = 5_000
#: Seconds for which the last output of a run is waited for.
PATIENCE = 2.0


def watch_run(control: Control, run_id: str) -> RunRecord:
    """Print what a run logs until it is over; return how it ended.

    Ctrl-C ends the watching, and not the run.
    """
    place = 0
    try:
        while True:
            record = control.record(run_id)
            place = _print_new(control, run_id, place)
            if record.state.is_over() and not _is_being_read(control, record):
                _print_new(control, run_id, place)
                return record
            time.sleep(control.pause)
    except KeyboardInterrupt:
        name = control.record(run_id).run.name
        cancel = f"nborch flow-run cancel {name}"
        click.echo(f"It goes on. Cancel it with: {cancel}", err=True)
        sys.exit(130)


def _is_being_read(control: Control, record: RunRecord) -> bool:
    """Tell whether a worker still has to keep what the run has printed last."""
    if control.home is None:
        return False
    folder = folder_of(control.home, record.run.id, record.attempt)
    ended = record.ended.timestamp() if record.ended else 0.0
    # NB. Not for ever: that worker may be gone, or on another machine.
    return (folder / OUTPUT).exists() and time.time() - ended < PATIENCE


def exit_code(record: RunRecord) -> int:
    """Return the exit code for a run's end."""
    if record.state.name == "TimedOut":
        return 124
    codes = {StateType.COMPLETED: 0, StateType.CRASHED: 138, StateType.CANCELLED: 130}
    return codes.get(record.state.type, 1)


def _print_new(control: Control, run_id: str, place: int) -> int:
    """Print the lines after a place; return the place after them."""
    more = True
    while more:
        page = control.run_log(run_id, after=place, limit=AT_ONCE)
        for line in page["lines"]:
            at = datetime.fromtimestamp(line["at"], UTC).astimezone()
            stamp = f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"
            click.echo(f"{stamp} | {line['level']:<7} | {line['message']}")
        place, more = page["next"], page["more"]
    return place
