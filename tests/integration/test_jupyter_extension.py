"""The pages inside a Jupyter server: below its base, for those whom it lets in."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path

import pytest

from nborch.home import open_home
from nborch.server import app
from nborch.settings import load_settings
from nborch.view.addresses import mark

ROOT = Path(__file__).parents[2]
BASE = "/user/ann"
TOKEN = "a-token-of-jupyter"
KNOWN = {"Authorization": f"token {TOKEN}"}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Jupyter:
    """A Jupyter server that finds the extension as an installed one."""

    def __init__(self, folder, *options):
        self.home = open_home(load_settings(environ={"NBORCH_HOME": str(folder / "h")}))
        config = folder / "etc" / "jupyter_server_config.d"
        shutil.copytree(ROOT / "nborch" / "server" / "jupyter_config", config)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        places = {
            f"JUPYTER_{each}_DIR": str(folder / each)
            for each in ("CONFIG", "DATA", "RUNTIME")
        }
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self._server = subprocess.Popen(
                [
                    *[sys.executable, "-m", "jupyter_server", "--no-browser"],
                    *[
                        "--allow-root",
                        "--ip=127.0.0.1",
                        f"--ServerApp.port={self.port}",
                    ],
                    *["--ServerApp.port_retries=0", f"--ServerApp.base_url={BASE}/"],
                    *[f"--IdentityProvider.token={TOKEN}", *options],
                ],
                cwd=folder,
                env={
                    **os.environ,
                    **places,
                    "PYTHONPATH": str(ROOT),
                    "JUPYTER_CONFIG_PATH": str(folder / "etc"),
                    "NBORCH_HOME": str(self.home.folder),
                },
                stdout=log,
                stderr=log,
            )

    def wait(self, seconds=60):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with suppress(OSError):
                if self.ask("/api/health").status == 200:
                    return
            time.sleep(0.1)
        pytest.fail(self.log.read_text())

    def stop(self):
        self._server.terminate()
        self._server.wait(30)
        self.home.close()

    def ask(self, path, method="GET", body=None, base=f"{BASE}/nborch", **headers):
        """Ask, and follow nothing."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        given = {name.replace("_", "-"): each for name, each in headers.items()}
        try:
            connection.request(method, base + path, body, given)
            answer = connection.getresponse()
            is_stream = answer.headers.get_content_type() == "text/event-stream"
            text = answer.read1() if is_stream else answer.read()
            return Answer(answer.status, answer.headers, text)
        finally:
            connection.close()


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    """A Jupyter server below a base, as on a hub."""
    jupyter = Jupyter(tmp_path_factory.mktemp("jupyter"))
    try:
        jupyter.wait()
        yield jupyter
    finally:
        jupyter.stop()


@pytest.fixture(scope="module")
def cookies(jupyter):
    """What a browser has once somebody has come in by the address with the token."""
    entered = jupyter.ask(f"/lab?token={TOKEN}", base=BASE)
    kept = SimpleCookie()
    for each in entered.headers.get_all("Set-Cookie"):
        kept.load(each)
    page = jupyter.ask("/", Cookie=_told(kept), Accept="text/html")
    for each in page.headers.get_all("Set-Cookie") or ():
        kept.load(each)
    return kept


def _told(cookies):
    return "; ".join(f"{name}={each.value}" for name, each in cookies.items())


def samples():
    """An address for each route, by its pattern."""
    for pattern, handler, *_ in app._ROUTES:
        path = re.sub(r"\([^()]*(?:\([^()]*\))?[^()]*\)\??", "x", pattern)
        yield path.replace("\\", ""), handler.is_open


def test_strangers_are_refused_wherever_they_ask(jupyter):
    """Whoever has no token and no cookie reads nothing and changes nothing."""
    told = []
    for path, is_open in samples():
        for method in METHODS:
            answer = jupyter.ask(path, method, Content_Type="application/json")
            is_refused = answer.status in {302, 401, 403, 404, 405}
            if answer.status == 302:
                is_refused = answer.headers["Location"].startswith(f"{BASE}/login")
            if not (is_refused or (is_open and method in {"GET", "HEAD"})):
                told.append((method, path, answer.status))

    assert told == []


def test_who_has_the_token_sees_the_pages_and_the_api(jupyter):
    """Pages and the API lie below the base of Jupyter."""
    page = jupyter.ask("/", **KNOWN, Accept="text/html")
    runs = jupyter.ask("/api/runs", **KNOWN)
    stream = jupyter.ask("/api/stream?topics=runs", **KNOWN)

    assert page.status == runs.status == stream.status == 200
    assert f'data-base="{BASE}/nborch/"' in page.body.decode()
    assert runs.json == {"items": [], "next": None}
    assert stream.headers.get_content_type() == "text/event-stream"


