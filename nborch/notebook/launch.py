"""A kernel for one run: warm or cold, connected to, watched, and surely ended."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

from nborch.exceptions import CrashedRun
from nborch.notebook.kernels.blueprints import Wish
from nborch.notebook.kernels.deaths import (
    describe_death,
    out_of_memory_kills,
    without_kernel_frames,
)
from nborch.notebook.kernels.managers import kernel_client
from nborch.notebook.kernels.pool import take_warm_kernel
from nborch.notebook.kernels.processes import KernelProcess
from nborch.notebook.kernels.takeover import request
from nborch.notebook.kernels.warming import WarmKernel

__all__ = ["LiveKernel"]

_STDERR_TAIL = 8_000
# A kernel that has answered before and does not answer now is given up soon.
_WARM_SECONDS = 10.0


class LiveKernel:
    """A kernel with a client connected to it, and a future for its end.

    Parameters
    ----------
    name
        The name of an installed kernel specification.
    env
        Variables to add to this process's own.
    extensions
        IPython extensions to load at the start, beside nborch's own for kernels.
    shutdown_seconds
        How long the kernel may take to leave by itself before it is killed.
    """

    last_resort = "the kernel was killed"

    def __init__(
        self,
        name: str,
        *,
        cwd: str | None,
        env: Mapping[str, str],
        extensions: Sequence[str] = (),
        shutdown_seconds: float = 5.0,
    ) -> None:
        self.name = name
        self.extensions = tuple(extensions)
        self.cwd = cwd
        self.env = {**os.environ, **env}
        self.shutdown_seconds = shutdown_seconds
        self.info: dict[str, Any] = {}
        self.manager: Any = None
        self.client: Any = None
        self.exited: asyncio.Future[int | None]
        self.process: KernelProcess | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def start(self, timeout_seconds: float) -> None:
        """Start the process and connect; raise CrashedRun if it does not answer."""
        warm = take_warm_kernel(Wish(self.name, self.env, self.cwd))
        if warm is not None:
            try:
                await self._begin(warm.process, _WARM_SECONDS, warm)
            except CrashedRun:
                # It has died of waiting. A new one tells the truth.
                await self.shut_down(politely=False)
            else:
                return
        process = await KernelProcess.spawn(
            self.name, cwd=self.cwd, env=self.env, extensions=self.extensions
        )
        await self._begin(process, timeout_seconds)

    async def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the kernel."""
        if not self.exited.done():
            await self.manager.interrupt_kernel()

    async def kill(self) -> None:
        """End the process at once, with whatever it has started in its group."""
        if self.process is not None and not self.exited.done():
            await self._kill()

    async def shut_down(self, *, politely: bool = True) -> None:
        """End the process and remove what it left.

        Parameters
        ----------
        politely
            Ask, and give it time to run its exit handlers. It may still do so when
            this returns; a program that ends waits for it.
        """
        process, self.process = self.process, None
        if process is None:
            return
        leaves = bool(self.info) and politely and not self.exited.done()
        try:
            if leaves:
                await self.manager.request_shutdown()
                if process.popen is None:
                    await asyncio.wait({self.exited}, timeout=self.shutdown_seconds)
                    leaves = False
            if not leaves and not self.exited.done():
                await self._kill()
        finally:
            await self._disconnect()
            if leaves:
                process.end_soon(self.shutdown_seconds)
            else:
                process.put_away()

    def obituary(self) -> str:
        """Return one or two sentences on how the process ended."""
        code = self.exited.result() if self.exited.done() else None
        before = self.process.kills_before if self.process else None
        after = out_of_memory_kills()
        grew = None if before is None or after is None else after > before
        return describe_death(code, out_of_memory=grew)

    def last_words(self) -> str:
        """Return the end of what the process wrote to its error stream.

        A stack is cut where the user's code ends and the kernel's own begins.
        """
        if self.process is None:
            return ""
        return without_kernel_frames(self.process.last_words(_STDERR_TAIL))

    async def _begin(
        self,
        process: KernelProcess,
        timeout_seconds: float,
        warm: WarmKernel | None = None,
    ) -> None:
        """Connect to the process and wait until it is as it shall be."""
        self.process, self.manager = process, process.manager
        self._watch(process)
        self.client = kernel_client(self.manager)
        self.client.start_channels(stdin=False, hb=False)
        self.client.allow_stdin = False
        asks = self._takes_over(warm) if warm is not None else None
        await self._until_ready(timeout_seconds, asks)
        if warm is not None:
            if self.info.get("status") != "ok":
                raise CrashedRun(f"The kernel {self.name!r} could not be taken over.")
            self.info = warm.info

    async def _kill(self) -> None:
        number = getattr(signal, "SIGKILL", signal.SIGTERM)
        await self.manager.signal_kernel(number)
        await asyncio.wait({self.exited}, timeout=self.shutdown_seconds)

    def _takes_over(self, warm: WarmKernel) -> str:
        had, wants = warm.env, self.env
        return request(
            cwd=self.cwd or str(Path.cwd()),
            changed={n: v for n, v in wants.items() if had.get(n) != v},
            removed=[name for name in had if name not in wants],
            extensions=self.extensions,
        )

    def _watch(self, process: KernelProcess) -> None:
        loop = asyncio.get_running_loop()
        exited = self.exited = loop.create_future()

        def tell(code: int) -> None:
            # The loop is closed if the run was given up before the process ended.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, exited, code)

        if not process.watch(tell):
            self._watcher = loop.create_task(self._poll())

    async def _poll(self) -> None:
        while await self.manager.is_alive():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.1)
        _settle(self.exited, None)

    async def _until_ready(self, timeout_seconds: float, code: str | None) -> None:
        """Wait until requests are answered and outputs arrive.

        Parameters
        ----------
        code
            What the kernel must run before anything else.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        if code is not None:
            self.client.execute(code, silent=True, store_history=False)
        while loop.time() < deadline:
            if code is None:
                self.client.kernel_info()
            reply = loop.create_task(self._first_message())
            first: set[asyncio.Future[Any]] = {reply, self.exited}
            await asyncio.wait(
                first,
                timeout=min(2.0, deadline - loop.time()),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if reply.done():
                code, self.info = None, reply.result()["content"]
                # An answer without a word on iopub: it is not connected yet, ask again.
                with suppress(Empty):
                    await self.client.iopub_channel.get_msg(timeout=0.5)
                    return
            else:
                reply.cancel()
            if self.exited.done():
                words = self.last_words().splitlines()
                raise CrashedRun(
                    f"The kernel {self.name!r} did not start. {self.obituary()}"
                    + (f" Its last words: {words[-1]}" if words else "")
                )
        raise CrashedRun(
            f"The kernel {self.name!r} did not answer within {timeout_seconds:g} "
            "seconds of its start."
        )

    async def _first_message(self) -> dict[str, Any]:
        reply: dict[str, Any] = await self.client.shell_channel.get_msg(timeout=None)
        return reply

    async def _disconnect(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
        if self.client is not None:
            self.client.stop_channels()
        # NB. Not cleanup_resources(): it waits until all that was sent has arrived. And
        # the control socket stays open as long as the kernel lives (`put_away`): what
        # was sent by one that is closed soon does not always arrive.
        await self.manager.provisioner.cleanup()


def _settle(exited: asyncio.Future[int | None], code: int | None) -> None:
    if not exited.done():
        exited.set_result(code)
