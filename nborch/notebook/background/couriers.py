"""Couriers: they run a submitted cell in a process of its own and bring back news."""

import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from nborch.exceptions import CancelledRun, CrashedRun
from nborch.task_runners.calls import outcome, pack
from nborch.task_runners.messages import Kind
from nborch.task_runners.surroundings import Surroundings
from nborch.task_runners.workers import how_ended
from nborch.task_runners.zygotes import Died, Worker, Zygote

__all__ = ["Courier", "processes"]

#: What every such process imports before anything else: a second of work.
_PRELOADS = (
    "IPython.core.completer",
    "IPython.core.magics",
    "IPython.core.oinspect",
    "asyncio",
    "diskcache",
    "importlib.metadata",
    "nborch.cache.results",
    "nborch.notebook.background.errands",
    "nborch.notebook.background.errand_shells",
    "nborch.remote",
    "xxhash",
)
#: Seconds that the last news may take after the process is done.
PATIENCE = 5.0

_zygotes: dict[int, Zygote] = {}


def processes() -> Zygote:
    """Return what forks the processes of this kernel's cells."""
    # By process: a forked child has none of its parent's.
    return _zygotes.setdefault(os.getpid(), Zygote(_PRELOADS))


class Courier:
    """One call in a process of its own.

    Parameters
    ----------
    name
        What messages call it.
    receive
        Called with each message that the process sends, in order.
    """

    def __init__(self, name: str, receive: Callable[..., object]) -> None:
        self._name = name
        self._receive = receive
        self._worker: Worker | None = None
        self._is_stopped = False
        self._folder = tempfile.mkdtemp(prefix="nborch-")
        #: Where the process reaches us.
        self.address = str(Path(self._folder) / "news")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.address)
        self._listener.listen(1)

    def call(
        self, function: Callable[..., Any], *args: Any, surroundings: Surroundings
    ) -> Any:
        """Return what the function returns there; raise what it raises.

        Raises
        ------
        CrashedRun
            If the process died.
        CancelledRun
            If `stop` was called.
        """
        message = pack(function, args, {})
        news = threading.Thread(target=self._listen, name="nborch-news", daemon=True)
        news.start()
        try:
            worker = self._worker = processes().fork()
            try:
                if self._is_stopped:
                    raise Died
                worker.ask(Kind.SETTLE, [surroundings.pack()])
                answer = worker.ask(Kind.CALL, message)
                worker.finish()
            finally:
                worker.kill()
        except Died as died:
            raise self._loss(died) from None
        finally:
            self._hang_up()
            news.join(PATIENCE)
        return outcome(self._name, answer)

    def stop(self) -> None:
        """Kill the process, from any thread."""
        self._is_stopped = True
        if self._worker is not None:
            self._worker.stop()

    def _loss(self, died: Died) -> CancelledRun | CrashedRun:
        if self._is_stopped:
            return CancelledRun(f"{self._name!r} was cancelled: its process was ended.")
        return CrashedRun(f"The process of {self._name!r} {how_ended(died)}.")

    def _listen(self) -> None:
        with suppress(OSError, EOFError):
            end, _ = self._listener.accept()
            with Connection(end.detach()) as connection:
                while True:
                    kind, *rest = connection.recv()
                    self._receive(kind, *rest)

    def _hang_up(self) -> None:
        """Take no call any more; who waits for one wakes up."""
        # NB. To close the listener would leave a thread in accept() where it is.
        with suppress(OSError), socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(1.0)
            caller.connect(self.address)
        self._listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)
