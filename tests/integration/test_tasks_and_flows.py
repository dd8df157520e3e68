"""Tasks and flows: calls behave like the functions', and are tracked."""

import asyncio
import gc
import time
import traceback
import warnings
import weakref
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from nborch import State, flow, task
from nborch.exceptions import (
    CacheWarning,
    FailedRun,
    MissingContextError,
    ParameterBindError,
    StoreError,
)
from nborch.runs import RunKind
from nborch.states import Cancelled, Completed, Failed
from nborch.tasks import task_input_hash

pytestmark = pytest.mark.usefixtures("home")


@task
def inc(n):
    return n + 1


@task
def boom():
    raise ValueError("boom")


def told(state):
    return f"{state.type.value}/{state.name}"


# The seed's programs, as printed.


def test_the_seeds_first_program(home, capsys):
    """Flow and task calls return values and print the seed's lines."""

    @task
    def fetch_data(url: str) -> list[dict]:
        return [{"url": url, "active": True}, {"active": False}]

    @task
    def process(records: list[dict]) -> list[dict]:
        return [r for r in records if r.get("active")]

    @flow(name="My Pipeline")
    def pipeline(url: str) -> list[dict]:
        raw = fetch_data(url)
        return process(raw)

    assert pipeline("u") == [{"url": "u", "active": True}]

    records = home.store.records()
    assert [(r.run.kind.value, r.run.of, told(r.state)) for r in reversed(records)] == [
        ("flow", "My Pipeline", "COMPLETED/Completed"),
        ("task", "fetch_data", "COMPLETED/Completed"),
        ("task", "process", "COMPLETED/Completed"),
    ]
    assert records[-1].run.parameters == {"url": "u"}
    assert "Finished in state Completed()" in capsys.readouterr().err


def test_the_seeds_retries(home):
    """A failing task is called again, and the failures are forgotten."""
    calls = []

    @task(retries=3, retry_delay_seconds=0.01)
    def unreliable_api_call(endpoint: str) -> dict:
        calls.append(endpoint)
        if len(calls) < 3:
            raise ConnectionError("Simulated network failure")
        return {"status": "ok"}

    @flow(retries=1)
    def robust_pipeline():
        return unreliable_api_call("https://api.example.com/data")

    assert robust_pipeline() == {"status": "ok"}

    run = home.store.records(kinds=[RunKind.TASK])[0]
    names = [
        e.data["name"]
        for e in home.store.events(run_id=run.run.id)
        if e.kind == "state"
    ]
    assert names == [
        "Pending",
        "Running",
        "AwaitingRetry",
        "Retrying",
        "AwaitingRetry",
        "Retrying",
        "Completed",
    ]
    assert run.attempt == 3


def test_the_seeds_caching(tmp_path):
    """A second call with the same input returns the kept result."""

    @task(cache_key_fn=task_input_hash, cache_expiration=timedelta(hours=1))
    def expensive_query(sql: str, log: str) -> list[dict]:
        with Path(log).open("a", encoding="utf-8") as file:
            file.write("ran")
        return [{"result": 42}]

    @flow
    def pipeline():
        r1 = expensive_query("SELECT * FROM big_table", str(tmp_path / "log"))
        r2 = expensive_query("SELECT * FROM big_table", str(tmp_path / "log"))
        return r1, r2

    assert pipeline() == ([{"result": 42}], [{"result": 42}])
    assert (tmp_path / "log").read_text() == "ran"


def test_the_seeds_subflows(home):
    """A flow called in a flow is a run of its own within it."""

    @task
    def validate(data: list) -> bool:
        return len(data) > 0

    @flow(name="transform")
    def transform_flow(data: list) -> list:
        if validate(data):
            return [x * 2 for x in data]
        return []

    @flow(name="main")
    def main_flow():
        return transform_flow([1, 2, 3, 4, 5])

    assert main_flow() == [2, 4, 6, 8, 10]

    main = home.store.records(top=True)[0]
    (sub,) = home.store.children(main.run.id)
    assert (main.run.of, sub.run.of) == ("main", "transform")
    assert [r.run.of for r in home.store.children(sub.run.id)] == ["validate"]


