"""Slots: what a limit allows is arithmetic on what is taken and what time it is."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nborch.exceptions import ConcurrencySlotAcquisitionError, InvalidDeclaration
from nborch.slots import Claim, Limit, seconds_to_wait


def claim(*names, **facts):
    return Claim("claim", names or ("api",), **facts)


@pytest.mark.parametrize(
    ("slots", "held", "wanted", "seconds"),
    [
        (5, 0, 1, 0),
        (5, 4, 1, 0),
        (5, 5, 1, inf),
        (5, 3, 2, 0),
        (5, 4, 2, inf),
        (5, 0, 5, 0),
        (5, 9, 1, inf),
        (0, 0, 1, inf),
    ],
    ids=["free", "last", "full", "two", "one short", "all", "lowered", "closed"],
)
def test_slots_are_free_or_somebody_must_give_them_back(slots, held, wanted, seconds):
    """A claim is granted while its slots and those in use are within the limit."""
    limit = Limit("api", slots, held=held)

    assert seconds_to_wait(claim(slots=wanted), [limit], now=0) == seconds


def test_several_limits_are_waited_for_together():
    """A claim on several limits waits for the one that takes longest."""
    limits = [Limit("a", 5), Limit("b", 1, decay=0.5, spent=1.0)]

    assert seconds_to_wait(claim("a", "b"), limits, now=0) == 2.0


def test_no_limits_limit_nothing():
    """Names that are no limits let everything through, unless the claim is strict."""
    assert seconds_to_wait(claim(), [], now=0) == 0

    with pytest.raises(
        ConcurrencySlotAcquisitionError,
        match=r"No concurrency limit is called 'api'\. Create it with: "
        r"nborch concurrency-limit create api 5",
    ):
        seconds_to_wait(claim(strict=True), [], now=0)


def test_more_than_there_are_is_refused_at_once():
    """Asking for more slots than a limit has is an error, not a wait for ever."""
    with pytest.raises(ConcurrencySlotAcquisitionError, match="has 5 slots and 6 were"):
        seconds_to_wait(claim(slots=6), [Limit("api", 5)], now=0)


def test_waiting_for_oneself_is_refused_at_once():
    """Code that holds all slots and asks for one more would wait for itself."""
    limit = Limit("api", 2, held=2)

    with pytest.raises(
        ConcurrencySlotAcquisitionError, match="already holds 2 of its 2"
    ):
        seconds_to_wait(claim(owned={"api": 2}), [limit], now=0)
    # Another one of several is a wait for others.
    assert seconds_to_wait(claim(owned={"api": 1}), [limit], now=0) == inf


def test_a_rate_needs_decay():
    """A rate limit whose slots never come back is refused at once."""
    with pytest.raises(ConcurrencySlotAcquisitionError, match="do not decay"):
        seconds_to_wait(claim(is_rate=True), [Limit("api", 5)], now=0)


@given(
    slots=st.integers(1, 20),
    decay=st.floats(0.01, 1000),
    calls=st.integers(1, 60),
    start=st.floats(0, 2e9),
)
def test_a_rate_lets_through_a_burst_and_then_one_by_one(slots, decay, calls, start):
    """Of calls in a row, as many as there are slots go at once, each later one 1/decay after."""
    limit, now = Limit("api", slots, decay), start

    for number in range(calls):
        now += seconds_to_wait(claim(is_rate=True), [limit], now)
        assert seconds_to_wait(claim(is_rate=True), [limit], now) <= 1e-6 / decay + 1e-6
        limit = limit.spend(1, now)

        expected = max(0, number + 1 - slots) / decay
        assert now - start == pytest.approx(expected, rel=1e-3, abs=1e-5)


def test_slots_decay_to_none_and_no_further():
    """After a long rest a rate limit has its slots, and no more than those."""
    limit = Limit("api", 5, decay=2.0).spend(5, now=100.0)

    assert limit.free(now=101.0) == 2.0
    assert limit.free(now=1e6) == 5.0


def test_a_clock_that_is_set_back_takes_nothing_away():
    """Slots that were spent in the future are spent, not more."""
    limit = Limit("api", 5, decay=2.0).spend(3, now=100.0)

    assert limit.free(now=50.0) == 2.0


@pytest.mark.parametrize("slots", [0, -1, 1.5, "2", True, None])
def test_only_whole_numbers_of_slots_can_be_occupied(slots):
    """Occupying something else than a whole number of slots is a wrong declaration."""
    with pytest.raises(InvalidDeclaration, match="whole number, 1 or more"):
        claim(slots=slots)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"slots": -1}, "cannot have -1 slots"),
        ({"slots": 1, "decay": -1.0}, r"cannot decay at -1\.0 per second"),
        ({"slots": 1, "name": ""}, "Give it a name"),
    ],
)
def test_a_wrong_limit_is_refused(facts, told):
    """A limit has a name, and numbers that are not negative."""
    with pytest.raises(InvalidDeclaration, match=told):
        Limit(**{"name": "api", **facts})


def test_a_lease_lasts_some_time():
    """A lease of no time at all is a wrong declaration."""
    with pytest.raises(InvalidDeclaration, match="cannot last 0 seconds"):
        claim(lasts=0)
