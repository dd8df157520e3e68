"""The run graph of a notebook that was saved and left: it stands without a kernel."""

import re

import nbformat
import pytest
from runs_shown import node, small, snapshot

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

FLOW = """
import time
from nborch import flow, get_run_logger, task

@task
def load(n):
    time.sleep(0.1)
    return n

@task
def check(rows):
    get_run_logger().info("looking at %s rows", rows)
    raise ValueError("no column 'x'</script>")

@flow
def nightly():
    check([load(n) for n in range(4)])
"""

#: A widget as the page knows it, and what a script in an output does.
WIDGET = """
  const { stand, welcome } = await import("/outputs.js");
  window.asked = [];
  const callbacks = new Map();
  window.tell = (name, message) => (callbacks.get(name) ?? []).forEach((each) => each(message));
  window.welcome = (snapshot) => welcome({
    get: (name) => ({ name: "w", snapshot })[name],
    send: (message) => window.asked.push(message),
    on: (name, callback) => callbacks.set(name, [...(callbacks.get(name) ?? []), callback]),
    off: () => {},
  });
  window.stand = (mark, name, kept) => {
    const place = document.getElementById("place");
    place.innerHTML = `<div data-nborch="${mark}"><p>picture</p></div>`;
    stand(mark, name, kept);
  };
"""


@pytest.fixture(scope="module")
def left(browser, jupyter, page_of):
    """A notebook with a run that failed, saved by who ran it; and what was seen."""
    name = "stored.ipynb"
    jupyter.write(name, [FLOW, "nightly()"])
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    notebook = page_of(context, name).open()
    notebook.run(0)
    notebook.start(1)
    graph = notebook.graph(1).appears()
    graph.node("load").click()
    graph.drawer.get_by_text("History").wait_for()
    graph.comes_to("Failed")
    notebook.wait(1)
    opened = graph.drawer.locator(".nb-drawer-title").inner_text()
    told = look_into(graph)
    can_retry = graph.button("Retry").is_visible()
    nb = notebook.save()
    context.close()
    jupyter.end(name)
    return {"nb": nb, "opened": opened, "told": told, "can_retry": can_retry}


def look_into(graph):
    """Return what the drawer tells of the task that failed."""
    graph.node("check").click()
    graph.drawer.get_by_text("Traceback").first.wait_for()
    return graph.drawer.inner_text()


def data_in(nb):
    [output] = [
        each for each in nb.cells[1].outputs if "text/html" in each.get("data", {})
    ]
    return output.data


def test_the_end_of_the_run_takes_nothing_away(left):
    """What one has opened while the run went on is open when it is over, and live."""
    assert left["opened"].startswith("load")
    assert "looking at [0, 1, 2, 3] rows" in left["told"]
    assert left["can_retry"]


def test_what_is_stored_is_no_widget(left):
    """The notebook holds a picture, a table, a text and what the graph needs."""
    data = data_in(left["nb"])

    assert set(data) == {"text/html", "text/plain"}
    assert (
        data["text/html"].count("<script") == data["text/html"].count("</script") == 1
    )
    assert "<img" in data["text/html"]
    assert "<table" in data["text/html"]
    assert len(data["text/html"]) < 150_000
    assert "widgets" not in left["nb"].metadata


@pytest.mark.parametrize(("app", "is_dark"), [("lab", True), ("notebook", False)])
def test_on_monday(left, open_notebook, jupyter, app, is_dark):
    """In a trusted notebook with a new kernel one can look into the run."""
    name = f"monday-{app}.ipynb"
    nbformat.write(left["nb"], jupyter.folder / name)
    jupyter.sign(name)

    notebook = open_notebook(name, app=app)

    notebook.set_dark(is_dark=is_dark)
    graph = notebook.graph(1).appears()
    theme = "dark" if is_dark else "light"
    notebook.page.locator(f"section.nborch[data-theme={theme}]").wait_for()
    assert graph.state == "Failed"
    assert graph.counts == {"Failed": 1, "Completed": 4}
    told = look_into(graph)
    assert "ValueError: no column 'x'</script>" in told
    assert "raise ValueError" in told
    assert "looking at [0, 1, 2, 3] rows" in told
    assert not graph.button("Retry").is_visible()
    assert graph.faults() == []
    assert not notebook.output(1).locator("img:visible").count()
    shown = notebook.cell(1).inner_text()
    assert "Error displaying" not in shown
    assert "model not found" not in shown


