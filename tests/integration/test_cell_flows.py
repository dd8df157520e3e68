"""Cells under ``%%flow`` in real kernels: one flow run, and the cell as it ever was."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals and locks of POSIX"),
    # jupyter_client's sockets and event loops, not ours to fix.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

TASKS = """
from nborch import flow, task
@task
def double(v): return 2 * v
@task
def broken(): raise ValueError('no rows')
@task
async def slow(v):
    import asyncio
    await asyncio.sleep(0.01)
    return v
"""


def cell(header, body):
    return f"%%flow {header}\n{textwrap.dedent(body).strip()}"


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text or "")


def tree(home, name):
    """Return the last run of a flow, and its children's names and states."""
    record = home.store.records(of=name)[0]
    children = home.store.children(record.run.id)
    return record, [(r.run.kind, r.run.of, r.state.name) for r in children]


def test_calls_are_children(kernel, home):
    """The tasks that a cell flow calls and submits, and flows and cells within it, are
    its children; its names stay.
    """
    kernel(TASKS)
    body = """
        one = double(1)
        future = double.submit(one)
        @flow
        def inner():
            return double(5)
        inner()
        get_ipython().run_cell('%%task within\\ny = 1')
        two = future.result()
        two + 1
    """

    ran = kernel(cell("nightly --tags etl", body))

    record, children = tree(home, "nightly")
    assert ran.ok, ran
    assert ran.result == "5"
    assert record.run.kind == "flow"
    assert record.state.name == "Completed"
    assert sorted(record.run.tags) == ["etl"]
    assert sorted(children) == [
        ("flow", "inner", "Completed"),
        ("task", "double", "Completed"),
        ("task", "double", "Completed"),
        ("task", "within", "Completed"),
    ]
    assert kernel("one, two, y").result == "(2, 4, 1)"


def test_lines(kernel, home):
    """A cell flow prints the lines of a flow, and ends when what it submitted has."""
    kernel(TASKS)

    ran = kernel(
        cell(
            "",
            "import time\n@task\ndef late():\n    time.sleep(0.2)\nf = late.submit();",
        )
    )

    record, children = tree(home, "cell")
    assert f"Created flow run {record.run.name!r} for flow 'cell'" in ran.text("stderr")
    assert "Finished in state Completed()" in ran.text("stderr")
    assert children == [("task", "late", "Completed")]
    assert kernel("f.state.name").result == "'Completed'"


def test_its_run_belongs_to_the_session(kernel, home):
    """A cell flow is a run within the session's."""
    kernel(cell("mine", "y = 1"))

    parent = home.store.record(tree(home, "mine")[0].run.parent_id)

    assert parent.run.kind == "session"


def test_never_cached(kernel):
    """A cell flow runs every time, and has no badge."""
    kernel("count = []")

    outcomes = [kernel(cell("again", "count.append(1)")).badge for _ in range(2)]

    assert outcomes == [None, None]
    assert kernel("len(count)").result == "2"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("early = 1\n1 / 0", ["----> 3 1 / 0", "ZeroDivisionError: division by zero"]),
        ("early = 1\nbroken()", ["----> 3 broken()", "ValueError: no rows"]),
        ("early = 1\nawait slow(1)\n1 / 0", ["----> 4 1 / 0", "ZeroDivisionError"]),
        ("early = 1\ndef f(:", ["line 3", "SyntaxError"]),
    ],
    ids=["own", "task", "await", "syntax"],
)
def test_errors(kernel, home, body, words):
    """An error looks as in a plain cell; names from before it stay, and the run is
    failed.
    """
    kernel(TASKS)

    ran = kernel(cell("wrong", body))

    text = plain(ran.error)
    assert not ran.ok
    assert all(word in text for word in words), text
    assert "/nborch/notebook" not in text
    if "SyntaxError" not in words:
        assert kernel("early").result == "1"
        assert tree(home, "wrong")[0].state.name == "Failed"


def test_awaits(kernel, home):
    """A cell flow may await."""
    kernel(TASKS)

    ran = kernel(cell("waits", "y = await slow(3)\ny"))

    assert ran.result == "3"
    assert tree(home, "waits")[1] == [("task", "slow", "Completed")]


def test_a_failure_that_nobody_asked_about(kernel, home):
    """As of any flow, the run's message tells of submitted runs that failed."""
    kernel(TASKS)

    ran = kernel(cell("asks", "f = broken.submit()"))

    record, _ = tree(home, "asks")
    assert ran.ok
    assert "1 of 1 submitted task runs did not complete" in record.state.message
    assert "1 of 1 submitted task runs did not complete" in ran.text("stderr")


