"""How what async hooks return is awaited, in async code and in plain code."""

from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from typing import Any

__all__ = ["Settle", "elsewhere", "finished", "here"]

Settle = Callable[[Awaitable[object]], Awaitable[object]]


async def here(value: Awaitable[object]) -> object:
    """Return what an awaitable comes to, in the loop that runs."""
    return await value


async def elsewhere(value: Awaitable[object]) -> object:
    """Return what an awaitable comes to, in a loop of its own."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(here(value))
    # The loop of this thread is taken, as in a notebook.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, asyncio.run, here(value)).result()


def finished(steps: Coroutine[Any, Any, Any]) -> Any:
    """Return what the coroutine comes to; nothing in it waits for a loop."""
    try:
        steps.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("A plain run waited for an event loop.")
