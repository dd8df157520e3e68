"""Pages: the document of each, with the data that it shows at first.

A page is a shell: a title, one style sheet, one script, and a block of JSON with what
is to be seen. The script draws it (`nborch.static.pages`), and keeps it up to date by
the stream.
"""

import time
from collections.abc import Callable, Mapping
from html import escape
from typing import Any
from urllib.parse import parse_qs

import nborch
from nborch.control.base import Control
from nborch.server import bodies
from nborch.server.base import PageHandler
from nborch.server.problems import Problem
from nborch.states import StateType

__all__ = ["ROUTES", "Page", "document", "embedded", "login_page", "problem_page"]

#: What a query has at most of one word, as the API takes.
LONGEST = 200
#: What the list of runs begins with.
RUNS = 60
MOST = 200
DAY = 86_400.0
#: As far as the API takes times.
LATEST = 253_370_764_800
WEEK = 7 * DAY
BINS = 84
SPANS: Mapping[str, float] = {"1h": DAY / 24, "24h": DAY, "7d": WEEK, "30d": 30 * DAY}

Query = Mapping[str, list[str]]
Data = dict[str, Any]

_DOCUMENT = """<!doctype html>
<html lang="en" data-base="{base}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · nborch</title>
<link rel="icon" href="{icon}" type="image/svg+xml">
{styles}
<script src="{theme}"></script>
<script type="module" src="{script}"></script>
</head>
<body>
<noscript>This page needs JavaScript.</noscript>
<script type="application/json" id="first">{first}</script>
</body>
</html>
"""


_STYLE = '<link rel="stylesheet" href="{}">'


class Page(PageHandler):
    """A page, with what the control plane tells of it."""

    def initialize(self, site: Any, **options: Any) -> None:
        """Take what is read for the page, and what it is called."""
        super().initialize(site)
        self.name: str = options["name"]
        self.title: str = options["title"]
        self.read: Callable[..., Data] = options["read"]

    async def get(self, *path: str) -> None:
        """Answer with the page."""
        try:
            query = parse_qs(self.request.query, max_num_fields=50)
        except ValueError:
            raise Problem(400, "invalid-request", "It asks for too much.") from None
        page = await self.do(self._page, path, query)
        self.answer_page(page)

    def _page(self, path: tuple[str, ...], query: Query) -> str:
        # NB. First: what happens meanwhile is told twice rather than never.
        sequence = self.site.home.store.last_sequence()
        data = self.read(self.control, *path, query)
        title = self.title or str(data.pop("title"))
        return document(self, self.name, title, data, sequence)


def document(
    handler: PageHandler, page: str, title: str, data: Data, sequence: int = 0
) -> str:
    """Return a page as HTML.

    Parameters
    ----------
    page
        Which one it is, for the script.
    sequence
        How far the store was when the data was read.
    """
    first = {
        "page": page,
        "xsrf": handler.xsrf(),
        # Whether buttons that change something are of no use here.
        "looks": getattr(handler, "only_looks", False),
        "seq": sequence,
        "now": time.time(),
        "version": nborch.__version__,
        "data": data,
    }
    base = handler.site.base_url

    def address(name: str) -> str:
        return escape(base + handler.site.assets.address(name))

    # That of the run graph comes first: the page's own overrules it.
    styles = ["nborch.css", "pages.css"] if page == "run" else ["pages.css"]
    return _DOCUMENT.format(
        base=escape(base),
        title=escape(title[:LONGEST]),
        icon=address("pages/icon.svg"),
        styles="\n".join(_STYLE.format(address(each)) for each in styles),
        theme=address("pages/theme.js"),
        script=address(f"page/{page}.js"),
        first=embedded(first),
    )


def embedded(value: Any) -> str:
    r"""Return a JSON value that can stand in a page: nothing in it ends its element.

    >>> embedded("</script>")
    '"\\u003c/script>"'
    """
    return bodies.written(value).decode().replace("<", "\\u003c")


