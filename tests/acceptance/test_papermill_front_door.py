"""What papermill's users type and call does the same with nborch's engine."""

import base64
import json
import logging
import os

import nbformat
import papermill as pm
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from papermill.cli import papermill as command

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="kernels over sockets of POSIX"),
    pytest.mark.usefixtures("home"),
    pytest.mark.slow,
    # Those of papermill, its progress bar and jupyter_client, not ours to fix.
    pytest.mark.filterwarnings("ignore"),
]

PARAMETERS = """\
# The notebook of papermill's own documentation, near enough.
msg = "Ran from Airflow"
alpha = 0.1
n = 1
names = ["a"]
"""
ENGINES = [None, "nborch"]


def notebook(*sources, language="python"):
    """Return a notebook whose first cell is that of the parameters."""
    first, *rest = sources
    cells = [
        new_markdown_cell("# A report", id="title"),
        new_code_cell(first, id="parameters", metadata={"tags": ["parameters"]}),
        *[new_code_cell(source, id=f"c{n}") for n, source in enumerate(rest)],
    ]
    spec = {"name": "python3", "display_name": "Python 3", "language": language}
    return new_notebook(cells=cells, metadata={"kernelspec": spec})


def shown(nb):
    """What each code cell shows, with where it comes from."""
    return [
        [
            (o.get("name") or o.output_type, o.get("text") or o.get("ename") or o.data)
            for o in cell.outputs
        ]
        for cell in nb.cells
        if cell.cell_type == "code"
    ]


@pytest.fixture
def both(tmp_path, monkeypatch):
    """Type a command for each engine; return what can be seen of either."""
    # What a command writes to files is looked at, not what it logs.
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    monkeypatch.setattr("papermill.cli.INPUT_PIPED", False)
    monkeypatch.setattr("papermill.cli.OUTPUT_PIPED", False)

    def run(nb, *words, files=None, piped=False):
        seen = []
        for engine in ENGINES:
            folder = tmp_path / str(engine)
            folder.mkdir()
            for name, text in (files or {}).items():
                (folder / name).write_text(text, "utf-8")
            monkeypatch.chdir(folder)
            nbformat.write(nb, "in.ipynb")
            paths = ["-", "-"] if piped else ["in.ipynb", "out.ipynb"]
            chosen = ["--engine", engine] if engine else []
            told = CliRunner().invoke(
                command,
                [*paths, *chosen, *words],
                input=nbformat.writes(nb) if piped else None,
            )
            seen.append(Seen(folder, told))
        return seen

    return run


class Seen:
    """What can be seen of a command when it is over."""

    def __init__(self, folder, told):
        self.code = told.exit_code
        self.error = told.exception
        out = folder / "out.ipynb"
        text = out.read_text("utf-8") if out.exists() else told.stdout
        self.nb = nbformat.reads(text, as_version=4) if text.strip() else None
        self.files = {
            path.name: path.read_text("utf-8") for path in folder.glob("*.txt")
        }

    @property
    def outputs(self):
        return shown(self.nb)

    @property
    def statuses(self):
        return [
            cell.metadata.papermill.get("status")
            for cell in self.nb.cells
            if cell.cell_type == "code"
        ]


SHOW = "print(repr(msg), repr(alpha), repr(n), repr(names))"


def test_every_way_to_give_parameters(both):
    """-p, -r, -f, -y and -b have the same meaning, and the later ones win."""
    coded = base64.b64encode(b"{alpha: 0.3, n: 5}").decode()

    papermills, ours = both(
        notebook(PARAMETERS, SHOW),
        *["-b", coded, "-f", "given.yaml", "-y", "{names: [x, 2, null]}"],
        *["-p", "n", "7", "-p", "alpha", "0.6", "-r", "msg", "007"],
        "--no-progress-bar",
        files={"given.yaml": "alpha: 0.5\nmsg: text\n"},
    )

    assert (papermills.code, ours.code) == (0, 0), ours.error
    assert ours.outputs[-1] == [("stdout", "'007' 0.6 7 ['x', 2, None]\n")]
    assert ours.outputs == papermills.outputs
    assert ours.statuses == papermills.statuses
    tags = [cell.metadata.get("tags") for cell in ours.nb.cells]
    assert tags == [cell.metadata.get("tags") for cell in papermills.nb.cells]
    about = ours.nb.metadata.papermill
    assert about.keys() == papermills.nb.metadata.papermill.keys()
    assert about.parameters == papermills.nb.metadata.papermill.parameters


def test_paths_folder_and_report(both):
    """--inject-paths, --cwd, --report-mode, --kernel and what does not apply to us."""
    papermills, ours = both(
        notebook("PAPERMILL_INPUT_PATH = ''", "import os\nprint(PAPERMILL_INPUT_PATH, os.path.basename(os.getcwd()))"),
        *["--inject-paths", "--cwd", "..", "--report-mode", "--kernel", "python3"],
        *["--language", "python", "--autosave-cell-every", "1", "--log-level", "ERROR"],
        *["--request-save-on-cell-execute", "--start_timeout", "50", "--progress-bar"],
    )  # fmt: skip

    assert (papermills.code, ours.code) == (0, 0), ours.error
    assert ours.outputs[-1][0][1].startswith("in.ipynb ")
    assert ours.outputs == papermills.outputs
    hidden = [cell.metadata.get("jupyter") for cell in ours.nb.cells]
    assert hidden == [cell.metadata.get("jupyter") for cell in papermills.nb.cells]