# States, as prefect-semantics has them.


def catches():
    try:
        boom()
    except ValueError:
        return "caught"


def raises():
    raise KeyError("k")


@pytest.mark.parametrize(
    ("body", "state", "message"),
    [
        (lambda: 1, "COMPLETED/Completed", None),
        (boom, "FAILED/Failed", "Flow run encountered an exception: ValueError: boom"),
        (raises, "FAILED/Failed", "Flow run encountered an exception: KeyError: 'k'"),
        (catches, "COMPLETED/Completed", None),
        (lambda: Failed(message="nope"), "FAILED/Failed", "nope"),
        (lambda: Completed(name="Skipped"), "COMPLETED/Skipped", None),
        (lambda: {"a": boom(return_state=True)}, "COMPLETED/Completed", None),
        (lambda: [boom(return_state=True), 1], "COMPLETED/Completed", None),
        (lambda: (inc(1, return_state=True), boom(return_state=True)), "FAILED/Failed", "1/2 states failed."),
        (lambda: boom(return_state=True), "FAILED/Failed", "1/1 states failed."),
        (lambda: [Completed(), Cancelled()], "CANCELLED/Cancelled", "1/2 states cancelled."),
    ],
)  # fmt: skip
def test_what_a_flow_returns_decides_its_state(home, body, state, message):
    """A flow's final state follows from what it returns or raises."""
    final = flow(name="f")(body)(return_state=True)

    assert (told(final), final.message) == (state, message)
    stored = home.store.records(top=True)[0]
    assert (told(stored.state), stored.state.message) == (state, message)


def test_a_task_may_return_a_state():
    """A state that a task returns is its final state, and its error is raised."""

    @task
    def fails():
        return Failed(message="no rows")

    assert told(fails(return_state=True)) == "FAILED/Failed"
    with pytest.raises(FailedRun, match="no rows"):
        fails()


def test_an_asked_for_state_carries_result_and_error():
    """With return_state the caller gets the state, and the error is in it."""
    good, bad = inc(1, return_state=True), boom(return_state=True)

    assert isinstance(good, State)
    assert good.result() == 2
    assert isinstance(bad.result(raise_on_failure=False), ValueError)
    with pytest.raises(ValueError, match="boom"):
        bad.result()


def test_a_failing_subflow_fails_its_parent():
    """The error of a subflow goes through its parent."""
    sub = flow(name="sub")(boom.fn)
    top = flow(name="top")(sub)

    assert told(top(return_state=True)) == "FAILED/Failed"


def test_a_task_outside_a_flow_is_tracked(home):
    """A task that is called on its own is a run without a parent."""
    assert inc(1) == 2
    with pytest.raises(ValueError, match="boom"):
        boom()

    assert [told(r.state) for r in home.store.records(top=True)] == [
        "FAILED/Failed",
        "COMPLETED/Completed",
    ]


def test_flows_and_tasks_may_be_nested_at_will(home):
    """A task may call tasks and flows; each is a run within it."""
    outer = task(name="outer")(lambda: inc(1) + flow(name="inner")(lambda: inc(1))())

    assert outer() == 4

    names = [
        r.run.of for r in home.store.within(home.store.records(top=True)[0].run.id)
    ]
    assert names == ["outer", "inc", "inner", "inc"]


# Retries.


def counted(**options):
    calls = []

    @task(**options)
    def fails():
        calls.append(1)
        raise ValueError(len(calls))

    return fails, calls


@pytest.mark.parametrize(
    ("options", "waits"),
    [
        ({"retries": 2}, []),
        ({"retries": 2, "retry_delay_seconds": 0.02}, [0.02, 0.02]),
        ({"retries": 3, "retry_delay_seconds": [0.01, 0.02]}, [0.01, 0.02, 0.02]),
        ({"retries": 2, "retry_delay_seconds": lambda n: [0.01] * n}, [0.01, 0.01]),
        ({"retries": 0, "retry_delay_seconds": 9}, []),
    ],
)
def test_a_task_is_retried_as_declared(home, options, waits):
    """A task is called once more than its retries, and waits as told in between."""
    fails, calls = counted(**options)

    state = fails(return_state=True)

    assert len(calls) == options["retries"] + 1
    assert str(state.result(raise_on_failure=False)) == str(len(calls))
    states = [e.data for e in home.store.events() if e.kind == "state"]
    assert [
        s["details"]["retry_in_seconds"] for s in states if s["name"] == "AwaitingRetry"
    ] == waits
    ats = [(s["name"], s["timestamp"]) for s in states]
    for (name, at), (_, following) in pairwise(ats):
        if name == "AwaitingRetry":
            assert following - at >= 0.01


