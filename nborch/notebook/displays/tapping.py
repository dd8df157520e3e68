"""Where a kernel's outputs pass by: each is told to the cell that it belongs to."""

import select
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from contextvars import Context, ContextVar, copy_context
from functools import partial, wraps
from typing import Any

__all__ = ["Taker", "captured", "replaced", "tap_class", "tapped", "untapped"]


class Taker(ABC):
    """What is told of the outputs of one cell."""

    @abstractmethod
    def add_text(self, name: str, text: str) -> None:
        """Take text printed on ``stdout`` or ``stderr``."""

    @abstractmethod
    def add_display(
        self,
        data: dict[str, Any],
        metadata: dict[str, Any] | None,
        display_id: str | None,
        *,
        update: bool,
    ) -> None:
        """Take a display, or the new content of an earlier one."""

    @abstractmethod
    def add_value(self, value: Any) -> None:
        """Take the object that the next result shows."""

    @abstractmethod
    def add_result(self, data: dict[str, Any], metadata: dict[str, Any] | None) -> None:
        """Take the looks of an expression's value."""

    @abstractmethod
    def clear(self, *, wait: bool) -> None:
        """Take that the outputs were cleared."""

    @abstractmethod
    def refuse(self, reason: str) -> None:
        """Take note of an output that cannot be told."""


class _Tap:
    """One taker while it is told, and the cell above it that is told as well."""

    def __init__(self, taker: Taker, outer: "_Tap | None") -> None:
        self.taker = taker
        self.outer = outer
        self.is_open = True
        self.thread = threading.get_ident()
        self.older = {thread.ident for thread in threading.enumerate()}
        self.parent = _parent(sys.stdout)


#: The tap of the cell that runs in this context; plain threads have none.
_mine: ContextVar[_Tap | None] = ContextVar("tap", default=None)
_open: list[_Tap] = []
_lock = threading.RLock()
#: What is tapped: how often, and how to end it.
_tapped: dict[int, tuple[int, ExitStack]] = {}


class _Silence(threading.local):
    """Whether what this thread writes is the looks of a result, which were told."""

    on = False


_silence = _Silence()


@contextmanager
def tapped(shell: Any, taker: Taker) -> Iterator[None]:
    """Tell a taker what this context shows, and the threads that it starts.

    NB. What is replaced are methods of the very objects, not `sys.stdout`: threads,
    logging handlers and the kernel's reader of file descriptor 1 hold the object.
    """
    outer = _mine.get()
    tap = _Tap(taker, outer if outer is not None and outer.is_open else None)
    with ExitStack() as stack:
        for owner, how in _sources(shell):
            stack.enter_context(_held(owner, how))
        _open.append(tap)
        token = _mine.set(tap)
        try:
            yield
            _drain()
        finally:
            tap.is_open = False
            _open.remove(tap)
            # An async cell may be ended in another context than it began in.
            with suppress(ValueError):
                _mine.reset(token)


def untapped() -> Context:
    """Return the present context, in which nobody is told of what is shown."""
    context = copy_context()
    context.run(_mine.set, None)
    return context


def _sources(
    shell: Any,
) -> Iterator[tuple[Any, Callable[[Any], AbstractContextManager[Any]]]]:
    for name in ("stdout", "stderr"):
        yield getattr(sys, name), partial(_stream, name)
    yield shell.display_pub, _displays
    yield shell.displayhook, _results
    if captured(shell) is not None:
        yield sys, _captured_results
    yield shell, _tracebacks
    payloads = getattr(shell, "payload_manager", None)
    if payloads is not None:
        yield payloads, _payloads
    comms = getattr(sys.modules.get("ipykernel.comm.comm"), "BaseComm", None)
    if comms is not None:
        yield comms, _comms


