"""A Jupyter server for tests, and notebooks of it in a browser."""

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
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = str(Path(__file__).parents[2])
#: All lies below it, as on a hub.
BASE = "/user/ann"
BIN = Path(sys.executable).parent
APPS = ("LabApp", "JupyterNotebookApp")
RAN = re.compile(r"\[\d+\]")
FOLDERS = [
    *["JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"],
    *["JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR"],
    "NBORCH_HOME",
]


def wait(condition, seconds=30.0):
    """Wait until a condition holds; return what it said."""
    until = time.monotonic() + seconds
    while not (told := condition()):
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.1)
    return told


def environ_of(folder):
    """Return an environment in which nothing of the user's Jupyter is seen."""
    places = {name: folder / name.lower() for name in FOLDERS}
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
    places = {name: str(place) for name, place in places.items()}
    return {**os.environ, "PYTHONPATH": ROOT, **places, **installed(folder)}


def installed(folder):
    """Put in place what an installation of nborch does; return where Jupyter looks."""
    data, config = folder / "share" / "jupyter", folder / "etc" / "jupyter"
    panel = data / "labextensions" / "nborch"
    shutil.copytree(Path(ROOT) / "nborch" / "labextension", panel)
    shutil.copytree(
        Path(ROOT) / "nborch" / "server" / "jupyter_config",
        config / "jupyter_server_config.d",
    )
    return {"JUPYTER_PATH": str(data), "JUPYTER_CONFIG_PATH": str(config)}


