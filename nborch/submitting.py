"""The driver for submitted runs: performs a lifecycle in the workers of a task runner.

A run waits (for what it needs, for its retry, for a concurrency slot) without holding
a worker: what it waits for puts its next stretch into the runner's queue.
"""

import atexit
import os
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from typing import Any

from nborch.awaiting import Awaiting
from nborch.blocking import Blocking
from nborch.context import RunContext
from nborch.exceptions import CancelledRun
from nborch.futures import Future, ended, slot, wait
from nborch.lifecycle import Steps, state_of_error
from nborch.performing import OVERDUE, TURN, Arm, Hands, Performer, act
from nborch.states import State
from nborch.task_runners.base import TaskRunner
from nborch.task_runners.threads import ThreadPoolTaskRunner
from nborch.timers import call_later, interrupt

__all__ = ["Submissions", "submissions_of"]

#: Seconds that interrupted task runs are waited for at the end of a flow.
PATIENCE = 2.0


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


async def _until_ended(futures: Sequence[Future[Any]]) -> None:
    await _Park(partial(_when_ended, futures))


class _Parking(Blocking):
    """Wait without a worker."""

    __slots__ = ()

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds."""
        await _Park(partial(call_later, seconds))

    async def until(self, futures: Sequence[Future[Any]]) -> None:
        """Wait until all of the futures have ended."""
        await _until_ended(futures)

    async def wait(self, arm: Arm) -> None:
        """Wait until what was armed is called, or until it is time for a look."""
        await _Park(partial(_once_called, arm))


def _once_called(arm: Arm, go_on: Callable[[], None]) -> None:
    """Call `go_on` once: when what was armed is called, or when it is time."""
    once = [go_on]

    def called() -> None:
        # NB. pop() lets one of the two through.
        with suppress(IndexError):
            once.pop()()

    call_later(OVERDUE if arm(called) else TURN, called)


class _ParkingFirst(Awaiting):
    """Wait without a worker for what the call needs, then in an event loop."""

    __slots__ = ()

    async def until(self, futures: Sequence[Future[Any]]) -> None:
        """Wait until all of the futures have ended."""
        await _until_ended(futures)


class _Resumed:
    """Awaits the rest of a coroutine that has been started."""

    __slots__ = ("coroutine",)

    def __init__(self, coroutine: Any) -> None:
        self.coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, State]:
        return self.coroutine.__await__()  # type: ignore[no-any-return]  # it is one


async def _rest(coroutine: Any) -> State:
    return await _Resumed(coroutine)


class _Submission:
    """One submitted run, pushed on from wait to wait."""

    __slots__ = (
        "_around",
        "_coroutine",
        "_group",
        "_is_async",
        "_is_parked",
        "_thread",
        "future",
        "performer",
    )

    def __init__(
        self,
        group: "Submissions",
        coroutine: Any,
        performer: Performer,
        *,
        is_async: bool,
    ) -> None:
        run = performer.context.run
        self.performer = performer
        self.future: Future[Any] = Future(
            run.id, run.name, lambda: performer.context.state
        )
        self._group = group
        self._coroutine = coroutine
        self._is_async = is_async
        # Of its own: what the run prints and sets belongs where it was submitted.
        self._around: Context = copy_context()
        self._around.run(slot.set, group.runner)
        self._is_parked = False
        self._thread: int | None = None

    def begin(self) -> None:
        """Bring the run to its first wait, here; from there on workers push it."""
        self._step(self._coroutine.send)

    def _resume(self) -> None:
        self._group.runner.start(self._push)

    def _push(self) -> None:
        """Do the next stretch of the run, in a worker."""
        with self._group.lock:
            if not self._is_parked:
                return  # cancelled meanwhile
            self._is_parked = False
            self._thread = threading.get_ident()
        self._step(self._in_a_loop if self._is_async else self._coroutine.send)

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
                self._thread = None
            park.arrange(self._resume)

    def _in_a_loop(self, _: None) -> None:
        import asyncio

        # As the coroutine itself would tell that it has ended.
        raise StopIteration(asyncio.run(_rest(self._coroutine)))

    def _end(self, state: State) -> None:
        self._group.forget(self)
        # Let go of the arguments: the future may be kept much longer.
        del self._coroutine, self._around
        self.future.end(state)

    def cancel(self, error: BaseException) -> bool:
        """End the run if it has no worker now; tell whether it had none."""
        with self._group.lock:
            if not self._is_parked:
                return False
            self._is_parked = False
        self._step(partial(_thrown, self._coroutine, error))
        return True

    def interrupt(self) -> None:
        """Have the run's code end at the next line of Python that it executes."""
        if self._thread is not None:
            interrupt(self._thread, CancelledRun)


