"""The driver for submitted runs: performs a lifecycle in the workers of a task runner.

A run waits (for what it needs, for its retry, for a concurrency slot) without holding
a worker: what it waits for puts its next stretch into the runner's queue.
"""

import atexit
import os
import sys
import threading
import weakref
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any

from nborch.awaiting import Awaiting
from nborch.context import RunContext
from nborch.deadlines import deadline
from nborch.exceptions import CancelledRun, CrashedRun, InvalidTransition
from nborch.futures import Future, ended, slot, wait
from nborch.kernels import is_kernel
from nborch.latches import Latch
from nborch.lifecycle import Raised, Returned, Steps, state_of_error
from nborch.performing import OVERDUE, TURN, Arm, Performer, act, called
from nborch.settling import Settle, elsewhere
from nborch.states import Cancelled, State
from nborch.task_runners.base import TaskRunner
from nborch.task_runners.threads import ThreadPoolTaskRunner
from nborch.timers import call_later, interrupt

__all__ = ["Submissions", "submissions_of"]

#: Seconds that task runs are waited for which have been told to stop. Whoever pressed
#: Ctrl-C wants an answer within one.
PATIENCE = 0.75


class _Park:
    """What a run awaits in order to wait without a worker."""

    __slots__ = ("arrange",)

    def __init__(self, arrange: Callable[[Callable[[], None]], None]) -> None:
        #: Sees to it that its argument is called when the run can go on.
        self.arrange = arrange

    def __await__(self) -> Generator["_Park", None, None]:
        yield self


def _when_ended(futures: Sequence[Future[Any]], go_on: Callable[[], None]) -> None:
    """Call `go_on` once all of the futures have ended."""
    if not futures:
        go_on()
        return
    if len(futures) == 1:
        futures[0].on_end(lambda _: go_on())
        return
    # NB. Counted by pop(), which no two threads can do to one item.
    left = list(futures)

    def count(_: object) -> None:
        try:
            left.pop()
        except IndexError:
            go_on()

    for future in futures:
        future.on_end(count)
    count(None)


class _Parking:
    """Wait without a worker."""

    __slots__ = ("_is_stopped", "_thread", "function")

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self._is_stopped = False
        self._thread: int | None = None

    @property
    def owner(self) -> object:
        """Nothing: the run goes on in one thread and another."""
        return None

    @property
    def settle(self) -> Settle:
        """Await in a loop of its own."""
        return elsewhere

    async def call(self) -> Returned | Raised:
        """Call the user's function."""
        # NB. First: either `stop` sees the thread, or this sees that it was stopped.
        self._thread = threading.get_ident()
        try:
            return _stopped() if self._is_stopped else self._called()
        finally:
            self._thread = None

    def _called(self) -> Returned | Raised:
        return called(self.function)

    # Awaitable, but no coroutines: each would be memory for a run that waits.

    def sleep(self, seconds: float) -> _Park:
        """Wait so many seconds."""
        return _Park(partial(call_later, seconds))

    def until(self, futures: Sequence[Future[Any]]) -> _Park:
        """Wait until all of the futures have ended."""
        return _Park(partial(_when_ended, futures))

    def wait(self, arm: Arm) -> _Park:
        """Wait until what was armed is called, or until it is time for a look."""
        return _Park(partial(_once_called, arm))

    def stop(self) -> None:
        """Have the user's code end at the next line of Python that it executes."""
        self._is_stopped = True
        if self._thread is not None:
            self._interrupt(self._thread)

    def _interrupt(self, thread: int) -> None:
        interrupt(thread, CancelledRun)


class _Looping(_Parking):
    """Call an async function in an event loop of its own."""

    __slots__ = ("_cancel",)

    def __init__(self, function: Callable[[], Any]) -> None:
        super().__init__(function)
        self._cancel: Callable[[], object] | None = None

    def _called(self) -> Returned | Raised:
        import asyncio

        # Within a worker: no loop runs in this thread.
        return asyncio.run(self._awaited())

    async def _awaited(self) -> Returned | Raised:
        import asyncio

        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is not None:
            self._cancel = partial(loop.call_soon_threadsafe, task.cancel)
        outcome = await Awaiting(self.function).call()
        self._cancel = None
        if (
            self._is_stopped
            and isinstance(outcome, Raised)
            and isinstance(outcome.error, asyncio.CancelledError)
        ):
            return _stopped()
        return outcome

    def _interrupt(self, thread: int) -> None:
        cancel = self._cancel
        if cancel is not None:
            # A loop that has just closed has nothing left to be cancelled.
            with suppress(RuntimeError):
                cancel()
        # In code that never comes back to the loop.
        super()._interrupt(thread)