def login_page(handler: PageHandler, why: str) -> str:
    """Return the page that asks for the token or the password."""
    return document(handler, "login", "Sign in", {"why": why})


def problem_page(handler: PageHandler, problem: Problem) -> str:
    """Return the page that tells what is wrong, or asks who is there."""
    told = problem.told()
    if problem.status_code == 401:  # noqa: PLR2004  # HTTP's
        return login_page(handler, "")
    data = {"status": problem.status_code, "detail": told["detail"]}
    return document(handler, "missing", "Not found", data)


# What each page shows at first.


def _runs(control: Control, query: Query) -> Data:
    now = time.time()
    asked: dict[str, Any] = {
        name: values[0][:LONGEST]
        for name in ("flow", "deployment", "work_pool", "tag", "q")
        if (values := query.get(name))
    }
    since, until = _time(query, "since"), _time(query, "until")
    if since is None and (span := SPANS.get("".join(query.get("span", ())))):
        since = now - span
    times: dict[str, Any] = {"since": since, "until": until}
    states = [each for each in query.get("state", ()) if each in _STATES]
    end = now if until is None else until
    strip: dict[str, Any] = {
        "since": end - WEEK if since is None else since,
        "until": end,
    }
    return {
        "runs": control.runs(**asked, **times, state=states, limit=RUNS),
        "counts": control.run_counts(**asked, **times),
        "history": control.run_history(**asked, **strip, state=states, bins=BINS),
    }


_STATES = frozenset(each.value for each in StateType)


def _time(query: Query, name: str) -> float | None:
    try:
        time_asked = float(query[name][0])
    except (KeyError, ValueError):
        return None
    # NB. "nan" and "inf" are floats, too.
    return time_asked if 0 <= time_asked <= LATEST else None


def _run(control: Control, run_id: str, _query: Query) -> Data:
    run = control.run(run_id)
    return {"title": run["name"], "run": run}


def _deployments(control: Control, _query: Query) -> Data:
    return {"deployments": control.deployments(limit=MOST)}


def _deployment(control: Control, deployment_id: str, _query: Query) -> Data:
    deployment = control.deployment(deployment_id)
    return {
        "title": deployment["name"],
        "deployment": deployment,
        "outcomes": control.outcomes(deployment_id, limit=MOST),
    }


def _pools(control: Control, _query: Query) -> Data:
    online = control.workers(limit=MOST, status=["online"])
    return {"pools": control.work_pools(limit=MOST), "workers": online}


def _pool(control: Control, name: str, _query: Query) -> Data:
    return {
        "title": name,
        "pool": control.work_pool(name),
        "workers": control.workers(work_pool=name, limit=50),
        "queue": control.work_pool_queue(name, limit=100),
    }


def _limits(control: Control, _query: Query) -> Data:
    return {"limits": control.limits(limit=MOST)}


def _cache(control: Control, _query: Query) -> Data:
    return {"cache": control.cache()}


def _settings(control: Control, _query: Query) -> Data:
    return {"settings": control.settings()}


def _route(pattern: str, name: str, title: str, read: Callable[..., Data]) -> Any:
    return (pattern, Page, {"name": name, "title": title, "read": read})


#: A part of an address: what it names is looked up in the store.
_PART = r"([^/]{1,600})"

ROUTES = [
    _route("/", "runs", "Runs", _runs),
    _route(f"/runs/{_PART}", "run", "", _run),
    _route("/deployments", "deployments", "Deployments", _deployments),
    _route(f"/deployments/{_PART}", "deployment", "", _deployment),
    _route("/work-pools", "work-pools", "Work pools", _pools),
    _route(f"/work-pools/{_PART}", "work-pool", "", _pool),
    _route("/concurrency-limits", "concurrency-limits", "Concurrency limits", _limits),
    _route("/cache", "cache", "Cache", _cache),
    _route("/settings", "settings", "Settings", _settings),
]
