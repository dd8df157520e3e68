"""Any notebook runs as a flow: other formats and languages, without nborch in it."""

import json
import os
import sys
import textwrap
import time

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from nborch import notebook_flow
from nborch.exceptions import InvalidDeclaration, InvalidNotebook
from nborch.runs import RunKind

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="kernels over sockets of POSIX"),
    pytest.mark.usefixtures("home"),
    # jupyter_client's sockets and event loops, not ours to fix.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

#: A kernel of another language: it says what it is told, or fails, or counts.
ECHO = """
import sys
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel


class Echo(Kernel):
    implementation = language = "echo"
    implementation_version = language_version = "1.0"
    banner = "It says what it is told."
    language_info = {"name": "echo", "mimetype": "text/plain", "file_extension": ".txt"}

    def do_execute(self, code, silent, *_args, **_more):
        if silent:
            return self.ok()
        if code.startswith("fail"):
            told = {"ename": "EchoFailed", "evalue": code, "traceback": [code]}
            self.send_response(self.iopub_socket, "error", told)
            count = self.execution_count
            return {"status": "error", "execution_count": count, **told}
        if code.startswith("count"):
            for n in range(int(code.split()[1])):
                told = {"name": "stdout", "text": f"{n}\\n"}
                self.send_response(self.iopub_socket, "stream", told)
            return self.ok()
        told = {
            "data": {"text/plain": code},
            "metadata": {},
            "execution_count": self.execution_count,
        }
        self.send_response(self.iopub_socket, "execute_result", told)
        return self.ok()

    def ok(self):
        return {
            "status": "ok",
            "execution_count": self.execution_count,
            "payload": [],
            "user_expressions": {},
        }


IPKernelApp.launch_instance(kernel_class=Echo)
"""


@pytest.fixture
def echo(tmp_path, monkeypatch):
    """Install a kernel that is not Python."""
    folder = tmp_path / "jupyter" / "kernels" / "echo"
    folder.mkdir(parents=True)
    (folder / "echo_kernel.py").write_text(ECHO, "utf-8")
    argv = [sys.executable, str(folder / "echo_kernel.py"), "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Echo", "language": "echo"}
    (folder / "kernel.json").write_text(json.dumps(spec), "utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    return "echo"


@pytest.fixture
def run(tmp_path):
    """Run a notebook, given as cells, JSON or text; return its state and output."""

    def execute(content, *, name="any.ipynb", kernel="python3", values=None, **options):
        path, output = tmp_path / name, tmp_path / "out.ipynb"
        if isinstance(content, list):
            metadata = {"kernelspec": {"name": kernel, "display_name": kernel}}
            content = nbformat.writes(new_notebook(cells=content, metadata=metadata))
        if isinstance(content, dict):
            content = json.dumps(content)
        path.write_text(textwrap.dedent(content), "utf-8")
        flow = notebook_flow(path, output=str(output), **options)
        state = flow(**(values or {}), return_state=True)
        nb = nbformat.read(output, as_version=4)
        nbformat.validate(nb)
        return state, nb

    return execute


def code(*sources, **metadata):
    return [new_code_cell(source, metadata=metadata) for source in sources]


def texts(nb):
    return [
        "".join(
            o.get("text", "") or o.get("data", {}).get("text/plain", "")
            for o in cell.get("outputs", [])
        )
        for cell in nb.cells
        if cell.cell_type == "code"
    ]


def cell_states(home):
    home.recorder.flush()
    newest = home.store.records(kinds=(RunKind.FLOW,))[0]
    return [record.state.name for record in home.store.children(newest.run.id)]


def test_without_nborch_in_it(run, home):
    """Every cell of a notebook that knows nothing of nborch is a tracked run."""
    state, nb = run([*code("x = 1", "print(x)"), new_markdown_cell("# Hi"), *code("x")])

    assert state.is_completed()
    assert texts(nb) == ["", "1\n", "1"]
    assert cell_states(home) == ["Completed"] * 3


# Other languages.


def test_another_language(run, echo, home):
    """Cells in another language are run, shown and tracked from outside."""
    state, nb = run(code("hello", "count 3", "bye"), kernel=echo)

    assert state.is_completed()
    assert texts(nb) == ["hello", "0\n1\n2\n", "bye"]
    assert nb.metadata.language_info.name == "echo"
    assert cell_states(home) == ["Completed"] * 3


def test_an_error_in_another_language(run, echo, home):
    """What fails in another language has failed, with the kernel's own words."""
    state, nb = run(code("hello", "fail here", "never"), kernel=echo)

    assert state.is_failed()
    assert "EchoFailed: fail here" in state.message
    assert [o.ename for o in nb.cells[-2].outputs] == ["EchoFailed"]
    assert cell_states(home) == ["Completed", "Failed", "NotRun"]


def test_parameters_of_a_language_that_nobody_translates(tmp_path, echo):
    """Values for a language that papermill cannot write are refused in a sentence."""
    metadata = {"kernelspec": {"name": echo, "display_name": echo}}
    path = tmp_path / "echo.ipynb"
    nbformat.write(new_notebook(cells=code("hello"), metadata=metadata), path)
    flow = notebook_flow(path, output=None, allow_unknown=True)

    with pytest.raises(InvalidDeclaration, match="language 'echo'"):
        flow(n=1)


# Other formats.


def test_format_3(run):
    """A notebook in format 3 is converted, and runs."""
    cells = [
        {"cell_type": "heading", "level": 1, "source": ["Old"], "metadata": {}},
        {
            "cell_type": "code",
            "language": "python",
            "collapsed": False,
            "input": ["x = 2\n", "print(x)"],
            "outputs": [],
            "prompt_number": 7,
            "metadata": {},
        },
    ]
    old = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [{"cells": cells, "metadata": {}}],
    }

    state, nb = run(old)

    assert state.is_completed()
    assert texts(nb) == ["2\n"]
    assert nb.cells[-1].execution_count == 1


