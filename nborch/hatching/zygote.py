"""The far side of a hatchery: a process that forks others, signals and buries them.

It has one thread and does nothing else, so that what it forks is sound. It is told, a
line of JSON each::

    {"start": 1, "ends": 2, ...}
    {"signal": "SIGINT", "of": 1, "group": false}

and tells::

    {"ready": true}
    {"started": 1, "pid": 4711}
    {"ended": 1, "code": 0}

``ends`` says how many descriptors come with the order; what else stands in it is for
the new process. Each process has a session of its own.
"""

import json
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

__all__ = ["Birth", "Zygote", "die_with_parent", "die_with_zygote"]

#: Linux's PR_SET_PDEATHSIG: which signal a process gets when its parent dies.
_DEATH_SIGNAL = 1
#: Descriptors that may come at once.
_MOST_ENDS = 64


@dataclass(frozen=True, slots=True)
class Birth:
    """What a new process finds.

    Parameters
    ----------
    order
        What it was started with.
    ends
        The descriptors that came with the order.
    cord
        A pipe that ends when the zygote is gone.
    """

    order: Mapping[str, Any]
    ends: tuple[int, ...]
    cord: int


class Zygote:
    """Fork processes, signal them, tell how they ended.

    Parameters
    ----------
    control
        Over which orders come.
    """

    #: Seconds without orders and processes after which `rest` is called.
    quiet_seconds: float | None = None

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._pids: dict[int, int] = {}
        self._received = b""
        self._ends: list[int] = []
        # The processes see the death of this one by the end of this pipe.
        self._cord, self._held = os.pipe()
        self._woken, self._wake = os.pipe()
        for end in (self._woken, self._wake):
            os.set_blocking(end, False)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        # NB. A Ctrl-C in the terminal is for the owner, who decides what to do.
        signal.signal(signal.SIGINT, _do_nothing)
        signal.signal(signal.SIGCHLD, _do_nothing)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def rest(self) -> bool:
        """Use a quiet moment; return whether the process is still needed."""
        return True

    def obey(self) -> Birth | None:
        """Do as told until there is nobody any more; in a new process, return."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        self.tell({"ready": True})
        while True:
            ready = {each for each, _ in poll.poll(self._patience())}
            if not ready and not self.rest():
                return None
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
                birth = self._follow(order)
                if birth is not None:
                    return birth

    def tell(self, news: Mapping[str, Any]) -> None:
        """Let the owner know something."""
        with suppress(OSError):
            self._control.sendall(json.dumps(news).encode() + b"\n")

    def _patience(self) -> float | None:
        """Return how many milliseconds to wait for something to do."""
        if self.quiet_seconds is None or self._pids:
            return None
        return self.quiet_seconds * 1000

    def _orders(self) -> list[dict[str, Any]] | None:
        """Return the orders that have come; None if nobody gives any."""
        try:
            piece, ends, _, _ = socket.recv_fds(self._control, 65_536, _MOST_ENDS)
        except ConnectionError:
            piece, ends = b"", []
        for end in ends:
            os.set_inheritable(end, False)  # noqa: FBT003  # positional only
        self._ends += ends
        if not piece:
            return None
        *lines, self._received = (self._received + piece).split(b"\n")
        return [json.loads(line) for line in lines]

    def _follow(self, order: Mapping[str, Any]) -> Birth | None:
        """Do as told; in a new process, return what it finds."""
        if "start" in order:
            return self._fork(order)
        pid = self._pids.get(order["of"])
        if pid is not None:
            number = signal.Signals[order["signal"]]
            if order["group"]:
                _signal_group(pid, number)
            else:
                os.kill(pid, number)
        return None

    def _fork(self, order: Mapping[str, Any]) -> Birth | None:
        count = order.get("ends", 0)
        ends, self._ends = self._ends[:count], self._ends[count:]
        number = order["start"]
        try:
            pid = os.fork()
        except OSError:
            pid = -1
        if pid == 0:
            self._leave(number)
            return Birth(order, tuple(ends), self._cord)
        for end in ends:
            os.close(end)
        if pid < 0:
            self.tell({"ended": number, "code": -signal.SIGKILL})
            return None
        self._pids[number] = pid
        return None

    def _leave(self, number: int) -> None:
        """In a new process: let go of what is the zygote's."""
        os.setsid()
        # NB. Only now: who hears of it may ask for the group at once.
        self.tell({"started": number, "pid": os.getpid()})
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._control.close()
        for end in (self._held, self._woken, self._wake, *self._ends):
            os.close(end)

    def _bury(self) -> None:
        """Tell of the processes that have ended; end what they have left running."""
        for number, pid in list(self._pids.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                # Its group has this number for as long as somebody is in it.
                _signal_group(pid, signal.SIGKILL)
                del self._pids[number]
                code = os.waitstatus_to_exitcode(status)
                self.tell({"ended": number, "code": code})


def die_with_parent(zygote: int) -> bool:
    """Let the system end this process when the zygote dies; return whether it will.

    Where C code lets no thread run, only the system can do that.

    Parameters
    ----------
    zygote
        Its process id: it may have died already.
    """
    if sys.platform != "linux" or _C is None:
        return False
    _C.prctl(_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != zygote:
        os.kill(os.getpid(), signal.SIGKILL)
    return True


def die_with_zygote(cord: int) -> None:
    """Let a thread of this process end it, and its group, when the zygote is gone."""
    threading.Thread(
        target=_die_together, args=(cord,), name="nborch-cord", daemon=True
    ).start()


def _die_together(cord: int) -> None:
    """Wait until the zygote is gone; then end this process and its children."""
    os.read(cord, 1)
    os.killpg(0, signal.SIGKILL)


def _do_nothing(_signal: int, _frame: object) -> None:
    """Handle a signal that is meant for others."""


def _signal_group(pid: int, number: int) -> None:
    with suppress(OSError):
        os.killpg(pid, number)


def _c_library() -> Any:
    try:
        import ctypes

        return ctypes.CDLL(None)
    except (ImportError, OSError):
        return None


# Loaded by the zygote, for all that it forks.
_C = _c_library()
