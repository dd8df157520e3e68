"""Events: one JSON form of every fact."""

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from nborch.events import Event, EventKind, log_written, run_created, state_entered
from nborch.runs import Run, RunKind
from nborch.states import Running

EVENTS = st.builds(
    Event,
    run_id=st.text(),
    kind=st.sampled_from(EventKind),
    at=st.floats(0, 4e9),
    attempt=st.integers(0, 9),
    data=st.dictionaries(st.text(), st.none() | st.integers() | st.text(), max_size=4),
    sequence=st.integers(0, 2**62),
)


@settings(deadline=None)
@given(EVENTS)
def test_an_event_survives_json(event):
    """An event read from its JSON form is the same event."""
    assert Event.from_json(json.loads(json.dumps(event.to_json()))) == event


def test_each_fact_has_the_time_it_happened():
    """The creation, a state and a line each carry their own time."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    run = Run("id", RunKind.FLOW, "f", "kind-owl", at, "h:1:a")

    events = [
        run_created(run),
        state_entered("id", Running().stamped(at), 1),
        log_written("id", at.timestamp(), "INFO", "nborch", "hello"),
    ]

    assert {event.at for event in events} == {at.timestamp()}
    assert [event.kind.value for event in events] == ["created", "state", "log"]
    assert events[2].data == {"level": "INFO", "logger": "nborch", "message": "hello"}
