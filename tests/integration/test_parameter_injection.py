"""Parameters on their way into a real kernel, through both front doors."""

import datetime as dt
import json
import signal
from contextlib import suppress
from pathlib import Path

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from nborch import Secret
from nborch.exceptions import NotFound, ParameterBindError, ParameterTypeError
from nborch.notebook.engine import NborchEngine
from nborch.notebook.parameters import given_before, inject

pytestmark = pytest.mark.filterwarnings("ignore:Passed unknown parameter")

SPEC = {"name": "python3", "display_name": "Python 3", "language": "python"}


def notebook(*sources):
    """Return a notebook whose tuples are cells with tags."""
    cells = []
    for source in sources:
        text, *tags = source if isinstance(source, tuple) else (source,)
        cells.append(new_code_cell(text, metadata={"tags": tags}))
    return new_notebook(cells=cells, metadata={"kernelspec": SPEC})


@pytest.fixture
def run(tmp_path, home):
    """Run a notebook by papermill with our engine; return its executed copy."""

    def execute(nb, parameters=None, fails=(), **options):
        path, output = tmp_path / "report.ipynb", tmp_path / "report.out.ipynb"
        nbformat.write(nb, path)
        with suppress(*fails):
            papermill.execute_notebook(
                str(path),
                str(output),
                parameters=parameters,
                engine_name="nborch",
                progress_bar=False,
                **options,
            )
        nbformat.validate(json.loads(output.read_text()))
        return nbformat.read(output, as_version=4)

    return execute


def injected(nb):
    """Return the sources of the injected cells."""
    return [
        cell.source
        for cell in nb.cells
        if "injected-parameters" in cell.metadata.get("tags", [])
    ]


