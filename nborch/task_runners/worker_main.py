"""What runs in the processes below: the zygote that forks workers, and the workers.

The zygote is a process with one thread that has imported what every worker needs and
does nothing but fork, kill and bury: a worker costs two milliseconds instead of a start
of Python, and whatever becomes of it, somebody is there to see.
"""

import asyncio
import atexit
import faulthandler
import gc
import importlib
import inspect
import io
import os
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple

from nborch.task_runners.messages import (
    COMMAND,
    DEATH,
    FORK,
    Channel,
    Kind,
    Message,
    Piece,
    dumps,
    dumps_error,
    loads,
)
from nborch.task_runners.surroundings import Surroundings
from nborch.task_runners.tracebacks import summary

__all__ = ["main"]

#: What an error passes through before it reaches the user's own code.
_BELOW = {__name__, "asyncio.runners", "asyncio.base_events"}


#: Linux's PR_SET_PDEATHSIG: which signal a process gets when its parent dies.
_DEATH_SIGNAL = 1


class _Ends(NamedTuple):
    """What a new worker is given: its ends of what connects it to its employer."""

    channel: int
    death: int
    stdout: int
    stderr: int
    cord: int


def main(control: int, preloads: Sequence[str] = ()) -> None:
    """Be the zygote; return when the process is not needed any more.

    Parameters
    ----------
    control
        The descriptor of the socket over which orders come.
    preloads
        Modules that workers will need.
    """
    for module in ("cloudpickle", *preloads):
        importlib.import_module(module)
    faulthandler.enable(all_threads=False)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    # NB. Not ignored, for programs that a task starts would ignore it too: an
    # interrupt is for the process that we work for, which decides what to do.
    signal.signal(signal.SIGINT, _do_nothing)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=control) as orders:
        ends = _Zygote(orders).obey()
    if ends is not None:
        try:
            _work(ends)
        finally:
            _exit()


def _do_nothing(_signal: int, _frame: object) -> None:
    """Handle a signal that is meant for others."""


