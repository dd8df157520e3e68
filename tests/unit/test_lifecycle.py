"""The lifecycle: whatever a run meets, it takes legal steps to a final state."""

import asyncio
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nborch import awaiting, blocking
from nborch.context import RunContext
from nborch.events import EventKind
from nborch.exceptions import CancelledRun, CrashedRun, StoppedEarly
from nborch.lifecycle import (
    Acquire,
    Call,
    Enter,
    Hit,
    Keep,
    Lookup,
    Raised,
    Returned,
    Sleep,
    lifecycle,
    state_of_value,
)
from nborch.performing import Performer
from nborch.runs import Run, RunKind
from nborch.specs import Spec
from nborch.states import (
    TRANSITIONS,
    Cancelled,
    Completed,
    Failed,
    Paused,
    Pending,
    Running,
    State,
    StateType,
)


class Mute(Exception):
    """An error that cannot tell itself."""

    def __str__(self):
        raise RuntimeError


VALUES = [
    42,
    None,
    Completed(name="Skipped", data=7, details={"of": "the user"}),
    Failed(message="nope"),
    Cancelled(),
    Running(),
    Paused(),
    [Completed(), Failed()],
    (Completed(), Cancelled()),
    [Completed(), Paused()],
    [Completed()],
]
ERRORS = [
    ValueError("boom"),
    TimeoutError("late"),
    CancelledRun("stop"),
    CrashedRun("gone"),
    KeyboardInterrupt(),
    SystemExit(3),
    StoppedEarly("nothing new"),
    StopIteration(1),
    Mute(),
]
OUTCOMES = st.lists(st.sampled_from(VALUES + ERRORS), min_size=4, max_size=4)
SPECS = st.builds(
    Spec,
    kind=st.sampled_from([RunKind.TASK, RunKind.FLOW]),
    name=st.just("t"),
    retries=st.integers(0, 3),
    retry_delays=st.lists(st.sampled_from([0.0, 0.0001]), min_size=1, max_size=4).map(
        tuple
    ),
    reuses=st.booleans(),
    refreshes=st.booleans(),
    quiet=st.just(value=True),
)
FOUND = st.sampled_from([None, "looked up", "acquired"])


def answer(outcome):
    if isinstance(outcome, BaseException):
        return Raised(outcome)
    return Returned(outcome, 0.1)


def walk(spec, outcomes, found=None):
    """Answer the lifecycle's commands; return them and the final state."""
    steps, commands, sent = lifecycle(spec), [], None
    calls = iter(outcomes)
    try:
        while True:
            command = steps.send(sent)
            commands.append(command)
            sent = None
            if isinstance(command, Lookup) and found == "looked up":
                sent = Hit("kept", {"cache_key": "k"})
            if isinstance(command, Acquire) and found == "acquired":
                sent = Hit("kept", {"cache_key": "k"})
            if isinstance(command, Call):
                sent = answer(next(calls))
            if isinstance(command, Keep):
                sent = {"cache_key": "k"}
    except StopIteration as end:
        return commands, end.value


def of(commands, kind):
    return [command for command in commands if isinstance(command, kind)]


@settings(deadline=None, max_examples=400)
@given(SPECS, OUTCOMES, FOUND)
def test_every_run_takes_legal_steps_to_a_final_state(spec, outcomes, found):
    """Each state a run enters may follow the one before, and the last is final."""
    commands, final = walk(spec, outcomes, found)

    entered = [command.state for command in of(commands, Enter)]
    for before, after in zip([None, *entered], entered, strict=False):
        assert after.type in TRANSITIONS[before and before.type]
    assert entered[-1] is final
    assert final.is_final()
    assert not any(state.is_final() for state in entered[:-1])


@settings(deadline=None, max_examples=400)
@given(SPECS, OUTCOMES, FOUND)
def test_a_run_is_called_once_more_than_it_may_be_retried(spec, outcomes, found):
    """Calls are numbered from 1 and are at most retries + 1; none follows the last."""
    commands, final = walk(spec, outcomes, found)

    calls = of(commands, Call)
    assert [call.attempt for call in calls] == list(range(1, len(calls) + 1))
    assert len(calls) <= spec.retries + 1
    if calls and final.is_failed():
        assert len(calls) == spec.retries + 1
    attempts = [command.attempt for command in of(commands, Enter)]
    assert attempts == sorted(attempts)


