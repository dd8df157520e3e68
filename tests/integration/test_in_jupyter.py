"""Flows and tasks in real kernels: prints, errors, Ctrl-C, restarts, papermill."""

import os
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from nborch.home import Home
from nborch.runs import RunKind
from nborch.settings import Settings
from nborch.store.sqlite import SQLiteStore

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals and locks of POSIX"),
    # jupyter_client's sockets and event loops, not ours to fix.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

#: What most of the notebooks here begin with.
BEGINNING = """
    import asyncio, signal, sys, threading, time
    from pathlib import Path
    from nborch import flow, task
    from nborch.concurrency.sync import concurrency
    from nborch.futures import as_completed, wait
    from nborch.task_runners import ProcessPoolTaskRunner

    @task
    def inc(n):
        return n + 1

    @task
    def slow(n=0):
        print("slow", n)
        time.sleep(60)

    @task
    async def slow_async():
        await asyncio.sleep(60)
"""


def cell(code):
    return textwrap.dedent(code).strip()


def plain(text):
    """Take the colours out of what a terminal would show."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text or "")


class Notebook:
    """A kernel in which flows and tasks are at hand, and the store of its runs."""

    def __init__(self, kernel, folder):
        self.kernel = kernel
        self.folder = folder
        assert self(BEGINNING).ok

    def __call__(self, code, timeout=30):
        """Run a cell; return what it showed."""
        return self.kernel(cell(code), timeout)

    def records(self, of=None):
        """Return the runs but the session's, the oldest first."""
        store = SQLiteStore(self.folder / "home" / "nborch.db")
        try:
            records = store.records(kinds=(RunKind.TASK, RunKind.FLOW))
        finally:
            store.close()
        return [each for each in reversed(records) if of in (None, each.run.of)]

    def states(self, of):
        """Return the names of the states that the runs of a task or flow are in."""
        return [record.state.name for record in self.records(of)]

    def interrupted(self, code, when, until, timeout=10):
        """Press the stop button as soon as `when` holds; return what the cell showed
        and how many seconds passed until no run went on.
        """
        sent = self.kernel.client.execute(cell(code), allow_stdin=False)
        assert until(when, timeout), self.kernel.wait(sent).text()
        pressed = time.monotonic()
        self.kernel.loop.run_until_complete(self.kernel.manager.interrupt_kernel())
        ran = self.kernel.wait(sent)
        until(lambda: all(each.state.is_final() for each in self.records()), 5)
        return ran, time.monotonic() - pressed


@pytest.fixture
def notebook(kernel, tmp_path):
    """A notebook that has loaded nborch."""
    return Notebook(kernel, tmp_path)


# Calls, awaits and submissions.


def test_plain_flows_and_tasks_are_called(notebook):
    """Plain flows and tasks are called in a cell though its event loop is running."""
    ran = notebook("""
        @flow
        def both(n):
            return inc(n) + inc.submit(n).result()

        inc(1), both(1)
    """)

    assert ran.result == "(2, 4)", ran.text()


def test_async_flows_and_tasks_are_awaited(notebook):
    """Async flows and tasks are awaited in a cell, one by one or together."""
    ran = notebook("""
        @task
        async def double(n):
            await asyncio.sleep(0.01)
            return 2 * n

        @flow
        async def doubled(n):
            future = inc.submit(n)
            return await double(n) + await future

        await doubled(1), await double(3), await asyncio.gather(double(1), doubled(2))
    """)

    assert ran.result == "(4, 6, [2, 7])", ran.text()


def test_submitted_tasks_are_awaited(notebook):
    """What is submitted in a cell can be awaited there, in a later one, or asked."""
    notebook("future, others = inc.submit(1), inc.map([1, 2])")

    ran = notebook("await future, future.result(), others.result()")

    assert ran.result == "(2, 2, [2, 3])", ran.text()


def test_runs_belong_to_the_session(notebook):
    """Runs of cells are children of the session's run; a flow's tasks, of the flow."""
    notebook("""
        @flow
        def calls():
            inc.submit(1).result()

        calls()
        inc(2)
    """)
    called, within, alone = notebook.records()

    assert within.run.parent_id == called.run.id
    assert called.run.parent_id == alone.run.parent_id is not None


def test_a_cell_that_is_run_again(notebook):
    """A task that a cell defines anew is the new one, submitted too."""
    notebook("@task\ndef answer():\n    return 'old'\nanswer.submit().result()")

    ran = notebook("@task\ndef answer():\n    return 'new'\nanswer.submit().result()")

    assert ran.result == "'new'"


