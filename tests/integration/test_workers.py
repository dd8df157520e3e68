"""Worker processes: they call functions, outlive what those do, and leave nothing."""

# ruff: noqa: T201  # what is printed in a worker is what is tested

import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from nborch.exceptions import CancelledRun, CrashedRun, RunTimedOut, Unsendable
from nborch.task_runners.workers import Workers


@pytest.fixture
def workers():
    """Workers that are closed after the test, and have left no process."""
    before = children()
    with Workers() as opened:
        yield opened
    assert children() == before


def children():
    return {child.pid for child in psutil.Process().children(recursive=True)}


def gone(pid):
    """Tell whether a process has ended; a zombie that nobody waits for has not."""
    return not psutil.pid_exists(pid)


def ended(pid):
    """Tell whether a process does nothing any more."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def end_all(pids):
    """Leave nothing behind when a test has failed, either."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_call_returns_what_the_function_returns(workers):
    """A function gets its arguments in another process and returns its value here."""

    def work(a, *, b):
        return a + b, os.getpid()

    value, pid = workers.call(work, (1,), {"b": 2})

    assert value == 3
    assert pid != os.getpid()


def test_a_worker_is_used_again(workers):
    """Calls one after the other go to one process."""
    assert workers.call(os.getpid) == workers.call(os.getpid)


def test_a_fresh_process_ends_with_its_call(workers):
    """A fresh call has a process of its own, which is gone when the call returns."""
    pooled = workers.call(os.getpid)

    first, second = (workers.call(os.getpid, fresh=True) for _ in range(2))

    assert len({pooled, first, second}) == 3
    assert gone(first)
    assert gone(second)
    assert workers.call(os.getpid) == pooled


def test_a_coroutine_function_is_run_to_its_end(workers):
    """An async function runs in an event loop of the worker."""

    async def work(x):
        import asyncio

        await asyncio.sleep(0)
        return x + 1

    assert workers.call(work, (1,)) == 2


def test_calls_run_at_the_same_time(workers, tmp_path):
    """Each of many calls at once has a worker of its own."""

    def meet(i):
        (tmp_path / str(i)).touch()
        while len(list(tmp_path.iterdir())) < 4:
            time.sleep(0.01)
        return os.getpid()

    with ThreadPoolExecutor(4) as threads:
        pids = set(threads.map(lambda i: workers.call(meet, (i,)), range(4)))
        again = set(threads.map(lambda _: workers.call(os.getpid), range(50)))

    assert len(pids) == 4
    assert again <= pids


def test_a_script_needs_no_guard(script):
    """Functions and classes of a script travel by value, with no guard in the script."""
    process = script("""
        from nborch.task_runners.workers import Workers

        class Point:
            def __init__(self, x): self.x = x

        class Wrong(Exception): pass

        def double(point):
            if point.x < 0:
                raise Wrong(point.x)
            return Point(offset() + 2 * point.x)

        def offset(): return 1

        workers = Workers()
        point = workers.call(double, (Point(3),))
        print(type(point) is Point, point.x)
        try:
            workers.call(double, (Point(-1),))
        except Wrong as error:
            print("wrong", error)
    """)

    out, err = process.communicate(timeout=30)

    assert (out, err) == ("True 7\nwrong -1\n", "")


# --- what a worker takes over ---


def test_a_worker_has_our_surroundings_as_they_are_now(workers, tmp_path, monkeypatch):
    """Folder, environment, arguments, path and filters are ours, also when changed."""

    def look():
        return (
            str(Path.cwd()),
            os.environ.get("NBORCH_TEST"),
            sys.argv,
            sys.path[0],
            warnings.filters[0][:3],
        )

    workers.call(look)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBORCH_TEST", "é")
    monkeypatch.setattr(sys, "argv", ["x.py", "-v"])
    monkeypatch.syspath_prepend(tmp_path / "lib")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        seen = workers.call(look)

    assert seen == (
        str(tmp_path),
        "é",
        ["x.py", "-v"],
        str(tmp_path / "lib"),
        ("ignore", None, ResourceWarning),
    )
    monkeypatch.delenv("NBORCH_TEST")
    assert workers.call(look)[1] is None


def test_a_worker_loads_no_library_by_itself(workers):
    """A library that is loaded here is loaded there only when a function needs it."""
    numpy = pytest.importorskip("numpy")

    def look():
        return "numpy" in sys.modules

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", numpy.exceptions.RankWarning)

        assert not workers.call(look)


