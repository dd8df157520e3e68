"""The run graph where people see it: in JupyterLab and Notebook 7, and afterwards."""

import re
from pathlib import Path

import nbformat
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

#: Thirty task runs, of three seconds or so, and a flow that fails.
FLOWS = """
import threading, time
from nborch import flow, get_run_logger, task
from nborch.task_runners import ThreadPoolTaskRunner

@task
def load(n):
    time.sleep(0.4)
    return n

@task
def clean(rows):
    return rows

@task
def train(n, rows):
    time.sleep(0.1)
    return n

@task
def report(models):
    time.sleep(0.2)

@flow(task_runner=ThreadPoolTaskRunner(max_workers=2))
def nightly():
    print("begun")
    rows = [load.submit(n) for n in range(10)]
    kept = [clean.submit(one) for one in rows]
    print("half of it is under way")
    models = [train.submit(n, kept) for n in range(9)]
    report(models)
    print("over")

@task
def broken(rows):
    get_run_logger().info("looking at %s rows", rows)
    raise ValueError("no column 'x'")

@flow
def failing():
    broken(load.submit(load.submit(3)))
"""

#: Thirty task runs in five steps, each of which waits until a test has seen the one before.
STEPS = """
from pathlib import Path

@flow(task_runner=ThreadPoolTaskRunner(max_workers=2))
def stepwise(name):
    print("begun")
    for step in range(1, 6):
        while not Path(f"{name}-{step}").exists():
            time.sleep(0.02)
        rows = [clean.submit(load.submit(n)) for n in range(2)]
        models = [train.submit(n, rows) for n in range(2)]
        [model.wait() for model in models]
        print("step", step)
    print("over")
"""

IN_A_THREAD = """
thread = threading.Thread(target=stepwise, args=["reloaded"])
thread.start()
time.sleep(0.5)
"""

#: Ten thousand nodes that nobody has computed.
MANY = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from nborch.view.widget import RunGraph
from runs_shown import snapshot, staged

class Many:
    nodes = staged(10_000)
    def snapshot(self): return snapshot(self.nodes)
    def delta(self): return None
    def detail(self, node): return None
    def log(self, node, after): return {{"lines": [], "next": after}}