def printed(nb):
    """Return what the cells have printed."""
    outputs = [output for cell in nb.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def test_types_survive_papermill(run):
    """What is given to papermill reaches the kernel with its type, and the document as
    JSON.
    """
    given = {
        "day": dt.date(2026, 1, 2),
        "pair": (1, ("a", [2])),
        "path": Path('a "b\\c'),
        "table": {1: {"x": b"y"}},
        "names": {"a"},
        "number": signal.SIGTERM,
    }
    names = ", ".join(given)

    nb = run(
        notebook((f"{names} = [None] * 6", "parameters"), f"print([{names}])"), given
    )

    assert printed(nb) == f"{list(given.values())}\n"
    assert nb.metadata.papermill.parameters == {
        "day": "2026-01-02",
        "pair": [1, ["a", [2]]],
        "path": 'a "b\\c',
        "table": {"1": {"x": "eQ=="}},
        "names": ["a"],
        "number": 15,
    }
    assert given_before(nb) == given


def test_coerced_and_followed(run):
    """Text becomes what the annotation asks for, and what depends on it follows."""
    declaration = (
        "from datetime import date, timedelta\n"
        "day: date = date(2026, 1, 1)\nweek = day + timedelta(days=7)\nn = 2\nm = n * 2"
    )

    nb = run(
        notebook((declaration, "parameters"), "print(day, week, n, m)"),
        {"day": "2026-03-01", "m": 1},
    )

    assert printed(nb) == "2026-03-01 2026-03-08 2 1\n"
    assert injected(nb)[0].splitlines() == [
        "# Parameters",
        "import datetime as _datetime",
        "",
        "day = _datetime.date(2026, 3, 1)",
        "m = 1",
        "",
        "# What follows from them.",
        "week = day + timedelta(days=7)",
    ]


REFUSED = [
    ({"n": "many"}, ParameterTypeError, "got 'many'; expected a whole number"),
    ({"n": 1, "f": print}, ParameterTypeError, "parameter 'f' got a builtin_function"),
    ({}, ParameterBindError, "needs a value for 'n'"),
    ({"n": "${env:NO_SUCH_NAME}"}, NotFound, "'NO_SUCH_NAME' is not set"),
]


@pytest.mark.parametrize(("given", "error", "message"), REFUSED)
def test_refused_before_a_kernel_starts(run, home, given, error, message):
    """What does not fit is told before anything is started or recorded."""
    with pytest.raises(error, match=message):
        run(notebook(("n: int\nf = None", "parameters")), given)

    assert not home.store.records()


def test_papermills_ways(run):
    """A parameter that is not declared is injected all the same: papermill has warned.
    A notebook without a parameters cell gets its values at the top.
    """
    nb = run(notebook("print(n)"), {"n": 7})

    assert printed(nb) == "7\n"
    assert injected(nb) == ["# Parameters\nn = 7"]


def test_prepared_only(run, tmp_path):
    """Papermill prepares a notebook without running it, with the types kept."""
    nb = run(notebook(("n = 1", "parameters")), {"n": 2}, prepare_only=True)

    assert injected(nb) == ["# Parameters\nn = 2"]


def test_a_run_of_an_output(run):
    """An executed copy runs again with other values, in place of the first."""
    nb = run(notebook(("n = 1", "parameters"), "print(n)"), {"n": 2})

    again = run(nb, {"n": 3}, report_mode=True)

    assert printed(again) == "3\n"
    assert injected(again) == ["# Parameters\nn = 3"]
    assert again.cells[1].metadata.jupyter.source_hidden


def test_several_parameters_cells():
    """Each parameters cell is followed by the values that it declares."""
    nb = notebook(
        ("a = 1\nb = a", "parameters"), "c = b", ("d = c\na = 3", "parameters"), "end"
    )

    inject(nb, {"a": 5, "d": 6, "new": 7})

    assert [cell.source for cell in nb.cells] == [
        "a = 1\nb = a",
        "# Parameters\na = 5\nnew = 7\n\n# What follows from them.\nb = a",
        "c = b",
        "d = c\na = 3",
        "# Parameters\na = 5\nd = 6",
        "end",
    ]


def test_an_injected_cell_stays_where_it_was_put():
    """A cell that somebody has moved is written anew in its place."""
    nb = notebook(
        ("a = 1\nb = a", "parameters"),
        "import x",
        ("a = 2", "injected-parameters"),
        "end",
    )
    name = nb.cells[2].id

    inject(nb, {"a": 5})

    assert nb.cells[2].source.startswith("# Parameters\na = 5")
    assert nb.cells[2].id == name
    assert len(nb.cells) == 4


def test_what_cannot_be_written_is_named():
    """All values that cannot be written are named."""
    with pytest.raises(ParameterTypeError) as caught:
        inject(notebook(), {"a": object(), "b": 1, "c": [len]}, notebook="r.ipynb")

    assert str(caught.value).startswith("Notebook 'r.ipynb': \n  parameter 'a' got")
    assert "parameter 'c' got" in str(caught.value)


def grep(folder, text):
    """Return the files below a folder that hold a text."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    ]


def test_secrets(run, home, tmp_path, monkeypatch, capfd):
    """A secret is there in the kernel, and nowhere else: in no document, no log, no
    store, no result and no output, whatever the notebook does with it.
    """
    monkeypatch.setenv("TEST_TOKEN", "t0p-s3cret")
    nb = notebook(
        ("token = key = ''\nheader = f'Bearer {token}'", "parameters"),
        "from nborch import flow, task\n"
        "@task\ndef fetch(token): return len(token)\n"
        "print(fetch(header), token, key)\nheader",
        "%%task keep\nprint(token)\nkept = {'auth': token}",
        "%%task use\nsize = len(token)",
        "print(len(token), len(key), len(kept['auth']), size)",
        "raise ValueError(token + key)",
    )

    found = run(
        nb,
        {"token": "${env:TEST_TOKEN}", "key": Secret("an0ther-0ne")},
        fails=[papermill.PapermillExecutionError],
    )
    home.recorder.flush()
    home.close()

    assert printed(found).endswith("10 11 10 10\n")
    assert "17 •••• ••••" in printed(found)
    assert (
        "# token: a secret, from ${env:TEST_TOKEN}\n# key: a secret\n"
        in injected(found)[0]
    )
    assert found.metadata.papermill.parameters == {
        "token": "${env:TEST_TOKEN}",
        "key": "••••",
    }
    captured = "".join(capfd.readouterr())
    for text in ("t0p-s3cret", "an0ther-0ne"):
        assert grep(tmp_path, text) == []
        assert text not in captured


def test_secrets_of_other_languages(monkeypatch):
    """In another language, too, a secret is set in silence."""
    from nborch.notebook.parameters.for_papermill import apply_parameters

    monkeypatch.setenv("TEST_TOKEN", "t0p-s3cret")
    nb = notebook(("token <- ''", "parameters"), ("x", "injected-parameters"))
    nb.metadata.kernelspec = {"name": "ir", "language": "R", "display_name": "R"}
    nb.metadata.papermill = {"parameters": {"token": "${env:TEST_TOKEN}", "n": 1}}

    _, injection = apply_parameters(nb, "report.ipynb", "ir")

    assert nb.cells[1].source == "# Parameters\nn = 1\n# token: a secret"
    assert injection.silent == {1: '# Parameters\ntoken = "t0p-s3cret"\n'}
    assert nb.metadata.papermill.parameters == {"token": "${env:TEST_TOKEN}", "n": 1}


def test_other_languages_keep_papermills_translator():
    """The values of a notebook in R are written by papermill."""
    spec = {"name": "ir", "language": "R", "display_name": "R"}
    nb = new_notebook(metadata={"kernelspec": spec})

    assert NborchEngine.nb_language(nb, None) == "R"
    assert NborchEngine.nb_language(notebook(), None) == "nborch-python"