def test_retries(kernel, home):
    """A failed cell flow is repeated from the names as they were."""
    kernel("tries = []; x = 'as it was'")
    body = """
        seen = x
        x = 'changed'
        tries.append(1)
        if len(tries) < 3:
            raise ValueError(len(tries))
    """

    ran = kernel(cell("again --retries 3 --retry-delay 10ms", body))

    assert ran.ok, ran
    assert kernel("seen, x, len(tries)").result == "('as it was', 'changed', 3)"
    assert "This attempt sees tries as the failed one has changed it" in ran.text(
        "stderr"
    )
    events = home.store.events(run_id=tree(home, "again")[0].run.id)
    states = [each.data["name"] for each in events if each.kind == "state"]
    assert states.count("Retrying") == 2


@pytest.mark.parametrize("body", ["import time\ntime.sleep(30)", "import asyncio\nawait asyncio.sleep(30)"], ids=["sleep", "await"])  # fmt: skip
def test_timeout(kernel, home, body):
    """A cell flow that takes too long is ended, and the kernel is well."""
    ran = kernel(cell("late --timeout 200ms", body))

    assert "RunTimedOut: Flow run exceeded timeout of 0.2 second(s)" in plain(ran.error)
    assert tree(home, "late")[0].state.name == "TimedOut"
    assert kernel("1 + 1").result == "2"


def test_log_prints(kernel, home):
    """Under --log-prints the prints of the cell and its tasks are lines of the log."""
    kernel("from nborch import task\n@task\ndef says(): print('from a task')")

    ran = kernel(cell("logs --log-prints", "print('from the cell')\nsays()"))

    record, _ = tree(home, "logs")
    lines = [each.data["message"] for each in home.store.logs(record.run.id)]
    assert {"from the cell", "from a task"} <= set(lines)
    assert "from the cell" in ran.text("stderr")
    assert ran.stdout == ""


def test_interrupt(kernel, home, tmp_path):
    """An interrupted cell flow shows KeyboardInterrupt; the kernel goes on."""
    body = "open('started', 'w').close()\nimport time\ntime.sleep(30)"
    sent = kernel.client.execute(cell("stopped", body), stop_on_error=False)

    ran = kernel.interrupt_when(tmp_path / "started", sent)

    assert "KeyboardInterrupt" in plain(ran.error)
    assert tree(home, "stopped")[0].state.name == "Crashed"
    assert kernel("1 + 1").result == "2"


def test_empty(kernel):
    """An empty cell flow is a run without content."""
    assert kernel("%%flow nothing\n").ok


def test_timeit(kernel, home):
    """%%timeit above %%flow measures the body itself."""
    ran = kernel("%%timeit -n 1 -r 1\n%%flow measured\ny = 1")

    assert ran.ok
    assert not home.store.records(of="measured")


# In a notebook that nborch runs.


@pytest.fixture
def run_notebook(tmp_path, home):
    """Run a notebook of these cells by ``nborch run``; return what the command says."""

    def run(*sources):
        nb = new_notebook(cells=[new_code_cell(source) for source in sources])
        nbformat.write(nb, tmp_path / "book.ipynb")
        return subprocess.run(
            [Path(sys.executable).parent / "nborch", "run", "book.ipynb"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_under_nborch_run(run_notebook, home):
    """Under ``nborch run`` a cell flow is a run within its cell's, which has its name;
    the notebook need not load the extension.
    """
    done = run_notebook(TASKS, "%%flow nightly\ny = double(2)", "assert y == 4")

    notebook = home.store.records(of="book")[0]
    cells = home.store.children(notebook.run.id)
    (flow,) = home.store.children(cells[1].run.id)
    within = home.store.children(flow.run.id)
    assert done.returncode == 0, done.stderr
    assert [(r.run.kind, r.run.of) for r in cells] == [
        ("task", "cell 1"),
        ("task", "nightly"),
        ("task", "cell 3"),
    ]
    assert (flow.run.kind, flow.run.of, flow.state.name) == (
        "flow",
        "nightly",
        "Completed",
    )
    assert [(r.run.of, r.state.name) for r in within] == [("double", "Completed")]


def test_options_under_nborch_run(run_notebook, home):
    """Under ``nborch run`` a cell's retries, tags and timeout are those of its run."""
    flaky = "%%task flaky --retries 1 --retry-delay 10ms --tags etl --log-prints\ntries.append(1)\nprint('tried')\nif len(tries) < 2: raise ValueError"

    done = run_notebook(
        "tries = []", flaky, "%%task late --timeout 200ms\nimport time\ntime.sleep(30)"
    )

    record = home.store.records(of="flaky")[0]
    events = home.store.events(run_id=record.run.id)
    states = [each.data["name"] for each in events if each.kind == "state"]
    printed = [
        each
        for each in events
        if each.kind == "log" and each.data["message"] == "tried"
    ]
    late = home.store.records(of="late")[0]
    assert done.returncode != 0
    assert sorted(record.run.tags) == ["etl"]
    assert states == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]
    assert len(printed) == 2
    assert (late.state.name, late.state.type) == ("TimedOut", "FAILED")
