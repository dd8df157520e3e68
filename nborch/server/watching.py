"""Watching: one thread looks for changes of the store, for all who follow them.

It asks the store for its version ten times a second while somebody follows, and reads
only when that has changed. What it finds is prepared once for all (`topics`).
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from nborch.control.local import LocalControl
from nborch.exceptions import NborchError
from nborch.home import Home
from nborch.server.cell_topics import CellsTopic
from nborch.server.kinship import Kinship
from nborch.server.notebooks import Notebooks
from nborch.server.problems import Problem
from nborch.server.run_topics import LogTopic, RunsTopic
from nborch.server.topics import Batch, GraphTopic, Message, News, SignTopic, Topic
from nborch.server.views import SharedView, Views
from nborch.store.signs import SQLiteSigns

__all__ = ["Follower", "Watching"]

_log = logging.getLogger("nborch.server")

#: Seconds between two looks at the store: ten messages a second at the most.
LOOK = 0.1
#: Seconds between two looks for runs whose process has died: that changes no file.
REAP = 2.0
#: Seconds after a fault of the store.
RETRY = 1.0

#: How many may follow at once, and how much each.
MOST_FOLLOWERS, MOST_TOPICS = 300, 12

#: Topics of one run: what is said before its id.
_OF_RUN = ("run", "log", "cells")
_TABLES = ("deployments", "pools", "limits")


@dataclass(slots=True, eq=False)
class Follower:
    """Who follows topics.

    Parameters
    ----------
    wake
        Called from another thread when there is something to take.
    position
        All events up to there have been told.
    """

    wake: Callable[[], object]
    position: int
    topics: dict[str, Topic] = field(default_factory=dict)
    #: Where the news of each topic begin; None where it has to begin anew.
    cursors: dict[str, int | None] = field(default_factory=dict)
    #: Up to where each has told all, of those that know.
    reached: dict[str, int] = field(default_factory=dict)

    def begin(self) -> list[Message]:
        """Return what topics tell at first, where it has to begin anew.

        It reads the store.
        """
        messages: list[Message] = []
        for name, topic in self.topics.items():
            if self.cursors.get(name) is None:
                # NB. Its own place: what one topic has told must not come twice because
                # another is behind.
                after = self.reached.get(name, self.position)
                messages += self._taken(name, topic.begin(after))
        self._reach()
        return messages

    def take(self) -> list[Message] | None:
        """Return what is new; None if something has to `begin` anew."""
        messages: list[Message] = []
        for name, topic in self.topics.items():
            cursor = self.cursors.get(name)
            news = None if cursor is None else topic.news(cursor)
            if news is None:
                self.cursors[name] = None
            else:
                messages += self._taken(name, news)
        if None in self.cursors.values():
            return messages or None
        self._reach()
        return messages

    def begin_again(self) -> None:
        """Have all topics begin anew."""
        self.cursors = {}
        self.wake()

    def _taken(self, name: str, news: News) -> list[Message]:
        self.cursors[name] = news.cursor
        if news.position is not None:
            self.reached[name] = max(news.position, self.reached.get(name, 0))
        return news.messages

    def _reach(self) -> None:
        # NB. The least: who comes back is told of what is after it, by all topics.
        if self.reached:
            self.position = max(self.position, min(self.reached.values()))


class Watching:
    """Watches a home for those who follow what happens in it."""

    def __init__(self, home: Home, control: LocalControl) -> None:
        self._home, self._control = home, control
        self._signs = SQLiteSigns(home.store)
        self._kinship = Kinship(self._signs)
        self._views = Views(home)
        self.notebooks = Notebooks(home)
        self._changed = threading.Condition()
        #: Held while topics are looked at, or come and go.
        self._looking = threading.Lock()
        self._topics: dict[str, Topic] = {}
        self._followers: dict[Follower, None] = {}
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._position = 0
        self._version: object = None
        self._reaped = 0.0

    def view(self, run_id: str) -> SharedView:
        """Return the view of a run, which all share who look at it; it reads the store.

        Raises
        ------
        NotFound
            There is no such run.
        """
        return self._views.get(run_id)

    def position(self) -> int:
        """Return the place of the last event; it reads the store."""
        return self._signs.position()

    def join(
        self, names: Iterable[str], after: int | None, wake: Callable[[], object]
    ) -> Follower:
        """Return one who follows topics from now on; it reads the store.

        Parameters
        ----------
        names
            ``runs``, ``deployments``, ``pools``, ``limits``, ``cache``, and of a run
            ``run:ID``, ``log:ID``, ``cells:ID``.
        after
            The place up to which all is known; now if not given.

        Raises
        ------
        Problem
            There is no such topic, or too many follow already.
        NotFound
            There is no such run.
        """
        wanted = dict.fromkeys(names)
        if len(wanted) > MOST_TOPICS:
            raise _refused(f"{len(wanted)} topics are too many.")
        if len(self._followers) >= MOST_FOLLOWERS:
            raise Problem(
                503, "too-many-streams", "Too many follow at once. Close some pages."
            )
        for name in wanted:
            kind, _, run_id = name.partition(":")
            if kind in _OF_RUN:
                self.view(run_id)  # NB. Here: nobody else waits for it
        with self._looking:
            if not self._topics:
                self._begin()
            follower = Follower(wake, self._position if after is None else after)
            self._follow(follower, wanted)
        with self._changed:
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(
                    target=self._watch, name="nborch-watch", daemon=True
                )
                self._thread.start()
        return follower

    def _follow(self, follower: Follower, names: Iterable[str]) -> None:
        """Let somebody follow all of these topics; none, if one of them cannot be."""
        made: dict[str, Topic] = {}
        try:
            for name in names:
                if name not in self._topics:
                    made[name] = self._made(name)
                follower.topics[name] = made.get(name) or self._topics[name]
        except BaseException:
            for topic in made.values():
                topic.close()
            raise
        self._topics |= made
        self._followers[follower] = None

    def leave(self, follower: Follower) -> None:
        """Follow no more."""
        with self._looking:
            self._followers.pop(follower, None)
            still = {name for each in self._followers for name in each.topics}
            for name in self._topics.keys() - still:
                self._topics.pop(name).close()

    def close(self) -> None:
        """Watch no more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self._signs.close()

    def _begin(self) -> None:
        """Begin where the store is: nobody followed until now."""
        # NB. The version first: what is written meanwhile is looked at once more.
        self._version = self._signs.version()
        self._position = self._signs.position()

    def _made(self, name: str) -> Topic:
        """Return a topic by its name."""
        kind, is_of_run, run_id = name.partition(":")
        if is_of_run and kind in _OF_RUN:
            return self._made_of_run(kind, run_id)
        if name == "runs":
            return RunsTopic(self._control, self._signs, self._kinship, self._position)
        if name == "cache":
            return SignTopic(name, self._sign_of_cache, is_stored=False)
        if name in _TABLES:
            return SignTopic(name, lambda: self._signs.sign(name))
        raise _refused(f"There is no topic {name[:100]!r}.")

    def _made_of_run(self, kind: str, run_id: str) -> Topic:
        shared = self.view(run_id)
        if kind == "run":
            return GraphTopic(shared)
        if kind == "cells":
            return CellsTopic(run_id, self.notebooks)
        return LogTopic(run_id, self._control, self._kinship, self._position)

    def _sign_of_cache(self) -> object:
        found = []
        for name in ("cache.db", "cache.db-wal"):
            with suppress(OSError):
                facts = (self._home.folder / "cache" / name).stat()
                found.append((facts.st_mtime_ns, facts.st_size))
        return tuple(found)

    # In its thread.

    def _watch(self) -> None:
        while True:
            began = time.monotonic()
            rest = LOOK
            try:
                self._look(began)
            except (NborchError, OSError):
                _log.debug("The store cannot be watched", exc_info=True)
                rest = RETRY
            except Exception:  # noqa: BLE001  # logged; who follows goes on
                _log.exception("The watching has failed")
                rest = RETRY
            with self._changed:
                if self._is_closed or not self._followers:
                    self._thread = None
                    return
                taken = time.monotonic() - began
                # NB. Never more than half of a core.
                self._changed.wait(max(rest - taken, taken))
                if self._is_closed:
                    return

    def _look(self, now: float) -> None:
        if now - self._reaped >= REAP:
            self._reaped = now
            self._control.reap()
            self._views.tidy()
        with self._looking:
            version = self._signs.version()
            is_changed = version != self._version
            events = self._signs.events(self._position) if is_changed else []
            self._kinship.learn(events)
            position = events[-1].sequence if events else self._position
            batch = Batch(events, position, is_changed, now)
            followers = tuple(self._followers)
            try:
                # NB. Each of them, whatever the others tell.
                is_news = [topic.look(batch) for topic in self._topics.values()]
            except BaseException:
                # One of them may have lost what another has told.
                for follower in followers:
                    follower.begin_again()
                raise
            finally:
                self._position, self._version = position, version
        if any(is_news):
            for follower in followers:
                follower.wake()


def _refused(why: str) -> Problem:
    known = ", ".join((*_TABLES, "cache", "runs", *(f"{each}:ID" for each in _OF_RUN)))
    return Problem(422, "invalid-request", f"{why} There are: {known}.")
