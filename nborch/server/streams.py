"""The stream: what has changed, told to a page as it happens (server-sent events).

``api/stream?topics=runs,run:ID&after=N`` follows topics (`nborch.server.watching`). The
id of an event is the place in the store up to which all has been told: a page that
comes back with it, to this server or to the next one, misses nothing.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from tornado.iostream import StreamClosedError

from nborch.server.base import Handler
from nborch.server.problems import Problem

if TYPE_CHECKING:
    from nborch.server.topics import Message
    from nborch.server.watching import Follower

__all__ = ["ROUTES", "Stream"]

#: Seconds after which a connection is told that it is still one.
KEEP_ALIVE = 15.0
#: Bytes that are given to a connection at once.
PIECE = 65_536
#: Seconds between two messages, at least: what happens meanwhile is one of them.
PAUSE = 0.1
#: Milliseconds after which a browser comes back.
RETRY = 1_000


#: What every connection begins with, so that it has an id.
_HERE: "Message" = ("here", (b"{}",))


class Stream(Handler):
    """Tells what has changed, for as long as somebody listens."""

    async def get(self) -> None:
        """Follow topics."""
        topics = [each for each in self._words("topics").split(",") if each]
        self._news = news = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            # NB. The loop may have ended meanwhile.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(news.set)

        follower = await self.do(self._join, topics, self._after(), wake)
        self.site.streams.add(news)
        try:
            self.set_header("Content-Type", "text/event-stream")
            self.set_header("X-Accel-Buffering", "no")
            await self._tell(follower)
        except StreamClosedError:
            pass
        finally:
            self.site.streams.discard(news)
            # NB. Not waited for: it may have to wait for a look at the store.
            with suppress(RuntimeError):  # they have ended: so has all else
                self.site.threads.submit(self.site.watching.leave, follower)

    def _join(
        self, topics: Sequence[str], after: int | None, wake: Callable[[], None]
    ) -> "Follower":
        return self.site.watching.join(topics, after, wake)

    def on_connection_close(self) -> None:
        """Wake up, to end."""
        super().on_connection_close()
        self._is_gone = True
        if self._news is not None:
            self._news.set()

    _news: asyncio.Event | None = None
    _is_gone = False

    async def _tell(self, follower: "Follower") -> None:
        begun = await self.do(follower.begin)
        await self._send([f"retry: {RETRY}\n\n".encode()])
        await self._send(_events([*begun, _HERE], follower.position))
        while not (self._is_gone or self.site.is_closed):
            told = time.monotonic()
            await self._wait()
            messages = follower.take()
            if messages is None:
                messages = await self.do(follower.begin)
            if messages:
                await self._send(_events(messages, follower.position))
                await asyncio.sleep(max(0.0, PAUSE - (time.monotonic() - told)))

    async def _wait(self) -> None:
        """Wait for news; say now and then that there are none."""
        news = self._news
        while not (news is None or news.is_set()):
            try:
                await asyncio.wait_for(news.wait(), KEEP_ALIVE)
            except TimeoutError:
                await self._send([b": still here\n\n"])
        if news is not None:
            news.clear()

    async def _send(self, told: Iterable[bytes]) -> None:
        # NB. A piece at a time: who reads slowly holds up nobody, and holds no memory.
        room = PIECE
        for part in told:
            for start in range(0, len(part), PIECE):
                piece = part[start : start + PIECE]
                self.write(piece)
                room -= len(piece)
                if room <= 0:
                    await self.flush()
                    room = PIECE
        await self.flush()

    def _words(self, name: str) -> str:
        values = self.get_query_arguments(name)
        if len(values) > 1:
            raise _refused(f"{name!r} must be given once")
        return values[0] if values else ""

    def _after(self) -> int | None:
        """Return the place that whoever comes back has reached."""
        told = self.request.headers.get("Last-Event-ID") or self._words("after")
        if not told:
            return None
        if not (told.isascii() and told.isdigit() and len(told) < 19):  # noqa: PLR2004
            raise _refused("The place to go on from must be the id of an event")
        return int(told)


def _events(messages: Sequence["Message"], position: int) -> Iterator[bytes]:
    """Yield messages as events; with the last one a page has reached the place."""
    for number, (name, data) in enumerate(messages, start=1):
        yield f"event: {name}\ndata: ".encode()
        yield from data
        is_last = number == len(messages)
        yield b"\nid: %d\n\n" % position if is_last else b"\n\n"


def _refused(why: str) -> Problem:
    return Problem(422, "invalid-request", f"{why}. See api/openapi.json.")


ROUTES = [("/api/stream", Stream)]
