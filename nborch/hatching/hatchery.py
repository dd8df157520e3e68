"""The near side: starts processes, signals them, and learns how they ended.

The forking is done by a process that has imported all they need, so that a process
begins a few milliseconds after it is wanted; see `nborch.hatching.zygote`, where the
words are that the two say to each other. It, and all that it has started, end with this
process.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

__all__ = ["Hatched", "Hatchery", "Program", "program_of"]

#: Seconds that the zygote may take to end before it is killed.
GRACE = 1.0

_START = (
    "import sys; sys.path[:] = sys.argv[2:]; "
    "from {module} import main; main(int(sys.argv[1]))"
)


@dataclass(frozen=True, slots=True)
class Program:
    """How a zygote is started.

    Parameters
    ----------
    command, arguments
        What comes before and after the number of its end of the socket.
    env, cwd
        Its variables and its folder; this process's own if not given.
    ends
        Descriptors that it keeps.
    on_start
        Called with its process id.
    """

    command: tuple[str, ...]
    arguments: tuple[str, ...]
    env: Mapping[str, str] | None = None
    cwd: str | None = None
    ends: tuple[int, ...] = ()
    on_start: Callable[[int], object] = lambda _: None


def program_of(module: str) -> Program:
    """Return what calls the ``main`` of a module as if it was called from here."""
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined,unused-ignore]  # noqa: SLF001  # as multiprocessing does
    path = [entry for entry in sys.path if isinstance(entry, str)]
    start = _START.format(module=module)
    return Program((sys.executable, *flags, "-c", start), tuple(path))


class Hatched:
    """A process that was forked for us.

    Attributes
    ----------
    pid
        Its process id, once it is known.
    code
        The exit code, or the negative number of the signal that ended it.
    """

    def __init__(
        self,
        number: int,
        on_end: Callable[["Hatched"], object],
        on_start: Callable[["Hatched"], object] = lambda _: None,
    ) -> None:
        self.number = number
        self.pid: int | None = None
        self.code: int | None = None
        self.on_end = on_end
        self.on_start = on_start
        self.zygote: _Zygote | None = None


class Hatchery:
    """Start processes.

    Parameters
    ----------
    program
        Says how the zygote is started, whenever it is.
    on_line
        Called with each line that is written to the zygote's error stream, from a
        thread of the hatchery. If not given, nobody reads them.
    on_news
        Called with what the zygote tells of itself.
    """

    def __init__(
        self,
        program: Callable[[], Program],
        on_line: Callable[[str], object] | None = None,
        on_news: Callable[[Mapping[str, Any]], object] = lambda _: None,
    ) -> None:
        self._program = program
        self._on_line = on_line
        self._on_news = on_news
        self._lock = threading.Lock()
        self._zygote: _Zygote | None = None
        self._count = 0
        self._is_over = False

    def start(self) -> None:
        """Start the zygote now, that the first process need not wait for it."""
        with self._lock:
            self._alive()

    @property
    def is_alive(self) -> bool:
        """Whether there is a zygote."""
        return self._zygote is not None and not self._zygote.is_over

    def hatch(
        self,
        order: Mapping[str, Any],
        on_end: Callable[[Hatched], object],
        on_start: Callable[[Hatched], object] = lambda _: None,
        ends: Sequence[int] = (),
    ) -> Hatched:
        """Start a process.

        Parameters
        ----------
        order
            What it is to do, in words that JSON has.
        on_end, on_start
            Called when it has ended, and when its process id is known, from a thread of
            the hatchery.
        ends
            Descriptors for it.
        """
        with self._lock:
            self._count += 1
            hatched = Hatched(self._count, on_end, on_start)
            if not self._alive().hatch(hatched, order, ends):
                # It has died since. Who waits for its processes hears of that.
                self._zygote = None
                self._alive().hatch(hatched, order, ends)
        return hatched

    def signal(self, hatched: Hatched, number: int, *, group: bool = False) -> None:
        """Send a signal to a process, or to all in its group.

        Nothing happens if it has ended.
        """
        if hatched.zygote is not None and hatched.code is None:
            name = signal.Signals(number).name
            hatched.zygote.tell({"signal": name, "of": hatched.number, "group": group})

    def end(self) -> None:
        """End the zygote and all processes that are left; start no more."""
        with self._lock:
            self._is_over = True
            zygote, self._zygote = self._zygote, None
        if zygote is not None:
            zygote.end()

    def _alive(self) -> "_Zygote":
        if self._is_over:
            raise BrokenPipeError("The hatchery has ended.")
        if self._zygote is None or self._zygote.is_over:
            self._zygote = _Zygote(self._program(), self._on_line, self._on_news)
        return self._zygote


class _Zygote:
    """The process that forks the others, as it is seen from here."""

    def __init__(
        self,
        program: Program,
        on_line: Callable[[str], object] | None,
        on_news: Callable[[Mapping[str, Any]], object],
    ) -> None:
        self.is_over = False
        self._on_news = on_news
        self._hatched: dict[int, Hatched] = {}
        self._lock = threading.Lock()
        self.control, far = socket.socketpair()
        with far:
            self._process = subprocess.Popen(  # noqa: S603  # our own program
                [*program.command, str(far.fileno()), *program.arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE if on_line else subprocess.DEVNULL,
                pass_fds=[far.fileno(), *program.ends],
                start_new_session=True,
                env=program.env,
                cwd=program.cwd,
            )
        program.on_start(self._process.pid)
        targets: dict[str, Callable[[], None]] = {"news": self._listen}
        if on_line is not None:
            targets["lines"] = lambda: self._read_lines(on_line)
        self._threads = [
            threading.Thread(target=target, name=f"nborch-{name}", daemon=True)
            for name, target in targets.items()
        ]
        for thread in self._threads:
            thread.start()
        _zygotes.add(self)

    def hatch(
        self, hatched: Hatched, order: Mapping[str, Any], ends: Sequence[int]
    ) -> bool:
        """Start a process; tell whether the zygote could be told."""
        with self._lock:
            if self.is_over:
                return False
            hatched.zygote = self
            self._hatched[hatched.number] = hatched
        start = {"start": hatched.number, **order}
        if ends:
            start["ends"] = len(ends)
        if self.tell(start, ends):
            return True
        with self._lock:
            # False also if it was taken for lost meanwhile, and that was told.
            return self._hatched.pop(hatched.number, None) is None

    def tell(self, order: Mapping[str, Any], ends: Sequence[int] = ()) -> bool:
        """Give an order; tell whether it went out."""
        line = json.dumps(order).encode() + b"\n"
        with self._lock:
            try:
                if ends:
                    sent = socket.send_fds(self.control, [line], list(ends))
                    line = line[sent:]
                self.control.sendall(line)
            except OSError:
                return False
        return True

    def end(self) -> None:
        """End the process, and with it all that it has started."""
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
                hatched.on_start(hatched)
        elif "ended" in news:
            with self._lock:
                hatched = self._hatched.pop(news["ended"], None)
            if hatched is not None:
                hatched.code = news["code"]
                hatched.on_end(hatched)
        else:
            self._on_news(news)

    def _bury(self) -> None:
        """Tell of the processes that have ended with the zygote."""
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

    def _read_lines(self, on_line: Callable[[str], object]) -> None:
        """Pass on the lines of all logs."""
        stderr = self._process.stderr
        assert stderr is not None  # noqa: S101  # for mypy
        with stderr:
            for line in stderr:
                on_line(line.decode(errors="replace").rstrip("\n"))

    def forget(self) -> None:
        """In a forked child: let go of what belongs to the parent."""
        self.is_over = True
        os.close(self.control.detach())
        self._process.returncode = 0


_zygotes: weakref.WeakSet[_Zygote] = weakref.WeakSet()


def _forget_in_child() -> None:
    # NB. A forked child shares our end: were it to keep that open, the processes would
    # not end with this one.
    for zygote in list(_zygotes):
        if not zygote.is_over:
            zygote.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
