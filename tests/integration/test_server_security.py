"""The gate: what a server refuses, at each of its addresses (attacks S01 to S18)."""

import asyncio
import json
import os
import re
import stat
import time
from pathlib import Path

import pytest
from tornado.web import RequestHandler

from nborch.home import Home
from nborch.server.keys import Keys
from nborch.server.security import Gate, Guard, authenticated
from nborch.server.serving import application
from nborch.server.site import Site
from nborch.settings import Settings

pytestmark = pytest.mark.timeout(120)

#: Tornado itself refuses one without its boundary.
FORM = "multipart/form-data"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
#: What stands for each part of an address.
ID = "01a2010a-e9ba-7f01-953f-7cc263488ffc"
SECRET = "0123456789abcdef-the-token-of-this-test"


class Door:
    """A server in this process, asked by bytes."""

    def __init__(self, folder, base_url="/", **guarded):
        from tornado.httpserver import HTTPServer

        self.home = Home(Settings(folder / "home", folder / "secret.key"))
        self.clock = Clock()
        self.keys = Keys(SECRET, "correct horse", self.clock)
        self.guard = Guard(self.keys, base_url, **guarded)
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self._open(HTTPServer, base_url))

    async def _open(self, server_class, base_url):
        from tornado.netutil import bind_sockets

        self.site = Site(self.home, base_url)
        self.app = application(self.site, self.guard)
        self.server = server_class(
            self.app, max_body_size=1_000_000, max_header_size=32_768
        )
        sockets = bind_sockets(0, "127.0.0.1")
        self.port = sockets[0].getsockname()[1]
        self.server.add_sockets(sockets)

    @property
    def host(self):
        return f"127.0.0.1:{self.port}"

    def routes(self):
        """Return each address with the methods that its handler has, and the handler."""
        for rule in self.app.wildcard_router.rules:
            pattern = rule.matcher.regex.pattern.rstrip("$")
            path = re.sub(r"\((?!\?).*?\)", ID, pattern)
            path = re.sub(r"\(\?:.*?\)\??|\.\*", "", path)
            path = path.replace(f"static/{ID}/{ID}", "static/00/graph.js")
            handler = rule.target
            methods = [
                each
                for each in METHODS
                if getattr(handler, each.lower())
                is not getattr(RequestHandler, each.lower())
            ]
            yield re.sub(r"\\(.)", r"\1", path), methods, handler

    def ask(self, path, method="GET", body=b"", **headers):
        """Return the status, the headers and the body of an answer."""
        sent = {"Host": self.host, "Connection": "close"}
        sent |= {name.replace("_", "-"): text for name, text in headers.items()}
        if body or method in {"POST", "PUT", "PATCH"}:
            sent["Content-Length"] = str(len(body))
        lines = [f"{n}: {v}" for n, v in sent.items() if v is not None]
        head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""])
        return self.send(head.encode("utf-8", "surrogateescape") + body)

    def send(self, request, seconds=15):
        return self.loop.run_until_complete(
            asyncio.wait_for(self._send(request), seconds)
        )

    async def _send(self, request):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            came = b""
            # NB. A stream does not end: its beginning is what counts.
            while b"\r\n\r\n" not in came or b"event-stream" not in came:
                piece = await reader.read(65_536)
                if not piece:
                    break
                came += piece
        except ConnectionError:
            came = came if "came" in locals() else b""
        finally:
            writer.close()
        head, _, body = came.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = [line.partition(": ")[::2] for line in lines]
        headers = {name.lower(): text for name, text in pairs}
        return Told(int(first.split()[1]) if first else 0, headers, body)

    def session(self):
        """Return the cookie of a browser that was let in, and what its pages send."""
        session = self.keys.session()
        return f"{self.guard.cookie}={session}", self.keys.xsrf(session)

    def close(self):
        self.server.stop()
        self.site.close()
        self.loop.run_until_complete(self.server.close_all_connections())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()
        self.home.close()