@contextmanager
def _held(
    owner: Any, how: Callable[[Any], AbstractContextManager[Any]]
) -> Iterator[None]:
    """Tap an object once for all cells that run."""
    with _lock:
        count, stack = _tapped.get(id(owner), (0, ExitStack()))
        if not count:
            stack.enter_context(how(owner))
        _tapped[id(owner)] = count + 1, stack
    try:
        yield
    finally:
        with _lock:
            count, stack = _tapped.pop(id(owner))
            if count > 1:
                _tapped[id(owner)] = count - 1, stack
            else:
                stack.close()


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Give an object another method for a while."""
    own = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if vars(owner).get(name) is not value:
            pass  # somebody else has changed it meanwhile
        elif own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)


def _takers(channel: Any) -> Iterator[Taker]:
    """Yield who is told of what this thread shows on a channel."""
    tap = _mine.get()
    if tap is None:
        tap = _of_a_plain_thread(channel)
    while tap is not None and tap.is_open:
        yield tap.taker
        tap = tap.outer


def _of_a_plain_thread(channel: Any) -> _Tap | None:
    """Return the cell that a thread without a context shows in: the foreground's."""
    main = threading.main_thread().ident
    tap = next((tap for tap in reversed(_open) if tap.thread == main), None)
    if tap is None or _parent(channel) not in {None, tap.parent}:
        return None
    thread = threading.current_thread()
    reads_descriptor = thread is getattr(channel, "watch_fd_thread", None)
    if thread.ident in tap.older and thread.ident != main and not reads_descriptor:
        tap.taker.refuse("shows what a thread from before it prints")
    return tap


def _parent(channel: Any) -> str | None:
    """Return the id of the request whose cell a channel of a kernel shows in."""
    header = getattr(channel, "parent_header", None)
    if not isinstance(header, dict):
        return None
    # A display's header is the header itself or, in older kernels, its message.
    found = header.get("msg_id") or header.get("header", {}).get("msg_id")
    return str(found) if found else None


def _drain() -> None:
    """Wait until the kernel has read what compiled code wrote to its descriptors."""
    for stream in (sys.stdout, sys.stderr):
        reader = getattr(stream, "_fid", None)
        thread = getattr(stream, "watch_fd_thread", None)
        if reader is None or thread is None:
            continue
        for _ in range(100):
            if not select.select([reader], [], [], 0)[0]:
                break
            thread.join(0.001)


class _Probe(str):  # noqa: SLOT000  # it has a note on it
    """An empty text that notes whether it passes a tapped class."""

    passed = False


def tap_class(kind: type) -> None:
    """Tell of what is written on any stream of a class, for good.

    IPython 9 changes `write` of the very object with every cell and puts back what it
    found. What a thread of the background changes there meanwhile, gets lost or stays.
    """
    write = kind.write  # type: ignore[attr-defined]  # a stream's
    if hasattr(write, _TOLD):
        return

    @wraps(write)
    def tell_and_write(self: Any, text: str) -> Any:
        if isinstance(text, _Probe):
            text.passed = True
            return 0
        if _open:
            _tell(self, self.name, text)
        return write(self, text)

    setattr(tell_and_write, _TOLD, True)
    kind.write = tell_and_write  # type: ignore[attr-defined]


#: Marks a method that `tap_class` has made.
_TOLD = "told_by_nborch"


def _tell(stream: Any, name: str, text: str) -> None:
    if not _silence.on and isinstance(text, str):
        for taker in _takers(stream):
            taker.add_text(name, text)


@contextmanager
def _stream(name: str, stream: Any) -> Iterator[None]:
    if _passes_class(stream):
        yield
        return
    write, is_on = stream.write, [True]

    def write_and_tell(text: str) -> Any:
        # NB. IPython may put this method back when nobody listens any more: at the end
        # of a cell that began while another one ran in the background.
        if is_on[0]:
            _tell(stream, name, text)
        return write(text)

    write_and_tell.is_on = is_on  # type: ignore[attr-defined]  # a note on the function
    with replaced(stream, "write", write_and_tell):
        try:
            yield
        finally:
            is_on[0] = False


