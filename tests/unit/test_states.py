"""States: what each is, what may follow which, what comes of a run."""

import pickle
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nborch import states
from nborch.exceptions import (
    CancelledRun,
    CrashedRun,
    FailedRun,
    InvalidTransition,
    UnfinishedRun,
)
from nborch.states import (
    FINAL,
    TRANSITIONS,
    Cached,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Paused,
    Pending,
    Running,
    Scheduled,
    State,
    StateGroup,
    StateType,
    allowed_before,
    check_transition,
    get_state_exception,
    is_state_iterable,
    raise_state_exception,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)
STATES = st.builds(
    State,
    type=st.sampled_from(StateType),
    name=st.text(max_size=20),
    message=st.none() | st.text(),
    timestamp=st.none()
    | st.floats(0, 7e9).map(lambda at: datetime.fromtimestamp(at, UTC)),
    details=st.dictionaries(st.text(), JSON, max_size=3),
)

NAMES = [
    ("Scheduled", "SCHEDULED"), ("Pending", "PENDING"), ("Running", "RUNNING"),
    ("Completed", "COMPLETED"), ("Failed", "FAILED"), ("Crashed", "CRASHED"),
    ("Cancelling", "CANCELLING"), ("Cancelled", "CANCELLED"), ("Paused", "PAUSED"),
    ("AwaitingRetry", "SCHEDULED"), ("Retrying", "RUNNING"), ("Cached", "COMPLETED"),
    ("TimedOut", "FAILED"), ("NotReady", "PENDING"), ("Late", "SCHEDULED"),
    ("Suspended", "PAUSED"), ("Submitting", "PENDING"),
    ("InfrastructurePending", "PENDING"), ("AwaitingConcurrencySlot", "SCHEDULED"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "type_"), NAMES)
def test_each_constructor_makes_the_state_it_is_called_by(name, type_):
    """A constructor's name is the state's name, and its type is Prefect's."""
    state = getattr(states, name)()

    assert (state.name, state.type.value) == (name, type_)
    assert state.is_final() == (
        type_ in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
    )
    assert getattr(state, f"is_{type_.lower()}")()


@pytest.mark.parametrize("type_", StateType)
def test_exactly_one_question_is_answered_with_yes(type_):
    """A state has one type, and one `is_...` method says so."""
    state = State(type_)

    said = [t for t in StateType if getattr(state, f"is_{t.value.lower()}")()]

    assert said == [type_]


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (Completed(message="x"), "Completed('x')"),
        (Failed(), "Failed()"),
        (Cached(), "Cached(type=COMPLETED)"),
        (Completed(name="Skipped", message="none"), "Skipped('none', type=COMPLETED)"),
    ],
)
def test_a_state_is_shown_as_it_is_in_prefect(state, text):
    """A state shows its name, its message, and its type if the name does not say it."""
    assert repr(state) == str(state) == text


def test_a_final_state_never_changes():
    """Nothing follows Completed, Failed, Cancelled or Crashed."""
    assert {t for t, after in TRANSITIONS.items() if not after} == FINAL


def test_every_state_type_can_reach_an_end():
    """From every state type some path leads to a final one."""
    for start in TRANSITIONS:
        reached = {start}
        while more := {b for a in reached for b in TRANSITIONS[a]} - reached:
            reached |= more
        assert reached & FINAL


def test_the_table_names_every_state_type():
    """No state type is missing from the transitions, and each can be entered."""
    assert set(TRANSITIONS) == {None, *StateType}
    assert set().union(*TRANSITIONS.values()) == set(StateType)


@given(st.none() | st.sampled_from(StateType), st.sampled_from(StateType))
def test_a_transition_is_checked_by_the_table(before, after):
    """A transition is refused exactly if the table does not name it."""
    start = before and State(before)

    if after in TRANSITIONS[before]:
        check_transition(start, State(after))
        assert before is None or before in allowed_before(after)
    else:
        with pytest.raises(InvalidTransition, match="A run cannot go from"):
            check_transition(start, State(after))
        assert before not in allowed_before(after)


def test_a_cancelling_run_may_still_complete():
    """A run that was asked to end may be done before it hears of it."""
    check_transition(Cancelling(), Completed())


def test_a_completed_state_returns_its_data():
    """The result of a completed run is its data."""
    assert Completed(data=42).result() == 42
    assert Completed().result() is None


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (Failed(data=KeyError("k")), KeyError),
        (Failed(message="nope"), FailedRun),
        (Crashed(message="gone"), CrashedRun),
        (Cancelled(), CancelledRun),
        (Failed(data="no exception"), FailedRun),
    ],
)
def test_the_result_of_a_run_that_ended_badly_is_its_error(state, error):
    """The result raises what ended the run, or returns it where that was asked."""
    with pytest.raises(error):
        state.result()

    assert isinstance(state.result(raise_on_failure=False), error)


@pytest.mark.parametrize("type_", sorted(set(StateType) - FINAL))
def test_an_unfinished_run_has_no_result(type_):
    """A result that is not there yet is an error even if failures are not raised."""
    with pytest.raises(
        UnfinishedRun, match=f"Run is in {type_} state, its result is not"
    ):
        State(type_).result(raise_on_failure=False)


@settings(deadline=None)
@given(STATES)
def test_a_state_survives_json(state):
    """A state read from its JSON form is the same, without its data."""
    import json

    again = State.from_json(json.loads(json.dumps(state.to_json())))

    assert again == state
    assert again.timestamp == state.timestamp


