"""The recorder: takes events at once, brings them to the store in groups."""

import logging
import os
import threading
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable

from nborch.events import Event, EventKind
from nborch.exceptions import NborchWarning, StoreError
from nborch.latches import Latch
from nborch.secrets import redacted
from nborch.store.base import RunStore

__all__ = ["Recorder"]

#: Seconds that an event may wait for others to be written with.
GROUPING = 0.02
#: Seconds between tries while the store cannot be written.
RETRY = 1.0
#: Events that are written in one transaction.
GROUP = 2_000
#: Events that a flush writes itself, instead of having them written.
FEW = 100
#: Events that may wait: who makes them faster than they are written waits himself.
BACKLOG = 4_000
#: Events that are held while the store cannot be written.
MOST_HELD = 200_000


class Recorder:
    """Write events to the store from a thread of its own, many in a transaction.

    `record` costs a microsecond and never fails: a fault of the store reaches the
    user as one warning, and the events are kept and tried again.

    Parameters
    ----------
    store
        Where the events go.
    """

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self._reset()
        _recorders.add(self)

    def _reset(self) -> None:
        """Start empty: in a new recorder, and in the child of a fork."""
        # A deque, because many threads append while one takes, and nobody locks.
        self._waiting: deque[Event] = deque()
        self._taken = 0
        self._written = 0
        self._dropped = 0
        self._sleeps = True
        self._urgent = False
        self._closing = False
        self._fault: StoreError | None = None
        self._changed = threading.Condition()
        #: Held from when events are taken until they are written: in their order.
        self._pen = threading.Lock()
        #: How much must be written, and what to open then.
        self._flushes: list[tuple[int, Latch]] = []
        self._thread: threading.Thread | None = None
        self._listeners: tuple[Callable[[Event], object], ...] = ()

    def record(self, event: Event) -> None:
        """Take an event; it is on disk a few hundredths of a second later.

        The call waits only where events come faster than they are written.
        """
        self.hold(event)
        # NB. After the event waits: who falls asleep looks once more at what waits.
        if self._sleeps:
            self._wake()

    def hold(self, event: Event) -> None:
        """Take an event that is on disk after the next `record`, `wake` or `flush`.

        For who calls one of them in a moment: that another thread is woken for each
        event, and takes its turn, costs more than what it does.
        """
        data = redacted(event.data)
        if data is not event.data:
            event = event._replace(data=data)
        for listener in self._listeners:
            listener(event)
        waiting = self._waiting
        if len(waiting) >= BACKLOG and not self._has_room(event):
            return
        waiting.append(event)

    def wake(self) -> None:
        """Have written what was held."""
        if self._waiting and self._sleeps:
            self._wake()

    def _has_room(self, event: Event) -> bool:
        """Wait until the backlog is shorter; False if the event is to be dropped."""
        waiting = self._waiting
        with self._changed:
            if self._is_keeping_up():
                self._changed.wait_for(
                    lambda: len(waiting) < BACKLOG or not self._is_keeping_up(), RETRY
                )
            # Lines of a log must not push out the states of runs.
            most = MOST_HELD // 2 if event.kind is EventKind.LOG else MOST_HELD
            if len(waiting) < most:
                return True
            self._dropped += 1
            return False

    def _is_keeping_up(self) -> bool:
        """Tell whether the writer will take what waits, and is not asking itself."""
        return self._fault is None and self._thread not in (
            None,
            threading.current_thread(),
        )

    def _wake(self) -> None:
        """Let the writer see that something waits."""
        with self._changed:
            if not self._sleeps:
                return
            self._sleeps = False
            if self._thread is None:
                self._start()
            else:
                self._changed.notify_all()

    def flush(self, timeout: float = 60.0) -> bool:
        """Wait until all that was recorded is on disk; tell whether it is."""
        self._write_here()
        with self._changed:
            goal = self._taken + len(self._waiting)
            if self._written >= goal or self._fault is not None:
                return self._written >= goal
            self._urgent = True
            written = Latch()
            self._flushes.append((goal, written))
            self._changed.notify_all()
        # NB. Not with the condition: Ctrl-C must not leave its lock in disorder.
        written.wait(timeout)
        return self._written >= goal

    def _write_here(self) -> None:
        """Write what waits in this thread, if it is little and nobody else writes.

        To have the writer do it takes longer than the writing, twice a change of the
        thread that runs.
        """
        if not self._waiting or self._fault is not None:
            return
        # NB. Ctrl-C may come at any moment: nothing must be lost or written twice, and
        # a lock that is taken otherwise than by ``with`` may stay shut.
        with self._pen:
            events: list[Event] = []
            is_written = False
            try:
                with self._changed:
                    if self._fault is None and len(self._waiting) <= FEW:
                        events = self._take()
                if events:
                    self._append(events)
                    is_written = True
            except StoreError:
                pass  # the writer tries again, and tells what is wrong
            finally:
                if is_written:
                    self._count(events)
                elif events:
                    self._put_back(events)

    def _put_back(self, events: list[Event]) -> None:
        """Let events that were taken wait again, before all others."""
        with self._changed:
            self._waiting.extendleft(reversed(events))
            self._taken -= len(events)
        self._wake()

    def _take(self) -> list[Event]:
        """Take what waits, as much as belongs into one transaction."""
        waiting = self._waiting
        events = [waiting.popleft() for _ in range(min(len(waiting), GROUP))]
        self._taken += len(events)
        return events

    def _count(self, events: list[Event]) -> None:
        """Note that events were written; tell of those dropped meanwhile."""
        with self._changed:
            self._written += len(events)
            self._fault = None
            dropped, self._dropped = self._dropped, 0
            if len(events) > FEW:
                self._changed.notify_all()  # somebody may wait for room
            self._tell_flushed()
        if dropped:
            _warn(
                f"{dropped} events were not recorded, because the run store "
                "could not be written for too long."
            )

    def subscribe(self, listener: Callable[[Event], object]) -> None:
        """Call `listener` with every event, in the thread that records it.

        Those of one run come in their order. It must be quick and not raise: every
        run of this process waits for it.
        """
        with self._changed:
            self._listeners = (*self._listeners, listener)

    def unsubscribe(self, listener: Callable[[Event], object]) -> None:
        """Stop calling `listener`."""
        with self._changed:
            left = (each for each in self._listeners if each != listener)
            self._listeners = tuple(left)

    def close(self) -> None:
        """Write what is left and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _start(self) -> None:
        self._closing = False
        self._thread = threading.Thread(
            target=self._write_on, name="nborch-recorder", daemon=True
        )
        self._thread.start()

    def _write_on(self) -> None:
        while True:
            with self._changed:
                self._sleep()
                if not self._urgent:
                    # Gather what comes in the next moment; a flush cuts it short.
                    self._changed.wait_for(
                        lambda: self._urgent or self._closing, GROUPING
                    )
            with self._pen:
                with self._changed:
                    events = self._take()
                    # What is left over has waited long enough.
                    self._urgent = bool(self._waiting)
                    self._changed.notify_all()
                    if not events and self._is_done():
                        return
                if events and not self._write(events):
                    return

    def _is_done(self) -> bool:
        """Tell whether the writer may end: it is closing, and nothing waits."""
        if not self._closing:
            return False  # another thread has written what there was
        self._sleeps = True
        if self._waiting:
            return False
        self._thread = None
        return True

    def _tell_flushed(self) -> None:
        """Let go on who waits for what is written now, or for nothing any more."""
        waiting = self._flushes
        self._flushes = []
        for goal, written in waiting:
            if self._written >= goal or self._fault is not None:
                written.open()
            else:
                self._flushes.append((goal, written))

    def _sleep(self) -> None:
        """Wait until there is something to do."""
        while not (self._waiting or self._closing):
            self._sleeps = True
            # NB. What was appended just before that woke nobody.
            if not self._waiting:
                self._changed.wait()
        self._sleeps = False

    def _write(self, events: list[Event]) -> bool:
        """Write a group, trying until it succeeds; False if closed before."""
        while True:
            try:
                self._append(events)
            except StoreError as error:
                if not self._wait_after(error, len(events)):
                    return False
            else:
                self._count(events)
                return True

    def _append(self, events: list[Event]) -> None:
        """Store the events; one that cannot be stored must not stop the others."""
        try:
            self.store.append(events)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  # a fault of ours: told and passed over
            if len(events) == 1:
                _warn(f"An event could not be recorded: {error!r}. {events[0]!r:.500}")
                return
            for event in events:
                self._append([event])

    def _wait_after(self, error: StoreError, count: int) -> bool:
        """Tell of the fault once and wait; False if there is no more time."""
        first = self._fault is None
        with self._changed:
            self._fault = error
            self._changed.notify_all()
            self._tell_flushed()
        if first:
            _warn(f"{error} Runs go on and are recorded as soon as it can be used.")
        deadline = time.monotonic() + RETRY
        # Nobody else takes events while there is a fault, and nobody has to wait.
        self._pen.release()
        while time.monotonic() < deadline and not self._closing:
            time.sleep(0.05)
        self._pen.acquire()
        if self._closing:
            lost = count + len(self._waiting) + self._dropped
            _warn(f"{lost} events could not be written to the run store: {error}")
            with self._changed:
                self._taken -= count
                self._thread = None
                self._sleeps = True
        return not self._closing


def _warn(message: str) -> None:
    try:
        warnings.warn(message, NborchWarning, stacklevel=2)
    except NborchWarning:
        # Where warnings are errors, raising it would end the writer thread.
        logging.getLogger("nborch.engine").warning(message)


_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()


def _reset_in_child() -> None:
    for recorder in _recorders:
        recorder._reset()  # noqa: SLF001  # its own module


os.register_at_fork(after_in_child=_reset_in_child)
