"""Make the pictures of the run graph in ``docs/images``: python tests/browser/screenshots.py

Look at each of them before you keep it.
"""

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from conftest import ARGUMENTS, BROWSERS
from jupyter_pages import Jupyter, NotebookPage, wait
from playwright.sync_api import sync_playwright
from seeded import seed

from nborch.home import open_home
from nborch.settings import load_settings

PLACE = Path(__file__).parents[2] / "docs" / "images"

TASKS = """
import time
from nborch import flow, get_run_logger, task
from nborch.cache_policies import INPUTS

@task(cache_policy=INPUTS, persist_result=True)
def schema(version):
    time.sleep(1.2)
    return {"version": version}

@task(task_run_name="fetch {region}")
def fetch(region, seconds):
    get_run_logger().info("%s: 48,000 flights", region)
    time.sleep(seconds)
    return [region]

@task(task_run_name="clean {region}")
def clean(region, rows, schema):
    time.sleep(0.5)
    return rows

@task
def join(tables):
    time.sleep(0.6)
    return [tables]

@task(task_run_name="encode {column}")
def encode(column, table, seconds):
    time.sleep(seconds)
    return [column]

@task
def merge(columns):
    time.sleep(0.4)
    return columns

@flow
def features(table):
    columns = {"carrier": 0.7, "origin": 0.9, "weather": 1.3}
    return merge([encode.submit(c, table, s) for c, s in columns.items()])

@task
def audit(table):
    get_run_logger().info("looking at 192,000 flights")
    time.sleep(0.4)
    raise ValueError("column 'delay' has 12 missing values")

attempts = []

@task(task_run_name="fit {model}", retries=1, retry_delay_seconds=0.3)
def fit(model, table, seconds):
    get_run_logger().info("%s: 1,204 rounds", model)
    time.sleep(seconds)
    if model == "forest" and not attempts:
        attempts.append(model)
        raise RuntimeError("worker lost")
    return [model]

@task(task_run_name="score {model}")
def score(model, fitted):
    time.sleep(0.6)
    return [model]

@task
def choose(scores):
    time.sleep(0.5)

@flow
def nightly():
    regions = {"north": 0.8, "east": 1.1, "south": 0.6, "west": 1.4}
    known = schema.submit(3)
    rows = {name: fetch.submit(name, seconds) for name, seconds in regions.items()}
    tables = [clean.submit(name, some, known) for name, some in rows.items()]
    table = join.submit(tables)
    audit.submit(table)
    wide = features(table)
    models = {"linear": 0.8, "forest": 2.2, "boost": 5.0}
    fitted = {m: fit.submit(m, wide, seconds) for m, seconds in models.items()}
    scores = [score.submit(m, fitted[m]) for m in models]
    return choose.submit(scores)
""".strip()

CELLS = [TASKS, "known = schema(3)", "delays = nightly(return_state=True)"]

TIDY = """() => {
  const style = document.createElement("style");
  style.textContent = `.jp-InternalAnchorLink { display: none }
    .jp-RenderedText[data-mime-type*=stderr] { display: none !important }`;
  document.head.append(style);
}"""


def running(notebook):
    """Start the flow; return its graph at the moment that shows most."""
    notebook.page.evaluate(TIDY)
    notebook.command("application:toggle-left-area")
    notebook.start(2)
    graph = notebook.graph(2).appears()
    graph.root.locator(".nb-node[data-state=Retrying]").first.wait_for()
    return graph


def main(names):
    folder = Path(tempfile.mkdtemp(prefix="nborch-pictures-"))
    jupyter = Jupyter(folder)
    found = next(filter(None, map(shutil.which, BROWSERS)))
    try:
        wait(lambda: jupyter.ask("/api/status"), 60)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
            for name in names or PICTURES:
                page = browser.new_page(viewport={"width": 1240, "height": 760})
                file = FILES.get(name, f"run-graph-{name}.png")
                PICTURES[name](page, jupyter, PLACE / file)
                page.close()
                sys.stdout.write(f"{file}\n")
            browser.close()
    finally:
        jupyter.stop()
        shutil.rmtree(folder, ignore_errors=True)


def opened(page, jupyter, name):
    jupyter.write(name, CELLS)
    notebook = NotebookPage(page, jupyter, name, "lab").open()
    notebook.run(0)
    notebook.run(1)
    return notebook


def keep(notebook, path, n=2):
    """Keep the picture of a cell, as wide as the notebook."""
    notebook.cell(n).scroll_into_view_if_needed()
    notebook.page.mouse.move(5, 5)
    # Colours fade for a moment.
    time.sleep(0.4)
    notebook.cell(n).screenshot(path=path)


def live(page, jupyter, path):
    notebook = opened(page, jupyter, "nightly.ipynb")
    running(notebook)
    keep(notebook, path)


def dark(page, jupyter, path):
    notebook = opened(page, jupyter, "dark.ipynb")
    notebook.set_dark(is_dark=True)
    running(notebook)
    keep(notebook, path)
    notebook.set_dark(is_dark=False)


def panel(page, jupyter, path):
    """Keep a picture of the pages beside a notebook, with a week of other runs."""
    home = open_home(load_settings(environ={"NBORCH_HOME": str(jupyter.home)}))
    seed(home, runs=1_500, tasks=0)
    name = "beside.ipynb"
    layout = json.loads((PLACE.parents[1] / "binder" / "workspace.json").read_text())
    parts = layout["data"]["layout-restorer:data"]
    parts["main"] = {}
    layout = {"data": {"layout-restorer:data": parts}}
    layout["metadata"] = {"id": name.replace(".", "-")}
    jupyter.ask(f"/lab/api/workspaces/{layout['metadata']['id']}", "PUT", **layout)
    notebook = opened(page, jupyter, name)
    page.evaluate(TIDY)
    notebook.start(2)
    graph = notebook.graph(2).appears()
    graph.root.locator(".nb-node[data-state=Retrying]").first.wait_for()
    notebook.cell(2).scroll_into_view_if_needed()
    page.mouse.move(5, 5)
    time.sleep(0.4)
    page.screenshot(path=path)


def timeline(page, jupyter, path):
    notebook = opened(page, jupyter, "timeline.ipynb")
    graph = running(notebook)
    graph.button("Timeline").click()
    keep(notebook, path)


def drawer(page, jupyter, path):
    notebook = opened(page, jupyter, "drawer.ipynb")
    graph = running(notebook)
    notebook.wait(2)
    graph.node("audit").click()
    graph.drawer.get_by_text("Traceback").first.wait_for()
    keep(notebook, path)


def untrusted(page, jupyter, path):
    notebook = opened(page, jupyter, "ours.ipynb")
    running(notebook)
    notebook.wait(2)
    notebook.save()
    nb = nbformat.read(jupyter.folder / "ours.ipynb", 4)
    nb.cells[0].source += "\n"
    nb.cells[1].source += "  # somebody else's"
    nbformat.write(nb, jupyter.folder / "theirs.ipynb")
    theirs = NotebookPage(page, jupyter, "theirs.ipynb", "lab").open()
    theirs.page.evaluate(TIDY)
    page.set_viewport_size({"width": 1240, "height": 1400})
    keep(theirs, path)


#: Those that are called otherwise.
FILES = {"panel": "jupyterlab-panel.png"}
PICTURES = {
    "panel": panel,
    "live": live,
    "dark": dark,
    "timeline": timeline,
    "drawer": drawer,
    "untrusted": untrusted,
}

if __name__ == "__main__":
    main(sys.argv[1:])