def test_a_module_beside_the_script_is_found(workers, tmp_path, monkeypatch):
    """A worker imports the project's own modules, new ones too."""
    workers.call(os.getpid)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "beside.py").write_text("def triple(x): return 3 * x\n")
    import beside

    try:
        assert workers.call(beside.triple, (2,)) == 6
    finally:
        del sys.modules["beside"]


def test_a_module_of_a_moment_ago_is_found(workers, tmp_path, monkeypatch):
    """A fresh process sees files that came too soon for the folder's clock to tell."""
    monkeypatch.syspath_prepend(tmp_path)
    workers.call(abs, (1,))
    before = tmp_path.stat()
    (tmp_path / "recent.py").write_text("answer = 42\n")
    os.utime(tmp_path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def work():
        import recent

        return recent.answer

    assert workers.call(work, fresh=True) == 42


def test_the_initializer_is_called_in_each_worker():
    """An initializer prepares each worker once, before its first call."""

    def prepare(value):
        sys.prepared = [*getattr(sys, "prepared", []), value]

    def look():
        return sys.prepared

    with Workers(prepare, ("x",)) as workers:
        workers.call(look)
        assert workers.call(look) == ["x"]
        assert workers.call(look, fresh=True) == ["x"]


def test_an_initializer_that_fails_is_told():
    """What an initializer raises is what the call raises."""

    def prepare():
        raise TimeoutError("no licence")

    with Workers(prepare) as workers, pytest.raises(TimeoutError, match="no licence"):
        workers.call(os.getpid)


# --- errors ---


def test_an_error_shows_the_users_line(workers):
    """An exception has the traceback of the worker: file, line and function."""

    def parse(text):
        return int(text)

    with pytest.raises(ValueError, match="invalid literal") as caught:
        workers.call(parse, ("x",))

    last = caught.traceback[-1]
    assert (str(last.path), last.name) == (__file__, "parse")
    assert "return int(text)" in str(last.statement)
    assert "worker_main" not in str(caught.getrepr())


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_an_exit_is_an_exception_and_no_crash(workers, kind):
    """sys.exit() in a function is raised here; the worker lives on."""
    pid = workers.call(os.getpid)

    def leave():
        raise kind(3)

    with pytest.raises(kind) as caught:
        workers.call(leave)

    assert caught.value.args == (3,)
    assert workers.call(os.getpid) == pid


@pytest.mark.parametrize(
    ("die", "told"),
    [
        (lambda: os._exit(3), r"\(pid \d+\) exited with code 3 before"),
        (lambda: ctypes.string_at(0), "SIGSEGV: a library has used memory"),
        (os.abort, "SIGABRT"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "SIGTERM"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "SIGKILL: .* out of memory"),
        (lambda: os.kill(os.getpid(), signal.SIGRTMIN + 1), "ended by "),
        (lambda: os.closerange(3, 1000), "ended by SIGKILL|exited with code"),
    ],
)
@pytest.mark.parametrize("fresh", [False, True])
def test_a_process_that_dies_is_told_and_replaced(workers, die, told, fresh):
    """However a worker dies, the call says how, and the next call has a new one."""
    with pytest.raises(CrashedRun, match=told):
        workers.call(die, fresh=fresh)

    assert workers.call(abs, (-1,), fresh=fresh) == 1


@pytest.mark.parametrize("fresh", [False, True])
def test_what_a_lost_process_started_ends_with_it(workers, tmp_path, until, fresh):
    """Programs that a function has left running end with its process."""
    told = tmp_path / "pid"

    def leave():
        told.write_text(str(subprocess.Popen(["sleep", "60"]).pid))
        if not fresh:
            os._exit(1)

    with suppress(CrashedRun):
        workers.call(leave, fresh=fresh)

    assert until(lambda: ended(int(told.read_text())))


def test_the_line_of_a_segmentation_fault_is_printed(workers, capsys):
    """A crash in C code shows the Python line that it happened in."""

    def crash():
        ctypes.string_at(0)

    with pytest.raises(CrashedRun):
        workers.call(crash)

    err = capsys.readouterr().err
    assert "Segmentation fault" in err
    assert f'{__file__}", line' in err


def test_a_kill_by_the_memory_limit_is_told(workers):
    """Memory that cannot be had is an error of the function, and the worker lives."""

    def fill():
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, -1))
        try:
            return bytearray(4 << 30)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (-1, -1))

    pid = workers.call(os.getpid)

    with pytest.raises(MemoryError):
        workers.call(fill)

    assert workers.call(os.getpid) == pid


