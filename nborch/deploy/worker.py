"""A worker: claims runs that are due, has each done in a process of its own.

One thread looks about twenty times a second whether the store has changed, which costs
a few microseconds, and sleeps; what happens here, such as the end of a run, wakes it.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial

from nborch.deploy.outputs import keep_what_was_left
from nborch.deploy.tenures import Tenure, ended_by
from nborch.exceptions import NborchError, NotFound, StoreError
from nborch.hatching.hatchery import Hatchery, program_of
from nborch.home import Home
from nborch.leasing import is_alive
from nborch.runs import RunRecord
from nborch.store.ledgers import Ledger
from nborch.work import ClaimedRun

__all__ = ["GRACE", "Watcher", "Worker"]

#: Seconds between two looks at the store.
TURN = 0.05
#: Seconds after which it looks what is due, whatever it knows.
LONGEST = 5.0
#: Seconds between two looks for workers that have died.
REAPING = 0.5
#: Seconds between two tries while the store cannot be used.
RETRY = 1.0
#: Seconds that runs may take to end after the worker was asked to stop.
GRACE = 30.0
#: How many runs at once, unless it is told.
LIMIT = 10


class Watcher:
    """Is told what a worker does; each method does nothing here."""

    def began(self, claim: ClaimedRun) -> None:
        """Take note that a run has been given to a process."""

    def ended(self, claim: ClaimedRun, record: RunRecord, fate: str) -> None:
        """Take note that a process has ended.

        Parameters
        ----------
        fate
            ``over`` if the run is, ``waiting`` if it waits again, ``taken`` if it was
            given to another worker.
        """

    def line(self, text: str) -> None:
        """Take a line that a run has logged or printed."""

    def trouble(self, text: str) -> None:
        """Take a sentence about what does not work."""


class Worker:
    """Run what waits in some lanes.

    Parameters
    ----------
    lanes
        Where its runs wait: `nborch.work.pool_lane`, `Deployment.lane`.
    name
        What people call it.
    limit
        How many runs it has at once.
    """

    def __init__(
        self,
        home: Home,
        lanes: Sequence[str],
        *,
        name: str | None = None,
        limit: int | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        self.home = home
        self.lanes = tuple(lanes)
        self.name = name or f"worker-{os.getpid()}"
        self.limit = LIMIT if limit is None else limit
        self.watcher = watcher or Watcher()
        self.held: dict[str, Tenure] = {}
        #: Processes that call the hooks of runs whose own could not.
        self._asides: set[Tenure] = set()
        self._id = ""
        self._hatchery = Hatchery(
            lambda: program_of("nborch.hosting.zygote"), self.watcher.line
        )
        self._ended: deque[Tenure] = deque()
        self._woken = threading.Event()
        self._stops_at: float | None = None
        # NB. Its own: to a connection, what it has written itself is no news.
        self._watch = Ledger(home.store)
        self._version = -1
        self._next_claim = 0.0
        self._next_renewal = self._next_reaping = 0.0
        self._thread: threading.Thread | None = None
        self._trouble = ""

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._hatchery.start()
        self.home.reap()
        keep_what_was_left(self.home, self.watcher.line)
        self._register()
        self._thread = threading.Thread(
            target=self._work, name="nborch-worker", daemon=True
        )
        self._thread.start()

    def stop(self, grace: float = GRACE) -> None:
        """Take no more runs; hand back those that have not ended after `grace` seconds.

        May be called again, with less.
        """
        self._stops_at = time.monotonic() + grace
        self._woken.set()

    @property
    def is_stopping(self) -> bool:
        """Whether it takes no more runs."""
        return self._stops_at is not None

    def join(self, timeout: float | None = None) -> bool:
        """Wait until it has stopped; tell whether it has."""
        thread = self._thread
        if thread is None:
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def _register(self) -> None:
        worker = self.home.workers.register(self.name, self.lanes, limit=self.limit)
        self._id = worker.id
        self._next_renewal = time.monotonic() + self.home.workers.terms.seconds / 3

    def _work(self) -> None:
        try:
            while not self._is_done():
                try:
                    self._turn()
                    pause = TURN
                    self._trouble = ""
                except StoreError as error:
                    self._tell(str(error))
                    pause = RETRY
                except Exception as error:  # noqa: BLE001  # the other runs go on
                    self._tell(f"The worker cannot go on as usual: {error!r}")
                    pause = RETRY
                # NB. Cleared first: what happens from now on wakes us.
                self._woken.wait(self._pause(pause))
                self._woken.clear()
        finally:
            self._leave()

    def _tell(self, trouble: str) -> None:
        """Tell what does not work, once for as long as it does not."""
        if trouble != self._trouble:
            self._trouble = trouble
            self.watcher.trouble(trouble)

    def _is_done(self) -> bool:
        return self._stops_at is not None and not self.held and not self._asides

    def _pause(self, longest: float) -> float:
        """Return how long to sleep: not past the time of a run that is due."""
        return max(0.0, min(longest, self._next_claim - time.time() + 0.001))

    def _turn(self) -> None:
        """Do what there is to do now."""
        while self._ended:
            self._conclude(self._ended[0])
            self._ended.popleft()
        for tenure in (*self.held.values(), *self._asides):
            tenure.turn()
        now = time.monotonic()
        if now >= self._next_renewal:
            self._renew(now)
        if now >= self._next_reaping:
            self._next_reaping = now + REAPING
            self._reap()
        version = self._watch.version()
        is_due = time.time() >= self._next_claim
        if version != self._version or is_due:
            self._look_after_held()
            self._claim()
            self._version = version
        if self._stops_at is not None and now >= self._stops_at:
            for tenure in (*self.held.values(), *self._asides):
                tenure.is_returned = True
                tenure.kill()

    def _claim(self) -> None:
        """Take what is due, as much as there is room for."""
        self._next_claim = time.time() + LONGEST
        if self._stops_at is not None:
            return
        room = self.limit - len(self.held)
        if room > 0:
            for claim in self.home.queue.claim(self.lanes, self._id, room):
                self._begin(claim)
            due = self.home.queue.next_due(self.lanes)
            # What is due already waits for others: their end will wake us.
            if due is not None and due > datetime.now(UTC):
                self._next_claim = min(self._next_claim, due.timestamp())

    def _begin(self, claim: ClaimedRun) -> None:
        tenure = Tenure(claim, self.home, self._hatchery, self.watcher.line)
        self.held[claim.run_id] = tenure
        self.watcher.began(claim)
        try:
            tenure.start(self._note_end)
        except OSError as error:
            # Such as a full disk: perhaps it is not, at the next try.
            del self.held[claim.run_id]
            why = f"Its process could not be started: {error}."
            self.home.queue.crash(claim.run_id, claim.attempt, why)
            self._tell(f"Run {claim.record.run.name!r}: {why}")

    def _note_end(self, tenure: Tenure) -> None:
        """Take note of the end of a process, in any thread."""
        self._ended.append(tenure)
        self._woken.set()

    def _look_after_held(self) -> None:
        """Cancel what is to be; end what is not ours any more."""
        if not self.held:
            return
        known = {(h.run_id, h.attempt): h for h in self.home.queue.held_by(self._id)}
        for run_id, tenure in self.held.items():
            standing = known.get((run_id, tenure.claim.attempt))
            if standing is None:
                if self.home.store.record(run_id).state.is_over():
                    tenure.end_soon()
                else:
                    tenure.kill()
            elif standing.cancel_requested:
                tenure.cancel()

    def _conclude(self, tenure: Tenure) -> None:
        """See to it that a run whose process has ended stands as it should."""
        claim, hatched = tenure.claim, tenure.hatched
        tenure.finish()
        self.home.recorder.flush()
        if tenure.hooks_only:
            self._asides.discard(tenure)
            return
        code = hatched.code if hatched is not None and hatched.code is not None else 0
        fate = "over"
        if not self.home.store.record(claim.run_id).state.is_over():
            fate = self._fate_of_unfinished(tenure, code)
            # The runs within it ended with its process.
            self.home.reap()
            if fate == "over":
                self._have_hooks_called(claim)
        self.held.pop(claim.run_id, None)
        # There is room for another one now.
        self._version = -1
        record = self.home.store.record(claim.run_id)
        self.watcher.ended(claim, record, fate)

    def _have_hooks_called(self, claim: ClaimedRun) -> None:
        """Start a process for the hooks that the run's own could not call."""
        watcher = self.watcher
        aside = Tenure(claim, self.home, self._hatchery, watcher.line, hooks_only=True)
        with suppress(OSError):
            aside.start(self._note_end)
            self._asides.add(aside)

    def _fate_of_unfinished(self, tenure: Tenure, code: int) -> str:
        queue, claim = self.home.queue, tenure.claim
        if tenure.is_returned:
            why = f"The worker {self.name!r} was stopped."
            queue.release(claim.run_id, claim.attempt, why)
        else:
            queue.crash(claim.run_id, claim.attempt, ended_by(code))
        standing = queue.standing(claim.run_id)
        if standing.status == "over":
            return "over"
        return "waiting" if standing.attempt == claim.attempt else "taken"

    def _renew(self, now: float) -> None:
        if self.home.workers.renew(self._id):
            self._next_renewal = now + self.home.workers.terms.seconds / 3
            keep_what_was_left(self.home, self.watcher.line)
            return
        # Others took us for dead, and have our runs.
        for tenure in self.held.values():
            tenure.kill()
        self.watcher.trouble(
            f"The worker {self.name!r} was not heard of for too long, and its runs "
            "were given to others. It goes on as a new one."
        )
        self._register()

    def _reap(self) -> None:
        """Give the runs of dead workers to others."""
        alive = partial(is_alive, self.home.folder / "processes")
        if self.home.workers.reap(alive):
            self.home.reap()

    def _leave(self) -> None:
        self._hatchery.end()
        self._watch.close()
        with suppress(NborchError, NotFound):
            self.home.workers.leave(self._id)
        self.home.recorder.flush()
