"""What tasks reuse, what they compute again, and that they do it once."""

import asyncio
import threading
import time
from datetime import timedelta
from itertools import count

import numpy as np
import pytest

from nborch import flow, task
from nborch.cache_policies import (
    DEFAULT,
    FLOW_PARAMETERS,
    INPUTS,
    NO_CACHE,
    RUN_ID,
    TASK_SOURCE,
    CachePolicy,
)
from nborch.exceptions import CacheWarning, InvalidDeclaration


@pytest.fixture(autouse=True)
def _own_home(home):
    """Work in a home of this test's own."""


class Tally(list):
    """A list that does not count as part of the code that fills it."""

    def __nborch_fingerprint__(self):
        return "tally"


def counted(**options):
    """Return a task of one argument that counts its calls, and the count."""
    calls = Tally()

    @task(name="counted", **options)
    def body(x=None):
        calls.append(x)
        return x

    return body, calls


# -- when a result is reused -----------------------------------------------------------


def test_nothing_is_reused_unless_it_is_asked_for():
    """A task that says nothing of caching is called each time."""
    body, calls = counted()

    @flow
    def twice():
        return [body(1, return_state=True).name for _ in range(2)]

    assert twice() == ["Completed", "Completed"]
    assert calls == [1, 1]


def test_persist_result_reuses_within_a_flow_run():
    """With persist_result alone, results are reused in one flow run and not beyond."""
    body, calls = counted(persist_result=True)

    @flow
    def twice():
        return [body(1, return_state=True).name for _ in range(2)]

    assert twice() == ["Completed", "Cached"]
    assert twice() == ["Completed", "Cached"]
    assert calls == [1, 1]


def test_a_flow_hands_persistence_on_to_its_tasks():
    """In a flow with persist_result, tasks keep their results unless they say no."""
    follows, calls = counted()
    refuses, refused = counted(persist_result=False)

    @flow(persist_result=True)
    def twice():
        for _ in range(2):
            follows(1)
            refuses(1)

    twice()

    assert calls == [1]
    assert refused == [1, 1]


def test_inputs_are_reused_across_flow_runs_and_outside():
    """With INPUTS a result is reused wherever the same inputs come again."""
    body, calls = counted(cache_policy=INPUTS)

    @flow
    def once():
        return body(1, return_state=True).name

    assert [once(), once(), body(1, return_state=True).name] == [
        "Completed",
        "Cached",
        "Cached",
    ]
    assert body(2, return_state=True).name == "Completed"
    assert calls == [1, 2]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1, 2], (1, 2)),
        ({1: "x"}, {"1": "x"}),
        (1, 1.0),
        (1, True),
        ([1, 2], [2, 1]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ],
)
def test_inputs_of_another_type_or_order_are_others(one, other):
    """What a program can tell apart shares no result."""
    body, calls = counted(cache_policy=INPUTS)

    assert body(one) == one
    assert body(other) == other
    assert type(body(other)) is type(other)
    assert len(calls) == 2


def test_equal_sets_share_a_result():
    """The order in which a set was filled does not count."""
    body, calls = counted(cache_policy=INPUTS)
    names = [f"name {n}" for n in range(50)]

    body(set(names))
    names.reverse()

    assert body(set(names)) == set(names)
    assert len(calls) == 1


def test_an_input_that_does_not_count():
    """INPUTS - "verbose" reuses a result whatever verbose is."""
    calls = []

    @task(cache_policy=INPUTS - "verbose")
    def load(path, verbose):
        calls.append(verbose)
        return path

    load("a", verbose=True)
    load("a", verbose=False)
    load("b", verbose=False)

    assert calls == [True, False]


def test_defaults_count_as_inputs():
    """A default that is left out is the same input as when it is given."""
    calls = []

    @task(cache_policy=INPUTS)
    def load(path, rows=10):
        calls.append(rows)

    load("a")
    load("a", 10)
    load(path="a", rows=11)

    assert calls == [10, 11]


def test_flow_parameters_decide():
    """With FLOW_PARAMETERS a result is reused in flow runs of the same parameters."""
    body, calls = counted(cache_policy=FLOW_PARAMETERS)

    @flow
    def daily(day):
        body()

    for day in (1, 1, 2):
        daily(day)

    assert len(calls) == 2


def test_closures_and_helpers_are_code():
    """With TASK_SOURCE a result is not reused when a closure or a helper is another."""
    calls = Tally()

    def made(n, helper):
        @task(name="made", cache_policy=TASK_SOURCE)
        def body():
            calls.append(n)
            return helper() + n

        return body

    def one():
        return 1

    def two():
        return 2

    values = []
    for n, helper in ((1, one), (1, one), (2, one), (1, two)):
        calls.clear()
        values.append((made(n, helper)(), len(calls)))

    assert values == [(2, 1), (2, 0), (3, 1), (3, 1)]