def test_a_worker_that_died_idle_is_not_missed(workers, until):
    """A worker that was killed between two calls is replaced without a word."""
    pid = workers.call(os.getpid)

    os.kill(pid, signal.SIGKILL)
    second = workers.call(os.getpid)
    os.kill(second, signal.SIGKILL)
    assert until(lambda: gone(second))

    assert len({pid, second, workers.call(os.getpid)}) == 3
    assert gone(pid)


def test_an_argument_that_cannot_travel_is_named(workers):
    """The error says which argument it is, by name and type."""

    def work(rows, lock=None, *more):
        pass

    lock = threading.Lock()

    with pytest.raises(Unsendable, match=r"Argument 'lock' of .*work', a _thread.lock"):
        workers.call(work, ([], lock))
    with pytest.raises(Unsendable, match="Argument 'lock' of"):
        workers.call(work, ([],), {"lock": lock})
    with pytest.raises(Unsendable, match="Argument number 3 of"):
        workers.call(work, ([], None, lock))


def test_a_name_that_cannot_travel_is_named(workers):
    """The error says which outer name of a function it is."""
    lock = threading.Lock()

    def work():
        return lock

    with pytest.raises(Unsendable, match=r"'lock', which .* uses, a _thread.lock,"):
        workers.call(work)


def test_a_value_that_cannot_travel_is_told(workers):
    """A function that returns a generator gets an error; its worker lives on."""
    pid = workers.call(os.getpid)

    def work():
        return (i for i in range(3))

    with pytest.raises(Unsendable, match="returned, a generator, cannot come back"):
        workers.call(work)

    assert workers.call(os.getpid) == pid


def test_a_module_that_is_missing_there_is_told(workers, tmp_path, monkeypatch):
    """A function of a module that the worker cannot import gets a clear error."""
    pid = workers.call(os.getpid)
    (tmp_path / "hidden.py").write_text("def work(): pass\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        import hidden
    try:
        with pytest.raises(Unsendable, match="No module named 'hidden'"):
            workers.call(hidden.work)
    finally:
        del sys.modules["hidden"]

    assert workers.call(os.getpid) == pid


def test_large_arrays_travel_both_ways(workers):
    """A large array arrives whole, and can be written to."""
    np = pytest.importorskip("numpy")

    def double(array):
        array *= 2
        return array

    array = np.arange(3_000_000)

    value = workers.call(double, (array,))

    value += 1
    assert (value == 2 * np.arange(3_000_000) + 1).all()
    assert (array == np.arange(3_000_000)).all()


# --- what is printed ---


def test_prints_appear_here(workers, capsys, monkeypatch):
    """What a function, its programs and its C code print is printed here."""
    # Set, it makes C code write at once.
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)

    def speak():
        print("one")
        subprocess.run(["echo", "two"], check=True)
        ctypes.CDLL(None).puts(b"three")
        sys.stderr.write("four")
        print("five\udc80 é", end="")

    workers.call(speak)

    out, err = capsys.readouterr()
    # C code keeps what it prints until the end of the call.
    assert out == "one\ntwo\nfive\\udc80 éthree\n"
    assert err == "four"


def test_a_flood_of_prints_is_complete(workers, capsys):
    """A hundred thousand lines arrive all, and in order."""

    def flood():
        for i in range(100_000):
            print(i)

    workers.call(flood)

    assert capsys.readouterr().out == "".join(f"{i}\n" for i in range(100_000))


def test_a_print_appears_while_the_function_runs(workers, tmp_path, capsys, until):
    """An unfinished line is shown as well, without waiting for the end of the call."""
    flag = tmp_path / "flag"

    def work():
        print("half", end="", flush=True)
        while not flag.exists():
            time.sleep(0.01)

    thread = threading.Thread(target=workers.call, args=(work,))
    thread.start()
    shown = []

    assert until(lambda: shown.append(capsys.readouterr().out) or "half" in shown)
    flag.touch()
    thread.join()


def test_what_is_registered_for_the_exit_is_done(workers, capsys):
    """A fresh process ends as a program does: its exit functions run and print."""

    def work():
        import atexit

        atexit.register(print, "bye")
        print("hello")

    workers.call(work, fresh=True)

    assert capsys.readouterr().out == "hello\nbye\n"


# --- giving up ---


@pytest.mark.parametrize("fresh", [False, True])
def test_a_timeout_kills_the_worker_and_its_children(workers, tmp_path, until, fresh):
    """A call that takes too long is over in time, and so are the programs it started."""
    told = tmp_path / "pids"

    def work():
        child = subprocess.Popen(["sleep", "60"])
        told.write_text(f"{os.getpid()} {child.pid}")
        time.sleep(60)

    workers.call(abs, (1,))
    start = time.monotonic()

    with pytest.raises(RunTimedOut, match=r"work' did not finish within 0.5 seconds"):
        workers.call(work, timeout=0.5, fresh=fresh)

    assert time.monotonic() - start < 1.5
    worker, child = map(int, told.read_text().split())
    assert gone(worker)
    assert until(lambda: ended(child))
    assert workers.call(abs, (-2,)) == 2


