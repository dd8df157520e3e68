"""Notebooks in real kernels: what is told of their cells, whatever happens to them."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from nborch.exceptions import CrashedRun, InvalidDeclaration, NotFound
from nborch.notebook.client import EVENT_MIME, CellOutcome, run_cells

COMPLETED, FAILED, CRASHED, CANCELLED, TIMED_OUT, NOT_RUN, KEPT = CellOutcome
ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals and sockets of POSIX"),
    # Other packages' event loops and sockets, not ours to fix.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Listener:
    """Writes down what it is told."""

    def __init__(self):
        self.told = []
        self.changed = set()
        self.notices = 0

    def cell_started(self, index):
        self.told.append(("started", index))
        return {"task_run": f"run-{index}"}

    def cell_message(self, index, payload):
        self.told.append(("message", index, payload))

    def cell_output(self, index):
        self.changed.add(index)
        self.notices += 1

    def cell_finished(self, report):
        self.told.append(("finished", report.index, report.outcome))


@pytest.fixture(scope="module")
def env():
    """The variables that let a kernel in any folder find this nborch."""
    return {"PYTHONPATH": str(ROOT)}


@pytest.fixture
def listener():
    return Listener()


def book(*sources):
    """A notebook of code cells; a tuple is a source with its tags."""
    cells = [
        new_code_cell(
            textwrap.dedent(source).strip("\n"), metadata={"tags": list(tags)}
        )
        for source, *tags in (s if isinstance(s, tuple) else (s,) for s in sources)
    ]
    return new_notebook(cells=cells)


def outcomes(reports):
    return [report.outcome for report in reports]


def text_of(cell, name="stdout"):
    return "".join(
        output.text
        for output in cell.outputs
        if output.output_type == "stream" and output.name == name
    )


def is_gone(pid, seconds=10.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_a_notebook_that_succeeds(listener, env, tmp_path):
    """Every code cell is run in order and told of, with what Jupyter would record."""
    nb = book(
        "import os; print(os.getpid(), os.getcwd(), os.environ['NBORCH_HOME'])",
        "from nborch.notebook.sent import request_metadata\nrequest_metadata()",
        f"from IPython.display import display\n"
        f"display({{{EVENT_MIME!r}: {{'state': 'cached'}}}}, raw=True)\nprint('after')",
        "",
        "get_ipython().kernel.get_parent('shell')['metadata']['cellId']",
    )
    nb.cells.insert(1, new_markdown_cell("# Text"))

    reports = run_cells(
        nb,
        kernel_name="python3",
        cwd=str(tmp_path),
        env={**env, "NBORCH_HOME": "here"},
        listener=listener,
    )

    # Then each cell with a source is reported, with its place in the notebook
    assert [report.index for report in reports] == [0, 2, 3, 5]
    assert outcomes(reports) == [COMPLETED] * 4
    assert all(report.error is None for report in reports)
    assert all(0 < report.seconds < 30 for report in reports)
    assert listener.told == [
        ("started", 0),
        ("finished", 0, COMPLETED),
        ("started", 2),
        ("finished", 2, COMPLETED),
        ("started", 3),
        ("message", 3, {"state": "cached"}),
        ("finished", 3, COMPLETED),
        ("started", 5),
        ("finished", 5, COMPLETED),
    ]
    assert {0, 2, 3, 5} <= listener.changed
    # And the kernel saw its folder, its variables, and what the listener sent along
    pid, folder, home = text_of(nb.cells[0]).split()
    assert (folder, home) == (str(tmp_path), "here")
    assert nb.cells[2].outputs[0].data["text/plain"] == "{'task_run': 'run-2'}"
    assert nb.cells[5].outputs[0].data["text/plain"] == repr(nb.cells[5].id)
    # And the event is no output
    assert [output.output_type for output in nb.cells[3].outputs] == ["stream"]
    # And the notebook is recorded as Jupyter records it
    assert [cell.get("execution_count") for cell in nb.cells] == [
        1,
        None,
        2,
        3,
        None,
        4,
    ]
    assert set(nb.cells[0].metadata.execution) == {
        "iopub.execute_input",
        "iopub.status.busy",
        "iopub.status.idle",
        "shell.execute_reply",
    }
    assert nb.metadata.language_info.name == "python"
    assert is_gone(pid)


OUTPUTS = [
    "for i in range(50): print(i, flush=True)",
    "import sys\nprint('a', flush=True); print('b', file=sys.stderr, flush=True); print('c')",
    "print('10%', end='\\r'); print('20%', flush=True, end='\\r'); print('done')",
    "from IPython.display import *\nimport time\ndisplay(HTML('<b>x</b>'), JSON({'a': [1]}))",
    "display(Image(data=b'\\x89PNG\\r\\n\\x1a\\n', format='png'), {'text/latex': '$x$'}, raw=False)",
    "shown = display('one', display_id='id'); display('two'); print('x')",
    "shown.update('changed'); print('here')",
    "print('old', flush=True); clear_output(); print('new')",
    "print('old', flush=True); clear_output(wait=True); print('new')",
    "print('kept', flush=True); clear_output(wait=True)",
    "d = display('a', display_id=True); clear_output(); d.update('b'); display('c', display_id=d.display_id); d.update('d')",
    "1, 'two'",
    "%%capture hidden\nprint('unseen')",
    "hidden.show()",
    "%%javascript\nalert(1)",
    "!echo from the shell",
    "import os; os.system('echo from a process') and None",
    "1 / 0",
    "%nosuchmagic",
    "await __import__('asyncio').sleep(0.01); 'awaited'",
]


def merged(outputs):
    """The outputs with consecutive pieces of a stream joined, as nborch keeps them."""
    kept = []
    for output in json.loads(json.dumps(outputs)):
        last = kept[-1] if kept else {}
        if output.get("name") and last.get("name") == output["name"]:
            last["text"] += output["text"]
        else:
            kept.append(output)
    return kept


def test_outputs_are_what_nbclient_keeps(listener, env):
    """Displays, updates, clearing, streams and errors are kept as nbclient keeps them."""
    peer, ours = book(*OUTPUTS), book(*OUTPUTS)

    NotebookClient(peer, kernel_name="python3", allow_errors=True).execute()
    run_cells(
        ours, kernel_name="python3", env=env, listener=listener, allow_errors=True
    )

    for expected, cell in zip(peer.cells, ours.cells, strict=True):
        assert merged(cell.outputs) == merged(expected.outputs), cell.source
        assert cell.outputs == merged(cell.outputs), "consecutive pieces are joined"


ERRORS = [
    # source, name, line, source line
    ("x = 1\n1 / 0", "ZeroDivisionError", 2, "1 / 0"),
    ("def f():\n    raise KeyError('k')\n", None, None, None),
    ("y = 1\n\nf()", "KeyError", 3, "f()"),
    ("def g():\n    f()\n\ng()", "KeyError", 2, "f()"),
    ("import json\njson.loads('[')", "JSONDecodeError", 2, "json.loads('[')"),
    ("x = 1\ny = = 2", "SyntaxError", 2, "y = = 2"),
    ("if True:\nx", "IndentationError", 2, "x"),
    ("%%time\nx = 1\n1 / 0", "ZeroDivisionError", 3, "1 / 0"),
    ("%%time\nx = 1\ny = = 2", "SyntaxError", 3, "y = = 2"),
    ("%%bash\nfalse", "CalledProcessError", 1, "%%bash"),
    ("print(1)\ninput('? ')", "StdinNotImplementedError", 2, "input('? ')"),
    ("import sys\nsys.exit(1)", "SystemExit", None, None),
    ("import ast\nast.parse('\\n\\n= 1')", "SyntaxError", 2, "ast.parse('\\n\\n= 1')"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt", 1, "raise KeyboardInterrupt"),
    ("x = 1\n%nosuchmagic", "UsageError", 2, "%nosuchmagic"),
    ("raise ValueError('a\\nb')", "ValueError", 1, "raise ValueError('a\\nb')"),
    (
        "try:\n    1 / 0\nexcept Exception as e:\n    raise OSError from e",
        "OSError",
        4,
        "raise OSError from e",
    ),
    ("await __import__('asyncio').sleep(0)\nf()", "KeyError", 2, "f()"),
]


def test_errors_name_the_line(listener, env):
    """An error is placed at the line of the cell as the editor counts it."""
    nb = book(*(source for source, *_ in ERRORS))

    reports = run_cells(
        nb, kernel_name="python3", env=env, listener=listener, allow_errors=True
    )

    found = [
        (report.error.name, report.error.line, report.error.source_line)
        if report.error
        else (None, None, None)
        for report in reports
    ]
    assert found == [tuple(expected) for _, *expected in ERRORS]
    assert reports[15].error.headline == "ValueError: a"


def test_an_error_ends_the_run(listener, env):
    """After a cell that fails nothing is run; tags allow an error or skip a cell."""
    nb = book(
        ("1 / 0", "raises-exception"),
        ("print('skipped')", "skip-execution"),
        "print('run')",
        "# only a comment\nraise ValueError('no rows')",
        "print('not run')",
        ("print('nor this')", "raises-exception"),
    )
    nb.cells[4].execution_count = 7
    handler = "get_ipython().set_custom_exc((ValueError,), lambda *a, **k: None)\n"
    nb.cells[2].source = handler + nb.cells[2].source

    reports = run_cells(nb, kernel_name="python3", env=env, listener=listener)

    assert outcomes(reports) == [
        COMPLETED,
        NOT_RUN,
        COMPLETED,
        FAILED,
        NOT_RUN,
        NOT_RUN,
    ]
    assert reports[0].error.name == "ZeroDivisionError"
    assert text_of(nb.cells[2]) == "run\n"
    # Also if the user's handler of exceptions shows nothing
    assert [output.output_type for output in nb.cells[3].outputs] == ["error"]
    # And a cell that was not run shows nothing of an earlier run
    assert nb.cells[4].execution_count is None
    assert listener.told[-2:] == [("finished", 4, NOT_RUN), ("finished", 5, NOT_RUN)]


def test_a_displayed_error_is_an_error(listener, env):
    """A cell that displays an error has failed, also if a magic swallowed it."""
    nb = book(
        "def f():\n    1 / 0\ntry:\n    f()\nexcept Exception:\n"
        "    get_ipython().showtraceback()",
        "2",
    )

    reports = run_cells(nb, kernel_name="python3", env=env, listener=listener)

    assert outcomes(reports) == [FAILED, NOT_RUN]
    assert (reports[0].error.name, reports[0].error.line) == ("ZeroDivisionError", 2)


@pytest.mark.parametrize(
    "source", ["import sys; sys.exit(0)", "import sys; sys.exit()", "exit()", "quit()"]
)
def test_leaving_early_is_no_failure(source, listener, env):
    """sys.exit(0) and quit() end the run; the cell has done what it was to do."""
    nb = book("1", f"print('bye')\n{source}", "2")

    reports = run_cells(nb, kernel_name="python3", env=env, listener=listener)

    assert outcomes(reports) == [COMPLETED, COMPLETED, NOT_RUN]
    assert reports[1].error.stops_quietly
    assert text_of(nb.cells[1]) == "bye\n"


DEATHS = [
    ("os._exit(3)", "ended with exit code 3", None),
    ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL", None),
    ("ctypes.string_at(0)", "killed by SIGSEGV: compiled code", 4),
]


@pytest.mark.parametrize(("source", "message", "line"), DEATHS)
def test_the_kernel_dies_in_a_cell(source, message, line, listener, env):
    """When the kernel dies, its cell has crashed at once, and no other cell has."""
    nb = book(
        "import ctypes, os, signal, time",
        f"print('before', flush=True)\ntime.sleep(0.1)\ndied = time.time()\n{source}",
        "print('never')",
    )

    reports = run_cells(nb, kernel_name="python3", env=env, listener=listener)

    assert outcomes(reports) == [COMPLETED, CRASHED, NOT_RUN]
    assert message in reports[1].error.message
    assert reports[1].error.line == line
    assert text_of(nb.cells[1]) == "before\n"
    error = nb.cells[1].outputs[-1]
    assert (error.output_type, error.ename) == ("error", "DeadKernelError")
    assert error.evalue == reports[1].error.message
    assert reports[1].seconds < 0.1 + 0.3 + 0.6, "0.3 s to notice, the rest for load"


def test_the_kernel_dies_between_cells(listener, env):
    """A kernel that has died since the last cell has crashed the next one."""
    nb = book(
        "import os, threading\nthreading.Timer(0.2, os._exit, [5]).start()",
        "import time; time.sleep(30)",
        "2",
    )
    started = listener.cell_started

    def slowly(index):
        time.sleep(0.5 if index == 1 else 0)
        return started(index)

    listener.cell_started = slowly
    reports = run_cells(nb, kernel_name="python3", env=env, listener=listener)

    assert outcomes(reports) == [COMPLETED, CRASHED, NOT_RUN]
    assert "exit code 5" in reports[1].error.message
    assert nb.cells[1].outputs[0].ename == "DeadKernelError"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_output_is_lost(listener, env):
    """Thirty thousand flushed prints arrive, all of them, as one output."""
    nb = book("for i in range(30_000): print(i, flush=True)", "'next'")

    reports = run_cells(nb, kernel_name="python3", env=env, listener=listener)

    assert outcomes(reports) == [COMPLETED, COMPLETED]
    assert len(nb.cells[0].outputs) == 1
    assert text_of(nb.cells[0]).split() == [str(i) for i in range(30_000)]
    # And the listener was told of it ten times a second at most
    assert listener.notices <= 10 * reports[0].seconds + 5


def test_late_output_reaches_its_cell(listener, env):
    """What a task prints later belongs to the cell that started the task."""
    nb = book(
        """
        import asyncio
        async def later():
            await asyncio.sleep(0.2)
            print("late", flush=True)
        task = asyncio.create_task(later())
        print("first", flush=True)
        """,
        "print('second'); await task",
    )

    run_cells(nb, kernel_name="python3", env=env, listener=listener)

    assert text_of(nb.cells[0]) == "first\nlate\n"
    assert text_of(nb.cells[1]) == "second\n"


def test_a_cell_that_takes_too_long(listener, env):
    """A cell beyond its time is interrupted, at the line where it was."""
    nb = book("import time\nprint('begun')\ntime.sleep(60)", "2")

    reports = run_cells(
        nb, kernel_name="python3", env=env, listener=listener, timeout_seconds=0.5
    )

    assert outcomes(reports) == [TIMED_OUT, NOT_RUN]
    assert reports[0].error.message == "The cell took longer than 0.5 s."
    assert reports[0].error.line == 3
    assert reports[0].seconds < 5
    assert nb.cells[0].outputs[-1].output_type == "error"


def test_a_cell_that_will_not_stop(listener, env):
    """A cell that ignores the interrupt is killed with its kernel."""
    nb = book(
        "import os, signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print(os.getpid(), flush=True)\ntime.sleep(60)",
        "2",
    )

    reports = run_cells(
        nb,
        kernel_name="python3",
        env=env,
        listener=listener,
        timeout_seconds=0.5,
        grace_seconds=0.5,
    )

    assert outcomes(reports) == [TIMED_OUT, NOT_RUN]
    assert "so the kernel was killed" in reports[0].error.message
    assert nb.cells[0].outputs[-1].ename == "TimeoutError"
    assert is_gone(text_of(nb.cells[0]))


RUNNER = """
import asyncio, json, sys, time
from nbformat.v4 import new_code_cell, new_notebook
from nborch.notebook.client import run_cells

