"""Runs: their ids, their names and what is fixed about them."""

import json
import os
import random
import re
import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from nborch import context  # noqa: F401  # children of a fork draw anew
from nborch.runs import (
    Run,
    RunKind,
    RunRecord,
    flow_run_name,
    new_id,
    task_run_name,
)
from nborch.states import Completed, Pending, Retrying, Running

TIMES = st.floats(0, 4e9, allow_nan=False)


@given(TIMES)
def test_an_id_is_a_uuid_of_version_7(at):
    """An id is a UUID, version 7, whose first 48 bits are the milliseconds."""
    told = uuid.UUID(new_id(at))

    assert (told.version, told.variant) == (7, uuid.RFC_4122)
    assert abs((told.int >> 80) - at * 1000) <= 1


@given(TIMES, TIMES)
def test_ids_sort_by_time(one, other):
    """Of two runs a microsecond or more apart, the earlier has the lesser id."""
    if abs(one - other) < 1e-6:
        other = one + 1e-6

    assert (new_id(one) < new_id(other)) == (one < other)


def test_ids_of_one_moment_differ():
    """Runs that are made at the same moment have different ids."""
    assert len({new_id(1.0) for _ in range(10_000)}) == 10_000


def test_the_users_random_numbers_are_not_ours():
    """Making ids and names neither follows nor advances the global generator."""
    random.seed(1)
    first = [new_id(1.0), flow_run_name(), task_run_name("t"), random.random()]
    random.seed(1)
    second = [new_id(1.0), flow_run_name(), task_run_name("t"), random.random()]

    assert first[-1] == second[-1]
    assert first[0] != second[0]


def test_forked_processes_draw_different_ids():
    """Two children of one process never make the same id."""
    ends = []
    for _ in range(2):
        read, write = os.pipe()
        if os.fork() == 0:
            os.write(write, new_id(1.0).encode())
            os._exit(0)
        os.close(write)
        ends.append(read)
    ids = {os.read(end, 100) for end in ends}
    for end in ends:
        os.close(end)
        os.wait()

    assert len(ids) == 2


def test_names_are_readable():
    """A flow run has an adjective and an animal for a name, a task run its task."""
    assert re.fullmatch(r"[a-z]+-[a-z]+", flow_run_name())
    assert re.fullmatch(r"clean-[0-9a-f]{3}", task_run_name("clean"))


RUNS = st.builds(
    Run,
    id=TIMES.map(new_id),
    kind=st.sampled_from(RunKind),
    of=st.text(),
    name=st.text(),
    created=st.floats(0, 7e9).map(lambda at: datetime.fromtimestamp(at, UTC)),
    process=st.text(),
    parent_id=st.none() | TIMES.map(new_id),
    details=st.dictionaries(
        st.text(), st.none() | st.integers() | st.text(), max_size=3
    ),
)


@settings(deadline=None)
@given(RUNS)
def test_a_run_survives_json(run):
    """A run read from its JSON form is the same run."""
    assert Run.from_json(json.loads(json.dumps(run.to_json()))) == run


def test_a_record_knows_when_it_ran():
    """A record's seconds go from its first Running to its final state."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    run = Run("id", RunKind.TASK, "t", "t-1", start, "host:1:a")
    record = RunRecord(run, Pending())
    assert record.seconds is None

    for second, (state, attempt) in enumerate(
        [(Running(), 1), (Retrying(), 2), (Completed(), 2)]
    ):
        record = record.entered(
            state.stamped(start + timedelta(seconds=second)), attempt
        )

    assert (record.seconds, record.attempt, record.started) == (2.0, 2, start)
    assert json.loads(json.dumps(record.to_json()))["ended"] == start.timestamp() + 2


def test_a_record_that_never_ran_took_no_time():
    """A run that ended without running, such as a hit, took no seconds."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    run = Run("id", RunKind.TASK, "t", "t-1", at, "host:1:a")

    record = RunRecord(run, Pending()).entered(Completed().stamped(at), 0)

    assert (record.seconds, record.started) == (0.0, None)


def test_a_run_tells_hooks_its_facts():
    """A run gives its parameters, tags and what it is of by Prefect's names."""
    details = {"parameters": {"n": 1}, "tags": ["a"]}
    run = Run(
        "id", RunKind.FLOW, "f", "kind-owl", datetime.now(UTC), "h:1:a", details=details
    )

    assert (run.flow_name, run.parameters, run.tags) == ("f", {"n": 1}, {"a"})