def test_a_state_pickles_with_its_data():
    """A state may be kept or sent as a value, its result included."""
    again = pickle.loads(pickle.dumps(Completed(data=[1], details={"a": 1})))

    assert (again, again.data) == (Completed(details={"a": 1}), [1])


def test_a_stamped_state_is_a_new_one():
    """The time of entry is set on a copy: a state the user made is not changed."""
    state = Running()
    at = datetime(2026, 1, 2, tzinfo=UTC)

    assert (state.stamped(at).timestamp, state.timestamp) == (at, None)


@given(STATES)
def test_equal_states_have_one_hash(state):
    """States can be put in sets, whatever their details are."""
    again = pickle.loads(pickle.dumps(state))

    assert len({state, again}) == 1


@pytest.mark.parametrize(
    ("state", "error"),
    [
        (Failed(data=[Completed(), Failed(data=KeyError("k"))]), KeyError),
        (Failed(data=Failed(data=KeyError("k"))), KeyError),
        (Failed(data=(Cancelled(message="stop"), Completed())), CancelledRun),
        (
            Failed(data=[Completed(), Running()], message="1/2 states failed."),
            FailedRun,
        ),
        (Failed(data={"a": Failed(data=KeyError("k"))}), FailedRun),
    ],
)
def test_a_state_of_states_has_the_first_error(state, error):
    """The error of a run that returned states is that of the first that has one."""
    assert isinstance(get_state_exception(state), error)
    with pytest.raises(error):
        raise_state_exception(state)


@pytest.mark.parametrize("state", [Completed(data=1), Running(), Pending(), Paused()])
def test_a_state_without_an_error_has_none_to_raise(state):
    """Nothing is raised for a run that has not ended badly, and there is no error."""
    raise_state_exception(state)

    with pytest.raises(ValueError, match="Expected failed or crashed state"):
        get_state_exception(state)


def test_the_error_of_a_state_keeps_its_cause():
    """What a state raises is the very error, with cause and notes, any number of times."""
    error = ValueError("boom")
    error.__cause__ = KeyError("k")
    error.add_note("look here")
    state = Failed(data=error)

    lengths = []
    for _ in range(3):
        with pytest.raises(ValueError, match="boom") as caught:
            state.result()
        assert caught.value is error
        lengths.append(len(caught.traceback))

    assert isinstance(error.__cause__, KeyError)
    assert len(set(lengths)) == 1


GROUP = [Completed(), Failed(), Crashed(), Cancelled(), Running(), Paused()]


def test_a_group_counts_its_states():
    """A group tells how many states there are of a kind, and what they come to."""
    group = StateGroup(GROUP)

    assert (group.total_count, group.fail_count) == (6, 2)
    assert (group.any_failed(), group.any_cancelled(), group.any_paused()) == (
        True,
    ) * 3
    assert (group.all_completed(), group.all_final()) == (False, False)
    assert group.counts_message() == (
        "total: 6, 'RUNNING': 1, 'COMPLETED': 1, 'FAILED': 1, 'CANCELLED': 1, "
        "'CRASHED': 1, 'PAUSED': 1"
    )


@given(st.lists(st.sampled_from(GROUP)))
def test_a_group_comes_to_what_its_states_do(members):
    """A question about a group is the same question about each state."""
    group = StateGroup(iter(members))

    assert group.all_completed() == all(s.is_completed() for s in members)
    assert group.all_final() == all(s.is_final() for s in members)
    assert group.any_failed() == any(s.is_failed() or s.is_crashed() for s in members)
    assert group.fail_count == group.count(StateType.FAILED) + group.count(
        StateType.CRASHED
    )


@pytest.mark.parametrize(
    ("value", "is_iterable"),
    [
        ([Completed()], True),
        ((Completed(), Failed()), True),
        ({Completed(), Failed()}, True),
        (frozenset({Completed()}), True),
        ([], False),
        ([Completed(), 1], False),
        ({"a": Completed()}, False),
        (Completed(), False),
        ("abc", False),
    ],
)
def test_states_are_looked_for_in_lists_and_sets(value, is_iterable):
    """Lists, tuples and sets of states and nothing else stand for states."""
    assert is_state_iterable(value) is is_iterable


def test_a_state_tells_its_details_by_prefects_names():
    """`state_details` names the run, the cache key and the scheduled time."""
    at = datetime(2026, 1, 2, tzinfo=UTC)
    state = Scheduled(at, details={"cache_key": "k"}).stamped(at, "run")

    details = state.state_details

    assert (details.task_run_id, details.cache_key, details.scheduled_time) == (
        "run",
        "k",
        at,
    )
    assert Running().state_details.cache_key is None


@pytest.mark.parametrize("fields", [{"message": "m"}, {"data": 1}])
@pytest.mark.parametrize("constructor", [name for name, _ in NAMES])
def test_constructors_take_the_fields_of_a_state(constructor, fields):
    """Message and data may be given to each constructor."""
    state = getattr(states, constructor)(**fields)

    ((name, value),) = fields.items()
    assert getattr(state, name) == value


def test_a_state_cannot_be_changed():
    """States are values: what is to be another state is made anew."""
    with pytest.raises(AttributeError):
        Completed().name = "Other"
    with pytest.raises(TypeError):
        Completed().details["a"] = 1
