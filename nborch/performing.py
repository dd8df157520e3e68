"""What both drivers do for a command, short of waiting for the user's code."""

import inspect
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from nborch import audience
from nborch.cancelling import cancelled
from nborch.context import RunContext, current_run, current_transaction
from nborch.deadlines import door, is_overdue
from nborch.events import run_created, state_entered
from nborch.exceptions import (
    CancelledRun,
    CancelRequested,
    NborchError,
    RunTimedOut,
)
from nborch.failures import with_failure
from nborch.frames import shown_briefly, users_lines, users_lines_only
from nborch.futures import Future
from nborch.lifecycle import (
    Acquire,
    Call,
    Command,
    Consider,
    Enter,
    Gather,
    Hit,
    Keep,
    Lookup,
    Occupy,
    Raised,
    Returned,
    Sleep,
    Steps,
    state_of_error,
)
from nborch.limits import Lease
from nborch.lineage import Lineage
from nborch.logs import announce, end_lines, run_logger, tell, tell_end
from nborch.results import Recall
from nborch.runs import RunKind
from nborch.settling import Settle, elsewhere, finished
from nborch.specs import Hook
from nborch.states import (
    Crashed,
    Pending,
    State,
    StateType,
    check_transition,
)

__all__ = [
    "OVERDUE",
    "TURN",
    "Arm",
    "Hands",
    "Needs",
    "Performer",
    "act",
    "called",
    "raised",
]

#: Seconds between two looks for something that another process will bring about.
TURN = 0.05
#: Seconds after which one looks, should one not have been woken.
OVERDUE = 1.0

_HOOK_OF = {
    StateType.RUNNING: "on_running",
    StateType.COMPLETED: "on_completion",
    StateType.FAILED: "on_failure",
    StateType.CRASHED: "on_crashed",
    StateType.CANCELLED: "on_cancellation",
}


#: Has its argument called when something happens in this process; says if it will.
Arm = Callable[[Callable[[], object]], bool]


class Hands(Protocol):
    """How a driver waits: for the user's code, for a time, for other runs."""

    @property
    def owner(self) -> object:
        """What would wait for itself if it asked again for what it holds."""
        ...

    @property
    def settle(self) -> Settle:
        """How what an async hook returns is awaited."""
        ...

    async def call(self) -> Returned | Raised:
        """Call the user's code."""
        ...

    def sleep(self, seconds: float) -> Awaitable[None]:
        """Wait so many seconds."""
        ...

    def until(self, futures: Sequence[Future[Any]]) -> Awaitable[None]:
        """Wait until all of the futures have ended."""
        ...

    def wait(self, arm: Arm) -> Awaitable[None]:
        """Wait until what was armed is called, or until it is time for a look."""
        ...


async def act(steps: Steps, performer: "Performer", hands: Hands) -> State:
    """Perform the steps of a run; return its last state.

    All drivers run this one coroutine; they differ in how they wait.
    """
    token = current_run.set(performer.context)
    answer: Any = None
    command: Command | None = None
    try:
        performer.start()
        while True:
            command = steps.send(answer)
            # The commands of every run, without a coroutine of their own: that would be
            # memory for each run that waits.
            if type(command) is Enter:
                hooks = performer.reach(command.state, command.attempt)
                if hooks:
                    await performer.call_hooks(hooks, hands.settle)
                answer = None
            elif type(command) is Call:
                answer = await hands.call()
            elif type(command) is Gather:
                answer = await performer.gather(hands)
            else:
                answer = await _perform(command, performer, hands)
    except StopIteration:
        # NB. An error's traceback may hold this frame, which must not hold the error.
        answer = command = None
        return performer.finish()
    except BaseException as error:  # noqa: BLE001  # raised again
        ended_by = cancelled(error)
        try:
            performer.abort(steps, ended_by)
            if ended_by is not error:
                raise ended_by from None
            raise
        finally:
            # NB. Else the error would hold itself by this frame.
            del ended_by
    finally:
        # A coroutine that nobody awaits to its end is closed in another context.
        with suppress(ValueError):
            current_run.reset(token)


async def _perform(command: Command, performer: "Performer", hands: Hands) -> Any:
    """Do what a command other than Enter and Call asks for; return the answer."""
    if isinstance(command, Lookup):
        return performer.lookup()
    if isinstance(command, Acquire):
        return await performer.acquire(hands)
    if isinstance(command, Keep):
        return performer.keep(command.value, command.seconds)
    if isinstance(command, Sleep):
        return await hands.sleep(command.seconds)
    if isinstance(command, Consider):
        return await performer.consider(command.state, hands.settle)
    if isinstance(command, Occupy):
        return await performer.occupy(hands, wait=command.wait)
    raise AssertionError(f"No driver knows the command {command!r}.")


