"""Messages to and from workers: pickles, with large memory beside them."""

import io
import mmap
import pickle
import socket
import struct
from collections.abc import Callable, Generator
from enum import IntEnum
from functools import cache
from typing import Any

from nborch.task_runners.tracebacks import reduce

__all__ = [
    "COMMAND",
    "DEATH",
    "FORK",
    "KILL",
    "Channel",
    "Kind",
    "Message",
    "Piece",
    "dumps",
    "dumps_error",
    "loads",
]

#: Bytes from which on memory goes beside the pickle, uncopied.
LARGE = 64 * 1024
#: Bytes from which on memory is a mapping of its own; a process may have 65,530.
MAPPED = 1024 * 1024
#: Pieces of one message: a system call takes 1024 at most.
MOST = 1000
#: Bytes that a socket may hold; with less, large arrays need many turns.
ROOM = 4 * 1024 * 1024

#: An order to the zygote: what, and the number of the worker.
COMMAND = struct.Struct("<cI")
FORK, KILL = b"f", b"k"
#: What the zygote tells of a dead worker: process id, exit code or negative signal.
DEATH = struct.Struct("<ii")

_HEADER = struct.Struct("<II")
_NOTHING = memoryview(b"")
#: Not on macOS, where Python ignores the signal unless the user has changed that.
_QUIETLY = getattr(socket, "MSG_NOSIGNAL", 0)

Piece = bytes | bytearray | memoryview | mmap.mmap
Message = tuple["Kind", list[Piece]]


class Kind(IntEnum):
    """What a message is about."""

    #: To a worker: take these surroundings, call the initializer if there is one.
    SETTLE = 1
    #: To a worker: call this function.
    CALL = 2
    #: From a worker: settled.
    READY = 3
    #: From a worker: the function's value.
    RETURNED = 4
    #: From a worker: a text and the exception that the function raised.
    RAISED = 5
    #: From a worker: the function's value cannot be pickled; its type and the reason.
    UNSENDABLE = 6
    #: From a worker: what was sent cannot be unpickled there; the exception.
    UNREADABLE = 7


def dumps(value: object, *, lenient: bool = False) -> list[Piece]:
    """Return the value as a pickle and the large buffers that belong to it.

    >>> loads(dumps({"rows": [1, 2]}))
    {'rows': [1, 2]}

    Parameters
    ----------
    lenient
        Leave out of exceptions what cannot be pickled, instead of raising.
    """
    buffers: list[Piece] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < LARGE or len(buffers) >= MOST - 3:
            return True
        buffers.append(raw)
        return False

    body = io.BytesIO()
    _pickler()(body, keep, lenient=lenient).dump(value)
    return [body.getvalue(), *buffers]


def loads(pieces: list[Piece]) -> Any:
    """Return the value that `dumps` has made these pieces of."""
    return pickle.loads(pieces[0], buffers=pieces[1:])


def dumps_error(error: BaseException) -> list[Piece]:
    """Return the exception as pieces, as much of it as can be pickled."""
    try:
        return dumps(error)
    except Exception:  # noqa: BLE001  # anything that a user's object does
        return dumps(error, lenient=True)


@cache
def _pickler() -> Any:
    """Return our pickler; made at first use, for cloudpickle is a third party."""
    import cloudpickle

    class _Pickler(cloudpickle.Pickler):  # type: ignore[misc,unused-ignore]  # no types
        def __init__(
            self, file: io.BytesIO, keep: Callable[[Any], bool], *, lenient: bool
        ) -> None:
            super().__init__(file, protocol=5, buffer_callback=keep)
            self._sendable = _sendable if lenient else None

        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, BaseException):
                return reduce(obj, self._sendable)
            return super().reducer_override(obj)

    return _Pickler


def _sendable(value: object) -> bool:
    try:
        dumps(value, lenient=True)
    except Exception:  # noqa: BLE001  # anything that a user's object does
        return False
    return True


class Channel:
    """One end of a socket over which messages go.

    Over a socket that does not block, `receive` and `send` may be left in the middle:
    `receive` by `BlockingIOError`, to be called again later.
    """

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
        self._read = memoryview(bytearray(LARGE))
        self._ahead = _NOTHING
        self._parsing: Generator[memoryview, None, Message] | None = None
        # NB. It keeps the memory that it is part of alive.
        self._gap = _NOTHING

    def send(
        self, kind: Kind, pieces: list[Piece], full: Callable[[], None] | None = None
    ) -> None:
        """Send a message; call `full` whenever the socket takes no more for now."""
        sizes = struct.pack(f"<{len(pieces)}Q", *map(len, pieces))
        rest: list[Piece] = [_HEADER.pack(kind, len(pieces)) + sizes, *pieces]
        while rest:
            try:
                sent = self.socket.sendmsg(rest, [], _QUIETLY)
            except BlockingIOError:
                if full is None:
                    raise
                full()
                continue
            while rest and sent >= len(rest[0]):
                sent -= len(rest.pop(0))
            if sent:
                rest[0] = memoryview(rest[0])[sent:]

    def receive(self) -> Message:
        """Return the next message; `EOFError` tells that the other end is gone."""
        if self._parsing is None:
            self._parsing = _parse()
            self._gap = next(self._parsing)
        while True:
            self._gap = self._gap[self._fill(self._gap) :]
            if self._gap:
                continue
            try:
                self._gap = next(self._parsing)
            except StopIteration as end:
                self._parsing, self._gap = None, _NOTHING
                message: Message = end.value
                return message

    def _fill(self, gap: memoryview) -> int:
        """Put what has come into the gap; return how many bytes."""
        if not self._ahead:
            large = len(gap) >= LARGE
            size = self.socket.recv_into(gap if large else self._read)
            if size == 0:
                raise EOFError
            if large:
                return size
            self._ahead = self._read[:size]
        size = min(len(gap), len(self._ahead))
        gap[:size] = self._ahead[:size]
        self._ahead = self._ahead[size:]
        return size


def _parse() -> Generator[memoryview, None, Message]:
    """Ask for memory to be filled, piece by piece; return the message they are."""
    header = bytearray(_HEADER.size)
    yield memoryview(header)
    kind, count = _HEADER.unpack(header)
    pieces: list[Piece] = []
    if count:
        sizes = bytearray(8 * count)
        yield memoryview(sizes)
        pieces = [_room(size) for size in struct.unpack(f"<{count}Q", sizes)]
    for piece in pieces:
        if len(piece):
            yield memoryview(piece)
    return Kind(kind), pieces


def _room(size: int) -> bytearray | mmap.mmap:
    # NB. A bytearray is filled with zeros first, which takes as long as the transfer.
    if size < MAPPED:
        return bytearray(size)
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
