"""The executed notebook of a run: read from its file, and from no other."""

import json
import os
from datetime import UTC, datetime

import pytest

from nborch.events import run_created
from nborch.exceptions import NotFound
from nborch.runs import Run, RunKind, new_id
from nborch.server.notebooks import Notebooks


def put(home, output):
    now = datetime.now(UTC)
    details = {} if output is None else {"output": output}
    run = Run(
        new_id(now.timestamp()),
        RunKind.FLOW,
        "f",
        "calm-fox",
        now,
        home.process,
        None,
        details,
    )
    home.store.append([run_created(run)])
    return run.id


def write(path, run_id, *sources, **more):
    cells = [
        {
            "cell_type": "code",
            "id": f"c{n}",
            "metadata": {},
            "source": each,
            "outputs": [],
        }
        for n, each in enumerate(sources)
    ]
    document = {"metadata": {"nborch": {"run": run_id}}, "cells": cells, **more}
    path.write_text(json.dumps(document))


def test_a_notebook_is_read_again_when_it_has_changed(home, tmp_path):
    """Each version of the file is read once, and cells tell whether they have changed."""
    path = tmp_path / "out.ipynb"
    run = put(home, str(path))
    notebooks = Notebooks(home)
    assert notebooks.get(run).cells == ()

    write(path, run, "1", "2")
    first = notebooks.get(run)
    again = notebooks.get(run)
    write(path, run, "1", "two", "3")
    second = notebooks.get(run)

    assert again is first
    assert [cell.id for cell in second.cells] == ["c0", "c1", "c2"]
    versions = [[cell.version for cell in each.cells] for each in (first, second)]
    assert versions[0][0] == versions[1][0]
    assert versions[0][1] != versions[1][1]


@pytest.mark.parametrize(
    "what", ["of another run", "no notebook", "a pipe", "a folder", "nothing", "deep"]
)
def test_no_other_file_is_shown(home, tmp_path, what):
    """S22: What is not the run's own notebook is not shown, whatever the store says."""
    path = tmp_path / "out.ipynb"
    run = put(home, str(path))
    if what == "of another run":
        write(path, "01a2010a-e9ba-7f01-953f-7cc263488ffc", "secret")
    elif what == "no notebook":
        path.symlink_to("/etc/passwd")
    elif what == "a pipe":
        os.mkfifo(path)
    elif what == "a folder":
        path.mkdir()
    elif what == "deep":
        path.write_text("[" * 100_000)

    assert Notebooks(home).get(run).cells == ()


@pytest.mark.parametrize("output", ["out.ipynb", "s3://bucket/out.ipynb", "", 5, None])
def test_a_place_that_is_no_file_of_this_machine_is_not_looked_for(home, output):
    """S21, S22: Only an absolute path that the run has noted is a path."""
    assert Notebooks(home).path(put(home, output)) is None


def test_only_a_whole_id_names_a_run(home, tmp_path):
    """S19: The start of an id, or a name, opens no notebook."""
    run = put(home, str(tmp_path / "out.ipynb"))

    for reference in (run[:-1], "calm-fox", run + "a", "../x"):
        with pytest.raises(NotFound):
            Notebooks(home).get(reference)


def test_cells_without_ids_have_their_place(home, tmp_path):
    """Old notebooks, and ones with the same id twice, have all their cells."""
    path = tmp_path / "out.ipynb"
    run = put(home, str(path))
    cells = [
        {"cell_type": "code", "id": name, "source": ["a"]} for name in ("x", "x", 5)
    ]
    write(path, run, cells=[*cells, "no cell"])

    shown = Notebooks(home).get(run).cells

    assert [cell.id for cell in shown] == ["x", "cell-1", "cell-2"]
    assert shown[0].told()["state"] == "PENDING"
