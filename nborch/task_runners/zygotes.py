"""The near side of worker processes: how they are started, asked, heard and killed."""

import os
import select
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from contextlib import ExitStack, suppress

from nborch.task_runners.messages import (
    COMMAND,
    DEATH,
    FORK,
    KILL,
    Channel,
    Kind,
    Message,
    Piece,
)
from nborch.task_runners.outputs import Output
from nborch.task_runners.surroundings import Surroundings

__all__ = ["Died", "Late", "Unheard", "Worker", "Zygote"]

#: Seconds between two looks for an exception that another thread has set in ours.
SLICE = 0.05
#: Seconds that a process may take to end before it is killed.
GRACE = 1.0

_START = (
    "import sys; sys.path[:] = sys.argv[3:]; "
    "from nborch.task_runners.worker_main import main; "
    "main(int(sys.argv[1]), sys.argv[2].split())"
)


class Died(Exception):
    """A worker's process has ended.

    Parameters
    ----------
    pid
        Its process id, if it is known how the process ended.
    code
        The exit code, or the negative number of the signal.
    """

    def __init__(self, pid: int | None = None, code: int | None = None) -> None:
        super().__init__(pid, code)
        self.pid = pid
        self.code = code


class Unheard(Died):
    """A worker's process had ended before it was asked."""


class Late(Exception):
    """A worker took too long to answer."""


class Zygote:
    """The process that forks workers; it is started when the first is asked for.

    Parameters
    ----------
    preloads
        Modules that it imports for all workers. They must start no threads.
    """

    def __init__(self, preloads: Sequence[str] = ()) -> None:
        self.lock = threading.Lock()
        self._preloads = " ".join(preloads)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._count = 0
        self._is_over = False
        _zygotes.add(self)

    def start(self) -> None:
        """Start the process now, that the first worker need not wait for it."""
        with self.lock:
            if self._control is None and not self._is_over:
                self._start()

    def fork(self) -> "Worker":
        """Start a worker.

        Raises
        ------
        Died
            If the zygote has been ended.
        """
        with ExitStack() as near, ExitStack() as far:
            channel, end = socket.socketpair()
            near.enter_context(channel)
            far.enter_context(end)
            pipes, ends = [], [end.fileno()]
            for _ in range(3):
                read, write = os.pipe()
                near.callback(os.close, read)
                far.callback(os.close, write)
                pipes.append(read)
                ends.append(write)
            worker = Worker(self, self._order_birth(ends), channel, pipes)
            near.pop_all()
            return worker

    def kill(self, number: int) -> None:
        """Kill a worker, and all processes in its group."""
        with self.lock, suppress(OSError):
            if self._control is not None:
                self._order(KILL, number, [])

    def end(self) -> None:
        """End the process and all workers that are left; start no more."""
        with self.lock:
            self._is_over = True
            self._drop()

    def _order_birth(self, ends: list[int]) -> int:
        """Let a worker be forked with these ends; return its number."""
        with self.lock:
            if self._is_over:
                raise Died
            self._count += 1
            try:
                self._order(FORK, self._count, ends)
            except OSError:
                # It has died since: a new one takes its place.
                self._drop()
                self._order(FORK, self._count, ends)
            return self._count

    def _order(self, command: bytes, number: int, ends: list[int]) -> None:
        if self._control is None:
            self._start()
        assert self._control is not None  # noqa: S101  # for mypy
        socket.send_fds(self._control, [COMMAND.pack(command, number)], ends)

    def _start(self) -> None:
        control, far = socket.socketpair()
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined,unused-ignore]  # noqa: SLF001  # as multiprocessing does
        path = [entry for entry in sys.path if isinstance(entry, str)]
        with far:
            given = [str(far.fileno()), self._preloads, *path]
            self._process = subprocess.Popen(  # noqa: S603  # our own program
                [sys.executable, *flags, "-c", _START, *given],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[far.fileno()],
                start_new_session=True,
            )
        self._control = control

    def _drop(self) -> None:
        process, self._process = self._process, None
        control, self._control = self._control, None
        if control is not None:
            control.close()
        if process is not None:
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def forget(self) -> None:
        """In a forked child: let go of what belongs to the parent."""
        self.lock = threading.Lock()
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            # Not our child: it must not be waited for, nor complained about.
            self._process.returncode = 0
            self._process = None


