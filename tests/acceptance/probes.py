"""Small programs that ask Prefect's public interface questions of behaviour.

``probe_<row>`` gets the interface of Prefect or of nborch, runs a small program with
it and returns what came out. What Prefect answers stands in ``prefect_answers.txt``.

``python tests/acceptance/probes.py ROOT [ROW]...`` asks a package, which the Python
that runs this has, and shows where its answers differ from that file. Of Prefect,
give it a home of its own: ``PREFECT_HOME=$(mktemp -d) PREFECT_LOGGING_LEVEL=CRITICAL``.
"""

import asyncio
import atexit
import gc
import inspect
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from tempfile import NamedTemporaryFile

ANSWERS = Path(__file__).with_name("prefect_answers.txt")


class Api:
    """The public names of a package: its own, and those of its modules."""

    def __init__(self, root):
        self.root = root

    def __getattr__(self, name):
        package = import_module(self.root)
        try:
            return getattr(package, name)
        except AttributeError:
            return import_module(f"{self.root}.{name}")

    @cached_property
    def inc(self):
        """A task that adds one."""

        @self.task
        def inc(x):
            return x + 1

        return inc

    @cached_property
    def same(self):
        """A task that returns what it is given."""

        @self.task
        def same(x):
            return x

        return same

    @cached_property
    def boom(self):
        """A task that fails."""

        @self.task
        def boom():
            raise ValueError("boom")

        return boom

    def within(self, body):
        """Return what a body returns that is called within a flow."""
        got = []

        @self.flow
        def around():
            got.append(body())

        around()
        return got[0]


def shown(state):
    """Return a state's type and name."""
    return f"{state.type.value}/{state.name}"


def told(error):
    """Return an exception's class and the start of its message."""
    first, *_ = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {first[:90]}"


def raised(call, *args, **kwargs):
    """Return the exception that a call raises."""
    try:
        value = call(*args, **kwargs)
    except BaseException as error:  # noqa: BLE001 - also KeyboardInterrupt is asked for
        return error
    raise AssertionError(f"nothing was raised, but {value!r} returned")


class Tally:
    """Counts calls in a file: what counts them must not change the task's code.

    nborch takes what a function closes over as part of its code, so that a list which
    grows with each call would be another code each time.
    """

    def __init__(self):
        with NamedTemporaryFile(delete=False) as file:
            self.path = file.name
        atexit.register(os.unlink, self.path)

    def add(self):
        """Count one more."""
        with Path(self.path).open("a") as file:
            file.write(".")

    def __len__(self):
        return Path(self.path).stat().st_size


class Clock:
    """How long something takes, in tenths of seconds."""

    def __init__(self):
        self.marks = []

    def mark(self):
        """Note the present time."""
        self.marks.append(time.perf_counter())

    @property
    def exact(self):
        """Seconds between the marks."""
        return [b - a for a, b in zip(self.marks, self.marks[1:], strict=False)]

    @property
    def gaps(self):
        """Seconds between the marks, to a tenth."""
        return [round(gap, 1) for gap in self.exact]


# What becomes of a flow.


def probe_flow_returns_value(api):
    @api.flow
    def f():
        return 1

    state = f(return_state=True)
    return shown(state), state.result()


def probe_flow_failing_task_call_raises(api):
    @api.flow
    def f():
        api.boom()

    return shown(f(return_state=True)), told(raised(f))


def probe_flow_catches_task_error(api):
    @api.flow
    def f():
        try:
            api.boom()
        except ValueError:
            return "caught"

    return shown(f(return_state=True))


def probe_flow_failed_submit_not_awaited_returns_none(api):
    @api.flow
    def f():
        api.boom.submit()

    return shown(f(return_state=True))


def probe_flow_failed_submit_waited_returns_none(api):
    @api.flow
    def f():
        api.boom.submit().wait()

    return shown(f(return_state=True))


def probe_flow_returns_failed_future(api):
    @api.flow
    def f():
        return api.boom.submit()

    state = f(return_state=True)
    return shown(state), state.message, told(raised(state.result))


