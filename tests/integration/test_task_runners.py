"""Task runners: one conformance suite that all of them pass."""

import os
import threading
import time
from pathlib import Path

import psutil
import pytest

from nborch import flow, task
from nborch.events import EventKind
from nborch.exceptions import CrashedRun, InvalidDeclaration, Unsendable
from nborch.futures import as_completed, wait
from nborch.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner

pytestmark = pytest.mark.usefixtures("home")

RUNNERS = {"threads": ThreadPoolTaskRunner, "processes": ProcessPoolTaskRunner}


@pytest.fixture(params=sorted(RUNNERS))
def runner(request):
    """A kind of task runner, to be called with its options."""
    return RUNNERS[request.param]


@task
def inc(n):
    return n + 1


@task
def meet(folder, name, count):
    """Wait until so many have come."""
    (Path(folder) / name).touch()
    end = time.monotonic() + 20
    while len(list(Path(folder).iterdir())) < count:
        assert time.monotonic() < end, "the others did not come"
        time.sleep(0.01)
    return name


@task
def attend(folder, name):
    """Note how many are here at the same time."""
    mine = Path(folder) / str(name)
    mine.touch()
    count = len(list(Path(folder).iterdir()))
    time.sleep(0.03)
    mine.unlink()
    return count


# --- the runner by itself ---


def test_every_job_is_done_once(runner):
    """Each job that is started is done, and only once."""
    pool = runner(3)
    done, over = [], threading.Event()

    for n in range(200):
        pool.start(lambda n=n: done.append(n))
    pool.start(lambda: None)
    while len(done) < 200 and not over.wait(0.001):
        pass
    pool.close()

    assert sorted(done) == list(range(200))


def test_jobs_that_wait_do_not_count(runner, until):
    """No more jobs work at the same time than there are places, whoever waits."""
    pool = runner(3)
    working, most, done = set(), [], []
    lock = threading.Lock()

    def job(n):
        for _ in range(5):
            with lock:
                working.add(n)
                most.append(len(working))
            time.sleep(0.001)
            with lock:
                working.remove(n)
            pool.leave()
            time.sleep(0.001)
            pool.enter()
        done.append(n)

    for n in range(30):
        pool.start(lambda n=n: job(n))

    assert until(lambda: len(done) == 30)
    pool.close()
    assert max(most) == 3


def test_a_job_that_raises_does_not_cost_a_worker(runner, monkeypatch, until):
    """An error in a job is told as an error in a thread is, and the worker goes on."""
    told, done = [], []
    monkeypatch.setattr(threading, "excepthook", told.append)
    pool = runner(1)

    def broken():
        raise SystemExit(3)

    pool.start(broken)
    pool.start(lambda: done.append(True))

    assert until(lambda: done)
    pool.close()
    assert [args.exc_type for args in told] == [SystemExit]


def test_closing_ends_the_threads_when_the_jobs_are_done(runner, until):
    """Jobs that were started before the end are done, then the threads end."""
    pool = runner(2)
    before, done = set(threading.enumerate()), []
    go_on = threading.Event()

    for n in range(6):
        pool.start(lambda n=n: (go_on.wait(20), done.append(n)))
    pool.close()
    go_on.set()

    assert until(lambda: sorted(done) == list(range(6)))
    assert until(lambda: set(threading.enumerate()) <= before)


