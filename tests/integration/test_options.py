"""Options of tasks and flows: hooks, names, tags, and how they are changed."""

import asyncio
import contextvars
import functools
import time
from datetime import date

import pytest

from nborch import flow, get_run_logger, tags, task
from nborch.context import current_run
from nborch.exceptions import InvalidDeclaration
from nborch.runtime import flow_run, task_run
from nborch.states import Cancelled
from nborch.task_runners import ThreadPoolTaskRunner

pytestmark = pytest.mark.usefixtures("home")


def told(state):
    return f"{state.type.value}/{state.name}"


def called(work):
    return work(return_state=True)


def in_a_loop(work):
    """Call it where a loop runs already, as in a notebook."""

    async def main():
        return work(return_state=True)

    return asyncio.run(main())


def submitted(work):
    return flow(name="around")(lambda: {"state": work.submit(return_state=True)})()[
        "state"
    ]


WAYS = pytest.mark.parametrize("way", [called, in_a_loop, submitted])


def fails():
    raise ValueError("no")


# Hooks.


@WAYS
def test_async_hooks_are_awaited(way):
    """An async hook has run to its end before the next hook is called."""
    seen = []

    async def slowly(owner, _run, state):
        seen.append((owner.name, state.name, "begins"))
        await asyncio.sleep(0.01)
        seen.append((owner.name, state.name, "ends"))

    def at_once(owner, _run, state):
        seen.append((owner.name, state.name))

    hooks = [at_once, slowly, at_once]
    work = task(name="work", on_running=hooks, on_completion=hooks)(lambda: 1)

    assert way(work).result() == 1
    assert seen == [
        ("work", name, *more)
        for name in ("Running", "Completed")
        for more in ((), ("begins",), ("ends",), ())
    ]


@pytest.mark.parametrize("declare", [task, flow])
def test_async_hooks_of_async_code_run_in_its_loop(declare):
    """In async code an async hook may use what belongs to the loop."""
    loops = []
    ready = []

    async def hook(_owner, _run, _state):
        loops.append(asyncio.get_running_loop())
        # Only this loop can bring it about.
        loops[0].call_soon(ready[0].set)
        await asyncio.wait_for(ready[0].wait(), 5)

    @declare(on_completion=[hook])
    async def work():
        ready.append(asyncio.Event())
        loops.append(asyncio.get_running_loop())
        return 1

    assert asyncio.run(work()) == 1
    assert len(loops) == 2
    assert loops[0] is loops[1]


@WAYS
def test_what_an_async_hook_raises_is_logged(way, capsys):
    """An async hook that raises changes nothing; the hooks after it are called."""
    seen = []

    async def broken(_owner, _run, _state):
        await asyncio.sleep(0)
        raise RuntimeError("hook broke")

    work = task(on_completion=[broken, lambda *_: seen.append(1)])(lambda: 1)

    assert told(way(work)) == "COMPLETED/Completed"
    assert seen == [1]
    error = capsys.readouterr().err
    assert "Hook 'broken' raised" in error
    assert "RuntimeError: hook broke" in error


