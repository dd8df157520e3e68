"""What it costs to look on: a task call with and without a live graph, by turns.

The graph's messages are made as for a browser, JSON included, as often as they are at
twenty a second, and thrown away; in the thread of the calls, so that all they cost is
counted. Of such a flood a part is folded at each message, and the rest when the run is
over: that is counted apart, with the message that tells all. What is logged goes to
nowhere, at its default level. The least of many rounds counts, and the tenth of them
that is least disturbed: whatever else the machine does only adds to it. Besides: how
fast a model takes in events that come at once, and how much it holds.

``--quick`` has fewer rounds.
"""

import argparse
import json
import os
import time
import tracemalloc
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
    view.told_all()
    began = time.process_time()
    json.dumps(view.snapshot())
    afterwards.append(time.process_time() - began)


#: What telling all takes when a round is over, in seconds.
afterwards: list[float] = []


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
    print(f"us{'':30}{'least':>8}{'tenth':>8}")
    rows = {"without a graph": plain, "with a live graph": seen}
    for name, times in rows.items():
        told = "".join(f"{each * 1e6:8.1f}" for each in low(times))
        print(f"{'a task call ' + name:32}{told}")
    ratios = (b / a for a, b in zip(low(plain), low(seen), strict=True))
    print(f"{'ratio':32}" + "".join(f"{each:8.3f}" for each in ratios))
    after = "".join(f"{each / CALLS * 1e6:8.1f}" for each in low(afterwards))
    print(f"{'when all is over, for each call':32}{after}")


def low(times: list[float]) -> tuple[float, float]:
    """Return the least of some times, and that below which a tenth of them are."""
    return min(times), sorted(times)[len(times) // 10]


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


def held() -> None:
    """Print how much a model holds of calls that came and went."""
    tracemalloc.start()
    root, events = events_of(CALLS)
    view = RunView(root, current_home().store)
    for event in events:
        view.take(event)
    waiting = tracemalloc.get_traced_memory()[0]
    del events, event
    view.told_all()
    view.delta()
    folded = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    print(f"\nkB for each of {CALLS:,} calls")
    print(f"until folded   {waiting / CALLS / 1e3:6.2f}")
    print(f"folded         {folded / CALLS / 1e3:6.2f}")


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    rounds = 10 if parser.parse_args().quick else 100
    nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # to the end
    with temporary_home(), redirect_stderr(nowhere):
        cost_of_looking(rounds)
        taking_in()
        held()


if __name__ == "__main__":
    main()
