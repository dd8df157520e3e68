"""Threads and child processes that a run starts: what they print is the run's.

Python gives a new thread an empty context, and a child process the terminal. While a
run logs its prints, both are handed down; when the last such run has ended, nothing
is left replaced.
"""

import codecs
import functools
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from nborch.outlets import Outlet, current_outlet, outlet_here, within

__all__ = ["follow", "unfollow"]

#: Bytes that are read from a child at once: what a pipe holds.
CHUNK = 65_536
#: The place of ``stdout`` among the positional arguments of Popen.
STDOUT_AT = 4


class _Output:
    """Log what a child process writes, from a thread of its own."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._line = ""
        # Whoever waits for the child reads as well.
        self._lock = threading.Lock()
        self._read, self.write = os.pipe()
        os.set_blocking(self._read, False)
        self._is_open = True

    def start(self) -> None:
        """Begin to read; the child has its end by now."""
        os.close(self.write)
        self._outlet.children.append(self)
        threading.Thread(
            target=self._read_on, name="nborch-child-output", daemon=True
        ).start()

    def discard(self) -> None:
        """Close both ends: there is no child."""
        os.close(self.write)
        os.close(self._read)

    def drain(self) -> None:
        """Log what the child has written so far."""
        with self._lock:
            while self._is_open:
                try:
                    data = os.read(self._read, CHUNK)
                except BlockingIOError:
                    return
                self._take(self._decode(data, final=not data))
                if not data:
                    self._is_open = False
                    self._tell(self._line)
                    with suppress(ValueError):
                        self._outlet.children.remove(self)

    def _read_on(self) -> None:
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        while self._is_open:
            poll.poll()
            self.drain()
        # NB. Here and nowhere else: poll() must not meet another file by this number.
        os.close(self._read)

    def _take(self, text: str) -> None:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self._tell(line)
        if len(self._line) > CHUNK:
            self._tell(self._line)
            self._line = ""

    def _tell(self, line: str) -> None:
        if self._outlet.context is not None:
            self._outlet.log(line)
        elif line:
            # The child has outlived the run.
            sys.stdout.write(line + "\n")


Function = Callable[..., Any]


def _starting(start: Function) -> Function:
    def start_within(thread: threading.Thread) -> None:
        outlet = outlet_here()
        # Our own threads serve all runs, and outlive this one.
        if outlet is not None and not thread.name.startswith("nborch-"):
            run = thread.run

            def run_within() -> None:
                # A thread must not hold itself.
                del thread.run
                current_outlet.set(outlet)
                run()

            thread.run = run_within  # type: ignore[method-assign]  # of this one
        start(thread)

    return start_within


def _submitting(submit: Function) -> Function:
    def submit_within(
        pool: object, function: Function, /, *args: Any, **kwargs: Any
    ) -> Any:
        # The threads of a pool serve many runs: each call prints where it is from.
        return submit(pool, within, outlet_here(), function, *args, **kwargs)

    return submit_within


def _opening(init: Function) -> Function:
    def open_within(process: object, *args: Any, **kwargs: Any) -> None:
        outlet = outlet_here()
        given = len(args) > STDOUT_AT or kwargs.get("stdout") is not None
        # What gets a session of its own is to outlive us, and our pipe.
        if outlet is None or given or kwargs.get("start_new_session"):
            init(process, *args, **kwargs)
            return
        output = _Output(outlet)
        try:
            init(process, *args, **{**kwargs, "stdout": output.write})
        except BaseException:
            output.discard()
            raise
        output.start()
        process._nborch_output = output  # type: ignore[attr-defined]  # noqa: SLF001  # ours

    return open_within


def _waiting(wait: Function) -> Function:
    def wait_and_drain(process: object, *args: Any, **kwargs: Any) -> Any:
        code = wait(process, *args, **kwargs)
        output = getattr(process, "_nborch_output", None)
        if output is not None:
            # What it has written comes before what follows the call.
            output.drain()
        return code

    return wait_and_drain


class _Replacement:
    """A function of Python's own that is replaced for a while."""

    def __init__(
        self, owner: type, name: str, make: Callable[[Function], Function]
    ) -> None:
        self._owner = owner
        self._name = name
        self._make = make
        self._original: Function | None = None
        self._ours: Function | None = None

    def put(self) -> None:
        """Put ours in its place, unless it is there."""
        present = getattr(self._owner, self._name)
        if present is self._ours:
            return
        if present is not self._original:
            self._original = present
            self._ours = functools.wraps(present)(self._make(present))
        setattr(self._owner, self._name, self._ours)

    def take_back(self) -> None:
        """Put back what was there, unless somebody has replaced ours."""
        if getattr(self._owner, self._name) is self._ours and self._original:
            setattr(self._owner, self._name, self._original)


_replacements: dict[tuple[type, str], _Replacement] = {}


def follow() -> None:
    """Hand the outlets of runs down to what they start; may be called again."""
    wanted: list[tuple[type, str, Callable[[Function], Function]]]
    wanted = [(threading.Thread, "start", _starting)]
    if os.name == "posix":
        wanted.append((subprocess.Popen, "__init__", _opening))
        wanted.append((subprocess.Popen, "wait", _waiting))
    # Who has not loaded it has no pool yet whose threads serve other runs.
    pools = sys.modules.get("concurrent.futures.thread")
    if pools is not None:
        wanted.append((pools.ThreadPoolExecutor, "submit", _submitting))
    for owner, name, make in wanted:
        place = owner, name
        if place not in _replacements:
            _replacements[place] = _Replacement(owner, name, make)
        _replacements[place].put()


def unfollow() -> None:
    """Put back all that `follow` has replaced."""
    for replacement in _replacements.values():
        replacement.take_back()
