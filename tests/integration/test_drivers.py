"""One lifecycle, several drivers: all walk the same states, whatever happens."""

import asyncio
import contextlib
import itertools
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nborch import awaiting, blocking, generating
from nborch.context import RunContext
from nborch.exceptions import CancelledRun, CrashedRun, RunTimedOut
from nborch.lifecycle import lifecycle
from nborch.performing import Performer
from nborch.runs import RunKind
from nborch.specs import Spec
from nborch.states import (
    TRANSITIONS,
    Completed,
    Failed,
    Running,
    State,
    StateType,
)
from nborch.submitting import Submissions
from nborch.task_runners.threads import ThreadPoolTaskRunner

OUTCOMES = {
    "a value": lambda: 42,
    "none": lambda: None,
    "an error": ValueError("boom"),
    "an error that cannot tell itself": type("Mute", (Exception,), {"__str__": lambda _: 1 / 0})(),
    "the user's timeout": TimeoutError("mine"),
    "a timeout": RunTimedOut("Task run exceeded timeout of 1 second(s)"),
    "a cancellation": CancelledRun("stop"),
    "a crash": CrashedRun("killed"),
    "Ctrl-C": KeyboardInterrupt(),
    "an exit": SystemExit(3),
    "a failed state": lambda: Failed(message="no"),
    "a skipped state": lambda: Completed(name="Skipped"),
    "an unfinished state": Running,
    "states": lambda: [Completed(), Failed()],
}  # fmt: skip

specs = st.builds(
    Spec,
    kind=st.sampled_from([RunKind.TASK, RunKind.FLOW]),
    name=st.just("t"),
    retries=st.integers(0, 3),
    retry_delays=st.lists(st.sampled_from([0.0, 0.001]), min_size=1, max_size=3).map(
        tuple
    ),
    retry_jitter=st.sampled_from([None, 0.5]),
    retry_condition=st.sampled_from(
        [None, lambda *_: True, lambda _, run, __: run.run_count < 2, lambda *_: 1 / 0]
    ),
    quiet=st.just(True),  # noqa: FBT003
)


class Story:
    """What the user's code does in each attempt, and the states that it leads to."""

    def __init__(self, spec, outcomes, home):
        self.outcomes = list(outcomes)
        self.context = RunContext.begin(spec, home, None, name="t-1", owner=self)
        self.events = []
        self.context.sink = self.events.append
        self.performer = Performer(self.context)

    def next(self):
        outcome = OUTCOMES[
            self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        ]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome()

    @property
    def states(self):
        return [
            (StateType(e.data["type"]), e.data["name"], e.data["message"], e.attempt)
            for e in self.events
            if e.kind == "state"
        ]


def blocked(story, spec):
    return blocking.drive(lifecycle(spec), story.performer, story.next)


def awaited(story, spec):
    async def function():
        await asyncio.sleep(0)
        return story.next()

    return asyncio.run(awaiting.drive(lifecycle(spec), story.performer, function))


def generated(story, spec):
    def function():
        return story.next()
        yield

    driver = generating.generate(lifecycle(spec), story.performer, function)
    try:
        next(driver)
    except StopIteration as end:
        return end.value
    raise AssertionError("it yields nothing")


def submitted(story, spec, *, is_async=False):
    submissions = Submissions(ThreadPoolTaskRunner(max_workers=1))

    async def awaitable():
        return story.next()

    function = awaitable if is_async else story.next
    steps = lifecycle(spec, gathers=True)
    future = submissions.submit(steps, story.performer, function, is_async=is_async)
    future.wait()
    submissions.close()
    return future.state


def submitted_async(story, spec):
    return submitted(story, spec, is_async=True)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    spec=specs,
    outcomes=st.lists(st.sampled_from(sorted(OUTCOMES)), min_size=1, max_size=5),
)
def test_all_drivers_walk_the_same_legal_states(home, spec, outcomes):
    """A run's states do not depend on how its function is called."""
    walks = {}
    for drive in (blocked, awaited, generated, submitted, submitted_async):
        random.seed(1)
        story = Story(spec, outcomes, home)
        with contextlib.suppress(KeyboardInterrupt, SystemExit):
            state = drive(story, spec)
            assert isinstance(state, State)
            assert state == story.context.state
        walks[drive.__name__] = story.states

    first = walks["blocked"]
    for name, walk in walks.items():
        assert walk == first, name
    types = [None, *(kind for kind, *_ in first)]
    for before, after in itertools.pairwise(types):
        assert after in TRANSITIONS[before]
    assert first[-1][0] in {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}
    attempts = [attempt for *_, attempt in first]
    assert attempts == sorted(attempts)
    assert attempts[-1] <= spec.retries + 1
