"""Posting: outputs for a cell that is over, from code that goes on in the background.

A front end shows a message under the cell whose request it names as its parent. A
`Post` names one cell for as long as it lives, whatever cell runs meanwhile.
"""

import builtins
import getpass
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any

from nborch.notebook.displays.tapping import tap_class
from nborch.timers import call_later

__all__ = [
    "Post",
    "Prints",
    "fork",
    "posting",
    "redirect",
    "refused",
    "send_prints",
    "show",
    "unpin",
]

#: Seconds that printed text waits for more, so that a loop of prints is no flood.
PAUSE = 0.05

#: Who takes what is shown and printed here, if not the cell that runs.
posting: ContextVar["Post | None"] = ContextVar("nborch_posting", default=None)


class Post:
    """Shows things under the cell that was running when this was made.

    Parameters
    ----------
    shell
        The IPython shell, a kernel's or a terminal's.
    """

    def __init__(self, shell: Any) -> None:
        publisher = shell.display_pub
        self._publisher = publisher
        self._session = getattr(publisher, "session", None)
        self._socket = getattr(publisher, "pub_socket", None)
        self._parent = getattr(publisher, "parent_header", None)
        self._streams = {name: getattr(sys, name) for name in ("stdout", "stderr")}
        self._lock = threading.RLock()
        self._texts: list[tuple[str, str]] = []
        self._is_due = False
        #: The number of the cell, as in ``In [3]``.
        self.count: int = shell.displayhook.prompt_count
        #: Shows the values of expressions.
        self.hook: Callable[[object], object] = lambda _: None
        self._listener: Callable[[str], object] | None = None
        #: Whether nothing is to be shown.
        self.is_muted = False

    def write(self, name: str, text: str) -> int:
        """Print on ``stdout`` or ``stderr``."""
        if self.is_muted:
            return len(text)
        if self._listener is not None and name == "stdout":
            self._listener(text)
        with self._lock:
            self._texts.append((name, text))
            was_due, self._is_due = self._is_due, True
        if not was_due:
            call_later(PAUSE, self.flush)
        return len(text)

    @contextmanager
    def telling(self, listener: Callable[[str], object]) -> Iterator[None]:
        """Tell somebody what is printed within the block."""
        self._listener = listener
        try:
            yield
        finally:
            self._listener = None

    def flush(self) -> None:
        """Send what has been printed."""
        with self._lock:
            texts, self._texts = self._texts, []
            self._is_due = False
            for name, text in _joined(texts):
                if self._socket is None:
                    _print(self._streams[name], text)
                else:
                    self._send("stream", {"name": name, "text": text})

    def publish(
        self,
        data: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        *,
        transient: dict[str, Any] | None = None,
        update: bool = False,
        **_others: Any,
    ) -> None:
        """Show a bundle, or new content for the display with its id."""
        looks = {"data": data, "metadata": metadata or {}, "transient": transient or {}}
        kind = "update_display_data" if update else "display_data"
        self._show(kind, looks)

    def result(self, data: dict[str, Any], metadata: dict[str, Any] | None) -> None:
        """Show the value of the last expression."""
        looks = {"data": data, "metadata": metadata or {}}
        self._show("execute_result", looks | {"execution_count": self.count})

    def clear(self, wait: bool = False) -> None:  # noqa: FBT001, FBT002  # IPython's
        """Remove what was shown, at once or before the next output."""
        if self.is_muted:
            return
        with self._lock:
            self.flush()
            if self._socket is not None:
                self._send("clear_output", {"wait": wait})

    def error(self, error: BaseException, lines: Sequence[str]) -> None:
        """Show an error as IPython does."""
        with self._lock:
            self.flush()
            if self._socket is None:
                _print(self._streams["stdout"], "\n".join(lines) + "\n")
                return
            told = {"ename": type(error).__name__, "evalue": _text(error)}
            self._send("error", told | {"traceback": list(lines)})

    def _show(self, kind: str, content: dict[str, Any]) -> None:
        if self.is_muted:
            return
        if posting.get() is self:
            # In the cell that forks them, they may still go their old way.
            for stream in self._streams.values():
                stream.flush()
        with self._lock:
            self.flush()
            if self._socket is not None:
                self._send(kind, content)
            elif text := content["data"].get("text/plain"):
                _print(self._streams["stdout"], f"{text}\n")

    def _send(self, kind: str, content: dict[str, Any]) -> None:
        from ipykernel.jsonutil import encode_images, json_clean

        if "data" in content:
            content = content | {"data": encode_images(content["data"])}
        # What stands for the socket warns of being asked. That of a kernel that is
        # shutting down is closed: nobody is left to tell.
        thread = getattr(self._socket, "io_thread", None)
        socket = getattr(thread, "socket", self._socket)
        if self._session is not None and not getattr(socket, "closed", False):
            topic = f"kernel.{kind}".encode()
            self._session.send(
                self._socket, kind, json_clean(content), self._parent, ident=topic
            )


