"""Submitting: which runs there are, what they wait for, and how a flow ends."""

import asyncio
import contextvars
import gc
import signal
import threading
import time
import tracemalloc
import weakref

import pytest

from nborch import State, allow_failure, flow, task
from nborch.annotations import quote
from nborch.exceptions import (
    CancelledRun,
    ParameterBindError,
    RunTimedOut,
    UnfinishedRun,
    UpstreamTaskError,
)
from nborch.futures import wait
from nborch.logging import disable_run_logger
from nborch.task_runners import ProcessPoolTaskRunner, ThreadPoolTaskRunner

pytestmark = pytest.mark.usefixtures("home")


@task
def inc(n):
    return n + 1


@task
def boom(*_):
    raise ValueError("boom")


@task
def nap(seconds):
    """Sleep in pieces, so that it can be interrupted."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)
    return seconds


def runs_of(home, name):
    """Return what the store knows of the runs of something, oldest first."""
    home.recorder.flush()
    found = [r for r in home.store.records(limit=100_000) if r.run.of == name]
    return found[::-1]


# --- what a run needs ---


def test_a_failed_upstream_run_is_not_ready(home):
    """A run that needs a failed one never runs, and is recorded so."""
    called = []

    @task
    def after(_):
        called.append(True)

    @flow
    def needy():
        first = boom.submit()
        second = after.submit(first)
        third = after.submit([second])
        wait([third])
        return second.state, third.state, first.state

    second, third, _ = needy(return_state=True).data

    assert not called
    assert [second.name, third.name] == ["NotReady", "NotReady"]
    assert "did not reach a 'COMPLETED' state" in second.message
    assert [r.state.name for r in runs_of(home, "after")] == ["NotReady", "NotReady"]
    with pytest.raises(UnfinishedRun):
        second.result()


def test_a_direct_call_that_needs_a_failed_run_raises():
    """A task that is called, not submitted, raises what it lacks."""

    @flow
    def needy():
        return inc(boom.submit())

    with pytest.raises(UpstreamTaskError, match=r"'boom-.*' did not reach") as caught:
        needy()

    assert isinstance(caught.value.__cause__, ValueError)


def test_a_failure_that_is_allowed_is_passed_on():
    """With allow_failure the task gets the exception, at any depth."""

    @task
    def look(value):
        return value

    @flow
    def tolerant():
        failed = boom.submit()
        return [
            look.submit(allow_failure(failed)).result(),
            look.submit({"all": allow_failure([failed, inc.submit(1)])}).result(),
        ]

    alone, within = tolerant()

    assert repr(alone) == "ValueError('boom')"
    assert repr(within) == "{'all': [ValueError('boom'), 2]}"


def test_what_is_quoted_is_not_looked_into():
    """A quoted future arrives as a future, and nobody has waited for it."""

    @task
    def look(value):
        return value

    @flow
    def quoting():
        future = inc.submit(1)
        (same,) = look(quote([future]))
        return same is future

    assert quoting() is True


def test_wait_for_only_waits(home, tmp_path):
    """A run with wait_for begins when those have completed, not before."""
    order = []

    @task
    def note(name, seconds=0.0):
        time.sleep(seconds)
        order.append(name)

    @flow
    def ordered():
        slow = note.submit("slow", 0.1)
        note.submit("after", wait_for=[slow])
        note.submit("alone", wait_for=slow)
        note("called", wait_for=[slow])
        note.map(["mapped"], wait_for=slow)
        inc.submit(1, wait_for=[boom.submit()]).wait()

    ordered()

    assert order[0] == "slow"
    assert sorted(order) == ["after", "alone", "called", "mapped", "slow"]
    assert [r.state.name for r in runs_of(home, "inc")] == ["NotReady"]


def test_a_run_records_what_it_came_from(home):
    """The upstream runs of a run are recorded, those it only waited for too."""

    @flow
    def linked():
        one, two = inc.submit(1), inc.submit(2)
        last = inc.submit(one, wait_for=[two])
        last.wait()
        return one.task_run_id, two.task_run_id, last.task_run_id

    one, two, last = linked()

    home.recorder.flush()
    assert home.store.record(last).run.details["upstream"] == [one, two]


def test_a_call_that_does_not_fit_is_told_at_once(home):
    """Wrong arguments raise where the task is submitted, and make no run."""

    @flow
    def wrong():
        with pytest.raises(ParameterBindError):
            inc.submit()
        with pytest.raises(ParameterBindError):
            inc.map([1, 2], m=3)

    wrong()

    assert runs_of(home, "inc") == []


def test_a_large_plain_argument_costs_little():
    """To look for futures in 200,000 dicts takes a small part of making them."""
    start = time.perf_counter()
    rows = [{"id": n, "name": str(n)} for n in range(200_000)]
    made = time.perf_counter() - start

    @flow
    def large():
        start = time.perf_counter()
        future = inc_all.submit(rows)
        seconds = time.perf_counter() - start
        assert future.result() == len(rows)
        return seconds

    @task
    def inc_all(rows):
        return len(rows)

    assert large() < 10 * made + 0.2


# --- many runs ---


def test_a_long_chain_runs(until):
    """A chain of 10,000 runs ends, and needs no more threads than workers."""
    most = []

    @flow(task_runner=ThreadPoolTaskRunner(4))
    def chain(length):
        last = inc.submit(0)
        for _ in range(length):
            last = inc.submit(last)
        most.append(threading.active_count())
        return last.result()

    before = threading.active_count()

    assert chain(10_000) == 10_001
    assert max(most) - before <= 4 + 1


def test_a_long_chain_behind_a_failure_ends():
    """What is behind a failure ends too, however long it is."""

    @flow(task_runner=ThreadPoolTaskRunner(2))
    def chain():
        last = boom.submit()
        for _ in range(3_000):
            last = inc.submit(last)
        last.wait()
        return last.state.name

    assert chain() == "NotReady"


def test_a_long_chain_that_is_cancelled_ends(home):
    """When a flow fails, a long chain of waiting runs is cancelled."""
    go_on = threading.Event()

    @task
    def first():
        go_on.wait(20)
        return 0

    @flow(task_runner=ThreadPoolTaskRunner(2))
    def chain():
        last = first.submit()
        for _ in range(3_000):
            last = inc.submit(last)
        last.add_done_callback(lambda _: go_on.set())
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        chain()

    names = {r.state.name for r in runs_of(home, "inc")}
    assert names <= {"Cancelled", "NotReady"}
    assert len(runs_of(home, "inc")) == 3_000


@pytest.fixture
def unlogged():
    """No lines of runs: pytest would hold their records."""
    with disable_run_logger():
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("unlogged")
def test_many_mapped_runs_hold_little_memory(home):
    """A waiting run holds less than 5 KB, and one that has ended less than two."""
    count = 20_000
    gate = threading.Event()
    held = {}

    @task
    def closed():
        gate.wait(60)

    @flow(task_runner=ThreadPoolTaskRunner(2))
    def many():
        inc.map(range(100)).wait()
        first = closed.submit()
        tracemalloc.start()
        before = size()
        futures = inc.map(range(count), wait_for=[first])
        held["waiting"] = (size() - before) / count
        gate.set()
        futures.wait()
        held["ended"] = (size() - before) / count
        del futures, first
        held["dropped"] = (size() - before) / count

    def size():
        # What waits to be written is no run's any more.
        home.recorder.flush()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    try:
        many()
    finally:
        tracemalloc.stop()

    print(held)  # noqa: T201  # shown when it fails
    assert held["waiting"] < 5_000
    assert held["ended"] < 2_000
    assert held["dropped"] < 300


def test_nothing_is_kept_of_what_is_dropped(until):
    """Arguments go when the run has ended, results when the future is dropped."""

    class Big:
        pass

    @task
    def make(_):
        return Big()

    refs = []

    @flow
    def careful():
        argument = Big()
        future = make.submit(argument)
        refs.append(weakref.ref(argument))
        del argument
        refs.append(weakref.ref(future.result()))
        assert until(lambda: refs[0]() is None)
        assert refs[1]() is not None
        del future
        assert until(lambda: refs[1]() is None)

    careful()


def test_long_texts_are_not_kept():
    """A text that a task returned is not kept by the flow run."""

    @task
    def make():
        return "x" * 1_000_000

    @flow
    def careful():
        tracemalloc.start()
        for _ in range(20):
            make()
            make.submit().result()
        return tracemalloc.get_traced_memory()[0]

    try:
        assert careful() < 5_000_000
    finally:
        tracemalloc.stop()


# --- where one may submit ---


def test_a_task_may_be_submitted_outside_a_flow(home):
    """Without a flow the run belongs to the process, and has no parent."""
    assert inc.submit(1).result() == 2
    assert [f.result() for f in inc.map([1, 2])] == [2, 3]
    assert {r.run.parent_id for r in runs_of(home, "inc")} == {None}


def test_failures_outside_flows_are_not_remembered():
    """Runs outside flows that failed go with their futures."""

    class Wrong(Exception):
        pass

    @task
    def broken():
        raise Wrong

    future = broken.submit()
    future.wait()
    kept = weakref.ref(future)
    del future
    gc.collect()

    assert kept() is None


def test_tasks_submit_tasks(home):
    """A task run that a task has submitted is a child of it, in the same flow."""

    @task
    def outer():
        return inc.submit(1).result()

    @flow
    def nesting():
        return outer.submit().result()

    assert nesting() == 2
    (parent,) = runs_of(home, "outer")
    (child,) = runs_of(home, "inc")
    assert child.run.parent_id == parent.run.id


def test_a_flow_waits_for_what_its_tasks_submit():
    """What a task submits and does not wait for ends before the flow does."""
    ended = []

    @task
    def later():
        time.sleep(0.1)
        ended.append(True)

    @task
    def outer():
        later.submit()

    @flow
    def nesting():
        outer.submit()

    nesting()

    assert ended == [True]


def test_a_flow_that_fails_waits_for_what_its_tasks_submit(until):
    """It does so too when it fails while those run."""
    ended, begun, failed = [], threading.Event(), threading.Event()

    @task
    def later():
        time.sleep(0.1)
        ended.append(True)

    @task
    def outer():
        begun.set()
        failed.wait(20)
        time.sleep(0.1)
        later.submit()

    @flow
    def nesting():
        outer.submit()
        begun.wait(20)
        failed.set()
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        nesting()

    assert ended == [True]


def test_a_subflow_waits_for_its_own_runs(home):
    """A subflow has ended when what was submitted in it has."""
    ended = []

    @task
    def later(name):
        time.sleep(0.05)
        ended.append(name)

    @flow
    def inner():
        later.submit("inner")

    @task
    def middle():
        inner()
        return list(ended)

    @flow(task_runner=ThreadPoolTaskRunner(1))
    def outer():
        inner()
        seen = list(ended)
        return seen, middle.submit().result()

    assert outer() == (["inner"], ["inner", "inner"])
    (one, two) = runs_of(home, "inner")
    assert [r.run.parent_id for r in runs_of(home, "later")] == [one.run.id, two.run.id]


def test_a_thread_with_the_flows_context_submits_within_it(home):
    """A thread belongs to the flow if it runs in a copy of its context."""

    @flow
    def threaded():
        context = contextvars.copy_context()
        for target in (
            lambda: context.run(lambda: inc.submit(1).wait()),
            lambda: inc.submit(1).wait(),
        ):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()

    threaded()

    (run,) = runs_of(home, "threaded")
    within, outside = runs_of(home, "inc")
    assert within.run.parent_id == run.run.id
    assert outside.run.parent_id is None


def test_threads_of_a_task_that_wait_give_up_one_place():
    """However many threads of a task wait for others, one more task may run."""
    counts, lock, here = [], threading.Lock(), set()

    @task
    def attend(n):
        with lock:
            here.add(n)
            counts.append(len(here))
        time.sleep(0.02)
        with lock:
            here.remove(n)

    @task
    def outer():
        futures = attend.map(range(8))
        threads = [
            threading.Thread(target=contextvars.copy_context().run, args=(f.wait,))
            for f in futures
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        attend.fn("outer")

    @flow(task_runner=ThreadPoolTaskRunner(1))
    def nesting():
        outer.submit().wait()

    nesting()

    assert max(counts) == 1


def test_what_is_submitted_after_the_flow_runs_outside_it(home):
    """A thread that outlives its flow may still submit; nobody waits for the run."""
    over, results = threading.Event(), []

    def late():
        over.wait(20)
        results.append(inc.submit(1).result())

    @flow
    def short():
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(late,))
        thread.start()
        return thread

    thread = short()
    over.set()
    thread.join(20)

    assert results == [2]


def test_context_variables_come_along():
    """A submitted task sees the context variables as they were when it was submitted."""
    word = contextvars.ContextVar("word", default="none")

    @task
    def spoken():
        return word.get()

    @task
    async def spoken_async():
        return word.get()

    @flow
    def speaking():
        word.set("one")
        futures = [spoken.submit(), spoken_async.submit()]
        word.set("two")
        return [f.result() for f in [*futures, spoken.submit()]]

    assert speaking() == ["one", "one", "two"]


def test_a_forked_child_may_submit(script):
    """A child process that is forked in a flow runs its own tasks, and ends."""
    process = script("""
        import os, sys
        from nborch import flow, task

        @task
        def inc(n):
            return n + 1

        @flow
        def forking():
            inc.map(range(8)).wait()
            waiting = [inc.submit(inc.submit(n)) for n in range(200)]
            pid = os.fork()
            if pid == 0:
                value = inc.submit(41).result()
                os._exit(0 if value == 42 else 1)
            _, status = os.waitpid(pid, 0)
            return os.waitstatus_to_exitcode(status), sum(f.result() for f in waiting)

        print(forking())
    """)

    out, err = process.communicate(timeout=40)

    assert out == f"(0, {sum(range(2, 202))})\n", err


def test_a_program_waits_for_what_it_has_submitted(script, home):
    """A script that submits outside a flow and ends does so when the runs have."""
    process = script("""
        import threading, time
        from nborch import task

        @task(retries=1, retry_delay_seconds=0.1)
        def late(n, attempts=[]):
            time.sleep(0.1)
            if n == 0 and not attempts:
                attempts.append(1)
                raise OSError
            print("late", n, flush=True)
            return n

        @task
        def after(n):
            print("after", n, flush=True)

        def user_thread():
            time.sleep(0.5)
            late.submit(2)

        late.submit(1)
        after.submit(late.submit(0))
        threading.Thread(target=user_thread).start()
    """)

    out, _ = process.communicate(timeout=40)

    assert sorted(out.splitlines()) == ["after 0", "late 0", "late 1", "late 2"]
    states = [r.state.name for name in ("late", "after") for r in runs_of(home, name)]
    assert states == ["Completed"] * 4


# --- how a flow ends ---


def test_a_flow_waits_for_what_it_has_submitted(home):
    """A flow run ends when the last task run has that was submitted in it."""
    ended = []

    @task
    def later():
        time.sleep(0.1)
        ended.append(True)

    @flow
    def leaving():
        later.submit()

    leaving()

    assert ended == [True]
    (run,), (child,) = runs_of(home, "leaving"), runs_of(home, "later")
    assert run.ended >= child.ended


def test_an_async_flow_waits_for_what_it_has_submitted():
    """An async flow does so without stopping its event loop."""
    ended, beats = [], []

    @task
    def later():
        time.sleep(0.2)
        ended.append(True)

    @flow
    async def leaving(*, fails):
        later.submit()
        await asyncio.sleep(0.05)
        if fails:
            raise RuntimeError("no")

    async def main(**kwargs):
        async def beat():
            while True:
                beats.append(time.monotonic())
                await asyncio.sleep(0.01)

        beating = asyncio.create_task(beat())
        state = await leaving(**kwargs, return_state=True)
        beating.cancel()
        return state.name

    assert asyncio.run(main(fails=False)) == "Completed"
    assert asyncio.run(main(fails=True)) == "Failed"
    assert ended == [True, True]
    assert len(beats) > 12


def test_a_failing_flow_cancels_what_has_not_begun(home):
    """What waits is cancelled when the body raises; what runs may end."""
    begun = threading.Event()

    @task
    def running():
        begun.set()
        time.sleep(0.2)
        return "done"

    @task(retries=1, retry_delay_seconds=60)
    def retrying():
        raise OSError

    futures = {}

    @flow(task_runner=ThreadPoolTaskRunner(1))
    def failing():
        futures["retrying"] = retrying.submit()
        futures["retrying"].wait(0.1)
        futures["running"] = running.submit()
        futures["queued"] = inc.submit(1)
        futures["behind"] = inc.submit(futures["running"])
        begun.wait(20)
        raise RuntimeError("no")

    start = time.monotonic()
    with pytest.raises(RuntimeError, match="no"):
        failing()

    assert time.monotonic() - start < 20
    states = {name: future.state.name for name, future in futures.items()}
    assert states == {
        "retrying": "Cancelled",
        "running": "Completed",
        "queued": "Cancelled",
        "behind": "Cancelled",
    }
    assert {r.state.name for r in runs_of(home, "inc")} == {"Cancelled"}
    with pytest.raises(CancelledRun, match="flow run ended before"):
        futures["queued"].result()


def test_a_flow_that_is_out_of_time_stops_its_tasks():
    """A timeout of a flow does not wait for the tasks that run: it stops them."""
    futures = []

    @flow(timeout_seconds=0.2)
    def slow():
        futures.append(nap.submit(30))
        futures[0].wait()

    @flow(timeout_seconds=0.2)
    async def slow_async():
        futures.append(nap.submit(30))
        await futures[1]

    start = time.monotonic()
    with pytest.raises(RunTimedOut, match="Flow run exceeded"):
        slow()
    with pytest.raises(RunTimedOut, match="Flow run exceeded"):
        asyncio.run(slow_async())

    assert time.monotonic() - start < 10
    assert [future.state.name for future in futures] == ["Cancelled", "Cancelled"]


def test_a_failure_that_nobody_asked_about_is_told(home, capsys):
    """A flow that completes although a submitted run failed says so."""

    @flow
    def careless():
        boom.submit()
        inc.submit(1)

    state = careless(return_state=True)

    assert state.is_completed()
    assert state.message.startswith(
        "1 of 2 submitted task runs did not complete, and nobody asked how they ended: "
        "boom-"
    )
    (line,) = [x for x in capsys.readouterr().err.splitlines() if "WARNING" in x]
    assert "nobody asked" in line
    assert runs_of(home, "careless")[0].state.message == state.message


@pytest.mark.parametrize(
    "asks",
    [
        lambda f: f.result(raise_on_failure=False),
        lambda f: (f.wait(), f.state),
        inc.submit,
        lambda f: inc.submit(1, wait_for=[f]),
        lambda f: boom.map([allow_failure(f)]).result(raise_on_failure=False),
        lambda f: f.add_done_callback(lambda f: f.state),
    ],
)
def test_a_failure_that_somebody_asked_about_is_not_told(asks, capsys):
    """To ask for the result or the state, or to use it elsewhere, is to know of it."""

    @flow
    def careful():
        future = boom.submit()
        asks(future)

    careful()

    warned = [x for x in capsys.readouterr().err.splitlines() if "WARNING" in x]
    assert not any("asked how they ended: boom" in x for x in warned)


def test_returned_futures_decide_how_the_flow_ends(capsys):
    """A flow that returns futures ends as they do, and nothing more is told."""

    @flow
    def returning():
        return [boom.submit(), inc.submit(1)]

    state = returning(return_state=True)

    assert state.name == "Failed"
    assert state.message == "1/2 states failed."
    assert all(isinstance(each, State) for each in state.data)
    assert "WARNING" not in capsys.readouterr().err


@pytest.mark.parametrize("kind", [ThreadPoolTaskRunner, ProcessPoolTaskRunner])
def test_ctrl_c_ends_everything(script, home, until, tmp_path, kind):
    """Ctrl-C ends the program at once; every run has a final state in the store."""
    process = script(
        f"""
        import time
        from pathlib import Path
        from nborch import flow, task
        from nborch.task_runners import {kind.__name__}

        @task
        def busy(n):
            Path(f"begun-{{n}}").touch()
            while True:
                time.sleep(0.01)

        @task
        async def waiting(n):
            import asyncio
            Path(f"begun-{{n}}").touch()
            await asyncio.sleep(60)

        @task
        def stuck(n):
            Path(f"begun-{{n}}").touch()
            time.sleep(60)

        @task(retries=1, retry_delay_seconds=60)
        def retrying():
            raise OSError

        @task
        def queued(n):
            return n

        @flow(task_runner={kind.__name__}(3))
        def everything():
            first = retrying.submit()
            while first.state.name != "AwaitingRetry":
                time.sleep(0.01)
            running = [busy.submit(0), waiting.submit(1), stuck.submit(2)]
            queued.map(range(20))
            queued.submit(running[0])
            Path("ready").touch()

        everything()
        """
    )
    names = ["begun-0", "begun-1", "begun-2", "ready"]
    assert until(lambda: all((tmp_path / name).exists() for name in names))

    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    _, err = process.communicate(timeout=30)

    assert time.monotonic() - start < 4
    assert process.returncode == -signal.SIGINT
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert home.store.unfinished() == []
    (run,) = runs_of(home, "everything")
    assert run.state.name == "Crashed"
    for name in ("busy", "waiting", "stuck", "retrying", "queued"):
        assert {r.state.name for r in runs_of(home, name)} == {"Cancelled"}, name


def test_ctrl_c_ends_what_was_submitted_outside_flows(script, home, until, tmp_path):
    """A program that was interrupted does not wait for its queue at the exit."""
    process = script("""
        import time
        from pathlib import Path
        from nborch import task

        @task
        def busy(n):
            Path(f"begun-{n}").touch()
            while True:
                time.sleep(0.01)

        busy.map(range(100))
        # A signal that comes just before a long sleep begins is noticed after it.
        while True:
            time.sleep(0.05)
    """)
    assert until((tmp_path / "begun-0").exists)

    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    process.communicate(timeout=30)

    assert time.monotonic() - start < 4
    assert home.store.unfinished() == []


def test_an_exit_in_a_task_is_passed_on():
    """sys.exit() in a submitted task crashes its run, and is raised by its future."""

    @task
    def leave():
        raise SystemExit(3)

    @flow
    def leaving():
        future = leave.submit()
        future.wait()
        assert future.state.name == "Crashed"
        future.result()

    with pytest.raises(SystemExit):
        leaving()
    assert inc.submit(1).result() == 2


def test_an_exception_of_the_driver_is_no_hang(monkeypatch):
    """A fault of ours in a worker ends the run as Crashed, and the flow goes on."""
    from nborch.performing import Performer

    def broken(_):
        raise OSError("a fault of ours")

    @flow
    def surviving():
        with monkeypatch.context() as patch:
            patch.setattr(Performer, "gather", lambda self, hands: broken(self))
            future = inc.submit(1)
            future.wait()
        return future.state.name, inc.submit(1).result()

    assert surviving() == ("Crashed", 2)
