"""The application: all handlers, mounted in a server of our own or in Jupyter's."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tornado.web import RequestHandler

from nborch.server import api, frames, pages, streams
from nborch.server.base import Handler, PageHandler
from nborch.server.problems import Problem
from nborch.server.site import Site

__all__ = ["Decorator", "Nowhere", "Rule", "Static", "make_handlers", "mounted"]

#: A pattern, a handler, and what it is made with.
Rule = tuple[str, type[RequestHandler], dict[str, Any]]
#: Wraps a method of a handler that only those may call who were let in.
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_METHODS = ("get", "head", "post", "put", "patch", "delete", "options")


class Static(Handler):
    """Serves the browser's side: it is the same for all, and holds nobody's data."""

    is_open = True

    async def get(self, digest: str, name: str) -> None:
        """Answer with a file of the package."""
        asset = self.site.assets.get(name)
        if asset is None:
            raise Problem(404, "not-found", "There is no such file.")
        if digest == self.site.assets.digest:
            self.set_header("Cache-Control", "public, max-age=31536000, immutable")
        self.set_header("Content-Type", asset.kind)
        self.write(asset.content)


class Nowhere(PageHandler):
    """Answers whoever asks for what is not there."""

    async def get(self) -> None:
        """Tell that there is nothing."""
        raise Problem(404, "not-found", "There is nothing at this address.")

    head = post = put = patch = delete = options = get


_ROUTES = [
    *streams.ROUTES,
    *frames.ROUTES,
    *api.ROUTES,
    *pages.ROUTES,
    (r"/static/([0-9a-f]+)/([\w/.-]+)", Static),
]


def make_handlers(
    base: type[RequestHandler], authenticated: Decorator, site: Site
) -> list[Rule]:
    """Return all there is to be served, as rules for a `tornado.web.Application`.

    Whatever lies below the site's base is answered by one of them, and each is refused
    by `base` to those that it does not know, or has `authenticated` around it.

    Parameters
    ----------
    base
        The base class of the server's handlers, whose ``prepare`` refuses strangers.
    authenticated
        Wraps the methods that only those may call who are known.
    """
    return mounted(_ROUTES, base, authenticated, site)


def mounted(
    routes: Iterable[Sequence[Any]],
    base: type[RequestHandler],
    authenticated: Decorator,
    site: Site,
) -> list[Rule]:
    """Return routes as rules, and after them one for whatever else is asked."""
    site.problem_page = pages.problem_page
    root = re.escape(site.base_url.rstrip("/"))
    rules: list[Rule] = []
    for pattern, handler, *options in (*routes, ("/.*", Nowhere)):
        made = _guarded(handler, base, authenticated)
        rules.append((f"{root}{pattern}", made, {"site": site, **dict(*options)}))
    return rules


def _guarded(
    handler: type[Handler], base: type[RequestHandler], authenticated: Decorator
) -> type[RequestHandler]:
    """Return a handler as one of the server's own."""
    methods = {} if handler.is_open else _methods(handler, authenticated)
    bases = (handler,) if issubclass(handler, base) else (handler, base)
    return type(handler.__name__, bases, {"__doc__": handler.__doc__, **methods})


def _methods(handler: type[Handler], authenticated: Decorator) -> dict[str, Any]:
    found = {name: getattr(handler, name) for name in _METHODS}
    return {
        name: authenticated(method)
        for name, method in found.items()
        if method is not getattr(RequestHandler, name)
    }
