"""A worker's right to work, which it gives back while it waits."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from nborch.frames import shown_briefly
from nborch.latches import Latch

__all__ = ["Slot", "slot", "stepped_aside", "waited"]


class Slot(Protocol):
    """A worker's right to work, which it gives back while it waits."""

    def leave(self) -> None:
        """Let another worker work."""
        ...

    def enter(self) -> None:
        """Wait until this worker may work again."""
        ...


#: The slot of the worker that runs this code, if one does.
slot: ContextVar[Slot | None] = ContextVar("nborch_slot", default=None)


@contextmanager
def stepped_aside() -> Iterator[None]:
    """Wait without keeping another run from running."""
    held = slot.get()
    if held is not None:
        held.leave()
    try:
        yield
    except BaseException as error:
        shown_briefly(error)
        raise
    finally:
        if held is not None:
            held.enter()


def waited(ended: Latch, timeout: float | None) -> bool:
    """Wait without keeping another run from running; tell whether it is over."""
    try:
        with stepped_aside():
            return ended.wait(timeout)
    except KeyboardInterrupt as error:
        # The locks that we wait by say nothing to who pressed Ctrl-C.
        raise error.with_traceback(None)  # noqa: B904  # it is the same error
