"""A person in JupyterLab: Run All, restart, Run All again, and a run from a terminal."""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from nborch.runs import RunKind
from nborch.store.sqlite import SQLiteStore

BIN = Path(sys.executable).parent
BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
ARGUMENTS = [
    *["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic"],
    *["--no-first-run", "--disable-background-networking"],
    *["--disable-component-update", "--disable-sync"],
]
#: As on the page: cell tasks with a print, a table and a plot.
CELLS = [
    ("code", "%load_ext nborch\n%matplotlib inline"),
    ("code", "import time\n\nimport matplotlib.pyplot as plt\nimport pandas as pd"),
    (
        "code",
        """%%task load
time.sleep(1)
rows = pd.DataFrame({'a': range(5)})
print(f'{len(rows)} rows')
rows.head(2)""",
    ),
    ("markdown", "Each cell task says below what came of it."),
    ("code", "%%task plot\nplt.figure(figsize=(4, 2))\nplt.plot(rows['a']);"),
    ("code", "%%task square\nrows['b'] = rows['a'] ** 2\nint(rows['b'].sum())"),
    ("code", "%%task shell\n!echo from the shell"),
    ("code", "assert rows['b'].sum() == 30\nprint('as it should be')"),
]
DONE = "as it should be"
OUTPUT = ".jp-OutputArea-output"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def missing(what):
    """Skip at home; fail where everything has to be there."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture
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


@pytest.fixture
def folder(tmp_path):
    """A folder with a notebook and a configuration of Jupyter of its own."""
    folder = tmp_path / "work"
    folder.mkdir()
    make = {"code": new_code_cell, "markdown": new_markdown_cell}
    cells = [make[kind](text, id=f"cell-{n}") for n, (kind, text) in enumerate(CELLS)]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nb = new_notebook(cells=cells, metadata={"kernelspec": spec})
    nbformat.write(nb, folder / "page.ipynb")
    return folder


@pytest.fixture
def environ(tmp_path):
    """An environment in which nothing of the user's Jupyter is seen."""
    names = [
        *["JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"],
        *["JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR"],
        "NBORCH_HOME",
    ]
    places = {name: tmp_path / "jupyter" / name.lower() for name in names}
    for place in places.values():
        place.mkdir(parents=True)
    config = places["JUPYTER_CONFIG_DIR"] / "labconfig"
    config.mkdir()
    off = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (config / "page_config.json").write_text(json.dumps(off))
    tracker = places["JUPYTERLAB_SETTINGS_DIR"] / "@jupyterlab" / "notebook-extension"
    tracker.mkdir(parents=True)
    # Else cells that are not on the screen are not on the page.
    settings = json.dumps({"windowingMode": "none"})
    (tracker / "tracker.jupyterlab-settings").write_text(settings)
    return {**os.environ, **{name: str(place) for name, place in places.items()}}


@pytest.fixture
def lab(folder, environ):
    """A JupyterLab server; returns its address with the token."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(8)
    log = (folder.parent / "lab.log").open("w")
    server = subprocess.Popen(
        [
            *[BIN / "jupyter-lab", "--no-browser", "--allow-root", "--ip=127.0.0.1"],
            *[f"--ServerApp.port={port}", f"--IdentityProvider.token={token}"],
            "--ServerApp.port_retries=0",
        ],
        cwd=folder,
        env=environ,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    lab = Lab(f"http://127.0.0.1:{port}", token)
    try:
        lab.wait(lambda: lab.get("/api/status"), seconds=60)
        yield lab
    finally:
        server.terminate()
        server.wait(30)
        log.close()


class Lab:
    """A server's REST interface."""

    def __init__(self, address, token):
        self.address = address
        self.token = token

    def get(self, path):
        request = urllib.request.Request(
            self.address + path, headers={"Authorization": f"token {self.token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError):
            return None

    def is_idle(self):
        sessions = self.get("/api/sessions") or []
        return bool(sessions) and sessions[0]["kernel"]["execution_state"] == "idle"

    @staticmethod
    def wait(condition, seconds):
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, "it took too long"
            time.sleep(0.2)


def menu(page, name, item):
    page.locator(".lm-MenuBar-itemLabel", has_text=name).first.click()
    page.locator(".lm-Menu-itemLabel", has_text=item).first.click()


def badges(page, count, seconds=60):
    """Wait until all cells have run; return what the badges say."""
    page.locator(OUTPUT, has_text=DONE).wait_for(timeout=seconds * 1000)
    shown = page.locator(f"{OUTPUT}.jp-RenderedHTMLCommon", has_text=re.compile("[●◌]"))
    texts = [" ".join(text.split()) for text in shown.all_inner_texts()]
    assert len(texts) == count, texts
    return texts


def test_jupyterlab(browser, lab, folder, environ):
    """Badges appear under cell tasks; after a restart they say ``cached``, with the same
    outputs, and ``nborch run`` uses the same results.
    """
    page = browser.new_page(viewport={"width": 1100, "height": 1400})
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{lab.address}/lab/tree/page.ipynb?token={lab.token}")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=60_000)
    lab.wait(lab.is_idle, seconds=60)

    menu(page, "Run", "Run All Cells")
    first = badges(page, 4)
    screenshot(page, "first")

    menu(page, "Kernel", "Restart Kernel and Run All Cells…")
    page.locator(".jp-Dialog button.jp-mod-accept").click()
    page.locator(".jp-Dialog").wait_for(state="detached")
    page.locator(OUTPUT, has_text=DONE).wait_for(state="detached", timeout=60_000)
    second = badges(page, 4)
    screenshot(page, "second")

    assert [text.split()[1] for text in first] == ["ran", "ran", "ran", "uncached"]
    assert [text.split()[1] for text in second] == [
        *["cached", "cached", "cached"],
        "uncached",
    ]
    assert "instead of" in second[0]
    assert page.locator(f"{OUTPUT} img").count() == 1
    assert page.locator(f"{OUTPUT} table").count() == 1
    assert page.locator(OUTPUT, has_text="5 rows").count() == 1
    assert page.locator(".jp-OutputArea-executeResult").last.inner_text().endswith("30")
    assert errors == []

    done = subprocess.run(
        [BIN / "nborch", "run", "page.ipynb"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "3 of 4 cell tasks cached" in done.stderr
    sessions = named_sessions(Path(environ["NBORCH_HOME"]))
    assert sessions == ["page", "page"]


def named_sessions(home):
    store = SQLiteStore(home / "nborch.db")
    names = [record.run.of for record in store.records(kinds=(RunKind.SESSION,))]
    store.close()
    return names


def screenshot(page, name):
    """Keep a picture for those who want to look."""
    folder = os.environ.get("NBORCH_TEST_SCREENSHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"lab-{name}.png"))