def test_two_tasks_do_not_share_what_inputs_made():
    """Two tasks with INPUTS that are called alike have results of their own."""
    double = task(name="double", cache_policy=INPUTS)(lambda x: 2 * x)
    square = task(name="square", cache_policy=INPUTS)(lambda x: x * x)

    assert (double(3), square(3)) == (6, 9)
    assert (double(3), square(3)) == (6, 9)


def test_a_policy_of_ones_own():
    """A subclass of CachePolicy decides like ours, alone and in a sum."""

    class Parity(CachePolicy):
        def compute_key(self, task_ctx, inputs, flow_parameters, **kwargs):
            return str(inputs["x"] % 2)

    body, calls = counted(cache_policy=Parity() + FLOW_PARAMETERS)

    assert [body(n) for n in (1, 3, 2, 4)] == [1, 1, 2, 2]
    assert calls == [1, 2]


def test_a_result_by_a_name_of_ones_own():
    """A result_storage_key is the key, filled with runs and parameters."""
    body, calls = counted(result_storage_key="{task_run.task_name}-{parameters[x]}")

    assert [body(n) for n in (1, 1, 2)] == [1, 1, 2]
    assert calls == [1, 2]


# -- what a result is ------------------------------------------------------------------


def test_none_is_a_result():
    """A task that returns None is not called again."""
    body, calls = counted(cache_policy=INPUTS)

    assert body(None) is None
    assert body(None, return_state=True).name == "Cached"
    assert len(calls) == 1


def test_failures_are_not_results():
    """A task that raised is called again."""
    calls = []

    @task(cache_policy=INPUTS)
    def fails(x):
        calls.append(x)
        raise ValueError(x)

    for _ in range(2):
        with pytest.raises(ValueError, match="1"):
            fails(1)

    assert len(calls) == 2


def test_changing_a_hit_does_not_change_the_next():
    """Each hit is a new object, whatever was done to the earlier ones."""

    @task(cache_policy=INPUTS)
    def rows(n):
        return {"rows": list(range(n)), "table": np.zeros(100_000)}

    for _ in range(3):
        found = rows(2)
        assert found["rows"] == [0, 1]
        assert found["table"].sum() == 0
        found["rows"].append(2)
        found["table"][:] = 1


def test_results_expire():
    """A result is computed again when its time is over."""
    body, calls = counted(cache_policy=INPUTS, cache_expiration=timedelta(seconds=0.4))
    end = time.monotonic() + 10

    body(1)
    assert body(1, return_state=True).name == "Cached"
    while len(calls) == 1 and time.monotonic() < end:
        body(1)
        time.sleep(0.02)

    assert len(calls) == 2


def test_a_refresh_replaces_a_result():
    """With refresh_cache a task is called, and later calls get what it returned."""
    values = count()
    kept = task(name="t", cache_policy=INPUTS)(lambda x: next(values))
    fresh = kept.with_options(refresh_cache=True)

    assert [kept(1), kept(1), fresh(1), fresh(1), kept(1)] == [0, 0, 1, 2, 2]


@pytest.mark.parametrize("policy", [NO_CACHE, None])
def test_no_cache_is_no_cache(policy):
    """With NO_CACHE a task is called each time, in a flow that persists too."""
    body, calls = counted(cache_policy=policy)

    @flow
    def twice():
        body(1)
        body(1)

    twice()

    assert calls == [1, 1]


def test_hits_call_the_completion_hook():
    """A hit is a completion."""
    seen = []
    body, _ = counted(
        cache_policy=INPUTS, on_completion=[lambda task, run, state: seen.append(state)]
    )

    body(1)
    body(1)

    assert [state.name for state in seen] == ["Completed", "Cached"]


def test_what_cannot_be_compared_runs_uncached():
    """A parameter without content to compare is named in one warning; the task runs."""
    body, calls = counted(cache_policy=INPUTS)

    with pytest.warns(CacheWarning) as told:
        assert body(iter([1])) is not None

    (warning,) = told
    assert "Task 'counted' runs uncached: an iterator (at x)" in str(warning.message)
    assert "cache_policy=INPUTS - 'x'" in str(warning.message)
    assert len(calls) == 1


def test_a_policy_that_raises_does_no_harm():
    """A fault of the user's own policy is told, and the task runs."""

    class Faulty(CachePolicy):
        def compute_key(self, task_ctx, inputs, flow_parameters, **kwargs):
            return 1 / 0

    body, _ = counted(cache_policy=Faulty())

    with pytest.warns(
        CacheWarning, match="its cache policy Faulty raised ZeroDivision"
    ):
        assert body(1) == 1


# -- how a result is written -----------------------------------------------------------


@pytest.mark.parametrize("serializer", ["pickle", "json", "compressed/json"])
def test_a_serializer_of_choice_writes_and_reads(serializer):
    """With result_serializer a hit is what the first call returned."""
    body, calls = counted(cache_policy=INPUTS, result_serializer=serializer)
    value = {"rows": list(range(50_000))}

    assert body(value) == value
    assert body(value) == value
    assert len(calls) == 1


