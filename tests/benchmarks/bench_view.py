"""What it costs to look on: a flow with and without a live graph, by turns.

The graph's messages are made as for a browser, JSON included, by the pump's thread at
its own pace, and thrown away. What is logged goes to nowhere, at its default level.
Besides: how fast a model takes in events that come at once.

``--quick`` has fewer rounds.
"""

import argparse
import json
import os
import statistics
import time
from contextlib import redirect_stderr
from datetime import UTC, datetime
from pathlib import Path

from nborch import flow, task
from nborch.context import current_run
from nborch.events import Event, run_created, state_entered
from nborch.home import current_home
from nborch.runs import Run, RunKind
from nborch.states import Completed, Pending, Running
from nborch.testing import temporary_home
from nborch.view.model import RunView
from nborch.view.pump import Pump

CALLS = 2_000
NODES = 50_000


class Viewer:
    """A graph on show, whose messages go nowhere."""

    def __init__(self, view: RunView) -> None:
        self.view = view
        self.messages = self.bytes = 0

    def flush(self) -> bool:
        """Make the message that is due."""
        delta = self.view.delta()
        if delta is not None:
            self.messages += 1
            self.bytes += len(json.dumps(delta))
        return True


@task
def inc(x: int) -> int:
    """Do next to nothing."""
    return x + 1


@flow
def calls(number: int) -> float:
    """Call a task so many times; return the seconds of one call.

    Those of the processor, in all threads: other programs do not count.
    """
    began = time.process_time()
    for n in range(number):
        inc(n)
    return (time.process_time() - began) / number


@flow
def watched(number: int) -> tuple[float, Viewer]:
    """Do the same while somebody looks on."""
    context, pump = current_run.get(), Pump()
    view = RunView(context.run, context.home.store)
    viewer = Viewer(view)
    context.home.recorder.subscribe(view.take)
    pump.add(viewer)
    began = time.process_time()
    for n in range(number):
        inc(n)
    seconds = (time.process_time() - began) / number
    context.home.recorder.unsubscribe(view.take)
    pump.remove(viewer)
    return seconds, viewer


def cost_of_looking(rounds: int) -> None:
    """Print what a call costs with and without a graph."""
    calls(100), watched(100)
    plain, seen, viewer = [], [], None
    for n in range(rounds):
        # By turns, and each first as often as the other.
        for each in (plain, seen) if n % 2 else (seen, plain):
            if each is plain:
                plain.append(calls(CALLS))
            else:
                seconds, viewer = watched(CALLS)
                seen.append(seconds)
    without, with_it = statistics.median(plain), statistics.median(seen)
    ratios = [b / a for a, b in zip(plain, seen, strict=True)]
    print(f"a task call without a graph   {without * 1e6:7.1f} us")
    print(f"a task call with a live graph {with_it * 1e6:7.1f} us")
    print(f"ratio, median of {rounds} pairs     {statistics.median(ratios):7.3f}")
    print(f"least by least                {min(seen) / min(plain):7.3f}")
    print(f"messages of the last {viewer.messages}, bytes {viewer.bytes:,}")


def events_of(number: int) -> tuple[Run, list[Event]]:
    """Return a run, and the events of so many runs within it."""
    now = time.time()
    home = current_home()
    at = datetime.fromtimestamp(now, UTC)
    root = Run("root", RunKind.FLOW, "main", "main", at, home.process)
    made = []
    for n in range(number):
        run = Run(f"{n:036}", RunKind.TASK, "inc", f"inc-{n}", at, "p", "root")
        made.append(run_created(run))
        made += [
            state_entered(
                run.id, state.stamped(datetime.fromtimestamp(now + k, UTC)), k
            )
            for k, state in enumerate((Pending(), Running(), Completed()))
        ]
    return root, made


def taking_in() -> None:
    """Print how long a model takes for many events at once."""
    root, events = events_of(NODES)
    view = RunView(root, current_home().store)
    began = time.perf_counter()
    for event in events:
        view.take(event)
    told = time.perf_counter()
    message = view.delta()
    folded = time.perf_counter()
    json.dumps(message)
    sent = time.perf_counter()
    count = len(events)
    print(f"\n{count:,} events of {NODES:,} runs")
    print(f"told    {(told - began) * 1e6 / count:6.2f} us each")
    print(f"folded  {(folded - told) * 1e6 / count:6.2f} us each")
    print(f"as JSON {(sent - folded) * 1e6 / count:6.2f} us each")


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    with (
        temporary_home(),
        Path(os.devnull).open("w") as nowhere,
        redirect_stderr(nowhere),
    ):
        cost_of_looking(6 if quick else 30)
        taking_in()


if __name__ == "__main__":
    main()