def probe_flow_returns_list_of_futures(api):
    @api.flow
    def f():
        return [api.inc.submit(1), api.boom.submit()]

    state = f(return_state=True)
    return shown(state), state.message


def probe_flow_returns_good_futures_result_type(api):
    @api.flow
    def f():
        return [api.inc.submit(1), api.inc.submit(2)]

    value = f()
    return type(value).__name__, [type(item).__name__ for item in value]


def probe_flow_returns_one_future_result(api):
    @api.flow
    def f():
        return api.inc.submit(1)

    return repr(f())


def probe_flow_returns_manual_failed_state(api):
    @api.flow
    def f():
        return api.states.Failed(message="nope")

    state = f(return_state=True)
    return shown(state), told(raised(state.result))


def probe_flow_returns_manual_completed_with_name(api):
    @api.flow
    def f():
        return api.states.Completed(name="Skipped")

    state = f(return_state=True)
    return shown(state), str(state.message)


def probe_flow_returns_dict_with_failed_state(api):
    @api.flow
    def f():
        return {"a": api.boom(return_state=True)}

    return shown(f(return_state=True))


def probe_flow_returns_mixed_states_and_data(api):
    @api.flow
    def f():
        return [api.boom(return_state=True), 1]

    return shown(f(return_state=True))


def probe_flow_returns_tuple_ok_and_failed_states(api):
    @api.flow
    def f():
        return api.inc(1, return_state=True), api.boom(return_state=True)

    state = f(return_state=True)
    return shown(state), state.message


def probe_flow_raises(api):
    @api.flow
    def f():
        raise KeyError("k")

    state = f(return_state=True)
    return shown(state), state.message, told(raised(f))


def probe_task_returns_failed_state(api):
    @api.task
    def t():
        return api.states.Failed(message="nope")

    return shown(api.within(lambda: t(return_state=True)))


def probe_state_result_raise_on_failure_false(api):
    @api.flow
    def f():
        raise ValueError("boom")

    return repr(f(return_state=True).result(raise_on_failure=False))


def probe_subflow_failure_propagates(api):
    @api.flow
    def child():
        raise ValueError("boom")

    @api.flow
    def parent():
        child()

    return shown(parent(return_state=True))


# States.


def probe_state_types(api):
    return [kind.value for kind in api.states.StateType]


def probe_state_str(api):
    make = api.states
    states = make.Completed(message="x"), make.Failed(), make.Completed(name="Cached")
    return tuple(str(state) for state in states)


def probe_final_flags(api):
    names = (
        "Completed Failed Crashed Cancelled Cancelling Running Pending Scheduled "
        "Paused AwaitingRetry Retrying Late"
    )
    make = api.states
    return {name: getattr(make, name)().is_final() for name in names.split()}


def probe_state_names(api):
    names = (
        "Scheduled Pending Running Completed Failed Crashed Cancelling Cancelled "
        "Paused Suspended AwaitingRetry Retrying Late AwaitingConcurrencySlot "
        "Submitting InfrastructurePending"
    )
    return [shown(getattr(api.states, name)()) for name in names.split()]


def probe_state_result_unfinished(api):
    return told(raised(api.states.Running().result))


# What a task is given: futures, states, annotations.


def probe_future_as_arg_resolved(api):
    def body():
        future = api.inc.submit(1)
        return api.inc(future), api.inc.submit(future).result()

    return api.within(body)


def probe_future_nested_in_dict_resolved(api):
    return api.within(lambda: api.same({"a": [api.inc.submit(1)]}))


def probe_state_as_arg_resolved(api):
    return api.within(lambda: api.inc(api.inc(1, return_state=True)))


def probe_upstream_failed_downstream_state(api):
    def body():
        future = api.inc.submit(api.boom.submit())
        future.wait()
        return future.state

    state = api.within(body)
    said = [
        part for part in ("Upstream task run", "COMPLETED") if part in state.message
    ]
    return shown(state), " ".join(said)


def probe_upstream_failed_direct_call(api):
    def body():
        try:
            return api.inc(api.boom.submit())
        except Exception as error:  # noqa: BLE001 - any: its class is the answer
            return type(error).__name__

    return api.within(body)


