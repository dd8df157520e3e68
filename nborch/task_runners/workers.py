"""Worker processes that call functions, and outlive what the functions do."""

import os
import signal
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Self

from nborch.exceptions import CancelledRun, CrashedRun, RunTimedOut
from nborch.task_runners.calls import name_of, outcome, pack
from nborch.task_runners.messages import Kind, Message, Piece
from nborch.task_runners.surroundings import Surroundings
from nborch.task_runners.zygotes import Died, Late, Unheard, Worker, Zygote

__all__ = ["Workers", "how_ended"]

_HINTS = {
    "SIGKILL": ": the machine has likely run out of memory",
    "SIGSEGV": ": a library has used memory that is not its own",
    "SIGABRT": ": a library has given up",
    "SIGBUS": ": a mapped file was cut short, or its disk is full",
}


class Workers:
    """Processes that call functions by value, each used again and again.

    A worker is started when a call finds none idle; it has the folder, environment,
    import path and warning filters of this process as they are at each call. Functions
    and classes of a notebook or a script travel by value. What a worker prints appears
    in the output of the thread that waits for it.

    >>> with Workers() as workers:
    ...     workers.call(divmod, (7, 2))
    (3, 1)

    Parameters
    ----------
    initializer, initargs
        Called in each worker when it starts.
    """

    def __init__(
        self,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
    ) -> None:
        self._initializer = initializer
        self._initargs = initargs
        self._zygote = Zygote()
        self._idle: list[Worker] = []
        self._lock = threading.Lock()
        self._busy = 0
        self._closed = False
        # Also when nobody closes it: at the end of the program.
        self._end = weakref.finalize(self, _end, self._zygote, self._idle)
        _pools.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        fresh: bool = False,
    ) -> Any:
        """Return what the function returns in a worker; wait for it in this thread.

        An exception in this thread while it waits kills the worker: nothing goes on
        behind the back of who has given up.

        Parameters
        ----------
        function
            A coroutine function is run to its end in a new event loop.
        timeout
            Seconds from when the worker is ready; then it is killed, with whatever
            processes it has started.
        fresh
            Take a new process, which ends with the call.

        Raises
        ------
        CrashedRun
            If the process died.
        RunTimedOut
            If the function took longer than `timeout`.
        Unsendable
            If an argument or the value cannot be pickled.
        CancelledRun
            If the workers are closed.
        """
        name = name_of(function)
        message = pack(function, args, kwargs or {})
        surroundings = Surroundings.current()
        answer = None
        while answer is None:
            answer = self._try(name, message, surroundings, timeout, fresh=fresh)
        return outcome(name, answer)

    def close(self) -> None:
        """End the workers: now, or when the last call in progress is over."""
        with self._lock:
            self._closed = True
            over = self._busy == 0
        if over:
            self._end()

    def kill(self) -> None:
        """End all workers at once; calls that are waited for raise `CancelledRun`."""
        with self._lock:
            self._closed = True
        self._zygote.end()
        self.close()

    def _take(self, name: str, *, fresh: bool) -> Worker:
        """Return a worker that is alive and nobody else's."""
        while True:
            with self._lock:
                if self._closed:
                    raise CancelledRun(
                        f"{name!r} was not called: its workers are closed. "
                        "Make new Workers() for more calls."
                    )
                worker = self._idle.pop() if self._idle and not fresh else None
                if worker is None:
                    self._busy += 1
                    break
            if worker.is_alive:
                with self._lock:
                    self._busy += 1
                return worker
            worker.kill()
        try:
            return self._zygote.fork()
        except BaseException as error:
            self._leave()
            if isinstance(error, Died):
                raise self._loss(name, error) from None
            raise

    def _try(
        self,
        name: str,
        message: list[Piece],
        surroundings: Surroundings,
        timeout: float | None,
        *,
        fresh: bool,
    ) -> Message | None:
        """Let a worker do it; return its answer, or None if it had died before."""
        worker = self._take(name, fresh=fresh)
        is_new = worker.surroundings is None
        keep = False
        try:
            if worker.surroundings != surroundings:
                self._settle(worker, surroundings)
            answer = worker.ask(Kind.CALL, message, timeout)
            if fresh:
                worker.finish()
            keep = not fresh
        except Died as died:
            if isinstance(died, Unheard) and not is_new:
                return None
            raise self._loss(name, died) from None
        except Late:
            raise RunTimedOut(
                f"{name!r} did not finish within {timeout:g} seconds: "
                "its worker process was killed."
            ) from None
        else:
            return answer
        finally:
            if not keep:
                worker.kill()
            self._leave(worker if keep else None)

    def _settle(self, worker: Worker, surroundings: Surroundings) -> None:
        """Give the worker our surroundings; call the initializer in a new one."""
        pieces: list[Piece] = [surroundings.pack()]
        if worker.surroundings is None and self._initializer is not None:
            pieces += pack(self._initializer, self._initargs, {})
        outcome("initializer", worker.ask(Kind.SETTLE, pieces))
        worker.surroundings = surroundings

    def _leave(self, worker: Worker | None = None) -> None:
        """Give the worker back; the last call of closed workers ends them."""
        with self._lock:
            if worker is not None:
                self._idle.append(worker)
            self._busy -= 1
            over = self._closed and self._busy == 0
        if over:
            self._end()

    def _loss(self, name: str, died: Died) -> CrashedRun | CancelledRun:
        """Return the error for a worker that ended during the call."""
        if self._closed:
            return CancelledRun(f"{name!r} was ended: its workers were killed.")
        return CrashedRun(f"The worker process of {name!r} {how_ended(died)}.")

    def forget(self) -> None:
        """In a forked child: leave the parent's workers to the parent."""
        self._lock = threading.Lock()
        self._idle.clear()
        self._busy = 0


def _end(zygote: Zygote, idle: list[Worker]) -> None:
    """Let the workers end by themselves, then end the zygote."""
    for worker in idle:
        worker.hang_up()
    while idle:
        idle.pop().finish()
    zygote.end()


def how_ended(died: Died) -> str:
    """Return how a process ended, to go on with after its name."""
    if died.code is None:
        return "is gone, and nobody saw how it ended"
    if died.code >= 0:
        return f"(pid {died.pid}) exited with code {died.code} before it had finished"
    number = -died.code
    known = number in set(signal.Signals)
    name = signal.Signals(number).name if known else f"signal {number}"
    return f"(pid {died.pid}) was ended by {name}{_HINTS.get(name, '')}"


_pools: weakref.WeakSet[Workers] = weakref.WeakSet()


def _forget_in_child() -> None:
    for workers in list(_pools):
        workers.forget()


# NB. After the zygotes' own: what is idle here has been closed there.
os.register_at_fork(after_in_child=_forget_in_child)