def _joined(texts: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield consecutive texts of one stream as one."""
    pieces: list[str] = []
    current = ""
    for name, text in texts:
        if name != current and pieces:
            yield current, "".join(pieces)
            pieces = []
        current = name
        pieces.append(text)
    if pieces:
        yield current, "".join(pieces)


def _print(stream: Any, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):
        return  # nobody reads it any more


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # a broken __str__ must not hide the error
        return "(its message cannot be shown)"


def show(shell: Any, bundle: dict[str, Any]) -> None:
    """Display a bundle as the shell does, without waiting for what is not there.

    To display something, a kernel waits until its other thread has sent all that was
    printed, which takes as long as restoring a small cell.
    """
    publisher = shell.display_pub
    own = type(publisher).__module__ == "ipykernel.zmqshell"
    changed = "publish" in vars(publisher) or getattr(publisher, "_hooks", True)
    if (
        own
        and not changed
        and posting.get() is None
        and not any(map(_waits, (sys.stdout, sys.stderr)))
    ):
        Post(shell).publish(bundle)
    else:
        publisher.publish(bundle)


def send_prints() -> None:
    """Have sent what was printed, before anything else is.

    What there is none of is not asked for: a kernel's other thread takes as long to
    answer that as a small cell takes.
    """
    for stream in (sys.stdout, sys.stderr):
        if _waits(stream):
            stream.flush()


def _waits(stream: Any) -> bool:
    """Tell whether text that was printed may not have been sent."""
    return bool(getattr(stream, "_flush_pending", True))


class Prints:
    """A stream that is printed on: ``sys.stdout`` as a background cell has it.

    Parameters
    ----------
    take
        Called with the stream's name and each text.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, name: str, take: Callable[[str, str], object]) -> None:
        self.name = f"<{name}>"
        self._stream = name
        self._take = take

    def write(self, text: str) -> int:
        """Print a text."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if text:
            self._take(self._stream, text)
        return len(text)

    def writelines(self, lines: Sequence[str]) -> None:
        """Print texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Do nothing: a moment later it is sent in any case."""

    def isatty(self) -> bool:
        """Return False: it is no terminal."""
        return False

    def writable(self) -> bool:
        """Return True."""
        return True

    def readable(self) -> bool:
        """Return False."""
        return False


@contextmanager
def redirect(post: Post) -> Iterator[None]:
    """Send what this context shows and prints within the block to another cell."""
    token = posting.set(post)
    try:
        yield
    finally:
        posting.reset(token)


def fork(shell: Any) -> None:
    """Let `redirect` lead what a kernel shows and prints elsewhere, from now on.

    What is printed is told to whoever takes it (see `.tapping`). The methods of classes
    are changed, for good: those of objects are changed and put back by others, IPython
    among them, with every cell.
    """
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return  # a terminal has one place for all
    from ipykernel.iostream import OutStream
    from ipykernel.zmqshell import ZMQDisplayPublisher

    _fork(OutStream, "write", lambda post, stream: partial(post.write, stream.name))
    tap_class(OutStream)
    _fork(ZMQDisplayPublisher, "publish", lambda post, _: post.publish)
    _fork(ZMQDisplayPublisher, "clear_output", lambda post, _: post.clear)
    for name in ("raw_input", "getpass"):
        _fork(type(kernel), name, lambda _post, _kernel: refused)
    # What stands for input() while no cell runs.
    kept = getattr(kernel, "_sys_raw_input", None)
    if kept is not None:
        kernel._sys_raw_input = _asking(kept)  # noqa: SLF001  # no other way
    # NB. While this cell runs, the methods from before stand for them.
    builtins.input = _asking(builtins.input)
    asked = getattr(getpass.getpass, "__self__", None)
    if asked is not None and asked is kernel:
        getpass.getpass = asked.getpass
    if (loop := getattr(kernel, "io_loop", None)) is not None:
        loop.add_callback(unpin)


def unpin() -> None:
    """Undo what IPython does between two cells to the streams that were forked.

    It puts back the method that it has found at the beginning of the cell, as one of
    the very object: the one from before, or that of a recording which is over.
    """
    for stream in (sys.stdout, sys.stderr):
        pinned = vars(stream).get("write") if hasattr(stream, "__dict__") else None
        methods = {*_layers(getattr(type(stream), "write", None))}
        is_old = getattr(pinned, "__func__", None) in methods
        if pinned and (is_old or getattr(pinned, "is_on", None) == [False]):
            del stream.write  # of the object


def _layers(method: Any) -> Iterator[Any]:
    """Yield a method, and those that it was made of."""
    while method is not None:
        yield method
        method = getattr(method, "__wrapped__", None)


def refused(*_args: Any, **_kwargs: Any) -> str:
    """Refuse to ask: nobody sees a question of a cell that runs in the background."""
    from IPython.core.error import StdinNotImplementedError

    raise StdinNotImplementedError(
        "A cell that runs in the background cannot ask for input. Ask in a cell "
        "before it, or run this one without --submit."
    )


#: Marks what has been forked.
_MARK = "forked_by_nborch"


def _fork(owner: type, name: str, way: Callable[[Post, Any], Any]) -> None:
    """Let a method lead elsewhere for who is redirected."""
    method = getattr(owner, name)
    if hasattr(method, _MARK):
        return

    @wraps(method)
    def forked(self: Any, *args: Any, **kwargs: Any) -> Any:
        post = posting.get()
        if post is None:
            return method(self, *args, **kwargs)
        return way(post, self)(*args, **kwargs)

    setattr(forked, _MARK, True)
    setattr(owner, name, forked)


def _asking(ask: Any) -> Any:
    """Return `input`, for those who are not redirected."""
    if hasattr(ask, _MARK):
        return ask

    def asking(prompt: object = "") -> Any:
        return ask(prompt) if posting.get() is None else refused()

    setattr(asking, _MARK, True)
    return asking