@settings(deadline=None, max_examples=400)
@given(SPECS, OUTCOMES, FOUND)
def test_a_run_only_waits_for_a_further_attempt(spec, outcomes, found):
    """Every wait is followed by a call, and lasts as the spec says."""
    commands, _ = walk(spec, outcomes, found)

    for i, command in enumerate(commands):
        if isinstance(command, Sleep):
            call = next(c for c in commands[i:] if isinstance(c, Call))
            assert command.seconds == spec.delay(call.attempt - 1) > 0


@settings(deadline=None, max_examples=400)
@given(SPECS, OUTCOMES, FOUND)
def test_only_a_success_is_kept_and_a_hit_is_not_called(spec, outcomes, found):
    """A hit calls nothing and keeps nothing; a kept value is that of a success."""
    commands, final = walk(spec, outcomes, found)

    calls, keeps = of(commands, Call), of(commands, Keep)
    is_hit = spec.reuses and (
        found == "acquired" or (found == "looked up" and not spec.refreshes)
    )
    assert (final.name == "Cached") == is_hit
    assert bool(calls) != is_hit
    is_success = final.is_completed() and final.name != "StoppedEarly"
    assert bool(keeps) == (spec.reuses and is_success and not is_hit)
    if keeps:
        # A later hit returns what this call returns.
        assert keeps[0].value is final.data
        assert isinstance(commands[-2], Keep)
    if not spec.reuses:
        assert not of(commands, Lookup | Acquire)
    if spec.refreshes:
        assert not of(commands, Lookup)


def test_a_state_the_user_made_keeps_its_facts():
    """The cache adds its facts to those of a state that the user returned."""
    spec = Spec(kind=RunKind.TASK, name="t", reuses=True)

    _, final = walk(
        spec, [Completed(name="Skipped", data=7, details={"of": "the user"})]
    )

    assert (final.name, final.data) == ("Skipped", 7)
    assert final.details == {"of": "the user", "cache_key": "k"}


@pytest.mark.parametrize(
    ("value", "type_", "message"),
    [
        (1, "COMPLETED", None),
        ([], "COMPLETED", None),
        ([Completed(), Failed()], "FAILED", "1/2 states failed."),
        ((Completed(), Failed()), "FAILED", "1/2 states failed."),
        ([Completed(), Cancelled(), Failed()], "CANCELLED", "1/3 states cancelled."),
        ([Completed(), Completed()], "COMPLETED", "All states completed."),
        ({"a": Failed()}, "COMPLETED", None),
        ([Failed(), 1], "COMPLETED", None),
        (Failed(message="nope"), "FAILED", "nope"),
    ],
)
def test_a_returned_value_means_a_state(value, type_, message):
    """States alone, or collections of nothing else, decide the state of a run."""
    state = state_of_value(value)

    assert (state.type.value, state.message) == (type_, message)


@pytest.mark.parametrize("value", [Running(), Paused(), [Completed(), Paused()]])
def test_a_run_that_returns_an_unfinished_state_has_failed(value):
    """A returned state that is not final fails the run and the message tells why."""
    _, final = walk(Spec(kind=RunKind.TASK, name="t"), [value])

    assert final.is_failed()
    assert final.message.startswith(
        "Task run returned Paused('1/2"
        if isinstance(value, list)
        else f"Task run returned {value!r}"
    )
    assert final.message.endswith("which is not a final state.")


@pytest.mark.parametrize(
    ("error", "name", "message"),
    [
        (ValueError("boom"), "Failed", "Task run encountered an exception: ValueError: boom"),
        (ValueError(), "Failed", "Task run encountered an exception: ValueError"),
        (TimeoutError("mine"), "TimedOut", "Task run failed due to timeout: TimeoutError('mine')"),
        (KeyboardInterrupt(), "Crashed", "Execution was aborted by KeyboardInterrupt."),
        (CancelledRun("by you"), "Cancelled", "CancelledRun: by you"),
        (Mute(), "Failed", "Task run encountered an exception: Mute: (its message cannot be shown)"),
        (ValueError("x" * 10**6), "Failed", "Task run encountered an exception: ValueError: " + "x" * 10_000),
    ],
)  # fmt: skip
def test_an_error_means_a_state(error, name, message):
    """What a run raises decides the state's name, and its message says it."""
    _, final = walk(Spec(kind=RunKind.TASK, name="t"), [error])

    assert (final.name, final.message) == (name, message)
    assert final.data is error


