"""How the awaitables of hooks are awaited, in async code and in plain code."""

from collections.abc import Awaitable, Coroutine
from contextvars import copy_context
from typing import Any

__all__ = ["elsewhere", "finished", "here"]


async def here(value: Awaitable[object]) -> object:
    """Return what an awaitable comes to, in the loop that runs."""
    return await value


async def elsewhere(value: Awaitable[object]) -> object:
    """Return what an awaitable comes to, in a loop of its own: this one is taken."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, asyncio.run, here(value)).result()


def finished(steps: Coroutine[Any, Any, Any]) -> Any:
    """Return what the coroutine comes to; nothing in it waits for a loop."""
    try:
        steps.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("A plain transaction waited for an event loop.")
