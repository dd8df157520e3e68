"""Upstream: what a call depends on, and what it gets instead."""

import pytest

from nborch.annotations import allow_failure, opaque, quote, unmapped
from nborch.exceptions import UpstreamTaskError
from nborch.futures import Future
from nborch.states import Completed, Failed, NotReady, Running
from nborch.upstream import upstream_of


def future(name="load-1", state=None):
    """Return a future of a run that has ended so, or that goes on."""
    made = Future(f"id of {name}", name, lambda: None)
    if state is not None:
        made.end(state)
    return made


def done(value):
    return future(state=Completed(data=value))


def failed(error):
    return future("boom-1", Failed(data=error))


@pytest.mark.parametrize(
    "args", [(), (1,), ([1, {"a": "b"}],), ("text", None), (quote,), ([len],)]
)
def test_plain_arguments_depend_on_nothing(args):
    """Without futures, states and marks there is nothing to wait for."""
    assert upstream_of(args, {"key": args}, None) is None


def test_futures_are_collected_in_order():
    """Each future in the arguments and in wait_for is waited for, and noted."""
    one, two, three = future("a"), future("b"), future("c")

    upstream = upstream_of((1, [one]), {"k": {"x": two}}, [three])

    assert upstream.futures == [one, two, three]
    assert upstream.run_ids == ["id of a", "id of b", "id of c"]
    assert all(each.observed for each in (one, two, three))


@pytest.mark.parametrize("make", [lambda f: f, lambda f: [f], lambda f: iter([f])])
def test_wait_for_takes_one_or_many(make):
    """wait_for is one future, or anything that can be iterated over."""
    one = future()

    assert upstream_of((), {}, make(one)).futures == [one]


def test_results_take_the_place_of_futures():
    """Arguments come back with results and values, without marks."""
    upstream = upstream_of(
        (done(1), [done(2)], unmapped(done(3))),
        {"state": Completed(data=4), "plain": 5},
        None,
    )

    assert upstream.resolved() == ((1, [2], 3), {"state": 4, "plain": 5})


def test_what_is_quoted_or_opaque_stays():
    """Within a quote or an opaque value nothing is waited for or replaced."""
    inside = future()

    upstream = upstream_of((quote([inside]), opaque(inside), {"a": quote(1)}), {}, None)

    assert upstream.futures == []
    assert upstream.run_ids == []
    assert not inside.observed
    assert upstream.resolved() == (([inside], inside, {"a": 1}), {})


@pytest.mark.parametrize(
    "state",
    [Failed(data=ValueError("no")), NotReady(), Running()],
    ids=lambda s: s.name,
)
@pytest.mark.parametrize("where", ["argument", "wait_for", "within", "mark"])
def test_what_has_not_completed_is_told(state, where):
    """A run that did not complete is named, with its own error as the cause."""
    one = future("boom-1", state)
    upstream = {
        "argument": lambda: upstream_of((one,), {}, None),
        "wait_for": lambda: upstream_of((), {}, [one]),
        "within": lambda: upstream_of((), {"a": [one]}, None),
        "mark": lambda: upstream_of((unmapped([one]),), {}, None),
    }[where]()

    with pytest.raises(UpstreamTaskError) as caught:
        upstream.resolved()

    assert str(caught.value) == (
        "Upstream task run 'boom-1' did not reach a 'COMPLETED' state."
    )
    cause = caught.value.__cause__
    assert type(cause) is (ValueError if state.name == "Failed" else type(None))


def test_a_failure_that_is_allowed_is_the_exception():
    """allow_failure gives the exception of a failed run, at any depth."""
    error = ValueError("no")

    upstream = upstream_of(
        (allow_failure(failed(error)), allow_failure([done(1), failed(error)])),
        {"a": [allow_failure(done(2))]},
        [allow_failure(failed(error))],
    )

    assert upstream.resolved() == ((error, [1, error]), {"a": [2]})


def test_allowing_one_failure_allows_no_other():
    """A mark is for what it stands on."""
    error = ValueError("no")
    upstream = upstream_of((allow_failure(failed(error)), failed(error)), {}, None)

    with pytest.raises(UpstreamTaskError):
        upstream.resolved()


def test_a_run_that_never_began_may_be_allowed_too():
    """allow_failure of a run that was not ready gives its state: nothing was raised."""
    state = NotReady()

    assert upstream_of((allow_failure(future("a", state)),), {}, None).resolved() == (
        (state,),
        {},
    )


def test_states_of_other_runs_count_as_upstream():
    """The state of a run stands for its result, and for an edge in the graph."""
    state = Completed(data=4).stamped(None, "id of it")

    upstream = upstream_of((state,), {}, None)

    assert upstream.futures == []
    assert upstream.run_ids == ["id of it"]
    assert upstream.resolved() == ((4,), {})