class Told:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Clock:
    def __init__(self):
        self.now = time.time()

    def __call__(self):
        return self.now


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    opened = Door(tmp_path_factory.mktemp("door"))
    yield opened
    opened.close()


BEARER = {"Authorization": f"Bearer {SECRET}"}
JSON = {"Content_Type": "application/json"}


def test_no_address_answers_a_stranger(door):
    """S01, S18: Without a token, each address is refused alike, but for open ones."""
    opened, refused = set(), []

    for path, _, handler in door.routes():
        for method in METHODS:
            told = door.ask(path, method, b"{}" if method == "POST" else b"", **JSON)
            if handler.is_open:
                opened.add(handler.__name__)
                continue
            refused.append((method, told.status, told.body))
            assert told.status == 401, (method, path, told.status)

    assert opened == {"Health", "Login", "Static"}
    assert len({body for method, _, body in refused if method != "HEAD"}) == 1
    assert len(refused) > 200


def test_every_method_of_a_handler_asks_who_is_there(door):
    """S59: Each method is wrapped, besides the gate before all of them."""
    for path, methods, handler in door.routes():
        for method in methods if not handler.is_open else ():
            function = getattr(handler, method.lower())
            assert function.__wrapped__, (path, method)
            assert issubclass(handler, Gate)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {SECRET[:-1]}"},
        {"Authorization": f"Bearer {SECRET}x"},
        {"Authorization": f"Basic {SECRET}"},
        {"Authorization": SECRET},
        {"Authorization": "Bearer ☃\udcff"},
        {"Authorization": "Bearer correct horse"},
        {"Cookie": f"nborch={SECRET}"},
        {"Cookie": "nborch=1.99999999999.0.0"},
        {"Cookie": "nborch=..."},
        {"X_Forwarded_User": "root"},
    ],
)
def test_a_wrong_token_opens_nothing(door, headers):
    """S02: Only the token as it is opens the API, and a password never does."""
    assert door.ask("/api/runs", **headers).status == 401
    assert door.ask("/", **headers).status == 401


def test_a_token_in_the_address_of_the_api_opens_nothing(door):
    """S02: An address is written down by many: the token counts in one only."""
    assert door.ask(f"/api/runs?token={SECRET}").status == 401
    assert door.ask(f"/?token={SECRET}").status == 401


def test_a_huge_token_is_refused(door):
    """S02: Headers have a size."""
    told = door.ask("/api/runs", Authorization="Bearer " + "x" * 200_000)

    assert told.status in {400, 401, 431, 0}


HOSTS = [
    "evil.example",
    "127.0.0.1.evil",
    "localhost.",
    "localhost.evil.example",
    "[::1].evil",
    "[::1",
    "0x7f.1",
    "2130706433",
    "127.0.0.1@evil",
    "",
    "10.0.0.1",
    "127.0.0.1:port",
    "localhost:4200, evil.example",
]


@pytest.mark.parametrize("host", HOSTS)
def test_a_name_of_somebody_else_is_refused(door, host):
    """S03: A name that leads here does not make a page of that name one of ours."""
    for path in ("/api/runs", "/", "/login", "/api/health", "/static/00/graph.js"):
        told = door.ask(path, **BEARER, Host=host)

        assert told.status in {400, 403}, path
        assert b"flow" not in told.body


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "localhost:8000", "[::1]:1"]
)
def test_names_of_this_machine_are_known(door, host):
    """S03: By whatever port a tunnel leads here."""
    assert door.ask("/api/runs", **BEARER, Host=host).status == 200


