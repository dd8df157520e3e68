"""The driver for async functions: performs a lifecycle, waiting in the event loop."""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from nborch.cancelling import cancelled
from nborch.futures import Future, ended
from nborch.kernels import wake_on_signals
from nborch.lifecycle import Raised, Returned, Steps
from nborch.performing import OVERDUE, TURN, Arm, Performer, act, raised
from nborch.settling import Settle, here
from nborch.states import State

__all__ = ["Awaiting", "drive"]


class Awaiting:
    """Wait in the event loop."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[], Awaitable[Any]]) -> None:
        self.function = function

    @property
    def owner(self) -> object:
        """The present task of the event loop."""
        import asyncio

        return id(asyncio.current_task())

    @property
    def settle(self) -> Settle:
        """Await in this loop."""
        return here

    async def call(self) -> Returned | Raised:
        """Await what the user's function returns."""
        start = time.perf_counter()
        try:
            value = await self.function()
        except BaseException as error:  # noqa: BLE001  # the lifecycle decides
            return raised(cancelled(error))
        return Returned(value, time.perf_counter() - start)

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds."""
        # Costs 25 ms, which a program without async code need not pay.
        import asyncio

        await asyncio.sleep(seconds)

    async def until(self, futures: Sequence[Future[Any]]) -> None:
        """Wait until all of the futures have ended."""
        for future in futures:
            await ended(future)

    async def wait(self, arm: Arm) -> None:
        """Wait until what was armed is called, or until it is time for a look."""
        import asyncio

        loop, called = asyncio.get_running_loop(), asyncio.Event()
        armed = arm(lambda: loop.call_soon_threadsafe(called.set))
        with suppress(TimeoutError):
            await asyncio.wait_for(called.wait(), OVERDUE if armed else TURN)


async def drive(
    steps: Steps, performer: Performer, function: Callable[[], Awaitable[Any]]
) -> State:
    """Perform the steps of a run that awaits `function`; return its last state."""
    if performer.context.is_outermost:
        # A coroutine runs, so this costs nothing: it was loaded long before.
        import asyncio

        wake_on_signals(asyncio.get_running_loop())
    return await act(steps, performer, Awaiting(function))
