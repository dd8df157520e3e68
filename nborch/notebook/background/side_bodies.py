"""The body of a cell in the background while it runs: in a thread or in a process."""

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from nborch.context import RunContext
from nborch.exceptions import CancelledRun
from nborch.notebook.background.couriers import Courier
from nborch.notebook.background.errands import Account, Errand, run
from nborch.notebook.background.side_shells import SideShell
from nborch.notebook.cells import CellTask
from nborch.remote import There
from nborch.task_runners.surroundings import Surroundings
from nborch.timers import interrupt

__all__ = ["ProcessBody", "ThreadBody"]


class ThreadBody:
    """A cell's body in the present thread, on names of its own."""

    def __init__(self, cell: CellTask) -> None:
        self._cell = cell
        self._name = cell.source.name
        self._thread = threading.get_ident()
        self._is_cancelled = False
        self._cancel: Callable[[], object] | None = None

    def run(self) -> None:
        """Run it to its end."""
        if self._cell.analysis.is_async:
            asyncio.run(self._awaited())
        else:
            self._cancel = lambda: interrupt(self._thread, CancelledRun)
            try:
                self._cell.execute()
            finally:
                self._cancel = None

    def cancel(self) -> None:
        """End it, from any thread."""
        self._is_cancelled = True
        cancel = self._cancel
        if cancel is not None:
            # A loop that has just closed has nothing left to be cancelled.
            with suppress(RuntimeError):
                cancel()

    async def _awaited(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is not None:
            self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        try:
            await self._cell.execute_async()
        except asyncio.CancelledError:
            if self._is_cancelled:
                raise CancelledRun(f"{self._name!r} was cancelled.") from None
            raise
        finally:
            self._cancel = None


class ProcessBody:
    """A cell's body in a process of its own.

    Parameters
    ----------
    inputs, outputs
        The keys under which parcels lie in the result cache.
    generators
        The states of the random generators that it begins with.
    """

    def __init__(
        self,
        cell: CellTask,
        shell: SideShell,
        *,
        inputs: str,
        outputs: str,
        generators: Mapping[str, Any],
    ) -> None:
        asks, name = cell.source.asks, cell.source.name
        self._post = shell.post
        self._courier = Courier(name, self._receive)
        self._errand = Errand(
            address=self._courier.address,
            source=cell.source,
            key=str(cell.key),
            inputs=inputs,
            outputs=outputs,
            keeps=not asks.no_cache,
            count=shell.post.count,
            file=cell.file,
            mode=shell.mode,
            features=cell.features,
            history=tuple(c for c in shell.user_ns.get("In", ()) if "seed" in c),
            generators=generators,
        )
        #: What came of it, once that is known.
        self.account: Account | None = None
        #: Called when the process is there and the cell begins to run in it.
        self.began: Callable[[], object] = lambda: None

    def run(self, context: RunContext, surroundings: Surroundings) -> None:
        """Run it to its end, as part of a run, in these surroundings."""
        self._courier.call(There(context, run), self._errand, surroundings=surroundings)

    def cancel(self) -> None:
        """End it, from any thread."""
        self._courier.stop()

    def _receive(self, kind: str, *rest: Any) -> None:
        """Take news from the process."""
        post = self._post
        if kind == "text":
            post.write(*rest)
        elif kind == "display":
            data, metadata, transient, update = rest
            post.publish(data, metadata, transient=transient, update=update)
        elif kind == "clear":
            post.clear(*rest)
        elif kind == "result":
            post.result(*rest)
        elif kind == "began":
            self.began()
        elif kind == "account":
            (self.account,) = rest
