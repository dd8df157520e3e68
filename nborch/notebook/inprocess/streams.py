"""Standard streams that lead what a cell prints to the cell, and the rest on."""

import functools
import io
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

__all__ = ["Prints", "Route", "current_route", "routed_threads"]

Publish = Callable[[Mapping[str, Any], str, dict[str, Any]], None]


class Route:
    """Where what a cell shows goes: its prints in bunches, all in order.

    Parameters
    ----------
    parent
        The header of the request that the cell is.
    publish
        Called with that header, the kind of a message and its content.
    soon
        Called with a function that is to be called soon, in another thread.
    """

    def __init__(
        self, parent: Mapping[str, Any], publish: Publish, soon: Callable[[Any], None]
    ) -> None:
        self._parent = parent
        self._publish = publish
        self._soon = soon
        self._lock = threading.RLock()
        self._name = ""
        self._parts: list[str] = []

    def write(self, name: str, text: str) -> None:
        """Take text for a stream; it is sent soon."""
        with self._lock:
            if name != self._name:
                self.flush()
                self._name = name
            if not self._parts:
                self._soon(self.flush)
            self._parts.append(text)

    def tell(self, kind: str, content: dict[str, Any]) -> None:
        """Send a message, after what has been written."""
        with self._lock:
            self.flush()
            self._publish(self._parent, kind, content)

    def flush(self) -> None:
        """Send what has been written."""
        with self._lock:
            parts, self._parts = self._parts, []
            if parts:
                content = {"name": self._name, "text": "".join(parts)}
                self._publish(self._parent, "stream", content)


#: The route of the cell that the running code belongs to.
current_route: ContextVar[Route | None] = ContextVar("current_route", default=None)


class Prints(io.TextIOBase):
    """Stands for a standard stream while a notebook runs in this process."""

    encoding = "UTF-8"  # as that of a kernel
    errors = "backslashreplace"

    def __init__(self, name: str, stream: Any) -> None:
        self._name = name
        self._stream = stream

    @property
    def name(self) -> str:
        """The name of the stream."""
        return f"<{self._name}>"

    def writable(self) -> bool:
        """Tell that it may be written to."""
        return True

    def write(self, text: str) -> int:
        """Take text."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text)}")
        route = current_route.get()
        if route is not None:
            route.write(self._name, text)
        elif self._stream is not None:
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Let everything be seen."""
        route = current_route.get()
        if route is not None:
            route.flush()
        elif self._stream is not None:
            with suppress(ValueError):
                self._stream.flush()

    def isatty(self) -> bool:
        """Tell whether this is a terminal: a cell is none."""
        return current_route.get() is None and bool(self._stream.isatty())


class routed_threads:  # noqa: N801 - a context manager is used like a function
    """Let the threads that cells start print into the cells."""

    def __enter__(self) -> None:
        self._start = start = threading.Thread.start

        @functools.wraps(start)
        def start_within(thread: threading.Thread) -> None:
            route = current_route.get()
            if route is not None:
                run = thread.run

                def run_within() -> None:
                    # A thread must not hold itself.
                    del thread.run
                    current_route.set(route)
                    run()

                thread.run = run_within  # type: ignore[method-assign]  # of this one
            start(thread)

        self._ours = start_within
        threading.Thread.start = start_within  # type: ignore[assignment,method-assign]

    def __exit__(self, *_error: object) -> None:
        # Somebody else may have replaced it meanwhile.
        if threading.Thread.start is self._ours:
            threading.Thread.start = self._start  # type: ignore[method-assign]