def called(function: Callable[[], Any]) -> Returned | Raised:
    """Call the user's code here and now."""
    start = time.perf_counter()
    try:
        value = function()
    except BaseException as error:  # noqa: BLE001  # the lifecycle decides what it means
        return raised(cancelled(error))
    return Returned(value, time.perf_counter() - start)


def raised(error: BaseException) -> Raised:
    """Return the answer for an attempt that raised, with the user's frames only."""
    # Ctrl-C came from nowhere, and an error of ours says all there is to say.
    tells_all = isinstance(error, NborchError) or not isinstance(error, Exception)
    lines = users_lines_only if tells_all else users_lines
    error = error.with_traceback(lines(error.__traceback__))
    # Who has no time left has none for another attempt.
    return Raised(error, again=not is_overdue())


class Needs(Protocol):
    """What a call has to wait for before it can be made."""

    futures: Sequence[Future[Any]]

    def take(self) -> Exception | None:
        """Use the results; return why that cannot be, if a run failed."""
        ...

    def recall(self) -> Recall | None:
        """Return how earlier results of the call are found, if at all."""
        ...


class Performer:
    """Perform the commands of one run's lifecycle.

    Parameters
    ----------
    recall
        How earlier results are found, if the spec reuses any.
    needs
        What the call has to wait for, if anything.
    """

    def __init__(
        self,
        context: RunContext,
        recall: Recall | None = None,
        needs: Needs | None = None,
    ) -> None:
        self.context = context
        self.recall = recall
        self.needs = needs
        self._claims: ExitStack | None = None
        self._slots: Lease | None = None
        #: What is to be called at the end, for those who look on.
        self._onlookers: Sequence[Callable[[], object]] = ()

    def start(self) -> None:
        """Record that the run was made, and tell it of a flow."""
        context = self.context
        if context.spec.kind is RunKind.FLOW and not context.is_subflow:
            self._onlookers = audience.begins(context)
        context.record(run_created(context.run))
        if context.spec.kind is RunKind.FLOW and not context.spec.quiet:
            if context.is_subflow:
                announce(context, "Created subflow run for flow %r", context.run.of)
            else:
                message = "Created flow run %r for flow %r"
                announce(context, message, context.run.name, context.run.of)

    def enter(self, state: State, attempt: int) -> None:
        """Bring the run into `state`, and call the hooks."""
        hooks = self.reach(state, attempt)
        if hooks:
            finished(self.call_hooks(hooks, elsewhere))

    def reach(self, state: State, attempt: int) -> tuple[Hook, ...]:
        """Bring the run into `state`: check, record, tell; return the hooks of it."""
        context = self.context
        check_transition(context.state, state)
        if self._slots is not None and state.type is not StateType.RUNNING:
            self._vacate()
        state = state.stamped(datetime.now(UTC), context.run.id)
        if state.is_over():
            # Of many lines the last ones are held: they come before the end.
            end_lines(context)
        # NB. First: one who is interrupted in between must not think it recorded.
        entered = state_entered(context.run.id, state, attempt)
        context.record(
            with_failure(entered, state) if state.data is not None else entered
        )
        context.state, context.attempt = state, attempt
        self._tell(state)
        hooks = context.spec.hooks
        if (
            current_transaction.get() is not None
            or context.transaction is not None
            or (hooks and ("on_commit" in hooks or "on_rollback" in hooks))
        ):
            # Who needs no transactions need not load them (law 7).
            from nborch.transactions import follow

            follow(context, state)
        return hooks.get(_HOOK_OF.get(state.type, ""), ()) if hooks else ()

    async def call_hooks(self, hooks: tuple[Hook, ...], settle: Settle) -> None:
        """Call the hooks of the present state; what they raise changes nothing."""
        context = self.context
        state = context.state
        # What a hook has seen is on disk.
        context.home.recorder.flush()
        for hook in hooks:
            try:
                told = self._asked(hook, state)
                if inspect.iscoroutine(told):
                    await settle(told)
            except Exception:  # noqa: BLE001  # logged, with its traceback
                run_logger(context).exception(
                    "Hook %r raised", getattr(hook, "__name__", hook)
                )

    @door
    def _asked(self, function: Hook, state: State | None) -> object:
        """Return what a hook, or a condition, has to say."""
        return function(self.context.owner, _HookRun(self.context, state), state)

    async def gather(self, hands: Hands) -> Exception | None:
        """Wait for what the call needs; return why it cannot be made, if so."""
        needs = self.needs
        # Asked for nothing too: a submitted run waits for a worker.
        await hands.until(needs.futures if needs else ())
        if needs is None:
            return None
        missing = needs.take()
        if missing is None:
            self.recall = needs.recall()
        return missing

    async def occupy(self, hands: Hands, *, wait: bool) -> bool:
        """Take the slots that the run's tags ask for; return whether they are held."""
        limits, run = self.context.home.limits, self.context.run
        names = self.limits()
        if not names:
            return True
        holder = {"type": "task_run", "id": run.id}
        claim = limits.claim(names, holder=holder, owner=hands.owner)
        if not wait:
            self._slots = limits.acquire(claim)
            return self._slots is not None
        turn = limits.ask(claim)

        def arm(wake: Callable[[], object]) -> bool:
            turn.add_done_callback(lambda _: wake())
            return True

        try:
            while not turn.done():
                await hands.wait(arm)
            self._slots = turn.result()
        except BaseException:
            limits.withdraw(turn)
            raise
        return True

    def limits(self) -> tuple[str, ...]:
        """Return the concurrency limits of which the run has to hold a slot."""
        return self.context.home.limits.for_tags(self.context.run.tags)

    def _vacate(self) -> None:
        """Give the slots back."""
        slots, self._slots = self._slots, None
        if slots is not None:
            slots.release()

    async def consider(self, state: State, settle: Settle) -> float | None:
        """Ask the user's condition whether to try again; None if not."""
        context = self.context
        condition = context.spec.retry_condition
        if condition is not None:
            try:
                wanted = self._asked(condition, state)
                if inspect.iscoroutine(wanted):
                    wanted = await settle(wanted)
            except Exception:  # noqa: BLE001  # logged, with its traceback
                run_logger(context).exception(
                    "The retry condition raised, so there is no other attempt"
                )
                return None
            if not wanted:
                return None
        # NB. Not the generator that the user may have seeded.
        return random.SystemRandom().random()

    def lookup(self) -> Hit | None:
        """Return an earlier result, if there is one."""
        return self.recall.lookup() if self.recall else None

    async def acquire(self, hands: Hands) -> Hit | None:
        """Wait until this run is the one who computes the result.

        Returns the result if another run kept it meanwhile.
        """
        recall = self.recall
        if recall is None or recall.key is None or recall.key in self.context.held:
            # NB. A run above already computes this very key: waiting for it here
            # would be waiting for oneself.
            return None
        context = self.context
        self._claims = ExitStack()
        while not self._claims.enter_context(recall.claim(0)):
            self._claims.close()
            await hands.wait(partial(context.home.cache.watch, recall.key))
            # Without a claim: those who waited need not queue up for it.
            if not context.spec.refreshes and (hit := recall.lookup()):
                return hit
        context.held |= {recall.key}
        # Another may have kept it between our look and our claim.
        return None if context.spec.refreshes else recall.lookup()

    def keep(self, value: Any, seconds: float) -> dict[str, Any]:
        """Keep the value for later runs; return facts for the state."""
        return self.recall.keep(value, seconds) if self.recall else {}

    def finish(self) -> State:
        """Let others compute the result; return the final state."""
        self._release()
        context = self.context
        state = context.state
        if state is None:
            raise AssertionError("The run ended before it began.")
        end_lines(context)
        parent = context.parent
        if parent is not None and state.type is StateType.COMPLETED:
            if parent.lineage is None:
                parent.lineage = Lineage()
            parent.lineage.remember(state.data, context.run.id)
        if self._onlookers:
            self._dismiss()
        return state

    def abort(self, steps: Steps, error: BaseException) -> None:
        """End the run as Crashed: something other than the user's code raised."""
        steps.close()
        shown_briefly(error)
        self._release()
        state = self.context.state
        if state is None:
            # It was interrupted before its first state.
            self.enter(Pending(), 0)
        if state is None or not state.is_final():
            told = isinstance(error, CancelledRun | CancelRequested | RunTimedOut)
            message = f"Execution was aborted by {type(error).__name__}."
            ended = (
                state_of_error(self.context.spec, error)
                if told
                else Crashed(message=message, data=error)
            )
            self.enter(ended, self.context.attempt)
        end_lines(self.context)
        self._dismiss()

    def _dismiss(self) -> None:
        """Tell those who look on that the run has ended."""
        onlookers, self._onlookers = self._onlookers, ()
        for leave in onlookers:
            with suppress(Exception):  # the run has ended, whatever they make of it
                leave()

    def _release(self) -> None:
        self._vacate()
        if self._claims is not None:
            self._claims.close()

    def _tell(self, state: State) -> None:
        """Print the line for a state that people care about."""
        if self.context.spec.quiet:
            return
        if state.is_over():
            tell_end(self.context, state)
        elif "retry_in_seconds" in state.details:
            delay = state.details["retry_in_seconds"]
            tell(self.context, logging.INFO, "Retrying in %s seconds...", delay)


class _HookRun:
    """A run as hooks see it: its facts, and the state it has entered."""

    def __init__(self, context: RunContext, state: State | None) -> None:
        self.run = context.run
        self.state = state
        self.run_count = context.attempt

    def __getattr__(self, name: str) -> Any:
        return getattr(self.run, name)
