"""Notebooks that go on where an earlier run of them ended."""

import json
import os
import signal
from pathlib import Path

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from nborch import flow
from nborch.exceptions import InvalidDeclaration, NotFound
from nborch.notebook.earlier_runs import (
    check_parameters_are,
    notebook_run_of,
    parameters_of,
)
from nborch.notebook.flows import notebook_flow
from nborch.notebook.resuming import Resumption, resume

ROOT = str(Path(__file__).resolve().parents[2])

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals and sockets of POSIX"),
    # Other packages' event loops and sockets, not ours to fix.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

SOURCES = [
    ("day = 1", "parameters"),
    ("%%task load\nrows = [1, 2, 3]\nimport os\nprint('loaded by', os.getpid())",),
    ("# nborch: once\nopen('mails', 'a').write('x')\nprint('mailed')\nlen('abc')",),
    ("open('plain', 'a').write('x')\nimport os\nassert os.path.exists('fixed'), day",),
    ("open('sums', 'a').write(str(sum(rows)))",),
]


@pytest.fixture
def report(tmp_path, home, monkeypatch):
    """A notebook that fails until a file is there; return its path."""
    monkeypatch.setenv("PYTHONPATH", ROOT)
    path = tmp_path / "report.ipynb"
    write(path, SOURCES)
    return path


def write(path, sources):
    cells = [
        new_code_cell(source, id=f"cell-{i}", metadata={"tags": tags})
        for i, (source, *tags) in enumerate(sources)
    ]
    spec = {"name": "python3", "display_name": "python3", "language": "python"}
    nb = new_notebook(cells=cells, metadata={"kernelspec": spec})
    nbformat.write(nb, path)


def run(path, **options):
    parameters = options.pop("parameters", {})
    options.setdefault("output", str(path.with_name("out.ipynb")))
    made = notebook_flow(str(path), **options)
    return made(**parameters, return_state=True)


def written(path, name):
    file = path.with_name(name)
    return file.read_text() if file.exists() else ""


def cells_of(home, state):
    found = home.store.children(state.run_id)
    return {each.run.details["label"]: each.state.name for each in found}


def test_going_on(report, home):
    """A resumed run restores cell tasks, keeps what may run once, and runs the rest."""
    failed = run(report, parameters={"day": 7})
    assert failed.is_failed()
    first = home.store.record(failed.run_id)
    before = nbformat.read(report.with_name("out.ipynb"), 4)
    report.with_name("fixed").touch()

    plan = resume(home, first, nbformat.read(report.with_name("out.ipynb"), 4))
    state = run(report, resume=first.run.name, parameters=parameters_of(first))

    # Then it was said before what would happen
    assert str(plan) == (
        f"Resuming {first.run.name} (Failed). 6 cells: 1 restored, 1 kept, 4 run."
    )
    assert state.is_completed()
    assert written(report, "mails") == "x"
    assert written(report, "plain") == "xx"
    assert written(report, "sums") == "6"
    # And the cell that was kept shows what it showed
    after = nbformat.read(report.with_name("out.ipynb"), 4)
    kept = {cell.id: cell for cell in after.cells}["cell-2"]
    assert kept.outputs == {c.id: c for c in before.cells}["cell-2"].outputs
    assert [output.output_type for output in kept.outputs] == [
        "stream",
        "execute_result",
    ]
    assert kept.metadata.papermill.status == "completed"
    # And it is a run of its own, that knows where it comes from
    record = home.store.record(state.run_id)
    assert record.run.details["resumes"] == first.run.id
    assert record.run.parameters == first.run.parameters == {"day": 7}
    states = cells_of(home, state)
    assert (states["load"], states["cell 4"], states["cell 5"]) == (
        "Cached",
        "Kept",
        "Completed",
    )


def test_going_on_twice(report, home):
    """What may run once stays kept, however often and wherever the run is resumed."""
    name = home.store.record(run(report).run_id).run.name
    name = home.store.record(run(report, resume=name).run_id).run.name
    with pytest.raises(papermill.PapermillExecutionError):
        papermill.execute_notebook(
            report,
            report.with_name("out.ipynb"),
            cwd=report.parent,
            engine_name="nborch",
            resume=name,
            progress_bar=False,
        )

    assert written(report, "mails") == "x"
    assert written(report, "plain") == "xxx"
    kept = nbformat.read(report.with_name("out.ipynb"), 4).cells
    assert [c.outputs[0].text for c in kept if c.id == "cell-2"] == ["mailed\n"]