def test_two_names_and_forwarded_names_do_not_count(door):
    """S03: What a proxy tells is not asked for."""
    twice = (
        f"GET /api/runs HTTP/1.1\r\nHost: {door.host}\r\nHost: evil.example\r\n"
        f"Authorization: Bearer {SECRET}\r\nConnection: close\r\n\r\n"
    )
    absolute = twice.replace("Host: evil.example\r\n", "").replace(
        "/api", "http://evil.example/api"
    )

    assert door.send(twice.encode()).status in {400, 403}
    assert door.send(absolute.encode()).status in {400, 403, 404}
    told = door.ask("/", **BEARER, X_Forwarded_Host="evil.example")
    assert b"evil" not in told.body


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://localhost:9999",
        "https://{host}",
        "http://{host}.evil",
        "http://evil{host}",
        "http://{host}/",
        "HTTP://{host}",
        "",
    ],
)
def test_another_sites_page_reads_and_changes_nothing(door, origin):
    """S04: No answer of ours is for pages of another origin, with a cookie or a token."""
    cookie, xsrf = door.session()
    origin = origin.format(host=door.host)
    for path, methods, _ in door.routes():
        for method in methods:
            told = door.ask(
                path,
                method,
                b"{}" if method in {"POST", "PUT", "PATCH"} else b"",
                Cookie=cookie,
                X_XSRFToken=xsrf,
                Origin=origin,
                **JSON,
            )
            assert told.status == 403, (method, path)
            assert not [name for name in told.headers if "access-control" in name]
    assert door.ask("/api/runs", **BEARER, Origin=origin).status == 403


def test_our_own_pages_may_ask(door):
    """S04: The origin of our pages is the name by which the server was asked."""
    cookie, _ = door.session()

    for host in (door.host, f"localhost:{door.port}"):
        told = door.ask("/api/runs", Cookie=cookie, Origin=f"http://{host}", Host=host)
        assert told.status == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_page_embeds_is_refused(door, site):
    """S04, S10: Neither another site nor another port may show or fetch anything."""
    cookie, _ = door.session()
    for mode, dest in (("navigate", "iframe"), ("no-cors", "image"), ("cors", "empty")):
        told = door.ask(
            "/",
            Cookie=cookie,
            Sec_Fetch_Site=site,
            Sec_Fetch_Mode=mode,
            Sec_Fetch_Dest=dest,
        )
        assert told.status == 403


def test_a_link_from_elsewhere_leads_to_a_page(door):
    """A link is followed: a strict cookie comes with the request after it."""
    link = {
        "Sec_Fetch_Site": "cross-site",
        "Sec_Fetch_Mode": "navigate",
        "Sec_Fetch_Dest": "document",
    }

    without = door.ask("/", **link)

    assert (without.status, without.headers["refresh"]) == (401, "0")
    assert without.body == b"<!doctype html><title>nborch</title>"
    assert door.ask("/", Cookie=door.session()[0], **link).status == 200
    assert door.ask("/api/runs", Cookie=door.session()[0], **link).status == 403


def test_preflights_are_refused(door):
    """S05: No other origin is told that it may ask."""
    for private in ({}, {"Access_Control_Request_Private_Network": "true"}):
        told = door.ask(
            "/api/cache/clear",
            "OPTIONS",
            Origin="http://evil.example",
            Access_Control_Request_Method="POST",
            **private,
        )
        assert told.status == 403


@pytest.mark.parametrize(
    "kind",
    [
        *("text/plain", "application/x-www-form-urlencoded", FORM, None),
        *("application/json; charset=utf-16", "text/json", "application/jsonx"),
    ],
)
def test_a_body_that_a_form_could_send_is_refused(door, kind):
    """S06: Whatever changes something takes JSON only, which no form can send."""
    asked = 0
    for path, methods, handler in door.routes():
        for method in {"POST", "PUT", "PATCH"} & set(methods):
            if handler.__name__ in {"Logout", "Nowhere", "NoSuchRoute"}:
                continue
            told = door.ask(path, method, b"{}", **BEARER, Content_Type=kind)
            assert told.status in {415, 400 if kind == FORM else 415}, (method, path)
            asked += 1
    assert asked > 15


