"""Notebooks as flows: called, nested, submitted, mapped, retried, and ended on time."""

import asyncio
import os
import pickle
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from nborch import flow, notebook_flow, task, unmapped
from nborch.cache.fingerprints import fingerprint
from nborch.exceptions import (
    CellFailed,
    InvalidDeclaration,
    InvalidNotebook,
    NotFound,
    ParameterBindError,
    ParameterTypeError,
    RunTimedOut,
    VisualizationUnsupportedError,
)
from nborch.notebook.kernels.pool import _open_pools
from nborch.runs import RunKind
from nborch.secrets import Secret

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="kernels and signals of POSIX"),
    pytest.mark.timeout(120),
]

ETL = (
    "# # Monthly *numbers*",
    ("month: int = 1  # 1 to 12\ncarrier = 'UA'", "parameters"),
    "%%task load\nrows = [month] * 3",
    "%%task total\ntotal = sum(rows)",
)


@pytest.fixture(autouse=True)
def _in_folder(home, tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def notebook(tmp_path):
    """Write a notebook of these cells; return its path."""

    def write(*sources, name="etl.ipynb"):
        cells = []
        for number, source in enumerate(sources):
            text, *tags = source if isinstance(source, tuple) else (source,)
            made = new_markdown_cell if text.startswith("# #") else new_code_cell
            text = text.removeprefix("# ") if text.startswith("# #") else text
            metadata = {"tags": tags} if tags else {}
            cells.append(made(text, id=f"cell-{number}", metadata=metadata))
        spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path = tmp_path / name
        nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": spec}), path)
        return path

    return write


def runs(home, of):
    """Return the flow runs of a flow, the newest first."""
    home.recorder.flush()
    records = home.store.records(kinds=(RunKind.FLOW,))
    return [record for record in records if record.run.of == of]


def states(home, record):
    return [
        (child.run.of, child.state.name) for child in home.store.children(record.run.id)
    ]


# Calling.


def test_a_notebook_is_called_like_a_function(home, notebook):
    """A call runs the notebook with its parameters and returns results by name."""
    etl = notebook_flow(notebook(*ETL))

    result = etl(month=7)

    assert result["rows"] == [7, 7, 7]
    assert sorted(result) == ["rows", "total"]
    (record,) = runs(home, "etl")
    assert record.state.name == "Completed"
    assert record.run.parameters == {"month": 7}
    assert record.run.details["notebook"] == str(etl.path)
    assert states(home, record) == [
        ("parameters", "Completed"),
        ("injected-parameters", "Completed"),
        ("load", "Completed"),
        ("total", "Completed"),
    ]
    # The executed notebook is a file of the run's own; the notebook is as it was.
    assert result.output == str(home.folder / "notebooks" / f"{result.run}.ipynb")
    nbformat.validate(nbformat.read(result.output, as_version=4))
    assert result.notebook.metadata.nborch.run == record.run.id
    assert len(nbformat.read(etl.path, as_version=4).cells) == len(ETL)


def test_what_does_not_fit_is_told_before_a_kernel_starts(home, notebook):
    """An unknown name, a missing value and a wrong type are told at once."""
    path = notebook(("month: int\ndays: list[int] = [1]", "parameters"), "month")
    etl = notebook_flow(path)

    with pytest.raises(ParameterBindError, match=r"'mont'\. Did you mean 'month'"):
        etl(mont=1)
    with pytest.raises(ParameterBindError, match="month"):
        etl()
    with pytest.raises(ParameterTypeError, match="'month' got 'May'"):
        etl(month="May")

    (record,) = runs(home, "etl")
    assert record.state.name == "Failed"
    assert home.store.children(record.run.id) == []


def test_the_notebook_is_read_at_each_call(notebook):
    """An edited notebook counts at the next call, with its parameters."""
    etl = notebook_flow(notebook("%%task load\nrows = 1"))
    before = fingerprint(etl)
    notebook(("n: int = 2", "parameters"), "%%task load\nrows = n")

    assert etl(n=5)["rows"] == 5
    assert str(etl.signature) == "(*, n: int = 2)"
    assert fingerprint(etl) != before


def test_a_failure_names_the_cell_and_the_line(home, notebook):
    """The error says which line of which cell of which notebook raised."""
    path = notebook("x = 1", "y = 2\nraise ValueError('no rows')", "z = 3")
    etl = notebook_flow(path, output="failed.ipynb")

    with pytest.raises(CellFailed) as caught:
        etl()
    state = etl(return_state=True)

    assert str(caught.value) == "etl.ipynb, line 2 of cell 2: ValueError: no rows"
    assert len(caught.traceback) <= 3
    assert state.is_failed()
    nb = nbformat.read("failed.ipynb", as_version=4)
    assert nb.cells[3].outputs[0].ename == "ValueError"
    assert "cell 2</a>: ValueError: no rows" in nb.cells[0].source
    assert states(home, runs(home, "etl")[0])[-1] == ("cell 3", "NotRun")


def test_stopping_early_is_no_failure(notebook):
    """A notebook that stops itself completes, with what it gave until then."""
    path = notebook(
        "import nborch", "nborch.result(1)\nnborch.stop('nothing new')", "1 / 0"
    )

    state = notebook_flow(path)(return_state=True)

    assert state.is_completed()
    assert (state.name, state.message) == ("StoppedEarly", "nothing new")
    assert state.result()["default"] == 1


def test_secret_parameters_are_kept_nowhere(home, notebook):
    """The value of a secret reaches the kernel and no file."""
    path = notebook(
        ("from nborch.secrets import Secret\ntoken: Secret = ''", "parameters"),
        "%%task length\nlength = len(str(token))",
    )
    etl = notebook_flow(path)

    result = etl(token="s3cr3t-t0ken-of-mine")

    assert result["length"] == len("s3cr3t-t0ken-of-mine")
    assert isinstance(etl._hidden({"token": "plain text"})["token"], Secret)
    (record,) = runs(home, "etl")
    assert "s3cr3t" not in str(record.run.details)
    for file in home.folder.rglob("*"):
        if file.is_file():
            assert b"s3cr3t-t0ken" not in file.read_bytes(), file


# Flows and tasks around it.


def test_it_is_a_subflow_of_a_flow(home, notebook):
    """In a flow it makes a run within that of the flow, and its results travel on."""
    etl = notebook_flow(notebook(*ETL))

    @task
    def count(result):
        return len(result["rows"])

    @flow
    def outer():
        first = etl(month=2)
        later = etl.submit(month=count.submit(first))
        return first["total"], later.result()["total"]

    assert outer() == (6, 9)
    parent, children = runs(home, "outer")[0], runs(home, "etl")
    assert {child.run.parent_id for child in children} == {parent.run.id}


def test_map_runs_it_for_each_item(home, notebook):
    """Mapped runs go on at the same time, in kernels and files of their own."""
    beside = "import time; from pathlib import Path; Path(f'{month}').touch()"
    wait = "while not all(Path(f'{n}').exists() for n in (1, 2)): time.sleep(0.01)"
    etl = notebook_flow(notebook(*ETL, f"{beside}\n{wait}"), at_once=2)
    pools = set(_open_pools)

    results = etl.map(month=[1, 2, 3], carrier=unmapped("AA")).result()

    assert [result["total"] for result in results] == [3, 6, 9]
    assert len({result.output for result in results}) == 3
    # What was started ahead for the third is not left behind.
    assert set(_open_pools) == pools
    assert {record.run.parameters["carrier"] for record in runs(home, "etl")} == {"AA"}


def test_kernels_wait_for_the_next_call_if_a_setting_says_so(notebook, tmp_path):
    """With kernels.pool = 1 a program that calls notebooks keeps a kernel ready."""
    (tmp_path / "pyproject.toml").write_text("[tool.nborch.kernels]\npool = 1\n")
    etl = notebook_flow(notebook(*ETL))
    before = set(_open_pools)

    etl(), etl()

    (pool,) = set(_open_pools) - before
    try:
        assert pool.size == 1
        assert pool.wait(), pool.trouble
        assert etl()["total"] == 3
    finally:
        pool.close()


def test_map_needs_an_output_for_each_run(notebook):
    """Runs that would write to one file are refused before any begins."""
    etl = notebook_flow(notebook(*ETL), output="same.ipynb")

    with pytest.raises(InvalidDeclaration, match=r"same.ipynb'. Put {run} or a param"):
        etl.map(month=[1, 2])


def test_notebooks_in_threads_do_not_disturb_each_other(notebook):
    """Several may be awaited in one event loop, with the current folder as it was."""
    etl = notebook_flow(notebook(*ETL, "%pwd"), output="{month}.ipynb")
    here = Path.cwd()

    async def both():
        calls = (asyncio.to_thread(etl, month=month) for month in (1, 2))
        return await asyncio.gather(*calls)

    results = asyncio.run(both())

    assert [result["total"] for result in results] == [3, 6]
    assert Path.cwd() == here
    # The kernel's folder is the notebook's; relative outputs are relative to ours.
    assert Path("1.ipynb").exists()
    shown = results[0].notebook.cells[-1].outputs[0].data["text/plain"]
    assert shown == repr(str(etl.path.parent))


def test_it_runs_where_an_event_loop_runs(notebook):
    """In a program with an event loop, a plain call works as well."""

    async def main():
        return notebook_flow(notebook(*ETL))(month=4)["total"]

    assert asyncio.run(main()) == 12


# Retries, time, and the end.


def test_a_retry_restores_what_had_completed(home, notebook, tmp_path):
    """Each attempt has a fresh kernel, and cell tasks that completed are restored."""
    path = notebook(
        "import os\nwith open('pids', 'a') as file: print(os.getpid(), file=file)",
        "%%task load\nrows = [1, 2]",
        "%%task once\nwith open('calls', 'a') as file: print(1, file=file)",
        "from pathlib import Path\n"
        "first = not Path('tried').exists()\n"
        "Path('tried').touch()\n"
        "if first: raise OSError('try again')",
    )
    seen = []
    etl = notebook_flow(
        path, retries=1, on_completion=[lambda owner, run, state: seen.append(owner)]
    )

    result = etl()

    assert result["rows"] == [1, 2]
    assert len(set((tmp_path / "pids").read_text().split())) == 2
    (record,) = runs(home, "etl")
    assert record.attempt == 2
    assert states(home, record)[1:4:2] == [("load", "Completed"), ("cell 4", "Failed")]
    assert ("load", "Cached") in states(home, record)
    assert seen == [etl]
    # One document: that of the last attempt.
    assert all(output.output_type != "error" for output in outputs(result))
    assert len(list((home.folder / "notebooks").iterdir())) == 1


def test_a_run_goes_on_where_another_ended(home, notebook, tmp_path):
    """`resume` names an earlier run, whose parameters and cell tasks are taken over."""
    path = notebook(
        ("month = 1", "parameters"),
        "%%task load\nrows = [month]",
        "from pathlib import Path\nassert Path('ready').exists()",
    )
    etl = notebook_flow(path)
    assert etl(month=5, return_state=True).is_failed()
    (failed,) = runs(home, "etl")
    (tmp_path / "ready").touch()

    result = etl.with_options(resume=failed.run.name)()

    assert result["rows"] == [5]
    record = runs(home, "etl")[0]
    assert record.run.details["resumes"] == failed.run.id
    assert dict(states(home, record))["load"] == "Cached"


def outputs(result):
    cells = [cell for cell in result.notebook.cells if cell.cell_type == "code"]
    return [output for cell in cells for output in cell.outputs]


SLOW = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)"