def _stopped() -> Raised:
    return Raised(CancelledRun("The run was stopped while it ran."))


def _once_called(arm: Arm, go_on: Callable[[], None]) -> None:
    """Call `go_on` once: when what was armed is called, or when it is time."""
    once = [go_on]

    def tell() -> None:
        # NB. pop() lets one of the two through.
        with suppress(IndexError):
            once.pop()()

    call_later(OVERDUE if arm(tell) else TURN, tell)


class _Seat:
    """A run's place in the runner, which it gives back while it waits.

    Threads and coroutines of one run may wait at the same time; there is one place.
    """

    __slots__ = ("_is_away", "_is_taken", "_lock", "_runner", "_waiting")

    def __init__(self, runner: TaskRunner, lock: threading.Lock) -> None:
        self._runner = runner
        self._lock = lock
        self._waiting = 0
        self._is_taken = False
        self._is_away = False

    def take(self) -> None:
        """Note that a worker has begun with the run."""
        self._is_taken = True

    def leave(self) -> None:
        """Let another run work."""
        with self._lock:
            self._waiting += 1
            if self._is_away or not self._is_taken:
                return
            self._is_away = True
        self._runner.leave()

    def enter(self) -> None:
        """Wait until the run may work again, if nothing in it waits any more."""
        with self._lock:
            self._waiting -= 1
            if self._waiting or not self._is_away:
                return
            self._is_away = False
        self._runner.enter()

    def give_up(self) -> None:
        """Note that the worker is done with the run for now."""
        self._is_taken = False
        if self._is_away:
            # A thread that the run has left behind waits on: the place is the
            # worker's again.
            with self._lock:
                was_away, self._is_away = self._is_away, False
            if was_away:
                self._runner.enter()


class _Submission:
    """One submitted run, pushed on from wait to wait."""

    __slots__ = (
        "_around",
        "_coroutine",
        "_group",
        "_hands",
        "_is_parked",
        "_seat",
        "future",
        "performer",
    )

    def __init__(
        self,
        group: "Submissions",
        coroutine: Any,
        performer: Performer,
        hands: _Parking,
    ) -> None:
        context = performer.context
        run = context.run
        self.performer = performer
        self.future: Future[Any] = Future(
            run.id,
            run.name,
            lambda: performer.context.state,
            context.home.recorder.flush if context.is_outermost else None,
        )
        self._group = group
        self._coroutine = coroutine
        self._hands = hands
        self._seat = _Seat(group.runner, group.lock)
        # Of its own: what the run prints and sets belongs where it was submitted.
        self._around: Context = copy_context()
        self._around.run(slot.set, self._seat)
        if deadline.get() != inf:
            # It may outlive who submitted it; a flow stops what it must not.
            self._around.run(deadline.set, inf)
        self._is_parked = False

    def begin(self) -> None:
        """Bring the run to its first wait, here; from there on workers push it."""
        self._step(self._coroutine.send)
        state = self.future.peeked()
        if state is not None and _is_abort(state.data):
            # Ctrl-C came while the run was made: it is meant for the caller.
            raise state.data

    def _resume(self) -> None:
        try:
            self._group.runner.start(self._push)
        except RuntimeError as error:
            # No thread can be started: the system has no more, or Python is ending.
            self.cancel(CrashedRun(f"There is no worker for the run: {error}."))

    def _push(self) -> None:
        """Do the next stretch of the run, in a worker."""
        with self._group.lock:
            if not self.take_out():
                return  # cancelled meanwhile
        self._step(self._worked)

    def _worked(self, _: None) -> Any:
        seat = self._seat
        seat.take()
        try:
            return self._coroutine.send(None)
        finally:
            # NB. Here: once it is parked, another worker may have begun with it.
            seat.give_up()

    def _step(self, push: Callable[[Any], Any]) -> None:
        try:
            park: _Park = self._around.run(push, None)
        except StopIteration as end:
            self._end(end.value)
        except BaseException as error:  # noqa: BLE001  # told by the state
            context = self.performer.context
            state = context.state
            if state is None or not state.is_final():
                state = state_of_error(context.spec, error)
            self._end(state)
        else:
            with self._group.lock:
                self._is_parked = True
            park.arrange(self._resume)

    def _end(self, state: State) -> None:
        if self._group.forget(self, state):
            self.future.end(state)
        # Let go of the arguments: a timer may hold this for long.
        del self._coroutine, self._around, self._hands, self.performer

    def cancel(self, error: BaseException) -> bool:
        """End the run if it has no worker now; tell whether it had none."""
        with self._group.lock:
            if not self.take_out():
                return False
        self.throw(error)
        return True

    def take_out(self) -> bool:
        """Keep workers from it if it has none now; tell if so. The lock is held."""
        is_parked, self._is_parked = self._is_parked, False
        return is_parked

    def put_back(self) -> None:
        """Let it be taken out again, if it was and has not ended. The lock is held."""
        self._is_parked = self in self._group

    def throw(self, error: BaseException) -> None:
        """End the run, which has been taken out."""
        self._step(partial(_thrown, self._coroutine, error))

    def stop(self) -> None:
        """Have the run's code end at the next line of Python that it executes."""
        # It may end at any time in its worker, and let go of these.
        with suppress(AttributeError):
            self._hands.stop()

    def abandon(self, message: str) -> None:
        """End the run though its code goes on; what that comes to is dropped."""
        with suppress(AttributeError, InvalidTransition):
            performer = self.performer
            state = Cancelled(message=message, data=CancelledRun(message))
            performer.enter(state, performer.context.attempt)
            state = performer.context.state or state
            if self._group.forget(self, state):
                self.future.end(state)


