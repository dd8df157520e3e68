"""What it costs to look on: a task call with and without a live graph, by turns.

The graph's messages are made as for a browser, JSON included, as often as they are at
twenty a second, and thrown away; in the thread of the calls, so that all they cost is
counted. What is logged goes to nowhere, at its default level. The least of many rounds
counts: whatever else the machine does only adds to it. Besides: how fast a model takes
in events that come at once.

``--quick`` has fewer rounds.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from nborch import flow, task
from nborch.context import current_run
from nborch.events import Event, run_created, state_entered
from nborch.home import current_home
from nborch.runs import Run, RunKind
from nborch.states import Completed, Pending, Running
from nborch.testing import temporary_home
from nborch.view.model import RunView

#: Calls of a round: as many as a fast machine makes in a twentieth of a second.
CALLS = 1_000
NODES = 50_000

Flush = Callable[[], int]


@contextmanager
def nobody() -> Iterator[Flush]:
    """Look on as little as a run without a graph is looked on."""
    yield lambda: 0


@contextmanager
def viewer() -> Iterator[Flush]:
    """Look on; what is given makes the message that is due."""
    context = current_run.get()
    view = RunView(context.run, context.home.store)
    context.home.recorder.subscribe(view.take)
    yield lambda: len(json.dumps(view.delta()))
    context.home.recorder.unsubscribe(view.take)


@task
def inc(x: int) -> int:
    """Do next to nothing."""
    return x + 1


@flow
def calls(number: int, *, is_seen: bool) -> float:
    """Call a task so many times; return the processor's seconds of one call."""
    with viewer() if is_seen else nobody() as flush:
        began = time.process_time()
        for n in range(number):
            inc(n)
        flush()
        return (time.process_time() - began) / number


def cost_of_looking(rounds: int) -> None:
    """Print what a call costs with and without a graph."""
    plain, seen = [], []
    for _ in range(rounds):
        plain.append(calls(CALLS, is_seen=False))
        seen.append(calls(CALLS, is_seen=True))
    print(f"a task call without a graph   {min(plain) * 1e6:7.1f} us")
    print(f"a task call with a live graph {min(seen) * 1e6:7.1f} us")
    print(f"ratio                         {min(seen) / min(plain):7.3f}")


def events_of(number: int) -> tuple[Run, list[Event]]:
    """Return a run, and the events of so many runs within it."""
    now = time.time()
    at = datetime.fromtimestamp(now, UTC)
    root = Run("root", RunKind.FLOW, "main", "main", at, "here")
    made = []
    for n in range(number):
        run = Run(f"{n:036}", RunKind.TASK, "inc", f"inc-{n}", at, "here", "root")
        made.append(run_created(run))
        for k, state in enumerate((Pending(), Running(), Completed())):
            stamped = state.stamped(datetime.fromtimestamp(now + k, UTC))
            made.append(state_entered(run.id, stamped, k))
    return root, made


def taking_in() -> None:
    """Print how long a model takes for many events at once."""
    root, events = events_of(NODES)
    view = RunView(root, current_home().store)
    times = [time.process_time()]
    for event in events:
        view.take(event)
    times.append(time.process_time())
    view.delta()
    times.append(time.process_time())
    json.dumps(view.snapshot())
    times.append(time.process_time())
    told, folded, sent = ((b - a) * 1e6 / len(events) for a, b in pairwise(times))
    print(f"\n{len(events):,} events of {NODES:,} runs, us for each event")
    print(f"told           {told:6.2f}")
    print(f"folded         {folded:6.2f}")
    print(f"all as JSON    {sent:6.2f}")


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    rounds = 10 if parser.parse_args().quick else 100
    nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # to the end
    with temporary_home(), redirect_stderr(nowhere):
        cost_of_looking(rounds)
        taking_in()


if __name__ == "__main__":
    main()
