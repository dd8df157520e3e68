"""What stands for a kernel where the cells run in this process."""

import asyncio
import atexit
import contextvars
import os
import platform
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from types import ModuleType
from typing import Any

from nborch.ambient import drop_ambient, set_ambient
from nborch.exceptions import InvalidDeclaration
from nborch.notebook.inprocess.streams import Route, current_route
from nborch.notebook.inprocess.surroundings import borrow
from nborch.notebook.sent import sent_context
from nborch.timers import interrupt

__all__ = ["InProcessKernel"]

# A notebook has the process to itself: its folder, its streams, its ``__main__``.
_turn = threading.Lock()
_TURN_SECONDS = 0.01


class _Channel:
    """A channel without a socket."""

    def __init__(self, send: Any = None) -> None:
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.put = self._messages.put_nowait
        self.send = send

    async def get_msg(self, **_options: Any) -> dict[str, Any]:
        """Return the next message, whenever it comes."""
        return await self._messages.get()


class _Client:
    """What a client of a kernel needs to have."""

    def __init__(self, send: Any) -> None:
        from jupyter_client.session import Session

        self.session = Session()
        self.shell_channel = _Channel(send)
        self.iopub_channel = _Channel()
        self.allow_stdin = False

    def execute(
        self,
        code: str,
        *,
        silent: bool = False,
        store_history: bool = True,
        **content: Any,
    ) -> str:
        """Send code to be run; return the id of the request."""
        content |= {"code": code, "silent": silent, "store_history": store_history}
        message = self.session.msg("execute_request", content)
        self.shell_channel.send(message)
        return str(message["header"]["msg_id"])