def test_a_retried_flow_calls_its_tasks_again():
    """A flow that is retried runs from its beginning; completed tasks run again."""
    calls = []

    @flow(retries=2)
    def f():
        calls.append(inc(1))
        if len(calls) < 3:
            raise ValueError
        return "ok"

    assert (f(), len(calls)) == ("ok", 3)


# Hooks.


def test_hooks_are_called_with_what_they_are_of(home):
    """A hook gets the task or flow, the run and the state that it has entered."""
    seen = []

    def note(owner, run, state):
        stored = home.store.record(run.id).state.name
        seen.append(
            (
                owner.name,
                run.name.split("-")[0] if owner.name == "fails" else run.flow_name,
                state.name,
                stored,
            )
        )

    hooks = {"on_running": [note], "on_completion": [note], "on_failure": [note]}
    calls = []

    @task(retries=1, **hooks)
    def fails():
        calls.append(1)
        if len(calls) < 2:
            raise ValueError

    @flow(**hooks)
    def good():
        return fails()

    good()

    assert seen == [
        ("good", "good", "Running", "Running"),
        ("fails", "fails", "Running", "Running"),
        ("fails", "fails", "Retrying", "Retrying"),
        ("fails", "fails", "Completed", "Completed"),
        ("good", "good", "Completed", "Completed"),
    ]


def test_a_failure_calls_its_hook():
    """The failure hook, and no other, hears of a failure."""
    seen = []

    @flow(
        on_failure=[lambda f, _run, state: seen.append((f.name, state.message))],
        on_completion=[lambda *_: seen.append("no")],
    )
    def f():
        raise KeyError("k")

    f(return_state=True)

    assert seen == [("f", "Flow run encountered an exception: KeyError: 'k'")]


def test_a_hook_that_raises_changes_nothing(capsys):
    """What a hook raises is logged with its traceback, and the run goes on."""

    def broken(_flow, _run, _state):
        raise RuntimeError("hook broke")

    state = flow(name="f", on_completion=[broken])(lambda: 1)(return_state=True)

    assert told(state) == "COMPLETED/Completed"
    assert "RuntimeError: hook broke" in capsys.readouterr().err


def test_a_hook_may_be_added_by_a_decorator():
    """`@task.on_failure` and its like add a hook to what was declared."""
    seen = []

    @task(on_failure=[lambda *_: seen.append("first")])
    def t():
        raise ValueError

    @t.on_failure
    def second(_task, _run, _state):
        seen.append("second")

    t(return_state=True)

    assert seen == ["first", "second"]
    assert second.__name__ == "second"


def test_a_hit_is_a_completion():
    """The completion hook hears of a reused result too."""
    seen = []

    @task(
        cache_key_fn=lambda *_: "k",
        on_completion=[lambda _t, _r, state: seen.append(state.name)],
    )
    def t():
        return 1

    assert (t(), t(), seen) == (1, 1, ["Completed", "Cached"])


# Names and forms.


def test_names_follow_from_the_function(home):
    """A flow is named by its function with dashes, a task by its function."""

    @flow
    def my_flow():
        return my_task()

    @task
    def my_task():
        """Do it."""

    my_flow()

    assert (my_flow.name, my_task.name, my_task.description) == (
        "my-flow",
        "my_task",
        "Do it.",
    )
    names = [r.run.name for r in home.store.records()]
    assert names[0].startswith("my_task-")
    assert len(names[0]) == len("my_task-") + 3