def test_as_a_page_without_a_network(left, browser, jupyter):
    """The page that nbconvert makes is as good, and asks nobody for anything."""
    # It is there where JupyterLab is.
    from nbconvert import HTMLExporter

    text, _ = HTMLExporter(template_name="basic").from_notebook_node(left["nb"])
    (jupyter.folder / "exported.html").write_text(f"<!doctype html><body>{text}")
    address = (jupyter.folder / "exported.html").as_uri()
    context = browser.new_context(offline=True)
    page, asked = context.new_page(), []
    page.on("request", lambda each: asked.append(each.url))

    page.goto(address)
    page.locator("section.nborch .nb-node[aria-label^=check]").click()
    page.locator("section.nborch .nb-drawer").get_by_text("Traceback").first.wait_for()
    told = page.locator("section.nborch").inner_text()
    context.close()

    assert "looking at [0, 1, 2, 3] rows" in told
    assert [url for url in asked if not re.match(r"(file|data|blob):", url)] == []


def test_as_a_page_without_scripts(left, browser, jupyter):
    """Where scripts are off there is the picture and the table."""
    page_of_it = (
        f"<!doctype html><meta charset=utf-8>{data_in(left['nb'])['text/html']}"
    )
    (jupyter.folder / "plain.html").write_text(page_of_it)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()

    page.goto((jupyter.folder / "plain.html").as_uri())
    shows = page.locator("img").is_visible()
    page.locator("summary").click()
    rows = page.locator("table tr").count()
    context.close()

    assert shows
    assert rows == 6


class TestInThePage:
    """What becomes of the place that an output has for its graph."""

    @pytest.fixture(autouse=True)
    def _widgets(self, page):
        page.evaluate(f"async () => {{{WIDGET}}}")

    def test_without_a_widget(self, page):
        """A graph that nothing is heard of any more shows how it was, and says when."""
        kept = {"snapshot": snapshot(small()), "details": {"load-0": {"code": "x = 1"}}}

        page.evaluate("kept => stand('m', '', kept)", kept)

        time = page.locator(".nb-run-time")
        time.wait_for()
        before = time.inner_text()
        assert page.get_by_text("picture").is_hidden()
        assert page.get_by_role("button", name="Cancel", exact=True).is_hidden()
        page.locator(".nb-node[data-id=load-0]").click()
        page.locator(".nb-drawer").get_by_text("x = 1").wait_for()
        assert "%nborch graph" not in page.locator(".nb-drawer").inner_text()
        page.locator(".nb-node[data-id=train-0]").click()
        page.locator(".nb-drawer").get_by_text("%nborch graph calm-owl").wait_for()
        facts = page.locator(".nb-facts").inner_text()
        page.locator(".nb-node[data-id=load-0]").click()
        page.locator(".nb-node[data-id=train-0]").click()
        assert page.locator(".nb-facts").inner_text() == facts
        assert "as of" in before
        assert time.inner_text() == before

    def test_an_output_that_is_brought_up_to_date(self, page):
        """The graph goes on in the new output with what was opened in it."""
        kept = {"snapshot": snapshot(small()), "details": {}}
        page.evaluate("kept => stand('m', 'w', kept)", kept)
        page.evaluate("snapshot => { welcome(snapshot) }", kept["snapshot"])
        page.locator(".nb-node[data-id=load-0]").click()

        page.evaluate("kept => stand('n', 'w', kept)", kept)

        assert page.locator(".nb-drawer-title").inner_text() == "load-0"
        assert page.locator("section.nborch").count() == 1
        assert page.get_by_role("button", name="Cancel", exact=True).is_visible()
        assert page.get_by_text("picture").is_hidden()

    def test_what_the_widget_has_said_before(self, page):
        """A graph that comes later than its widget's messages asks for what it missed."""
        kept = {"snapshot": snapshot(small()), "details": {}}
        page.evaluate("snapshot => { welcome(snapshot) }", kept["snapshot"])
        page.evaluate("tell('msg:custom', {type: 'delta', seq: 2, nodes: []})")

        page.evaluate("kept => stand('m', 'w', kept)", kept)

        assert page.evaluate("asked") == [{"op": "sync"}]

    def test_a_kernel_that_has_gone(self, page):
        """The details that nobody answers for are those that were kept."""
        made = [node("load-0", state="FAILED"), node("mail-0")]
        kept = {
            "snapshot": snapshot(made, "FAILED", can=["retry"]),
            "details": {"load-0": {"code": "1 / 0"}},
        }
        page.evaluate("kept => stand('m', 'w', kept)", kept)
        page.evaluate("snapshot => { welcome(snapshot) }", kept["snapshot"])
        page.locator(".nb-node[data-id=load-0]").click()

        page.locator(".nb-drawer").get_by_text("1 / 0").wait_for()
        retry = page.get_by_role("button", name="Retry", exact=True)
        could_retry = retry.is_visible()
        page.evaluate("tell('comm_live_update')")
        retry.wait_for(state="hidden")

        assert {"op": "detail", "id": "load-0"} in page.evaluate("asked")
        assert could_retry
        page.locator(".nb-node[data-id=load-0]").click()
        page.locator(".nb-drawer").get_by_text("1 / 0").wait_for()