def test_runs_within_a_cell_task(notebook):
    """A ``%%task`` cell is the parent of the runs that it makes, tasks and flows."""
    notebook("@flow\ndef calls():\n    return inc(1)")

    ran = notebook("%%task sums\ntotal = calls() + inc.submit(2).result()")

    assert ran.outcome == "ran", ran.text()
    (sums,), (calls,) = notebook.records("sums"), notebook.records("calls")
    first, second = notebook.records("inc")
    assert calls.run.parent_id == second.run.parent_id == sums.run.id
    assert first.run.parent_id == calls.run.id


def test_runs_within_a_cell_task_that_awaits(notebook):
    """A ``%%task`` cell may await async flows, which are its children."""
    notebook("@flow\nasync def calls():\n    return await inc.submit(1)")

    ran = notebook("%%task waits\ntotal = await calls()")

    assert ran.outcome == "ran", ran.text()
    (waits,), (calls,) = notebook.records("waits"), notebook.records("calls")
    assert calls.run.parent_id == waits.run.id
    assert notebook("total").result == "2"


# Prints and log lines.


def test_prints_land_in_their_cell(notebook):
    """A submitted task prints and logs where it was submitted, though a later cell
    runs by then.
    """
    notebook("""
        from nborch import get_run_logger

        @task
        def late(name):
            while not Path("go").exists():
                time.sleep(0.01)
            print("printed by", name)
            get_run_logger().warning("logged by %s", name)
    """)
    kernel = notebook.kernel
    first = kernel.client.execute("one = late.submit('one')\nprint('first cell')")
    second = kernel.client.execute("Path('go').touch(); one.wait(); print('second')")
    cells = {first: "", second: ""}

    async def collect():
        ends = 0
        while ends < len(cells):
            message = await kernel.client.get_iopub_msg(timeout=20)
            sender = message["parent_header"].get("msg_id")
            if message["msg_type"] == "stream":
                cells[sender] += message["content"]["text"]
            ends += message["content"].get("execution_state") == "idle"

    kernel.loop.run_until_complete(collect())
    # What a thread wrote last may be sent after the cell has ended.
    kernel("sys.stdout.flush(); sys.stderr.flush()")

    assert "first cell\n" in cells[first]
    assert cells[first].count("printed by one\n") == 1
    assert cells[first].count("logged by one\n") == 1
    assert cells[second] == "second\n"


def test_prints_of_other_processes(notebook):
    """What tasks print in worker processes is shown in the cell that submitted them."""
    notebook("""
        @task
        def tells(n):
            print("worker", n)

        @flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
        def pool():
            wait(tells.map([1, 2]))
    """)

    ran = notebook("pool()\ntells.with_options(isolate=True)(3)")

    assert sorted(ran.stdout.splitlines()) == ["worker 1", "worker 2", "worker 3"]


def test_log_prints(notebook):
    """Under log_prints prints are log lines, once each, and then stdout is as it was."""
    notebook("before = sys.stdout\n@task\ndef tells(n):\n    print('told', n)")
    ran = notebook("""
        @flow(log_prints=True)
        def logs():
            print("told 0")
            tells(1)
            tells.submit(2).result()

        logs()
    """)

    assert ran.stdout == ""
    told = re.findall(r"- (told \d)\n", ran.text("stderr"))
    assert told == ["told 0", "told 1", "told 2"]
    assert notebook("sys.stdout is before").result == "True"


# What is defined in the notebook, in other processes.


def test_definitions_travel(notebook):
    """Tasks in other processes see the notebook's functions, classes and constants,
    and what they return is of the notebook's own classes.
    """
    notebook("""
        FACTOR = 7

        class Box:
            def __init__(self, value):
                self.value = value

        def boxed(n):
            return Box(n * FACTOR)

        @task
        def boxes(n):
            return boxed(n)

        @flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
        def pool():
            return boxes.map([1, 2]).result()
    """)

    ran = notebook("""
        found = [*pool(), boxes.with_options(isolate=True)(3)]
        [isinstance(box, Box) and box.value for box in found]
    """)
    again = notebook("FACTOR = 8\n[box.value for box in pool()]")

    assert ran.result == "[7, 14, 21]", ran.text()
    assert again.result == "[8, 16]", again.text()


