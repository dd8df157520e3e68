"""The panel: nborch's pages in JupyterLab, below a base as on a hub."""

import json
import re
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from seeded_runs import Stories

from nborch.home import open_home
from nborch.settings import load_settings

pytestmark = pytest.mark.usefixtures("jupyter")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(jupyter):
    """The home that the Jupyter server and its kernels use, with a few runs."""
    home = open_home(load_settings(environ={"NBORCH_HOME": str(jupyter.home)}))
    yield home
    home.close()


def tell_run(home, of="load-orders"):
    """Have a run in the store, as if a program had just made it."""
    at = time.time() - 60
    stories = Stories(at, home.process, seed=at)
    story = list(stories.run(of, at, "COMPLETED", is_told=True))
    home.store.append(story)
    return home.store.record(story[0].run_id).run


@pytest.fixture
def lab(browser, jupyter, request):
    """JupyterLab without a document, in a workspace of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page, errors = context.new_page(), []
    page.set_default_timeout(60_000)
    page.on("pageerror", lambda error: errors.append(str(error)))
    workspace = request.node.name.replace("_", "-")
    page.goto(f"{jupyter.address}/lab/workspaces/{workspace}?token={jupyter.token}")
    known = "window.jupyterapp?.commands.hasCommand('nborch:show-runs')"
    page.wait_for_function(known)
    page.evaluate("window.jupyterapp.restored.then(() => 1)")
    yield page
    context.close()
    assert not errors


def do(page, command, **args):
    page.evaluate(
        "([name, args]) => window.jupyterapp.commands.execute(name, args).then(() => 1)",
        [command, args],
    )


def test_the_panel_shows_runs_as_they_come_in_the_colours_of_the_lab(lab, home):
    """A command opens the panel; it follows the store, and the theme of JupyterLab."""
    known = tell_run(home)

    assert lab.locator("#nborch-panel iframe[src]").count() == 0
    do(lab, "nborch:show-runs")
    panel = lab.frame_locator("#nborch-panel iframe")
    panel.get_by_text(known.name).first.wait_for()
    later = tell_run(home, "clean-up")
    panel.get_by_text(later.name).first.wait_for()

    for theme, told in (("JupyterLab Dark", "dark"), ("JupyterLab Light", "light")):
        # NB. JupyterLab takes its splash away twice if the theme changes meanwhile.
        lab.locator("#jupyterlab-splash").wait_for(state="detached")
        do(lab, "apputils:change-theme", theme=theme)
        panel.locator(f"html[data-theme={told}]").wait_for(state="attached")

    panel.get_by_text(known.name).first.click()
    panel.locator("h1", has_text=known.name).wait_for()
    # What the panel shows next looks as what it showed before.
    panel.locator("html[data-theme=light]").wait_for(state="attached")


def test_the_pages_fill_a_tab(lab, home):
    """Where the panel is too narrow, a wide tab shows the same."""
    known = tell_run(home)

    do(lab, "nborch:show-wide")

    tab = lab.frame_locator("#nborch-tab-1 iframe")
    tab.get_by_text(known.name).first.wait_for()
    assert lab.locator(".lm-TabBar-tabLabel", has_text="nborch").count() == 1


def test_a_graph_leads_to_the_page_of_its_run(open_notebook, jupyter):
    """The graph in a notebook opens the run's page in the same Jupyter."""
    cell = """
import anywidget
from nborch import flow, task
@task
def add(n): return n + 1
@flow
def twice():
    return add(add(1))
twice()
"""
    notebook = open_notebook("linked.ipynb", [cell])
    notebook.run(0)
    graph = notebook.graph(0).appears()

    address = graph.root.get_by_role("link", name="Open").get_attribute("href")
    assert re.fullmatch(r"/user/ann/nborch/runs/[0-9a-f-]{36}", address)
    with notebook.page.context.expect_page() as opened:
        graph.root.get_by_role("link", name="Open").click()
    page = opened.value
    page.locator("h1").wait_for()
    assert "twice" in page.locator("main").inner_text()


def test_binder_begins_with_the_panel_beside_the_demo(browser, jupyter):
    """Who opens the demo on Binder sees its runs appear."""
    layout = json.loads((ROOT / "binder" / "workspace.json").read_text("utf-8"))
    demo = layout["data"]["layout-restorer:data"]["main"]["current"]
    path = demo.removeprefix("notebook:")
    (jupyter.folder / path).parent.mkdir(exist_ok=True)
    shutil.copy(ROOT / path, jupyter.folder / path)
    layout["metadata"]["id"] = "binder"
    assert jupyter.ask("/lab/api/workspaces/binder", "PUT", **layout) is not None
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()

    page.goto(f"{jupyter.address}/lab/workspaces/binder?token={jupyter.token}")

    page.locator("#nborch-panel iframe[src]").wait_for(timeout=60_000)
    page.frame_locator("#nborch-panel iframe").get_by_text("Runs").first.wait_for()
    page.locator(".jp-NotebookPanel").wait_for(timeout=60_000)
    context.close()
    jupyter.end(path)


def test_strangers_do_not_see_the_pages(browser, jupyter):
    """Who has no token is asked for one, and sees nothing else."""
    context = browser.new_context()
    page = context.new_page()

    page.goto(f"{jupyter.address}/nborch/")

    assert "/login" in page.url
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{jupyter.address}/nborch/api/runs")
    context.close()