def test_a_change_needs_what_a_page_of_ours_has(door):
    """S06, S08: A cookie alone changes nothing, whatever the method is called."""
    cookie, xsrf = door.session()
    other = door.keys.xsrf(door.keys.session())
    for path, methods, handler in door.routes():
        for method in {"POST", "PUT", "PATCH", "DELETE"} & set(methods):
            if handler.is_open:
                continue
            for given in (None, "", other, xsrf[:-1]):
                told = door.ask(
                    path, method, b"{}", Cookie=cookie, X_XSRFToken=given, **JSON
                )
                assert told.status == 403, (method, path)
    told = door.ask(
        "/api/concurrency-limits",
        "POST",
        b'{"name": "s06", "slots": 1}',
        Cookie=cookie,
        X_XSRFToken=xsrf,
        **JSON,
    )
    assert told.status == 201


def test_a_stream_is_refused_before_it_begins(door):
    """S07: No stranger, and no page of another origin, hears anything."""
    assert door.ask("/api/stream?topics=runs").status == 401
    foreign = door.ask(
        "/api/stream?topics=runs", **BEARER, Origin="http://evil.example"
    )
    assert foreign.status == 403
    assert b"event-stream" not in foreign.body


def test_reading_changes_nothing(door):
    """S08: No address changes anything for GET, HEAD or OPTIONS."""
    before = door.home.store.last_sequence(), limits_of(door)

    for path, _, _ in door.routes():
        for method in ("GET", "HEAD", "OPTIONS"):
            door.ask(
                path,
                method,
                **BEARER,
                X_HTTP_Method_Override="DELETE",
                X_Method_Override="POST",
            )

    assert (door.home.store.last_sequence(), limits_of(door)) == before


def limits_of(door):
    return door.site.control.limits()["items"]


@pytest.mark.parametrize(
    "path",
    [
        "//api/health",
        "/api//health",
        "/api/%2e%2e/health",
        "/api/../health",
        "/api/runs/health",
        "/api/health/",
        "/api/health;x",
        "/api/health.",
        "/API/health",
        "/api/x/health",
        "/api/runs/%2e%2e/health",
        "/login/../api/runs",
        "/static/../api/runs",
        "/health",
        "/metrics",
        "/docs",
        "/api/openapi.json",
        "/static/../nborch.db",
        "/.well-known/x",
        "*",
    ],
)
def test_only_the_exact_address_is_open(door, path):
    """S09, S18: What looks like an open address is as shut as all others."""
    assert door.ask(path).status in {400, 401, 403}, path


@pytest.mark.parametrize(
    "name",
    [
        "../../settings.py",
        "..%2f..%2fsettings.py",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "pages/../../__init__.py",
        "__init__.py",
        "graph.js.map",
    ],
)
def test_no_name_of_a_file_reaches_the_disk(door, name):
    """S09, S22: A file is one of the package's, by its name there, or none."""
    told = door.ask(f"/static/00/{name}", **BEARER)

    assert told.status in {400, 404}
    assert b"import" not in told.body
    assert b"root:" not in told.body


def test_every_page_forbids_frames_and_scripts_of_others(door):
    """S10, S61: No page is shown within another, and none loads from another host."""
    cookie, _ = door.session()
    for path, methods, handler in door.routes():
        if "GET" not in methods or handler.__name__ == "Stream":
            continue
        told = door.ask(path, Cookie=cookie, Accept="text/html")
        policy = told.headers["content-security-policy"]
        assert "default-src 'none'" in policy, path
        assert re.search(r"frame-ancestors ('none'|'self')", policy), path
        assert "http" not in policy, path
        assert told.headers["x-content-type-options"] == "nosniff"
        if "sandbox" not in policy:
            assert "unsafe" not in policy, path
            assert not re.search(rb"<script(?![^>]*(src=|application/json))", told.body)
            assert not re.search(rb"\s(on\w+|style)=", told.body), path
        assert not re.search(rb"(src|href)=\"(https?:)?//", told.body), path