def probe_wait_for_failed(api):
    def body():
        future = api.inc.submit(1, wait_for=[api.boom.submit()])
        future.wait()
        return shown(future.state)

    return api.within(body)


def probe_allow_failure_passes_exception(api):
    def body():
        return api.same.submit(api.allow_failure(api.boom.submit())).result()

    return repr(api.within(body))


def probe_allow_failure_wait_for(api):
    def body():
        future = api.inc.submit(1, wait_for=[api.allow_failure(api.boom.submit())])
        future.wait()
        return shown(future.state)

    return api.within(body)


def probe_quote_not_resolved(api):
    quote = import_module(f"{api.root}.utilities.annotations").quote

    @api.task
    def kind(items):
        resolved = items[0] == 2
        return "resolved" if resolved else type(items).__name__

    return api.within(lambda: kind(quote([api.inc.submit(1)])))


# Mapping.


def probe_map_basic(api):
    return api.within(lambda: api.inc.map([1, 2, 3]).result())


def probe_map_unmapped_and_static(api):
    @api.task
    def add(x, many, one):
        return x + sum(many) + one

    return api.within(
        lambda: add.map([1, 2], many=api.unmapped([10, 20]), one=100).result()
    )


def probe_map_string_is_static(api):
    @api.task
    def times(text, n):
        return text * n

    return api.within(lambda: times.map("xy", [1, 2]).result())


def probe_map_length_mismatch(api):
    @api.task
    def add(x, y):
        return x + y

    return told(api.within(lambda: raised(add.map, [1, 2], [1, 2, 3])))


def probe_map_no_iterable(api):
    return told(api.within(lambda: raised(api.inc.map, 1)))


def probe_map_over_future(api):
    @api.task
    def numbers():
        return [1, 2, 3]

    return api.within(lambda: api.inc.map(numbers.submit()).result())


def probe_map_return_state(api):
    states = api.within(lambda: api.inc.map([1, 2], return_state=True))
    return [shown(state) for state in states]


def probe_map_generator_and_range(api):
    def body():
        numbers = (n for n in range(2))
        return api.inc.map(range(2)).result(), str(api.inc.map(numbers).result())

    return api.within(body)


def probe_reserved_args(api):
    def f(return_state):
        return return_state

    return told(raised(api.task, f)), told(raised(api.flow, f))


# Futures.


def probe_wait_and_as_completed(api):
    @api.task
    def sleep(seconds):
        time.sleep(seconds)
        return seconds

    def body():
        futures = [sleep.submit(seconds) for seconds in (0.6, 0.1, 0.3)]
        order = [future.result() for future in api.futures.as_completed(futures)]
        done, not_done = api.futures.wait(futures)
        slow = sleep.submit(0.5)
        soon, late = api.futures.wait([slow], timeout=0.05)
        slow.wait()
        return order, len(done), len(not_done), len(soon), len(late)

    return api.within(body)


def probe_future_result_timeout(api):
    @api.task
    def sleep():
        time.sleep(0.5)

    def body():
        future = sleep.submit()
        error = raised(future.result, timeout=0.05)
        future.wait()
        return type(error).__name__, shown(future.state)

    return api.within(body)


def probe_submit_outside_flow(api):
    try:
        future = api.inc.submit(1)
    except RuntimeError as error:
        return told(error)
    return future.result()


def probe_task_outside_flow(api):
    state = api.inc(1, return_state=True)
    return api.inc(1), shown(state), told(raised(api.boom))


def probe_future_raise_on_failure_false(api):
    return repr(api.within(lambda: api.boom.submit().result(raise_on_failure=False)))


def probe_done_callback(api):
    seen = []

    def body():
        future = api.inc.submit(1)
        future.add_done_callback(lambda ended: seen.append(type(ended).__name__))
        future.wait()

    api.within(body)
    return seen


# Retries.


def attempts(api, *, fails=99, state_of="task", **options):
    """Call a task that fails some times; return its calls' times and its state."""
    clock = Clock()

    def flaky():
        clock.mark()
        if len(clock.marks) <= fails:
            raise ValueError("boom")
        return "ok"

    if state_of == "flow":
        return clock, api.flow(flaky, **options)(return_state=True)
    flaky = api.task(flaky, **options)
    return clock, api.within(lambda: flaky(return_state=True))