def test_a_timeout_ends_code_that_never_lets_go(workers):
    """C code that holds the interpreter is killed on time too."""

    def work():
        import re

        re.match(r"(a+)+$", "a" * 60 + "b")

    with pytest.raises(TimeoutError):
        workers.call(work, timeout=0.3)


def test_a_call_in_time_is_not_touched(workers):
    """A timeout that is not reached changes nothing."""
    assert workers.call(abs, (-1,), timeout=20) == 1


@pytest.mark.parametrize("timeout", [None, 60])
def test_an_exception_in_the_waiting_thread_kills_the_worker(
    workers, tmp_path, until, timeout
):
    """Who is interrupted while he waits leaves no worker behind."""
    told = tmp_path / "pid"
    ended_by = []

    def work():
        told.write_text(str(os.getpid()))
        time.sleep(60)

    def wait():
        try:
            workers.call(work, timeout=timeout)
        except BaseException as error:  # noqa: BLE001
            ended_by.append(type(error))

    thread = threading.Thread(target=wait)
    thread.start()
    assert until(lambda: told.exists() and told.read_text())

    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt)
    )
    thread.join(5)

    assert ended_by == [KeyboardInterrupt]
    assert gone(int(told.read_text()))
    assert workers.call(abs, (-1,)) == 1


def test_an_interrupt_is_for_the_parent(workers):
    """An interrupt signal does nothing to a worker, and what it starts is not deaf."""

    def work():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        code = "import signal; print(signal.getsignal(signal.SIGINT))"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True
        )
        return done.stdout.decode()

    assert "default_int_handler" in workers.call(work)


def test_kill_ends_the_calls_in_progress(until, tmp_path):
    """Workers that are killed take their calls with them at once."""
    before = children()
    workers = Workers()
    begun = tmp_path / "begun"

    def work():
        begun.touch()
        time.sleep(60)

    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(workers.call, work)
        assert until(begun.exists)

        workers.kill()

        with pytest.raises(CancelledRun, match="its workers were killed"):
            call.result(timeout=5)
    assert children() == before


def test_closed_workers_take_no_calls():
    """After close() a call says that the workers are closed; closing again is fine."""
    workers = Workers()
    workers.call(abs, (1,))
    workers.close()
    workers.close()

    with pytest.raises(CancelledRun, match="was not called: its workers are closed"):
        workers.call(abs, (1,))


def test_close_lets_a_call_in_progress_end(until, tmp_path):
    """A call that runs when the workers are closed still returns its value."""
    before = children()
    workers = Workers()
    begun, flag = tmp_path / "begun", tmp_path / "flag"

    def work():
        begun.touch()
        while not flag.exists():
            time.sleep(0.01)
        return 42

    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(workers.call, work)
        assert until(begun.exists)
        workers.close()
        flag.touch()

        assert call.result(timeout=10) == 42
    assert children() == before


# --- nothing is left ---

FAMILY = """
    import os, subprocess, sys, threading, time
    from pathlib import Path
    from nborch.task_runners.workers import Workers

    def stuck(how, i):
        child = subprocess.Popen(["sleep", "60"])
        Path(f"pids{i}.tmp").write_text(f"{os.getpid()} {os.getppid()} {child.pid}")
        os.rename(f"pids{i}.tmp", f"pids{i}")
        if how == "deaf":
            import re
            re.match(r"(a+)+$", "a" * 60 + "b")  # lets no other thread run
        time.sleep(60)

    workers = Workers()
    for i in range(2):
        thread = threading.Thread(target=workers.call, args=(stuck, (sys.argv[1], i)))
        thread.daemon = True
        thread.start()
    while not (Path("pids0").exists() and Path("pids1").exists()):
        time.sleep(0.01)
    if sys.argv[2] == "fork" and os.fork() == 0:
        Path("forked").write_text(str(os.getpid()))
        time.sleep(60)
    print("ready", flush=True)
    if sys.argv[2] != "exit":
        time.sleep(60)
"""