class Memory:
    """A cache in a dict: how results are recalled, without a disk."""

    key = "k"

    def __init__(self, found):
        self.found = found
        self.kept = []

    def lookup(self):
        return Hit("kept", {"cache_key": "k"}) if self.found else None

    @contextmanager
    def claim(self, _timeout):
        yield True

    def keep(self, value, _seconds):
        self.kept.append(value)
        return {"cache_key": "k"}


def performer_of(spec, found):
    events = []
    run = Run("id", spec.kind, "t", "t-1", datetime.now(UTC), "host:1:a")
    context = RunContext(run, spec, home=None, sink=events.append)
    return Performer(context, Memory(found)), events


@settings(deadline=None, max_examples=60)
@given(SPECS, OUTCOMES, st.booleans())
def test_both_drivers_walk_the_same_states(spec, outcomes, found):
    """A sync and an async run with equal outcomes enter equal states."""

    def function(calls):
        outcome = next(calls)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def plain():
        performer, events = performer_of(spec, found)
        calls = iter(outcomes)
        state = blocking.drive(lifecycle(spec), performer, lambda: function(calls))
        return state, events, performer.recall.kept

    async def awaited():
        performer, events = performer_of(spec, found)
        calls = iter(
            [RuntimeError() if isinstance(o, StopIteration) else o for o in outcomes]
        )

        async def call():
            return function(calls)

        state = await awaiting.drive(lifecycle(spec), performer, call)
        return state, events, performer.recall.kept

    # An async function cannot raise StopIteration: Python itself forbids it.
    outcomes = [RuntimeError() if isinstance(o, StopIteration) else o for o in outcomes]
    blocked, waited = plain(), asyncio.run(awaited())

    def told(events):
        return [
            (
                e.kind,
                e.attempt,
                e.data.get("type"),
                e.data.get("name"),
                e.data.get("message"),
            )
            for e in events
        ]

    assert told(blocked[1]) == told(waited[1])
    assert blocked[0] == State(
        **{f: getattr(blocked[0], f) for f in ("type", "name", "message", "details")},
        timestamp=blocked[0].timestamp,
    )
    assert (blocked[0].type, blocked[0].name) == (waited[0].type, waited[0].name)
    assert blocked[2] == waited[2]
    assert blocked[1][0].kind is EventKind.CREATED


def test_a_run_that_is_aborted_from_within_has_crashed():
    """Something other than the user's code that raises leaves the run Crashed."""
    spec = Spec(kind=RunKind.TASK, name="t", reuses=True, quiet=True)
    performer, events = performer_of(spec, found=False)

    def lookup():
        raise KeyboardInterrupt

    performer.recall.lookup = lookup

    with pytest.raises(KeyboardInterrupt):
        blocking.drive(lifecycle(spec), performer, lambda: 1)
    assert [e.data.get("type") for e in events[1:]] == ["PENDING", "CRASHED"]
    assert performer.context.state.type is StateType.CRASHED


def test_the_first_state_is_pending():
    """A run begins as Pending, before its first attempt."""
    commands, _ = walk(Spec(kind=RunKind.TASK, name="t"), [1])

    assert commands[0] == Enter(Pending(), 0)


def test_stopping_early_is_no_result():
    """A run that stops its notebook is completed, and has no result to keep."""
    spec = Spec(kind=RunKind.TASK, name="look", reuses=True)
    ending = StoppedEarly("nothing new")

    commands, final = walk(spec, [ending], None)

    assert not of(commands, Keep)
    assert (final.type, final.name) == (StateType.COMPLETED, "StoppedEarly")
    assert (final.message, final.data) == ("nothing new", ending)