BODIES = [
    (b"[" * 100_000 + b"]" * 100_000, 400),
    (b'{"a":' * 60 + b"1" + b"}" * 60, 400),
    (b'{"name": "a", "name": "b", "slots": 1}', 400),
    (b'{"name": "a", "slots": NaN}', 400),
    (b'{"name": "a", "slots": 1e999}', 400),
    (b'{"name": "a", "slots": ' + b"9" * 5_000 + b"}", 400),
    (b'{"name": "\\ud800", "slots": 1}', 400),
    (b'{"name": "\xff", "slots": 1}', 400),
    (b"\xef\xbb\xbf{}", 400),
    (b"", 400),
    (b"{", 400),
    (b"{" + b",".join(b'"k%d":1' % n for n in range(60_000)) + b"}", 422),
]


@pytest.mark.parametrize(("body", "status"), BODIES)
def test_a_body_that_is_no_plain_json_is_refused(door, body, status):
    """S11: Deep, doubled, endless and broken values are refused, and soon."""
    began = time.monotonic()

    told = door.ask("/api/concurrency-limits", "POST", body, **BEARER, **JSON)

    assert told.status == status
    assert time.monotonic() - began < 5
    assert len(told.body) < 20_000


def test_a_large_body_is_refused_unread(door):
    """S11: What says that it is too large is not read; what is compressed neither."""
    huge = (
        f"POST /api/cache/clear HTTP/1.1\r\nHost: {door.host}\r\n"
        f"Authorization: Bearer {SECRET}\r\nContent-Type: application/json\r\n"
        "Content-Length: 50000000\r\nConnection: close\r\n\r\n"
    )

    assert door.send(huge.encode()).status in {400, 413}
    told = door.ask(
        "/api/cache/clear", "POST", b"{}", **BEARER, **JSON, Content_Encoding="gzip"
    )
    assert told.status == 415