def probe_retry_count_and_default_delay(api):
    clock, _ = attempts(api, retries=2)
    return len(clock.marks), clock.gaps


def probe_retry_delay_scalar(api):
    clock, _ = attempts(api, retries=2, retry_delay_seconds=0.3)
    return len(clock.marks), clock.gaps


def probe_retry_delay_list_shorter_than_retries(api):
    clock, _ = attempts(api, retries=3, retry_delay_seconds=[0.1, 0.4])
    return len(clock.marks), clock.gaps


def probe_retry_delay_callable(api):
    clock, _ = attempts(
        api, retries=2, retry_delay_seconds=lambda n: [0.1 * (k + 1) for k in range(n)]
    )
    return len(clock.marks), clock.gaps


def probe_retry_jitter_applied(api):
    # A delay is never shorter than it was told to be, but by jitter. Jitter may
    # happen to lengthen all four, so that more than one round may be needed.
    for _ in range(5):
        clock, _ = attempts(
            api, retries=4, retry_delay_seconds=0.1, retry_jitter_factor=1
        )
        if min(clock.exact) < 0.09:
            return "jittered", len(clock.marks)
    return "exact", len(clock.marks)


def probe_retry_condition_false(api):
    clock, _ = attempts(api, retries=2, retry_condition_fn=lambda *_: False)
    return len(clock.marks)


def fewer_than(limit, calls, _task, _run, _state):
    """Tell whether to retry: there were not that many calls yet."""
    calls.append(1)
    return len(calls) < limit


def probe_retry_condition_partial(api):
    condition = partial(fewer_than, 2, [])
    clock, _ = attempts(api, retries=3, retry_condition_fn=condition)
    return len(clock.marks)


def probe_retry_condition_callable_object(api):
    class Condition:
        def __init__(self):
            self.calls = []

        def __call__(self, task, run, state):
            return fewer_than(2, self.calls, task, run, state)

    clock, _ = attempts(api, retries=3, retry_condition_fn=Condition())
    return len(clock.marks)


def probe_retry_condition_raises(api):
    def condition(task, run, state):
        raise LookupError("no idea")

    clock, _ = attempts(api, retries=2, retry_condition_fn=condition)
    return len(clock.marks)


def probe_retry_delay_invalid(api):
    def f():
        pass

    wrong = raised(api.task, f, retries=1, retry_delay_seconds="soon")
    many = raised(api.task, f, retries=51, retry_delay_seconds=[1] * 51)
    return told(wrong), told(many)


def probe_flow_retries(api):
    clock, state = attempts(api, state_of="flow", fails=2, retries=2)
    return state.result(), len(clock.marks)


def probe_flow_retry_reruns_completed_tasks(api):
    plain, kept, bodies = Tally(), Tally(), []

    @api.task
    def once():
        plain.add()

    @api.task(persist_result=True)
    def persisted():
        kept.add()

    @api.flow(retries=1)
    def f():
        once()
        persisted()
        bodies.append(1)
        if len(bodies) == 1:
            raise ValueError("boom")

    f()
    return len(plain), len(kept)


def probe_retry_reaches_states_via_hooks(api):
    seen = []

    def note(task, run, state):
        seen.append(state.name)

    attempts(api, fails=1, retries=1, on_running=[note], on_completion=[note])
    return seen


# Timeouts.


def probe_task_timeout(api):
    @api.task(timeout_seconds=0.3)
    def t():
        time.sleep(3)

    clock = Clock()

    def body():
        clock.mark()
        state = t(return_state=True)
        clock.mark()
        return state

    state = api.within(body)
    return shown(state), state.message, clock.exact[0] < 2


#: What a newcomer may catch.
BUILTIN = TimeoutError, TypeError, ValueError, RuntimeError, LookupError


def probe_task_timeout_error_type(api):
    @api.task(timeout_seconds=0.3)
    def t():
        time.sleep(3)

    error = api.within(lambda: raised(t))
    kinds = type(error), *(kind for kind in BUILTIN if isinstance(error, kind))
    return [kind.__name__ for kind in kinds]


