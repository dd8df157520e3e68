"""The process that forks kernels: it has imported all that a kernel imports.

Nothing may be alive in it that a fork would share or lose: no thread, no socket, no
file. It makes sure of that before it says that it is ready, and otherwise says why not.
What it is told and tells besides stands in `nborch.hatching.zygote`; an order to start
names the command, the variables and the folder of the kernel, and brings what is to be
its output, its error stream, and what else it is to hold open.
"""

import builtins
import gc
import importlib
import importlib.util
import os
import signal
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from nborch.audience import audience, set_audience
from nborch.hatching.zygote import Birth, Zygote, die_with_parent

__all__ = ["main"]

#: What a kernel has imported when it has started. Nothing else may be here, for it
#: would hide a module of that name which lies beside the notebook.
_IMPORTED = (
    "runpy",
    "ipykernel.kernelapp",
    "ipykernel.debugger",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "tornado.platform.asyncio",
    "tornado.queues",
    "nborch.notebook.kernel",
)
#: What only this process needs.
_OWN = ("gc", "nborch.hatching", "nborch.hatching.zygote", __name__)
#: Seconds that all imports may take.
_IMPORT_SECONDS = 60
#: After so many quiet seconds the process ends; another is started when it is needed.
_QUIET_SECONDS = 600.0


def main(
    control: int, lifeline: int, path: Sequence[str], preload: Iterable[str]
) -> None:
    """Fork kernels until nobody wants one; in a kernel, be that.

    Parameters
    ----------
    control
        The descriptor of the socket over which orders come.
    lifeline
        A descriptor that this process is to hold open.
    path
        What `sys.path` was at the start of this process.
    preload
        Modules that each kernel is asked to import.
    """
    cradle = os.getpid()
    had = _descriptors()
    changes = _import((*_IMPORTED, *preload))
    _rehearse()
    sys.path[:] = path
    with socket.socket(fileno=control) as orders:
        zygote = _Cradle(orders)
        trouble = _trouble(had | zygote.descriptors)
        if trouble:
            zygote.tell({"unfit": trouble})
            return
        gc.collect()
        gc.freeze()
        onlooker = audience()
        birth = zygote.obey()
    if birth is not None:
        # NB. A fork lets go of it, for what a child does belongs into no cell: this one
        # has cells of its own.
        set_audience(onlooker)
        os.close(lifeline)
        die_with_parent(cradle)
        _be_kernel(birth, changes)


class _Cradle(Zygote):
    """Fork kernels."""

    quiet_seconds = _QUIET_SECONDS

    @property
    def descriptors(self) -> set[int]:
        """What it has opened itself, beside the socket that it was given."""
        return {self._cord, self._held, self._woken, self._wake}

    def rest(self) -> bool:
        """Return that nobody has needed this process for long."""
        return False


def _import(names: Iterable[str]) -> dict[str, str | None]:
    """Import modules; return which variables they have set, and removed.

    Those that fail are left to the kernels, which tell of it.
    """
    # A kernel's application reads at its import whose death shall be its own.
    os.environ["JPY_PARENT_PID"] = str(os.getpid())
    had = dict(os.environ)
    # NB. Not caught: whatever an import waits for, this process must not wait for ever.
    signal.alarm(_IMPORT_SECONDS)
    for name in names:
        with suppress(Exception):
            importlib.import_module(name)
    signal.alarm(0)
    return {
        name: os.environ.get(name)
        for name in {*had, *os.environ}
        if os.environ.get(name) != had.get(name)
    }


def _rehearse() -> None:
    """Read a cell, for what Python compiles then: a tenth of a kernel's start."""
    with suppress(Exception):
        transformer: Any = importlib.import_module("IPython.core.inputtransformer2")
        transformer.TransformerManager().transform_cell("1 + 1\n")


def _trouble(known: set[int]) -> str:
    """Return why this process must not be forked; nothing if it may be.

    Parameters
    ----------
    known
        The descriptors that may be open.
    """
    if _threads() > 1:
        # Libraries that are ready for forks end their threads when there is one.
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    if _threads() > 1:
        return "a module starts threads when it is imported"
    if _descriptors() - known:
        return "a module opens files or sockets when it is imported"
    return ""


def _threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def _descriptors() -> set[int]:
    found = set()
    for name in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        # What listed them is among them, and is gone.
        with suppress(OSError):
            os.fstat(name)
            found.add(name)
    return found


def _be_kernel(birth: Birth, changes: Mapping[str, str | None]) -> None:
    """Be what ``python -m ipykernel_launcher`` would be, to the end of this process.

    Parameters
    ----------
    changes
        What the imports would do to its variables.
    """
    order, (output, error, *held) = birth.order, birth.ends
    os.close(birth.cord)
    _take_streams(output, error)
    for end in held:
        os.set_inheritable(end, True)  # noqa: FBT003  # positional only
    os.environ.clear()
    os.environ.update(order["env"])
    for name, value in changes.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
    os.chdir(order["cwd"])
    importlib.invalidate_caches()
    _draw_anew()
    for name in _OWN:
        sys.modules.pop(name, None)
    _launch(order["command"])


def _take_streams(output: int, error: int) -> None:
    """Let the standard streams be those of the kernel."""
    nothing, written = os.pipe()
    os.close(written)
    for number, descriptor in enumerate((nothing, output, error)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    stream: Any = sys.stdout
    if stream.isatty() and not stream.write_through:
        # Python has looked for that at its start.
        stream.reconfigure(line_buffering=True)


def _draw_anew() -> None:
    """Let each kernel draw its own random numbers; Python's own module does so."""
    numpy: Any = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed()


def _launch(command: Sequence[str]) -> None:
    """Run the module that the command names, as Python does."""
    module = command.index("-m") + 1
    spec: Any = importlib.util.find_spec(command[module])
    code = spec.loader.get_code(spec.name)
    sys.orig_argv[:] = command
    sys.argv[:] = [spec.origin, *command[module + 1 :]]
    names = vars(sys.modules["__main__"])
    names.clear()
    names.update(_names(spec))
    exec(code, names)  # noqa: S102  # the code of an installed package


def _names(spec: Any) -> Mapping[str, object]:
    """Return what a module finds in its namespace when it is run."""
    return {
        "__name__": "__main__",
        "__doc__": None,
        "__package__": spec.parent,
        "__loader__": spec.loader,
        "__spec__": spec,
        "__file__": spec.origin,
        "__cached__": spec.cached,
        "__builtins__": builtins,
    }
