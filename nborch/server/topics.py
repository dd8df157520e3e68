"""Topics: what one can follow. Each is prepared once and told to all who follow it.

A topic is looked at by the watcher's thread after each change of the store, and keeps
its last news. A follower has a cursor, and takes what is after it when its connection
has room. Who has fallen behind begins anew with what is true now, so that nobody waits
for the slowest and nothing has to be kept for it.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from nborch.events import Event
from nborch.server.bodies import written
from nborch.server.views import SharedView

__all__ = [
    "Batch",
    "GraphTopic",
    "Message",
    "News",
    "Ring",
    "SignTopic",
    "Signing",
    "Topic",
    "merged",
]

#: News that are kept for those who have not taken them yet.
KEPT = 64
#: Seconds between two looks at what is not told by events.
SIGN_SECONDS = 0.5

#: A message: the name of its event, and its JSON in pieces, which many may share.
Message = tuple[str, tuple[bytes, ...]]


class Batch(NamedTuple):
    """What a look at the store has brought.

    Parameters
    ----------
    events
        Those since the last look.
    position
        The place of the last event.
    is_changed
        Whether anything has been written, which need not be an event.
    at
        The time of a clock that nobody turns, in seconds.
    """

    events: Sequence[Event]
    position: int
    is_changed: bool
    at: float


class News(NamedTuple):
    """What a follower takes.

    Parameters
    ----------
    cursor
        Where its next news begin.
    position
        All events up to there have been told with it; None if the topic begins anew
        each time anyway.
    """

    messages: list[Message]
    cursor: int
    position: int | None = None


class Topic(Protocol):
    """What one can follow."""

    def look(self, batch: Batch) -> bool:
        """Prepare what is new; tell whether anything is. The watcher calls it."""
        ...

    def begin(self, after: int) -> News:
        """Return what somebody is told at first who knows what was up to a place.

        It reads the store: not to be called in an event loop.
        """
        ...

    def news(self, cursor: int) -> News | None:
        """Return what is new after a cursor; None if it must `begin` again."""
        ...

    def close(self) -> None:
        """Be followed no more."""
        ...


class Ring:
    """The last news of a topic, by number. One thread adds, any thread reads."""

    def __init__(self) -> None:
        # Replaced as a whole: who reads needs no lock.
        self._kept: tuple[int, tuple[Any, ...]] = (0, ())

    @property
    def last(self) -> int:
        """The number of the newest; 0 before the first."""
        first, items = self._kept
        return first + len(items)

    def add(self, item: Any) -> None:
        """Add the newest."""
        first, items = self._kept
        if len(items) >= KEPT:
            first, items = first + 1, items[1:]
        self._kept = first, (*items, item)

    def after(self, cursor: int) -> tuple[Any, ...] | None:
        """Return all after a number; None if some of them are not kept any more."""
        first, items = self._kept
        return None if cursor < first else items[cursor - first :]


class GraphTopic:
    """The graph of a run: first all of it, then what has changed."""

    def __init__(self, shared: SharedView) -> None:
        self._shared = shared
        self._ring = Ring()
        self._lock = threading.Lock()
        #: The last snapshot that was made, by the number of the news before it.
        self._made: tuple[int, bytes] | None = None
        shared.followers += 1

    def look(self, batch: Batch) -> bool:
        """Take in what has happened."""
        if batch.is_changed:
            self._shared.catch_up()
        delta = self._shared.view.delta()
        if delta is None:
            return False
        self._ring.add(written(delta))
        return True

    def begin(self, after: int) -> News:
        """Return all of the graph."""
        del after
        with self._lock:
            # NB. First: the browser passes over what the snapshot has already.
            cursor = self._ring.last
            if self._made is None or self._made[0] != cursor:
                snapshot = self._shared.view.snapshot()
                del snapshot["now"]
                self._made = cursor, written(snapshot)[1:]
            told = self._made[1]
        # NB. Megabytes: all who begin now get the same bytes.
        now = written({"now": time.time()})[:-1] + b","
        return News([("graph", (now, told))], cursor)

    def news(self, cursor: int) -> News | None:
        """Return what has changed, a message for each look."""
        deltas = self._ring.after(cursor)
        if deltas is None:
            return None
        return News([("graph", (each,)) for each in deltas], cursor + len(deltas))

    def close(self) -> None:
        """Let the view be forgotten."""
        self._shared.followers -= 1
        self._shared.seen = time.monotonic()
        self._made = None


class SignTopic:
    """Something of which it is told only that it has changed."""

    def __init__(self, name: str, sign: "Signing", *, is_stored: bool = True) -> None:
        self._name = name
        self._sign = sign
        self._is_stored = is_stored
        self._number = 0
        self._is_due = False
        self._looked = 0.0
        self._known: object = sign()

    def look(self, batch: Batch) -> bool:
        """Compare the sign of it, now and then."""
        self._is_due = self._is_due or batch.is_changed or not self._is_stored
        if not self._is_due or batch.at - self._looked < SIGN_SECONDS:
            return False
        self._is_due, self._looked = False, batch.at
        sign = self._sign()
        if sign == self._known:
            return False
        self._known = sign
        self._number += 1
        return True

    def begin(self, after: int) -> News:
        """Tell to ask: nobody knows what has changed since the page was made."""
        del after
        return News([(self._name, (b"{}",))], self._number)

    def news(self, cursor: int) -> News:
        """Tell to ask again, once for all that has changed."""
        number = self._number
        return News([(self._name, (b"{}",))] if number != cursor else [], number)

    def close(self) -> None:
        """Nothing is held."""


class Signing(Protocol):
    """Returns what is another one when something has changed."""

    def __call__(self) -> object:
        """Look."""
        ...


def merged(name: str, parts: Sequence[Mapping[str, bytes]]) -> list[Message]:
    """Return one message with the latest item of each thing, in no order.

    >>> merged("runs", [{"a": b"1", "b": b"2"}, {"a": b"3"}])
    [('runs', (b'{"items":[3,2]}',))]
    """
    latest: dict[str, bytes] = {}
    for part in parts:
        latest |= part
    if not latest:
        return []
    return [(name, (b'{"items":[' + b",".join(latest.values()) + b"]}",))]
