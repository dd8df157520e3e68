"""The hatchery: starts the processes of runs, signals them, and learns how they ended.

The forking is done by a process that has imported all they need, so that a run begins
a few milliseconds after it is due; see `nborch.hosting.zygote`, where the words are
that the two say to each other. It, and all that it has started, end with this process.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["Hatched", "Hatchery"]

#: Seconds that the zygote may take to end before it is killed.
GRACE = 1.0

_START = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from nborch.hosting.zygote import main; main(int(sys.argv[1]))"
)


class Hatched:
    """The process of a run.

    Attributes
    ----------
    pid
        Its process id, once it is known.
    code
        The exit code, or the negative number of the signal that ended it.
    """

    def __init__(self, number: int, on_end: Callable[["Hatched"], object]) -> None:
        self.number = number
        self.pid: int | None = None
        self.code: int | None = None
        self.on_end = on_end
        self.zygote: _Zygote | None = None


class Hatchery:
    """Start the processes of runs.

    Parameters
    ----------
    on_line
        Called with each line of a run's log, from a thread of the hatchery.
    """

    def __init__(self, on_line: Callable[[str], object]) -> None:
        self._on_line = on_line
        self._lock = threading.Lock()
        self._zygote: _Zygote | None = None
        self._count = 0
        self._is_over = False

    def start(self) -> None:
        """Start the zygote now, that the first run need not wait for it."""
        with self._lock:
            self._alive()

    def hatch(self, folder: Path, on_end: Callable[[Hatched], object]) -> Hatched:
        """Start the process of the run whose order lies in `folder`.

        Parameters
        ----------
        on_end
            Called when the process has ended, from a thread of the hatchery.
        """
        with self._lock:
            self._count += 1
            hatched = Hatched(self._count, on_end)
            if not self._alive().hatch(hatched, folder):
                # It has died since. Who waits for its runs hears of that.
                self._zygote = None
                self._alive().hatch(hatched, folder)
        return hatched

    def signal(self, hatched: Hatched, number: int, *, group: bool = False) -> None:
        """Send a signal to the process of a run, or to all in its group.

        Nothing happens if it has ended.
        """
        if hatched.zygote is not None and hatched.code is None:
            name = signal.Signals(number).name
            hatched.zygote.tell({"signal": name, "of": hatched.number, "group": group})

    def end(self) -> None:
        """End the zygote and all runs that are left; start no more."""
        with self._lock:
            self._is_over = True
            zygote, self._zygote = self._zygote, None
        if zygote is not None:
            zygote.end()

    def _alive(self) -> "_Zygote":
        if self._is_over:
            raise BrokenPipeError("The hatchery has ended.")
        if self._zygote is None or self._zygote.is_over:
            self._zygote = _Zygote(self._on_line)
        return self._zygote


class _Zygote:
    """The process that forks the runs, as it is seen from here."""

    def __init__(self, on_line: Callable[[str], object]) -> None:
        self.is_over = False
        self._on_line = on_line
        self._hatched: dict[int, Hatched] = {}
        self._lock = threading.Lock()
        self.control, far = socket.socketpair()
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined,unused-ignore]  # noqa: SLF001  # as multiprocessing does
        path = [entry for entry in sys.path if isinstance(entry, str)]
        with far:
            self._process = subprocess.Popen(  # noqa: S603  # our own program
                [sys.executable, *flags, "-c", _START, str(far.fileno()), *path],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[far.fileno()],
                start_new_session=True,
            )
        self._threads = [
            threading.Thread(target=target, name=f"nborch-{name}", daemon=True)
            for name, target in (("news", self._listen), ("lines", self._read_lines))
        ]
        for thread in self._threads:
            thread.start()
        _zygotes.add(self)

    def hatch(self, hatched: Hatched, folder: Path) -> bool:
        """Start a run; tell whether the zygote could be told."""
        with self._lock:
            if self.is_over:
                return False
            hatched.zygote = self
            self._hatched[hatched.number] = hatched
        if self.tell({"start": hatched.number, "folder": str(folder)}):
            return True
        with self._lock:
            # False also if it was taken for lost meanwhile, and that was told.
            return self._hatched.pop(hatched.number, None) is None

    def tell(self, order: Mapping[str, Any]) -> bool:
        """Give an order; tell whether it went out."""
        with self._lock:
            try:
                self.control.sendall(json.dumps(order).encode() + b"\n")
            except OSError:
                return False
        return True

    def end(self) -> None:
        """End the process, and with it all its runs."""
        with suppress(OSError):
            # The thread that listens wakes up by it.
            self.control.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(2 * GRACE)

    def _listen(self) -> None:
        """Take the news to their end."""
        received = b""
        while True:
            try:
                piece = self.control.recv(65_536)
            except OSError:
                piece = b""
            if not piece:
                break
            *lines, received = (received + piece).split(b"\n")
            for line in lines:
                self._note(json.loads(line))
        self._bury()

    def _note(self, news: Mapping[str, Any]) -> None:
        if "started" in news:
            hatched = self._hatched.get(news["started"])
            if hatched is not None:
                hatched.pid = news["pid"]
        elif "ended" in news:
            with self._lock:
                hatched = self._hatched.pop(news["ended"], None)
            if hatched is not None:
                hatched.code = news["code"]
                hatched.on_end(hatched)

    def _bury(self) -> None:
        """Tell of the runs that have ended with the process."""
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with self._lock:
            self.is_over = True
            self.control.close()
            lost = list(self._hatched)
        for number in lost:
            self._note({"ended": number, "code": -signal.SIGKILL})

    def _read_lines(self) -> None:
        """Pass on the lines of all runs' logs."""
        stderr = self._process.stderr
        assert stderr is not None  # noqa: S101  # for mypy
        with stderr:
            for line in stderr:
                self._on_line(line.decode(errors="replace").rstrip("\n"))

    def forget(self) -> None:
        """In a forked child: let go of what belongs to the parent."""
        self.is_over = True
        os.close(self.control.detach())
        self._process.returncode = 0


_zygotes: weakref.WeakSet[_Zygote] = weakref.WeakSet()


def _forget_in_child() -> None:
    # NB. A forked child shares our end: were it to keep that open, the runs would not
    # end with this process.
    for zygote in list(_zygotes):
        if not zygote.is_over:
            zygote.forget()


os.register_at_fork(after_in_child=_forget_in_child)