# Errors.


def test_errors_show_the_users_lines(notebook):
    """A failed task shows the lines of the cells that led to it and none of nborch's."""
    notebook("@task\ndef fails(n):\n    return 1 / n")
    causes = {
        "call": "fails(0)",
        "submission": "fails.submit(0).result()",
        "await": "await fails.submit(0)",
        "flow": "@flow\ndef calls():\n    return fails(0)\ncalls()",
        "async flow": "@flow\nasync def calls():\n    return fails(0)\nawait calls()",
        "state": "fails(0, return_state=True).result()",
        "map": "fails.map([1, 0]).result()",
        "isolated": "fails.with_options(isolate=True)(0)",
    }

    for how, code in causes.items():
        error = plain(notebook(code).error)

        assert re.search(r"^----> 3 +return 1 / n$", error, re.MULTILINE), (how, error)
        assert "ZeroDivisionError: division by zero" in error, how
        assert "/nborch/" not in error, (how, error)
        frames = re.findall(r"^Cell In", error, re.MULTILINE)
        assert len(frames) == (3 if "flow" in how else 2), (how, error)


def test_errors_of_calls_show_one_line(notebook):
    """A call that cannot be made shows where it is and what is wrong with it."""
    notebook("@flow\ndef counts(n: int):\n    return n")

    wrong = {
        "inc()": "missing a required argument: 'n'",
        "inc.submit()": "missing a required argument: 'n'",
        "counts('many')": "parameter 'n' got 'many'",
    }

    for call, message in wrong.items():
        error = plain(notebook(call).error)

        assert message in error
        assert error.count("----> 1 ") == error.count("Cell In") == 1, error
        assert "/nborch/" not in error, error


def test_timeouts(notebook):
    """Timeouts end tasks and flows in a cell, called, submitted and awaited."""
    ran = notebook("""
        late = []
        limits = {"timeout_seconds": 0.2}

        @flow(**limits)
        def naps():
            time.sleep(60)

        for call in (
            slow.with_options(**limits),
            slow.with_options(**limits).submit,
            naps,
        ):
            try:
                found = call()
                found.result()
            except TimeoutError as error:
                late.append(str(error))
        try:
            await slow_async.with_options(**limits)()
        except TimeoutError as error:
            late.append(str(error))
        late, signal.getitimer(signal.ITIMER_REAL)
    """)

    exceeded = "run exceeded timeout of 0.2 second(s)"
    assert ran.result.count(exceeded) == 4, ran.text()
    assert ran.result.endswith("(0.0, 0.0))")


# What objects look like.


def test_what_objects_look_like(notebook):
    """Tasks, flows, states and futures show a card and a text; both show what they
    were given as it is.
    """
    notebook("""
        @task(name="<b>bold</b>", description="Does <i>this</i>.")
        def marked(n):
            raise ValueError("<script>")

        @flow(name="<b>bold</b>")
        def flowing():
            pass

        future = marked.submit(1)
        future.wait()
        shown = [marked, flowing, future.state, future]
    """)

    ran = notebook("[each._repr_mimebundle_() for each in shown]")
    bundles = eval(ran.result)  # dicts of our own making

    assert [sorted(each) for each in bundles] == [["text/html", "text/plain"]] * 4
    for html in (each["text/html"] for each in bundles):
        assert html.startswith("<div")
        assert not re.search(r"<(b|i|script)>", html)
    names = [each["text/plain"].split("\n")[0] for each in bundles]
    assert names[:3] == ["Task <b>bold</b>", "Flow <b>bold</b>", "State ✕ Failed"]
    assert re.fullmatch(r"Future of <b>bold</b>-\w+ ✕ Failed", names[3])


def test_visualize(notebook):
    """A flow that is visualized in a cell shows a picture of its tasks."""
    notebook("@flow\ndef adds(n):\n    return inc(inc(n))")

    ran = notebook("picture = adds.visualize(1)\npicture._repr_mimebundle_()")
    bundle = eval(ran.result)  # a dict of our own making

    assert 'src="data:image/svg+xml;base64,' in bundle["text/html"]
    assert "inc-0" in bundle["text/plain"]
    assert "inc-1" in notebook("picture").result


# Ctrl-C.

