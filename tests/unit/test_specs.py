"""Specs: a wrong declaration is told where it is made."""

import pytest

from nborch import flow, task
from nborch.exceptions import InvalidDeclaration, ReservedArgumentError
from nborch.runs import RunKind
from nborch.specs import MAX_DELAYS, Spec, checked_delays, checked_retries


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, (0.0,)), (0, (0.0,)), (3, (3.0,)), (0.5, (0.5,)), ([1, 2], (1.0, 2.0)),
        ((1,), (1.0,)), ([], (0.0,)), (lambda n: [float(i) for i in range(n)], (0.0, 1.0, 2.0)),
    ],
)  # fmt: skip
def test_delays_are_given_in_several_forms(given, kept):
    """Delays are a number, a list, or a callable given the number of retries."""
    assert checked_delays("Task 't'", given, retries=3) == kept


@pytest.mark.parametrize(
    "given", ["1", -1, [1, -1], [1, "2"], {1}, True, float("nan"), [True], float("inf")]
)
def test_a_wrong_delay_is_refused(given):
    """A delay that is no number of seconds from 0 is refused with its value."""
    with pytest.raises(
        InvalidDeclaration, match=r"Task 't': retry_delay_seconds must be"
    ):
        checked_delays("Task 't'", given, retries=3)


def test_too_many_delays_are_refused():
    """More than 50 delays are a mistake."""
    with pytest.raises(InvalidDeclaration, match="has 51 delays, at most 50"):
        checked_delays("Task 't'", [1] * (MAX_DELAYS + 1), retries=60)


@pytest.mark.parametrize("given", [-1, 1.0, "3", True])
def test_a_wrong_number_of_retries_is_refused(given):
    """Retries are a whole number from 0."""
    with pytest.raises(
        InvalidDeclaration, match=f"Flow 'f': retries must .* not {given!r}"
    ):
        checked_retries("Flow 'f'", given)


def test_the_last_delay_repeats():
    """A list shorter than the retries goes on with its last delay."""
    spec = Spec(kind=RunKind.TASK, name="t", retry_delays=(0.1, 0.4))

    assert [spec.delay(n) for n in (1, 2, 3)] == [0.1, 0.4, 0.4]


def function(a):
    return a


@pytest.mark.parametrize("declare", [task, flow])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retries": -1}, "retries must be a whole number"),
        ({"retry_delay_seconds": "1"}, "retry_delay_seconds must be"),
        (
            {"on_completion": print},
            r"on_completion must be a list .* Write on_completion=\[print\]",
        ),
        ({"on_failure": [3]}, "on_failure has 3, which cannot be called"),
        (
            {"tags": "nightly"},
            r"tags must be a list of texts.* Write tags=\['nightly'\]",
        ),
        ({"name": 3}, "name must be a text, not 3"),
    ],
)
def test_a_wrong_option_fails_at_the_decorator(declare, options, message):
    """A wrong option is told when the function is declared, not when it runs."""
    with pytest.raises(InvalidDeclaration, match=message):
        declare(**options)(function)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cache_key_fn": "k"}, "cache_key_fn must be a function"),
        ({"cache_expiration": 3600}, "cache_expiration must be a timedelta, not 3600"),
    ],
)
def test_a_wrong_cache_option_fails_at_the_decorator(options, message):
    """A key is made by a function and expires after a timedelta."""
    with pytest.raises(InvalidDeclaration, match=message):
        task(**options)(function)


@pytest.mark.parametrize("declare", [task, flow])
def test_what_is_no_function_is_refused(declare):
    """Only what can be called becomes a task or flow."""
    with pytest.raises(TypeError, match="'fn' must be callable"):
        declare("x")
    with pytest.raises(TypeError, match="'fn' must be callable"):
        declare(retries=1)("x")


@pytest.mark.parametrize("declare", [task, flow])
@pytest.mark.parametrize("name", ["return_state", "wait_for"])
def test_reserved_names_are_refused(declare, name):
    """A parameter may not be called as what nborch itself takes."""
    names = {}
    exec(f"def f({name}): ...", names)

    with pytest.raises(
        ReservedArgumentError,
        match=f"'{name}' is a reserved argument name and cannot be used.",
    ):
        declare(names["f"])


def test_what_does_not_tell_its_parameters_is_refused():
    """A C function without a signature is refused with what to do."""
    with pytest.raises(
        InvalidDeclaration, match=r"does not tell its parameters\. Wrap it"
    ):
        task(max)
