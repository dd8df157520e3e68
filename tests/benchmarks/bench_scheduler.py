"""Firing and claiming: what 10,000 schedules cost, and how fast runs are handed out.

Beside APScheduler with its jobs in memory, and beside huey's SQLite queue, each in the
same run. Neither does the same: APScheduler calls a function and keeps no record of it,
where nborch makes a run in the store; huey forgets a message when it is taken, so that
the death of the taker loses it, and it has no runs whose states could be asked for.

``--quick`` has smaller counts, ``--alone`` leaves the peers out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from peers import own_python, python_with

WORK = Path(__file__).parent / "scheduler_work.py"
ROOT = Path(__file__).parents[2]


def measured(python: Path, *piece: object) -> dict:
    """Return what a new process measured, with a home of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {
            **os.environ,
            "NBORCH_HOME": str(Path(folder) / "home"),
            "PYTHONPATH": str(ROOT),
        }
        command = [str(python), "-W", "ignore", str(WORK), *map(str, piece)]
        done = subprocess.run(
            command, env=environ, capture_output=True, text=True, check=False
        )
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def fastest(python: Path, piece: str, runs: int) -> float:
    """Return the best rate of three rounds with 4 workers."""
    return max(measured(python, piece, runs, 4)["rate"] for _ in range(3))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--alone", action="store_true")
    asked = parser.parse_args()
    schedules, seconds, runs = (1_000, 5, 200) if asked.quick else (10_000, 20, 1_000)
    own = own_python()
    print(f"{schedules:,} schedules, each every 10 minutes, for {seconds} s")
    ours = measured(own, "fire", schedules, seconds)
    _tell("nborch", ours)
    if not asked.alone:
        python = python_with("apscheduler", "apscheduler<4")
        theirs = measured(python, "apscheduler_fire", schedules, seconds)
        _tell("APScheduler", theirs)
        _ratio("cost of a core", theirs["cpu"] / ours["cpu"])
    at_once = measured(own, "burst", schedules)
    print(
        f"\nall {schedules:,} due at one instant: the first are late by "
        f"{at_once['first']:.2f} s, the last by {at_once['last']:.2f} s"
    )
    idle = measured(own, "idle", seconds)
    print(f"a scheduler with nothing to do: {100 * idle['cpu']:.2f} % of a core")
    print(f"\n{runs:,} runs by 4 workers")
    claimed = fastest(own, "claims", runs)
    print(f"  nborch, claimed and ended    {claimed:8,.0f} /s")
    if not asked.alone:
        taken = fastest(python_with("huey"), "huey_claims", runs)
        print(f"  huey, taken from the queue   {taken:8,.0f} /s")
        _ratio("claims", claimed / taken)


def _tell(name: str, told: dict) -> None:
    late = "-" if told["late"] is None else f"{told['late']:.3f} s"
    print(
        f"  {name:12} {100 * told['cpu']:5.2f} % of a core   "
        f"{told['fired']:5,} fired   late by {late} at most"
    )


def _ratio(of: str, ratio: float) -> None:
    print(f"  {of}: {ratio:.1f} times")


if __name__ == "__main__":
    main()
