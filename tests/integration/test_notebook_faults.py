"""What may go wrong around a notebook that runs: disks, floods, outputs, kills."""

import json
import logging
import os
import threading
from pathlib import Path

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from papermill.iorw import papermill_io

from nborch.notebook import remote_documents
from nborch.notebook.execution import NotebookRun
from nborch.notebook.remote_documents import RemoteDocument

ROOT = str(Path(__file__).resolve().parents[2])

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX"),
    # Other packages' event loops and sockets, not ours to fix.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.timeout(180),
]


@pytest.fixture
def notebook(tmp_path, home, monkeypatch):
    """Write a notebook of these cells; return its path."""
    monkeypatch.setenv("PYTHONPATH", ROOT)

    def write(*sources):
        spec = {"name": "python3", "display_name": "python3", "language": "python"}
        cells = [new_code_cell(source) for source in sources]
        path = tmp_path / "report.ipynb"
        nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": spec}), path)
        return path

    return write


def execute(path, home, output, **options):
    run = NotebookRun(home, str(path), str(output))
    nb = nbformat.read(path, 4)
    return run, run.execute(nb, "python3", str(path.parent), **options)


def statuses(output):
    cells = json.loads(Path(output).read_text())["cells"]
    return [cell["metadata"]["papermill"]["status"] for cell in cells]


KILLED = """
    import json, os, random, signal, sys, time
    from nbformat.v4 import new_code_cell, new_notebook
    from papermill.iorw import papermill_io, write_ipynb
    from nborch.notebook.documents import Document
    from nborch.notebook.remote_documents import write_files_whole

    path, whole = sys.argv[1:]
    if whole == "whole":
        write_files_whole()
    nb = new_notebook(cells=[new_code_cell("x" * 5_000) for _ in range(20)])
    document = Document(nb, path)
    document.save(force=True)

    def save_for_ever():
        number = 0
        while True:
            number += 1
            nb.cells[number % 20].source = str(number) * 1_000
            document.touch(number % 20)
            if number % 2:
                document.save(force=True)
            else:
                write_ipynb(nb, path)

    chance, bad = random.Random(7), 0
    for _ in range(50):
        child = os.fork()
        if child == 0:
            save_for_ever()
        time.sleep(chance.uniform(0.002, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        try:
            bad += len(json.load(open(path))["cells"]) != 20
        except ValueError:
            bad += 1
    print(bad)
"""


def test_killed_while_saving(script, tmp_path):
    """Whoever is killed while a notebook is saved, fifty times, leaves a whole one."""
    program = script(KILLED, tmp_path / "out.ipynb", "whole")

    told, errors = program.communicate(timeout=100)

    assert told.strip() == "0", errors


FULL = """
    import logging, pathlib, resource, sys
    import nbformat
    from nborch.home import current_home
    from nborch.notebook.execution import NotebookRun

    path, output, back = sys.argv[1:]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    class Told(logging.Handler):
        def emit(self, record):
            print("told", flush=True)
            if back == "comes back":
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            pathlib.Path("told").touch()

    def fill(run):
        if sum(cell.report is not None for cell in run.cells) == 1:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))

    logging.getLogger("nborch.notebook").addHandler(Told())
    run = NotebookRun(current_home(), path, output, on_change=fill)
    state = run.execute(nbformat.read(path, 4), "python3", ".")
    current_home().recorder.flush()
    print(state.name, "|", state.message)
"""
CELLS = (
    "print('first')",
    """print('x' * 3_000_000)
import os, time
end = time.monotonic() + 20
while not os.path.exists('told') and time.monotonic() < end:
    print('.', flush=True)
    time.sleep(0.05)""",
    "print('last')",
)


@pytest.mark.parametrize("back", ["comes back", "stays away"])
def test_the_disk_is_full(back, notebook, script, tmp_path, home):
    """A save that fails leaves the version before, and is told once; the run goes on."""
    path, output = notebook(*CELLS), tmp_path / "out.ipynb"

    told, errors = script(FULL, path, output, back).communicate(timeout=100)

    # Then it was told once
    assert told.count("told") == 1, errors
    (record,) = home.store.records(of="report")
    cells = home.store.children(record.run.id)
    assert [cell.state.name for cell in cells] == ["Completed"] * 3
    assert f"{record.state.name} |" in told
    saved = json.loads(output.read_text())
    if back == "comes back":
        # And when there is space again, nothing is missing
        assert record.state.is_completed()
        assert "last\n" in saved["cells"][2]["outputs"][0]["text"]
    else:
        # And a run whose document is lost is no success; the version before is whole
        assert record.state.is_failed()
        assert "File too large" in told
        assert len(saved["cells"]) == 3
        assert output.stat().st_size < 2_000_000
    assert sorted(p.name for p in tmp_path.glob("*.tmp")) == []


FLOOD = """
    import resource, sys
    import nbformat
    from nborch.home import current_home
    from nborch.notebook.execution import NotebookRun

    path, output = sys.argv[1:]
    run = NotebookRun(current_home(), path, output, on_change=lambda run: None)
    nb = nbformat.read(path, 4)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    state = run.execute(nb, "python3", ".")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    print(state.name, (after - before) * unit)
"""


