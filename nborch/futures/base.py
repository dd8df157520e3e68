"""The future of one task run: what it will have come to."""

import logging
import os
import threading
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Generic, TypeVar

from nborch.frames import raises_again
from nborch.futures.slots import stepped_aside, waited
from nborch.kernels import wake_on_signals
from nborch.latches import Latch
from nborch.showing import of_future
from nborch.states import Pending, State

__all__ = ["Future", "ended"]

R = TypeVar("R")

# One lock for all: it is held for the moment of a hand-over only.
_handing_over = threading.Lock()


def _renew_in_child() -> None:
    # Another thread of the parent may have held it while this one forked.
    global _handing_over  # noqa: PLW0603  # one for the process
    _handing_over = threading.Lock()


os.register_at_fork(after_in_child=_renew_in_child)


class Future(Generic[R]):
    """The result of a task run that may still be going on.

    Get one from ``task.submit(...)``; ``await future`` works as well as
    ``future.result()``.

    Attributes
    ----------
    task_run_id
        The id of the run.
    name
        The name of the run.
    """

    __slots__ = (
        "__weakref__",
        "_callbacks",
        "_observed",
        "_peek",
        "_state",
        "_write_down",
        "name",
        "task_run_id",
    )

    def __init__(
        self,
        task_run_id: str,
        name: str,
        peek: Callable[[], State | None],
        write_down: Callable[[], object] | None = None,
    ) -> None:
        self.task_run_id = task_run_id
        self.name = name
        self._peek: Callable[[], State | None] | None = peek
        self._state: State | None = None
        self._callbacks: list[Callable[[Future[R]], object]] | None = None
        self._observed = False
        #: Has on disk what the future tells, where no other run waits for it.
        self._write_down = write_down

    @property
    def state(self) -> State:
        """Where the run stands now."""
        ended = self._state
        if ended is not None:
            self._observed = True
            return ended
        peek = self._peek
        # Between the two looks it may have ended.
        return (peek and peek()) or self._state or Pending()

    def done(self) -> bool:
        """Tell whether the run has ended."""
        return self._state is not None

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the run has ended, or `timeout` seconds are over."""
        __tracebackhide__ = True  # IPython and pytest show the user's lines
        if self._state is None:
            ended = Latch()

            def tell(_: object) -> None:
                ended.open()

            self.on_end(tell)
            if not waited(ended, timeout):
                # Who looks again and again must not leave something behind each time.
                self.off_end(tell)
                return
        if self._write_down is not None:
            self._write_down()
            self._write_down = None

    @raises_again
    def result(
        self,
        timeout: float | None = None,
        raise_on_failure: bool = True,  # noqa: FBT001, FBT002  # as in Prefect
    ) -> R:
        """Return what the run returned.

        Parameters
        ----------
        timeout
            Seconds to wait at most; for ever if not given.
        raise_on_failure
            Raise the exception of a failed run; otherwise return it.

        Raises
        ------
        TimeoutError
            The run has not ended in time.
        UnfinishedRun
            The run will never run, because another failed that it needs.
        """
        __tracebackhide__ = True
        self.wait(timeout)
        state = self._state
        if state is None:
            raise TimeoutError(
                f"Task run {self.name!r} did not end within {timeout} seconds. "
                "It goes on; ask again later or with a longer timeout."
            )
        self._observed = True
        if raise_on_failure and state.is_final() and not state.is_completed():
            # Here and no deeper: a frame of ours is two more lines in the traceback.
            raise state.raisable()
        return state.result(raise_on_failure=raise_on_failure)  # type: ignore[no-any-return]  # as submitted

    def add_done_callback(self, fn: Callable[["Future[R]"], object]) -> None:
        """Call ``fn(future)`` when the run has ended; at once if it has.

        It is called in the thread in which the run has ended, so it should be short.
        What it raises is logged.
        """
        self.on_end(partial(_call_back, fn))

    def on_end(self, fn: Callable[["Future[R]"], object]) -> None:
        """Call a function that does not raise when the run has ended.

        For the engine: others wait for the run too, and what one raises would be
        raised in between.
        """
        with _handing_over:
            if self._state is None:
                if self._callbacks is None:
                    self._callbacks = []
                self._callbacks.append(fn)
                return
        fn(self)

    def off_end(self, fn: Callable[["Future[R]"], object]) -> None:
        """Do not call the function any more that was given to `on_end`."""
        with _handing_over:
            if self._callbacks is not None and fn in self._callbacks:
                self._callbacks.remove(fn)

    def end(self, state: State) -> None:
        """Take the run's last state; for the engine."""
        with _handing_over:
            if self._state is not None:
                return
            self._state = state
            callbacks, self._callbacks, self._peek = self._callbacks, None, None
        for callback in callbacks or ():
            callback(self)

    def peeked(self) -> State | None:
        """Return the last state without counting as one who asked; for the engine."""
        return self._state

    def observe(self) -> None:
        """Note that somebody sees to it should the run have failed."""
        self._observed = True

    @property
    def observed(self) -> bool:
        """Whether somebody has asked how the run ended."""
        return self._observed

    def __await__(self) -> Generator[Any, Any, R]:
        __tracebackhide__ = True
        yield from ended(self).__await__()
        return self.result()

    def __reduce__(self) -> tuple[Any, ...]:
        # It travels to other processes as what it has come to.
        self.wait()
        return _ended, (self.task_run_id, self.name, self.state)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        # To be looked at is not to be asked how it ended.
        state = self.peeked() or (self._peek and self._peek()) or Pending()
        return of_future(self.name, (state.type, state.name), state.message)

    def __repr__(self) -> str:
        return f"<Future of {self.name!r}: {self._state or self.state!r}>"


async def ended(future: Future[Any]) -> None:
    """Wait in the event loop until the run has ended."""
    if future.done():
        return
    # Who awaits has loaded it long before.
    import asyncio

    loop = asyncio.get_running_loop()
    wake_on_signals(loop)
    told = loop.create_future()

    def tell(_: object) -> None:
        # The loop may be gone, and what waited in it cancelled.
        if not loop.is_closed():
            loop.call_soon_threadsafe(_set, told)

    future.on_end(tell)
    try:
        # An async task gives its place back while it awaits another.
        with stepped_aside():
            await told
    except BaseException:
        future.off_end(tell)
        raise


def _call_back(fn: Callable[[Future[R]], object], future: Future[R]) -> None:
    """Call a function of the user's."""
    try:
        fn(future)
    except (Exception, SystemExit):
        logging.getLogger("nborch.engine").exception(
            "The callback %r of %r raised", fn, future
        )


def _set(told: Any) -> None:
    if not told.done():
        told.set_result(None)


def _ended(task_run_id: str, name: str, state: State) -> Future[Any]:
    future: Future[Any] = Future(task_run_id, name, lambda: None)
    future.end(state)
    return future
