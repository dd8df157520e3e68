"""The driver for submitted runs: performs a lifecycle in the workers of a task runner.

A run waits (for what it needs, for its retry, for a concurrency slot) without holding
a worker: what it waits for puts its next stretch into the runner's queue.
"""

import os
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import replace
from functools import partial
from math import inf
from typing import Any

from nborch.deadlines import deadline
from nborch.exceptions import CancelledRun, CrashedRun, InvalidTransition
from nborch.futures import Future, ended, slot, wait
from nborch.latches import Latch
from nborch.lifecycle import Steps, state_of_error
from nborch.parking import Looping, Park, Parking, Seat
from nborch.performing import Performer, act
from nborch.states import Cancelled, State
from nborch.task_runners.base import TaskRunner

__all__ = ["Submissions"]

#: Seconds that task runs are waited for which have been told to stop. Whoever pressed
#: Ctrl-C wants an answer within one.
PATIENCE = 0.75


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
        hands: Parking,
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
        self._seat = Seat(group.runner, group.lock)
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
            park: Park = self._around.run(push, None)
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
        hands = (Looping if is_async else Parking)(function)
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
        if not self._is_patient(error, at_once=at_once):
            self._stop(error)
            return
        try:
            self._cancel_waiting()
            self.wait()
        except BaseException as other:
            self._stop(other)
            raise

    async def end_early_async(
        self, error: BaseException, *, at_once: bool = False
    ) -> None:
        """Do what `end_early` does, but wait in the event loop for what has begun."""
        if not self._is_patient(error, at_once=at_once):
            self._stop(error)
            return
        try:
            self._cancel_waiting()
            await self.wait_async()
        except BaseException as other:
            self._stop(other)
            raise

    @staticmethod
    def _is_patient(error: BaseException, *, at_once: bool) -> bool:
        """Tell whether what has begun is waited for."""
        return not (at_once or _is_abort(error) or isinstance(error, CancelledRun))

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


def _leave_to_parent() -> None:
    for submissions in _all:
        submissions.leave_to_parent()


os.register_at_fork(after_in_child=_leave_to_parent)
