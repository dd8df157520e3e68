"""Notebooks in this very process: outputs as from a kernel, and nothing left behind."""

import builtins
import json
import os
import re
import signal
import sys
import textwrap
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from IPython.core.getipython import get_ipython
from listeners import Silent
from nbformat.v4 import new_code_cell, new_notebook

from nborch.context import enclosing_run
from nborch.notebook.client import CellOutcome, run_cells
from nborch.notebook.execution import NotebookRun

COMPLETED, FAILED, NOT_RUN = (
    CellOutcome.COMPLETED,
    CellOutcome.FAILED,
    CellOutcome.NOT_RUN,
)
ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals and sockets of POSIX"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def run(*sources, kernel="inprocess", tags=(), **options):
    cells = [new_code_cell(source, metadata={"tags": list(tags)}) for source in sources]
    nb = new_notebook(cells=cells)
    reports = run_cells(nb, kernel_name=kernel, listener=Silent(), **options)
    return nb, reports


def shown(cell):
    return "".join(
        o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs
    )


CELLS = [
    "1 + 1",
    "print('a', flush=True); import sys; print('b', file=sys.stderr)",
    "for i in range(200): print(i)",
    "from IPython.display import *\ndisplay(HTML('<b>x</b>'), JSON({'a': [1]}))",
    "display(Image(data=b'\\x89PNG\\r\\n\\x1a\\n', format='png'), {'text/latex': '$x$'}, raw=False)",
    "handle = display('one', display_id='id'); display('two')",
    "handle.update('changed'); print('here')",
    "print('old', flush=True); clear_output(); print('new')",
    "print('old', flush=True); clear_output(wait=True); print('new')",
    "1;",
    "None",
    "!echo hi",
    "import asyncio\nawait asyncio.sleep(0.01); 5",
    "later = asyncio.create_task(asyncio.sleep(0, 'later')); 1",
    "await later",
    "_, __, list(_oh), len(In)",
    "class A:\n    def _repr_png_(self): return b'123'\n    def _repr_html_(self): return '<i>'\nA()",
    "import threading\nt = threading.Thread(target=print, args=('in a thread',)); t.start(); t.join()",
    "import pickle\npickle.loads(pickle.dumps(A())).__class__.__module__",
    "__name__, get_ipython().execution_count",
    "%who",
    "%history -n 1",
    "x = ",
    "1 / 0",
    "def f():\n    return undefined\n\nf()",
    "%nosuch",
    "raise SystemExit(3)",
    "%%capture out\nprint('z')\n7",
    "out.stdout, out.outputs",
    "import os; os.path.basename(os.getcwd()), os.environ['MINE'], '' in sys.path",
    "import warnings; warnings.warn('careful')",
    "import mine; mine.VALUE",
    "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);",
]


def seen(cell, report):
    """All that a reader sees of a cell, without what changes from run to run."""
    text = json.dumps(cell.outputs, sort_keys=True)
    text = re.sub(r"0x[0-9a-f]+|ipykernel_\d+/\d+|\d+\.py", "...", text)
    text = re.sub(r'"image/png": "i[^"]*"', '"image/png": ...', text)
    error = report.error and (report.error.name, report.error.line)
    return report.outcome, cell.execution_count, error, text


def test_a_notebook_shows_what_it_shows_in_a_kernel(tmp_path):
    """Values, streams, displays, errors, counts and magics are those of a kernel."""
    (tmp_path / "mine.py").write_text("VALUE = 'beside'")
    options = {"cwd": str(tmp_path), "tags": ["raises-exception"]}
    options["env"] = {"MINE": "1", "PYTHONPATH": str(ROOT)}
    ours, our_reports = run(*CELLS, **options)
    theirs, their_reports = run(*CELLS, kernel="python3", **options)

    for source, *pair in zip(
        CELLS, ours.cells, our_reports, theirs.cells, their_reports, strict=True
    ):
        assert seen(*pair[:2]) == seen(*pair[2:]), source
    assert ours.metadata.language_info.name == "python"
    assert "image/png" in ours.cells[-1].outputs[0].data


