"""The pages inside a Jupyter server: below ``/nborch``, for whom Jupyter lets in.

Jupyter finds the extension by ``jupyter_server_config.d/nborch.json``, which comes with
the package, as the panel of JupyterLab does. Nothing is to be configured: the pages
show the home that belongs to the folder in which Jupyter was started.
"""

import atexit
import re
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any

from nborch.home import open_home
from nborch.server.problems import Problem
from nborch.settings import load_settings
from nborch.view.addresses import mark

__all__: list[str] = []

_FRAMERS = re.compile(r"frame-ancestors\s+([^;]+)", re.IGNORECASE)
_METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
#: What only looks.
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Return where the Jupyter server finds what it loads."""
    return [{"module": __name__, "name": "nborch"}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Return where ``jupyter labextension develop`` finds the panel."""
    return [{"src": "labextension", "dest": "nborch"}]


def _load_jupyter_server_extension(server: Any) -> None:
    """Mount the pages and the API in a Jupyter server."""
    # NB. They are loaded here: who imports nborch for something else has no server.
    from jupyter_server.utils import url_path_join

    from nborch.server.app import make_handlers
    from nborch.server.site import Site

    web_app = server.web_app
    settings = web_app.settings
    home = open_home(load_settings(Path(server.root_dir)))
    base_url = url_path_join(settings["base_url"], "nborch")
    site = Site(home, base_url, framers=_framers(settings))
    rules = make_handlers(_base(), _authenticated, site)
    _mark_open(rules)
    web_app.add_handlers(".*$", [_entrance(base_url), *rules])
    # The graphs in notebooks link to the pages if these show the same home.
    settings.setdefault("page_config_data", {})["nborchHome"] = mark(home)
    atexit.register(site.close)
    server.log.info("nborch shows %s below %s", home.folder, site.base_url)


def _framers(settings: dict[str, Any]) -> str:
    """Return who may show the pages in a frame: Jupyter, and who may show Jupyter."""
    told = settings.get("headers", {}).get("Content-Security-Policy", "")
    found = _FRAMERS.search(told)
    return found[1].strip() if found else "'self'"


def _entrance(base_url: str) -> tuple[Any, ...]:
    """Return the rule for the address without the last slash, which tells nothing."""
    from tornado.web import RedirectHandler

    class Entrance(RedirectHandler):
        get = _for_anybody(RedirectHandler.get)

    where = {"url": f"{base_url}/", "permanent": False}
    return (re.escape(base_url), Entrance, where)


def _base() -> type[Any]:
    """Return the base of all handlers, which has Jupyter decide who comes in."""
    from jupyter_server.base.handlers import JupyterHandler

    class JupyterBase(JupyterHandler):  # type: ignore[misc]  # its types are not read
        """Refuses strangers and other sites as Jupyter does."""

        #: What an authorizer of Jupyter's is asked about.
        auth_resource = "nborch"

        async def prepare(self) -> None:
            refused = super().prepare()
            if refused is not None:
                await refused
            if not self.check_origin():
                raise Problem(403, "foreign-origin", "Another site must not ask this.")

        def set_cors_headers(self) -> None:
            """Let no page of another site read what is answered."""

        def get_login_url(self) -> str:
            """Return where people go who are not known; programs are told."""
            if not getattr(self, "is_page", False):
                raise Problem(401, "unauthenticated", "Say who asks, as to Jupyter.")
            return str(super().get_login_url())

    return JupyterBase


def _authenticated(method: Any) -> Any:
    """Call a method for those only whom Jupyter knows, and lets do it."""
    from jupyter_core.utils import ensure_async
    from tornado.web import authenticated

    @wraps(method)
    async def allowed(self: Any, *args: Any, **kwargs: Any) -> Any:
        action = "read" if self.request.method in _READS else "write"
        asked = self.authorizer.is_authorized(
            self, self.current_user, action, self.auth_resource
        )
        if not await ensure_async(asked):
            raise Problem(403, "forbidden", "Jupyter does not let you do this.")
        return await ensure_async(method(self, *args, **kwargs))

    return authenticated(allowed)


def _mark_open(rules: list[Any]) -> None:
    """Tell Jupyter which handlers are meant to answer anybody."""
    from tornado.web import RequestHandler

    for _, handler, *_ in rules:
        if not handler.is_open:
            continue
        for name in _METHODS:
            method = getattr(handler, name)
            if method is not getattr(RequestHandler, name):
                setattr(handler, name, _for_anybody(method))


def _for_anybody(method: Any) -> Any:
    """Return a method that Jupyter knows to be meant for anybody."""

    @wraps(method)
    def answer(self: Any, *args: Any, **kwargs: Any) -> Any:
        return method(self, *args, **kwargs)

    with suppress(ImportError):  # before 2.13 it did not ask
        from jupyter_server.auth.decorator import allow_unauthenticated

        return allow_unauthenticated(answer)
    return answer
