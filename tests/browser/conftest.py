"""Fixtures for what a browser shows: Chromium, and a page with the run graph."""

import json
import os
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path

import jupyter_pages as pages
import pytest

# For `runs_shown`, which benchmarks use, too.

BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
ARGUMENTS = [
    *["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic"],
    *["--no-first-run", "--disable-background-networking"],
    *["--disable-component-update", "--disable-sync"],
]

SIZE = {"width": 1000, "height": 800}

#: A page as around a notebook's output, and what tests drive the graph with: messages
#: that Python would send go through `deliver`, what the graph sends is in `sent`.
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Run graph</title>
<link rel="stylesheet" href="/nborch.css">
<style>body { margin: 16px } body.dark { background: #111 }</style>
<body><main><h1 style="font: 16px sans-serif">Notebook</h1><div id="place"></div></main>
<script type="module">
  const { mount } = await import(window.modules ?? "/graph.js");
  window.sent = [];
  const listeners = new Set();
  window.listeners = listeners;
  window.deliver = (message) => listeners.forEach((callback) => callback(message));
  window.begin = (snapshot, options = {}) => {
    window.graph?.destroy();
    window.sent.length = 0;
    const connection = {
      snapshot,
      send: (message) => window.sent.push(message),
      onMessage: (callback) => {
        listeners.add(callback);
        return () => listeners.delete(callback);
      },
    };
    window.graph = mount(document.getElementById("place"), connection, options);
  };
  window.isReady = true;
</script></body></html>"""


def missing(what):
    """Skip at home; fail where everything has to be there."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


# NB. Not for the whole session: its event loop is this thread's as long as it is there.
@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        missing("no Chromium is installed")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


class Files(SimpleHTTPRequestHandler):
    """Serves a folder without a word on the terminal, and the page."""

    def do_GET(self):
        if self.path != "/":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def site():
    """The address of a server with the modules of the run graph."""
    folder = Path(str(files("nborch.static")))
    handler = partial(Files, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def open_page(browser, site):
    """Opens a page ready to show a graph; errors in it fail the test."""
    contexts, errors = [], []

    def open_page(width=1000, **settings):
        context = browser.new_context(
            viewport={**SIZE, "width": width},
            **{"reduced_motion": "reduce", **settings},
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(site)
        page.wait_for_function("window.isReady")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors


@pytest.fixture(scope="module")
def window(browser):
    """A window for all tests that ask for no other: opening one takes time."""
    context = browser.new_context(viewport=SIZE, reduced_motion="reduce")
    yield context
    context.close()


@pytest.fixture
def page(window, site):
    """A page ready to show a graph, without motion; errors in it fail the test."""
    page, errors = window.new_page(), []
    page.set_default_timeout(10_000)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(site)
    page.wait_for_function("window.isReady")
    yield page
    page.close()
    assert not errors


@pytest.fixture
def show(page):
    """Shows a snapshot in the page."""

    def show(snapshot, **options):
        # NB. As text: Playwright takes long for thousands of values.
        told = json.dumps([snapshot, options])
        page.evaluate("(told) => begin(...JSON.parse(told))", told)

    return show


@pytest.fixture
def deliver(page):
    """Sends a message to the graph in the page, as Python would."""
    return lambda message: page.evaluate(
        "(told) => deliver(JSON.parse(told))", json.dumps(message)
    )


@pytest.fixture
def sent(page):
    """Returns what the graph in the page has sent."""
    return lambda: page.evaluate("sent")


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory):
    """A server of JupyterLab and Notebook 7, the same for all tests."""
    for program in ("jupyter-lab", "jupyter-notebook"):
        if not (pages.BIN / program).exists():
            missing(f"{program} is not installed")
    jupyter = pages.Jupyter(tmp_path_factory.mktemp("jupyter"))
    try:
        pages.wait(lambda: jupyter.ask("/api/status"), seconds=60)
        yield jupyter
    finally:
        jupyter.stop()


@pytest.fixture(scope="module")
def page_of(jupyter):
    """Makes a page for a notebook, which is not open yet."""

    def page_of(context, name, app="lab"):
        page = context.new_page()
        page.set_default_timeout(20_000)
        return pages.NotebookPage(page, jupyter, name, app)

    return page_of


@pytest.fixture
def open_notebook(browser, jupyter, page_of):
    """Opens notebooks in JupyterLab or Notebook 7; errors in them fail the test."""
    contexts, errors, names = [], [], []

    def open_notebook(name, cells=None, app="lab", kernel="python3", **settings):
        """Open a notebook with these cells, or one that is there."""
        if cells is not None:
            jupyter.write(name, cells, kernel)
        context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}, **settings}
        )
        contexts.append(context)
        names.append(name)
        notebook = page_of(context, name, app)
        notebook.page.on("pageerror", lambda error: errors.append(str(error)))
        return notebook.open()

    yield open_notebook
    for context in contexts:
        context.close()
    for name in names:
        jupyter.end(name)
    # Without its news and its files, Notebook 7 says so.
    theirs = ("'schema'", "filebrowser:")
    ours = [error for error in errors if not any(word in error for word in theirs)]
    assert ours == []
