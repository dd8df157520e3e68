"""Serving: a server of our own, from its sockets to its end."""

import asyncio
import hashlib
import logging
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from nborch.home import Home
from nborch.server import bodies, login
from nborch.server.app import Rule, make_handlers, mounted
from nborch.server.keys import Keys
from nborch.server.security import Gate, Guard, authenticated
from nborch.server.site import Site

__all__ = ["application", "guard_of", "serve"]

_log = logging.getLogger("nborch.server")

#: Bytes of the headers of a request.
MOST_HEADERS = 32_768
#: Seconds for a body to come, and for a connection on which nothing is asked.
BODY_SECONDS, IDLE_SECONDS = 20.0, 75.0
#: Seconds for what is being answered when the server ends.
GRACE = 1.0
#: Seconds after which is loaded what may be wanted later: who asks at once need not
#: share the core with that.
QUIET = 1.0


def guard_of(
    keys: Keys,
    sockets: Sequence[socket.socket],
    *,
    is_local: bool,
    names: Sequence[str] = (),
    url: str | None = None,
) -> Guard:
    """Return what the gate of a server goes by.

    Parameters
    ----------
    names
        Names by which others know this machine.
    url
        The address under which a proxy shows the server.
    """
    port = sockets[0].getsockname()[1]
    parts = urlsplit(url or "")
    base_url = f"/{parts.path.strip('/')}/".replace("//", "/")
    known = {each.lower() for each in (*names, parts.hostname or "") if each}
    if not is_local:
        known.add(socket.gethostname().lower())
    origins = {f"{parts.scheme}://{parts.netloc}"} if url else set()
    # Cookies know no ports: two servers on one machine must not take each other's.
    mark = hashlib.sha256(base_url.encode()).hexdigest()[:6]
    return Guard(
        keys,
        base_url,
        f"nborch-{port}-{mark}",
        is_local,
        frozenset(known),
        frozenset(origins),
    )


def application(site: Site, guard: Guard) -> Application:
    """Return all handlers of a server that stands alone."""
    ways_in: list[Rule] = mounted(login.ROUTES, Gate, authenticated, site)[:-1]
    nowhere = mounted((), Gate, authenticated, site)[-1]
    return Application(
        [*ways_in, *make_handlers(Gate, authenticated, site)],
        default_handler_class=nowhere[1],
        default_handler_args=nowhere[2],
        log_function=_note,
        guard=guard,
    )


def serve(
    home: Home,
    sockets: Sequence[socket.socket],
    guard: Guard,
    ready: Callable[[], object],
    warm_up: Callable[[], object] = lambda: None,
) -> None:
    """Serve a home until SIGINT or SIGTERM.

    Parameters
    ----------
    ready
        Called when it answers.
    warm_up
        Called in a thread, soon after that: loads what somebody may wait for later.
    """
    asyncio.run(_serve(home, sockets, guard, ready, warm_up))


async def _serve(
    home: Home,
    sockets: Sequence[socket.socket],
    guard: Guard,
    ready: Callable[[], object],
    warm_up: Callable[[], object],
) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    site = Site(home, guard.base_url)
    server = HTTPServer(
        application(site, guard),
        max_header_size=MOST_HEADERS,
        max_body_size=bodies.MOST,
        max_buffer_size=bodies.MOST + MOST_HEADERS,
        body_timeout=BODY_SECONDS,
        idle_connection_timeout=IDLE_SECONDS,
    )
    server.add_sockets(list(sockets))
    ready()
    loop.call_later(QUIET, _load, site, warm_up)
    try:
        await ended.wait()
    finally:
        server.stop()
        site.close()
        try:
            await asyncio.wait_for(server.close_all_connections(), GRACE)
        except TimeoutError:
            _log.debug("Some connections did not end by themselves")


def _load(site: Site, warm_up: Callable[[], object]) -> None:
    def load() -> None:
        _ = site.control
        warm_up()

    threading.Thread(target=load, name="nborch-warm-up", daemon=True).start()


def _note(handler: RequestHandler) -> None:
    """Write a line for a request, for who looks for it: without what was asked."""
    request: Any = handler.request
    _log.debug(
        "%d %s %s %.0f ms",
        handler.get_status(),
        request.method,
        request.path,
        1000 * request.request_time(),
    )