@pytest.mark.parametrize(
    "make",
    [
        lambda note: note,
        functools.partial,
        lambda note: lambda *args: note(*args),  # noqa: PLW0108  # one of the forms
        lambda note: type("Hook", (), {"__call__": lambda _, *args: note(*args)})(),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_hook_is_any_callable(make, is_async):
    """Functions, partials, lambdas and objects are hooks, async ones too."""
    seen = []

    def note(_owner, _run, state):
        seen.append(state.name)

    async def note_async(_owner, _run, state):
        await asyncio.sleep(0)
        seen.append(state.name)

    hook = make(note_async if is_async else note)

    task(name="work", on_completion=[hook])(lambda: 1)()

    assert seen == ["Completed"]


def test_a_future_that_a_hook_returns_is_not_waited_for():
    """A hook may submit something; that the run does not wait for it frees a worker."""
    other = task(name="other")(lambda: 1)
    futures = []

    def hook(_owner, _run, _state):
        futures.append(other.submit())
        return futures[0]

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
    def f():
        return task(name="work", on_completion=[hook])(lambda: 2).submit().result()

    assert f() == 2
    assert futures[0].result() == 1


@pytest.mark.parametrize(
    ("body", "option"),
    [
        (lambda: 1, "on_completion"),
        (fails, "on_failure"),
        (lambda: Cancelled(), "on_cancellation"),  # noqa: PLW0108
        (lambda: (_ for _ in ()).throw(KeyboardInterrupt), "on_crashed"),
    ],
)
def test_each_end_of_a_flow_has_its_hook(body, option):
    """A flow calls the hook of how it ended, and no other."""
    seen = []
    options = ("on_completion", "on_failure", "on_cancellation", "on_crashed")
    hooks = {o: [lambda *_, o=o: seen.append(o)] for o in options}

    try:
        flow(name="f", **hooks)(body)(return_state=True)
    except KeyboardInterrupt:
        seen.append("raised")

    assert seen == [option, *(["raised"] if option == "on_crashed" else [])]


def test_hooks_of_a_flow_may_be_added_by_decorators():
    """`@f.on_crashed` and the others add to what was declared, in order."""
    seen = []

    @flow
    def f():
        raise KeyboardInterrupt

    @f.on_crashed
    def first(_flow, _run, state):
        seen.append(("first", state.name))

    @f.on_crashed
    def second(_flow, _run, state):
        seen.append(("second", state.name))

    @f.on_cancellation
    def never(_flow, _run, _state):
        seen.append("never")

    with pytest.raises(KeyboardInterrupt):
        f()

    assert seen == [("first", "Crashed"), ("second", "Crashed")]


def test_a_hook_added_later_is_that_task_alone():
    """A hook that is added to a changed task is not one of the original."""
    seen = []
    original = task(name="work")(lambda: 1)
    changed = original.with_options(retries=1)
    changed.on_completion(lambda *_: seen.append("changed"))
    kept = changed.with_options(name="kept")

    original()
    assert seen == []
    kept()
    assert seen == ["changed"]


def test_a_hook_runs_within_its_run():
    """A hook has the logger and the facts of the run, and what it calls is of it."""
    seen = []

    def hook(_task, run, _state):
        seen.append((run.id, current_run.get().run.id, get_run_logger().name))

    task(name="work", on_completion=[hook])(lambda: 1)()

    ((one, two, name),) = seen
    assert one == two
    assert name == "nborch.task_runs"


def test_a_hook_sees_the_run():
    """The run that a hook gets has its names, its tags, its state and parameters."""
    seen = []

    def hook(_task, run, state):
        seen.append(
            (
                run.task_name,
                run.name,
                sorted(run.tags),
                run.state == state,
                run.run_count,
            )
        )

    work = task(name="work", task_run_name="w-{n}", tags=["a"], on_completion=[hook])(
        lambda n: n
    )

    work(3)

    assert seen == [("work", "w-3", ["a"], True, 1)]


def test_a_hook_may_call_the_task_again():
    """A hook may call what it is a hook of; that is a run of its own."""
    seen = []

    def again(work, run, _state):
        seen.append(run.id)
        if len(seen) < 3:
            work()

    task(name="work", on_completion=[again])(lambda: 1)()

    assert len(set(seen)) == 3


def test_what_a_hook_does_to_the_context_stays_there():
    """An async hook's context variables do not leak into the code after it."""
    variable = contextvars.ContextVar("variable", default="outside")

    async def hook(_task, _run, _state):
        variable.set("inside")

    work = task(name="work", on_running=[hook])(lambda: variable.get())  # noqa: PLW0108  # C tells no parameters

    assert work() == "outside"


def test_an_interrupted_hook_is_the_users_interrupt():
    """Ctrl-C in a hook is not swallowed."""

    def hook(_task, _run, _state):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        task(name="work", on_running=[hook])(lambda: 1)()


@pytest.mark.parametrize("option", ["on_completion", "on_failure", "on_running"])
@pytest.mark.parametrize("declare", [task, flow])
def test_what_is_no_hook_is_an_error_where_it_stands(declare, option):
    """Hooks are given as a list of what can be called."""
    with pytest.raises(
        InvalidDeclaration, match=f"{option} must be a list of functions"
    ):
        declare(name="w", **{option: fails})(lambda: 1)
    with pytest.raises(InvalidDeclaration, match="'x', which cannot be called"):
        declare(name="w", **{option: ["x"]})(lambda: 1)
    with pytest.raises(InvalidDeclaration, match="which cannot be called"):
        getattr(declare(name="w")(lambda: 1), option)(3)


# Names of runs.


@pytest.mark.parametrize("way", [called, submitted])
@pytest.mark.parametrize(
    ("naming", "name"),
    [
        ("fixed", "fixed"),
        ("{a}-{b:.2f}", "x-1.50"),
        ("{a!r}", "'x'"),
        ("{c[key]}", "value"),
        ("{d.year}", "2026"),
        ("{{a}}", "{a}"),
        (lambda: "told", "told"),
        (lambda parameters: f"of {parameters['a']}", "of x"),
        (functools.partial(lambda prefix: prefix, "partly"), "partly"),
    ],
)
def test_runs_are_named_as_declared(home, way, naming, name):
    """A run is named by a template that its parameters fill, or by a function."""

    @task(task_run_name=naming)
    def work(a, b=1.5, c=None, d=None):
        return a

    arguments = ("x", 1.5, {"key": "value"}, date(2026, 1, 2))
    way(_Called(work, arguments))

    assert [r.run.name for r in home.store.records() if r.run.of == "work"] == [name]


class _Called:
    """A task with its arguments."""

    def __init__(self, work, arguments):
        self.work, self.arguments = work, arguments

    def __call__(self, **options):
        return self.work(*self.arguments, **options)

    def submit(self, **options):
        return self.work.submit(*self.arguments, **options)


def test_a_flow_run_is_named_as_declared():
    """Flows have templates for the names of their runs too."""

    @flow(flow_run_name="{month}-report")
    def report(month: int):
        return flow_run.name, month

    assert report("5") == ("5-report", 5)


def test_a_function_that_names_runs_may_ask_for_the_run():
    """`nborch.runtime` tells it the flow or task, and the parameters."""

    def of_task():
        return f"{flow_run.name}/{task_run.task_name}-{task_run.parameters['n']}"

    @task(task_run_name=of_task)
    def work(n):
        return task_run.name

    @flow(flow_run_name=lambda: f"{flow_run.flow_name}-{flow_run.parameters['n']}")
    def outer(n):
        return inner(n + 1), flow_run.name

    @flow(flow_run_name=lambda: f"{flow_run.flow_name}-{flow_run.parameters['n']}")
    def inner(n):
        return work(n), work.submit(n).result(), flow_run.name

    told = "inner-2/work-2"
    assert outer(1) == ((told, told, "inner-2"), "outer-1")


def test_a_function_names_runs_by_results_not_by_futures():
    """A function that names runs gets results where there are futures in the call."""

    @task(task_run_name=lambda parameters: f"w-{parameters['n'] + 1}")
    def work(n):
        return task_run.name

    @task(task_run_name="w-{n:.2f}")
    def formatted(n):
        return task_run.name

    @flow
    def f():
        one = task(name="one")(lambda: 1).submit()
        return work(one), work.submit(one).result(), formatted.submit(one).result()

    assert f() == ("w-2", "w-2", "w-1.00")


def test_a_run_is_named_by_results_not_by_futures(home):
    """A template is filled with the results of the futures among the arguments."""

    @task(task_run_name="w-{n}")
    def work(n):
        return task_run.name

    @flow
    def f():
        one = task(name="one")(lambda: 1).submit()
        return work(one), work.submit(one).result()

    assert f() == ("w-1", "w-1")
    names = {r.run.name for r in home.store.records() if r.run.of == "work"}
    assert names == {"w-1"}


@pytest.mark.parametrize(
    ("naming", "says"),
    [
        ("{nothing}", "asks for 'nothing', which is no parameter"),
        ("{}", "asks for ''"),
        (3, "must be a text such as"),
    ],
)
@pytest.mark.parametrize(("declare", "kind"), [(task, "task"), (flow, "flow")])
def test_a_template_that_cannot_be_filled_is_told_at_once(declare, kind, naming, says):
    """A template that asks for no parameter raises at the decorator."""
    with pytest.raises(InvalidDeclaration, match=says):
        declare(name="w", **{f"{kind}_run_name": naming})(lambda n: n)


def test_a_function_must_tell_a_name():
    """A function that names runs returns a text; else the error says what it did."""
    work = task(name="work", task_run_name=lambda: 3)(lambda: 1)

    with pytest.raises(InvalidDeclaration, match="names its runs returned 3"):
        work()


# Tags.


def test_tags_add_up(home):
    """A run has the tags that were declared and those of the blocks around its call."""
    work = task(name="work", tags=["declared"])(lambda: task_run.tags)

    @flow(tags=["flow"])
    def f():
        with tags("a"), tags("b", "a"):
            inner = work()
        return {
            "in": set(inner),
            "out": set(work()),
            "sent": set(work.submit().result()),
        }

    with tags("around"):
        made = f()

    assert made == {
        "in": {"declared", "around", "a", "b"},
        "out": {"declared", "around"},
        "sent": {"declared", "around"},
    }
    by_name = {r.run.of: set(r.run.tags) for r in home.store.records()}
    assert by_name["f"] == {"flow", "around"}


def test_tags_of_a_submitted_run_are_those_of_its_submission():
    """A submitted run has the tags where it was submitted, and so has what it calls."""
    inner = task(name="inner")(lambda: set(task_run.tags))

    @task
    def outer():
        return set(task_run.tags), inner()

    @flow
    def f():
        with tags("block"):
            future = outer.submit()
        return future.result()

    assert f() == ({"block"}, {"block"})


@pytest.mark.parametrize("wrong", ["nightly", [3]])
def test_tags_are_a_list_of_texts(wrong):
    """A text alone is no list of tags, which would be its letters."""
    with pytest.raises(InvalidDeclaration, match="tags must be a list of texts"):
        task(name="w", tags=wrong)(lambda: 1)


# Changed options.


def test_the_original_stays_as_it_is():
    """`with_options` gives a new task of the same function."""
    original = task(name="a", retries=3, tags=["x"], timeout_seconds=5)(fails)
    changed = original.with_options(name="b", retries=0)

    assert (original.name, original.retries) == ("a", 3)
    assert (changed.name, changed.retries, changed.tags, changed.timeout_seconds) == (
        "b",
        0,
        {"x"},
        5,
    )
    assert changed.fn is original.fn is fails


def test_every_option_can_be_changed():
    """What a decorator takes, `with_options` takes as well, with the same checks."""
    import inspect

    for declare in (task, flow):
        names = list(inspect.signature(declare).parameters)[1:]
        work = declare(name="work")(lambda: 1)
        for name in names:
            assert work.with_options(**{name: None}).name == "work", name
        with pytest.raises(InvalidDeclaration, match="retries must be"):
            work.with_options(retries=-1)


def test_a_misspelt_option_is_told():
    """An option that does not exist raises, and the message names the nearest."""
    with pytest.raises(InvalidDeclaration, match=r"no option 'retry'.*'retries'"):
        task(name="work")(lambda: 1).with_options(retry=3)
    with pytest.raises(TypeError, match="retrys"):
        task(retrys=3)


def test_changes_follow_one_another():
    """Changes add up, and those that take something back do."""
    work = task(name="w", timeout_seconds=5, retries=2, log_prints=True)(lambda: 1)
    changed = work.with_options(retries=4).with_options(timeout_seconds=0)
    changed = changed.with_options(log_prints=False, description="Do it.")

    assert (changed.retries, changed.timeout_seconds) == (4, None)
    assert (changed.log_prints, changed.description, work.description) == (
        False,
        "Do it.",
        None,
    )


def test_a_changed_flow_runs_as_changed(home):
    """A flow with other options runs with them."""
    f = flow(name="first")(fails)
    changed = f.with_options(
        name="second", retries=1, task_runner=ThreadPoolTaskRunner(1)
    )

    assert told(changed(return_state=True)) == "FAILED/Failed"

    record = home.store.records()[0]
    assert record.run.of == "second"
    assert "Retrying" in [
        e.data["name"] for e in home.store.events() if e.kind == "state"
    ]


# Wrong declarations.


@pytest.mark.parametrize(
    ("declare", "options", "says"),
    [
        (task, {"name": 3}, "Task: name must be a text, not 3"),
        (flow, {"name": ""}, "Flow: name must be a text, not ''"),
        (task, {"timeout_seconds": "5"}, "timeout_seconds must be a number of seconds"),
        (task, {"timeout_seconds": -1}, "not -1"),
        (task, {"cache_expiration": 3600}, "must be a timedelta, not 3600"),
        (task, {"result_storage": "s3"}, "result_storage is not supported"),
        (flow, {"result_storage": "s3"}, "NBORCH_HOME"),
        (
            flow,
            {"task_runner": ThreadPoolTaskRunner},
            r"Write task_runner=ThreadPoolTaskRunner\(\)",
        ),
        (flow, {"task_runner": 4}, "task_runner must be a runner such as"),
    ],
)
def test_a_wrong_option_is_told_at_the_decorator(declare, options, says):
    """What no run could follow raises where it is declared, and says what to do."""
    with pytest.raises(InvalidDeclaration, match=says):
        declare(**{"name": "w", **options})(lambda: 1)


@pytest.mark.parametrize("declare", [task, flow])
def test_only_functions_are_declared(declare):
    """What cannot be called is no task and no flow."""
    with pytest.raises(TypeError, match="'fn' must be callable"):
        declare(3)


def test_a_declaration_costs_little():
    """A module may declare a thousand tasks in a moment."""
    start = time.perf_counter()

    for _ in range(1000):
        task(name="work", retries=3)(fails)

    assert time.perf_counter() - start < 1