def test_a_runner_without_threads_to_be_had_says_so(runner, monkeypatch):
    """A job that no thread can be started for is refused, and another one is not."""
    pool = runner(2)
    start = threading.Thread.start

    def fail(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(RuntimeError, match="can't start"):
        pool.start(lambda: None)
    monkeypatch.setattr(threading.Thread, "start", start)
    done = threading.Event()
    pool.start(done.set)

    assert done.wait(20)
    pool.close()


@pytest.mark.parametrize("count", [0, -1, 2.5, True, "4"])
def test_the_number_of_workers_is_checked(runner, count):
    """A number of workers that is none is refused where it is given."""
    with pytest.raises(InvalidDeclaration, match="max_workers must be a whole number"):
        runner(max_workers=count)


def test_runners_of_the_same_options_are_equal(runner):
    """A duplicate has the same options, and no work in common."""
    one = runner(max_workers=3)

    assert one.duplicate() == one == runner(max_workers=3)
    assert one.duplicate() is not one
    assert one != runner(max_workers=4)
    assert one.max_workers == 3
    assert runner().max_workers >= 1


def test_runners_of_processes_differ_by_their_initializers():
    """Processes that begin differently are not the same."""
    assert ProcessPoolTaskRunner(2, print) == ProcessPoolTaskRunner(2, print)
    assert ProcessPoolTaskRunner(2, print) != ProcessPoolTaskRunner(2, repr)
    assert ProcessPoolTaskRunner(2) != ThreadPoolTaskRunner(2)


def test_a_runner_class_is_no_runner(runner):
    """To give the class instead of a runner is told at the decorator."""
    with pytest.raises(InvalidDeclaration, match=r"Write task_runner=\w+\(\)"):

        @flow(task_runner=runner)
        def wrong():
            pass


# --- tasks in it ---


def test_results_are_in_the_order_of_submission(runner):
    """Futures are in the order in which they were submitted, whoever ends first."""

    @task
    def late(n):
        time.sleep(0.05 if n == 0 else 0)
        return n

    @flow(task_runner=runner(2))
    def ordered():
        return [f.result() for f in [late.submit(n) for n in range(6)]]

    assert ordered() == list(range(6))


def test_tasks_run_at_the_same_time(runner, tmp_path):
    """As many tasks run at the same time as there are workers."""

    @flow(task_runner=runner(3))
    def meeting():
        return meet.map(str(tmp_path), ["a", "b", "c"], 3).result()

    assert meeting() == ["a", "b", "c"]


@pytest.fixture
def room(tmp_path):
    """A folder with nothing else in it."""
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


def test_no_more_tasks_run_than_there_are_workers(runner, room):
    """The number of workers is never exceeded."""

    @flow(task_runner=runner(2))
    def many():
        return max(attend.map(str(room), range(10)).result())

    assert many() == 2


def test_no_more_tasks_run_when_waiting_ones_come_back(room):
    """It is not exceeded either when tasks wait for others and go on."""

    @task
    def outer(n):
        inner = [attend.submit(str(room), f"{n}-{i}") for i in range(2)]
        counts = [future.result() for future in inner]
        return max(attend.fn(str(room), n), *counts)

    @flow(task_runner=ThreadPoolTaskRunner(2))
    def many():
        return max(outer.map(range(6)).result())

    assert many() == 2


def test_a_task_that_needs_another_holds_no_worker(runner):
    """A long chain goes through one worker."""

    @flow(task_runner=runner(1))
    def chain():
        last = inc.submit(0)
        for _ in range(40):
            last = inc.submit(last)
        return last.result()

    assert chain() == 41


def test_a_task_that_waits_for_its_retry_holds_no_worker(runner, tmp_path):
    """While one task waits for its next attempt, the worker does others."""
    other_is_done = tmp_path / "done"

    @task(retries=20, retry_delay_seconds=0.05)
    def patient(path):
        if not Path(path).exists():
            raise OSError(path)
        return "patient"

    @task
    def other(path):
        Path(path).touch()

    @flow(task_runner=runner(1))
    def both():
        first = patient.submit(str(other_is_done))
        other.submit(str(other_is_done))
        return first.result()

    assert both() == "patient"


def test_an_async_task_that_waits_for_its_retry_holds_no_worker(runner, tmp_path):
    """The same is true for async tasks."""
    other_is_done = tmp_path / "done"

    @task(retries=50, retry_delay_seconds=0.05)
    async def patient(path):
        if not Path(path).exists():  # noqa: ASYNC240  # a moment
            raise OSError(path)
        return "patient"

    @task
    def other(path):
        time.sleep(0.3)
        Path(path).touch()

    @flow(task_runner=runner(1))
    def both():
        first = patient.submit(str(other_is_done))
        other.submit(str(other_is_done))
        return first.result()

    start = time.monotonic()
    assert both() == "patient"
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("depth", [50])
def test_nested_submits_need_only_one_worker(depth):
    """Tasks that submit tasks and wait for them do so with a single thread."""

    @task
    def down(n):
        return n if n == 0 else down.submit(n - 1).result() + 1

    @flow(task_runner=ThreadPoolTaskRunner(1))
    def deep():
        return down.submit(depth).result()

    assert deep() == depth


def test_async_nested_submits_need_only_one_worker():
    """Async tasks that await the tasks they submit do so with a single thread."""

    @task
    async def down(n):
        if n == 0:
            return 0
        left, right = down.submit(n - 1), inc.submit(0)
        return await left + await right

    @flow(task_runner=ThreadPoolTaskRunner(1))
    def deep():
        return down.submit(20).result()

    assert deep() == 20


def test_tasks_in_processes_may_submit(tmp_path):
    """A task in a process can submit tasks; they run there."""

    @task
    def outer(n):
        return os.getpid(), sum(f.result() for f in [inc.submit(n), inc.submit(n)])

    @flow(task_runner=ProcessPoolTaskRunner(1))
    def nested():
        return outer.submit(1).result()

    pid, total = nested()

    assert total == 4
    assert pid != os.getpid()


def test_async_tasks_run_at_the_same_time(runner, tmp_path):
    """Async tasks may be submitted like others, many at once."""

    @task
    async def later(folder, n):
        import asyncio

        (Path(folder) / str(n)).touch()
        while len(list(Path(folder).iterdir())) < 4:  # noqa: ASYNC110, ASYNC240  # in processes too
            await asyncio.sleep(0.01)
        return n

    @flow(task_runner=runner(4))
    def together():
        return later.map(str(tmp_path), range(40)).result()

    assert together() == list(range(40))


def test_a_generator_that_is_submitted_comes_to_a_list(runner):
    """The result of a submitted generator task is the list of its items."""

    @task
    def count(n):
        yield from range(n)

    @task
    async def count_async(n):
        for i in range(n):
            yield i

    @flow(task_runner=runner(2))
    def counted():
        return count.submit(3).result(), count_async.submit(2).result()

    assert counted() == ([0, 1, 2], [0, 1])


def test_the_error_is_the_tasks_and_shows_its_line(runner):
    """What a task raises is raised by its future, with the line in the user's code."""
    import traceback

    class Wrong(Exception):
        def __init__(self, column, *, row):
            super().__init__(column)
            self.row = row
            self.lock = threading.Lock()

    @task
    def broken():
        raise Wrong("price", row=3)  # this line

    @flow(task_runner=runner(1))
    def failing():
        broken.submit().result()

    with pytest.raises(Wrong) as caught:
        failing()

    assert caught.value.row == 3
    lines = "".join(traceback.format_exception(caught.value))
    assert 'raise Wrong("price", row=3)  # this line' in lines
    assert "broken.submit().result()" in lines


def test_a_runner_may_serve_several_flows(runner):
    """Flows that share a runner object do not share its workers."""
    shared = runner(max_workers=2)

    @flow(task_runner=shared)
    def inner(n):
        return inc.submit(n).result()

    @flow(task_runner=shared)
    def outer():
        return inner(inc.submit(1).result()) + inner(10)

    assert outer() == 3 + 11
    assert outer() == 3 + 11


def test_flows_at_the_same_time_have_their_own_workers(runner, tmp_path):
    """Two flows in two threads do not wait for each other's workers."""
    ended = {}

    @flow(task_runner=runner(1))
    def one(name):
        ended[name] = meet.submit(str(tmp_path), name, 2).result()

    threads = [threading.Thread(target=one, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert ended == {"a": "a", "b": "b"}


def test_nothing_of_the_workers_is_left(runner, until):
    """Threads and processes end with the flow that they were for."""
    me = psutil.Process()
    threads, children = threading.active_count(), len(me.children(recursive=True))

    @flow(task_runner=runner(3))
    def busy():
        return sum(inc.map(range(10)).result())

    assert busy() == 55
    assert until(lambda: threading.active_count() <= threads + 1)  # the recorder
    assert until(lambda: len(me.children(recursive=True)) <= children)


def test_many_tasks_need_no_more_threads(runner):
    """A thousand tasks run in as many threads as there are workers."""
    most = []

    @flow(task_runner=runner(2))
    def many():
        futures = inc.map(range(300))
        for future in as_completed(futures):
            future.result()
            most.append(threading.active_count())
        return sum(futures.result())

    before = threading.active_count()
    assert many() == sum(range(1, 301))
    assert max(most) - before <= 2 + 2  # the recorder, and timers


# --- what only processes can do ---


def test_a_process_that_dies_crashes_its_task_only():
    """A task whose process dies is Crashed; the others get a new process."""

    @task
    def die():
        os.kill(os.getpid(), 9)

    @flow(task_runner=ProcessPoolTaskRunner(1))
    def deadly():
        before, dead, after = inc.submit(1), die.submit(), inc.submit(2)
        wait([before, dead, after])
        return before.result(), dead.state, after.result()

    before, state, after = deadly()

    assert (before, after) == (2, 3)
    assert state.name == "Crashed"
    with pytest.raises(CrashedRun, match="was ended by SIGKILL"):
        state.result()


def test_a_crash_is_not_retried():
    """Only failures are tried again, not crashes."""

    @task(retries=2)
    def die():
        os._exit(3)

    @flow(task_runner=ProcessPoolTaskRunner(1))
    def deadly():
        future = die.submit()
        future.wait()
        return future.state.name, future.state.message

    name, message = deadly()

    assert name == "Crashed"
    assert "exited with code 3" in message


def test_what_cannot_travel_is_named():
    """An argument and a result that cannot be sent are told by name and type."""

    @task
    def take(lock):
        return 1

    @task
    def make():
        return threading.Lock()

    @flow(task_runner=ProcessPoolTaskRunner(1))
    def travel():
        sent, made, fine = take.submit(threading.Lock()), make.submit(), inc.submit(1)
        wait([sent, made, fine])
        return sent.state, made.state, fine.result()

    sent, made, fine = travel()

    assert fine == 2
    with pytest.raises(
        Unsendable, match=r"Argument 'lock' of '.*take', a _thread.lock"
    ):
        sent.result()
    with pytest.raises(Unsendable, match=r"value that '.*make' returned, a lock"):
        made.result()


def test_processes_begin_with_their_initializer():
    """The initializer is called once in each process, before its first task."""

    def begin(word):
        os.environ["NBORCH_TEST_WORD"] = word

    @task
    def word():
        return os.environ["NBORCH_TEST_WORD"]

    @flow(task_runner=ProcessPoolTaskRunner(1, initializer=begin, initargs=("hi",)))
    def spoken():
        return {word.submit().result() for _ in range(3)}

    assert spoken() == {"hi"}
    assert "NBORCH_TEST_WORD" not in os.environ


def test_an_initializer_that_is_none_is_refused():
    """What cannot be called is no initializer."""
    with pytest.raises(InvalidDeclaration, match="initializer must be a function"):
        ProcessPoolTaskRunner(initializer="setup")


def test_tasks_in_processes_are_tracked_like_others(home):
    """States, retries and logs of a task in a process are those of any task."""
    from nborch import get_run_logger

    @task(retries=1)
    def once_more(path):
        get_run_logger().info("trying")
        if not Path(path).exists():
            Path(path).touch()
            raise OSError("not yet")
        return "now"

    @flow(task_runner=ProcessPoolTaskRunner(1))
    def tracked():
        return once_more.submit(str(home.folder / "tried")).result()

    assert tracked() == "now"
    home.recorder.flush()
    (record,) = [r for r in home.store.records() if r.run.of == "once_more"]
    events = home.store.events(run_id=record.run.id)
    states = [e.data["name"] for e in events if e.kind is EventKind.STATE]
    lines = [e.data["message"] for e in home.store.logs(record.run.id)]
    assert states == ["Pending", "Running", "Retrying", "Completed"]
    assert lines.count("trying") == 2
