"""The process that forks the processes of runs: it has imported all that they need.

A run that is due begins a few milliseconds later, instead of a start of Python and of
the package. What this process is told and tells stands in `nborch.hatching.zygote`; an
order to start names the folder of the run. The output of a run goes to a file.
"""

import faulthandler
import gc
import importlib
import os
import socket
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path

from nborch.cli.formats import load_format
from nborch.hatching.zygote import Zygote, die_with_parent, die_with_zygote

__all__ = ["main"]

#: Imported for all runs, beside what they import themselves.
PRELOADS = (
    "nborch.hosting.running",
    "nborch.flows",
    "nborch.tasks",
    "nborch.store.queue",
    "asyncio",
    "cloudpickle",
)
#: What notebooks need besides; loaded piece by piece while there is nothing to do.
LATER = (
    "pydantic",
    "jsonschema",
    "jupyter_client",
    "IPython.core.interactiveshell",
    "nbclient",
    "papermill",
    "nborch.notebook.flows",
)
#: Seconds of quiet before the next of them is loaded.
QUIET = 0.2


def main(control: int) -> None:
    """Be the zygote; return when the process is not needed any more.

    Parameters
    ----------
    control
        The descriptor of the socket over which orders come.
    """
    for module in PRELOADS:
        with suppress(ModuleNotFoundError):
            importlib.import_module(module)
    faulthandler.enable(all_threads=False)
    gc.collect()
    gc.freeze()
    zygote = os.getpid()
    with socket.socket(fileno=control) as orders:
        birth = _Runs(orders).obey()
    if birth is not None:
        die_with_parent(zygote)
        die_with_zygote(birth.cord)
        _become(Path(birth.order["folder"]))


class _Runs(Zygote):
    """Fork runs, and get to know meanwhile what notebooks need."""

    quiet_seconds: float | None = QUIET

    def __init__(self, control: socket.socket) -> None:
        super().__init__(control)
        self._later = list(LATER)

    def rest(self) -> bool:
        """Import one of the modules that are not urgent."""
        module = self._later.pop(0)
        if not self._later:
            self.quiet_seconds = None
        with suppress(ImportError):
            if module == "jsonschema":
                # It takes a second by itself, and no run should have to wait for that.
                load_format()
            else:
                importlib.import_module(module)
        gc.collect()
        gc.freeze()
        return True


def _become(folder: Path) -> None:
    """Be the process of a run, from its first line to its exit code."""
    code = 1
    try:
        from nborch.hosting.running import perform

        code = perform(folder)
        # NB. The names are private, but multiprocessing's processes end by them too.
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
    except BaseException:  # noqa: BLE001  # told, as Python does at its end
        traceback.print_exc()
    finally:
        _end(code)


def _end(code: int) -> None:
    """End this process as a program ends, without taking its modules apart before."""
    import atexit

    try:
        atexit._run_exitfuncs()  # noqa: SLF001  # as above
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        # The user may have put anything there, or have closed it.
        with suppress(Exception):
            stream.flush()
    os._exit(code)