@pytest.mark.parametrize("how", ["asleep", "deaf"])
@pytest.mark.parametrize("end", ["kill", "fork", "exit"])
def test_no_process_outlives_the_parent(script, tmp_path, until, how, end):
    """A second after its death, by kill -9 too, nothing of a program is left."""
    process = script(FAMILY, how, end)
    assert process.stdout.readline() == "ready\n"
    pids = {
        int(p) for i in range(2) for p in (tmp_path / f"pids{i}").read_text().split()
    }

    if end != "exit":
        process.kill()
    died = time.monotonic()

    try:
        assert until(lambda: all(map(ended, pids)), timeout=5)
        assert time.monotonic() - died < 2.5
    finally:
        if end == "fork":
            pids.add(int((tmp_path / "forked").read_text()))
        end_all(pids)


@pytest.mark.parametrize("deaf", [False, True])
def test_the_death_of_the_zygote_is_survived(workers, tmp_path, until, deaf):
    """Without the process that starts workers, calls end and new ones find another."""
    told = tmp_path / "pids"

    def work():
        told.write_text(f"{os.getpid()} {os.getppid()}")
        if deaf:
            re.match(r"(a+)+$", "a" * 60 + "b")  # lets no other thread run
        time.sleep(60)

    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(workers.call, work)
        assert until(lambda: told.exists() and told.read_text())
        worker, zygote = map(int, told.read_text().split())
        try:
            os.kill(zygote, signal.SIGKILL)

            with pytest.raises(CrashedRun, match="nobody saw how it ended"):
                call.result(timeout=10)
            assert until(lambda: ended(worker), timeout=5)
        finally:
            end_all([worker])
    assert workers.call(abs, (-1,)) == 1


def test_a_forked_child_has_workers_of_its_own(script):
    """After a fork, parent and child each use their own workers, and end quietly."""
    process = script("""
        import os, sys
        from nborch.task_runners.workers import Workers

        workers = Workers()
        first = workers.call(os.getpid)
        child = os.fork()
        second = workers.call(os.getpid)
        if child:
            os.waitpid(child, 0)
            print(first == second, workers.call(os.getpid) == first)
        else:
            print(first == second, flush=True)
    """)

    out, err = process.communicate(timeout=30)

    assert (out, err) == ("False\nTrue True\n", "")


def test_a_child_forked_during_a_call_can_close(script):
    """A child that is forked while a call runs is not kept waiting by that call."""
    process = script("""
        import os, psutil, threading, time
        from pathlib import Path
        from nborch.task_runners.workers import Workers

        def work():
            Path("begun").touch()
            time.sleep(60)

        workers = Workers()
        calling = threading.Thread(target=workers.call, args=(work,), daemon=True)
        calling.start()
        while not Path("begun").exists():
            time.sleep(0.01)
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            workers.kill()
            calling.join()
        else:
            print(workers.call(abs, (-1,)))
            workers.close()
            print(psutil.Process().children(), flush=True)
            os._exit(0)
    """)

    out, err = process.communicate(timeout=30)

    assert (out, err.count("Traceback")) == ("1\n[]\n", err.count("CancelledRun:")), err


def test_a_program_that_forgets_to_close_ends_quietly(script):
    """Open workers at the end of a program are no warning and leave no process."""
    process = script(
        """
        import os, sys
        from nborch.task_runners.workers import Workers

        def work():
            import atexit
            atexit.register(print, "bye")
            return os.getpid(), os.getppid()

        workers = Workers()
        print(*workers.call(work))
        """,
        PYTHONWARNINGS="error",
        PYTHONDEVMODE="1",
    )

    out, err = process.communicate(timeout=30)

    assert err == ""
    pids, bye = out.splitlines()
    assert bye == "bye"
    assert all(map(ended, map(int, pids.split())))


def test_no_descriptor_is_left_open():
    """Workers that come, crash, time out and go leave no open file."""

    def count():
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    with Workers() as workers:
        workers.call(abs, (1,))
        workers.call(abs, (1,), fresh=True)
        for call in (lambda: os._exit(1), lambda: time.sleep(9)):
            with pytest.raises((CrashedRun, RunTimedOut)):
                workers.call(call, timeout=0.2)

    assert count() == before


def test_a_cell_can_use_workers(kernel):
    """In a notebook, functions of cells run in workers and print into their cell."""
    kernel("from nborch.task_runners.workers import Workers\nworkers = Workers()")
    kernel("def work(x):\n    print('from the worker')\n    return 10 / x")

    ran = kernel("workers.call(work, (2,))")
    failed = kernel("workers.call(work, (0,))")
    kernel("workers.close()")

    assert (ran.stdout, ran.result) == ("from the worker\n", "5.0")
    plain = re.sub(r"\x1b\[[\d;]*m", "", failed.error)
    assert re.search(r"^-+> 3 .*return 10 / x$", plain, re.MULTILINE)
    assert "ZeroDivisionError: division by zero" in plain
