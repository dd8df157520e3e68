"""``nborch schedule explain``: a schedule in words, with its next times."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from nborch.cli.main import cli

BERLIN = ("--timezone", "Europe/Berlin")


@pytest.fixture
def explain():
    """Run the command in this process."""

    def invoke(*words, code=0):
        done = CliRunner().invoke(cli, ["schedule", "explain", *words])
        assert done.exit_code == code, done.output
        return done.output

    return invoke


def test_a_schedule_is_told_with_its_next_ten_times():
    """The command of the manual tells words, ten times from now, and a note."""
    done = subprocess.run(
        [sys.executable, "-m", "nborch", "schedule", "explain", "0 8 * * 1-5", *BERLIN],
        capture_output=True,
        text=True,
        check=True,
    )

    words, _, head, *rest = done.stdout.splitlines()
    assert words == "At 08:00 on Monday to Friday, Europe/Berlin"
    assert head.split() == ["day", "time", "zone", "UTC", "in"]
    assert [line.split()[2] for line in rest[:10]] == ["08:00"] * 10
    assert {line.split()[0] for line in rest[:10]} == {
        "Mon",
        "Tue",
        "Wed",
        "Thu",
        "Fri",
    }
    assert rest[11].startswith("It keeps its local time when the clock goes ")


def test_times_around_a_clock_change(explain):
    """Times are told by the local clock and in UTC, with what happens that night."""
    told = explain("30 2 * * *", *BERLIN, "--from", "2026-10-24", "--count", "3")

    assert told.splitlines() == [
        "At 02:30 every day, Europe/Berlin",
        "",
        "day             time   zone  UTC          in                ",
        "Sat 2026-10-24  02:30  CEST  10-24 00:30  2 hours 30 minutes",
        "Sun 2026-10-25  02:30  CEST  10-25 00:30  1 day 2 hours     ",
        "Mon 2026-10-26  02:30  CET   10-26 01:30  2 days 3 hours    ",
        "",
        "On Sunday, 25 October 2026 the clock goes back from 03:00 to 02:00: 02:30 comes twice, and only the first time counts.",
        "",
        "On Sunday, 28 March 2027 the clock goes forward from 02:00 to 03:00: what is due at 02:30 begins at 03:00.",
    ]


def test_the_same_as_json(explain):
    """Other programs get the schedule, its words, its times and its notes."""
    told = json.loads(
        explain("0 8 * * *", *BERLIN, "--from", "2026-10-24 09:00", "-n", "2", "--json")
    )

    assert told == {
        "schedule": {"kind": "cron", "cron": "0 8 * * *", "timezone": "Europe/Berlin"},
        "words": "At 08:00 every day, Europe/Berlin",
        "timezone": "Europe/Berlin",
        "after": "2026-10-24T07:00:00+00:00",
        "times": [
            {"utc": "2026-10-25T07:00:00+00:00", "local": "2026-10-25T08:00:00+01:00"},
            {"utc": "2026-10-26T07:00:00+00:00", "local": "2026-10-26T08:00:00+01:00"},
        ],
        "notes": [
            "It keeps its local time when the clock goes back on Sunday, 25 October 2026."
        ],
    }


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("6h", "Every 6 hours, UTC"),
        ("1h40m", "Every 1 hour 40 minutes from 2024-01-01 00:00 on, UTC"),
        ("@daily", "At 00:00 every day, UTC"),
        ("FREQ=MONTHLY;BYDAY=-1FR", "By the rule FREQ=MONTHLY;BYDAY=-1FR, UTC"),
    ],
)
def test_intervals_and_rules_are_told_too(explain, expression, words):
    """The kind of a schedule is seen from its text."""
    assert explain(expression).splitlines()[0] == words


def test_short_intervals_are_told_in_full(explain):
    """Seconds and parts of them are shown where there are any."""
    told = explain("0.5s", "--from", "2026-10-24 09:00", "-n", "2").splitlines()

    first, second = (line.split()[2:] for line in told[3:5])
    assert first == ["09:00:00.5", "UTC", "10-24", "09:00:00.5", "0", "seconds"]
    assert second == ["09:00:01", "UTC", "10-24", "09:00:01", "1", "second"]


def test_a_schedule_that_is_over(explain):
    """A rule whose end has passed says so."""
    told = explain("FREQ=DAILY;UNTIL=20250101", "--from", "2026-01-01")

    assert told.endswith("It is not due any more.\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["0 25 * * *"], "the hour '25' cannot be read: 25 is not between 0 and 23"),
        (["0 8 * * *", "-z", "Berlin"], "Did you mean 'Europe/Berlin'?"),
        (["@daily", "--from", "soon"], "'soon' is no time"),
        (["@daily", "--count", "0"], "0 is not in the range"),
    ],
)
def test_a_mistake_is_told_in_words(words, told):
    """A wrong expression, zone or time ends the command with 2 and a sentence."""
    done = subprocess.run(
        [sys.executable, "-m", "nborch", "schedule", "explain", *words],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_times_begin_now(explain):
    """Without --from the first time is after now."""
    before = datetime.now(UTC)

    (first,) = json.loads(explain("* * * * * *", "-n", "1", "--json"))["times"]

    assert datetime.fromisoformat(first["utc"]) > before
