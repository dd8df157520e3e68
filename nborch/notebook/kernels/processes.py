"""The process of a kernel, in a folder of its own and at the end of a lifeline."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from nborch.exceptions import CrashedRun
from nborch.notebook.kernels.deaths import out_of_memory_kills
from nborch.notebook.kernels.forked import ForkedProcess
from nborch.notebook.kernels.lifelines import Lifeline, kill_group
from nborch.notebook.kernels.managers import kernel_manager

__all__ = ["EXTENSION", "KernelProcess", "extension_arguments"]

EXTENSION = "nborch.notebook.kernel"
# A Unix socket's path may have 107 bytes on Linux and 103 on macOS.
_LONGEST_SOCKET_PATH = 100


@dataclass(eq=False, slots=True)
class KernelProcess:
    """A kernel that was started, and what has to be put away after it.

    Parameters
    ----------
    manager
        The jupyter_client manager that knows how to reach it.
    folder
        Its connection file, its sockets and what it writes to its error stream.
    group
        The process group of it and of what its cells start; None if it is not ours.
    kills_before
        What `out_of_memory_kills` said before it was started.
    """

    name: str
    manager: Any
    folder: Path
    lifeline: Lifeline | None
    group: int | None = None
    kills_before: int | None = field(default_factory=out_of_memory_kills)
    #: Set when the process has ended and nothing of its group is left.
    gone: threading.Event = field(default_factory=threading.Event)
    #: When its modules were imported: it may have been forked later.
    born: float = field(default_factory=monotonic)

    @classmethod
    async def spawn(
        cls,
        name: str,
        *,
        cwd: str | None,
        env: Mapping[str, str],
        extensions: Sequence[str],
    ) -> "KernelProcess":
        """Start the process; raise CrashedRun if the system cannot."""
        manager = kernel_manager(name)
        arguments = extension_arguments(manager.kernel_spec, env, cwd, extensions)
        folder = _private_folder(manager)
        options: dict[str, Any] = {"extra_arguments": arguments, "cwd": cwd}
        lifeline = None
        if os.name == "posix" and _is_local(manager.kernel_spec):
            lifeline = Lifeline()
            options["pass_fds"] = lifeline.ends
        started = cls(name, manager, folder, lifeline)
        try:
            with (folder / "stderr").open("wb") as stderr:
                await manager.start_kernel(**options, env=dict(env), stderr=stderr)
        except BaseException as error:
            # It may have been given up right after it was started.
            if started.popen is not None:
                kill_group(started.popen.pid)
                started.popen.wait()
            started.put_away()
            if not isinstance(error, OSError):
                raise
            raise CrashedRun(
                f"The kernel {name!r} could not be started: {error}."
            ) from error
        if started.popen is not None:
            started.group = getattr(manager.provisioner, "pgid", None)
            started.born = manager.born or started.born
            if lifeline is not None:
                lifeline.tie(started.popen.pid)
        return started

    @property
    def popen(self) -> "subprocess.Popen[bytes] | ForkedProcess | None":
        """The process of ours; None if something else has started it for us."""
        process = getattr(self.manager.provisioner, "process", None)
        is_ours = isinstance(process, subprocess.Popen | ForkedProcess)
        return process if is_ours else None

    def watch(self, tell: Callable[[int], object]) -> bool:
        """Let `tell` hear the exit code, in a thread; return whether that can be.

        A blocking wait in a thread hears of the end at once, on every system.
        """
        process = self.popen
        if process is None:
            return False

        def wait() -> None:
            code = process.wait()
            # What its cells had started ends with it.
            kill_group(self.group)
            self.gone.set()
            tell(code)

        threading.Thread(target=wait, name="nborch-kernel-watch", daemon=True).start()
        return True

    def end_soon(self, seconds: float) -> None:
        """Give the process some time to end by itself, and put it away.

        This returns at once: nobody waits for the exit handlers of a kernel whose
        outputs are complete. A program that ends waits for the thread that does.
        """

        def end() -> None:
            if not self.gone.wait(seconds):
                kill_group(self.group)
                self.gone.wait(seconds)
            self.put_away()

        thread = threading.Thread(target=end, name="nborch-kernel-end", daemon=False)
        try:
            thread.start()
        except RuntimeError:
            # The program has ended already, and runs its own exit handlers.
            end()

    def put_away(self) -> None:
        """Remove what a process that has ended leaves behind."""
        if self.lifeline is not None:
            self.lifeline.cut()
        self.manager.context.destroy(linger=100)
        shutil.rmtree(self.folder, ignore_errors=True)

    def last_words(self, most: int) -> str:
        """Return the end of what the process wrote to its error stream."""
        with suppress(OSError):
            written = (self.folder / "stderr").read_bytes()
            return written[-most:].decode(errors="replace")
        return ""


def extension_arguments(
    spec: Any, env: Mapping[str, str], cwd: str | None, extensions: Sequence[str]
) -> list[str]:
    """Return what lets a kernel of ours load our extensions, if it can."""
    if not any("ipykernel" in part for part in spec.argv):
        return []
    # One history file shared by many kernels gives "database is locked".
    arguments = ["--HistoryManager.hist_file=:memory:"]
    executable = spec.argv[0]
    if not Path(executable).is_absolute() and executable.startswith("python"):
        # The manager starts its own interpreter for a bare "python".
        executable = sys.executable
    paths = {**spec.env, **env}.get("PYTHONPATH", "")
    if spec.language == "python" and _knows_nborch(executable, paths, cwd):
        arguments += [
            f"--IPKernelApp.extra_extensions={each}"
            for each in (EXTENSION, *extensions)
        ]
    return arguments


def _is_local(spec: Any) -> bool:
    """Return whether jupyter_client starts it as a child of this process."""
    wanted = spec.metadata.get("kernel_provisioner", {}).get("provisioner_name")
    return wanted in {None, "local-provisioner"}


def _private_folder(manager: Any) -> Path:
    """Give the kernel sockets of its own in a folder that nobody else may enter."""
    folder = Path(tempfile.mkdtemp(prefix="nborch-"))
    if len(os.fsencode(folder)) > _LONGEST_SOCKET_PATH - len("/k-99999"):
        with suppress(OSError):
            short = tempfile.mkdtemp(prefix="nborch-", dir="/tmp")
            folder.rmdir()
            folder = Path(short)
    fits = len(os.fsencode(folder)) <= _LONGEST_SOCKET_PATH - len("/k-99999")
    if os.name == "posix" and fits:
        # Sockets in a folder: no port to clash over, no other user to listen in.
        manager.transport = "ipc"
        manager.ip = str(folder / "k")
    manager.connection_file = str(folder / "kernel.json")
    return folder


@functools.cache
def _knows_nborch(executable: str, python_path: str, cwd: str | None) -> bool:
    """Return whether that interpreter, started there, would find nborch."""
    if not Path(executable).name.startswith("python"):
        return False
    root = str(Path(__file__).resolve().parents[3])
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
