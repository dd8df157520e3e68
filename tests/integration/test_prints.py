"""Prints of runs under log_prints: in the log, wherever they come from."""
# ruff: noqa: T201  # prints are what is tested

import asyncio
import contextlib
import io
import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from nborch import flow, get_run_logger, task
from nborch.logs import ROOT, disable_run_logger


@pytest.fixture
def logged(home):
    """The messages that were logged, with the run's name."""
    seen = []
    handler = logging.Handler()
    handler.emit = lambda record: (
        record.getMessage().startswith(("Finished", "Created"))
        or seen.append((record.source.split("'")[1], record.getMessage()))
    )
    level = ROOT.level
    ROOT.setLevel("INFO")
    ROOT.addHandler(handler)
    yield seen
    ROOT.removeHandler(handler)
    ROOT.setLevel(level)


@pytest.fixture(autouse=True)
def nothing_replaced():
    """Whatever happens in a test, Python is as before after it."""
    places = [
        lambda: sys.stdout,
        lambda: threading.Thread.start,
        lambda: ThreadPoolExecutor.submit,
        lambda: subprocess.Popen.__init__,
        lambda: subprocess.Popen.wait,
    ]
    before = [place() for place in places]
    yield
    assert [place() for place in places] == before


def run(function, **options):
    """Call the function as a task that logs its prints."""
    return task(name="t", log_prints=True, **options)(function)()


def test_a_print_is_a_line_of_the_run(home, capsys):
    """Under log_prints, what a task prints is in its log and not on stdout."""

    def query():
        print("Running query:", "SELECT", 1, sep=" ")

    run(query)

    out, err = capsys.readouterr()
    assert out == ""
    assert "| INFO    | Task run 't' - Running query: SELECT 1\n" in err
    (record,) = home.store.records()
    messages = [e.data["message"] for e in home.store.logs(record.run.id)]
    assert messages[0] == "Running query: SELECT 1"


def test_other_files_and_other_runs_are_left_alone(logged, capsys):
    """Prints to a file, to stderr, and outside of the run go where they went."""
    file = io.StringIO()

    def prints():
        print("to stderr", file=sys.stderr)
        print("to a file", file=file)
        with contextlib.redirect_stdout(file):
            print("redirected")
        task(name="inner", log_prints=False)(lambda: print("inner"))()

    run(prints)
    print("after")

    assert logged == []
    assert file.getvalue() == "to a file\nredirected\n"
    out, err = capsys.readouterr()
    assert out == "inner\nafter\n"
    assert "to stderr\n" in err


def test_a_task_prints_as_its_flow_does(logged, capsys):
    """A task that says nothing of log_prints does as the flow that calls it."""
    inner = task(name="inner")(lambda: print("within"))

    flow(name="f", log_prints=True)(inner)()
    flow(name="f")(inner)()

    assert logged == [("inner", "within")]
    assert capsys.readouterr().out == "within\n"