def is_gone(folder):
    """Tell whether the process that a notebook noted has ended."""
    try:
        os.kill(int((folder / "pid").read_text()), 0)
    except ProcessLookupError:
        return True
    return False


def test_a_timeout_ends_the_cell_and_its_kernel(home, notebook, tmp_path, until):
    """A run that takes too long ends TimedOut, as any flow's does."""
    etl = notebook_flow(notebook(SLOW, "1"), timeout_seconds=3)
    started = time.monotonic()

    with pytest.raises(RunTimedOut, match=r"Flow run exceeded timeout of 3 second"):
        etl()

    assert time.monotonic() - started < 20
    (record,) = runs(home, "etl")
    assert record.state.name == "TimedOut"
    assert states(home, record) == [("cell 1", "TimedOut"), ("cell 2", "NotRun")]
    assert until(lambda: is_gone(tmp_path))


def test_a_flow_that_ends_takes_its_notebooks_along(home, notebook, tmp_path, until):
    """When the flow around a submitted notebook is ended, so is the kernel."""
    etl = notebook_flow(notebook(SLOW, "1"))

    @flow(timeout_seconds=3)
    def outer():
        return etl.submit().result()

    state = outer(return_state=True)

    assert state.name == "TimedOut"
    assert until(lambda: is_gone(tmp_path))
    (record,) = runs(home, "etl")
    assert record.state.is_final()
    assert until(lambda: dict(states(home, record))["cell 1"] != "Running")