class Jupyter:
    """A server of JupyterLab and Notebook 7, with notebooks in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder / "work"
        self.folder.mkdir()
        self.environ = environ_of(folder / "jupyter")
        self.home = Path(self.environ["NBORCH_HOME"])
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}{BASE}"
        self.token = secrets.token_hex(8)
        self._log = (folder / "jupyter.log").open("w")
        self._server = subprocess.Popen(
            [
                *[BIN / "jupyter-lab", "--no-browser", "--allow-root"],
                *["--ip=127.0.0.1", f"--ServerApp.port={port}"],
                *["--ServerApp.port_retries=0", f"--ServerApp.base_url={BASE}/"],
                *[f"--{app}.expose_app_in_browser=True" for app in APPS],
                f"--IdentityProvider.token={self.token}",
                # It asks the network what is new.
                "--LabApp.news_url=",
            ],
            cwd=self.folder,
            env=self.environ,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def stop(self):
        self._server.terminate()
        self._server.wait(30)
        self._log.close()

    # Its REST interface.

    def ask(self, path, method="GET", **body):
        request = urllib.request.Request(
            self.address + path,
            method=method,
            data=json.dumps(body).encode() if body else None,
            headers={"Authorization": f"token {self.token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                text = answer.read()
        except (urllib.error.URLError, ConnectionError):
            return None
        return json.loads(text) if text else {}

    def session(self, name):
        """Return the session of a notebook, None if it has none."""
        sessions = self.ask("/api/sessions") or []
        return next((each for each in sessions if each["path"] == name), None)

    def is_idle(self, name):
        session = self.session(name)
        kernel = session and session["kernel"]
        return (
            bool(kernel)
            and kernel["execution_state"] == "idle"
            and kernel["connections"]
        )

    def is_busy(self, name):
        session = self.session(name)
        return bool(session) and session["kernel"]["execution_state"] == "busy"

    def end(self, name):
        """End the kernel of a notebook, if it has one."""
        session = self.session(name)
        if session:
            self.ask(f"/api/sessions/{session['id']}", "DELETE")

    # Its files.

    def write(self, name, cells, kernel="python3"):
        """Make a notebook of code cells; a text in a tuple is a markdown cell."""
        made = [
            new_markdown_cell(*cell, id=f"cell-{n}")
            if isinstance(cell, tuple)
            else new_code_cell(cell.strip(), id=f"cell-{n}")
            for n, cell in enumerate(cells)
        ]
        spec = {"name": kernel, "display_name": kernel, "language": "python"}
        nb = new_notebook(cells=made, metadata={"kernelspec": spec})
        nbformat.write(nb, self.folder / name)
        return self.folder / name

    def run(self, *command, ok=True):
        """Run a program in the folder; return what it has printed."""
        done = subprocess.run(
            [BIN / command[0], *command[1:]],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert (done.returncode == 0) is ok, done.stderr
        return done.stdout + done.stderr

    def sign(self, name):
        """Trust a notebook, as the person who has run it does."""
        self.run("jupyter-trust", name)


class NotebookPage:
    """A notebook that is open in JupyterLab or Notebook 7."""

    def __init__(self, page, jupyter, name, app):
        self.page = page
        self.jupyter = jupyter
        self.name = name
        self.app = app

    @property
    def folder(self):
        return self.jupyter.folder

    @property
    def address(self):
        places = {
            # A workspace of its own: others' tabs are not opened with it.
            "lab": f"lab/workspaces/{self.name.replace('.', '-')}/tree/{self.name}",
            "notebook": f"notebooks/{self.name}",
        }
        return f"{self.jupyter.address}/{places[self.app]}?token={self.jupyter.token}"

    def open(self, *, is_kernel_idle=True):
        self.page.goto(self.address)
        self._wait(is_kernel_idle=is_kernel_idle)
        return self

    def reload(self, *, is_kernel_idle=True):
        self.page.reload()
        self._wait(is_kernel_idle=is_kernel_idle)

    def _wait(self, *, is_kernel_idle):
        self.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=60_000)
        if is_kernel_idle:
            wait(lambda: self.jupyter.is_idle(self.name), 60)

    def command(self, name, **args):
        """Do what a command of the application does."""
        return self.page.evaluate(
            "([name, args]) => window.jupyterapp.commands.execute(name, args).then(() => 1)",
            [name, args],
        )

    def set_dark(self, *, is_dark):
        theme = "JupyterLab Dark" if is_dark else "JupyterLab Light"
        self.command("apputils:change-theme", theme=theme)
        shown = str(not is_dark).lower()
        body = self.page.locator(f"body[data-jp-theme-light={shown}]")
        body.wait_for(state="attached")

    def save(self):
        """Save the notebook; return it as it is in the file."""
        self.command("docmanager:save")
        return nbformat.read(self.folder / self.name, 4)

    # Its cells.

    def cell(self, n):
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(n)

    def prompt(self, n):
        return self.cell(n).locator(".jp-InputArea-prompt").first.inner_text()

    def start(self, n):
        """Start a cell, without waiting for it."""
        self.cell(n).locator(".cm-content").first.click()
        self.page.keyboard.press("Control+Enter")

    def run(self, n, seconds=30):
        """Run a cell and wait until it is over; return what it has printed."""
        before = self.prompt(n)
        self.start(n)
        self.wait(n, before, seconds)
        return self.printed(n)

    def wait(self, n, before="", seconds=30):
        """Wait until a cell that was started is over."""

        def is_over():
            prompt = self.prompt(n)
            return prompt != before and RAN.search(prompt)

        wait(is_over, seconds)

    def edit(self, n, text):
        """Put another text into a cell."""
        self.cell(n).locator(".cm-content").first.click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)

    def printed(self, n):
        """Return the lines that a cell has printed."""
        shown = self.cell(n).locator(".jp-OutputArea-output[data-mime-type*=stdout]")
        lines = "\n".join(shown.all_inner_texts()).split("\n")
        return [line for line in lines if line]

    def output(self, n):
        return self.cell(n).locator(".jp-OutputArea-output")

    def graph(self, n):
        return GraphPage(self.page, self.cell(n).locator("section.nborch").first)


class GraphPage:
    """A run graph in a page."""

    def __init__(self, page, root):
        self.page = page
        self.root = root

    def appears(self, seconds=15):
        self.root.wait_for(timeout=seconds * 1000)
        return self

    @property
    def state(self):
        return self.root.locator(".nb-run-state").inner_text()

    def comes_to(self, state, seconds=15):
        """Wait for a state of the run."""
        state = self.root.locator(".nb-run-state", has_text=state)
        state.wait_for(timeout=seconds * 1000)

    @property
    def counts(self):
        """How many runs are in which state, by the chips."""
        texts = self.root.locator(".nb-chip").evaluate_all(
            "all => all.map(one => [...one.querySelectorAll('.nb-chip-label, .nb-chip-count')].map(e => e.textContent))"
        )
        return {label: int(count.replace(",", "")) for label, count in texts}

    def counts_to(self, label, number, seconds=30):
        """Wait until so many runs are in a state."""
        wait(lambda: self.counts.get(label) == number, seconds)

    @property
    def nodes(self):
        return self.root.locator(".nb-node")

    def node(self, label):
        return self.root.locator(f".nb-node[aria-label^='{label}']").first

    def button(self, name):
        return self.root.get_by_role("button", name=name, exact=True)

    @property
    def drawer(self):
        return self.root.locator(".nb-drawer")

    def faults(self):
        """Return what axe-core finds wrong in it."""
        from axe_playwright_python.sync_playwright import Axe

        self.root.evaluate("element => element.setAttribute('data-axe', '')")
        told = Axe().run(self.page, context={"include": [["[data-axe]"]]})
        return [
            f"{each['id']}: {node['html'][:200]} {node['failureSummary']}"
            for each in told.response["violations"]
            for node in each["nodes"]
        ]
