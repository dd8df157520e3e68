"""A kernel that is started ahead: what it is like, and its first answer."""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from nborch.exceptions import CrashedRun
from nborch.notebook.kernels.blueprints import PRELOAD, Blueprint, Wish
from nborch.notebook.kernels.lifelines import kill_group
from nborch.notebook.kernels.managers import kernel_client
from nborch.notebook.kernels.processes import (
    EXTENSION,
    KernelProcess,
    extension_arguments,
)

__all__ = ["WarmKernel", "blueprint_of", "warm_kernel"]

_READY_SECONDS = 60.0


@dataclass(eq=False, slots=True)
class WarmKernel:
    """A kernel that has answered once and has run nothing.

    Parameters
    ----------
    env
        The variables that it was started with.
    info
        What it has said of itself.
    """

    process: KernelProcess
    blueprint: Blueprint
    env: Mapping[str, str]
    info: dict[str, Any]
    born: float = field(default_factory=monotonic)

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        process = self.process.popen
        return process is not None and process.poll() is None

    def discard(self) -> None:
        """Kill a kernel that nobody needs, and put it away."""
        _discard(self.process)


async def warm_kernel(
    wish: Wish, preload: tuple[str, ...], is_wanted: Callable[[], bool]
) -> WarmKernel:
    """Start a kernel and wait until it answers; raise CrashedRun if it does not.

    Parameters
    ----------
    preload
        Modules that it is to import.
    is_wanted
        Asked now and then meanwhile: if nobody wants it any more, it is given up.
    """
    blueprint = blueprint_of(wish, preload)
    if blueprint is None:
        raise CrashedRun(f"No kernel {wish.name!r} can be kept warm.")
    env = blueprint.environ(os.environ)
    if preload:
        env[PRELOAD] = ",".join(preload)
    process = await KernelProcess.spawn(
        wish.name, cwd=blueprint.cwd or "/", env=env, extensions=()
    )
    try:
        info = await _first_answer(process, is_wanted)
    except BaseException:
        _discard(process)
        raise
    return WarmKernel(process, blueprint, env, info, process.born)


def blueprint_of(wish: Wish, preload: tuple[str, ...]) -> Blueprint | None:
    """Return what a kernel must be like to grant a wish; None if none can be kept."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        spec = KernelSpecManager().get_kernel_spec(wish.name)
    except NoSuchKernel:
        return None
    # Only a kernel that loads our extension can be taken over.
    arguments = extension_arguments(spec, wish.env, "/", ())
    if not any(EXTENSION in argument for argument in arguments):
        return None
    return wish.blueprint(spec, preload)


async def _first_answer(
    process: KernelProcess, is_wanted: Callable[[], bool]
) -> dict[str, Any]:
    """Return what the kernel says of itself when it has started."""
    client = kernel_client(process.manager)
    client.start_channels(iopub=False, stdin=False, hb=False, control=False)
    try:
        client.kernel_info()
        asked = asyncio.ensure_future(client.shell_channel.get_msg(timeout=None))
        until = monotonic() + _READY_SECONDS
        while not asked.done() and is_wanted() and monotonic() < until:
            await asyncio.wait({asked}, timeout=0.1)
            if process.popen is None or process.popen.poll() is not None:
                break
        if not asked.done():
            asked.cancel()
            raise CrashedRun(f"The kernel {process.name!r} did not start.")
        content: dict[str, Any] = asked.result()["content"]
        return content
    finally:
        client.stop_channels()
        # NB. It belongs to this loop; who takes the kernel connects in his own.
        process.manager._close_control_socket()  # noqa: SLF001 - who else can


def _discard(process: KernelProcess) -> None:
    kill_group(process.group)
    if process.popen is not None:
        process.popen.wait()
    process.manager._close_control_socket()  # noqa: SLF001 - its own way out is a loop's
    process.put_away()