def test_what_people_write_by_hand(run):
    """Cells without ids, metadata, outputs or counts are completed."""
    state, nb = run(
        {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {},
            "cells": [
                {"cell_type": "code", "source": ["print(1)\n", "print(2)"]},
                {"cell_type": "markdown", "source": "text"},
            ],
        }
    )

    assert state.is_completed()
    assert texts(nb) == ["1\n2\n"]


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param([], id="no cells"),
        pytest.param([new_markdown_cell("# A"), new_raw_cell("b")], id="no code"),
        pytest.param(code("", "   \n"), id="empty code"),
    ],
)
def test_nothing_to_run(run, cells):
    """A notebook with nothing to run completes."""
    state, nb = run(cells)

    assert state.is_completed()
    assert [cell.source for cell in nb.cells] == [cell.source for cell in cells]


SCRIPT = """\
# ---
# jupyter:
#   kernelspec:
#     name: python3
#     display_name: Python 3
# ---

# %% [markdown]
# # A script

# %% tags=["parameters"]
n: int = 3

# %%
# %%task load
rows = list(range(n))

# %%
print(rows)
"""


def test_a_script(run):
    """A script with cells is run as the notebook that it is, where jupytext is there."""
    state, nb = run(SCRIPT, name="etl.py", values={"n": 2})

    assert state.is_completed()
    assert texts(nb)[-1] == "[0, 1]\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("from nborch import flow\n\n@flow\ndef etl(): ...\n", "python .*etl.py"),
        ("x = 1\n", "no cells"),
    ],
)
def test_a_module_is_no_notebook(run, text, told):
    """A module of Python is told apart from a script with cells, with what to do."""
    with pytest.raises(InvalidNotebook, match=told):
        run(text, name="etl.py")


def test_a_script_without_jupytext(run, monkeypatch):
    """Without jupytext it is said how to install it."""
    monkeypatch.setitem(sys.modules, "jupytext", None)

    with pytest.raises(InvalidNotebook, match=r"pip install 'nborch\[jupytext\]'"):
        run(SCRIPT, name="etl.py")


# What cells may do.


def test_cells_that_await(run):
    """Cells may await, and go on with what an earlier one has begun."""
    state, nb = run(
        code(
            "import asyncio\nawait asyncio.sleep(0.01)\nprint('slept')",
            "async def double(x):\n    await asyncio.sleep(0.01)\n    return 2 * x",
            "begun = asyncio.create_task(double(4))",
            "await begun",
        )
    )

    assert state.is_completed()
    assert texts(nb) == ["slept\n", "", "", "8"]


def test_widgets(run):
    """The state of widgets is kept in the notebook, so that it shows them when opened."""
    state, nb = run(
        code(
            "import ipywidgets as widgets\n"
            "slider = widgets.IntSlider(3, description='rows')\nslider",
            "slider.value = 5",
            "out = widgets.Output()\nwith out:\n    print('within')\nout",
        )
    )

    assert state.is_completed()
    (kind,) = nb.metadata.widgets
    models = nb.metadata.widgets[kind]["state"]
    (slider,) = [m for m in models.values() if m["model_name"] == "IntSliderModel"]
    assert slider["state"]["value"] == 5
    shown = nb.cells[-3].outputs[0].data
    assert "application/vnd.jupyter.widget-view+json" in shown


@pytest.mark.slow
def test_a_thousand_cells(run, home):
    """A thousand cells run in their order, and each is a run."""
    began = time.monotonic()

    state, nb = run(code("x = []", *[f"x.append({n})" for n in range(998)], "len(x)"))

    assert state.is_completed()
    assert texts(nb)[-1] == "998"
    assert len(cell_states(home)) == 1000
    assert time.monotonic() - began < 60
