"""The driver for plain functions: performs a lifecycle, waiting in this thread."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from nborch.futures import Future, wait
from nborch.latches import Latch
from nborch.lifecycle import Raised, Returned, Steps
from nborch.performing import OVERDUE, TURN, Arm, Performer, act, called
from nborch.settling import Settle, elsewhere
from nborch.states import State

__all__ = ["Blocking", "drive"]


class Blocking:
    """Wait in this thread."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function

    @property
    def owner(self) -> object:
        """The present thread."""
        return threading.get_ident()

    @property
    def settle(self) -> Settle:
        """Await in a loop of its own."""
        return elsewhere

    async def call(self) -> Returned | Raised:
        """Call the user's function."""
        return called(self.function)

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds."""
        time.sleep(seconds)  # noqa: ASYNC251  # no loop runs this coroutine

    async def until(self, futures: Sequence[Future[Any]]) -> None:
        """Wait until all of the futures have ended."""
        wait(futures)

    async def wait(self, arm: Arm) -> None:
        """Wait until what was armed is called, or until it is time for a look."""
        called_back = Latch()
        called_back.wait(OVERDUE if arm(called_back.open) else TURN)


def drive(steps: Steps, performer: Performer, function: Callable[[], Any]) -> State:
    """Perform the steps of a run that calls `function`; return its last state."""
    # Nothing in it waits for an event loop, so one push runs it to its end. A
    # plain function may thus be called where a loop is running already.
    try:
        act(steps, performer, Blocking(function)).send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # what act() returns
    except KeyboardInterrupt as error:
        # Where we waited says nothing to who pressed Ctrl-C.
        raise error.with_traceback(None)  # noqa: B904  # it is the same error
    raise AssertionError("A blocking run waited for an event loop.")
