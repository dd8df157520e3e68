"""The notebook about the engine runs through nborch and through plain papermill."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pytest

from nborch.runs import RunKind
from nborch.store.sqlite import SQLiteStore

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "engine.ipynb"
BIN = Path(sys.executable).parent

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def executed(folder, *words):
    """Run a command in the folder; return what the notebook that it made shows."""
    done = subprocess.run(
        [BIN / words[0], *words[1:]],
        cwd=folder,
        env={**os.environ, "NBORCH_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    nb = nbformat.read(folder / "out.ipynb", as_version=4)
    return {
        cell.id: "".join(_text(output) for output in cell.outputs)
        for cell in nb.cells
        if cell.cell_type == "code"
    }


def _text(output):
    """Return what an output says, without log lines and the graphs of runs."""
    if output.get("name") == "stderr":
        return ""
    told = output.get("text") or output.get("data", {}).get("text/plain", "")
    return "" if told.startswith("Flow run ") else told


def test_it_has_no_outputs():
    """In git the notebook has neither outputs nor execution counts."""
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    codes = [cell for cell in cells if cell["cell_type"] == "code"]

    assert all(not cell["outputs"] for cell in codes)
    assert all(cell["execution_count"] is None for cell in codes)


def test_through_nborch_and_papermill(tmp_path):
    """It runs in less than a minute through nborch, then through plain papermill with
    what the first run has kept, and its own checks hold both times.
    """
    cold = executed(tmp_path, "nborch", "run", NOTEBOOK, "-o", "out.ipynb")
    again = executed(tmp_path, "papermill", NOTEBOOK, "out.ipynb")

    for shown in (cold, again):
        assert shown["check"] == "All is as it should be.\n"
        assert shown["state"].startswith("State ✓ Completed")
        assert shown["failure"].startswith("this station is broken\n")
        assert shown["caching"].endswith("State ✓ Cached")
    assert cold["warmest"].startswith("station 11 is the warmest\nran")
    assert again["warmest"].startswith("station 11 is the warmest\ncached")
    store = SQLiteStore(tmp_path / "home" / "nborch.db")
    records = store.records(limit=1_000)
    store.close()
    states = Counter((each.run.of, each.state.name) for each in records)
    assert states["warmest", "Completed"] == states["warmest", "Cached"] == 1
    assert states["simulate", "Completed"] == 1
    assert states["simulate", "Cached"] == 5
    # Each flow that a cell calls is within the run of the cell, or of the session.
    runs = {each.run.id: each.run for each in records}
    flows = [each.run for each in records if each.run.of in ("survey", "roll_call")]
    assert {runs[run.parent_id].kind for run in flows} == {
        RunKind.TASK,
        RunKind.SESSION,
    }


def test_other_parameters(tmp_path):
    """It takes other parameters."""
    words = ["-o", "out.ipynb", "-p", "stations=7", "-p", "days=5"]

    shown = executed(tmp_path, "nborch", "run", NOTEBOOK, *words)

    assert shown["check"] == "All is as it should be.\n"
    assert "7 answers in" in shown["async"]