def _thrown(coroutine: Any, error: BaseException, _: None) -> Any:
    return coroutine.throw(error)


def _is_abort(error: object) -> bool:
    """Tell whether it is Ctrl-C or the like, and no failure."""
    return isinstance(error, BaseException) and not isinstance(error, Exception)


class Submissions:
    """The task runs submitted within one flow run, and the workers that run them.

    Parameters
    ----------
    runner
        A runner for these alone.
    remembers
        Whether somebody will ask for the runs that failed.
    """

    def __init__(self, runner: TaskRunner, *, remembers: bool = True) -> None:
        self.runner = runner
        self._remembers = remembers
        self._failed: list[Future[Any]] = []
        self._count = 0
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        self.lock = threading.Lock()
        self._live: set[_Submission] = set()
        #: Opened when no run is left, if somebody waits for that.
        self._none_left: Latch | None = None

    def submit(
        self,
        steps: Steps,
        performer: Performer,
        function: Callable[[], Any],
        *,
        is_async: bool,
    ) -> Future[Any]:
        """Perform the steps in the runner's workers; return the run's future."""
        hands = (_Looping if is_async else _Parking)(function)
        submission = _Submission(self, act(steps, performer, hands), performer, hands)
        future = submission.future
        with self.lock:
            self._live.add(submission)
            self._count += 1
        submission.begin()
        return future

    def forget(self, submission: _Submission, state: State) -> bool:
        """Take note that a run has ended; tell whether that is news."""
        with self.lock:
            if submission not in self._live:
                return False
            self._live.discard(submission)
            if self._remembers and not state.is_completed():
                self._failed.append(submission.future)
            if not self._live and self._none_left is not None:
                self._none_left.open()
        return True

    def __contains__(self, submission: _Submission) -> bool:
        return submission in self._live

    def wait(self) -> None:
        """Wait until every run has ended."""
        while live := self._futures():
            wait(live)

    async def wait_async(self) -> None:
        """Wait in the event loop until every run has ended."""
        while live := self._futures():
            for future in live:
                await ended(future)

    def _futures(self) -> list[Future[Any]]:
        with self.lock:
            return [submission.future for submission in self._live]

    def end_early(self, error: BaseException, *, at_once: bool = False) -> None:
        """End the runs that have not begun, since the flow has ended by `error`.

        Those that have are waited for. If somebody stops the program or the flow, they
        are told to stop and waited for only so long.

        Parameters
        ----------
        at_once
            Do not wait, whatever the error is.
        """
        try:
            self._cancel_waiting()
            if not (_is_abort(error) or isinstance(error, CancelledRun) or at_once):
                self.wait()
                return
        except BaseException as other:
            self._stop(other)
            raise
        self._stop(error)

    async def end_early_async(
        self, error: BaseException, *, at_once: bool = False
    ) -> None:
        """Do what `end_early` does, but wait in the event loop for what has begun."""
        if not (_is_abort(error) or isinstance(error, CancelledRun) or at_once):
            self._cancel_waiting()
            try:
                await self.wait_async()
            except BaseException as other:
                self.end_early(other, at_once=True)
                raise
        self.end_early(error, at_once=True)

    def _cancel_waiting(self) -> None:
        """End the runs that no worker has now."""
        with self.lock:
            # NB. All at once: what one of them holds must not let another one begin.
            waiting = [each for each in self._live if each.take_out()]
        error = CancelledRun("The flow run ended before it was this task run's turn.")
        try:
            while waiting:
                waiting[-1].throw(error)
                waiting.pop()
        except BaseException:
            with self.lock:
                for submission in waiting:
                    submission.put_back()
            raise

    def _stop(self, error: BaseException) -> None:
        """Stop the runs that have begun; go on without those that do not obey."""
        try:
            self._cancel_waiting()
            for submission in self._submissions():
                submission.stop()
            self._none_left = none_left = Latch()
            if self._live:
                none_left.wait(PATIENCE)
        finally:
            # Also of who presses Ctrl-C again, and does not want to wait.
            self._abandon(
                f"The flow run was ended by {type(error).__name__}. This task run did "
                f"not stop within {PATIENCE:g} seconds, so its code goes on without it."
            )

    def _abandon(self, message: str) -> None:
        for submission in self._submissions():
            submission.abandon(message)

    def _submissions(self) -> list[_Submission]:
        with self.lock:
            return list(self._live)

    def close(self) -> None:
        """End the workers."""
        self.runner.close()

    def unobserved(self) -> tuple[list[Future[Any]], int]:
        """Return the runs that failed without anybody asking, and how many were made.

        Call it when every run has ended.
        """
        return [each for each in self._failed if not each.observed], self._count

    def leave_to_parent(self) -> None:
        """In a forked child: start empty, for the runs are the parent's."""
        for submission in self._live:
            # NB. When they are freed here they end, of which nobody is to hear.
            with suppress(AttributeError):
                context = submission.performer.context
                context.sink = _to_nobody
                context.spec = replace(context.spec, quiet=True)
        self._reset()


