"""The model: a run with all that runs within it, folded from events into messages.

It is told of events from any thread. It folds them when it is asked for a message, in
the thread that asks: who makes the events pays for no more than an append.

The messages are JSON values. Times are seconds since 1970, ids are those of runs. A key
may be left out where its value would be null or empty.

To the browser
    ``{"type": "snapshot", "seq", "now", "view": "run" | "cells", "run": RUN,
    "nodes": [NODE]}``, all there is; and from then on ``{"type": "delta", "seq",
    "now", "run"?: RUN, "nodes": [NODE], "gone"?: [id]}``, what has changed since, each
    node whole. The browser takes in the delta with the next number, passes over older
    ones, and asks for a snapshot if one is missing. ``now`` is the clock of this
    process. Besides ``{"type": "detail", "id", "detail": DETAIL}``, ``{"type": "log",
    "id", "lines": [LINE], "next": k}`` (both of `nborch.view.details`) and ``{"type":
    "notice", "text", "level": "info" | "warning"}``.
From the browser
    ``{"op": "sync"}``, which is answered with a snapshot, ``{"op": "detail", "id"}``,
    ``{"op": "log", "id", "after": k}``, ``{"op": "cancel"}``, ``{"op": "retry"}``.
RUN
    ``{"id", "kind": "flow" | "task" | "session" | "cells", "of", "name", "state":
    STATE, "created", "started", "ended", "expected_seconds", "parameters": {name:
    text}, "link": url, "can": ["cancel", "retry", ...], "hint": what is said in place
    of a button that cannot work}``.
NODE
    ``{"id", "kind": "task" | "flow" | "cell", "of": the task's name, "name": the
    run's, "parent": the node around it, "upstream": [id], "state": STATE, "order",
    "created", "started", "ended", "attempts": [ATTEMPT], "expected_seconds",
    "saved_seconds", "source_run", "why"}``. Without a parent it stands directly within
    the run. ``started`` is that of the first attempt. The attempts are there if there
    were several: one alone is ``started`` to ``ended``.
STATE
    ``{"type", "name", "message"}``, the type one of `nborch.showing.SHADES`.
ATTEMPT
    ``{"n", "started", "ended", "type", "name"}``: how it ended, or that it runs.

In the view "cells" the name of a state is a word of
`nborch.notebook.reruns.staleness.Status`, and ``why`` tells the reason.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from itertools import islice, starmap
from typing import Any, Self

from nborch.events import Event, EventKind
from nborch.exceptions import NotFound
from nborch.runs import Run, RunRecord
from nborch.states import StateType
from nborch.store.base import RunStore
from nborch.view.details import Results, detail, log
from nborch.view.estimates import Estimates, estimated
from nborch.view.graphs import GraphModel, Message
from nborch.view.passing import Passed, reopened, sift
from nborch.view.run_nodes import RunNode

__all__ = ["Message", "RunView"]

_CREATED, _STATE, _NOTED = EventKind.CREATED, EventKind.STATE, EventKind.NOTED
_COMPLETED = StateType.COMPLETED.value

#: Of runs that came and went between two messages, so many are told of at once; and
#: where less happens.
PORTION, CALM_PORTION = 50, 1_000

#: Of a flood, events that are folded for one message; and those that may wait.
PART, MOST_WAITING = 1_600, 40_000

#: Runs that are held because the run around them is not known yet.
MOST_HELD = 2_000


class RunView(GraphModel):
    """A run as others see it: it, and all runs within it at any depth.

    It is told of events as they happen, by a recorder, or by a store that other
    processes write to; each may tell of the same. (`nborch.context.RunView` is another
    thing: a run as its own code sees it.)

    ::

        view = RunView(context.run, home.store)
        home.recorder.subscribe(view.take)
        view.expect()
        ...
        view.delta()

    Parameters
    ----------
    run
        The run of which it is a view.
    store
        Where details and logs are looked up.
    cache
        Where results are, for a preview of what a task returned.
    can
        What the browser may ask for: "cancel", "retry".
    link
        The address of the run's page.
    """

    def __init__(
        self,
        run: Run,
        store: RunStore,
        *,
        cache: Results | None = None,
        can: Iterable[str] = (),
        link: str | None = None,
    ) -> None:
        super().__init__()
        self._store, self._cache = store, cache
        self._events: deque[Event] = deque()
        #: Takes an event. It is the listener of a recorder: it costs next to nothing,
        #: and the event is folded in another thread.
        self.take: Callable[[Event], object] = self._events.append
        self._is_told_all = False
        self._can, self._link, self._hint = tuple(can), link, ""
        self._root = RunNode(run.to_json(), 0)
        self._parameters = {name: str(each) for name, each in run.parameters.items()}
        self._members: dict[str, RunNode] = {run.id: self._root}
        #: By the run around them, which is not known yet: the events of runs.
        self._strays: dict[str, list[Event]] = {}
        #: What came and went, and was not told of yet: members, or with their order.
        self._later: dict[str, RunNode | tuple[Passed, int]] = {}
        self._size, self._is_flood = 0, False
        self._estimates = Estimates()
        self._position: int | None = None

    @classmethod
    def from_store(cls, store: RunStore, run_id: str, **options: Any) -> Self:
        """Return a view of a run as the store has it; options are as for a view."""
        view = cls(store.record(run_id).run, store, **options)
        view.catch_up()
        view.expect()
        return view

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self._root.id

    @property
    def size(self) -> int:
        """How many nodes it has, by what was folded so far."""
        return self._size

    @property
    def is_behind(self) -> bool:
        """Tell whether it has been told of more than it folds for one message."""
        return len(self._events) > PART

    def told_all(self) -> None:
        """Note that it is told of no more events: the next message has all there is."""
        self._is_told_all = True

    @property
    def is_over(self) -> bool:
        """Tell whether the run has ended, by what was folded so far."""
        return self._root.is_over

    def expect(self) -> None:
        """Look up what the run and its tasks will take, by earlier runs.

        It asks the store once: not to be called where somebody waits for the run.
        """
        estimates = estimated(self._store, self._root.of, besides=self._root.id)
        with self._lock:
            self._estimates = estimates
            self._is_run_changed = True
            for node in self._members.values():
                if node.of in estimates.tasks and not node.is_over:
                    self._note_change(node)

    def change(
        self,
        *,
        can: Iterable[str] | None = None,
        link: str | None = None,
        hint: str | None = None,
    ) -> None:
        """Take what the browser may ask for from now on.

        Parameters
        ----------
        hint
            What is said in place of a button that cannot work; "" for nothing more.
        """
        with self._lock:
            self._can = self._can if can is None else tuple(can)
            self._link = link or self._link
            self._hint = self._hint if hint is None else hint
            self._is_run_changed = True

    def catch_up(self, *, besides: str | None = None) -> None:
        """Take in what the store has got since, from whatever process.

        Parameters
        ----------
        besides
            The process that tells of its runs itself, from the beginning.
        """
        store, before = self._store, self._position
        if before is None and besides is not None:
            before = self._beginning()
            if before is None:
                return  # it is not stored yet
        # NB. First: what is written meanwhile is seen twice rather than never.
        position = store.last_sequence()
        if before is None:
            self._load()
        elif position > before:
            events = store.events(before, besides=besides)
            with self._lock:
                for event in events:
                    self._take_in(event, is_stored=True)
                if events:
                    position = max(position, events[-1].sequence)
        self._position = position

    def _beginning(self) -> int | None:
        """Return the place of the run's own first event, if it is stored."""
        events = self._store.events(run_id=self.run_id)
        return events[0].sequence if events else None

    def _load(self) -> None:
        """Take in all that is stored of the run."""
        records = self._store.within(self.run_id)
        again = [each.run.id for each in records if each.attempt > 1]
        attempts = {each: self._store.events(run_id=each) for each in again}
        with self._lock:
            for record in records:
                self._take_record(record, attempts.get(record.run.id, ()))

    def detail(self, node: str) -> Message | None:
        """Return all that is stored of a run; None if nothing is, or it is no node."""
        if node not in self._members and node not in self._later:
            return None
        try:
            return detail(self._store, node, self._cache)
        except NotFound:
            return None  # it has just begun, and is not stored yet

    def log(self, node: str, after: int) -> Message:
        """Return the lines of a run from a place on, and the place to go on from."""
        return log(self._store, node, after)

    # Folding.

    def _fold(self, *, is_whole: bool = True) -> None:
        count = waiting = len(self._events)
        if not is_whole and not self._is_told_all:
            count = min(count, max(PART, waiting - MOST_WAITING))
        take = self._events.popleft
        passed, events = sift([take() for _ in range(count)], self._members)
        self._is_flood = self._is_flood or len(passed) > PORTION
        self._join_passed(passed)
        for event in events:
            self._take_in(event)

    def _join_passed(self, runs: Iterable[Passed]) -> None:
        """Add runs that came and went, which are held until they are told of."""
        later = self._later
        for run in runs:
            if run[0] not in later:
                self._size += 1
                later[run[0]] = (run, self._size)

    def _due(self) -> Mapping[str, RunNode]:
        """Return what is to be told of now: of a flood a portion at a time.

        Where runs end well faster than anybody can see them begin, to tell of each
        would cost the runs that follow more than it is worth: they come later, at the
        latest with the end of the whole.
        """
        changed, later = self._changed, self._later
        self._changed = {}
        if self._root.is_over or len(changed) + len(later) <= PORTION:
            due, rest = changed, len(later)
        else:
            due = {}
            for run_id, node in changed.items():
                if node.is_told or node.type != _COMPLETED:
                    due[run_id] = node
                else:
                    later[run_id] = node
            is_flood = self._is_flood or len(changed) > PORTION
            portion = PORTION if is_flood else CALM_PORTION
            rest = max(0, portion - len(due))
        self._is_flood = False
        for run_id in list(islice(later, rest)):
            due[run_id] = self._reopened(run_id)
        return due

    def _reopened(self, run_id: str) -> RunNode:
        """Return a run that came and went, as a member."""
        node = self._later.pop(run_id)
        if isinstance(node, tuple):
            node = self._members[run_id] = reopened(*node)
        return node

    def _member(self, run_id: str) -> RunNode | None:
        """Return a run that is within this one, None if none is."""
        node = self._members.get(run_id)
        if node is None and run_id in self._later:
            node = self._changed[run_id] = self._reopened(run_id)
        return node

    def _take_in(self, event: Event, *, is_stored: bool = False) -> None:
        """Take in an event, of whatever kind and run."""
        node = self._member(event.run_id)
        if node is None:
            if event.kind is _CREATED:
                self._add(event, is_stored=is_stored)
            elif is_stored and event.run_id in self._strays:
                self._strays[event.run_id].append(event)
            return
        if event.kind is _STATE:
            is_changed = node.enter(event.at, event.attempt, event.data)
        elif event.kind is _NOTED:
            is_changed = node.note(event.data)
        else:
            is_changed = False
        if is_changed:
            self._note_change(node)

    def _add(self, event: Event, *, is_stored: bool) -> None:
        """Add a run, if it is within this one."""
        parent = event.data["parent_id"]
        if parent is not None and self._member(parent) is not None:
            node = self._join(event.data)
            self._changed[node.id] = node
            for stray in self._strays.pop(node.id, ()):
                self._take_in(stray, is_stored=True)
        elif is_stored and parent is not None:
            # Another process may have written it before the run around it was.
            self._hold(event, parent)

    def _join(self, data: Mapping[str, Any]) -> RunNode:
        self._size += 1
        node = self._members[data["id"]] = RunNode(data, self._size)
        return node

    def _hold(self, event: Event, parent: str) -> None:
        self._strays.setdefault(parent, []).append(event)
        self._strays.setdefault(event.run_id, [])
        while len(self._strays) > MOST_HELD:
            del self._strays[next(iter(self._strays))]

    def _take_record(self, record: RunRecord, events: Iterable[Event]) -> None:
        """Take in a run as it stands now, with the events of one that was retried."""
        run_id = record.run.id
        node = self._member(run_id) or self._join(record.run.to_json())
        for event in events:
            if event.kind is _STATE:
                node.enter(event.at, event.attempt, event.data)
        node.stand(record)
        self._note_change(node)

    def _note_change(self, node: RunNode) -> None:
        if node is self._root:
            self._is_run_changed = True
        else:
            self._changed[node.id] = node

    # Telling.

    def _run(self) -> Message:
        root = self._root
        told = root.told(self._estimates.run)
        for name in ("order", "parent", "upstream"):
            told.pop(name, None)
        told["kind"] = root.kind
        if self._parameters:
            told["parameters"] = self._parameters
        if self._link:
            told["link"] = self._link
        if self._hint:
            told["hint"] = self._hint
        told["can"] = list(self._can)
        return told

    def _nodes(self) -> list[Message]:
        members = [each for each in self._members.values() if each is not self._root]
        held = [each for each in self._later.values() if isinstance(each, tuple)]
        return [self._node(each) for each in (*members, *starmap(reopened, held))]

    def _node(self, changed: Any) -> Message:
        node: RunNode = changed
        node.is_told = True
        told = node.told(self._estimates.tasks.get(node.of))
        if node.parent == self._root.id:
            del told["parent"]
        return told