@pytest.mark.parametrize("declare", [task, flow])
def test_a_decorator_has_three_forms(declare):
    """A decorator stands bare, with options, or is called with the function."""

    @declare
    def a():
        return 1

    @declare(name="other")
    def b():
        return 2

    assert (a(), b(), declare(lambda: 3)(), b.name) == (1, 2, 3, "other")


def test_a_declared_function_is_still_itself():
    """Name, documentation and attributes of the function are kept, and so is ours."""

    def f(x: int) -> int:
        """Give it back."""
        return x

    f.spec, f.fn, f.note = "mine", "mine", 3
    made = task(f)

    assert (made.__name__, made.__doc__, made.__wrapped__, made.note) == (
        "f",
        "Give it back.",
        f,
        3,
    )
    assert (made.fn, made(5)) == (f, 5)


def test_a_flow_of_a_task_is_both(home):
    """A task may be declared a flow: each call is a run of both."""
    both = flow(name="f")(inc)

    assert both(1) == 2
    assert [r.run.kind.value for r in home.store.records()] == ["task", "flow"]


def test_parameters_may_have_any_name():
    """A parameter may be called self, fn or args."""

    @task
    def t(self, fn, args, kwargs, name):
        return [self, fn, args, kwargs, name]

    assert t(self=1, fn=2, args=3, kwargs=4, name=5) == [1, 2, 3, 4, 5]


def test_a_call_that_does_not_fit_is_no_run(home):
    """Wrong arguments are told by the call, and nothing is recorded."""
    with pytest.raises(
        ParameterBindError,
        match=r"Task 'inc' got an unexpected argument 'm'\. Did you mean 'n'\?|Its parameters are: n\.",
    ):
        inc(m=1)

    assert home.store.records() == []


# Caching.


def test_a_key_function_decides_what_is_reused(home):
    """Calls with one key are one execution, over flows; another key is another."""
    calls = []

    @task(
        cache_key_fn=lambda context, parameters: (
            f"{context.task.name}-{parameters['n'] % 2}"
        )
    )
    def t(n):
        calls.append(n)
        return n * 10

    assert [t(1), flow(name="f")(lambda: t(3))(), t(2), t(5)] == [10, 10, 20, 10]
    assert calls == [1, 2]
    cached = [r.state for r in home.store.records() if r.state.name == "Cached"]
    assert all(
        set(s.details) == {"cache_key", "saved_seconds", "source_run"} for s in cached
    )
    assert len(cached) == 2


def test_no_key_means_no_reuse():
    """A call whose key is None is run, and its result is not kept."""
    calls = []
    t = task(name="t", cache_key_fn=lambda *_: None)(lambda: calls.append(1))

    t()
    t()

    assert len(calls) == 2


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (lambda *_: 1 / 0, r"cache_key_fn raised ZeroDivisionError"),
        (lambda *_: 42, "cache_key_fn must return a text or None, not 42"),
    ],
)
def test_a_broken_key_function_is_a_warning(function, problem):
    """A fault of the key function is told, and the task runs uncached."""
    t = task(name="t", cache_key_fn=function)(lambda: "value")

    with pytest.warns(CacheWarning, match=f"Task 't' runs uncached: its {problem}"):
        assert t() == "value"


def test_failures_are_not_kept():
    """A call that failed is called again."""
    calls = []

    @task(cache_key_fn=lambda *_: "k")
    def t():
        calls.append(1)
        if len(calls) == 1:
            raise ValueError
        return len(calls)

    t(return_state=True)

    assert (t(), t(), len(calls)) == (2, 2, 2)


def test_a_result_expires():
    """A result is not reused after its time."""
    calls = []

    @task(cache_key_fn=lambda *_: "k", cache_expiration=timedelta(seconds=0.3))
    def t():
        calls.append(1)
        return len(calls)

    first = t(), t()
    time.sleep(0.4)

    assert (first, t()) == ((1, 1), 2)


