"""Lineage: values are known again by their identity, and not kept."""

import gc
import threading
import weakref

import pytest

from nborch.lineage import MOST, Lineage


class Thing:
    pass


@pytest.mark.parametrize(
    "value",
    [[1], {"a": 1}, (1, 2), {1}, Thing(), 12345.5, 10**9, "a longer text", b"ab" * 500],
    ids=lambda v: type(v).__name__,
)
def test_a_value_is_known_again(value):
    """What a run returned leads to the run, wherever it is used."""
    lineage = Lineage()

    lineage.remember(value, "a run")

    assert lineage.origins([0, value, "other"]) == ["a run"]


@pytest.mark.parametrize("value", [None, True, False, 7, -1, "", "a", b"", b"x"])
def test_what_is_the_same_everywhere_tells_nothing(value):
    """Small numbers and the like exist once, so they come from nowhere."""
    lineage = Lineage()

    lineage.remember(value, "a run")

    assert lineage.origins([value]) == []


def test_an_equal_value_is_another():
    """A copy does not come from the run."""
    lineage, rows = Lineage(), [1, 2]

    lineage.remember(rows, "a run")

    assert lineage.origins([[1, 2]]) == []


def test_the_last_run_counts():
    """A value that is returned again comes from the run that returned it last."""
    lineage, rows = Lineage(), [1, 2]

    lineage.remember(rows, "first")
    lineage.remember(rows, "second")

    assert lineage.origins([rows]) == ["second"]


def test_nothing_is_kept_alive():
    """An object that was remembered goes when its users drop it."""
    lineage, thing = Lineage(), Thing()
    lineage.remember(thing, "a run")
    gone = weakref.ref(thing)

    del thing
    gc.collect()

    assert gone() is None


def test_a_long_text_is_not_kept():
    """A long text is known by its place and length, not by itself."""
    lineage = Lineage()
    text = "x" * 100_000

    lineage.remember(text, "a run")

    assert not any(text is part for part in _parts(lineage._known))
    assert lineage.origins([text]) == ["a run"]


def _parts(value):
    """Yield all that is held by a value."""
    seen, left = set(), [value]
    while left:
        one = left.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            left.extend(gc.get_referents(one))


def test_only_the_latest_are_remembered():
    """Of many values the oldest are forgotten."""
    lineage = Lineage()
    things = [Thing() for _ in range(MOST + 10)]

    for number, thing in enumerate(things):
        lineage.remember(thing, str(number))

    assert lineage.origins(things[:11]) == ["10"]
    assert len(lineage._known) == MOST


def test_many_threads_may_remember_at_once():
    """Runs in many threads note their values without getting in each other's way."""
    lineage, errors = Lineage(), []

    def work():
        try:
            for _ in range(5 * MOST):
                lineage.remember(Thing(), "a run")
        except RuntimeError as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert len(lineage._known) <= MOST + 4