def _to_nobody(_event: object) -> None:
    pass


_all: weakref.WeakSet[Submissions] = weakref.WeakSet()
_outside: Submissions | None = None
_lock = threading.Lock()


def _outside_flows() -> Submissions:
    """Return the submissions of this process that belong to no flow run of its own."""
    global _outside  # noqa: PLW0603  # one for the process
    with _lock:
        if _outside is None:
            _outside = Submissions(ThreadPoolTaskRunner(), remembers=False)
        return _outside


def submissions_of(context: RunContext | None) -> Submissions:
    """Return the submissions that a task run made within `context` belongs to."""
    flow_run = context and context.flow_run
    # Who runs a flow otherwise than by calling it waits for nothing at its end.
    runner: TaskRunner | None = getattr(
        flow_run and flow_run.owner, "task_runner", None
    )
    if flow_run is None or runner is None or _is_over(flow_run):
        return _outside_flows()
    if flow_run.submissions is None:
        with _lock:
            if flow_run.submissions is None:
                flow_run.submissions = Submissions(runner.duplicate())
    submissions: Submissions = flow_run.submissions
    return submissions


def _is_over(flow_run: RunContext) -> bool:
    return flow_run.state is not None and flow_run.state.is_final()


def _wait_at_exit() -> None:
    """Wait for what was submitted outside flows, as any pool of threads does."""
    # Who restarts a kernel wants to wait for nothing: its runs are found as Crashed.
    if _outside is None or is_kernel():
        return
    # What ended the program, if an exception did.
    stopped = getattr(sys, "last_value", None)
    if not isinstance(stopped, KeyboardInterrupt):
        try:
            _outside.wait()
        except KeyboardInterrupt as error:
            stopped = error
        else:
            return
    _outside.end_early(stopped)


# NB. Python's own function for this is not public, but since 3.12 the public one comes
# too late: no thread can be started any more. The public one is for what the program's
# other threads have submitted since.
getattr(threading, "_register_atexit", atexit.register)(_wait_at_exit)
atexit.register(_wait_at_exit)


def _renew_in_child() -> None:
    global _outside, _lock  # its threads are the parent's
    _outside, _lock = None, threading.Lock()
    for submissions in _all:
        submissions.leave_to_parent()


os.register_at_fork(after_in_child=_renew_in_child)
