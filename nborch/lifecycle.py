"""The lifecycle of every run, as a generator of commands.

It decides and does nothing else: no I/O, no clock, no user code. A driver
(`nborch.blocking`, `nborch.awaiting`) performs each command and sends back what
came of it, so that sync and async runs cannot differ.

::

    Enter(Pending) ─ Lookup ─hit──────────────────────────────────► Enter(Cached)
                       │ miss
                     Acquire ─hit (another process was first)─────► Enter(Cached)
                       │
          ┌──► Enter(Running) ─ Call ─ returned ─ Keep ───────────► Enter(Completed)
          │                      │ raised
          └─ Sleep ─ Enter(AwaitingRetry) ◄─ retries left
                                 │ none left
                                 └────────────────────────────────► Enter(Failed)
"""

from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from typing import Any

from nborch.exceptions import CancelledRun, CrashedRun, FailedRun
from nborch.specs import Spec
from nborch.states import (
    AwaitingRetry,
    Cached,
    Cancelled,
    Completed,
    Crashed,
    Failed,
    Pending,
    Retrying,
    Running,
    State,
    StateType,
    TimedOut,
)

__all__ = [
    "Acquire",
    "Call",
    "Command",
    "Enter",
    "Hit",
    "Keep",
    "Lookup",
    "Raised",
    "Returned",
    "Sleep",
    "lifecycle",
    "state_of_value",
]


@dataclass(frozen=True, slots=True)
class Enter:
    """Command: the run enters a state."""

    state: State
    attempt: int


@dataclass(frozen=True, slots=True)
class Lookup:
    """Command: look for an earlier result. Answered with a `Hit` or None."""


@dataclass(frozen=True, slots=True)
class Acquire:
    """Command: become the only one who computes this result.

    Answered with a `Hit` if another process kept it meanwhile, else None.
    """


@dataclass(frozen=True, slots=True)
class Call:
    """Command: call the user's code. Answered with `Returned` or `Raised`."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Sleep:
    """Command: wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Keep:
    """Command: keep the value for later runs. Answered with facts for the state."""

    value: Any
    seconds: float


Command = Enter | Lookup | Acquire | Call | Sleep | Keep


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
    """Answer: the user's code returned a value after so many seconds."""

    value: Any
    seconds: float


@dataclass(frozen=True, slots=True)
class Raised:
    """Answer: the user's code raised."""

    error: BaseException


Steps = Generator[Command, Any, State]


def lifecycle(spec: Spec) -> Steps:
    """Yield what is to be done for a run of `spec`; return its final state.

    >>> from nborch.runs import RunKind
    >>> steps = lifecycle(Spec(kind=RunKind.TASK, name="load"))
    >>> next(steps).state, steps.send(None).state, steps.send(None)
    (Pending(), Running(), Call(attempt=1))
    """
    yield Enter(Pending(), 0)
    if spec.reuses:
        # A refresh looks at nothing but still computes alone and keeps the result.
        hit = None if spec.refreshes else (yield Lookup())
        hit = hit or (yield Acquire())
        if hit:
            state = Cached(data=hit.value, details=hit.details)
            yield Enter(state, 0)
            return state
    attempt = 1
    while True:
        yield Enter(Running() if attempt == 1 else Retrying(), attempt)
        outcome = yield Call(attempt)
        state = _state_after(spec, outcome)
        if state.type is StateType.FAILED and attempt <= spec.retries:
            delay = spec.delay(attempt)
            if delay:
                waiting = AwaitingRetry(
                    message=state.message, details={"retry_in_seconds": delay}
                )
                yield Enter(waiting, attempt)
                yield Sleep(delay)
            attempt += 1
            continue
        if spec.reuses and state.type is StateType.COMPLETED:
            # The state's data, so that a hit returns what this call returns.
            details = yield Keep(state.data, outcome.seconds)
            if details:
                state = replace(state, details={**state.details, **details})
        yield Enter(state, attempt)
        return state


def _state_after(spec: Spec, outcome: Returned | Raised) -> State:
    """Return the state that an attempt leads to."""
    what = f"{spec.kind.value.title()} run"
    if isinstance(outcome, Raised):
        return _state_of_error(what, outcome.error)
    state = state_of_value(outcome.value)
    if state.is_final():
        return state
    # No code of the run is left that could bring it to its end.
    message = f"{what} returned {state!r}, which is not a final state."
    return Failed(message=message, data=FailedRun(message))


def _state_of_error(what: str, error: BaseException) -> State:
    if not isinstance(error, Exception):
        # Ctrl-C, sys.exit(): nobody's fault, and not to be retried.
        message = f"Execution was aborted by {type(error).__name__}."
        return Crashed(message=message, data=error)
    if isinstance(error, CancelledRun):
        return Cancelled(message=_told(error), data=error)
    if isinstance(error, CrashedRun):
        return Crashed(message=_told(error), data=error)
    if isinstance(error, TimeoutError):
        message = f"{what} failed due to timeout: {_told(error)}"
        return TimedOut(message=message, data=error)
    message = f"{what} encountered an exception: {_told(error)}"
    return Failed(message=message, data=error)


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

    A state that the user made stands for itself; a collection of states is
    completed if all of them are; anything else is the result of a completed run.

    >>> state_of_value(42)
    Completed()
    >>> state_of_value([Completed(), Failed()])
    Failed('1/2 states failed.')
    """
    if isinstance(value, State):
        return value
    if isinstance(value, list | tuple | set | frozenset) and value:
        states = [item for item in value if isinstance(item, State)]
        if len(states) == len(value):
            return _state_of_states(states, value)
    return Completed(data=value)


def _state_of_states(states: Iterable[State], value: Any) -> State:
    states = list(states)
    bad = [state for state in states if not state.is_completed()]
    if not bad:
        return Completed(message="All states completed.", data=value)
    for ended in (StateType.CANCELLED, StateType.PAUSED):
        count = sum(state.type is ended for state in states)
        if count:
            message = f"{count}/{len(states)} states {ended.value.lower()}."
            return State(ended, message=message, data=value)
    return Failed(message=f"{len(bad)}/{len(states)} states failed.", data=value)
