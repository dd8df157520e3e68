"""The notebooks in git are sources: without outputs, counts or a machine's traces."""

from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(
    path
    for path in (ROOT / "notebooks").glob("*.ipynb")
    # What `nborch run` makes is no source.
    if not path.name.endswith(".out.ipynb")
)

pytestmark = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


def test_there_are_notebooks(path):
    """Each notebook is valid, in the format that has cell ids."""
    nb = nbformat.read(path, as_version=nbformat.NO_CONVERT)

    nbformat.validate(nb)

    assert (nb.nbformat, nb.nbformat_minor >= 5) == (4, True)


def test_no_outputs(path):
    """No cell has outputs or an execution count."""
    nb = nbformat.read(path, as_version=4)

    code = [cell for cell in nb.cells if cell.cell_type == "code"]

    assert [cell.id for cell in code if cell.outputs or cell.execution_count] == []


def test_ids(path):
    """Every cell has an id of its own that says what the cell is."""
    nb = nbformat.read(path, as_version=4)

    ids = [cell.id for cell in nb.cells]

    assert len(set(ids)) == len(ids)
    assert [each for each in ids if not each.replace("-", "").isalpha()] == []


def test_metadata(path):
    """Nothing of the machine that the notebook was written on is left in it."""
    nb = nbformat.read(path, as_version=4)

    assert set(nb.metadata) <= {"kernelspec", "language_info"}
    assert nb.metadata.kernelspec.name == "python3"
    assert set(nb.metadata.get("language_info", {})) <= {"name"}
    assert all(set(cell.metadata) <= {"tags"} for cell in nb.cells)


def test_starts_and_ends(path):
    """It loads nborch first, has one cell of parameters, and ends with asserts."""
    nb = nbformat.read(path, as_version=4)
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    tagged = [c.id for c in code if "parameters" in c.metadata.get("tags", [])]

    assert code[0].source == "%load_ext nborch"
    assert len(tagged) == 1
    assert "assert " in code[-1].source


def test_as_written_by_nbformat(path):
    """The file is as nbformat writes it, so that saving it unchanged changes nothing."""
    text = path.read_text("utf-8")

    nb = nbformat.reads(text, as_version=4)

    assert nbformat.writes(nb).rstrip("\n") == text.rstrip("\n")
