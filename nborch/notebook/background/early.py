"""Cells that run abreast: what is known of each, and its process that began early."""

import asyncio
import random
import sys
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from threading import Thread
from typing import Any

from nborch import awaiting, blocking
from nborch.cache.fingerprints import fingerprint
from nborch.context import RunContext
from nborch.events import Event
from nborch.notebook.background.errands import generators
from nborch.notebook.background.jobs import Job
from nborch.notebook.background.scopes import Scope
from nborch.notebook.background.touching import Touched, touched
from nborch.notebook.bodies import CellBody, Source
from nborch.notebook.displays.posting import Post
from nborch.notebook.effects.namespace import is_shells
from nborch.notebook.outputs import EVENT_MIME
from nborch.notebook.preparing import Prepared, prepare
from nborch.states import State

__all__ = ["EarlyJob", "Entry", "drive", "why_again"]


class _OutOfProcess(BaseException):
    """A cell cannot run in a process after all: it has to wait for its turn."""


class EarlyJob(Job):
    """A cell in a process, before its turn."""

    #: Takes the events of the run, which is the runner's.
    relay: Callable[[Event], object]
    #: Called when its body begins to run.
    tell_begun: Callable[[], object]
    #: Whether it has turned out that no process can run it.
    is_out = False

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.stage.is_over and bool(self.seconds)

    @property
    def key(self) -> str | None:
        """The key of the cell on what it has read."""
        return self.ready.cell.key if self.ready is not None else None

    @property
    def scope(self) -> Scope:
        """The names that it works on."""
        return self.shell.user_ns

    @property
    def drew(self) -> bool:
        """Whether it has drawn random numbers from where others had left off."""
        return self.account is not None and bool(self.account.drawn)

    @property
    def is_clean(self) -> bool:
        """Whether it has done nothing but bind names to what nobody else has."""
        told = self.account
        return told is not None and not (
            told.is_entangled or told.returned or told.lost or told.environment
        )

    def begin_from(self, *, seeded: bool) -> None:
        """Say which random numbers it draws: those that are next, or any."""
        if seeded:
            return
        # Nobody has asked for certain numbers, and nobody wants the same ones twice.
        states = {"python": random.Random().getstate()}
        numpy_random: Any = sys.modules.get("numpy.random")
        if "numpy" in self.generators and numpy_random is not None:
            states["numpy"] = numpy_random.RandomState().get_state()
        self.generators = states

    def draws_as_now(self) -> bool:
        """Tell whether it has begun with what is next by now."""
        if self.account is None:
            return True
        now = generators()
        return all(
            fingerprint(now.get(name)) == fingerprint(self.generators.get(name))
            for name in self.account.drawn
        )

    def show(self) -> None:
        """Show nothing: the runner tells how far it is."""

    def prepared(self) -> Prepared:
        """Return its run: the one that the runner has made for the cell."""
        return prepare(self.shell, self.source, self.parent, relay=self.relay)

    def _began(self) -> None:
        self.started = time.monotonic()
        self.tell_begun()

    def _give_up_process(self, _ready: Prepared, _reason: str) -> None:
        self.is_out = True
        raise _OutOfProcess


class Entry:
    """One cell among those that run abreast.

    Parameters
    ----------
    most
        How many may run at the same time.
    """

    def __init__(
        self,
        source: Source,
        parent: RunContext | None,
        body: CellBody,
        post: Post | None,
        most: int,
    ) -> None:
        self.source = source
        self.body = body
        self.most = most
        self._parent = parent
        self._post = post
        told = body.analysis
        self.reads = told.reads | {*(source.asks.needs or ())}
        made = told.writes | told.maybe_writes | told.deletes | told.mutates
        self.makes = frozenset(
            name
            for name in made | told.prelude_names | {*(source.asks.makes or ())}
            if not is_shells(name)
        )
        self.touches: Touched = touched("", {})
        self.job: EarlyJob | None = None
        #: Whether it began while something that it may depend on was under way.
        self.was_early = False
        #: Whether it is run, or restored, in its turn and in the kernel itself.
        self.waits_its_turn = False
        self.has_begun = False
        self.is_bound = False
        self.error: BaseException | None = None
        self.seconds = 0.0
        #: The value that it has shown last.
        self.shown: Any = None

    @classmethod
    def of_plain(cls, body: CellBody, reads: Collection[str]) -> "Entry":
        """Return what is known of a cell that runs in the kernel."""
        entry = cls(Source("cell", "", ""), None, body, None, 0)
        entry.reads |= {*reads}
        return entry

    @property
    def parent(self) -> RunContext:
        """The run that the cell is."""
        assert self._parent is not None  # noqa: S101  # for the type checker
        return self._parent

    @property
    def post(self) -> Post:
        """Where its outputs go."""
        assert self._post is not None  # noqa: S101  # for the type checker
        return self._post

    def relay(self, event: Event) -> None:
        """Send an event of its run to the runner, in order with what it shows."""
        # NB. Not through the kernel's own publisher: who records what another cell
        # shows would take it for a thread of that.
        self.post.publish({EVENT_MIME: event.to_json()})

    def tell(self, what: str, **facts: Any) -> None:
        """Tell the runner something, in order with what the cell shows."""
        if what == "began":
            self.has_begun = True
        self.post.publish({EVENT_MIME: {"abreast": what, **facts}})

    def is_free(self, earlier: Sequence["Entry"]) -> bool:
        """Tell whether none of these is to make what the cell reads."""
        reads = self.reads | self.touches.names
        return not any(
            other.makes & reads or other.touches.meets_files_of(self.touches)
            for other in earlier
        )

    def commutes(self, later: "Entry") -> bool:
        """Tell whether a later cell may as well take effect before this one."""
        mine = self.reads | self.touches.names
        theirs = later.reads | later.touches.names
        if self.makes & (theirs | later.makes) or later.makes & mine:
            return False
        # Until it has begun, nobody knows all that it reads.
        knows = self.job is not None or self._post is None
        return knows and not self.touches.meets(later.touches)

    def release(self) -> None:
        """Let go of values."""
        self.touches = touched("", {})
        self.shown = None
        if self.job is not None:
            with suppress(Exception):
                self.job.release()


def why_again(told: str | None) -> str | None:
    """Return why a cell ran again, without what else there is to say of it.

    Cells abreast take effect in another order than they stand in, so that what they
    have read may look out of date, and is not.

    >>> why_again("input `rows` changed · on older `n`: `load` is stale")
    'input `rows` changed'
    """
    parts = (told or "").split(" · ")
    return " · ".join(p for p in parts if p and not p.startswith("on older")) or None


def drive(ready: Prepared) -> State:
    """Run a cell to its end in this thread, or beside it if it has to be awaited."""
    if not ready.cell.analysis.is_async:
        function = partial(ready.attempts.run, ready.cell.execute)
        return blocking.drive(ready.steps, ready.performer, function)
    function = partial(ready.attempts.run_async, ready.cell.execute_async)
    ended: list[State] = []

    def run() -> None:
        steps = awaiting.drive(ready.steps, ready.performer, function)
        ended.append(asyncio.run(steps))

    thread = Thread(target=copy_context().run, args=(run,))
    thread.start()
    thread.join()
    return ended[0]
