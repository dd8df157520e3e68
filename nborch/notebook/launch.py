"""The process of a kernel: started privately, watched, and surely ended."""

import asyncio
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

from nborch.exceptions import CrashedRun, NotFound, did_you_mean

__all__ = ["LiveKernel", "describe_death", "out_of_memory_kills"]

EXTENSION = "nborch.notebook.kernel"
# A Unix socket's path may have 107 bytes on Linux and 103 on macOS.
_LONGEST_SOCKET_PATH = 100
_STDERR_TAIL = 8_000
_KERNEL_FRAME = re.compile(r'\n *File "[^"]*interactiveshell\.py", line ')


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
        self.extensions = (EXTENSION, *extensions)
        self.cwd = cwd
        self.env = {**os.environ, **env}
        self.shutdown_seconds = shutdown_seconds
        self.info: dict[str, Any] = {}
        self.manager: Any = None
        self.client: Any = None
        self.exited: asyncio.Future[int | None]
        self._folder: Path | None = None
        self._watched = False
        self._watcher: asyncio.Task[None] | None = None
        self._kills_before = out_of_memory_kills()

    async def start(self, timeout_seconds: float) -> None:
        """Start the process and connect; raise CrashedRun if it does not answer."""
        self.exited = asyncio.get_running_loop().create_future()
        self.manager = self._make_manager()
        arguments = self._extra_arguments()
        folder = self._private_folder()
        with (folder / "stderr").open("wb") as stderr:
            try:
                await self.manager.start_kernel(
                    extra_arguments=arguments,
                    cwd=self.cwd,
                    env=self.env,
                    stderr=stderr,
                )
            except OSError as error:
                raise CrashedRun(
                    f"The kernel {self.name!r} could not be started: {error}."
                ) from error
        self._watch()
        self._connect()
        await self._until_ready(timeout_seconds)

    async def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the kernel."""
        if not self.exited.done():
            await self.manager.interrupt_kernel()

    async def kill(self) -> None:
        """End the process at once, with whatever it has started in its group."""
        if not self.exited.done():
            self._watch()
            number = getattr(signal, "SIGKILL", signal.SIGTERM)
            await self.manager.signal_kernel(number)
            await asyncio.wait({self.exited}, timeout=self.shutdown_seconds)

    async def shut_down(self, *, politely: bool = True) -> None:
        """End the process and remove what it left.

        Parameters
        ----------
        politely
            Ask first, and give it time to run its exit handlers.
        """
        if self.manager is None:
            return
        try:
            if self.manager.has_kernel and not self.exited.done():
                if self.info and politely:
                    await self.manager.request_shutdown()
                    await asyncio.wait({self.exited}, timeout=self.shutdown_seconds)
                await self.kill()
        finally:
            await self._clean_up()

    def obituary(self) -> str:
        """Return one or two sentences on how the process ended."""
        code = self.exited.result() if self.exited.done() else None
        before, after = self._kills_before, out_of_memory_kills()
        grew = None if before is None or after is None else after > before
        return describe_death(code, out_of_memory=grew)

    def last_words(self) -> str:
        """Return the end of what the process wrote to its error stream.

        A stack is cut where the user's code ends and the kernel's own begins.
        """
        if self._folder is None:
            return ""
        with suppress(OSError):
            written = (self._folder / "stderr").read_bytes()
            text = written[-_STDERR_TAIL:].decode(errors="replace")
            return _KERNEL_FRAME.split(text, maxsplit=1)[0].strip()
        return ""

    def _make_manager(self) -> Any:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
        from jupyter_client.manager import AsyncKernelManager

        manager = AsyncKernelManager(kernel_name=self.name)
        try:
            manager.kernel_spec.argv  # noqa: B018 - looked up when it is asked for
        except NoSuchKernel as error:
            known = sorted(KernelSpecManager().find_kernel_specs())
            raise NotFound(
                f"No kernel named {self.name!r} is installed."
                f"{did_you_mean(self.name, known)}"
                f" Installed kernels: {', '.join(known) or 'none'}."
            ) from error
        return manager

    def _private_folder(self) -> Path:
        """Give the kernel sockets of its own in a folder that nobody else may enter."""
        folder = Path(tempfile.mkdtemp(prefix="nborch-"))
        if len(os.fsencode(folder)) > _LONGEST_SOCKET_PATH - len("/k-99999"):
            with suppress(OSError):
                short = tempfile.mkdtemp(prefix="nborch-", dir="/tmp")
                folder.rmdir()
                folder = Path(short)
        self._folder = folder
        fits = len(os.fsencode(folder)) <= _LONGEST_SOCKET_PATH - len("/k-99999")
        if os.name == "posix" and fits:
            # Sockets in a folder: no port to clash over, no other user to listen in.
            self.manager.transport = "ipc"
            self.manager.ip = str(folder / "k")
        self.manager.connection_file = str(folder / "kernel.json")
        return folder

    def _extra_arguments(self) -> list[str]:
        spec = self.manager.kernel_spec
        if not any("ipykernel" in part for part in spec.argv):
            return []
        # One history file shared by many kernels gives "database is locked".
        arguments = ["--HistoryManager.hist_file=:memory:"]
        executable = spec.argv[0]
        if not Path(executable).is_absolute() and executable.startswith("python"):
            # The manager starts its own interpreter for a bare "python".
            executable = sys.executable
        paths = {**spec.env, **self.env}.get("PYTHONPATH", "")
        if spec.language == "python" and _knows_nborch(executable, paths, self.cwd):
            arguments += [
                f"--IPKernelApp.extra_extensions={e}" for e in self.extensions
            ]
        return arguments

    def _watch(self) -> None:
        if self._watched:
            return
        self._watched = True
        process = getattr(self.manager.provisioner, "process", None)
        loop = asyncio.get_running_loop()
        if isinstance(process, subprocess.Popen):
            # A blocking wait in a thread hears of the end at once, on every system.
            threading.Thread(
                target=_wait_and_tell,
                args=(process, loop, self.exited),
                name="nborch-kernel-watch",
                daemon=True,
            ).start()
        else:
            self._watcher = loop.create_task(self._poll())

    async def _poll(self) -> None:
        while await self.manager.is_alive():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.1)
        _settle(self.exited, None)

    def _connect(self) -> None:
        import zmq

        # NB. The mark must be set before a socket connects: a client that falls behind
        # would otherwise lose outputs from the thousandth on.
        self.manager.context.setsockopt(zmq.RCVHWM, 0)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.allow_stdin = False

    async def _until_ready(self, timeout_seconds: float) -> None:
        """Wait until requests are answered and outputs arrive."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        while loop.time() < deadline:
            self.client.kernel_info()
            reply = loop.create_task(self._first_message())
            first: set[asyncio.Future[Any]] = {reply, self.exited}
            await asyncio.wait(first, timeout=2, return_when=asyncio.FIRST_COMPLETED)
            if reply.done():
                self.info = reply.result()["content"]
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

    async def _clean_up(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
        if self.client is not None:
            self.client.stop_channels()
        if self.exited.done() and self.manager.has_kernel:
            await self.manager.provisioner.wait()
        await self.manager.cleanup_resources()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def describe_death(code: int | None, *, out_of_memory: bool | None = None) -> str:
    """Return how a process ended, in words.

    >>> describe_death(3)
    'The kernel ended with exit code 3.'
    >>> describe_death(-11)
    'The kernel was killed by SIGSEGV: compiled code in it crashed.'

    Parameters
    ----------
    out_of_memory
        Whether the system killed a process for want of memory in the meantime; None
        if the system does not tell.
    """
    if code is None:
        return "The kernel died."
    if code >= 0:
        return f"The kernel ended with exit code {code}."
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    because = ""
    if name == "SIGKILL":
        because = _MEMORY[out_of_memory]
    elif name in {"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT"}:
        because = ": compiled code in it crashed"
    return f"The kernel was killed by {name}{because}."


_MEMORY = {
    True: ", most likely because it ran out of memory",
    False: "; the system was not short of memory at that time",
    None: ", which means that it likely ran out of memory, or that somebody killed it",
}


def out_of_memory_kills() -> int | None:
    """Return how many processes the system has killed for want of memory.

    None where the system keeps no such count (it is Linux that does).
    """
    with suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return None


def _wait_and_tell(
    process: subprocess.Popen[bytes],
    loop: asyncio.AbstractEventLoop,
    exited: asyncio.Future[int | None],
) -> None:
    code = process.wait()
    # The loop is closed if the run was given up before the process ended.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(_settle, exited, code)


def _settle(exited: asyncio.Future[int | None], code: int | None) -> None:
    if not exited.done():
        exited.set_result(code)


@functools.cache
def _knows_nborch(executable: str, python_path: str, cwd: str | None) -> bool:
    """Return whether that interpreter, started there, would find nborch."""
    if not Path(executable).name.startswith("python"):
        return False
    root = str(Path(__file__).resolve().parents[2])
    # NB. Not the real path: two environments may link to one interpreter.
    same = Path(executable).absolute().parent == Path(sys.executable).absolute().parent
    if same and (
        Path(root).name in {"site-packages", "dist-packages"}
        or root in python_path.split(os.pathsep)
    ):
        return True
    # The parent of a package need not be on the child's path: it may have been found
    # through the current folder. A question costs less than a warning in the kernel.
    question = (
        f"import importlib.util as u, sys; sys.exit(not u.find_spec({EXTENSION!r}))"
    )
    try:
        answer = subprocess.run(  # noqa: S603 - the interpreter of an installed kernel
            [executable, "-c", question],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": python_path},
            capture_output=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.returncode == 0