def probe_task_timeout_retries(api):
    clock = Clock()

    @api.task(timeout_seconds=0.3, retries=1)
    def t():
        clock.mark()
        time.sleep(3)

    state = api.within(lambda: t(return_state=True))
    return shown(state), len(clock.marks)


def probe_user_timeouterror_state(api):
    @api.task
    def t():
        raise TimeoutError("mine")

    state = api.within(lambda: t(return_state=True))
    return shown(state), state.message


def probe_flow_timeout(api):
    @api.flow(timeout_seconds=0.3)
    def f():
        clock.mark()
        time.sleep(5)

    clock = Clock()
    state = f(return_state=True)
    clock.mark()
    return shown(state), state.message, clock.exact[0] < 4


def probe_submitted_sync_timeout_interrupts_sleep(api):
    @api.task(timeout_seconds=0.3)
    def t():
        time.sleep(2)

    clock = Clock()

    def body():
        clock.mark()
        future = t.submit()
        future.wait()
        clock.mark()
        return future.state

    return shown(api.within(body)), clock.exact[0] < 1.5


# Caching.


def calls_of(api, inputs, *, flows=1, fails=False, **options):
    """Call a task with each input in each of some flows; return calls and states."""
    calls = Tally()

    @api.task(**options)
    def t(x, y=0):
        calls.add()
        if fails:
            raise ValueError("boom")
        return x

    @api.flow
    def f():
        return names.extend(t(*args, return_state=True).name for args in inputs)

    names = []
    for _ in range(flows):
        f()
    return len(calls), names


def probe_cache_default_policy_same_flow(api):
    return calls_of(api, [("a",), ("a",)])


def probe_cache_default_persisted_same_flow(api):
    return calls_of(api, [("b",), ("b",)], persist_result=True)


def probe_cache_default_persisted_across_flows(api):
    return calls_of(api, [("c",)], flows=2, persist_result=True)[0]


def probe_cache_inputs_policy_across_flows(api):
    policy = api.cache_policies.INPUTS
    return calls_of(api, [("d",), ("d",)], flows=2, cache_policy=policy)


def probe_cache_inputs_minus_arg(api):
    policy = api.cache_policies.INPUTS - "y"
    return calls_of(api, [("e", 1), ("e", 2)], cache_policy=policy)


def probe_cache_key_fn_static(api):
    return calls_of(
        api,
        [("f",), ("g",)],
        flows=2,
        cache_key_fn=lambda *_: "probe-static",
        persist_result=True,
    )


def probe_cache_task_input_hash(api):
    return calls_of(
        api,
        [("h",), ("h",)],
        flows=2,
        cache_key_fn=api.tasks.task_input_hash,
        persist_result=True,
    )


def probe_cache_no_cache(api):
    policy = api.cache_policies.NO_CACHE
    return calls_of(api, [("i",), ("i",)], cache_policy=policy, persist_result=True)


def probe_cache_expiration(api):
    calls = []

    @api.task(
        cache_policy=api.cache_policies.INPUTS,
        cache_expiration=timedelta(seconds=1),
        persist_result=True,
    )
    def t(x):
        calls.append(1)

    def body():
        t("expiration")
        t("expiration")
        time.sleep(1.2)
        t("expiration")

    api.within(body)
    return len(calls)


def probe_cache_refresh(api):
    policy = api.cache_policies.INPUTS
    inputs = [("refresh",), ("refresh",)]
    return calls_of(api, inputs, cache_policy=policy, refresh_cache=True)[0]


def probe_cache_hit_runs_completion_hook(api):
    seen = []
    calls_of(
        api,
        [("hook",), ("hook",)],
        cache_policy=api.cache_policies.INPUTS,
        on_completion=[lambda _task, _run, state: seen.append(state.name)],
    )
    return seen


def probe_cache_unhashable_inputs(api):
    lock = threading.Lock()
    policy = api.cache_policies.INPUTS
    return calls_of(api, [(lock,), (lock,)], cache_policy=policy)[0]


