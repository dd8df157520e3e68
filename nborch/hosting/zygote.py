"""The process that forks the processes of runs: it has imported all that they need.

A run that is due begins a few milliseconds later, instead of a start of Python and of
the package. Like the zygote of the process pools (`nborch.task_runners.worker_main`) it
has one thread, does nothing but fork, signal and bury, and takes its children with it.
Each run has a session of its own, and its output goes to a file.

It is told, a line of JSON each::

    {"start": 1, "folder": "/.../runs/<id>"}
    {"signal": "SIGINT", "of": 1, "group": false}

and tells::

    {"ready": true}
    {"started": 1, "pid": 4711}
    {"ended": 1, "code": 0}
"""

import faulthandler
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nborch.cli.formats import load_format

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
#: Milliseconds of quiet before the next of them is loaded.
QUIET = 200

#: Linux's PR_SET_PDEATHSIG: which signal a process gets when its parent dies.
_DEATH_SIGNAL = 1


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
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    # NB. A Ctrl-C in the terminal is for the worker, which decides what to do.
    signal.signal(signal.SIGINT, _do_nothing)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=control) as orders:
        folder = _Zygote(orders).obey()
    if folder is not None:
        _become(folder)


def _do_nothing(_signal: int, _frame: object) -> None:
    """Handle a signal that is meant for others."""


class _Zygote:
    """Fork runs, signal them, tell how they ended."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._pids: dict[int, int] = {}
        self._received = b""
        # The runs see the death of this process by the end of this pipe.
        self._cord, self._held = os.pipe()
        self._woken, self._wake = os.pipe()
        for end in (self._woken, self._wake):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, _do_nothing)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        self._later = list(LATER)

    def obey(self) -> Path | None:
        """Do as told until there is nobody any more; in a run, return its folder."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        self._tell({"ready": True})
        while True:
            is_quiet = bool(self._later) and not self._pids
            ready = {each for each, _ in poll.poll(QUIET if is_quiet else None)}
            if not ready:
                self._load(self._later.pop(0))
                continue
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._bury()
            if self._control.fileno() not in ready:
                continue
            orders = self._orders()
            if orders is None:
                for pid in self._pids.values():
                    _signal_group(pid, signal.SIGKILL)
                return None
            for order in orders:
                folder = self._follow(order)
                if folder is not None:
                    return folder

    def _load(self, module: str) -> None:
        """Import one of the modules that are not urgent."""
        with suppress(ImportError):
            if module == "jsonschema":
                # It takes a second by itself, and no run should have to wait for that.
                load_format()
            else:
                importlib.import_module(module)
        gc.collect()
        gc.freeze()

    def _orders(self) -> list[dict[str, Any]] | None:
        """Return the orders that have come; None if nobody gives any."""
        try:
            piece = self._control.recv(65_536)
        except ConnectionError:
            piece = b""
        if not piece:
            return None
        *lines, self._received = (self._received + piece).split(b"\n")
        return [json.loads(line) for line in lines]

    def _follow(self, order: Mapping[str, Any]) -> Path | None:
        """Do as told; in a new run, return its folder."""
        if "start" in order:
            return self._fork(order["start"], Path(order["folder"]))
        pid = self._pids.get(order["of"])
        if pid is not None:
            number = signal.Signals[order["signal"]]
            if order["group"]:
                _signal_group(pid, number)
            else:
                os.kill(pid, number)
        return None

    def _fork(self, number: int, folder: Path) -> Path | None:
        try:
            pid = os.fork()
        except OSError:
            self._tell({"ended": number, "code": -signal.SIGKILL})
            return None
        if pid == 0:
            self._leave()
            return folder
        self._pids[number] = pid
        self._tell({"started": number, "pid": pid})
        return None

    def _leave(self) -> None:
        """In a new run: let go of what is the zygote's, and see its death."""
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._control.close()
        for end in (self._held, self._woken, self._wake):
            os.close(end)
        if sys.platform == "linux" and _C is not None:
            # Where C code lets no thread run, only the system can see the death.
            _C.prctl(_DEATH_SIGNAL, signal.SIGKILL)
        threading.Thread(
            target=_die_together, args=(self._cord,), name="nborch-cord", daemon=True
        ).start()

    def _bury(self) -> None:
        """Tell of the runs that have ended; end what they have left running."""
        for number, pid in list(self._pids.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                # Its group has this number for as long as somebody is in it.
                _signal_group(pid, signal.SIGKILL)
                del self._pids[number]
                code = os.waitstatus_to_exitcode(status)
                self._tell({"ended": number, "code": code})

    def _tell(self, news: Mapping[str, Any]) -> None:
        with suppress(OSError):
            self._control.sendall(json.dumps(news).encode() + b"\n")


def _signal_group(pid: int, number: int) -> None:
    with suppress(OSError):
        os.killpg(pid, number)


def _die_together(cord: int) -> None:
    """Wait until the zygote is gone; then end this process and its children."""
    os.read(cord, 1)
    os.killpg(0, signal.SIGKILL)


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


def _c_library() -> Any:
    try:
        import ctypes

        return ctypes.CDLL(None)
    except (ImportError, OSError):
        return None


# Loaded by the zygote, for all runs.
_C = _c_library()