@pytest.mark.parametrize(
    ("place", "led"),
    [
        ("runs/" + ID, "/runs/" + ID),
        ("", "/"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/evil", "/"),
        ("\\evil.example", "/"),
        ("runs/..%2f..", "/"),
        ("a//b", "/"),
        ("runs/x%0d%0aSet-Cookie:a=b", "/"),
    ],
)
def test_who_comes_in_stays_here(door, place, led):
    """S13: After the token one is led to a place of ours, whatever is asked for."""
    from urllib.parse import quote

    told = door.ask(f"/login?token={SECRET}&next={quote(place)}")

    assert (told.status, told.headers["location"]) == (303, led)


def test_the_cookie_is_for_the_server_alone(door):
    """S13: Scripts cannot read it, other sites' pages do not send it."""
    told = door.ask(f"/login?token={SECRET}")
    cookie = told.headers["set-cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/" in cookie
    assert SECRET not in cookie
    value = cookie.partition(";")[0]
    assert door.ask("/api/runs", Cookie=value).status == 200


def test_a_password_opens_and_is_not_guessed(door):
    """Five attempts at once, and then one now and then."""
    door.clock.now += 1_000

    def attempt(secret):
        body = json.dumps({"secret": secret}).encode()
        return door.ask("/login", "POST", body, **JSON)

    assert attempt("correct horse").status == 200
    assert [attempt(f"guess {n}").status for n in range(8)] == [401] * 4 + [429] * 4
    assert attempt("correct horse").status == 429
    door.clock.now += 2.5
    assert attempt("correct horse").status == 200
    door.clock.now += 1_000


def test_sessions_end(door):
    """S14: With another token, another password, or after a month a cookie is worth nothing."""
    keys, session = door.keys, door.keys.session()

    assert keys.is_session(session)
    assert not Keys("another", "correct horse").is_session(session)
    assert not Keys(SECRET, "another").is_session(session)
    assert not Keys(SECRET).is_session(session)
    door.clock.now += 31 * 86_400
    assert not keys.is_session(session)
    door.clock.now -= 31 * 86_400


def test_a_base_url_has_cookies_and_addresses_of_its_own(tmp_path):
    """S60: Below a base, nothing else is answered and no cookie goes elsewhere."""
    door = Door(tmp_path, "/user/ann/nborch/")
    try:
        told = door.ask(f"/user/ann/nborch/login?token={SECRET}")
        assert "Path=/user/ann/nborch/" in told.headers["set-cookie"]
        assert told.headers["location"] == "/user/ann/nborch/"
        for path in (
            "/api/runs",
            "/user/bob/nborch/api/runs",
            "/user/ann/nborchx/api/runs",
        ):
            assert door.ask(path, **BEARER).status == 404
            assert door.ask(path).status == 401
        assert door.ask("/user/ann/nborch/api/runs", **BEARER).status == 200
    finally:
        door.close()


def test_nothing_secret_is_written_to_a_log(door, caplog, monkeypatch):
    """S15: Neither tokens nor cookies stand in a log, also when we fail."""
    caplog.set_level("DEBUG")
    cookie, xsrf = door.session()

    def fail(*_, **__):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(door.site.control, "version", fail)
    told = door.ask(f"/api/version?x={SECRET}", **BEARER, Cookie=cookie)
    failed = door.ask("/api/version", **BEARER, Cookie=cookie, X_XSRFToken=xsrf)
    door.ask(f"/login?token={SECRET}")
    door.ask(f"/nowhere?token={SECRET}")
    door.ask("/login", "POST", json.dumps({"secret": SECRET}).encode(), **JSON)

    assert "a fault of ours" in caplog.text
    assert (told.status, failed.status) == (422, 500)
    assert b"fault of ours" not in failed.body
    assert b"Traceback" not in failed.body
    for secret in (SECRET, cookie.partition("=")[2], xsrf):
        assert secret not in caplog.text


def test_others_cannot_be_asked_from_beyond_without_being_let_in(tmp_path):
    """S17: A server that others reach has the same gate, and knows its names."""
    door = Door(tmp_path, is_local=False, names=frozenset({"box.example"}))
    try:
        for host in (
            "box.example",
            "BOX.example:4200",
            "192.168.0.7:4200",
            "[fe80::1]",
        ):
            assert door.ask("/api/runs", Host=host).status == 401
            assert door.ask("/api/runs", **BEARER, Host=host).status == 200
        assert door.ask("/api/runs", **BEARER, Host="evil.example").status == 403
    finally:
        door.close()


def test_a_proxy_has_an_origin_of_its_own(tmp_path):
    """Behind a proxy the pages come from its address, and cookies go by TLS only."""
    door = Door(
        tmp_path,
        names=frozenset({"flows.example.org"}),
        origins=frozenset({"https://flows.example.org"}),
    )
    try:
        host = "flows.example.org"
        ours = door.ask("/api/runs", **BEARER, Host=host, Origin=f"https://{host}")
        assert ours.status == 200
        told = door.ask(f"/login?token={SECRET}", Host=host)
        assert "Secure" in told.headers["set-cookie"]
    finally:
        door.close()


def test_a_strangers_name_is_text_everywhere(door):
    """S20: A name or an id in an address is looked up, and never a path."""
    for name in (
        "..",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "%00",
        "CON",
        "x" * 300,
        "%0a",
    ):
        for of in ("runs", "deployments", "work-pools", "frames/runs", "api/runs"):
            told = door.ask(f"/{of}/{name}", **BEARER)
            assert told.status in {400, 404, 422}, (of, name)
            assert b"root:" not in told.body
        told = door.ask(f"/frames/runs/{name}/notebook", **BEARER)
        assert told.status in {400, 404}, name


@pytest.mark.parametrize("fault", ["others may read it", "a link", "a folder", "empty"])
def test_a_token_that_others_know_is_refused(tmp_path, fault):
    """S16: A token's file is of its owner alone, and no link."""
    from nborch.exceptions import StoreError
    from nborch.server.keys import kept_token

    path = tmp_path / "server" / "token"
    path.parent.mkdir()
    if fault == "a link":
        (tmp_path / "other").write_text("known")
        (tmp_path / "other").chmod(0o600)
        path.symlink_to(tmp_path / "other")
    elif fault == "a folder":
        path.mkdir()
    else:
        path.write_text("" if fault == "empty" else "known")
        path.chmod(0o600 if fault == "empty" else 0o644)

    with pytest.raises(StoreError, match="Remove "):
        kept_token(path)


def test_a_token_is_kept_and_made_anew(tmp_path):
    """S16: It is the same after a restart, only its owner reads it, and it can be changed."""
    from nborch.server.keys import kept_token

    path = tmp_path / "server" / "token"
    before = os.umask(0)
    try:
        first = kept_token(path)
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert kept_token(path) == first
    assert len(first) >= 43
    assert kept_token(path, anew=True) != first
    assert [each.name for each in Path(tmp_path / "server").iterdir()] == ["token"]


def looking(door):
    """Return what is sent by who may look only: a program, and a page of a browser."""
    keys = door.keys
    session = keys.session(only_looks=True)
    page = {
        "Cookie": f"{door.guard.cookie}={session}",
        "X_XSRFToken": keys.xsrf(session),
    }
    return {"Authorization": f"Bearer {keys.looking_token}"}, page


def test_who_may_look_only_changes_nothing(door):
    """S19: A token that only reads is refused by each address that changes something."""
    before = door.ask("/api/work-pools", **BEARER).body
    tried = 0
    for path, methods, handler in door.routes():
        for method in {"POST", "PUT", "PATCH", "DELETE"}.intersection(methods):
            if getattr(handler, "is_for_all", False):
                assert path in {"/login", "/logout"}
                continue
            tried += 1
            for asks in looking(door):
                told = door.ask(path, method, b'{"name": "p"}', **asks, **JSON)
                assert told.status == 403, (method, path)
                assert b"came in to look" in told.body

    assert tried > 20
    assert door.ask("/api/work-pools", **BEARER).body == before


def test_who_may_look_sees_all(door):
    """S19: Pages and the API tell who may look only the same as others."""
    for asks in looking(door):
        for path in ("/", "/api/runs", "/deployments", "/settings", "/api/work-pools"):
            assert door.ask(path, **asks).status == 200, path
        assert door.ask("/logout", "POST", b"{}", **asks, **JSON).status == 200


def test_the_way_in_to_look(door):
    """S19: The address and the form give a session of that kind, and no other."""
    keys = door.keys
    by_address = door.ask(f"/login?token={keys.looking_token}")
    typed = json.dumps({"secret": keys.looking_token}).encode()
    by_form = door.ask("/login", "POST", typed, **JSON)

    assert (by_address.status, by_form.status) == (303, 200)
    for told in (by_address, by_form):
        cookie = told.headers["set-cookie"].partition(";")[0]
        session = cookie.partition("=")[2].strip('"')
        assert keys.is_session(session)
        assert keys.only_looks(session)
        # What it begins with is signed.
        forged = "1" + session.removeprefix("look")
        assert door.ask("/api/runs", Cookie=f"nborch={forged}").status == 401
    assert keys.looking_token != Keys("another").looking_token
    assert not keys.only_looks(keys.session())


def test_the_decorator_refuses_by_itself():
    """S59: A handler that a gate forgot is still shut."""
    from nborch.server.problems import Problem

    class Stranger:
        current_user = None

    with pytest.raises(Problem, match="unauthenticated"):
        authenticated(lambda _self: "data")(Stranger())