AWAITS = "CancelledError"  # ipykernel's own word for it
#: name: (the cell, what runs by then and in which state, what the cell raises)
STOPPED = {
    "a flow's body": (
        """
        @flow
        def f():
            Path('here').touch()
            time.sleep(60)
        f()
        """,
        {"f": ["Running"]},
        "KeyboardInterrupt",
    ),
    "a subflow": (
        """
        @flow
        def g():
            Path('here').touch()
            time.sleep(60)
        @flow
        def f():
            g()
        f()
        """,
        {"f": ["Running"], "g": ["Running"]},
        "KeyboardInterrupt",
    ),
    "a wait for threads": (
        """
        @flow
        def f():
            futures = slow.map(range(3))
            Path('here').touch()
            futures.result()
        f()
        """,
        {"slow": ["Running"] * 3},
        "KeyboardInterrupt",
    ),
    "as_completed": (
        """
        @flow
        def f():
            futures = slow.map(range(3))
            Path('here').touch()
            list(as_completed(futures))
        f()
        """,
        {"slow": ["Running"] * 3},
        "KeyboardInterrupt",
    ),
    "the end of a flow": (
        """
        @flow
        def f():
            slow.submit()
            Path('here').touch()
        f()
        """,
        {"slow": ["Running"]},
        "KeyboardInterrupt",
    ),
    "a process pool": (
        """
        @flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
        def f():
            futures = slow.map(range(4))
            Path('here').touch()
            wait(futures)
        f()
        """,
        {"slow": ["Running"] * 2 + ["Pending"] * 2},
        "KeyboardInterrupt",
    ),
    "an isolated task": (
        """
        @task(isolate=True)
        def t():
            Path('here').touch()
            time.sleep(60)
        @flow
        def f():
            t()
        f()
        """,
        {"t": ["Running"]},
        "KeyboardInterrupt",
    ),
    "an awaited flow": (
        """
        @flow
        async def f():
            Path('here').touch()
            await asyncio.gather(slow_async(), slow_async())
        await f()
        """,
        {"slow_async": ["Running"] * 2},
        AWAITS,
    ),
    "an awaited future": (
        """
        @flow
        async def f():
            Path('here').touch()
            slow_async.submit()
            await slow.submit()
        await f()
        """,
        {"slow": ["Running"], "slow_async": ["Running"]},
        AWAITS,
    ),
    "a retry delay": (
        """
        @task(retries=1, retry_delay_seconds=60)
        def t():
            Path('here').touch()
            raise ValueError
        @flow
        def f():
            t()
        f()
        """,
        {"t": ["AwaitingRetry"]},
        "KeyboardInterrupt",
    ),
    "an awaited retry delay": (
        """
        @task(retries=1, retry_delay_seconds=60)
        async def t():
            Path('here').touch()
            raise ValueError
        @flow
        async def f():
            await t()
        await f()
        """,
        {"t": ["AwaitingRetry"]},
        AWAITS,
    ),
    "a submitted task's retry delay": (
        """
        @task(retries=1, retry_delay_seconds=60)
        def t():
            Path('here').touch()
            raise ValueError
        @flow
        def f():
            t.submit().result()
        f()
        """,
        {"t": ["AwaitingRetry"]},
        "KeyboardInterrupt",
    ),
    "a wait for a tag's limit": (
        """
        @task(tags=['narrow'])
        def t(n):
            Path('here').touch()
            time.sleep(60)
        @flow
        def f():
            wait([t.submit(1), t.submit(2)])
        f()
        """,
        {"t": ["AwaitingConcurrencySlot", "Running"]},
        "KeyboardInterrupt",
    ),
    "a wait for a limit": (
        """
        @task
        def t():
            with concurrency('narrow'):
                Path('here').touch()
                time.sleep(60)
        @flow
        def f():
            t.submit()
            while not Path('here').exists():
                pass
            with concurrency('narrow'):
                pass
        f()
        """,
        {"f": ["Running"], "t": ["Running"]},
        "KeyboardInterrupt",
    ),
    "a time limit": (
        """
        @flow(timeout_seconds=50)
        def f():
            Path('here').touch()
            time.sleep(60)
        f()
        """,
        {"f": ["Running"]},
        "KeyboardInterrupt",
    ),
    "a generator": (
        """
        @task
        def t():
            yield 1
            Path('here').touch()
            time.sleep(60)
        @flow
        def f():
            return list(t())
        f()
        """,
        {"t": ["Running"]},
        "KeyboardInterrupt",
    ),
    "a cell task": (
        """
        %%task cells
        @flow
        def f():
            futures = slow.map(range(3))
            Path('here').touch()
            futures.wait()
        f()
        """,
        {"cells": ["Running"], "slow": ["Running"] * 3},
        "KeyboardInterrupt",
    ),
}