def state_of_the_process():
    return {
        "folder": Path.cwd(),
        "variables": dict(os.environ),
        "path": list(sys.path),
        "main": sys.modules["__main__"],
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "builtins": {
            n: getattr(builtins, n, None) for n in ("input", "display", "get_ipython")
        },
        "shell": get_ipython(),
        "start": threading.Thread.start,
        "filters": list(warnings.filters),
        "run": enclosing_run(),
        "beside": "beside" in sys.modules,
        "threads": [t.name for t in threading.enumerate() if "inprocess" in t.name],
    }


USES = """
import os, sys, warnings, builtins, beside
os.chdir("/"); os.environ["LEFT"] = "1"; del os.environ["HOME"]
sys.path.append("left"); warnings.simplefilter("ignore"); builtins.input = None
beside.VALUE
"""


def test_nothing_is_left_behind(tmp_path):
    """A notebook may change what a kernel has to itself; the process gets all back."""
    before = state_of_the_process()
    values = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "beside.py").write_text(f"VALUE = {number}")

        nb, reports = run(USES, "name = 1", "1 / 0", cwd=str(folder))

        assert [r.outcome for r in reports] == [COMPLETED, COMPLETED, FAILED]
        values.append(shown(nb.cells[0]))
        # Also if a cell has failed
        assert state_of_the_process() == before
    # And each notebook has modules and names of its own
    assert values == ["1", "2"]
    assert shown(run("'name' in globals()")[0].cells[0]) == "False"


def test_others_print_where_they_always_do(capsys, until):
    """What other threads print meanwhile does not get into the notebook."""
    stop = threading.Event()

    def chatter():
        while not stop.wait(0.01):
            sys.stdout.write("chatter")

    other = threading.Thread(target=chatter)
    other.start()
    try:
        nb, _ = run("import time; print('cell'); time.sleep(0.1); print('cell')")
    finally:
        stop.set()
        other.join()

    assert shown(nb.cells[0]) == "cell\ncell\n"
    told = capsys.readouterr().out
    assert "chatter" in told
    assert "cell" not in told


@pytest.mark.parametrize(
    "source",
    ["n = 0\nwhile True: n += 1", "import asyncio\nawait asyncio.sleep(60)"],
)
def test_a_cell_that_takes_too_long(source):
    """A cell is interrupted where it runs Python and where it awaits."""
    _, reports = run(source, "'not run'", timeout_seconds=0.3, grace_seconds=30)

    assert [r.outcome for r in reports] == [CellOutcome.TIMED_OUT, NOT_RUN]
    assert "killed" not in reports[0].error.message


def test_a_cell_that_will_not_stop():
    """A cell that cannot be interrupted is given up, and the process is taken back."""
    before = state_of_the_process()
    slow = "import time\nstarted = time.monotonic()\nwhile time.monotonic() - started < 2:\n    try: time.sleep(2)\n    except BaseException: pass\nprint('too late')"

    nb, reports = run(slow, "1", timeout_seconds=0.2, grace_seconds=0.1)

    assert [r.outcome for r in reports] == [CellOutcome.TIMED_OUT, NOT_RUN]
    assert "so its thread was given up" in reports[0].error.message
    after = state_of_the_process()
    assert {**after, "threads": []} == before
    # And the next notebook gets its turn
    assert run("1")[1][0].outcome is COMPLETED
    for thread in threading.enumerate():
        if thread.name == "nborch-inprocess":
            thread.join(5)
    assert state_of_the_process() == before
    assert shown(nb.cells[0]) == ""


@pytest.mark.parametrize("leaves", ["exit()", "import sys; sys.exit(0)"])
def test_leaving_early(leaves):
    """exit() and sys.exit(0) end the notebook, not the process."""
    _, reports = run("1", leaves, "2")

    assert [r.outcome for r in reports] == [COMPLETED, COMPLETED, NOT_RUN]


def test_what_is_run_silently_leaves_no_trace():
    """Code that is run before a cell, unseen, is no cell: no output, count or history."""
    nb, reports = run("hidden", "len(In), _", silent={0: "hidden = 7\n8"})

    assert [r.outcome for r in reports] == [COMPLETED, COMPLETED]
    assert [shown(cell) for cell in nb.cells] == ["7", "(3, 7)"]
    assert [cell.execution_count for cell in nb.cells] == [1, 2]