class _Zygote:
    """Fork workers, kill their process groups, tell how they died."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._pids: dict[int, int] = {}
        self._deaths: dict[int, int] = {}
        # The workers see the death of this process by the end of this pipe.
        self._cord, self._held = os.pipe()
        self._woken, self._wake = os.pipe()
        for end in (self._woken, self._wake):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, _do_nothing)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def obey(self) -> _Ends | None:
        """Do as told until there is nobody any more; in a worker, return its ends."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._bury()
            if self._control.fileno() not in ready:
                continue
            try:
                order, ends, _, _ = socket.recv_fds(self._control, COMMAND.size, 4)
            except ConnectionError:
                order = b""
            if not order:
                for pid in self._pids.values():
                    _kill_group(pid)
                return None
            command, number = COMMAND.unpack(order)
            if command == FORK:
                mine = self._fork(number, *ends)
                if mine is not None:
                    return mine
            elif number in self._pids:
                _kill_group(self._pids[number])

    def _fork(
        self, number: int, channel: int, death: int, stdout: int, stderr: int
    ) -> _Ends | None:
        """Fork a worker; in the worker, return its ends."""
        ends = _Ends(channel, death, stdout, stderr, self._cord)
        try:
            pid = os.fork()
        except OSError:
            pid = -1
        if pid == 0:
            os.setpgid(0, 0)
            self._leave()
            return ends
        for end in (channel, stdout, stderr):
            os.close(end)
        if pid < 0:
            os.close(death)
            return None
        # NB. Both do it, for both need it done.
        with suppress(OSError):
            os.setpgid(pid, pid)
        os.set_inheritable(death, False)  # noqa: FBT003  # positional only
        self._pids[number] = pid
        self._deaths[number] = death
        return None

    def _leave(self) -> None:
        """In a new worker: let go of what is the zygote's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._control.close()
        for end in (self._held, self._woken, self._wake, *self._deaths.values()):
            os.close(end)

    def _bury(self) -> None:
        """Tell of the workers that have died; end what they have left running."""
        for number, pid in list(self._pids.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if not found:
                continue
            # Its group has this number for as long as somebody is in it.
            _kill_group(pid)
            del self._pids[number]
            death = self._deaths.pop(number)
            with suppress(OSError):
                os.write(death, DEATH.pack(pid, os.waitstatus_to_exitcode(status)))
            os.close(death)


def _kill_group(pid: int) -> None:
    with suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def _work(ends: _Ends) -> None:
    """Be a worker: answer messages until there are no more."""
    os.close(ends.death)
    os.dup2(ends.stdout, 1)
    os.dup2(ends.stderr, 2)
    os.close(ends.stdout)
    os.close(ends.stderr)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = _printing_to(descriptor)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os.set_inheritable(ends.channel, False)  # noqa: FBT003  # positional only
    if sys.platform == "linux" and _C is not None:
        # Where C code lets no thread run, only the system can see the zygote's death.
        _C.prctl(_DEATH_SIGNAL, signal.SIGKILL)
    threading.Thread(
        target=_die_together, args=(ends.cord,), name="nborch-cord", daemon=True
    ).start()
    with (
        socket.socket(fileno=ends.channel) as end,
        suppress(EOFError, ConnectionError),
    ):
        channel = Channel(end)
        while True:
            _answer(channel)


def _printing_to(descriptor: int) -> io.TextIOWrapper:
    """Return a file for print: line by line, as in a terminal, and for any text."""
    return open(
        descriptor,
        "w",
        buffering=1,
        encoding="utf-8",
        errors="backslashreplace",
        closefd=False,
    )


def _die_together(cord: int) -> None:
    """Wait until the zygote is gone; then end this process and its children."""
    os.read(cord, 1)
    os.killpg(0, signal.SIGKILL)


def _answer(channel: Channel) -> None:
    """Receive a message and answer it."""
    kind, pieces = channel.receive()
    reply = _settle(pieces) if kind is Kind.SETTLE else _call(pieces)
    del pieces
    _flush()
    channel.send(*reply)


def _settle(pieces: list[Piece]) -> Message:
    try:
        Surroundings.adopt(pieces[0])
        # Only now can the modules of the initializer be found.
        if len(pieces) > 1:
            initializer, initargs, _ = loads(pieces[1:])
            initializer(*initargs)
    except BaseException as error:  # noqa: BLE001  # it travels back
        return _raised(error)
    return Kind.READY, []


def _call(pieces: list[Piece]) -> Message:
    try:
        function, args, kwargs = loads(pieces)
        pieces.clear()
    except BaseException as error:  # noqa: BLE001  # it travels back
        return Kind.UNREADABLE, dumps_error(error)
    try:
        value = function(*args, **kwargs)
        # NB. asyncio.iscoroutine() takes a generator for one.
        if inspect.iscoroutine(value):
            value = asyncio.run(value)
    except BaseException as error:  # noqa: BLE001  # it travels back
        return _raised(error)
    try:
        return Kind.RETURNED, dumps(value)
    except Exception as error:  # noqa: BLE001  # anything that a user's object does
        return Kind.UNSENDABLE, dumps((type(value).__qualname__, summary(error)))


def _raised(error: BaseException) -> Message:
    error.__traceback__ = _users_part(error.__traceback__)
    return Kind.RAISED, [summary(error).encode(errors="replace"), *dumps_error(error)]


def _users_part(whole: TracebackType | None) -> TracebackType | None:
    """Return the traceback from the first frame on that is not ours."""
    part: Any = whole
    while part is not None and part.tb_frame.f_globals.get("__name__") in _BELOW:
        part = part.tb_next
    return part or whole


def _exit() -> None:
    """End this worker as a program ends: wait for threads, call what is registered.

    It does not take all its modules apart before, which would take longer than most
    calls.
    """
    try:
        # NB. The names are private, but multiprocessing's processes end by them too.
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
        atexit._run_exitfuncs()  # noqa: SLF001
    except BaseException:  # noqa: BLE001  # told, as Python does at its end
        traceback.print_exc()
    finally:
        _flush()
        os._exit(0)


def _flush() -> None:
    """Hand on what has been printed, also by C code: the answer comes after it."""
    for stream in (sys.stdout, sys.stderr):
        # The user may have put anything there, or have closed it.
        with suppress(Exception):
            stream.flush()
    _flush_c(None)


def _c_library() -> Any:
    try:
        import ctypes

        return ctypes.CDLL(None)
    except (ImportError, OSError):
        return None


def _do_not_flush(_stream: None) -> None:
    """Stand in for C's ``fflush`` where it cannot be had."""


# Loaded by the zygote, for all workers.
_C = _c_library()
_flush_c = getattr(_C, "fflush", _do_not_flush)