def test_runs_in_threads_do_not_mix(logged, capsys):
    """Runs at the same time each log their own prints; other threads print."""
    both = threading.Barrier(3, timeout=10)

    def prints(name):
        both.wait()
        for i in range(200):
            print(name, end=" ")
            print(i)
        both.wait()

    loud = task(name="loud", log_prints=True)(prints)
    other = task(name="other", log_prints=True)(prints)
    threads = [
        threading.Thread(target=f, args=[name])
        for f, name in [(loud, "loud"), (other, "other"), (prints, "plain")]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for name in ("loud", "other"):
        mine = [message for run, message in logged if run == name]
        assert mine == [f"{name} {i}" for i in range(200)]
    assert capsys.readouterr().out.splitlines() == [f"plain {i}" for i in range(200)]


def test_runs_in_coroutines_do_not_mix(logged, capsys):
    """Async runs that take turns each log their own prints."""

    async def prints(name):
        for i in range(3):
            print(name, i)
            await asyncio.sleep(0)

    async def main():
        loud = task(name="loud", log_prints=True)(prints)
        plain = task(name="plain", log_prints=False)(prints)
        await asyncio.gather(loud("loud"), plain("plain"), prints("none"))

    asyncio.run(main())

    assert logged == [("loud", f"loud {i}") for i in range(3)]
    others = sorted(capsys.readouterr().out.splitlines())
    assert others == [f"{name} {i}" for name in ("none", "plain") for i in range(3)]


def test_threads_of_a_task_print_and_log_for_it(logged):
    """Threads and pools that a task starts belong to its run."""

    def work(n):
        print("printed", n)
        get_run_logger().info("logged %s", n)

    def starts():
        thread = threading.Thread(target=work, args=[1])
        thread.start()
        thread.join()
        with ThreadPoolExecutor(1) as pool:
            list(pool.map(work, [2, 3]))

    run(starts)

    assert logged == [
        ("t", f"{what} {n}") for n in (1, 2, 3) for what in ("printed", "logged")
    ]


def test_a_pool_of_many_runs_prints_for_each(logged, capsys):
    """Calls in a shared pool print for the run that submits them, or for none."""
    with ThreadPoolExecutor(1) as pool:
        submit = lambda text: pool.submit(print, text).result()  # noqa: E731
        for name in ("a", "b"):
            task(name=name, log_prints=True)(submit)(f"from {name}")
        submit("from none")

    assert logged == [("a", "from a"), ("b", "from b")]
    assert capsys.readouterr().out == "from none\n"


def test_a_thread_that_outlives_its_run_prints_again(logged, capsys):
    """When the run has ended, what its threads print goes to stdout."""
    go_on = threading.Event()
    threads = []

    def late():
        print("in time")
        ready.set()
        go_on.wait(10)
        print("late")

    ready = threading.Event()

    def starts():
        threads.append(threading.Thread(target=late))
        threads[0].start()
        ready.wait(10)

    run(starts)
    go_on.set()
    threads[0].join()

    assert logged == [("t", "in time")]
    assert capsys.readouterr().out == "late\n"


def test_a_child_process_prints_for_the_run(logged):
    """Output of child processes is logged in its place, whatever its bytes."""

    def calls():
        print("before")
        subprocess.run(["printf", r"one\ntwo\n\377 three"], check=True)
        subprocess.check_call("echo four; echo five", shell=True)
        print("after")

    run(calls)

    lines = ["before", "one", "two", "\ufffd three", "four", "five", "after"]
    assert [message for _, message in logged] == lines


def test_a_child_whose_output_is_wanted_is_left_alone(logged, capfd):
    """Pipes, files and sessions of a child are the user's own."""

    def calls():
        assert subprocess.check_output(["echo", "x"]) == b"x\n"
        done = subprocess.run(["echo", "x"], capture_output=True, check=True)
        assert done.stdout == b"x\n"
        piped = subprocess.Popen(["echo", "x"], -1, None, None, subprocess.PIPE)
        assert piped.communicate() == (b"x\n", None)
        subprocess.run(["echo", "gone"], stdout=subprocess.DEVNULL, check=False)
        subprocess.run(["echo", "own"], start_new_session=True, check=False)
        with pytest.raises(FileNotFoundError):
            subprocess.run(["no-such-program"], check=False)

    run(calls)

    assert logged == []
    assert capfd.readouterr().out == "own\n"


def test_a_child_of_a_coroutine_prints_for_the_run(logged, until):
    """Children that asyncio starts are followed too."""

    async def calls():
        child = await asyncio.create_subprocess_exec("echo", "x")
        await child.wait()

    asyncio.run(run(calls))

    assert logged == [("t", "x")]


def test_a_child_that_outlives_its_run_goes_on(logged, capsys, until, tmp_path):
    """A child that is not waited for is not stopped by the end of the run."""
    go_on = tmp_path / "go on"
    children = []

    def starts():
        code = f"echo in time; while [ ! -e '{go_on}' ]; do sleep 0.01; done; echo late"
        children.append(subprocess.Popen(["sh", "-c", code]))
        assert until(lambda: logged)

    run(starts)
    go_on.touch()

    assert children[0].wait(10) == 0
    assert logged == [("t", "in time")]
    assert until(lambda: capsys.readouterr().out) == "late\n"


def test_a_big_output_of_a_child_comes_through(logged):
    """A child that writes more than a pipe holds is read while it runs."""
    run(lambda: subprocess.check_call(["seq", "30000"]))

    assert [message for _, message in logged] == [str(i) for i in range(1, 30_001)]


def test_a_failing_task_leaves_nothing_replaced(logged, capsys):
    """An error ends the logging of prints, and unfinished lines are not lost."""

    def fails():
        print("half", end="")
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  # ours
        run(fails)
    print("after")

    assert logged == [("t", "half")]
    assert capsys.readouterr().out == "after\n"


def test_a_progress_bar_moves(logged, capsys):
    """A line that is written over is shown while it moves, and logged once."""

    def works():
        for i in range(3):
            print(f"\r{i} of 2", end="", flush=True)
        print()

    run(works)

    assert logged == [("t", "2 of 2")]
    assert capsys.readouterr().out == "\r0 of 2\r1 of 2\r2 of 2\n"


def test_a_handler_may_print(home, capsys):
    """A handler that prints on stdout while prints are logged does not recurse."""
    handler = logging.Handler()
    handler.emit = lambda record: print("handled", record.getMessage())
    ROOT.addHandler(handler)
    try:
        run(lambda: print("x"))
    finally:
        ROOT.removeHandler(handler)

    assert "handled x\n" in capsys.readouterr().out


def test_standard_output_keeps_what_else_it_can(home, capfd):
    """While prints are logged, sys.stdout still has its encoding and its number."""

    def asks():
        assert isinstance(sys.stdout, io.TextIOBase)
        assert sys.stdout.encoding.lower() == "utf-8"
        assert not sys.stdout.isatty()
        subprocess.run(["echo", "x"], stdout=sys.stdout, check=True)
        with pytest.raises(TypeError):
            sys.stdout.write(b"x")
        sys.stdout.writelines(["a", "b\n"])

    run(asks)

    out, err = capfd.readouterr()
    assert out == "x\n"
    assert "Task run 't' - ab\n" in err


def test_a_silenced_run_prints_nothing(home, capsys):
    """Where the loggers of runs are disabled, logged prints are silent too."""
    with disable_run_logger():
        run(lambda: print("x"))

    assert capsys.readouterr() == ("", "")


KERNEL = """
import subprocess, sys, threading
from nborch import task

@task(log_prints=True)
def loud():
    print("in a task", 1)
    thread = threading.Thread(target=print, args=["in a thread"])
    thread.start(); thread.join()
    subprocess.run(["echo", "in a child"])

print("before")
loud()
print("after")
"""


def test_prints_are_logged_in_a_kernel(kernel):
    """In a notebook, a task's prints are lines of its log, and the cell's stay."""
    ran = kernel(KERNEL)

    assert ran.ok, ran.error
    assert ran.stdout == "before\nafter\n"
    lines = [line.partition(" | ")[2] for line in ran.text("stderr").splitlines()]
    assert lines[:3] == [
        "INFO    | Task run 'loud' - in a task 1",
        "INFO    | Task run 'loud' - in a thread",
        "INFO    | Task run 'loud' - in a child",
    ]
    assert kernel("type(sys.stdout).__name__").result == "'OutStream'"


FLOOD = """
    import resource, sys
    from nborch import task
    from nborch.home import current_home

    task(lambda: None)()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    @task(name="flood", log_prints=True)
    def flood():
        for i in range({count}):
            print("line", i)
        print("x" * 1_000_000)

    flood()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    home = current_home()
    (record,) = [r for r in home.store.records() if r.run.of == "flood"]
    told = [e.data["message"] for e in home.store.logs(record.run.id)]
    size = sum(f.stat().st_size for f in home.folder.iterdir() if f.is_file())
    print(record.state.type, peak // 1024, len(told), size // 2**20)
    for line in (told[0], told[49_999], told[50_000], told[-3], told[-1], told[-2][-40:]):
        print(line)
"""


def test_a_flood_costs_neither_the_run_nor_memory(script):
    """Of a million lines the first and the last are kept; the terminal gets all."""
    process = script(FLOOD.format(count=1_000_000))

    out, told = process.communicate(timeout=100)

    assert process.returncode == 0, told[-2000:]
    facts, *lines = out.splitlines()
    state, peak, count, size = facts.split()
    assert state == "COMPLETED"
    assert int(peak) < 100
    assert int(count) < 51_100
    assert int(size) < 50
    first, last_of_head, note, last, end, cut = lines
    assert (first, last_of_head) == ("line 0", "line 49999")
    assert "lines are left out here: of a run the first 50000 and the last 1000" in note
    assert last == "line 999999"
    assert end == "Finished in state Completed()"
    assert cut.endswith("... (934464 characters left out)")
    assert told.count("Task run 'flood' - line") == 1_000_000