def test_notebooks_take_turns(tmp_path):
    """Notebooks of several threads run one after the other, each in its own folder."""
    source = "import os, time; a = os.getcwd(); time.sleep(0.05); print(a == os.getcwd(), os.path.basename(a))"
    folders = [tmp_path / str(number) for number in range(4)]
    for folder in folders:
        folder.mkdir()

    with ThreadPoolExecutor(4) as threads:
        told = list(threads.map(lambda folder: run(source, cwd=str(folder)), folders))

    assert [shown(nb.cells[0]).split() for nb, _ in told] == [
        ["True", str(n)] for n in range(4)
    ]


def test_late_output_reaches_its_cell():
    """What a task or a thread of an earlier cell shows later still shows there."""
    late = """
        import asyncio, threading
        def shows():
            go.wait(); print("thread")
        async def later():
            await asyncio.sleep(0.05); print("task"); display("shown")
        go = threading.Event()
        task, thread = asyncio.create_task(later()), threading.Thread(target=shows)
        thread.start()
    """

    nb, _ = run(
        textwrap.dedent(late), "go.set(); thread.join(); await task; print('second')"
    )

    assert sorted(shown(nb.cells[0]).replace("'shown'", "shown\n").split()) == [
        "shown",
        "task",
        "thread",
    ]
    assert shown(nb.cells[1]) == "second\n"


INTERRUPTED = """
    from test_inprocess_kernel import run

    nb, reports = run("print('here')", "n = 0\\nwhile True: n += 1", "3")
    print([report.outcome.value for report in reports], reports[1].error.message)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels(number, script, tmp_path, until):
    """Ctrl-C and SIGTERM end the cell that runs, not the process."""
    source = INTERRUPTED.replace(
        "n = 0", f"open({str(tmp_path / 'runs')!r}, 'w').close(); n = 0"
    )
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    program = script(source, PYTHONPATH=paths)
    assert until((tmp_path / "runs").exists), program.communicate(timeout=5)

    program.send_signal(number)
    told, trouble = program.communicate(timeout=20)

    assert (program.returncode, trouble) == (0, "")
    assert (
        told == f"['completed', 'cancelled', 'not run'] Cancelled by {number.name}.\n"
    )


def test_a_notebook_within_one_is_refused():
    """A notebook in this process cannot wait for another one in it."""
    inner = """
        import nbformat
        from listeners import Silent
        from nborch.notebook.client import run_cells
        nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
        run_cells(nb, kernel_name="inprocess", listener=Silent())
    """

    _, reports = run("if True:" + inner)

    assert reports[0].outcome is FAILED
    assert "cannot run another one in it" in reports[0].error.message


def test_cell_tasks_are_restored(home, tmp_path):
    """%%task cells are task runs of the flow, restored the second time."""
    sources = [
        "%load_ext nborch",
        "%%task load\nrows = [1, 2]\nprint('loaded')",
        "len(rows)",
    ]
    states = []
    for _ in range(2):
        nb = new_notebook(cells=[new_code_cell(source) for source in sources])
        flow_run = NotebookRun(home, str(tmp_path / "report.ipynb"))

        flow_run.execute(nb, "python3", str(tmp_path), engine="inprocess")

        assert flow_run.state.is_completed()
        states.append([cell.state.name for cell in flow_run.cells])
        assert shown(nb.cells[2]) == "2"
        assert "loaded" in shown(nb.cells[1])

    assert states == [["Completed"] * 3, ["Completed", "Cached", "Completed"]]


def test_many_cells_cost_little():
    """A trivial cell takes a fraction of what it takes in a kernel."""
    sources = [f"x{n} = {n}" for n in range(200)]
    run("1")

    started = time.perf_counter()
    _, reports = run(*sources)
    seconds = time.perf_counter() - started

    assert {r.outcome for r in reports} == {COMPLETED}
    assert seconds / len(sources) < 0.01