def probe_cache_failed_not_cached(api):
    policy = api.cache_policies.INPUTS
    inputs = [("failed",), ("failed",)]
    return calls_of(api, inputs, cache_policy=policy, fails=True)[0]


def probe_cache_none_result(api):
    policy = api.cache_policies.INPUTS
    return calls_of(api, [(None,), (None,)], cache_policy=policy)[0]


def probe_cache_closure_difference_same_source(api):
    calls = []

    def make(number):
        @api.task(cache_policy=api.cache_policies.TASK_SOURCE)
        def closed():
            calls.append(number)
            return number

        return closed

    values = api.within(lambda: (make(1)(), make(2)()))
    return values, len(calls)


def helper():
    """Return what a task's result hangs on; a probe replaces this function."""
    return 1


def probe_cache_helper_change_detected(api):
    policy = api.cache_policies.TASK_SOURCE + api.cache_policies.INPUTS

    @api.task(cache_policy=policy)
    def helped():
        return helper()

    def other():
        return 2

    before = globals()["helper"]
    try:
        first = api.within(helped)
        globals()["helper"] = other
        return [first, api.within(helped)]
    finally:
        globals()["helper"] = before


def executions(api, *inputs):
    """Return how often a task is executed for some inputs, one after the other."""
    policy = api.cache_policies.INPUTS
    return calls_of(api, [(x,) for x in inputs], cache_policy=policy)[0]


def probe_cache_dict_order(api):
    return executions(api, {"m": 1, "n": 2}, {"n": 2, "m": 1})


def probe_cache_set_input(api):
    return executions(api, {1, 2, 3}, {3, 2, 1})


def probe_cache_int_vs_float_vs_bool(api):
    return executions(api, 1, 1.0, True)  # noqa: FBT003 - the value is asked for


def probe_cache_nonstring_dict_keys(api):
    return executions(api, {1: "x"}, {"1": "x"})


def probe_cache_tuple_vs_list(api):
    return executions(api, (1, "x"), [1, "x"])


def probe_cache_nested_task_twice_in_parent(api):
    calls = []

    @api.task(cache_policy=api.cache_policies.INPUTS)
    def child(x):
        calls.append(1)
        return x

    @api.task
    def parent():
        child("nested")
        child("nested")

    api.within(parent)
    return len(calls)


def probe_cache_returns_same_object(api):
    @api.task(cache_policy=api.cache_policies.INPUTS)
    def numbers(x):
        return [1]

    def body():
        first, second = numbers("object"), numbers("object")
        second.append(2)
        return first is second, numbers("object") == [1, 2]

    return api.within(body)


# Hooks, names, parameters, logs.


def probe_flow_hooks(api):
    seen = []

    def note(label):
        return [lambda _flow, _run, state: seen.append((label, state.name))]

    hooks = {
        "on_running": note("run"),
        "on_completion": note("ok"),
        "on_failure": note("fail"),
    }

    @api.flow(**hooks)
    def good():
        pass

    @api.flow(**hooks)
    def bad():
        raise ValueError("boom")

    good()
    bad(return_state=True)
    return seen


def probe_hook_exception_ignored(api):
    def hook(flow, run, state):
        raise LookupError("hook")

    @api.flow(on_completion=[hook])
    def f():
        pass

    return shown(f(return_state=True))


def probe_hook_decorator_form(api):
    seen = []

    @api.task
    def t():
        pass

    @t.on_completion
    def note(task, run, state):
        seen.append(task.name)

    api.within(t)
    return seen


def probe_task_run_name_template(api):
    names = []

    @api.task(task_run_name="hi-{x}-{y:.2f}")
    def t(x, y):
        names.append(api.runtime.task_run.name)

    @api.flow(flow_run_name="fl-{name}")
    def f(name):
        t(7, 1.5)
        names.append(api.runtime.flow_run.name)

    f("z")
    return names


def probe_default_names(api):
    @api.flow
    def my_flow():
        pass

    @api.task
    def my_task():
        pass

    return my_flow.name, my_task.name


def probe_default_task_run_name_shape(api):
    @api.task
    def t():
        return api.runtime.task_run.name

    names = api.within(lambda: [t(), t()])
    return [re.sub(r"[0-9a-f]", "h", name.removeprefix("t-")) for name in names]