def _passes_class(stream: Any) -> bool:
    """Return whether what is written on an object comes to its class, and is told."""
    if not hasattr(type(stream).write, _TOLD):
        return False
    # The first cell that runs after the extension was loaded may have older methods.
    probe = _Probe()
    stream.write(probe)
    return probe.passed


@contextmanager
def _displays(publisher: Any) -> Iterator[None]:
    publish, clear = publisher.publish, publisher.clear_output

    def publish_and_tell(data: Any, metadata: Any = None, **kwargs: Any) -> Any:
        display_id = (kwargs.get("transient") or {}).get("display_id")
        update = bool(kwargs.get("update"))
        for taker in _takers(publisher):
            taker.add_display(data, metadata, display_id, update=update)
        with _silent():
            return publish(data, metadata, **kwargs)

    def clear_and_tell(wait: bool = False) -> Any:  # noqa: FBT001, FBT002  # IPython's
        for taker in _takers(publisher):
            taker.clear(wait=wait)
        with _silent():
            return clear(wait)

    with (
        replaced(publisher, "publish", publish_and_tell),
        replaced(publisher, "clear_output", clear_and_tell),
    ):
        yield


@contextmanager
def _results(hook: Any) -> Iterator[None]:
    looks = hook.compute_format_data
    write = hook.write_format_data
    prompt = hook.write_output_prompt

    def tell_and_look(value: Any) -> Any:
        for taker in _takers(hook):
            taker.add_value(value)
        return looks(value)

    def tell_and_write(format_dict: Any, md_dict: Any = None) -> Any:
        for taker in _takers(hook):
            taker.add_result(format_dict, md_dict)
        with _silent():
            return write(format_dict, md_dict)

    def prompt_untold() -> Any:
        with _silent():
            return prompt()

    with (
        replaced(hook, "compute_format_data", tell_and_look),
        replaced(hook, "write_format_data", tell_and_write),
        replaced(hook, "write_output_prompt", prompt_untold),
    ):
        yield


def captured(shell: Any) -> Any:
    """Return the display hook that stands in for the shell's under ``%%capture``."""
    hook = sys.displayhook
    # NB. Both are objects of IPython's; Python's own hook has no outputs.
    return hook if hook is not shell.displayhook and hasattr(hook, "outputs") else None


def _captured_results(owner: Any) -> AbstractContextManager[None]:
    hook = owner.displayhook

    def show_and_tell(value: Any) -> None:
        before = len(hook.outputs)
        hook(value)
        for output in hook.outputs[before:]:
            for taker in _takers(hook):
                taker.add_value(value)
                taker.add_result(output["data"], output["metadata"])

    return replaced(owner, "displayhook", show_and_tell)


@contextmanager
def _silent() -> Iterator[None]:
    """Tell nothing of what is printed: in a terminal, all displays are."""
    before, _silence.on = _silence.on, True
    try:
        yield
    finally:
        _silence.on = before


def _tracebacks(shell: Any) -> AbstractContextManager[None]:
    """Tell of errors that IPython shows and does not raise: from a value's looks."""
    reason = "shows an error"
    # Every way of showing one ends in this method.
    return _refused(shell, "_showtraceback", reason)


def _payloads(manager: Any) -> AbstractContextManager[None]:
    """Tell of what is asked of the page: the pager, or text for the next cell."""
    return _refused(manager, "write_payload", "opens the pager or edits a cell")


def _comms(kind: Any) -> AbstractContextManager[None]:
    """Tell of messages to widgets, by way of their class."""
    return _refused(kind, "publish_msg", "uses a widget, which lives in the kernel")


def _refused(owner: Any, name: str, reason: str) -> AbstractContextManager[None]:
    method = getattr(owner, name)

    def refuse_and_call(*args: Any, **kwargs: Any) -> Any:
        # Threads of ours that keep a page up to date have no tap.
        tap = _mine.get()
        if tap is not None and tap.is_open:
            tap.taker.refuse(reason)
        return method(*args, **kwargs)

    return replaced(owner, name, refuse_and_call)
