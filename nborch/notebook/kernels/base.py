"""What the client of a notebook asks of a kernel."""

import asyncio
from typing import Any, Protocol

__all__ = ["INPROCESS", "Kernel"]

#: What is named in place of an installed kernel to run cells in this very process.
INPROCESS = "inprocess"


class Kernel(Protocol):
    """Somewhere to run cells: a process, or a thread of this one.

    Attributes
    ----------
    info
        What it says of itself and of its language, once it has started.
    client
        What a jupyter_client client offers: a session, and channels to send requests
        and to get answers and outputs.
    exited
        Done when nothing runs in it any more.
    last_resort
        What `kill` does to it, in words.
    """

    info: dict[str, Any]
    manager: Any
    client: Any
    exited: asyncio.Future[int | None]
    last_resort: str

    async def start(self, timeout_seconds: float) -> None:
        """Begin; raise CrashedRun if it does not answer within this time."""
        ...

    async def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the cell that runs."""
        ...

    async def kill(self) -> None:
        """End it at once."""
        ...

    async def shut_down(self, *, politely: bool = True) -> None:
        """End it and remove what it left; ask it first, politely."""
        ...

    def obituary(self) -> str:
        """Return one or two sentences on how it ended."""
        ...

    def last_words(self) -> str:
        """Return what it said at its end."""
        ...