def _thrown(coroutine: Any, error: BaseException, _: None) -> Any:
    return coroutine.throw(error)


class Submissions:
    """The task runs submitted within one flow run, and the workers that run them.

    Parameters
    ----------
    runner
        A runner for these alone, or for all that belong to no flow.
    """

    def __init__(self, runner: TaskRunner) -> None:
        self.runner = runner
        self.lock = threading.Lock()
        self._none_left = threading.Condition(self.lock)
        self._live: set[_Submission] = set()
        self._count = 0
        self._failed: list[Future[Any]] = []

    def submit(
        self,
        steps: Steps,
        performer: Performer,
        function: Callable[[], Any],
        *,
        is_async: bool,
    ) -> Future[Any]:
        """Perform the steps in the runner's workers; return the run's future."""
        hands: Hands = (_ParkingFirst if is_async else _Parking)(function)
        submission = _Submission(
            self, act(steps, performer, hands), performer, is_async=is_async
        )
        future = submission.future
        with self.lock:
            self._live.add(submission)
            self._count += 1
        submission.begin()
        return future

    def forget(self, submission: _Submission) -> None:
        """Take note that a run has ended."""
        state = submission.performer.context.state
        with self.lock:
            self._live.discard(submission)
            if state is None or not state.is_completed():
                self._failed.append(submission.future)
            if not self._live:
                self._none_left.notify_all()

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

    def end_early(self, error: BaseException) -> None:
        """End the runs that have not begun, since the flow has ended by `error`.

        Those that have are waited for; if somebody stops the program, they are
        interrupted and waited for only so long.
        """
        with self.lock:
            live = list(self._live)
        message = "The flow run ended before this task run began."
        begun = [s for s in live if not s.cancel(CancelledRun(message))]
        if isinstance(error, Exception):
            self.wait()
            return
        for submission in begun:
            submission.interrupt()
        deadline = time.monotonic() + PATIENCE
        with self._none_left:
            self._none_left.wait_for(
                lambda: not self._live, max(0.0, deadline - time.monotonic())
            )

    def close(self) -> None:
        """End the workers."""
        self.runner.close()

    def unobserved(self) -> tuple[list[Future[Any]], int]:
        """Return the runs that failed without anybody asking, and how many were made.

        Call it when every run has ended.
        """
        return [each for each in self._failed if not each.observed], self._count


_outside: Submissions | None = None
_lock = threading.Lock()


def _outside_flows() -> Submissions:
    """Return the submissions of this process that belong to no flow run of its own."""
    global _outside  # noqa: PLW0603  # one for the process
    with _lock:
        if _outside is None:
            _outside = Submissions(ThreadPoolTaskRunner())
        return _outside


def submissions_of(context: RunContext | None) -> Submissions:
    """Return the submissions that a task run made within `context` belongs to."""
    flow_run = context and context.flow_run
    # Who runs a flow otherwise than by calling it waits for nothing at its end.
    owner = flow_run and flow_run.owner
    runner: TaskRunner | None = getattr(owner, "task_runner", None)
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


@atexit.register
def _wait_at_exit() -> None:
    # Whoever submits a task wants it done, as with any pool of threads.
    if _outside is not None:
        _outside.wait()


def _renew_in_child() -> None:
    global _outside, _lock  # its threads are the parent's
    _outside, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_renew_in_child)
