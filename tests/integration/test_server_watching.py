"""Watching: topics are there for as long as somebody follows them, and no longer."""

import itertools
import json
import threading
import time
from datetime import UTC, datetime

import pytest

from nborch.control.local import LocalControl
from nborch.events import EventKind, log_written, run_created, state_entered
from nborch.exceptions import NotFound
from nborch.runs import Run, RunKind, new_id
from nborch.server.problems import Problem
from nborch.server.topics import KEPT
from nborch.server.watching import Watching
from nborch.states import Completed, Running


@pytest.fixture
def watching(home):
    made = Watching(home, LocalControl(home))
    yield made
    made.close()


def put(home, parent=None, kind=RunKind.FLOW):
    now = datetime.now(UTC)
    run = Run(new_id(now.timestamp()), kind, "f", "calm-fox", now, home.process, parent)
    home.store.append(
        [run_created(run), state_entered(run.id, Running().stamped(now), 1)]
    )
    return run.id


def nothing():
    pass


def lines_of(messages):
    """Return the lines that were told of a log, as they came."""
    told = [json.loads(b"".join(data)) for name, data in messages if name == "log"]
    return [line for page in told for line in page["lines"]]


def names(messages):
    return [name for name, _ in messages]


def test_a_topic_ends_with_its_last_follower(home, watching):
    """Two pages share a topic; when both have gone nothing is watched any more."""
    run = put(home)
    one = watching.join([f"run:{run}", "runs"], None, nothing)
    other = watching.join([f"run:{run}"], None, nothing)
    assert one.topics[f"run:{run}"] is other.topics[f"run:{run}"]

    watching.leave(one)
    assert watching._topics.keys() == {f"run:{run}"}
    watching.leave(other)

    assert not watching._topics
    assert watching.view(run).followers == 0


def test_who_asks_for_what_is_not_there_leaves_nothing(home, watching):
    """A wrong topic among others is refused, and the others are not followed."""
    run = put(home)

    with pytest.raises(Problem, match="no topic 'nonsense'"):
        watching.join([f"run:{run}", "nonsense"], None, nothing)
    with pytest.raises(NotFound):
        watching.join(
            ["runs", "run:01a2010a-e9ba-7f01-953f-7cc263488ffc"], None, nothing
        )

    assert not watching._topics
    assert watching.view(run).followers == 0


def test_nobody_is_watched_for_nobody(home, watching, until):
    """The thread ends with the last follower, and begins with the next one."""
    for _ in range(2):
        follower = watching.join(["runs"], None, nothing)
        thread = watching._thread
        assert thread.is_alive()
        watching.leave(follower)
        assert until(lambda thread=thread: not thread.is_alive())


def test_who_has_fallen_behind_begins_anew(home, watching, until):
    """More has happened than is kept: the graph is told from its beginning."""
    run = put(home)
    follower = watching.join([f"run:{run}"], None, nothing)
    assert names(follower.begin()) == ["graph"]
    topic = follower.topics[f"run:{run}"]
    for number in range(KEPT + 5):
        topic._ring.add(b"%d" % number)

    assert follower.take() is None
    assert b'"snapshot"' in b"".join(follower.begin()[0][1])
    assert follower.take() == []
    watching.leave(follower)


def test_lines_come_once_and_in_order_however_many(home, watching, until):
    """Who knows nothing of a long log is told all of it, a part at a time."""
    run = put(home)
    inner = put(home, run, RunKind.TASK)
    lines = [log_written(inner, n / 10, "INFO", "l", f"line {n}") for n in range(1_200)]
    home.store.append(lines)
    follower = watching.join([f"log:{run}"], 0, nothing)
    told = follower.begin()
    assert follower.position < home.store.last_sequence()

    def more():
        told.extend(follower.begin() if (new := follower.take()) is None else new)
        return follower.position >= home.store.last_sequence()

    assert until(more)
    home.store.append([log_written(run, 1e9, "INFO", "l", "line 1200")])
    assert until(lambda: more() and len(told) > 3)
    messages = [line["message"] for line in lines_of(told)]
    assert [m for m in messages if m.startswith("line")] == [
        f"line {n}" for n in range(1_201)
    ]
    watching.leave(follower)


#: As many as are written within half a second, where nothing else goes on.
LINES = 500


@pytest.mark.parametrize("at_first", [[], ["runs"]])
def test_lines_come_once_while_they_are_written(home, watching, until, at_first):
    """Who begins in the middle of a busy run is told nothing twice, and misses nothing.

    Its list of runs may be told later than its log.
    """
    run = put(home)
    inner = put(home, run, RunKind.TASK)
    watcher = watching.join([*at_first, f"log:{run}"], None, nothing)
    is_enough = threading.Event()

    def write():
        for number in itertools.count():
            line = log_written(inner, number / 10, "INFO", "l", f"line {number}")
            running = Running().stamped(datetime.now(UTC))
            home.store.append([line, state_entered(inner, running, number + 2)])
            # NB. On a slow machine all is read again and again: not ever more of it.
            if is_enough.wait(0.001 if number < LINES else None):
                return

    writer = threading.Thread(target=write)
    writer.start()
    followers = []
    for _ in range(20):
        follower = watching.join([*at_first, f"log:{run}"], 0, nothing)
        followers.append((follower, follower.begin()))
        time.sleep(0.02)
        followers[-1][1].extend(follower.take() or follower.begin())
    is_enough.set()
    writer.join()

    def all_told():
        for follower, told in followers:
            told.extend(follower.begin() if (new := follower.take()) is None else new)
        last = home.store.last_sequence()
        return all(follower.position >= last for follower, _ in followers)

    assert until(all_told)
    for follower, told in followers:
        found = [line["sequence"] for line in lines_of(told)]
        assert found == sorted(set(found))
        assert len(found) == sum(e.kind is EventKind.LOG for e in home.store.events(0))
        watching.leave(follower)
    watching.leave(watcher)


def test_a_place_is_reached_when_all_topics_have_told_it(home, watching, until):
    """Who comes back asks from the place that the slowest of its topics has reached."""
    run = put(home)
    follower = watching.join(["runs", f"log:{run}"], None, nothing)
    follower.begin()
    now = datetime.now(UTC)
    home.store.append([state_entered(run, Completed().stamped(now), 1)])

    told = []

    def take():
        told.extend(follower.take() or [])
        return follower.position == home.store.last_sequence()

    assert until(take)
    assert {"runs", "log"} <= set(names(told))
    watching.leave(follower)