class Listener:
    def cell_started(self, index): return None
    def cell_message(self, index, payload): pass
    def cell_output(self, index): print("output", nb.cells[index].outputs[0].get("text"), flush=True)
    def cell_finished(self, report): pass

nb = new_notebook(cells=[new_code_cell(source) for source in json.loads(sys.argv[1])])
async def within_a_loop(): return run()
def run(): return run_cells(nb, kernel_name="python3", listener=Listener(), grace_seconds=30)
reports = asyncio.run(within_a_loop()) if sys.argv[2] == "loop" else run()
told = [[r.outcome.name, r.error and [r.error.name, r.error.message, r.error.line]] for r in reports]
print("told", json.dumps(told), flush=True)
"""


def start_runner(*sources, loop="no loop"):
    return subprocess.Popen(
        [sys.executable, "-c", RUNNER, json.dumps(sources), loop],
        stdout=subprocess.PIPE,
        text=True,
        # A kernel that believes to be tested does not read its own error stream.
        env={k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
        | {"PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize(
    ("number", "loop"),
    [(signal.SIGINT, "no loop"), (signal.SIGTERM, "no loop"), (signal.SIGINT, "loop")],
)
def test_a_signal_cancels(number, loop):
    """Ctrl-C and SIGTERM interrupt the cell, run no other, and leave no kernel."""
    runner = start_runner(
        "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)",
        "2",
        loop=loop,
    )
    pid = runner.stdout.readline().split()[1]

    runner.send_signal(number)
    told = runner.communicate(timeout=20)[0]

    assert json.loads(told.rpartition("told ")[2]) == [
        ["CANCELLED", ["KeyboardInterrupt", f"Cancelled by {number.name}.", 3]],
        ["NOT_RUN", None],
    ]
    assert runner.returncode == 0
    assert is_gone(pid, seconds=0.5)


def test_a_second_signal_kills():
    """A second Ctrl-C does not wait for a cell that ignores the first."""
    runner = start_runner(
        "import os, signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print(os.getpid(), flush=True)\ntime.sleep(60)"
    )
    pid = runner.stdout.readline().split()[1]

    runner.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert runner.poll() is None
    runner.send_signal(signal.SIGINT)
    told = runner.communicate(timeout=10)[0]

    assert "so the kernel was killed" in told
    assert '"CANCELLED"' in told
    assert is_gone(pid, seconds=0.5)


def test_a_crash_of_compiled_code_names_the_line():
    """When compiled code crashes, the line that called it is named."""
    runner = start_runner("import ctypes\ndef f():\n    ctypes.string_at(0)\n\nf()")

    told = json.loads(runner.communicate(timeout=20)[0].rpartition("told ")[2])

    assert told[0][1][2] == 5


def test_no_kernel_outlives_its_runner():
    """When the runner itself is killed, its kernel ends at once."""
    runner = start_runner(
        "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)"
    )
    pid = runner.stdout.readline().split()[1]

    runner.kill()
    runner.communicate()

    assert is_gone(pid, seconds=2)


def test_inside_a_running_loop(listener, env):
    """It may be called from a coroutine or a notebook, where a loop is running."""

    async def main():
        return run_cells(
            book("1 + 1"), kernel_name="python3", env=env, listener=listener
        )

    assert outcomes(asyncio.run(main())) == [COMPLETED]


@pytest.mark.parametrize(
    "method", ["cell_started", "cell_message", "cell_output", "cell_finished"]
)
def test_an_error_of_the_listener(method, listener, env):
    """An error of the listener ends the run and reaches the caller; no kernel is left."""

    def fail(*_):
        raise OSError("disk full")

    nb = book(
        "import os, time; print(os.getpid(), flush=True)",
        f"display({{{EVENT_MIME!r}: {{}}}}, raw=True); print(1, flush=True); time.sleep(60)",
    )
    if method in {"cell_started", "cell_finished"}:
        nb.cells[1].source = "2"
    calls = []
    original = getattr(listener, method)
    # The first cell passes, so that the process of its kernel is known.
    passes = 1 if method != "cell_message" else 0
    setattr(
        listener,
        method,
        lambda *given: (
            original(*given) if len(calls) < passes and not calls.append(1) else fail()
        ),
    )

    with pytest.raises(OSError, match="disk full"):
        run_cells(nb, kernel_name="python3", env=env, listener=listener)

    assert is_gone(text_of(nb.cells[0]))


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    """A function that installs a kernel for this test."""

    def install(name, argv, language="python"):
        folder = tmp_path / "jupyter" / "kernels" / name
        folder.mkdir(parents=True)
        spec = {"argv": argv, "display_name": name, "language": language}
        (folder / "kernel.json").write_text(json.dumps(spec))

    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    return install


def test_a_kernel_without_nborch(kernels, listener, env):
    """A kernel of another language, or one that lacks nborch, runs without it."""
    launcher = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernels("other", launcher, language="other")

    nb = book("import sys\n'nborch' in sys.modules")
    reports = run_cells(nb, kernel_name="other", env=env, listener=listener)

    assert outcomes(reports) == [COMPLETED]
    assert nb.cells[0].outputs[0].data["text/plain"] == "False"


def test_a_kernel_that_does_not_start(kernels, listener):
    """A kernel that ends at its start is an error that holds its last words."""
    kernels("broken", [sys.executable, "-c", "raise SystemExit('no such engine')"])
    kernels("absent", ["/no/such/program"])

    with pytest.raises(CrashedRun, match=r"'broken' .*exit code 1.*no such engine"):
        run_cells(book("1"), kernel_name="broken", listener=listener)
    with pytest.raises(CrashedRun, match=r"'absent' could not be started: .*program"):
        run_cells(book("1"), kernel_name="absent", listener=listener)
    assert listener.told == []


def test_wrong_usage(listener):
    """An unknown kernel and what is no notebook are refused."""
    with pytest.raises(NotFound, match=r"'pyhton3' .* Did you mean 'python3'\?"):
        run_cells(book("1"), kernel_name="pyhton3", listener=listener)
    with pytest.raises(InvalidDeclaration, match="format 4, not 'str'"):
        run_cells("report.ipynb", kernel_name="python3", listener=listener)


def test_nothing_is_left_behind(listener, env, tmp_path, monkeypatch, until):
    """A run leaves no file in the folder for temporary files, however it ended."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)

    run_cells(
        book("import os; os._exit(1)"),
        kernel_name="python3",
        env=env,
        listener=listener,
    )
    run_cells(book("1"), kernel_name="python3", env=env, listener=listener)

    # Exit handlers may still run for a moment
    assert until(lambda: not list(tmp_path.glob("nborch-*")))


def test_exit_handlers_are_run(listener, env, tmp_path, until):
    """When the last cell is done, the kernel still runs its exit handlers."""
    nb = book(
        f"import atexit, pathlib\natexit.register(pathlib.Path({str(tmp_path / 'left')!r}).touch)"
    )

    run_cells(nb, kernel_name="python3", env=env, listener=listener)

    assert until((tmp_path / "left").exists)


def test_notebooks_side_by_side(env):
    """Notebooks run at the same time in threads, each with its own kernel."""
    books = [
        book(f"x = {i}", "import time; time.sleep(0.2); print(x)") for i in range(3)
    ]

    with ThreadPoolExecutor(3) as pool:
        reports = list(
            pool.map(
                lambda nb: run_cells(
                    nb, kernel_name="python3", env=env, listener=Listener()
                ),
                books,
            )
        )

    assert [outcomes(each) for each in reports] == [[COMPLETED, COMPLETED]] * 3
    assert [text_of(nb.cells[1]) for nb in books] == ["0\n", "1\n", "2\n"]
