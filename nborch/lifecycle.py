"""The lifecycle of every run, as a generator of commands.

It decides and does nothing else: no I/O, no clock, no user code. A driver
(`nborch.blocking`, `nborch.awaiting`) performs each command and sends back what
came of it, so that sync and async runs cannot differ.

::

    Enter(Pending) ─ Gather ─an upstream run failed───────────────► Enter(NotReady)
                       │ upstream completed
                     Lookup ─hit──────────────────────────────────► Enter(Cached)
                       │ miss
                     Acquire ─hit (another process was first)─────► Enter(Cached)
                       │
          ┌──► Occupy ─ Enter(Running) ─ Call ─ returned ─ Keep ──► Enter(Completed)
          │                               │ raised
          └─ Sleep ─ Enter(AwaitingRetry) ◄─ retries left (Consider)
                                          │ none left
                                          └───────────────────────► Enter(Failed)

Gather, Occupy and Consider are only asked for where something depends on them.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nborch.exceptions import (
    CancelledRun,
    CancelRequested,
    CrashedRun,
    FailedRun,
    RunTimedOut,
    StoppedEarly,
)
from nborch.specs import Spec
from nborch.states import (
    AwaitingConcurrencySlot,
    AwaitingRetry,
    Cached,
    Cancelled,
    Completed,
    Crashed,
    Failed,
    NotReady,
    Pending,
    Retrying,
    Running,
    State,
    StateType,
    TimedOut,
    is_state_iterable,
)

__all__ = [
    "Acquire",
    "Call",
    "Command",
    "Consider",
    "Enter",
    "Gather",
    "Hit",
    "Keep",
    "Lookup",
    "Occupy",
    "Raised",
    "Returned",
    "Sleep",
    "Steps",
    "lifecycle",
    "state_of_error",
    "state_of_value",
]


@dataclass(frozen=True, slots=True)
class Enter:
    """Command: the run enters a state."""

    state: State
    attempt: int


@dataclass(frozen=True, slots=True)
class Gather:
    """Command: wait for what the call needs.

    Answered with None, or with the error that says which upstream run failed.
    """


@dataclass(frozen=True, slots=True)
class Lookup:
    """Command: look for an earlier result. Answered with a `Hit` or None."""


@dataclass(frozen=True, slots=True)
class Acquire:
    """Command: become the only one who computes this result.

    Answered with a `Hit` if another process kept it meanwhile, else None.
    """


@dataclass(frozen=True, slots=True)
class Occupy:
    """Command: take the concurrency slots that the run's tags ask for.

    Answered with whether they are held; with `wait`, they are.
    """

    wait: bool


@dataclass(frozen=True, slots=True)
class Call:
    """Command: call the user's code. Answered with `Returned` or `Raised`."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Consider:
    """Command: ask whether a failed attempt is to be followed by another.

    Answered with None if not, else with a random number from [0, 1) for the jitter.
    """

    state: State


@dataclass(frozen=True, slots=True)
class Sleep:
    """Command: wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Keep:
    """Command: keep the value for later runs. Answered with facts for the state."""

    value: Any
    seconds: float


Command = Enter | Gather | Lookup | Acquire | Occupy | Call | Consider | Sleep | Keep


@dataclass(frozen=True, slots=True)
class Hit:
    """Answer: an earlier result stands in for the call.

    Parameters
    ----------
    value
        What the call would return.
    details
        Facts for the state: the key, the seconds saved.
    """

    value: Any
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Returned:
    """Answer: the user's code returned a value after so many seconds.

    Parameters
    ----------
    whole
        Whether it is all that a later run could want of it. What a generator yielded
        until somebody left off is not.
    """

    value: Any
    seconds: float
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Raised:
    """Answer: the user's code raised.

    Parameters
    ----------
    again
        Whether another attempt could make up for it. It cannot once a generator has
        handed out an item.
    """

    error: BaseException
    again: bool = True


Steps = Generator[Command, Any, State]

# Made once: they are entered by every run.
_PENDING, _RUNNING, _RETRYING = Pending(), Running(), Retrying()
_LOOKUP, _ACQUIRE, _GATHER = Lookup(), Acquire(), Gather()
_ENTER_PENDING, _ENTER_RUNNING = Enter(_PENDING, 0), Enter(_RUNNING, 1)
_FIRST_CALL = Call(1)


def lifecycle(spec: Spec, *, gathers: bool = False, occupies: bool = False) -> Steps:
    """Yield what is to be done for a run of `spec`; return its final state.

    >>> from nborch.runs import RunKind
    >>> steps = lifecycle(Spec(kind=RunKind.TASK, name="load"))
    >>> next(steps).state, steps.send(None).state, steps.send(None)
    (Pending(), Running(), Call(attempt=1))

    Parameters
    ----------
    gathers
        Whether the call has to wait for something.
    occupies
        Whether the run has tags, which may be limited.
    """
    yield _ENTER_PENDING
    if gathers or spec.reuses:
        state = yield from _without_a_call(spec, gathers=gathers)
        if state is not None:
            yield Enter(state, 0)
            return state
    attempt = 1
    while True:
        if occupies:
            yield from _in_turn(attempt)
        yield _ENTER_RUNNING if attempt == 1 else Enter(_RETRYING, attempt)
        outcome = yield _FIRST_CALL if attempt == 1 else Call(attempt)
        state = _state_after(spec, outcome)
        if _may_be_retried(state, outcome) and attempt <= spec.retries:
            delay = yield from _wait_before_retry(spec, state, attempt)
            if delay is not None:
                attempt += 1
                continue
        whole = isinstance(outcome, Returned) and outcome.whole
        if spec.reuses and state.type is StateType.COMPLETED and whole:
            # The state's data, so that a hit returns what this call returns.
            details = yield Keep(state.data, outcome.seconds)
            if details:
                state = replace(state, details={**state.details, **details})
        yield Enter(state, attempt)
        return state


def _without_a_call(
    spec: Spec, *, gathers: bool
) -> Generator[Command, Any, State | None]:
    """Return the final state of a run that needs no call, or cannot have one."""
    if gathers:
        missing = yield _GATHER
        if missing is not None:
            return NotReady(message=str(missing), data=missing)
    if not spec.reuses:
        return None
    # A refresh looks at nothing but still computes alone and keeps the result.
    hit = None if spec.refreshes else (yield _LOOKUP)
    hit = hit or (yield _ACQUIRE)
    return Cached(data=hit.value, details=hit.details) if hit else None


def _in_turn(attempt: int) -> Generator[Command, Any, None]:
    """Wait until the run's tags let it run."""
    if not (yield Occupy(wait=False)):
        yield Enter(AwaitingConcurrencySlot(), attempt - 1)
        yield Occupy(wait=True)


