"""The run graph where nobody clicks: papermill, `nborch run`, scripts, terminals."""

import base64
import gzip
import json
import os
import re
import subprocess
import sys
import textwrap
import threading

import nbformat
import papermill as pm
import pytest
from nbformat.v4 import new_code_cell, new_notebook

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="kernels over sockets of POSIX"),
    pytest.mark.usefixtures("home"),
    # Those of papermill, its progress bar and jupyter_client, not ours to fix.
    pytest.mark.filterwarnings("ignore"),
]

VIEW = "application/vnd.jupyter.widget-view+json"

SLOW = """
    import time
    from nborch import flow, task

    @task
    def step(n):
        time.sleep(0.15)
        return n

    @flow
    def nightly():
        return [step(n) for n in range(20)]

    nightly()
"""


def cell(code):
    return new_code_cell(textwrap.dedent(code).strip())


@pytest.fixture
def notebook(tmp_path):
    """A notebook whose second cell calls a flow that lasts for three seconds."""
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nb = new_notebook(cells=[cell("x = 1"), cell(SLOW)], metadata={"kernelspec": spec})
    nbformat.write(nb, tmp_path / "in.ipynb")
    return tmp_path / "in.ipynb"


def graph_in(nb):
    """The output with the graph, if it is there."""
    found = [
        output.data
        for each in nb.cells
        for output in each.outputs
        if output.output_type == "display_data" and "text/html" in output.data
    ]
    return found[0] if found else None


def kept_in(graph):
    """What the graph in an output shows where a script is run."""
    packed = re.findall(r'unpack\("([^"]+)"\)\)\);', graph["text/html"])
    return json.loads(gzip.decompress(base64.b64decode(packed[-1])))


@pytest.mark.slow
def test_papermill_shows_progress_and_keeps_the_end(notebook, tmp_path):
    """Papermill's output file shows a flow's progress, and in the end all of it."""
    output = tmp_path / "out.ipynb"
    seen, is_over = set(), threading.Event()

    def look():
        while not is_over.wait(0.05):
            if not output.exists() or not output.stat().st_size:
                continue
            try:
                graph = graph_in(nbformat.read(output, 4))
            except Exception:  # noqa: BLE001  # it is being written
                continue
            if graph is not None:
                seen.add(graph["text/plain"])

    looking = threading.Thread(target=look)
    looking.start()

    pm.execute_notebook(
        notebook, output, progress_bar=False, autosave_cell_every=1, cwd=tmp_path
    )
    is_over.set()
    looking.join()

    nb = nbformat.read(output, 4)
    graph = graph_in(nb)
    counts = [text.partition(" completed")[0][-2:].strip() for text in seen]
    assert any(count.isdigit() and 0 < int(count) < 20 for count in counts), seen
    assert "20 completed" in graph["text/plain"]
    assert "<img" in graph["text/html"]
    kept = kept_in(graph)
    assert kept["snapshot"]["run"]["state"]["name"] == "Completed"
    assert len(kept["snapshot"]["nodes"]) == len(kept["details"]) == 20
    # Nothing that only a kernel could bring to life.
    assert VIEW not in graph
    assert "widgets" not in nb.metadata


def test_our_engine_keeps_the_end(notebook, tmp_path):
    """The output of a notebook flow has the graph of a flow that a cell has called."""
    output = tmp_path / "out.ipynb"

    pm.execute_notebook(
        notebook, output, engine_name="nborch", progress_bar=False, cwd=tmp_path
    )

    nb = nbformat.read(output, 4)
    graph = graph_in(nb)
    assert "20 completed" in graph["text/plain"]
    assert len(kept_in(graph)["snapshot"]["nodes"]) == 20


def test_without_a_kernel_there_is_the_graph(notebook, tmp_path):
    """A notebook that runs without a kernel of its own has the graph at the end."""
    output = tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "nborch", "run", "--kernel", "inprocess", "-o"]

    done = subprocess.run(
        [*command, output, notebook], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    graph = graph_in(nbformat.read(output, 4))
    assert VIEW not in graph
    assert len(kept_in(graph)["details"]) == 20
    assert "20 completed" in graph["text/plain"]


def test_a_script_pays_nothing(script):
    """A program shows nothing and loads nothing of widgets."""
    process = script("""
        import sys
        from nborch import flow, task

        @flow
        def f():
            return task(lambda: 1)()

        f()
        loaded = [name for name in sys.modules if name.startswith("nborch")]
        print(sorted({"anywidget", "ipywidgets", "IPython"} & sys.modules.keys()))
        print(any(name.startswith(("nborch.view", "nborch.notebook")) for name in loaded))
    """)

    out, error = process.communicate(timeout=60)

    assert out.splitlines() == ["[]", "False"], error


def test_a_terminal_shows_nothing_by_itself(script):
    """In an IPython shell without a kernel a flow runs as in a program."""
    process = script("""
        from IPython.core.interactiveshell import InteractiveShell

        shell = InteractiveShell.instance(history_manager=None)
        shell.run_cell('''
        from nborch import flow, task
        flow(name="f")(lambda: task(lambda: 1)())()
        ''')
        shell.run_cell("%load_ext nborch")
        shell.run_cell("%%task load\\nx = 1")
        shell.run_cell("print(str(get_ipython().run_line_magic('nborch', 'graph'))[:9])")
    """)

    out, error = process.communicate(timeout=60)

    assert "Running" not in out
    assert "flowchart" in out, out + error