def test_a_result_is_read_as_it_was_written():
    """A result that another serializer wrote is computed again."""
    calls = []

    def body(x):
        calls.append(x)
        return [x]

    for serializer, expected in (("json", 1), ("pickle", 2), ("pickle", 2), (None, 3)):
        options = {} if serializer is None else {"result_serializer": serializer}
        kept = task(name="kept", cache_policy=INPUTS, **options)(body)

        assert kept(1) == [1]
        assert len(calls) == expected


def test_what_a_serializer_cannot_write_is_returned():
    """A value that does not fit the serializer is told, not kept, and returned."""
    body, calls = counted(cache_policy=INPUTS, result_serializer="json")

    for _ in range(2):
        with pytest.warns(CacheWarning, match="was not kept: .* JSON has no 'tuple'"):
            assert body((1, 2)) == (1, 2)

    assert len(calls) == 2


def test_a_serializer_of_ones_own():
    """Any object with dumps and loads is a serializer; its faults are told."""

    class Reversed:
        broken = False

        def dumps(self, obj):
            return obj.encode()[::-1]

        def loads(self, blob):
            if self.broken:
                raise ValueError("no")
            return blob[::-1].decode()

    serializer = Reversed()
    body, calls = counted(cache_policy=INPUTS, result_serializer=serializer)

    assert [body("abc"), body("abc")] == ["abc", "abc"]
    assert len(calls) == 1
    serializer.broken = True
    with pytest.warns(CacheWarning, match="could not be read: .* ValueError"):
        assert body("abc") == "abc"
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cache_policy": "INPUTS"}, "cache_policy must be a cache policy"),
        ({"result_serializer": "jsn"}, "no serializer 'jsn'. Did you mean 'json'"),
        ({"result_storage_key": "{x}"}, "result_storage_key names 'x'"),
    ],
)
def test_wrong_declarations_fail_at_the_decorator(options, message):
    """What cannot work is an error where the task is declared."""
    with pytest.raises(InvalidDeclaration, match=f"Task 'counted'.*{message}"):
        counted(**options)


# -- once ------------------------------------------------------------------------------


def test_many_threads_compute_once():
    """Of threads that call one task alike at one time, one computes."""
    calls, values = [], []

    @task(cache_policy=INPUTS)
    def slow(x):
        calls.append(x)
        time.sleep(0.2)
        return [x]

    threads = [
        threading.Thread(target=lambda: values.append(slow(1))) for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert calls == [1]
    assert values == [[1]] * 12
    assert len({id(value) for value in values}) == 12


def test_many_coroutines_compute_once():
    """Of coroutines that await one task alike at one time, one computes."""
    calls = []

    @task(cache_policy=INPUTS)
    async def slow(x):
        calls.append(x)
        await asyncio.sleep(0.2)
        return x

    async def crowd():
        return await asyncio.gather(*(slow(1) for _ in range(20)))

    assert asyncio.run(crowd()) == [1] * 20
    assert calls == [1]


def test_many_processes_compute_once(script, tmp_path):
    """Of processes that call one task alike at one time, one computes."""
    code = """
        import sys, time
        from nborch import task
        from nborch.cache_policies import INPUTS

        @task(cache_policy=INPUTS)
        def slow(x):
            with open("calls", "a") as file:
                file.write("called\\n")
            time.sleep(1)
            return x

        print("ready", flush=True)
        print(slow(7))
    """
    crowd = [script(code) for _ in range(4)]

    told = [process.communicate(timeout=60) for process in crowd]

    assert [out.split() for out, _ in told] == [["ready", "7"]] * 4, told
    assert (tmp_path / "calls").read_text() == "called\n"


def test_a_holder_that_fails_is_succeeded():
    """When the one who computes raises, one of those who wait computes."""
    calls = []
    lock = threading.Lock()

    @task(cache_policy=INPUTS)
    def flaky(x):
        with lock:
            calls.append(x)
            first = len(calls) == 1
        time.sleep(0.1)
        if first:
            raise ValueError("first")
        return x

    ended = []

    def call():
        try:
            ended.append(flaky(1))
        except ValueError as error:
            ended.append(str(error))

    threads = [threading.Thread(target=call) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert sorted(map(str, ended)) == ["1", "1", "1", "1", "first"]
    assert calls == [1, 1]


def test_default_is_what_it_says():
    """DEFAULT is the inputs, the code and the run."""
    assert DEFAULT == INPUTS + TASK_SOURCE + RUN_ID


def test_a_warning_about_a_declaration_names_the_users_line():
    """What is odd in a declaration is told of the line that declares."""
    odd = {"cache_policy": INPUTS, "persist_result": False}

    with pytest.warns(CacheWarning) as told:  # noqa: PT031  # three ways to declare

        @task(**odd)
        def one():
            pass

        task(lambda: 1, name="two", **odd)
        one.with_options(name="three")

    files = [warning.filename for warning in told]
    assert files == [__file__, __file__, __file__]