def probe_flow_param_coercion(api):
    @api.flow
    def f(x: int):
        return x

    state = f("a", return_state=True)
    return repr(f("5")), type(raised(f, "a")).__name__, shown(state)


def probe_flow_param_coercion_off(api):
    @api.flow(validate_parameters=False)
    def f(x: int):
        return x

    value = f("5")
    return value if isinstance(value, str) else f"coerced to {value!r}"


def probe_task_params_not_coerced(api):
    @api.task
    def t(x: int):
        return x

    value = api.within(lambda: t("5"))
    return value if isinstance(value, str) else f"coerced to {value!r}"


def probe_missing_argument(api):
    @api.flow
    def f(x):
        return x

    return told(raised(f))


def probe_run_logger_outside(api):
    return type(raised(api.get_run_logger)).__name__


def probe_tags_context(api):
    @api.task
    def t():
        return sorted(api.runtime.task_run.tags)

    def body():
        with api.tags("a"), api.tags("b"):
            return t()

    return api.within(body)


def probe_runtime_outside_run(api):
    flow_run, task_run = api.runtime.flow_run, api.runtime.task_run
    return flow_run.id, flow_run.name, task_run.id, flow_run.parameters


def probe_log_prints_goes_to_logger(api):
    seen = []

    class Handler(logging.Handler):
        def emit(self, record):
            message = record.getMessage()
            if message.startswith("from"):
                seen.append((record.name.rpartition(".")[2], message))

    @api.task(log_prints=True)
    def t():
        print("from task")  # noqa: T201 - where it goes is asked for

    @api.flow(log_prints=True)
    def f():
        print("from flow")  # noqa: T201 - where it goes is asked for
        t()

    with listening(api, Handler()):
        f()
    return seen


@contextmanager
def listening(api, handler):
    """Hand the run loggers' lines to a handler."""
    loggers = [
        logging.getLogger(f"{api.root}.{name}") for name in ("flow_runs", "task_runs")
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)


# Coroutines, generators, methods, nesting.


def probe_async_flow_and_task(api):
    @api.task
    async def inc(x):
        await asyncio.sleep(0)
        return x + 1

    @api.flow
    async def f():
        both = await asyncio.gather(inc(1), inc(2))
        return await inc(1), list(both), inc.submit(3).result()

    return asyncio.run(f())


def probe_sync_task_in_async_flow(api):
    @api.flow
    async def f():
        await asyncio.sleep(0)
        return api.inc(1), api.inc.submit(1).result()

    return asyncio.run(f())


def probe_async_task_in_sync_flow(api):
    @api.task
    async def one():
        await asyncio.sleep(0)
        return 1

    def body():
        coroutine = one()
        return (
            one.submit().result(),
            inspect.isawaitable(coroutine),
            coroutine.close(),
        )

    return api.within(body)


def probe_generator_task(api):
    @api.task
    def count(n):
        yield from range(n)

    return api.within(lambda: list(count(3)))


def probe_generator_flow(api):
    @api.flow
    def count(n):
        yield from range(n)

    return list(count(3))


def probe_generator_return_value_from_task_call(api):
    @api.task
    def numbers():
        return (n for n in range(3))

    first = api.within(lambda: next(numbers(), None))
    return repr(type(first).__name__)


def methods_of(api):
    """Return a class whose methods are tasks."""

    class A:
        def __init__(self, n):
            self.n = n

        @api.task
        def i(self, x):
            return self.n + x

        @classmethod
        @api.task
        def c(cls, x):
            return f"{cls.__name__}{x}"

        @staticmethod
        @api.task
        def s(x):
            return x + 1

    return A


def probe_methods(api):
    cls = methods_of(api)
    a, b = cls(1), cls(10)

    def body():
        direct = a.i(1), b.i(1), repr(cls.c(2)), repr(cls.s(2))
        return *direct, a.i.submit(5).result(), b.i.submit(5).result()

    return api.within(body)


def probe_methods_interleaved_instances(api):
    cls = methods_of(api)
    a, b = cls(1).i, cls(10).i
    return api.within(lambda: (a(1), b(1)))