@pytest.mark.slow
def test_a_flood_of_output(notebook, script, tmp_path, home):
    """A hundred megabytes of prints are all in a file; memory and document stay small."""
    path = notebook(
        "line = 'x' * 990\nfor i in range(100_000): print(f'{i:09}', line, sep='')",
        "print('next')",
    )
    output = tmp_path / "out.ipynb"

    told, errors = script(FLOOD, path, output).communicate(timeout=150)

    name, grown = told.split()
    assert name == "Completed", errors
    assert int(grown) < 300_000_000, "a quarter of it was measured"
    assert output.stat().st_size < 1_000_000
    (record,) = home.store.records(of="report")
    whole = home.folder / "outputs" / record.run.id / "cell-1.stdout.txt"
    with whole.open() as lines:
        assert all(int(line[:9]) == i for i, line in enumerate(lines))
    assert whole.stat().st_size == 100_000_000
    shown = json.loads(output.read_text())["cells"][0]["outputs"]
    assert len(shown) == 1
    assert str(whole) in "".join(shown[0]["text"])
    assert shown[0]["text"][-1].startswith("000099999")


def test_an_output_that_no_notebook_can_hold(notebook, tmp_path, home):
    """A display that is not valid fails its cell, and says where the value stands."""
    path, output = (
        notebook(
            "from IPython.display import display\n"
            "print('so far')\ndisplay({'image/png': 5}, raw=True)",
            "2",
        ),
        tmp_path / "out.ipynb",
    )

    run, state = execute(path, home, output)

    assert state.is_failed()
    assert "output['data']['image/png'] is 5" in run.failed.report.error.message
    assert statuses(output) == ["failed", "pending"]
    nbformat.validate(nbformat.read(output, 4))


class Memory:
    """A place of one's own for notebooks, as other packages register them."""

    def __init__(self):
        self.written = []

    def write(self, text, path):
        json.loads(text)
        self.written.append((path, text))

    def read(self, path):
        return self.written[-1][1]

    def pretty_path(self, path):
        return path


@pytest.fixture
def memory(monkeypatch):
    """A registered place, under an address and under a plain prefix."""
    place = Memory()
    handlers = list(papermill_io._handlers)
    papermill_io.register("memory://", place)
    papermill_io.register("shelf!", place)
    yield place
    papermill_io._handlers = handlers


@pytest.mark.parametrize("address", ["memory://out.ipynb", "shelf!out.ipynb"])
def test_any_place_that_papermill_can_write_to(
    address, memory, notebook, tmp_path, monkeypatch
):
    """What papermill's handlers accept is written while the notebook runs, and whole."""
    monkeypatch.setattr(remote_documents, "LEAST_SECONDS", 0.05)
    path = notebook("print('first')", "import time; time.sleep(0.5)\nprint('last')")

    papermill.execute_notebook(
        str(path), address, engine_name="nborch", progress_bar=False
    )

    assert {place for place, _ in memory.written} == {address}
    versions = [json.loads(text) for _, text in memory.written]
    assert len(versions) > 2
    assert versions[-1]["cells"][1]["outputs"][0]["text"] == ["last\n"]
    assert not (tmp_path / address).exists()


def test_a_slow_place_holds_nobody_up(caplog):
    """A remote save is made in the background, one at a time; a failure is told once."""
    nb = new_notebook(cells=[new_code_cell("1")])
    now, written, go_on = [0.0], [], threading.Event()

    def write(text, address):
        written.append(address)
        assert go_on.wait(20)
        raise ConnectionError("no route")

    document = RemoteDocument(nb, "s3://b/x.ipynb", clock=lambda: now[0], write=write)

    begun = [document.save(), document.save()]
    now[0] = 11.0
    begun.append(document.save())
    go_on.set()
    with caplog.at_level(logging.WARNING):
        document.finish()
        begun.append(document.save())
        document.finish()

    # Then one was under way, and the next came when it was over
    assert begun == [True, False, False, True]
    assert written == ["s3://b/x.ipynb"] * 2
    assert caplog.text.count("could not be saved to 's3://b/x.ipynb': no route") == 1


def test_papermill_tells_of_a_limit(notebook, tmp_path):
    """Under papermill, a cell that takes too long is its error, and no other has run."""
    path, output = notebook("1", "while True: pass", "3"), tmp_path / "out.ipynb"

    with pytest.raises(papermill.PapermillExecutionError, match="took longer than 1"):
        papermill.execute_notebook(
            str(path),
            str(output),
            engine_name="nborch",
            execution_timeout=1,
            progress_bar=False,
        )

    # NB. papermill puts two cells of its own into the document.
    found = json.loads(output.read_text())["cells"]
    marks = [cell["metadata"].get("papermill", {}).get("status") for cell in found]
    assert [mark for mark in marks if mark] == ["completed", "failed", "pending"]


def test_papermill_tells_of_an_early_stop(notebook, tmp_path):
    """Under papermill, a notebook that stops early is a success."""
    path = notebook("import nborch\nnborch.stop('nothing new')", "1 / 0")

    nb = papermill.execute_notebook(
        str(path), str(tmp_path / "out.ipynb"), engine_name="nborch", progress_bar=False
    )

    assert statuses(tmp_path / "out.ipynb") == ["completed", "pending"]
    assert nb.metadata.nborch.state["name"] == "StoppedEarly"
