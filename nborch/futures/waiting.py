"""Several futures at once: wait for them, one after the other or wherever they are."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from nborch.futures.base import Future
from nborch.futures.slots import stepped_aside, waited
from nborch.latches import Latch
from nborch.nested import replaced
from nborch.states import State

__all__ = [
    "DoneAndNotDoneFutures",
    "FutureList",
    "as_completed",
    "resolve_futures_to_results",
    "resolve_futures_to_states",
    "wait",
]

R = TypeVar("R")


class FutureList(list[Future[R]]):
    """The futures of a `map`, in the order of its arguments."""

    def wait(self, timeout: float | None = None) -> None:
        """Wait until all runs have ended, or `timeout` seconds are over."""
        wait(self, timeout)

    def result(
        self,
        timeout: float | None = None,
        raise_on_failure: bool = True,  # noqa: FBT001, FBT002  # as in Prefect
    ) -> list[R]:
        """Return what the runs returned, in order.

        Raises
        ------
        TimeoutError
            Some run has not ended within `timeout` seconds.
        """
        __tracebackhide__ = True
        missing = wait(self, timeout).not_done
        if missing:
            raise TimeoutError(
                f"{len(missing)} of {len(self)} task runs did not end within "
                f"{timeout} seconds. They go on; ask again later."
            )
        results = []
        # No comprehension: before Python 3.12 that is a frame, which would be shown.
        for future in self:
            results.append(future.result(raise_on_failure=raise_on_failure))  # noqa: PERF401
        return results


class DoneAndNotDoneFutures(NamedTuple):
    """The futures whose runs have ended, and the others."""

    done: set[Future[Any]]
    not_done: set[Future[Any]]


def wait(
    futures: Iterable[Future[Any]], timeout: float | None = None
) -> DoneAndNotDoneFutures:
    """Wait until all runs have ended; return which have and which have not.

    Parameters
    ----------
    timeout
        Seconds to wait at most; for ever if not given.
    """
    __tracebackhide__ = True
    futures = list(futures)
    ended = Latch()
    missing = [future for future in futures if not future.done()]
    if missing:
        # NB. Counted by pop(), which no two threads can do to one item.
        left = missing[:-1]

        def count(_: object) -> None:
            try:
                left.pop()
            except IndexError:
                ended.open()

        for future in missing:
            future.on_end(count)
        if not waited(ended, timeout):
            for future in missing:
                future.off_end(count)
    done = {future for future in futures if future.done()}
    return DoneAndNotDoneFutures(done, set(futures) - done)


def as_completed(
    futures: Iterable[Future[R]], timeout: float | None = None
) -> Iterator[Future[R]]:
    """Yield each future when its run has ended, the first one first.

    Raises
    ------
    TimeoutError
        Some runs have not ended within `timeout` seconds.
    """
    import time
    from queue import Empty, SimpleQueue

    distinct = set(futures)
    ready: SimpleQueue[Future[R]] = SimpleQueue()
    take = ready.put
    for future in distinct:
        future.on_end(take)
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        for left in range(len(distinct), 0, -1):
            rest = None if deadline is None else max(deadline - time.monotonic(), 0)
            try:
                if not ready.empty():
                    future = ready.get()
                else:
                    with stepped_aside():
                        future = ready.get(timeout=rest)
            except Empty:
                raise TimeoutError(
                    f"{left} of {len(distinct)} task runs did not end within "
                    f"{timeout} seconds."
                ) from None
            yield future
    finally:
        for future in distinct:
            future.off_end(take)


def resolve_futures_to_states(expr: Any) -> Any:
    """Return the expression with the state of each future in place of it.

    Waits for every future in it, at any depth.
    """
    return replaced(expr, (Future,), _last_state)


def resolve_futures_to_results(expr: Any) -> Any:
    """Return the expression with the result of each future in place of it.

    Waits for every future in it, at any depth; a failed one raises.
    """
    return replaced(expr, (Future,), lambda future: future.result())


def _last_state(future: Future[Any]) -> State:
    future.wait()
    return future.state