def test_another_attempt_of_the_same_run(report):
    """Also when a run retries by itself, what may run once is run once."""
    state = run(report, retries=1)

    assert state.is_failed()
    assert written(report, "mails") == "x"
    assert written(report, "plain") == "xx"


def test_a_run_that_was_killed(report, home, script, until):
    """After SIGKILL a run is resumed like any other."""
    sleep = "open('asleep', 'w').close()\nimport time\ntime.sleep(0 if fixed else 60)"
    find = "import os\nfixed = os.path.exists('fixed')"
    write(report, [*SOURCES[:3], (find,), (sleep,), ("open('end', 'w').close()",)])
    program = """
        import sys
        from nborch import notebook_flow
        notebook_flow(sys.argv[1], output=sys.argv[2])()
    """
    output = report.with_name("out.ipynb")
    runner = script(program, report, output)
    assert until(report.with_name("asleep").exists, 30), runner.communicate()

    runner.send_signal(signal.SIGKILL)
    runner.wait()
    report.with_name("fixed").touch()
    home.reap()
    (killed,) = home.store.records(of="report")
    assert killed.state.name == "Crashed"
    state = run(report, resume=killed.run.id)

    assert state.is_completed()
    assert written(report, "mails") == "x"
    assert report.with_name("end").exists()
    states = cells_of(home, state)
    assert (states["load"], states["cell 3"]) == ("Cached", "Kept")


def plan_of(report, home, record):
    from nborch.notebook.loading import load_notebook

    return resume(home, record, load_notebook(report))


def test_what_was_edited_since(report, home):
    """What may run once but was edited since is run again, and that is said."""
    record = home.store.record(run(report).run_id)
    edited = [*SOURCES]
    edited[2] = (SOURCES[2][0] + "\n# edited",)
    write(report, edited)

    plan = plan_of(report, home, record)

    assert plan.edited == (2,)
    assert "Cell 3 is run once more: its text has changed since." in str(plan)
    assert plan.kept == {}
    # And a notebook whose cells have other ids, in another order, is known by its texts
    moved = [("'new'",), *SOURCES]
    write(report, moved)
    assert list(plan_of(report, home, record).kept) == [3]
    # And if the document is gone, what may run once is not run for all that
    write(report, SOURCES)
    report.with_name("out.ipynb").unlink()
    plan = plan_of(report, home, record)
    assert (list(plan.kept), plan.kept[2].outputs) == ([2], ())
    assert plan.restored == (1,)
    # And what the cache has lost is not said to be restored
    home.cache.collect(max_bytes=0)
    assert plan_of(report, home, record).restored == ()


def test_what_cannot_be_resumed(report, home):
    """Only the runs of notebooks that are over can be resumed."""

    @flow
    def etl():
        return 1

    etl()
    (record,) = home.store.records(of="etl")

    with pytest.raises(InvalidDeclaration, match="is a run of the flow 'etl', not of"):
        notebook_run_of(home, record.run.name)
    with pytest.raises(NotFound, match="No run is called 'nobody'"):
        notebook_run_of(home, "nobody")


def test_parameters_of_a_lost_document(report, home):
    """Without the document, the values that the store has in full are used."""
    record = home.store.record(run(report, parameters={"day": 3}).run_id)
    document = json.loads(report.with_name("out.ipynb").read_text())
    assert parameters_of(record) == {"day": 3}

    document["metadata"]["nborch"]["run"] = "another"
    report.with_name("out.ipynb").write_text(json.dumps(document))

    assert parameters_of(record) == {"day": 3}
    record.run.details["parameters"]["rows"] = "[1, 2]"
    with pytest.raises(NotFound, match=r"The parameter 'rows' .* is gone"):
        parameters_of(record)
    assert parameters_of(record, {"rows": [4]}) == {"day": 3, "rows": [4]}
    # And a value that lost its type is not taken for the one that was given
    record.run.details["parameters"]["day"] = "datetime.date(2026, 1, 2)"
    with pytest.raises(InvalidDeclaration, match=r"'day' of .* was datetime\.date"):
        check_parameters_are(record, ["day"], {"day": "2026-01-02"})


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (Resumption("a", "Failed", 1), "Resuming a (Failed). 1 cell: 1 run."),
        (
            Resumption("a", "Crashed", 3, (0, 1, 2)),
            "Resuming a (Crashed). 3 cells: 3 restored.",
        ),
        (Resumption("a", "Failed"), "Resuming a (Failed). 0 cells: none run."),
    ],
)
def test_the_plan_in_words(plan, text):
    """What will happen is said in a line."""
    assert str(plan) == text