def probe_nested_task_in_task(api):
    @api.task
    def outer(x):
        return api.inc(x) * 2

    return api.within(lambda: outer(1))


def probe_flow_in_task(api):
    @api.flow
    def child(x):
        return x + 1

    @api.task
    def outer(x):
        return child(x) * 2

    return api.within(lambda: outer(1))


def probe_with_options_keeps_original(api):
    other = api.inc.with_options(name="other", retries=3)
    value = api.within(lambda: other(1))
    return api.inc.name, api.inc.retries, other.name, other.retries, value


def probe_with_options_zero_falsy(api):
    @api.task(retries=3, timeout_seconds=5)
    def t():
        pass

    other = t.with_options(retries=0, timeout_seconds=0)
    return other.retries, other.timeout_seconds


def probe_decorator_forms(api):
    @api.task
    def one():
        return 1

    @api.task()
    def two():
        return 2

    def three():
        return 3

    three = api.task(three, name="three")
    values = api.within(lambda: (one(), two(), three()))
    return *values, told(raised(api.flow, 5))


# Exceptions of the interpreter, transactions.


def probe_keyboard_interrupt_in_task(api):
    seen = []

    @api.task
    def t():
        raise KeyboardInterrupt

    @api.flow(on_crashed=[lambda _flow, _run, state: seen.append(state.name)])
    def f():
        t()

    return f"{type(raised(f)).__name__} raised", seen


def probe_system_exit_in_task(api):
    @api.task
    def t():
        sys.exit(3)

    @api.flow
    def f():
        t()

    error = raised(f)
    return f"{type(error).__name__} raised", error.code


def probe_exception_group_and_notes(api):
    @api.task
    def t():
        error = ExceptionGroup("g", [ValueError("boom")])
        error.add_note("a note")
        raise error

    error = api.within(lambda: raised(t))
    assert error.__notes__ == ["a note"], error.__notes__
    return told(error)


def probe_transaction_rollback(api):
    seen = []

    @api.task
    def t(x):
        return x

    @t.on_rollback
    def undo(txn):
        seen.append(("rb", txn.get("x")))

    @t.on_commit
    def done(txn):
        seen.append("commit")

    def fail():
        raise ValueError("boom")

    def body():
        try:
            with api.transactions.transaction() as txn:
                txn.set("x", 5)
                t("rolled back")
                fail()
        except ValueError:
            pass
        with api.transactions.transaction():
            t("committed")

    api.within(body)
    return seen


# Asking.

PROBES: dict[str, Callable] = {
    name.removeprefix("probe_"): value
    for name, value in list(globals().items())
    if name.startswith("probe_")
}


def answers():
    """Return what Prefect answers, by row."""
    lines = ANSWERS.read_text("utf-8").splitlines()
    rows = (line for line in lines if line and not line.startswith("#"))
    return dict(row.split(": ", 1) for row in rows)


def scrubbed(answer):
    """Return an answer without what differs from run to run and package to package."""
    text = re.sub(r"Prefect\w*Future", "Future", str(answer))
    # How a result is kept shows in the state's text; what counts is the result.
    return re.sub(r"ResultRecord\(metadata=.*, result=(.*)\)\)", r"\1)", text)


def ask(root, row):
    """Return what a package answers to a row, scrubbed."""
    return scrubbed(PROBES[row](Api(root)))


def main(root, *rows):
    """Ask a package; print what differs from Prefect's answers."""
    expected = answers()
    harness = nullcontext
    if root == "prefect":
        from prefect.testing.utilities import prefect_test_harness as harness
    differ = 0
    with harness():
        for row in rows or PROBES:
            try:
                answer = ask(root, row)
            except Exception as error:  # noqa: BLE001 - shown as the answer
                answer = f"raised {told(error)}"
            if answer != scrubbed(expected.get(row)):
                differ += 1
                told_by_file = f"file: {expected.get(row)}"
                sys.stdout.write(f"{row}\n    {told_by_file}\n    {root}: {answer}\n")
            gc.collect()
    sys.stdout.write(f"{len(rows or PROBES)} rows, {differ} differ.\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
