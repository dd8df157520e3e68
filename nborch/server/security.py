"""Security: the gate of a server that stands alone. Nobody passes who is not let in.

Each request is looked at before anything of it is done, whatever its address: that it
was meant for this server (a name of it in ``Host``), that no other site's page has sent
it (``Origin`` and what browsers tell besides), who asks (a token, or the cookie of a
session), that who may look only changes nothing, and, if it may change something in the
name of a cookie, that a page of ours has sent it. Inside Jupyter its own gate does the
same.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from ipaddress import ip_address
from typing import Any

from tornado.web import RequestHandler

from nborch.server.keys import SESSION_SECONDS, Keys
from nborch.server.problems import Problem

__all__ = ["Gate", "Guard", "authenticated"]

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?", re.ASCII)
#: What only reads.
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
#: From where another site's page asks, as browsers tell.
_ELSEWHERE = frozenset({"cross-site", "same-site"})


@dataclass(frozen=True, slots=True)
class Guard:
    """What the gate goes by.

    Parameters
    ----------
    is_local
        Whether only this machine can reach the server.
    names
        Names by which others know it, in lower case.
    origins
        Where its pages come from besides ``http://`` and its name: of a proxy.
    """

    keys: Keys
    base_url: str = "/"
    cookie: str = "nborch"
    is_local: bool = True
    names: frozenset[str] = field(default_factory=frozenset)
    origins: frozenset[str] = field(default_factory=frozenset)

    def is_here(self, host: str) -> bool:
        """Tell whether the ``Host`` of a request is this server.

        Another's name may lead here as well: then a page of that name could read all.
        Any port will do, which may be that of a tunnel.
        """
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = match[1].lower()
        if name == "localhost" or name in self.names:
            return True
        try:
            address = ip_address(name.strip("[]"))
        except ValueError:
            return False
        return address.is_loopback or not self.is_local

    def is_ours(self, origin: str, host: str) -> bool:
        """Tell whether an ``Origin`` is that of our own pages."""
        # A name that was given may be that of a proxy, which speaks TLS.
        is_named = host.partition(":")[0].lower() in self.names
        known = {f"http://{host}", *([f"https://{host}"] if is_named else [])}
        return origin in known or origin in self.origins


class Gate(RequestHandler):
    """The base of the handlers of a server that stands alone.

    Its settings have the `Guard` as ``guard``.
    """

    @property
    def guard(self) -> Guard:
        """What it goes by."""
        guard: Guard = self.application.settings["guard"]
        return guard

    async def prepare(self) -> None:
        """Refuse who must not come in.

        Raises
        ------
        Problem
            The request is refused.
        """
        self._check_host()
        self._check_origin()
        self.current_user = self._known()
        if self.current_user is None:
            if getattr(self, "is_open", False):
                return
            if self.request.headers.get("Sec-Fetch-Site") in _ELSEWHERE:
                # NB. After a link from elsewhere a strict cookie comes only with the
                # next request, which is then one of our own page.
                self.set_status(401)
                self.set_header("Refresh", "0")
                # NB. Not nothing: a browser would show a page of its own.
                self.finish("<!doctype html><title>nborch</title>")
                return
            raise Problem(
                401,
                "unauthenticated",
                "Say who asks: with the header Authorization: Bearer TOKEN, or in a "
                "browser by the address that `nborch server start` has printed.",
            )
        if self.request.method not in _READS:
            if self.only_looks and not getattr(self, "is_for_all", False):
                raise Problem(
                    403,
                    "forbidden",
                    "You came in to look, and change nothing. Who has started the "
                    "server knows the address that lets you in for all.",
                )
            if self.current_user == "session":
                self._check_page()

    @property
    def only_looks(self) -> bool:
        """Whether who asks may change nothing."""
        if self.current_user == "session":
            return self.guard.keys.only_looks(self._session())
        return bool(self.current_user == "looking token")

    def _check_host(self) -> None:
        hosts = self.request.headers.get_list("Host")
        if len(hosts) != 1 or not self.guard.is_here(hosts[0]):
            raise Problem(
                403,
                "forbidden",
                "This server is not called that. Ask it by a name of its own, or give "
                "it one: nborch server start --allow-host NAME",
            )
        if not (self.request.uri or "").startswith("/"):
            raise Problem(400, "invalid-request", "The address must be a path.")

    def _check_origin(self) -> None:
        headers, guard = self.request.headers, self.guard
        origins = headers.get_list("Origin")
        is_ours = all(guard.is_ours(each, headers["Host"]) for each in origins)
        if len(origins) > 1 or not is_ours:
            raise _foreign()
        if headers.get("Sec-Fetch-Site") in _ELSEWHERE and not self._is_link():
            raise _foreign()

    def _is_link(self) -> bool:
        """Tell whether somebody follows a link to a page of ours."""
        headers = self.request.headers
        return (
            self.request.method == "GET"
            and headers.get("Sec-Fetch-Mode") == "navigate"
            and headers.get("Sec-Fetch-Dest") == "document"
            and bool(getattr(self, "is_page", False))
        )

    def _known(self) -> str | None:
        """Return how it is known who asks, None for a stranger."""
        keys, given = self.guard.keys, self.request.headers.get_list("Authorization")
        if given:
            # NB. Whoever shows a token means it: a cookie beside it does not count.
            scheme, _, token = given[0].partition(" ")
            if scheme.lower() != "bearer" or len(given) > 1:
                return None
            if keys.is_token(token.strip()):
                return "token"
            return "looking token" if keys.is_looking_token(token.strip()) else None
        return "session" if keys.is_session(self._session()) else None

    def _session(self) -> str:
        return self.get_cookie(self.guard.cookie) or ""

    def _check_page(self) -> None:
        given = self.request.headers.get("X-XSRFToken", "")
        if not self.guard.keys.is_xsrf(self._session(), given):
            raise Problem(
                403,
                "forbidden",
                "A change must come from a page of this server. Reload it.",
            )

    @property
    def xsrf_token(self) -> bytes:
        """What a page sends along with each change."""
        session = self._session()
        return self.guard.keys.xsrf(session).encode() if session else b""

    def check_xsrf_cookie(self) -> None:
        """Leave it to `prepare`."""

    def let_in(self, *, only_looks: bool = False) -> None:
        """Give the browser the cookie of a new session."""
        guard = self.guard
        self.set_cookie(
            guard.cookie,
            guard.keys.session(only_looks=only_looks),
            path=guard.base_url,
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="Strict",
            secure=any(each.startswith("https:") for each in guard.origins),
        )

    def let_out(self) -> None:
        """Take the cookie of its session from the browser."""
        guard = self.guard
        self.clear_cookie(guard.cookie, path=guard.base_url)


def authenticated(method: Callable[..., Any]) -> Callable[..., Any]:
    """Call a method of a handler for those only who were let in.

    The gate has refused all others before; this is what makes it certain.
    """

    @wraps(method)
    def guarded(self: RequestHandler, *args: Any, **kwargs: Any) -> Any:
        if self.current_user is None:
            raise Problem(401, "unauthenticated", "Say who asks.")
        return method(self, *args, **kwargs)

    return guarded


def _foreign() -> Problem:
    return Problem(403, "forbidden", "Another site's page must not ask this.")
