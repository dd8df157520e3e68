"""Logs: the seed's lines on the terminal, and the same in the store."""

import io
import logging
import re
import sys

import pytest

from nborch import flow, get_run_logger, task
from nborch.logs import ROOT


@pytest.fixture(autouse=True)
def set_up(home):
    """Lines of every level, whatever ran before."""
    level = ROOT.level
    flow(name="warm")(lambda: 1)()
    ROOT.setLevel("DEBUG")
    yield
    ROOT.setLevel(level)


def lines_of(text):
    """Return the lines without their times and random names."""
    lines = re.sub(r"^\d\d:\d\d:\d\d\.\d{3} ", "TIME ", text, flags=re.MULTILINE)
    return re.sub(r"'[a-z]+-[a-z]+'", "'NAME'", lines).splitlines()


@task
def fetch_data(n):
    get_run_logger().info("Fetched %d rows", n)
    return n


def test_the_lines_are_those_of_the_seed(capsys):
    """A flow tells that it was made, and it and its tasks tell their final states."""

    @flow(name="My Pipeline")
    def pipeline():
        return fetch_data(3)

    capsys.readouterr()
    pipeline()

    assert lines_of(capsys.readouterr().err) == [
        "TIME | INFO    | nborch.engine - Created flow run 'NAME' for flow 'My Pipeline'",
        "TIME | INFO    | Task run 'fetch_data' - Fetched 3 rows",
        "TIME | INFO    | Task run 'fetch_data' - Finished in state Completed()",
        "TIME | INFO    | Flow run 'NAME' - Finished in state Completed()",
    ]


def test_a_subflow_and_a_retry_have_their_lines(capsys):
    """A subflow tells that it was made, and a failed attempt when it is repeated."""
    calls = []

    @task(retries=1, retry_delay_seconds=0.01)
    def flaky():
        calls.append(1)
        if len(calls) < 2:
            raise ValueError

    @flow(name="main")
    def main_flow():
        flow(name="transform")(flaky)()

    capsys.readouterr()
    main_flow()

    assert lines_of(capsys.readouterr().err) == [
        "TIME | INFO    | nborch.engine - Created flow run 'NAME' for flow 'main'",
        "TIME | INFO    | nborch.engine - Created subflow run for flow 'transform'",
        "TIME | INFO    | Task run 'flaky' - Retrying in 0.01 seconds...",
        "TIME | INFO    | Task run 'flaky' - Finished in state Completed()",
        "TIME | INFO    | Flow run 'NAME' - Finished in state Completed()",
        "TIME | INFO    | Flow run 'NAME' - Finished in state Completed()",
    ]


def test_the_lines_are_kept_with_the_runs(home):
    """Every line that a run wrote is found with it, or with a run around it."""
    flow(name="f")(lambda: fetch_data(3))()
    home.recorder.flush()

    top = home.store.records(top=True)[0].run
    kept = [
        (e.data["logger"], e.data["level"], e.data["message"])
        for e in home.store.logs(top.id)
    ]

    assert kept == [
        ("nborch.engine", "INFO", f"Created flow run {top.name!r} for flow 'f'"),
        ("nborch.task_runs", "INFO", "Fetched 3 rows"),
        ("nborch.task_runs", "INFO", "Finished in state Completed()"),
        ("nborch.flow_runs", "INFO", "Finished in state Completed()"),
    ]
    (child,) = home.store.children(top.id)
    assert len(home.store.logs(child.run.id)) == 2


def test_a_failure_is_an_error_line(capsys):
    """A run that fails says so with level ERROR and the message of its state."""

    def fails():
        raise ValueError("boom")

    task(fails)(return_state=True)

    assert lines_of(capsys.readouterr().err)[-1] == (
        "TIME | ERROR   | Task run 'fails' - Finished in state "
        "Failed('Task run encountered an exception: ValueError: boom')"
    )


def test_lines_go_where_standard_error_is_now(monkeypatch):
    """A line is printed on what sys.stderr is when it is written."""
    now = io.StringIO()
    monkeypatch.setattr(sys, "stderr", now)

    fetch_data(3)

    assert "Fetched 3 rows" in now.getvalue()


def test_a_line_may_carry_the_users_extras(home):
    """The user's own extras stay beside the run's."""
    seen = []
    handler = logging.Handler()
    handler.emit = seen.append
    ROOT.addHandler(handler)

    task(lambda: get_run_logger().warning("careful", extra={"shard": 3}))()
    ROOT.removeHandler(handler)

    record = next(r for r in seen if r.getMessage() == "careful")
    assert record.shard == 3
    assert record.run_id == home.store.records()[0].run.id


def test_lines_below_the_level_cost_nothing(home, capsys):
    """What is below the level is neither printed nor kept."""
    ROOT.setLevel("WARNING")
    capsys.readouterr()

    fetch_data(3)
    home.recorder.flush()

    assert capsys.readouterr().err == ""
    assert home.store.logs(home.store.records()[0].run.id) == []


OWN = """
    import logging
    logging.getLogger("nborch").addHandler(logging.StreamHandler())
    logging.getLogger("nborch").setLevel("INFO")
    from nborch import task
    from nborch.home import current_home

    @task
    def t():
        return 1

    t()
    current_home().recorder.flush()
    print(len(current_home().store.logs(current_home().store.records()[0].run.id)))
"""


def test_a_program_with_its_own_handler_prints_by_it(script):
    """Where the program handles our logger, it prints; the lines are kept all the same."""
    out, told = script(OWN).communicate(timeout=30)

    assert told == "Finished in state Completed()\n"
    assert out == "1\n"


LEVEL = """
    from nborch import task
    task(name="t")(lambda: 1)()
"""


@pytest.mark.parametrize(("level", "count"), [("INFO", 1), ("warning", 0)])
def test_the_level_is_a_setting(script, level, count):
    """NBORCH_LOG_LEVEL says from which level on lines are printed."""
    _, told = script(LEVEL, NBORCH_LOG_LEVEL=level).communicate(timeout=30)

    assert len(told.splitlines()) == count