def test_the_address_without_its_slash_leads_to_the_pages(jupyter):
    """What people type leads on."""
    answer = jupyter.ask("", **KNOWN)

    assert answer.status == 302
    assert answer.headers["Location"] == f"{BASE}/nborch/"


def test_a_browser_that_jupyter_knows_may_look_and_change(jupyter, cookies):
    """Jupyter's own cookie opens, and a change needs what only its pages know."""
    asked = {"Cookie": _told(cookies), "Content_Type": "application/json"}
    body = json.dumps({"name": "api", "slots": 2})

    looked = jupyter.ask("/api/runs", Cookie=_told(cookies))
    without = jupyter.ask("/api/concurrency-limits", "POST", body, **asked)
    xsrf = {"X_XSRFToken": cookies["_xsrf"].value}
    with_token = jupyter.ask("/api/concurrency-limits", "POST", body, **asked, **xsrf)

    assert looked.status == 200
    assert without.status == 403
    assert with_token.status == 201, with_token.body
    assert [each.name for each in jupyter.home.limits.store.limits()] == ["api"]


def test_the_page_knows_what_a_change_needs(jupyter, cookies):
    """The token against foreign forms stands in the page."""
    page = jupyter.ask("/", Cookie=_told(cookies), Accept="text/html").body.decode()

    first = re.search(r'id="first">(.*?)</script>', page, re.DOTALL)[1]
    xsrf = json.loads(first)["xsrf"]
    asked = {"Cookie": _told(cookies), "Content_Type": "application/json"}
    body = json.dumps({"name": "from-page", "slots": 1})
    answer = jupyter.ask(
        "/api/concurrency-limits", "POST", body, **asked, X_XSRFToken=xsrf
    )
    assert answer.status == 201, answer.body


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
    ],
)
def test_other_sites_are_refused(jupyter, cookies, headers):
    """A page of another site gets nothing, even from a browser that is known."""
    answer = jupyter.ask("/api/runs", Cookie=_told(cookies), **headers)

    assert answer.status in {403, 404}
    assert b"items" not in answer.body


def test_no_other_site_may_read_what_is_answered(jupyter):
    """There is no CORS, not even for who has the token."""
    answer = jupyter.ask(
        "/api/runs", **KNOWN, Origin=f"http://127.0.0.1:{jupyter.port}"
    )

    assert answer.status == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_only_jupyter_shows_the_pages_in_a_frame(jupyter):
    """JupyterLab may frame the pages, nobody else; scripts come from the server."""
    policy = jupyter.ask("/", **KNOWN).headers["Content-Security-Policy"]

    assert "frame-ancestors 'self'" in policy
    assert "unsafe-inline" not in policy
    assert "default-src 'none'" in policy


def test_jupyter_tells_its_pages_which_home_is_shown(jupyter):
    """The graph in a notebook links to a page of this server only for its own runs."""
    from jupyter_server.serverapp import ServerApp

    from nborch.server.jupyter import _load_jupyter_server_extension

    server = ServerApp()
    told = {"base_url": "/", "headers": {}}
    server.web_app = type("App", (), {"settings": told, "add_handlers": _nothing})()
    _load_jupyter_server_extension(server)

    home = open_home(load_settings(Path(server.root_dir)))
    assert told["page_config_data"] == {"nborchHome": mark(home)}
    assert str(home.folder) not in json.dumps(told["page_config_data"])


def _nothing(*_):
    pass


def test_jupyter_knows_that_every_handler_asks_who_it_is(tmp_path):
    """A Jupyter server that lets nobody in unasked warns of no handler of ours."""
    jupyter = Jupyter(tmp_path, "--ServerApp.allow_unauthenticated_access=False")
    try:
        jupyter.wait()
        refused = jupyter.ask("/api/runs")
        let_in = jupyter.ask("/api/runs", **KNOWN)
    finally:
        jupyter.stop()

    assert refused.status in {302, 401, 403}
    assert let_in.status == 200
    assert re.findall(r"registered for \S*nborch\S*", jupyter.log.read_text()) == []


def test_an_authorizer_of_jupyter_is_asked(tmp_path):
    """Who may only read in Jupyter may only read here."""
    (tmp_path / "readers.py").write_text(
        "from jupyter_server.auth.authorizer import Authorizer\n"
        "class Readers(Authorizer):\n"
        "    def is_authorized(self, handler, user, action, resource):\n"
        "        return action == 'read' or resource != 'nborch'\n"
    )
    jupyter = Jupyter(tmp_path, "--ServerApp.authorizer_class=readers.Readers")
    try:
        jupyter.wait()
        body = json.dumps({"name": "api", "slots": 2})
        looked = jupyter.ask("/api/concurrency-limits", **KNOWN)
        changed = jupyter.ask(
            "/api/concurrency-limits",
            "POST",
            body,
            **KNOWN,
            Content_Type="application/json",
        )
    finally:
        jupyter.stop()

    assert looked.status == 200
    assert changed.status == 403
