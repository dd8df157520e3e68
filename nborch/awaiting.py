"""The driver for async functions: performs a lifecycle, waiting in the event loop."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from nborch.lifecycle import Raised, Returned, Steps
from nborch.performing import Performer, act, raised
from nborch.states import State

__all__ = ["drive"]


async def drive(
    steps: Steps, performer: Performer, function: Callable[[], Awaitable[Any]]
) -> State:
    """Perform the steps of a run that awaits `function`; return its final state."""

    async def call() -> Returned | Raised:
        start = time.perf_counter()
        try:
            value = await function()
        except BaseException as error:  # noqa: BLE001  # the lifecycle decides
            return raised(error)
        return Returned(value, time.perf_counter() - start)

    return await act(steps, performer, call, _sleep)


async def _sleep(seconds: float) -> None:
    # Costs 25 ms, which a program without async code need not pay.
    import asyncio

    await asyncio.sleep(seconds)