class Worker:
    """One worker process; used by one thread at a time.

    Parameters
    ----------
    pipes
        Where it tells of its death, and where its stdout and stderr arrive.
    """

    def __init__(
        self, zygote: Zygote, number: int, channel: socket.socket, pipes: list[int]
    ) -> None:
        self.surroundings: Surroundings | None = None
        self._zygote = zygote
        self._number = number
        self._was_unheard = False
        self._death, stdout, stderr = pipes
        self._channel = Channel(channel)
        self._outputs = {
            stdout: Output(stdout, "stdout"),
            stderr: Output(stderr, "stderr"),
        }
        self._poll = select.poll()
        for end in (channel.fileno(), *pipes):
            os.set_blocking(end, False)
            self._poll.register(end, select.POLLIN)
        _workers.add(self)

    def stop(self) -> None:
        """Have the process killed, from any thread; who waits for it hears of it."""
        self._zygote.kill(self._number)

    @property
    def is_alive(self) -> bool:
        """Whether the process can be asked; what it has printed is passed on."""
        if self._death < 0:
            return False
        ready = {end for end, _ in self._poll.poll(0)}
        self._pass_on(ready)
        return not ready & {self._death, self._channel.socket.fileno()}

    def ask(
        self, kind: Kind, pieces: list[Piece], seconds: float | None = None
    ) -> Message:
        """Send a message and return the answer; pass on what is printed meanwhile.

        Raises
        ------
        Unheard
            If the process ended before it had read the message.
        Died
            If it ended before it answered.
        Late
            If it took longer than `seconds`.
        """
        until = None if seconds is None else time.monotonic() + seconds
        try:
            self._channel.send(kind, pieces, lambda: self._wait_for_room(until))
        except ConnectionError:
            died = self.kill()
            raise Unheard(died.pid, died.code) from None
        while True:
            message, ready = self._listen(until)
            if message is not None:
                # What was printed before the answer may have come unnoticed.
                self._pass_on({end for end, _ in self._poll.poll(0)}, finish=True)
                return message
            if self._death in ready:
                died = self._last_words()
                raise Unheard(died.pid, died.code) if self._was_unheard else died
            if until is not None and time.monotonic() >= until:
                raise Late

    def finish(self) -> None:
        """Let the process end by itself, as programs do; kill it if it does not."""
        self.hang_up()
        self._await_death(GRACE)
        self.kill()

    def hang_up(self) -> None:
        """Tell the process that no more is asked of it."""
        if self._death >= 0:
            with suppress(OSError):
                self._channel.socket.shutdown(socket.SHUT_RDWR)
            with suppress(KeyError):
                self._poll.unregister(self._channel.socket)

    def kill(self) -> Died:
        """End the process and its children at once, if it has not ended."""
        died = Died()
        if self._death >= 0:
            self._zygote.kill(self._number)
            died = self._await_death(GRACE)
            self.close()
        return died

    def close(self) -> None:
        """Close our ends; the process ends if it has not."""
        if self._death >= 0:
            self._channel.socket.close()
            for end in (self._death, *self._outputs):
                os.close(end)
            self._death = -1

    def _listen(self, until: float | None) -> tuple[Message | None, set[int]]:
        """Wait a moment; return what came: the answer, the ends with news."""
        ready = {end for end, _ in self._poll.poll(_milliseconds(until))}
        message = None
        channel = self._channel.socket.fileno()
        if ready & {channel, self._death}:
            try:
                message = self._channel.receive()
            except BlockingIOError:
                pass
            except (EOFError, ConnectionError) as error:
                # The system says so when something was left unread at the end.
                self._was_unheard |= isinstance(error, ConnectionResetError)
                if channel in ready:
                    # What there is to know now comes from the zygote.
                    self._poll.unregister(channel)
                    if not self._is_dead(GRACE):
                        self._zygote.kill(self._number)
        self._pass_on(ready, finish=not ready)
        return message, ready

    def _is_dead(self, seconds: float = 0.0) -> bool:
        """Tell whether the process has ended, or does so within these seconds."""
        poll = select.poll()
        poll.register(self._death, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def _await_death(self, seconds: float) -> Died:
        """Wait for the process's end, pass on what it prints; return how it ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            ready = {end for end, _ in self._poll.poll(_milliseconds(until))}
            self._pass_on(ready)
            if self._death in ready:
                return self._last_words()
        return Died()

    def _last_words(self) -> Died:
        """Return how the process ended, after passing on what it printed."""
        self._pass_on({end for end, _ in self._poll.poll(0)}, finish=True)
        try:
            told = os.read(self._death, DEATH.size)
        except BlockingIOError:
            told = b""
        return Died(*DEATH.unpack(told)) if told else Died()

    def _pass_on(self, ready: set[int], *, finish: bool = False) -> None:
        for end, output in self._outputs.items():
            if end in ready and not output.read():
                self._poll.unregister(end)
            if finish:
                output.flush()

    def _wait_for_room(self, until: float | None) -> None:
        """Wait until the process has read something of a large message."""
        if until is not None and time.monotonic() >= until:
            raise Late
        poll = select.poll()
        poll.register(self._channel.socket, select.POLLOUT)
        poll.poll(_milliseconds(until))
        if self._is_dead():
            raise BrokenPipeError


def _milliseconds(until: float | None) -> float:
    if until is None:
        return SLICE * 1000
    return max(0.0, min(SLICE, until - time.monotonic())) * 1000


_zygotes: weakref.WeakSet[Zygote] = weakref.WeakSet()
_workers: weakref.WeakSet[Worker] = weakref.WeakSet()


def _forget_in_child() -> None:
    # NB. A forked child shares our ends: were it to keep them open, nothing here would
    # end with this process, and two processes would talk to one worker.
    for worker in list(_workers):
        worker.close()
    for zygote in list(_zygotes):
        zygote.forget()


os.register_at_fork(after_in_child=_forget_in_child)