def test_prepared_only(both):
    """--prepare-only writes the parameters and runs nothing."""
    papermills, ours = both(
        notebook(PARAMETERS, SHOW), "--prepare-only", "-p", "n", "3"
    )

    assert (papermills.code, ours.code) == (0, 0), ours.error
    assert ours.outputs == papermills.outputs == [[], [], []]
    assert "n = 3" in ours.nb.cells[2].source


def test_what_is_printed_goes_to_files_too(both):
    """--stdout-file and --stderr-file get what cells print, as they print it."""
    papermills, ours = both(
        notebook(PARAMETERS, "import sys\nprint('one')", "print('two', file=sys.stderr)"),
        *["--stdout-file", "out.txt", "--stderr-file", "err.txt", "--log-output"],
    )  # fmt: skip

    assert (papermills.code, ours.code) == (0, 0), ours.error
    assert ours.files == papermills.files == {"out.txt": "one\n", "err.txt": "two\n"}


def test_the_log_has_what_is_shown(tmp_path, monkeypatch, caplog):
    """With log_output, prints and values go to papermill's log."""
    monkeypatch.chdir(tmp_path)
    nbformat.write(notebook(PARAMETERS, "print('printed')\n6 * 7"), "in.ipynb")
    told = []
    for engine in ENGINES:
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="papermill"):
            pm.execute_notebook(
                "in.ipynb", None, engine_name=engine, log_output=True, progress_bar=False
            )  # fmt: skip
        told.append([r.getMessage() for r in caplog.records if r.name == "papermill"])

    for lines in told:
        assert "printed\n" in lines
        assert "42" in lines


def test_pipes(both):
    """A notebook comes from standard input and goes to standard output."""
    papermills, ours = both(notebook(PARAMETERS, SHOW), "-p", "n", "2", piped=True)

    assert (papermills.code, ours.code) == (0, 0), ours.error
    assert ours.outputs[-1] == [("stdout", "'Ran from Airflow' 0.1 2 ['a']\n")]
    assert ours.outputs == papermills.outputs


@pytest.mark.parametrize(
    ("source", "words", "code"),
    [
        pytest.param("raise ValueError('no rows')", [], 1, id="an error"),
        pytest.param("import time; time.sleep(9)", ["--execution-timeout", "1"], 1, id="a timeout"),
        pytest.param("import os; os._exit(3)", [], 138, id="a dead kernel"),
        pytest.param("import sys; sys.exit(0)", [], 0, id="an early end"),
    ],
)  # fmt: skip
def test_exit_codes(both, source, words, code):
    """The exit code is the same, and the notebook is there with what came before."""
    papermills, ours = both(
        notebook("n = 1", "print(n)", source, "print('never')"),
        *words,
        "--no-progress-bar",
    )

    assert (papermills.code, ours.code) == (code, code)
    assert ("stdout", "1\n") in [o for cell in ours.outputs for o in cell]
    assert "never" not in json.dumps(ours.outputs)


def test_an_error_is_told_as_papermill_tells_it(tmp_path, monkeypatch):
    """The exception has the same facts, and the output leads to the failing cell."""
    monkeypatch.chdir(tmp_path)
    nbformat.write(notebook("n = 1", "1 / 0", "n"), "in.ipynb")
    told = []
    for engine in ENGINES:
        with pytest.raises(pm.PapermillExecutionError) as caught:
            pm.execute_notebook(
                "in.ipynb", "out.ipynb", engine_name=engine, progress_bar=False
            )
        error, nb = caught.value, nbformat.read("out.ipynb", as_version=4)
        tags = [cell.metadata.get("tags") for cell in nb.cells]
        facts = error.cell_index, error.exec_count, error.source, error.ename
        told.append((facts, error.evalue, tags))

    assert told[0] == told[1]


def test_from_python(tmp_path, monkeypatch):
    """execute_notebook and inspect_notebook return the same."""
    monkeypatch.chdir(tmp_path)
    nbformat.write(notebook(PARAMETERS, SHOW, "n"), "in.ipynb")
    told = []
    for engine in ENGINES:
        nb = pm.execute_notebook(
            "in.ipynb",
            "out.ipynb",
            parameters={"alpha": 0.6, "names": ["x", {"y": 1}]},
            engine_name=engine,
            progress_bar=False,
        )
        told.append((shown(nb), [cell.get("execution_count") for cell in nb.cells]))
        assert shown(nbformat.read("out.ipynb", as_version=4)) == shown(nb)

    assert told[0] == told[1]
    found = pm.inspect_notebook("in.ipynb")
    assert list(found) == ["msg", "alpha", "n", "names"]
    # What has run may be run again, with other values.
    again = pm.execute_notebook(
        "out.ipynb", "again.ipynb", {"n": 9}, "nborch", progress_bar=False
    )
    assert shown(again)[-1] == [("execute_result", {"text/plain": "9"})]
