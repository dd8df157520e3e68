"""Failures: what is recorded of the exception that ended a run."""

import json
from datetime import UTC, datetime

from nborch.events import state_entered
from nborch.failures import FRAMES, LONGEST, failure, with_failure
from nborch.states import Cancelled, Completed, Crashed, Failed

NOW = datetime(2024, 1, 31, tzinfo=UTC)


def recorded(state):
    """Return the details of a state as they are recorded."""
    state = state.stamped(NOW)
    return dict(with_failure(state_entered("r", state, 1), state).data["details"])


def missing_column():
    try:
        {}["column"]
    except KeyError as error:
        raise ValueError("no rows") from error


def test_an_exception_is_recorded_with_its_lines():
    """Type, message and traceback are kept, causes included."""
    try:
        missing_column()
    except ValueError as error:
        told = recorded(Failed(data=error))["error"]

    assert (told["type"], told["message"]) == ("ValueError", "no rows")
    assert "KeyError: 'column'" in told["traceback"]
    assert told["traceback"].endswith("ValueError: no rows\n")
    assert json.loads(json.dumps(told)) == told


def test_what_did_not_fail_is_recorded_as_it_is():
    """A result that is an exception is no failure, nor is who was cancelled at fault."""
    assert recorded(Cancelled(data=ValueError("no"))) == {}
    assert recorded(Completed(data=ValueError("a value"))) == {}
    assert recorded(Failed(message="no", details={"line": 3})) == {"line": 3}
    told = recorded(Crashed(data=ValueError("no"), details={"line": 3}))
    assert told.keys() == {"line", "error"}


def test_an_exception_that_cannot_tell_itself_is_recorded():
    """A broken __str__ does not end the run in another way."""

    class Mute(Exception):
        def __str__(self):
            raise RuntimeError

    assert failure(Mute())["type"].endswith("Mute")


def test_of_a_long_story_the_end_is_kept():
    """A message of a megabyte is cut to its last letters."""
    told = failure(ValueError("x" * 1_000_000 + "the end"))

    assert len(told["traceback"]) == len(told["message"]) == LONGEST
    assert told["message"].endswith("the end")


def test_of_a_deep_call_the_last_lines_are_kept():
    """A traceback of a thousand lines of code is told by where it ended."""

    def dive(depth):
        if depth:
            dive(depth - 1)
        raise ValueError("too deep")

    try:
        dive(900)
    except ValueError as error:
        told = failure(error)

    assert told["traceback"].count("dive") <= 2 * FRAMES
    assert told["traceback"].endswith("ValueError: too deep\n")
