"""The scheduler: fires what is due, and sees to what the dead have left behind.

Any number may run at once, in any processes: the store lets each nominal time come true
once. It sleeps until the next time, five seconds at most; a change of the store wakes
it, and whatever the clock was set to, it looks again at once.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial

from nborch.deploy.foresight import AHEAD, Foresight
from nborch.exceptions import NborchError, StoreError
from nborch.home import Home
from nborch.leasing import is_alive
from nborch.work import Deployment, Outcome, Reaped, ScheduleRecord
from nborch.work.firing import Firing, decide

__all__ = ["Scheduler"]

#: Seconds between two looks at whether anything has changed, or anybody died.
LOOK = 0.2
#: Seconds after which it looks what is due, whatever it knows.
LONGEST = 5.0
#: Seconds between tries while the store cannot be used.
RETRY = 1.0
#: Schedules that are fired in one transaction. Others may write between two; larger
#: ones change each page of the store less often.
AT_ONCE = 1_000

_log = logging.getLogger("nborch.scheduler")


class Scheduler:
    """Fire the schedules in a home.

    Parameters
    ----------
    clock
        Returns the time in seconds since 1970.
    on_fired, on_reaped
        Called with what came of nominal times, and of runs whose workers had died.
    """

    def __init__(
        self,
        home: Home,
        *,
        clock: Callable[[], float] = time.time,
        on_fired: Callable[[list[Outcome]], object] | None = None,
        on_reaped: Callable[[list[Reaped]], object] | None = None,
    ) -> None:
        self._home = home
        self._firings = home.firings
        self._clock = clock
        self._on_fired = on_fired
        self._on_reaped = on_reaped
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        #: When the next schedule is due, as of a version of the store.
        self._next_due: datetime | None = None
        self._version = -1
        self._look_anyway = self._next_reaping = 0.0
        self._is_troubled = False
        self._foresight = Foresight(self._firings)
        #: Whether more can be decided before its time.
        self._has_more = False

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._stopping.clear()
        self._thread = threading.Thread(
            target=self.run, name="nborch-scheduler", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End, after what is being done."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def run(self) -> None:
        """Fire until `stop` is called."""
        is_corrected = False
        while not self._stopping.is_set():
            pause = RETRY
            try:
                if not is_corrected:
                    self.correct()
                    is_corrected = True
                self.turn()
                pause = self._pause()
                self._is_troubled = False
            except StoreError as error:
                self._tell(error)
            except Exception:  # noqa: BLE001  # a scheduler that ends unseen is worse
                _log.exception("The scheduler goes on after a fault of nborch.")
            self._stopping.wait(pause)

    def turn(self) -> list[Outcome]:
        """Fire what is due, if anything is; return what came of it."""
        now = time.monotonic()
        if now >= self._next_reaping:
            self._next_reaping = now + LOOK
            self.reap()
        version = self._home.queue.version()
        is_old = now >= self._look_anyway
        if version != self._version or is_old:
            self._next_due, self._version = self._firings.next_due(), version
            self._look_anyway = now + LONGEST
        self._has_more = False
        if self._next_due is None:
            return []
        here = self._now()
        if self._next_due > here:
            is_soon = self._next_due <= here + AHEAD
            self._has_more = is_soon and self._foresight.look(here)
            return []
        outcomes = self.fire()
        self._next_due = self._firings.next_due()
        return outcomes

    def fire(self) -> list[Outcome]:
        """Fire all that is due; return what came of each nominal time."""
        outcomes: list[Outcome] = []
        decided = self._foresight.come(self._now())
        for start in range(0, len(decided), AT_ONCE):
            outcomes += self._fired(decided[start : start + AT_ONCE])
        while not self._stopping.is_set():
            now = self._now()
            found = self._firings.due(now, AT_ONCE)
            if not found:
                break
            outcomes += self._fired(list(self._decided(found, now)))
        return outcomes

    def _fired(self, decided: list[Firing]) -> list[Outcome]:
        fired = self._firings.fire(decided)
        if fired and self._on_fired is not None:
            self._on_fired(fired)
        return fired

    def _decided(
        self, found: Iterable[tuple[ScheduleRecord, Deployment]], now: datetime
    ) -> Iterator[Firing]:
        for record, deployment in found:
            try:
                yield decide(record, deployment, now)
            except Exception as error:  # noqa: BLE001  # one must not stop the others
                self._firings.set_aside(record.id, deployment, error)

    def correct(self) -> int:
        """Seek all next times anew; return how many are other ones now.

        The rules of time zones change, and an update of them comes with a restart.
        """
        return sum(
            self._firings.correct(record) for record, _ in self._firings.firing()
        )

    def reap(self) -> list[Reaped]:
        """Give the runs of dead workers to others; return what became of them."""
        processes = self._home.folder / "processes"
        reaped = self._home.workers.reap(partial(is_alive, processes))
        if reaped:
            # The runs within them ended with their processes.
            self._home.reap()
            if self._on_reaped is not None:
                self._on_reaped(reaped)
        return reaped

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def _pause(self) -> float:
        """Return the seconds until something may be due, or there may be news."""
        if self._next_due is None:
            return LOOK
        if self._has_more:
            return 0.0
        seconds = (self._next_due - self._now()).total_seconds()
        return min(LOOK, max(0.0, seconds))

    def _tell(self, error: NborchError) -> None:
        """Tell once that the store cannot be used."""
        if not self._is_troubled:
            self._is_troubled = True
            _log.warning("%s Schedules are fired as soon as it can be used.", error)
