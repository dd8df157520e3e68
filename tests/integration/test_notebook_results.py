"""What a notebook gives to who runs it: values by name, loaded when asked for."""

import os
import pickle
from datetime import date
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

import nborch
from nborch import notebook_flow
from nborch.exceptions import CellFailed, InvalidDeclaration, MissingResult
from nborch.notebook.results.handles import is_plain
from nborch.notebook.results.values import stored_result

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="kernels and signals of POSIX"),
    pytest.mark.timeout(120),
]


@pytest.fixture
def ran(home, tmp_path):
    """Run a notebook of these cells; return its result."""

    def run(*sources, **options):
        cells = [new_code_cell(text, id=f"c-{n}") for n, text in enumerate(sources)]
        spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path = tmp_path / "etl.ipynb"
        nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": spec}), path)
        return notebook_flow(path, **options)()

    return run


GIVES = (
    "import nborch\nfrom datetime import date",
    "nborch.result({'n': 3, 'share': 0.5}, name='summary')",
    "nborch.result((date(2026, 1, 2), {1, 2}), 'mixed')\nnborch.result(b'x' * 100_000)",
)


def test_what_is_given_is_got(home, ran):
    """Values arrive as they were given, the last one of a name, each time anew."""
    result = ran(*GIVES, "nborch.result([1], 'again')\nnborch.result([2], 'again')")

    assert result["summary"] == {"n": 3, "share": 0.5}
    assert result["mixed"] == (date(2026, 1, 2), {1, 2})
    assert result["default"] == b"x" * 100_000
    assert result["again"] == [2]
    result["again"].append(3)
    assert result["again"] == [2]


def test_the_document_shows_what_was_given_and_holds_no_payload(ran):
    """A line says what was given; values and handles are not in the notebook."""
    result = ran(*GIVES)

    shown = [output for cell in result.notebook.cells for output in cell.outputs]

    assert [output.data["text/plain"] for output in shown] == [
        "result 'summary' · dict of 2",
        "result 'mixed' · tuple of 2, 53 bytes",
        "result 'default' · bytes of 100000, 100.0 kB",
    ]
    assert all(output.metadata == {} for output in shown)
    assert Path(result.output).stat().st_size < 10_000


def test_names_of_cell_tasks_are_results(ran):
    """Each name that a cell task made can be had, whatever it shares with others."""
    result = ran(
        "%%task load\nrows = [[1], [2]]\nn = 2\ndef twice(x): return 2 * x",
        "%%task use\nfirst = rows[0]\nalias = rows\nnumbers = {twice(n)}",
        "%%task change\nrows.append([3])",
        "plain = 1",
    )

    assert sorted(result) == ["alias", "first", "n", "numbers", "rows"]
    assert result["n"] == 2
    assert result["first"] == [1]
    assert result["alias"] == [[1], [2]]
    assert result["numbers"] == {4}
    assert result["rows"] == [[1], [2], [3]]


def test_a_restored_run_gives_the_same(home, ran):
    """What a cell task gave is given again when it is restored."""
    cells = (
        "import nborch",
        "%%task load\nrows = list(range(3000))\nnborch.result(set(rows), 'unique')",
        "%%task sum\ntotal = sum(rows)\nnborch.result(total)",
    )
    first = ran(*cells)

    second = ran(*cells)

    states = [c.state.name for c in home.store.children(second.run_id)]
    assert states == ["Completed", "Cached", "Cached"]
    assert sorted(first) == sorted(second) == ["default", "rows", "total", "unique"]
    stored = stored_result(home, home.store.record(second.run_id))
    assert dict(first) == dict(second) == dict(stored)


def test_results_are_found_later(home, ran):
    """From the store, and in another process, a run's results are at hand."""
    result = ran("%%task load\nrows = [1]", "import nborch; nborch.result(2)")

    again = pickle.loads(pickle.dumps(result))
    stored = stored_result(home, home.store.record(result.run))

    for found in (again, stored):
        assert dict(found) == {"rows": [1], "default": 2}
        assert (found.run, found.output) == (result.run, result.output)
        assert found == result
    assert len(pickle.dumps(result)) < 2000


def test_a_missing_name_gets_a_hint(ran):
    """A name that is not there is a KeyError that names the nearest one."""
    result = ran("%%task load\nrows = [1]")

    with pytest.raises(KeyError) as caught:
        result["row"]

    assert "has no result 'row'. Did you mean 'rows'?" in str(caught.value)
    assert "row" not in result
    assert result.get("row", 0) == 0
    assert "rows: list of 'load'" in repr(result)
    assert "rows" in result._repr_mimebundle_()["text/html"]


def test_what_was_not_kept_says_why(home, ran):
    """A result that cannot be had says why, and what to do."""
    result = ran(
        "class Point:\n    pass",
        "import nborch\nnborch.result([Point()], 'point')",
        "%%task draw\nimport os\nos.environ['MODE'] = 'x'\nlost = 1",
        "%%task load\nrows = [1]",
    )

    with pytest.raises(MissingResult, match=r"Move the class .* into a module"):
        result["point"]
    with pytest.raises(MissingResult, match=r"nborch\.result\(lost, 'lost'\)"):
        result["lost"]
    for entry in list(home.cache.entries()):
        home.cache.forget(entry.key)
    with pytest.raises(MissingResult, match="no longer in the result cache"):
        result["rows"]


def test_what_cannot_be_kept_fails_its_cell(ran):
    """A value that cannot be stored is told where it is given."""
    with pytest.raises(CellFailed, match=r"line 2 of cell 1: Unsendable: The result"):
        ran("import nborch\nnborch.result((n for n in [1]), 'rows')")


def test_outside_of_runs_nothing_is_kept(home):
    """In a script it does nothing; a wrong name is told anywhere."""
    assert nborch.result([1, 2]) is None
    assert not (home.folder / "cache").exists()

    with pytest.raises(InvalidDeclaration, match="needs a text as the name"):
        nborch.result([1], name=2)


def test_where_a_person_works_the_value_is_shown(kernel, home):
    """In a notebook that nobody runs, the value itself is displayed."""
    kernel("import nborch")

    assert kernel("nborch.result([1, 2])").shown == [("display_data", "[1, 2]")]


def test_a_cell_task_that_runs_a_notebook_runs_again(kernel, tmp_path):
    """Nobody sees what the notebook reads, so such a cell is not restored."""
    cell = new_code_cell("%%task load\nrows = [1]")
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nb = new_notebook(cells=[cell], metadata={"kernelspec": spec})
    nbformat.write(nb, tmp_path / "etl.ipynb")
    kernel("from nborch import notebook_flow\netl = notebook_flow('etl.ipynb')")

    ran = kernel("%%task rows\nrows = etl()['rows']")

    assert ran.ok, ran.error
    assert ran.outcome == "uncached"
    assert "starts the program 'etl.ipynb'" in ran.badge


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({"rows": [1, 2.5, None, True]}, True),
        ("text", True),
        ((1, 2), False),
        ({1: 2}, False),
        (float("nan"), False),
        (2**70, False),
        ("x" * 5000, False),
        ([[[[[[[[[1]]]]]]]]], False),
    ],
)
def test_plain_values(value, plain):
    """A value is its own handle if it is small and JSON gives it back as it was."""
    assert is_plain(value) is plain
