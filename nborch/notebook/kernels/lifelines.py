"""A line that ends a process group when this process is gone, whatever it died of."""

import os
import signal
import subprocess
import weakref
from contextlib import suppress

__all__ = ["Lifeline", "kill_group"]

# Outside this process's session, so that what kills us and our group spares it. It
# reads until the other end of the line is closed, which death does for us.
_WATCHER = 'read line; kill -KILL -"$1"'


class Lifeline:
    """A pipe that is open for as long as this process lives.

    >>> import subprocess
    >>> line = Lifeline()
    >>> process = subprocess.Popen(
    ...     ["sleep", "60"], pass_fds=line.ends, start_new_session=True
    ... )
    >>> line.tie(process.pid)
    >>> line.cut()
    >>> process.wait()
    -9

    The kernel of the system closes the pipe of a process that dies, even by SIGKILL.
    On Linux it then also kills the group: that needs no cooperation, so it works for
    kernels of any language and while compiled code runs. Elsewhere a small process
    waits for the same thing.
    """

    def __init__(self) -> None:
        self._end, self._held = os.pipe()
        self._watcher: subprocess.Popen[bytes] | None = None
        _lines.add(self)

    @property
    def ends(self) -> tuple[int, ...]:
        """What the process is to inherit and to keep open."""
        return (self._end,)

    def tie(self, group: int) -> None:
        """Let the end of this process be the end of that group."""
        try:
            _signal_on_end(self._end, group)
        except (ImportError, AttributeError, OSError):
            self._watcher = subprocess.Popen(  # noqa: S603 - a fixed program
                ["/bin/sh", "-c", _WATCHER, "sh", str(group)],
                stdin=self._end,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        os.close(self._end)
        self._end = -1

    def cut(self) -> None:
        """Do as if this process were gone; what is left of the group is killed."""
        self.forget()
        if self._watcher is not None:
            with suppress(subprocess.TimeoutExpired):
                self._watcher.wait(5)

    def forget(self) -> None:
        """Close what this process has of the line."""
        for end in {self._end, self._held} - {-1}:
            os.close(end)
        self._end = self._held = -1


_lines: "weakref.WeakSet[Lifeline]" = weakref.WeakSet()


def _forget_all() -> None:
    for line in list(_lines):
        line.forget()


if hasattr(os, "register_at_fork"):
    # A fork of ours would hold the lines of our kernels open after our death.
    os.register_at_fork(after_in_child=_forget_all)


def _signal_on_end(end: int, group: int) -> None:
    import fcntl

    fcntl.fcntl(end, fcntl.F_SETOWN, -group)
    fcntl.fcntl(end, fcntl.F_SETSIG, signal.SIGKILL)
    flags = fcntl.fcntl(end, fcntl.F_GETFL)
    fcntl.fcntl(end, fcntl.F_SETFL, flags | os.O_ASYNC)


def kill_group(group: int | None) -> None:
    """Kill what is left of a process group, if anything is."""
    if group is not None and hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
