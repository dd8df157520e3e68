"""The demo notebook does what its own last section and its README promise.

The tests share one home and build on each other: a cold run takes longest.
"""

import os
import time
from pathlib import Path

import nbformat
import pytest

from nborch.runs import RunKind
from nborch.store.sqlite import SQLiteStore

ROOT = Path(__file__).resolve().parents[2]
TASKS = [
    *["load", "clean", "join_weather", "join_aircraft", "features"],
    *["fit", "importance", "report", "hours"],
]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Demo:
    """The demo notebook in a folder and with a home of its own."""

    def __init__(self, folder, run_program):
        self.folder = folder
        self.run_program = run_program
        self.home = folder / "home"
        self.path = folder / "flights.ipynb"
        self.text = (ROOT / "notebooks" / "flights.ipynb").read_text("utf-8")
        self.restore()
        self.environ = {**os.environ, "NBORCH_HOME": str(self.home)}
        self.seconds = self.said = None

    def command(self, *words):
        started = time.monotonic()
        done = self.run_program(words, folder=self.folder, environ=self.environ)
        self.seconds = time.monotonic() - started
        self.said = done.stderr

    def run(self, *options):
        """Run it; return the names of the cell tasks whose body ran."""
        self.command("nborch", "run", self.path, *options)
        store = SQLiteStore(self.home / "nborch.db")
        newest = store.records(kinds=(RunKind.FLOW,))[0]
        states = {r.run.of: r.state.name for r in store.children(newest.run.id)}
        store.close()
        assert list(filter(TASKS.__contains__, states)) == TASKS
        return [name for name in TASKS if states[name] != "Cached"]

    def edit(self, cell_id, old, new):
        """Replace a piece of a cell's source; return to it with `restore`."""
        nb = nbformat.read(self.path, as_version=4)
        (cell,) = [cell for cell in nb.cells if cell.id == cell_id]
        assert cell.source.count(old) == 1
        cell.source = cell.source.replace(old, new)
        nbformat.write(nb, self.path)

    def restore(self):
        self.path.write_text(self.text, "utf-8")

    def outputs(self, name="flights.out.ipynb"):
        """Return what each cell shows as text and the size of its pictures."""
        nb = nbformat.read(self.folder / name, as_version=4)
        return {cell.id: _shown(cell) for cell in nb.cells if cell.cell_type == "code"}


def _shown(cell):
    shown = []
    for output in cell.outputs:
        data = output.get("data", {})
        if "application/vnd.nborch.cell+json" in data:
            continue
        if "text" in output:
            shown.append((output.name, output.text))
        else:
            shown.append((output.output_type, data.get("image/png") or data))
    return shown


@pytest.fixture(scope="module")
def demo(tmp_path_factory, run_program):
    """The demo notebook, run once."""
    demo = Demo(tmp_path_factory.mktemp("demo"), run_program)
    demo.cold = demo.run()
    demo.cold_seconds = demo.seconds
    demo.shown = demo.outputs()
    return demo


@pytest.fixture(autouse=True)
def as_it_was(demo):
    """Leave the notebook as it is in git."""
    yield
    demo.restore()


def test_cold(demo):
    """The first run executes every task, takes a while, and shows prints and plots."""
    assert demo.cold == TASKS
    assert demo.cold_seconds > 5
    assert demo.shown["check"] == [("stdout", "All figures are as known.\n")]
    assert [kind for kind, _ in demo.shown["importance"]] == ["display_data"]
    assert [kind for kind, _ in demo.shown["report"]] == ["execute_result"]
    assert not any(kind == "stderr" for cell in demo.shown.values() for kind, _ in cell)


def test_again(demo):
    """A second run executes no task, is much faster and shows the very same."""
    assert demo.run() == []

    assert "9 of 9 cell tasks cached" in demo.said
    assert demo.outputs() == demo.shown
    assert demo.seconds < demo.cold_seconds / 2


def test_another_month(demo):
    """``-p month=7`` runs only what reads the month."""
    assert demo.run("-p", "month=7") == ["report", "hours"]

    assert "July" not in str(demo.shown["hours"])
    assert demo.run("-p", "month=7") == []


def test_comments(demo):
    """Comments and blank lines in task cells run nothing."""
    demo.edit("features", "table = (\n", "\n# all in one\ntable = (\n\n")
    demo.edit("fit", "model = Hist", "# a comment\nmodel = Hist")

    assert demo.run() == []


def test_helper_with_equal_result(demo):
    """A helper that is written otherwise runs its caller; its equal result, nothing
    more.
    """
    demo.edit(
        "functions",
        "return np.degrees(np.arctan2(east, north)) % 360",
        "return np.mod(np.degrees(np.arctan2(east, north)), 360)",
    )

    assert demo.run() == ["join_aircraft"]


def test_code_with_equal_result(demo):
    """A task that is written otherwise runs; its equal result runs nothing else."""
    demo.edit(
        "clean", "flights_raw.drop_duplicates()\n    .dropna", "flights_raw.dropna"
    )

    assert demo.run() == ["clean"]


def test_plotting_helper(demo):
    """A helper of the last plot runs the last plot alone."""
    demo.edit("functions", 'color="lightgray"', 'color="silver"')

    assert demo.run() == ["hours"]
    assert demo.outputs()["hours"] != demo.shown["hours"]


def test_code_with_another_result(demo):
    """A task with another result runs what reads it."""
    demo.edit("importance", "sample(8_000", "sample(2_000")
    demo.edit("fit", "max_iter=100", "max_iter=20")
    demo.edit("check", "0.72 <", "0.6 <")

    assert demo.run() == ["fit", "importance", "report", "hours"]


def test_plain_papermill(demo):
    """Plain papermill, without nborch's engine, uses the same results."""
    demo.command("papermill", demo.path, "plain.ipynb", "--no-progress-bar")

    nb = nbformat.read(demo.folder / "plain.ipynb", as_version=4)
    outcomes = [
        output.data["application/vnd.nborch.cell+json"]["outcome"]
        for cell in nb.cells
        for output in cell.get("outputs", [])
        if "application/vnd.nborch.cell+json" in output.get("data", {})
    ]
    assert outcomes == ["cached"] * len(TASKS)
    assert demo.outputs("plain.ipynb") == demo.shown


def test_another_folder(demo):
    """The notebook under another name in another folder uses the same results."""
    elsewhere = demo.folder / "elsewhere"
    elsewhere.mkdir()
    moved = Demo(elsewhere, demo.run_program)
    moved.path = moved.path.rename(elsewhere / "renamed.ipynb")
    moved.home = demo.home
    moved.environ = demo.environ

    assert moved.run() == []
