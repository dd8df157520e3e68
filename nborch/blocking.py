"""The driver for plain functions: performs a lifecycle, waiting in this thread."""

import time
from collections.abc import Callable
from typing import Any

from nborch.lifecycle import Raised, Returned, Steps
from nborch.performing import Performer, act, raised
from nborch.states import State

__all__ = ["drive"]


def drive(steps: Steps, performer: Performer, function: Callable[[], Any]) -> State:
    """Perform the steps of a run that calls `function`; return its final state."""

    async def call() -> Returned | Raised:
        return _call(function)

    # Nothing in it waits for an event loop, so one push runs it to its end. A
    # plain function may thus be called where a loop is running already.
    try:
        act(steps, performer, call, _sleep).send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # what act() returns
    raise AssertionError("A blocking run waited for an event loop.")


def _call(function: Callable[[], Any]) -> Returned | Raised:
    start = time.perf_counter()
    try:
        value = function()
    except BaseException as error:  # noqa: BLE001  # the lifecycle decides what it means
        return raised(error)
    return Returned(value, time.perf_counter() - start)


async def _sleep(seconds: float) -> None:
    time.sleep(seconds)  # noqa: ASYNC251  # no loop runs this coroutine