# Declaring.


def test_a_wrong_declaration_is_told_at_once(notebook, tmp_path):
    """A missing file, a file of another kind and wrong options are no flow."""
    path = notebook(*ETL)
    (tmp_path / "notes.ipynb").write_text("not a notebook")

    with pytest.raises(NotFound, match=r"Did you mean 'etl\.ipynb'"):
        notebook_flow(tmp_path / "etk.ipynb")
    with pytest.raises(InvalidNotebook, match=r"notes\.ipynb"):
        notebook_flow(tmp_path / "notes.ipynb")
    with pytest.raises(InvalidDeclaration, match=r"'mont'.* Did you mean 'month'"):
        notebook_flow(path, output="{mont}.ipynb")
    with pytest.raises(InvalidDeclaration, match="cwd must be a folder"):
        notebook_flow(path, cwd="nowhere")
    with pytest.raises(InvalidDeclaration, match="parallel must be a whole number"):
        notebook_flow(path, parallel=0)
    with pytest.raises(InvalidDeclaration, match="retries"):
        notebook_flow(path, retries=-1)


def test_options_can_be_changed(notebook):
    """with_options keeps the notebook and all other options."""
    etl = notebook_flow(notebook(*ETL), cell_timeout=5, tags=["nightly"])

    other = etl.with_options(name="numbers", retries=2, output=None)

    assert (other.name, other.path, other.retries) == ("numbers", etl.path, 2)
    assert (other.setup.cell_timeout, other.tags) == (5.0, {"nightly"})
    assert other.setup.output is None
    assert (etl.name, etl.retries) == ("etl", 0)
    with pytest.raises(InvalidDeclaration, match="Did you mean 'retries'"):
        etl.with_options(retrys=1)


def test_it_travels_by_its_path(notebook):
    """A pickle holds the path and the options, wherever it is declared."""
    etl = notebook_flow(notebook(*ETL), retries=3)

    again = pickle.loads(pickle.dumps(etl))

    assert (again.path, again.retries, again.name) == (etl.path, 3, "etl")


def test_it_says_what_it_is(notebook):
    """Its title, its parameters and its path are shown in a notebook."""
    etl = notebook_flow(notebook(*ETL))

    shown = etl._repr_mimebundle_()

    assert etl.description == "Monthly numbers"
    assert repr(etl) == "<NotebookFlow 'etl' of etl.ipynb>"
    assert "etl(*, month: int = 1, carrier='UA')" in shown["text/plain"]
    assert "month: int = 1  # 1 to 12" in etl.__doc__


def test_a_sketch_shows_it_as_one_box(notebook):
    """A flow that calls it can be drawn; itself it cannot, without being run."""
    etl = notebook_flow(notebook(*ETL))

    @flow
    def outer():
        etl(month=1)

    assert "etl-0" in str(outer.visualize())
    with pytest.raises(VisualizationUnsupportedError, match="nborch inspect"):
        etl.visualize(month=1)
