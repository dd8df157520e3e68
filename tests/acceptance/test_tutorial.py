"""The tutorial does what it tells its readers.

The tests share one home and build on each other: a cold run takes longest.
"""

import os
from pathlib import Path

import nbformat
import pytest

from nborch.runs import RunKind
from nborch.store.sqlite import SQLiteStore
from nborch.view.badge import MIME

ROOT = Path(__file__).resolve().parents[2]
TASKS = [*["load", "effect", "peek", "picture", "rate", "cold", "warm", "compare"]]
#: The one task that runs each time, as the tutorial says.
UNCACHED = "peek"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Tutorial:
    """The tutorial in a folder and with a home of its own."""

    def __init__(self, folder, run_program):
        self.folder = folder
        self.run_program = run_program
        self.path = folder / "tutorial.ipynb"
        self.text = (ROOT / "notebooks" / "tutorial.ipynb").read_text("utf-8")
        self.environ = {**os.environ, "NBORCH_HOME": str(folder / "home")}

    def command(self, *words):
        self.run_program(words, folder=self.folder, environ=self.environ)

    def run(self, *options, edits=()):
        """Run it with edits; return the names of the cell tasks whose body ran."""
        text = self.text
        for old, new in edits:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        self.path.write_text(text, "utf-8")
        self.command("nborch", "run", self.path, *options)
        store = SQLiteStore(self.folder / "home" / "nborch.db")
        newest = store.records(kinds=(RunKind.FLOW,))[0]
        states = {r.run.of: r.state.name for r in store.children(newest.run.id)}
        store.close()
        assert set(TASKS) <= set(states)
        return [name for name in TASKS if states[name] != "Cached"]

    def shown(self, name="tutorial.out.ipynb"):
        """Return what each code cell shows, without its badge and notices."""
        nb = nbformat.read(self.folder / name, as_version=4)
        return {cell.id: _shown(cell) for cell in nb.cells if cell.cell_type == "code"}

    def badges(self, name):
        nb = nbformat.read(self.folder / name, as_version=4)
        return [
            (output.data[MIME]["task"], output.data[MIME]["outcome"])
            for cell in nb.cells
            for output in cell.get("outputs", [])
            if MIME in output.get("data", {})
        ]


def _shown(cell):
    shown = []
    for output in cell.outputs:
        data = output.get("data", {})
        if MIME not in data and "again in" not in data.get("text/plain", ""):
            shown.append(output.get("text") or data.get("image/png") or data)
    return shown


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory, run_program):
    """The tutorial, run once."""
    tutorial = Tutorial(tmp_path_factory.mktemp("tutorial"), run_program)
    tutorial.cold = tutorial.run()
    tutorial.first = tutorial.shown()
    return tutorial


def test_cold(tutorial):
    """The first run executes every task, and shows what the text speaks of."""
    shown = tutorial.first

    assert tutorial.cold == TASKS
    assert shown["check"] == ["All figures are as they should be.\n"]
    assert shown["load"][0] == "730 days, 251 of them with rain\n"
    assert shown["effect"] == ["A rainy day costs between 70 and 89.\n"]
    assert len(shown["picture"]) == len(shown["rate"]) == len(shown["compare"]) == 1
    assert not any("Warning" in str(each) for each in shown.values())


def test_commands(tutorial):
    """``%nborch status`` lists the tasks, ``why`` answers at once."""
    (status,), (why,) = tutorial.first["status"], tutorial.first["why"]

    assert all(name in status["text/plain"] for name in TASKS)
    assert status["text/plain"].count("fresh") == len(TASKS) - 1
    assert why["text/plain"].startswith("effect: fresh")


def test_again(tutorial):
    """A second run executes the one task that is never kept, and shows the same."""
    assert tutorial.run() == [UNCACHED]

    second = tutorial.shown()
    for answer in ("why", "status"):
        assert second.pop(answer)
    assert second.items() <= tutorial.first.items()


def test_what_to_try(tutorial):
    """What the tutorial proposes to change runs what it says, and nothing else."""
    edits = [
        ("%%task load\\n", "%%task load\\n# as a table\\n\\n"),
        ("[2.5, 97.5]", "[0.5, 99.5]"),
        ('color=\\"steelblue\\"', 'color=\\"teal\\"'),
    ]

    assert tutorial.run(edits=edits) == ["effect", UNCACHED, "picture"]


def test_another_parameter(tutorial):
    """Another parameter runs what depends on it."""
    assert tutorial.run("-p", "days=365") == TASKS


def test_plain_papermill(tutorial):
    """Plain papermill uses the same results."""
    tutorial.path.write_text(tutorial.text, "utf-8")

    tutorial.command("papermill", tutorial.path, "plain.ipynb", "--no-progress-bar")

    assert tutorial.badges("plain.ipynb") == [
        (name, "uncached" if name == UNCACHED else "cached") for name in TASKS
    ]
    assert tutorial.shown("plain.ipynb")["check"] == tutorial.first["check"]
