"""Fixtures for what a browser shows: Chromium, and a page with the run graph."""

import os
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path

import pytest

BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
ARGUMENTS = [
    *["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic"],
    *["--no-first-run", "--disable-background-networking"],
    *["--disable-component-update", "--disable-sync"],
]

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


@pytest.fixture(scope="session")
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

    def open_page(width=1000, height=800, **settings):
        context = browser.new_context(
            viewport={"width": width, "height": height},
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


@pytest.fixture
def page(open_page):
    """A page ready to show a graph, without motion."""
    return open_page()