@pytest.mark.parametrize("case", STOPPED.values(), ids=STOPPED)
def test_ctrl_c(notebook, until, case):
    """Ctrl-C ends a flow as Crashed and what it was waiting for within three seconds,
    is told in a few lines, and the kernel goes on as if nothing had been.
    """
    code, running, raised = case
    if "narrow" in code:
        limit("narrow", 1, notebook.folder)

    def has_begun():
        return Path(notebook.folder, "here").exists() and all(
            sorted(notebook.states(of)) == sorted(names)
            for of, names in running.items()
        )

    ran, seconds = notebook.interrupted(code, has_begun, until)

    assert seconds < 3, f"{seconds:.1f} s"
    (f,) = notebook.records("f")
    assert f.state.name == "Crashed"
    assert raised in f.state.message
    assert {each.state.name for each in notebook.records()} <= {"Crashed", "Cancelled"}
    error = plain(ran.error)
    assert error.rstrip(" \n:").endswith(raised), error
    assert "/nborch/" not in error, error
    assert "contextlib" not in error, error
    works_as_before(notebook)


def limit(name, slots, folder):
    """Make a concurrency limit."""
    subprocess.run(
        [
            sys.executable,
            "-m",
            "nborch",
            "concurrency-limit",
            "create",
            name,
            f"{slots}",
        ],
        env={**os.environ, "NBORCH_HOME": str(folder / "home")},
        check=True,
        capture_output=True,
    )


def works_as_before(notebook):
    """Look at what Ctrl-C could have broken for the cells that come."""
    ran = notebook("""
        @flow
        def after():
            return inc(1), inc.map(range(30)).result()[-1]

        in_time = inc.with_options(timeout_seconds=5)(1)
        try:
            slow.with_options(timeout_seconds=0.1)()
        except TimeoutError:
            in_time += 1
        handler = signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
        timer = signal.getitimer(signal.ITIMER_REAL)
        after(), in_time, handler, timer, type(sys.stdout).__name__
    """)
    assert ran.result == "((2, 30), 3, True, (0.0, 0.0), 'OutStream')", ran.text()


def test_ctrl_c_ends_the_wait_not_the_run(notebook, until):
    """What was submitted outside a flow goes on when one no longer waits for it."""
    notebook("""
        @task
        def until_told():
            while not Path("go").exists():
                time.sleep(0.01)
            return "done"

        future = until_told.submit()
    """)

    def is_waiting():
        return notebook.states("until_told") == ["Running"]

    for code in ("future.result()", "await future", "wait([future])"):
        sent = notebook.kernel.client.execute(f"Path('here').touch()\n{code}")
        ran = notebook.kernel.interrupt_when(notebook.folder / "here", sent)
        (notebook.folder / "here").unlink()

        error = plain(ran.error)
        assert error.count("Cell In") == 1, error
        assert "/nborch/" not in error, error
        assert is_waiting()
    ran = notebook("Path('go').touch()\nfuture.result()")

    assert ran.result == "'done'", ran.text()


def test_ctrl_c_twice(notebook, until):
    """Who presses Ctrl-C again at once leaves nothing half done."""
    code = "@flow\ndef f():\n    slow.map(range(20)).wait()\nf()"
    sent = notebook.kernel.client.execute(code)
    assert until(lambda: notebook.states("slow") == ["Running"] * 20)

    for _ in range(2):
        notebook.kernel.loop.run_until_complete(
            notebook.kernel.manager.interrupt_kernel()
        )
    ran = notebook.kernel.wait(sent)

    assert "KeyboardInterrupt" in ran.error
    assert until(lambda: all(r.state.is_final() for r in notebook.records()), 3), [
        (r.run.of, r.run.name, r.state.name) for r in notebook.records()
    ]
    assert notebook.states("f") == ["Crashed"]
    works_as_before(notebook)


# Restarts.