def test_a_refresh_replaces_the_result():
    """With refresh_cache a task is always called, and what it returns is kept."""
    values = iter([1, 2, 3])
    key = {"cache_key_fn": lambda *_: "k"}
    plain = task(name="t", **key)(lambda: next(values))
    fresh = task(name="t", refresh_cache=True, **key)(lambda: next(values))

    assert [plain(), plain(), fresh(), plain(), fresh()] == [1, 1, 2, 2, 3]


def test_none_is_a_result():
    """A task that returns nothing is not called again."""
    calls = []
    t = task(name="t", cache_key_fn=lambda *_: "k")(lambda: calls.append(1))

    assert (t(), t(), len(calls)) == (None, None, 1)


def test_a_kept_result_is_not_changed_by_its_user():
    """Changing a returned list does not change what a later hit returns."""
    t = task(name="t", cache_key_fn=lambda *_: "k")(lambda: [1])

    t().append(2)
    t().append(3)

    assert t() == [1]


def test_a_hit_returns_what_the_call_returned():
    """A task that returns a state returns that state's data, at first and at a hit."""
    t = task(name="t", cache_key_fn=lambda *_: "k")(
        lambda: Completed(name="Skipped", data=3)
    )

    assert (t(), t(), t(return_state=True).name) == (3, 3, "Cached")


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (1, True), ([1, 2], (1, 2)), ({1: 0}, {"1": 0}), ("1", b"1")],
)
def test_inputs_of_different_types_are_different(one, other):
    """task_input_hash never takes one type for another."""

    @task(cache_key_fn=task_input_hash)
    def kind(x):
        return type(x).__name__ + repr(x)

    assert kind(one) != kind(other)


def test_an_input_without_content_is_run_with_a_warning():
    """An argument that cannot be compared is told, and the task runs."""

    @task(cache_key_fn=task_input_hash)
    def use(f):
        return 3

    file = Path(__file__).open(encoding="utf-8")  # noqa: SIM115  # closed below
    with pytest.warns(CacheWarning, match="Task 'use' runs uncached"):
        value = use(file)
    file.close()

    assert value == 3


def test_a_task_that_calls_itself_with_its_key_does_not_wait_for_itself():
    """A run within a run of the same key computes instead of waiting for ever."""

    @task(cache_key_fn=lambda *_: "k")
    def t(n=1):
        return t(0) if n else "end"

    assert t() == "end"


def test_a_cache_that_cannot_be_used_never_reaches_the_user(home):
    """Where the cache cannot be written, tasks run and return, with a warning."""
    home.folder.mkdir(exist_ok=True)
    (home.folder / "cache").write_text("in the way")
    t = task(name="t", cache_key_fn=lambda *_: "k")(lambda: "value")

    with pytest.warns(CacheWarning):
        assert [t(), t()] == ["value", "value"]


def test_a_home_that_cannot_be_written_is_told_at_once(tmp_path, monkeypatch):
    """Without a place for its runs a flow does not start, and the error says why."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("NBORCH_HOME", str(tmp_path / "file" / "home"))

    with pytest.raises(
        StoreError, match="Set NBORCH_HOME to a folder you can write to"
    ):
        inc(1)


STAMPEDE = """
    import sys, time
    from nborch import task

    @task(cache_key_fn=lambda *_: "one")
    def slow():
        with open("ran", "a") as file:
            file.write("x")
        time.sleep(0.5)
        return 42

    time.sleep(max(0, float(sys.argv[1]) - time.time()))
    print(slow())
