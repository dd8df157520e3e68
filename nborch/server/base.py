"""The base of all handlers: it refuses what must not come in, and answers in JSON."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

from tornado.web import HTTPError, RequestHandler

from nborch.control.base import Control
from nborch.server import bodies
from nborch.server.problems import Problem, problem_of
from nborch.server.site import Site

__all__ = ["NOTHING", "Handler", "JsonHandler", "PageHandler"]

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger("nborch.server")

#: On everything that is answered, whoever asks.
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
#: Of an answer that is no document of ours.
NOTHING = "default-src 'none'; frame-ancestors 'none'"


class Handler(RequestHandler):
    """What every handler can do; see `nborch.server.app.make_handlers`.

    It is mixed with the base of the server that it runs in, whose ``prepare`` knows who
    asks and refuses strangers before anything of ours is called.
    """

    #: Who is not known may ask as well: what it answers has no data in it.
    is_open = False
    #: Whether a link from elsewhere may lead here.
    is_page = False
    #: What a document of its kind may load and do.
    policy = NOTHING

    site: Site

    def initialize(self, site: Site) -> None:
        """Take what all handlers share."""
        self.site = site

    def set_default_headers(self) -> None:
        """Forbid the browser what nothing of ours needs."""
        super().set_default_headers()
        for name, value in _HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", self.policy)
        self.clear_header("Server")

    async def prepare(self) -> None:
        """Let the server refuse strangers, then look at what was sent."""
        refused = super().prepare()
        if refused is not None:
            await refused
        if len(self.request.body) > bodies.MOST:
            raise bodies.too_large()

    @property
    def control(self) -> Control:
        """What one can see and do."""
        return self.site.control

    async def do(
        self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Return what a function returns that waits for the store.

        It is called in another thread: all else goes on meanwhile.
        """
        loop = asyncio.get_running_loop()
        call = partial(function, *args, **kwargs)
        return await loop.run_in_executor(self.site.threads, call)

    def read_json(self) -> Any:
        """Return the JSON value in the body.

        Raises
        ------
        Problem
            It is none, or does not say that it is.
        """
        kind, _, rest = self.request.headers.get("Content-Type", "").partition(";")
        charset = rest.strip().lower().replace('"', "")
        is_json = kind.strip().lower() == "application/json"
        # NB. No form of another site can send this without asking first.
        if not is_json or charset not in {"", "charset=utf-8"}:
            raise Problem(
                415,
                "unsupported-media-type",
                "The body must be JSON. Send it with Content-Type: application/json.",
            )
        if self.request.headers.get("Content-Encoding", "identity") != "identity":
            raise Problem(
                415, "unsupported-media-type", "The body must not be compressed."
            )
        return bodies.read(self.request.body)

    def answer(self, value: Any, status: int = 200) -> None:
        """Answer with a JSON value."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.write(bodies.written(value))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with a problem, in the form of RFC 9457."""
        error = kwargs.get("exc_info", (None, None))[1]
        if status_code == 405:  # noqa: PLR2004  # method not allowed
            self.set_header("Allow", ", ".join(self._methods()))
        self.tell_problem(self.problem_with(status_code, error))

    def _methods(self) -> list[str]:
        """Return the methods of HTTP that there are at this address."""
        names = [name.lower() for name in self.SUPPORTED_METHODS]
        cls, base = type(self), RequestHandler
        there = [n for n in names if getattr(cls, n) is not getattr(base, n)]
        return sorted(name.upper() for name in there)

    def problem_with(self, status: int, error: BaseException | None) -> Problem:
        """Return what an error is answered with; of a fault of ours nothing is told."""
        if isinstance(error, Problem):
            return error
        if isinstance(error, HTTPError):
            return _of_status(status)
        known = None if error is None else problem_of(error)
        return known or _of_status(500)

    def problem(self, status: int, slug: str, detail: str, **more: Any) -> None:
        """Answer with a problem; see `Problem`."""
        self.tell_problem(Problem(status, slug, detail, **more))

    def tell_problem(self, problem: Problem) -> None:
        """Answer with a problem."""
        self.set_status(problem.status_code)
        if problem.status_code == 401:  # noqa: PLR2004  # as HTTP has it
            self.set_header("WWW-Authenticate", 'Bearer realm="nborch"')
        self.set_header("Content-Security-Policy", NOTHING)
        self.set_header("Content-Type", "application/problem+json")
        self.finish(bodies.written(problem.told()))

    def compute_etag(self) -> str | None:
        """Return none: what changes all the time is not worth it."""
        return None

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Write a fault of ours to the log, and nothing of what was asked with it."""
        # NB. A query may hold a token, and so may a header.
        if isinstance(value, HTTPError) or (value and problem_of(value)):
            _log.debug("%s: %s", self._request_summary(), value)
        else:
            _log.error("%s", self._request_summary(), exc_info=(typ, value, tb))

    def _request_summary(self) -> str:
        return f"{self.request.method} {self.request.path}"


class JsonHandler(Handler):
    """A handler of the API: it answers programs."""


class PageHandler(Handler):
    """A handler that answers people: with pages, also where something is wrong."""

    is_page = True
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self' data:; connect-src 'self'; frame-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )

    def xsrf(self) -> str:
        """Return what its page sends along with each change, as ``X-XSRFToken``."""
        token: bytes | str = self.xsrf_token
        return token.decode() if isinstance(token, bytes) else token

    def answer_page(self, html: str, status: int = 200) -> None:
        """Answer with a page."""
        self.set_status(status)
        policy = self.policy.replace(
            "frame-ancestors 'none'", f"frame-ancestors {self.site.framers}"
        )
        self.set_header("Content-Security-Policy", policy)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(html)

    def tell_problem(self, problem: Problem) -> None:
        """Answer with a page that tells a problem, to who wants a page."""
        if "text/html" not in self.request.headers.get("Accept", ""):
            super().tell_problem(problem)
            return
        page = self.site.problem_page(self, problem)
        self.answer_page(page, problem.status_code)


def _of_status(status: int) -> Problem:
    slug, detail = _STATUSES.get(
        status, ("internal", "The server has failed. Its log tells more.")
    )
    return Problem(status, slug, detail)


_STATUSES = {
    400: ("invalid-request", "The request cannot be understood."),
    401: ("unauthenticated", "Say who asks: with Authorization: Bearer TOKEN."),
    403: ("forbidden", "This must not be done from there."),
    404: ("not-found", "There is nothing at this address."),
    405: ("method-not-allowed", "This cannot be done with what is at this address."),
    413: ("too-large", "A body may have 1 MB at most."),
}