def test_a_kernel_that_is_killed(new_kernel, tmp_path, until):
    """The runs of a killed kernel are Crashed when the next one begins, and its
    worker processes are gone.
    """
    kernel = new_kernel()
    kernel.start_over(tmp_path / "home", tmp_path)
    notebook = Notebook(kernel, tmp_path)
    pool = """
        @flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
        def pool():
            slow.map([1, 2]).wait()

        pool()
    """
    kernel.client.execute(cell(pool))
    assert until(lambda: notebook.states("slow") == ["Running"] * 2)
    process = psutil.Process(kernel.manager.provisioner.pid)
    assert until(lambda: process.children(recursive=True))
    workers = process.children(recursive=True)

    kernel.loop.run_until_complete(kernel.manager.restart_kernel(now=True))
    kernel.loop.run_until_complete(kernel.client.wait_for_ready(timeout=20))
    kernel.loaded = False
    kernel.start_over(tmp_path / "home", tmp_path)
    notebook(BEGINNING)
    notebook("inc(1)")

    assert notebook.states("pool") == ["Crashed"]
    assert notebook.states("slow") == ["Crashed"] * 2
    assert until(lambda: not any(is_running(each) for each in workers), 5)


def is_running(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_kernel_that_is_shut_down(new_kernel, tmp_path, until):
    """A kernel is shut down without waiting for what was submitted in its cells; these
    runs are Crashed at the next look, the session has Completed.
    """
    kernel = new_kernel()
    kernel.start_over(tmp_path / "home", tmp_path)
    notebook = Notebook(kernel, tmp_path)
    notebook("futures = slow.map([1, 2])")
    assert until(lambda: notebook.states("slow") == ["Running"] * 2)

    began = time.monotonic()
    kernel.loop.run_until_complete(kernel.manager.shutdown_kernel(now=False))

    assert time.monotonic() - began < 2
    home = Home(Settings(tmp_path / "home", tmp_path / "secret.key"))
    reaped = home.reap()
    (session,) = home.store.records(kinds=(RunKind.SESSION,))
    home.close()
    assert [each.run.of for each in reaped] == ["slow", "slow"]
    assert session.state.name == "Completed"


# Memory.


def test_reruns_do_not_grow(notebook):
    """A cell that is run fifty times over leaves nothing of its runs behind."""
    notebook(
        "import gc, logging\n"
        "lines = logging.getLogger('nborch.task_runs')\n"
        "lines.disabled = True"
    )
    again = "futures = [inc.submit(n) for n in range(100)]\nx = futures[-1].result()"
    held = "futures = None; gc.collect(); print(len(gc.get_objects()))"
    for _ in range(5):
        assert notebook(again).ok
    before = int(notebook(held).stdout)
    threads = int(notebook("threading.active_count()").result)

    for _ in range(50):
        assert notebook(again).ok

    # A cell leaves some objects of IPython's own; a run would leave several.
    assert int(notebook(held).stdout) - before < 50 * 100
    assert int(notebook("threading.active_count()").result) <= threads + 5
    notebook("lines.disabled = False")  # other tests use this kernel too


# Papermill.


def test_flows_in_a_notebook_that_runs_by_itself(tmp_path):
    """In a notebook that ``nborch run`` executes, runs are children of their cells."""
    cells = [
        "from nborch import flow, task",
        """
        @task
        def inc(n):
            return n + 1

        @flow
        def sums(n):
            return inc(n) + inc.submit(n).result()
        """,
        "assert sums(1) == 4",
        """
        @flow
        async def waits():
            return await inc.submit(1)

        assert await waits() == 2
        """,
        "inc.submit(5).result()",
    ]
    path = tmp_path / "flows.ipynb"
    nb = new_notebook(cells=[new_code_cell(cell(each)) for each in cells])
    nbformat.write(nb, path)

    done = subprocess.run(
        [sys.executable, "-m", "nborch", "run", path],
        env={**os.environ, "NBORCH_HOME": str(tmp_path / "home")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    store = SQLiteStore(tmp_path / "home" / "nborch.db")
    records = store.records()
    store.close()
    assert all(each.state.name == "Completed" for each in records)
    runs = {each.run.id: each.run for each in records}
    notebook_run = records[-1].run
    above = {
        run.id: runs[run.parent_id].of
        for run in runs.values()
        if run.parent_id != notebook_run.id and run is not notebook_run
    }
    found = sorted((above[run.id], run.of) for run in runs.values() if run.id in above)
    assert found == [
        ("cell 3", "sums"),
        ("cell 4", "waits"),
        ("cell 5", "inc"),
        ("sums", "inc"),
        ("sums", "inc"),
        ("waits", "inc"),
    ]