"""


def test_processes_that_need_one_result_compute_it_once(script, tmp_path):
    """Eight processes that call a task with one key at once run it once."""
    start = time.time() + 4
    processes = [script(STAMPEDE, start) for _ in range(8)]

    values = [p.communicate(timeout=90)[0] for p in processes]

    assert values == ["42\n"] * 8
    assert (tmp_path / "ran").read_text() == "x"


# Errors.


def test_an_error_shows_the_users_own_lines(home):
    """A task's error costs a few lines more than plain Python's and ends in its line."""

    def inner(x):
        return 1 / x

    def middle(x, inner):
        return inner(x)

    def lines(middle, inner):
        try:
            middle(0, inner)
        except ZeroDivisionError as error:
            return traceback.format_exception(error)
        raise AssertionError

    def text(parts):
        return "".join(parts).splitlines()

    plain = text(lines(middle, inner))
    ours = text(lines(flow(name="m")(middle), task(name="i")(inner)))

    assert len(ours) <= len(plain) + 4
    assert ours[-4:] == plain[-4:]
    assert sum("declaring.py" in line for line in ours) == 1


@pytest.mark.parametrize(
    "error",
    [
        StopIteration(3),
        StopAsyncIteration(),
        GeneratorExit(),
        ExceptionGroup("g", [ValueError()]),
    ],
)
def test_any_error_comes_through_as_it_is(error):
    """What a task raises is the very object that its caller catches."""
    error.add_note("a note")

    @task
    def t():
        raise error

    @flow
    def f():
        return t()

    with pytest.raises(type(error)) as caught:
        f()

    assert caught.value is error
    assert error.__notes__ == ["a note"]
    assert error.__cause__ is error.__context__ is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_abort_crashes_every_run_and_goes_on(home, error):
    """Ctrl-C in a task leaves task and flow Crashed, is not retried, and is raised."""
    seen = []

    @task(retries=3)
    def t():
        seen.append("call")
        raise error

    @flow(retries=3, on_crashed=[lambda _f, _r, state: seen.append(state.name)])
    def f():
        return t(return_state=True)

    with pytest.raises(error):
        f(return_state=True)

    assert seen == ["call", "Crashed"]
    assert [told(r.state) for r in home.store.records()] == ["CRASHED/Crashed"] * 2


def test_a_failed_call_does_not_keep_the_users_data():
    """When the error is forgotten, so are the objects of the frames that raised it."""

    class Large:
        pass

    refs = []

    @task
    def t():
        large = Large()
        refs.append(weakref.ref(large))
        raise ValueError

    gc.collect()
    gc.disable()
    try:
        with suppress(ValueError):
            t()
        assert refs[0]() is None
    finally:
        gc.enable()


# Async.


def test_async_tasks_and_flows_are_awaited(home):
    """Async functions stay async, run at the same time, and are tracked alike."""

    @task(retries=1, retry_delay_seconds=0.01)
    async def slow(n):
        await asyncio.sleep(0.2)
        return n + 1

    @flow
    async def f():
        return await asyncio.gather(*(slow(n) for n in range(5))), inc(1)

    start = time.monotonic()
    assert asyncio.run(f()) == ([1, 2, 3, 4, 5], 2)
    assert time.monotonic() - start < 0.9

    top = home.store.records(top=True)[0]
    assert [r.run.of for r in home.store.children(top.run.id)].count("slow") == 5
    assert all(r.state.is_completed() for r in home.store.records())


def test_a_sync_flow_runs_where_a_loop_is_running():
    """In a running event loop, as in a notebook, plain flows are called as usual."""

    async def cell():
        return flow(name="f")(lambda: inc(1))()

    assert asyncio.run(cell()) == 2


def test_a_cancelled_coroutine_has_crashed(home):
    """A coroutine that is cancelled ends its run, and the cancellation goes on."""

    @task
    async def waits():
        await asyncio.sleep(60)

    async def main():
        going = asyncio.create_task(waits())
        await asyncio.sleep(0.05)
        going.cancel()
        await going

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())

    assert told(home.store.records()[0].state) == "CRASHED/Crashed"


def test_an_error_of_an_async_task_is_raised_where_it_is_awaited():
    """An async task's error comes through, or is in its state."""

    @task
    async def fails():
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        asyncio.run(fails())
    assert told(asyncio.run(fails(return_state=True))) == "FAILED/Failed"


def test_a_coroutine_that_is_never_awaited_is_no_run(home):
    """An async call that nobody awaits leaves nothing behind but Python's warning."""

    @task
    async def t():
        return 1

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        t()
        gc.collect()

    assert any("never awaited" in str(w.message) for w in caught)
    assert home.store.records() == []


def test_there_is_no_run_logger_without_a_run():
    """Outside of a run there is no logger of it, and the error says so."""
    from nborch import get_run_logger

    with pytest.raises(MissingContextError, match="no active flow or task run"):
        get_run_logger()
