"""The badge: one line that says what came of a cell task."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nborch.view.badge import MIME, Badge, Outcome, duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1 ms"), (0.0004, "1 ms"), (0.0031, "3 ms"), (0.099, "99 ms"), (0.0994, "99 ms"),
        (0.0996, "0.1 s"), (4.13, "4.1 s"), (59.94, "59.9 s"), (59.96, "1 min 0 s"),
        (60, "1 min 0 s"), (83, "1 min 23 s"), (119.7, "2 min 0 s"), (3599.4, "59 min 59 s"),
        (3599.7, "1 h 0 min"), (5400, "1 h 30 min"), (86400, "24 h 0 min"),
    ],
)  # fmt: skip
def test_a_duration_is_said_as_people_say_it(seconds, text):
    """A duration has two figures at most, in the units of its size."""
    assert duration(seconds) == text


@given(st.floats(0, 1e6))
def test_no_duration_has_sixty_of_a_unit(seconds):
    """Rounding never shows 60 seconds or 60 minutes."""
    words = duration(seconds).split()
    amounts = dict(zip(words[1::2], map(float, words[::2]), strict=True))

    assert amounts.get("s", 0) < 60
    assert amounts.get("min", 0) < 60


@pytest.mark.parametrize(
    ("badge", "text"),
    [
        (
            Badge("t", "cached", 0.003, saved_seconds=4.1),
            "cached · 3 ms instead of 4.1 s",
        ),
        (Badge("t", "ran", 2.04), "ran · 2.0 s"),
        (
            Badge("t", "uncached", 1, reason="it reads the clock"),
            "uncached · 1.0 s · it reads the clock",
        ),
    ],
)
def test_a_badge_says_the_outcome_the_time_and_the_reason(badge, text):
    """A badge is one line of what came of the cell."""
    assert str(badge) == text
    assert badge.bundle()["text/plain"] == text


def test_a_badge_is_safe_html():
    """Whatever stands in a reason is text in the page."""
    shown = Badge("t", "uncached", 1, reason="<script>alert(1)</script>").bundle()

    assert "<script>" not in shown["text/html"]
    assert "&lt;script&gt;" in shown["text/html"]


@pytest.mark.parametrize("outcome", [outcome.word for outcome in Outcome])
def test_every_outcome_has_a_sign(outcome):
    """HTML and text say the same words; the sign and its colour come on top."""
    badge = Badge("clean", outcome, 2.0, reason="why")

    html = badge.bundle()["text/html"]
    words = re.sub(r"<[^>]*>", "", html)

    assert words == f"{Outcome.of(outcome).sign} {badge}"
    assert re.search(r'style="color: #[0-9a-f]{6}; color: ', html)


def test_outcomes_of_one_colour_have_other_signs():
    """What is not kept, failed or goes on can be told from the sign alone."""
    signs = [outcome.sign for outcome in Outcome]

    # Cached or run: the cell did what it should.
    assert len(set(signs)) == len(signs) - 1
    assert Outcome.CACHED.sign == Outcome.RAN.sign


@pytest.mark.parametrize("outcome", ["cached", "ran", "uncached"])
def test_the_facts_of_a_badge_are_json(outcome):
    """The facts travel under a type of our own, as JSON values."""
    facts = json.loads(
        json.dumps(Badge("clean", outcome, 0.12345678, 2.0, "why").bundle()[MIME])
    )

    assert facts == {
        "task": "clean",
        "outcome": outcome,
        "seconds": 0.123457,
        "saved_seconds": 2.0,
        "reason": "why",
    }