class InProcessKernel:
    """Runs cells in a thread of this process, as a kernel does in one of its own.

    A cell costs a tenth of what it costs in a kernel, and the notebook starts at once.
    It is not isolated: what crashes it crashes this process, and threads that it
    leaves behind live on. One notebook at a time has the process, the others wait.
    What compiled code prints goes to the terminal. ``signal.signal`` is not allowed,
    and a cell that blocks in compiled code cannot be interrupted.

    Parameters
    ----------
    env
        Variables to add to this process's own, for as long as the notebook runs.
    extensions
        IPython extensions to load before the first cell.
    """

    last_resort = "its thread was given up, and may still be at it"

    def __init__(
        self,
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        extensions: Sequence[str] = (),
        shutdown_seconds: float = 5.0,
    ) -> None:
        self.cwd = cwd
        self.env = {**os.environ, **(env or {})}
        self.extensions = extensions
        self.shutdown_seconds = shutdown_seconds
        self.info: dict[str, Any] = {}
        self.manager: Any = None
        self.client: Any = None
        self.exited: asyncio.Future[int | None]
        self._loop: asyncio.AbstractEventLoop
        self._cells: asyncio.AbstractEventLoop | None = None
        self._requests: asyncio.Queue[dict[str, Any] | None]
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()
        self._work: asyncio.Task[dict[str, Any]] | None = None
        self._route = Route({}, self._publish, self._soon)
        self._shell: Any = None
        self._borrowed = ExitStack()
        self._trouble: BaseException | None = None
        self._is_leaving = False
        self._is_over = False

    async def start(self, timeout_seconds: float) -> None:  # noqa: ARG002
        """Wait until it is this notebook's turn, and begin."""
        if current_route.get() is not None:
            raise InvalidDeclaration(
                "A notebook that runs in this process cannot run another one in it. "
                "Run the inner one in a kernel."
            )
        while not _turn.acquire(blocking=False):  # noqa: ASYNC110 - a lock of threads
            await asyncio.sleep(_TURN_SECONDS)
        self._borrowed.callback(_turn.release)
        self._loop = asyncio.get_running_loop()
        self.exited = self._loop.create_future()
        self.client = _Client(self._send)
        self.info = {"language_info": _language_info()}
        ready = self._loop.create_future()
        self._thread = threading.Thread(
            target=contextvars.Context().run,
            args=(self._be_a_kernel, ready),
            name="nborch-inprocess",
            daemon=True,
        )
        self._thread.start()
        await asyncio.wait({ready})
        ready.result()

    async def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the cell that runs, or end what it awaits."""
        with self._guard:
            work, cells = self._work, self._cells
            if work is None or cells is None or self._thread is None:
                return
            if self._shell.is_awaiting:
                cells.call_soon_threadsafe(work.cancel)
            else:
                interrupt(self._thread.ident or 0, KeyboardInterrupt)

    async def kill(self) -> None:
        """Give up a cell that does not stop; its thread cannot be ended."""
        self._end(None)

    async def shut_down(self, *, politely: bool = True) -> None:
        """Let the thread end and give back what was borrowed."""
        if self._thread is None:
            return
        self._is_leaving = True
        if self._cells is not None:
            # What it waits for is a request.
            with suppress(RuntimeError):
                self._cells.call_soon_threadsafe(self._requests.put_nowait, None)
        if politely and not self.exited.done():
            await asyncio.wait({self.exited}, timeout=self.shutdown_seconds)
        self._give_back()
        if self._is_over:
            self._thread.join()
        self._end(None)
        self._thread = None

    def obituary(self) -> str:
        """Return how the notebook's thread ended."""
        if self._trouble is not None:
            return f"The notebook's thread ended: {self._trouble!r}."
        return "The notebook's thread was given up."

    def last_words(self) -> str:
        """Return nothing: a thread has no error stream of its own."""
        return ""

    # In the thread of the run.

    def _send(self, message: dict[str, Any]) -> None:
        if self._cells is not None:
            self._cells.call_soon_threadsafe(self._requests.put_nowait, message)

    def _end(self, code: int | None) -> None:
        if not self.exited.done():
            self.exited.set_result(code)

    # In the thread of the cells.

    def _be_a_kernel(self, ready: "asyncio.Future[None]") -> None:
        main = ModuleType("__main__")
        try:
            self._borrowed.push(borrow(main, self.cwd, self.env))
            set_ambient(sent_context)
            self._borrowed.callback(drop_ambient, sent_context)
            current_route.set(self._route)
            asyncio.run(self._serve(main, ready))
        except BaseException as error:  # noqa: BLE001 - told where it matters
            self._trouble = error
            self._soon(_fail, ready, error)
        finally:
            self._give_back()
            self._is_over = True
            self._soon(self._end, None)

    def _give_back(self) -> None:
        """Give the process back, once: when the thread ends, or is given up."""
        with self._guard:
            borrowed, self._borrowed = self._borrowed, ExitStack()
            borrowed.close()

    async def _serve(self, main: ModuleType, ready: "asyncio.Future[None]") -> None:
        from nborch.notebook.inprocess.shells import new_shell

        def tell(kind: str, content: dict[str, Any]) -> None:
            (current_route.get() or self._route).tell(kind, content)

        self._cells, self._requests = asyncio.get_running_loop(), asyncio.Queue()
        shell = self._shell = new_shell(main, tell)
        try:
            for extension in self.extensions:
                shell.extension_manager.load_extension(extension)
            self._soon(ready.set_result, None)
            while not self._is_leaving:
                request = await self._requests.get()
                if request is not None:
                    await self._answer(shell, request)
        finally:
            _put_away(shell)

    async def _answer(self, shell: Any, request: dict[str, Any]) -> None:
        parent = request["header"]
        # What the cell starts still shows in it when other cells run.
        route = self._route = Route(parent, self._publish, self._soon)
        current_route.set(route)
        route.tell("status", {"execution_state": "busy"})
        told = {"code": request["content"]["code"]}
        told["execution_count"] = count = shell.execution_count
        route.tell("execute_input", told)
        answer = await self._carry_out(shell, request, count)
        route.flush()
        reply = self.client.session.msg("execute_reply", answer, parent=parent)
        self._soon(self.client.shell_channel.put, reply)
        route.tell("status", {"execution_state": "idle"})

    async def _carry_out(
        self, shell: Any, request: dict[str, Any], count: int
    ) -> dict[str, Any]:
        with self._guard:
            self._work = asyncio.ensure_future(shell.carry_out(request))
        try:
            return await self._work
        except (asyncio.CancelledError, KeyboardInterrupt) as error:
            name = type(error).__name__
            told = {"ename": name, "evalue": "", "traceback": [name]}
            return {"status": "error", "execution_count": count, **told}
        finally:
            with self._guard:
                self._work = None

    def _publish(
        self, parent: Mapping[str, Any], kind: str, content: dict[str, Any]
    ) -> None:
        session = self.client.session
        if kind != "stream":
            # Through JSON, as between processes: no tuples, no objects of the user's.
            content = session.unpack(session.pack(content))
        message = session.msg(kind, content, parent=parent)
        self._soon(self.client.iopub_channel.put, message)

    def _soon(self, function: Any, *arguments: Any) -> None:
        # The loop is closed if the run was given up before the cell ended.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)


def _fail(ready: "asyncio.Future[None]", error: BaseException) -> None:
    if not ready.done():
        ready.set_exception(error)


def _put_away(shell: Any) -> None:
    for name in list(shell.extension_manager.loaded):
        with suppress(Exception):
            shell.extension_manager.unload_extension(name)
    # NB. It would collect all garbage of this process, for a tenth of a second.
    shell.reset = lambda *_, **__: None
    atexit.unregister(shell.atexit_operations)
    shell.atexit_operations()


def _language_info() -> dict[str, Any]:
    return {
        "name": "python",
        "version": platform.python_version(),
        "mimetype": "text/x-python",
        "codemirror_mode": {"name": "ipython", "version": 3},
        "pygments_lexer": "ipython3",
        "nbconvert_exporter": "python",
        "file_extension": ".py",
    }