RunGraph(Many())
"""

#: Seconds between frames while a hand zooms and drags.
FRAMES = """async () => {
  const gaps = [];
  let last = performance.now();
  for (let n = 0; n < 40; n += 1) {
    await new Promise((resolve) => requestAnimationFrame(resolve));
    const now = performance.now();
    gaps.push((now - last) / 1000);
    last = now;
  }
  return gaps.sort((a, b) => a - b);
}"""


def addresses(page):
    """Return a list that fills with the addresses that a page asks."""
    asked = []
    page.on("request", lambda each: asked.append(each.url))
    return asked


def elsewhere(asked):
    return [
        url for url in asked if not re.match(r"(http://127\.|file:|data:|blob:)", url)
    ]


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_a_run_is_seen_while_it_happens(open_notebook, app):
    """A flow of thirty tasks is live in the cell that calls it, light and dark, and what
    the cell prints is all there.
    """
    cells = [FLOWS + STEPS, f"stepwise({app!r})"]
    notebook = open_notebook(f"live-{app}.ipynb", cells, app)
    notebook.run(0)

    notebook.start(1)
    graph = notebook.graph(1).appears()
    for step in range(1, 6):
        (notebook.folder / f"{app}-{step}").touch()
        graph.counts_to("Completed", 6 * step)
    graph.comes_to("Completed")
    notebook.wait(1)

    steps = [f"step {step}" for step in range(1, 6)]
    assert notebook.printed(1)[:7] == ["begun", *steps, "over"]
    # It is put into the output that tells how the run has ended.
    graph.nodes.nth(29).wait_for()
    assert graph.nodes.count() == 30
    for is_dark in (True, False):
        notebook.set_dark(is_dark=is_dark)
        theme = "dark" if is_dark else "light"
        notebook.page.locator(f"section.nborch[data-theme={theme}]").wait_for()
        for view in ("Timeline", "Table", "Graph"):
            graph.button(view).click()
            assert graph.faults() == []


def test_a_failed_run_by_keyboard(open_notebook):
    """Keys alone lead to what has failed, and why; none of them reaches the notebook."""
    notebook = open_notebook("keys.ipynb", [FLOWS, "failing()", "1"])
    notebook.run(0)
    notebook.run(1)
    graph, keys = notebook.graph(1).appears(), notebook.page.keyboard
    graph.comes_to("Failed")

    graph.button("Graph").focus()
    for _ in range(12):
        keys.press("Tab")
        if graph.root.locator(".nb-surface:focus-within").count():
            break
    for _ in range(3):
        keys.press("ArrowRight")
    keys.press("Enter")
    graph.drawer.get_by_text("looking at 3 rows").wait_for()
    told = graph.drawer.inner_text()
    keys.press("Escape")
    graph.drawer.wait_for(state="hidden")
    for key in ("b", "d", "d", "x", "m"):
        keys.press(key)
    keys.press("/")
    keys.type("load")
    keys.press("Enter")

    assert "ValueError: no column 'x'" in told
    assert "Traceback" in told
    assert "raise ValueError" in told
    assert notebook.page.locator(".jp-Notebook .jp-CodeCell").count() == 3
    focused = graph.root.locator(".nb-node:focus")
    assert focused.get_attribute("aria-label").startswith("load")


def test_a_page_that_is_reloaded_during_a_run(open_notebook):
    """Of a flow in a thread the graph is live again; of one that blocks its cell it is
    there when the cell is over.
    """
    cells = [
        FLOWS + STEPS,
        IN_A_THREAD,
        "thread.join()",
        "nightly()",
    ]
    notebook = open_notebook("reload.ipynb", cells)
    notebook.run(0)

    notebook.run(1)
    notebook.graph(1).appears()
    notebook.save()
    notebook.reload()
    in_thread = notebook.graph(1).appears()
    for step in range(1, 6):
        (notebook.folder / f"reloaded-{step}").touch()
        in_thread.counts_to("Completed", 6 * step)
    in_thread.comes_to("Completed")
    notebook.run(2)
    notebook.start(3)
    notebook.graph(3).appears()
    notebook.save()
    notebook.reload(is_kernel_idle=False)
    blocking = notebook.graph(3).appears()
    blocking.comes_to("Completed")

    assert blocking.counts == {"Completed": 30}


def test_cell_tasks_follow_what_is_edited(open_notebook):
    """`%nborch graph` tells while one works which cell tasks are out of date, and why."""
    cells = [
        "%load_ext nborch",
        "%%task load\nx = 3",
        "%%task double\ny = 2 * x",
        "%nborch graph",
    ]
    notebook = open_notebook("cells.ipynb", cells)
    for n in range(4):
        notebook.run(n)
    graph = notebook.graph(3).appears()
    before = graph.counts

    notebook.edit(1, "%%task load\nx = 4")
    notebook.run(1)
    stale = graph.node("double, stale")
    stale.wait_for()
    stale.click()
    why = graph.drawer.inner_text()
    notebook.run(2)
    graph.node("double, fresh").wait_for()

    assert before == {"fresh": 2}
    assert "x" in why.split("Why")[1]
    assert "%%task double" in why or graph.drawer.get_by_text("%%task double").count()
    assert graph.faults() == []


def test_ten_thousand_runs_are_fluent(open_notebook):
    """Of ten thousand runs only what one sees is on the page, and a hand moves it."""
    notebook = open_notebook("many.ipynb", [MANY])
    notebook.run(0)
    graph = notebook.graph(0).appears()

    for _ in range(6):
        graph.button("Zoom in").click()
    box = graph.root.locator(".nb-surface").bounding_box()
    mouse = notebook.page.mouse
    mouse.move(box["x"] + 400, box["y"] + box["height"] / 2)
    mouse.down()
    notebook.page.evaluate(f"window.gaps = ({FRAMES})()")
    for step in range(40):
        mouse.move(box["x"] + 400 - 8 * step, box["y"] + box["height"] / 2)
    mouse.up()
    gaps = notebook.page.evaluate("window.gaps")

    assert sum(graph.counts.values()) == 10_000
    assert graph.root.locator("*").count() < 5_000
    # A sixtieth of a second, where there is a machine for it.
    assert gaps[len(gaps) // 2] < 0.3, gaps
    graph.button("Fit").click()
    assert graph.root.locator("*").count() < 5_000


@pytest.fixture(scope="module")
def saved(browser, jupyter, page_of):
    """A notebook that a person has run in JupyterLab, saved and left."""
    jupyter.write("saved.ipynb", [FLOWS, "nightly()"])
    context = browser.new_context()
    notebook = page_of(context, "saved.ipynb").open()
    notebook.run(0)
    notebook.run(1)
    notebook.graph(1).appears().comes_to("Completed")
    notebook.save()
    context.close()
    jupyter.end("saved.ipynb")
    return jupyter.folder / "saved.ipynb"


@pytest.fixture(scope="module")
def executed(jupyter):
    """The output of `nborch run`."""
    jupyter.write("program.ipynb", [FLOWS, "nightly()"])
    jupyter.run("nborch", "run", "program.ipynb")
    return jupyter.folder / "program.out.ipynb"


class TestAfterwards:
    """What is left of a run in a notebook that was saved."""

    @pytest.mark.parametrize(
        ("origin", "app"), [("saved", "lab"), ("executed", "notebook")]
    )
    def test_not_trusted(self, open_notebook, request, origin, app):
        """Somebody else's notebook shows a picture and a table, nothing is missing."""
        made = request.getfixturevalue(origin)
        nb = nbformat.read(made, 4)
        # Another text than what was signed.
        nb.cells[0].source += f"\n# for {app}"
        nbformat.write(nb, made.with_name(f"others-{origin}-{app}.ipynb"))

        notebook = open_notebook(f"others-{origin}-{app}.ipynb", app=app)

        image = notebook.cell(1).locator(".jp-OutputArea-output img")
        image.wait_for()
        assert (
            image.evaluate("image => image.decode().then(() => image.naturalWidth)")
            > 300
        )
        assert "Completed" in notebook.cell(1).inner_text()
        assert "30 tasks: 30 completed" in notebook.cell(1).inner_text()
        notebook.cell(1).locator("summary").click()
        assert notebook.cell(1).locator("table tr").count() >= 4
        assert notebook.graph(1).root.count() == 0

    @pytest.mark.parametrize(
        ("origin", "app"), [("saved", "notebook"), ("executed", "lab")]
    )
    def test_trusted(self, open_notebook, jupyter, request, origin, app):
        """In a notebook that is trusted the graph is there to be looked into."""
        made = request.getfixturevalue(origin)
        name = f"mine-{origin}-{app}.ipynb"
        made.with_name(name).write_bytes(made.read_bytes())
        jupyter.sign(name)

        notebook = open_notebook(name, app=app)

        graph = notebook.graph(1).appears()
        graph.comes_to("Completed")
        assert graph.counts == {"Completed": 30}
        assert not graph.button("Cancel").is_visible()
        graph.button("Table").click()
        graph.root.locator("tbody tr", has_text="load").first.wait_for()

    @pytest.mark.parametrize("origin", ["saved", "executed"])
    def test_as_a_page(self, browser, jupyter, request, origin):
        """A page that nbconvert has made shows the run where there is no network."""
        made = request.getfixturevalue(origin)
        jupyter.run("jupyter-nbconvert", "--to", "html", made.name)
        context = browser.new_context(offline=True)
        page = context.new_page()
        asked = addresses(page)

        page.goto(made.with_suffix(".html").as_uri())

        page.locator(
            ".jp-OutputArea-output img:visible, section.nborch"
        ).first.wait_for()
        assert "30 completed" in page.content()
        # What nbconvert itself asks for, of any notebook.
        theirs = re.compile(
            r"require\.min\.js|[Mm]ath[Jj]ax|mermaid|html-manager|jquery"
        )
        assert [url for url in elsewhere(asked) if not theirs.search(url)] == []
        context.close()

    def test_in_a_terminal(self, executed):
        """The text alone tells how the run went."""
        output = nbformat.read(executed, 4).cells[1].outputs
        texts = [each.data["text/plain"] for each in output if "data" in each]

        assert any("Completed" in text and "30 completed" in text for text in texts)