def _may_be_retried(state: State, outcome: Returned | Raised) -> bool:
    if state.type is not StateType.FAILED:
        return False
    return isinstance(outcome, Returned) or outcome.again


def _wait_before_retry(
    spec: Spec, state: State, attempt: int
) -> Generator[Command, Any, float | None]:
    """Wait before the next attempt; return how long, or None if there is to be none."""
    delay = spec.delay(attempt)
    if spec.retry_condition is not None or spec.retry_jitter:
        draw = yield Consider(state)
        if draw is None:
            return None
        delay = spec.jittered(delay, draw)
    if delay:
        waiting = AwaitingRetry(
            message=state.message, details={"retry_in_seconds": delay}
        )
        yield Enter(waiting, attempt)
        yield Sleep(delay)
    return delay


def _state_after(spec: Spec, outcome: Returned | Raised) -> State:
    """Return the state that an attempt leads to."""
    if isinstance(outcome, Raised):
        return state_of_error(spec, outcome.error)
    state = state_of_value(outcome.value)
    if state.is_final():
        return state
    # No code of the run is left that could bring it to its end.
    what = f"{spec.kind.value.title()} run"
    message = f"{what} returned {state!r}, which is not a final state."
    return Failed(message=message, data=FailedRun(message))


def state_of_error(spec: Spec, error: BaseException) -> State:
    """Return the final state that an exception means.

    >>> from nborch.runs import RunKind
    >>> state_of_error(Spec(kind=RunKind.TASK, name="load"), ValueError("no rows"))
    Failed('Task run encountered an exception: ValueError: no rows')
    """
    what = f"{spec.kind.value.title()} run"
    if not isinstance(error, Exception):
        return _state_of_abort(error)
    if isinstance(error, CancelledRun):
        # In a thread it is raised as it is, without words.
        message = _told(error) if error.args else f"{what} was stopped while it ran."
        return Cancelled(message=message, data=error)
    if isinstance(error, CrashedRun):
        return Crashed(message=_told(error), data=error)
    if isinstance(error, RunTimedOut):
        # In a thread it is raised as it is, without words.
        message = str(error) or f"{what} was ended: a run around it took too long."
        return TimedOut(message=message, data=error)
    if isinstance(error, TimeoutError):
        message = f"{what} failed due to timeout: {error!r:.{LONGEST_MESSAGE}}"
        return TimedOut(message=message, data=error)
    message = f"{what} encountered an exception: {_told(error)}"
    return Failed(message=message, data=error)


def _state_of_abort(error: BaseException) -> State:
    """Return the final state of a run that something passes through to its end."""
    if isinstance(error, StoppedEarly):
        return Completed(name="StoppedEarly", message=str(error), data=error)
    if isinstance(error, CancelRequested):
        return Cancelled(message=str(error) or "It was cancelled.", data=error)
    # Ctrl-C, sys.exit(): nobody's fault, and not to be retried.
    message = f"Execution was aborted by {type(error).__name__}."
    return Crashed(message=message, data=error)


#: A message longer than this many characters is a payload, not a message.
LONGEST_MESSAGE = 10_000


def _told(error: BaseException) -> str:
    """Return the error in one line, even if it cannot tell itself."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  # a broken __str__ must not hide the failure
        text = "(its message cannot be shown)"
    text = text[:LONGEST_MESSAGE]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def state_of_value(value: Any) -> State:
    """Return the final state that a returned value means.

    A state that the user made stands for itself. States of other runs, one or a
    collection of nothing else, are completed if all of them are. Anything else is the
    result of a completed run.

    >>> state_of_value(42)
    Completed()
    >>> state_of_value([Completed(), Failed()])
    Failed('1/2 states failed.')
    """
    if isinstance(value, State):
        return value if value.run_id is None else _state_of_states([value], value)
    if is_state_iterable(value):
        return _state_of_states(list(value), value)
    return Completed(data=value)


def _state_of_states(states: Sequence[State], value: Any) -> State:
    bad = [state for state in states if not state.is_completed()]
    if not bad:
        return Completed(message="All states completed.", data=value)
    for ended in (StateType.CANCELLED, StateType.PAUSED):
        count = sum(state.type is ended for state in states)
        if count:
            message = f"{count}/{len(states)} states {ended.value.lower()}."
            return State(ended, message=message, data=value)
    return Failed(message=f"{len(bad)}/{len(states)} states failed.", data=value)
