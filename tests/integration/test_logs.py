"""Logs: the seed's lines on the terminal, and the same in the store."""

import io
import logging
import re
import sys

import pytest

from nborch import flow, get_run_logger, task
from nborch.exceptions import MissingContextError
from nborch.lines import RunLines
from nborch.logging import disable_run_logger, get_logger
from nborch.logs import ROOT


@pytest.fixture(autouse=True, params=["alone", "beside another"])
def set_up(request, home, monkeypatch):
    """Lines of every level, with our handlers alone and with one of the program's."""
    flow(name="warm")(lambda: 1)()
    level = ROOT.level  # the first line has set it
    ROOT.setLevel("DEBUG")
    # pytest adds its own to our logger, and the lines would take the other way.
    ours = [h for h in ROOT.handlers if type(h).__module__.startswith("nborch.")]
    other = [] if request.param == "alone" else [logging.NullHandler()]
    add = ROOT.addHandler
    monkeypatch.setattr(ROOT, "handlers", [*ours, *other])
    monkeypatch.setattr(
        ROOT, "addHandler", lambda h: type(h).__module__[0] == "_" or add(h)
    )
    yield
    ROOT.setLevel(level)


@pytest.fixture
def records():
    """What a handler of the program's own gets."""
    seen = []
    handler = logging.Handler()
    handler.emit = seen.append
    ROOT.addHandler(handler)
    yield seen
    ROOT.removeHandler(handler)


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


def test_a_line_may_carry_the_users_extras(home, records):
    """The user's own extras stay beside the run's."""
    task(lambda: get_run_logger().warning("careful", extra={"shard": 3}))()

    record = next(r for r in records if r.getMessage() == "careful")
    assert record.shard == 3
    assert record.run_id == home.store.records()[0].run.id


def test_lines_below_the_level_cost_nothing(home, capsys):
    """What is below the level is neither printed nor kept; how the run ended is."""
    ROOT.setLevel("WARNING")
    capsys.readouterr()

    fetch_data(3)
    home.recorder.flush()

    assert capsys.readouterr().err == ""
    (line,) = home.store.logs(home.store.records()[0].run.id)
    assert line.data["message"] == "Finished in state Completed()"


def test_a_record_names_the_line_that_wrote_it(records):
    """A handler of the program's own learns file and line of the call."""

    def writes():
        logger = get_run_logger()
        logger.info("by a method")
        logger.log(logging.INFO, "by level")
        try:
            1 / 0  # noqa: B018  # the error is what is wanted
        except ZeroDivisionError:
            logger.exception("with its error")
        helper(logger)

    def helper(logger):
        logger.info("for the caller", stacklevel=2)

    task(writes)()

    by_text = {record.getMessage(): record for record in records}
    for text in ("by a method", "by level", "with its error", "for the caller"):
        record = by_text[text]
        assert (record.filename, record.funcName) == ("test_logs.py", "writes")
    assert by_text["with its error"].exc_info[0] is ZeroDivisionError


def test_a_traceback_is_printed(capsys):
    """A line with an error is followed by its traceback."""

    def writes():
        try:
            1 / 0  # noqa: B018  # the error is what is wanted
        except ZeroDivisionError:
            get_run_logger().exception("No good")

    task(writes)()

    told = capsys.readouterr().err
    assert "| ERROR   | Task run 'writes' - No good\nTraceback (most" in told
    assert "ZeroDivisionError: division by zero\n" in told


def test_arguments_are_as_logging_has_them(home, capsys):
    """A mapping fills named places; arguments that do not fit are told of."""

    def writes():
        get_run_logger().info("%(n)d rows", {"n": 3})
        get_run_logger().info("100 %")
        get_run_logger().info("%d rows", "many")

    task(writes)()

    told = capsys.readouterr().err
    assert "Task run 'writes' - 3 rows\n" in told
    assert "Task run 'writes' - 100 %\n" in told
    assert "--- Logging error ---" in told
    home.recorder.flush()
    kept = [e.data["message"] for e in home.store.logs(home.store.records()[0].run.id)]
    assert kept[:3] == ["3 rows", "100 %", "%d rows ('many',)"]


def test_a_format_of_the_users_own_holds(capsys):
    """Who gives our handler another formatter gets its lines."""
    (handler,) = [h for h in ROOT.handlers if isinstance(h, logging.StreamHandler)]
    before = handler.formatter
    handler.setFormatter(logging.Formatter("%(levelname)s! %(message)s"))

    task(name="t")(lambda: get_run_logger().info("hello"))()
    handler.setFormatter(before)

    assert "INFO! hello\n" in capsys.readouterr().err


def test_without_a_run_there_is_no_run_logger():
    """Outside of runs get_run_logger() says so, and how to test a function."""
    with pytest.raises(MissingContextError, match="disable_run_logger"):
        get_run_logger()


def test_disabled_run_loggers_are_silent(capsys):
    """Under disable_run_logger() functions can be tested without a run."""
    with disable_run_logger():
        assert fetch_data.fn(3) == 3
        assert fetch_data(4) == 4

    assert capsys.readouterr().err == ""
    fetch_data(5)
    assert "Fetched 5 rows" in capsys.readouterr().err


def test_a_run_logger_may_carry_more(records, home):
    """What get_run_logger() is given stands in each of its records."""
    task(lambda: get_run_logger(shard=3).info("careful"))()

    record = next(r for r in records if r.getMessage() == "careful")
    assert (record.shard, record.run_id) == (3, home.store.records()[0].run.id)


@pytest.mark.parametrize(
    ("name", "full"),
    [
        (None, "nborch"),
        ("nborch", "nborch"),
        ("etl", "nborch.etl"),
        ("nborch.etl", "nborch.etl"),
    ],
)
def test_loggers_have_one_root(name, full):
    """get_logger() gives the program's own loggers below ours."""
    assert get_logger(name).name == full


def test_of_a_flood_the_first_and_the_last_lines_are_kept(home):
    """Beyond the limit only a run's last lines are kept, after one that says so."""
    lines = RunLines("run", home, 10)

    for i in range(5_000):
        lines.keep(float(i), "INFO", "x", str(i))
    lines.end()
    home.recorder.flush()

    told = [e.data["message"] for e in home.store.events() if e.run_id == "run"]
    assert told[:10] == [str(i) for i in range(10)]
    assert told[10].startswith("3990 lines are left out here")
    assert told[11:] == [str(i) for i in range(4_000, 5_000)]


def test_long_lines_count_as_many(home):
    """The limit bounds the characters that are kept, and of each line as well."""
    lines = RunLines("run", home, 1_000)

    for i in range(50):
        lines.keep(float(i), "INFO", "x", "y" * 100_000)
    lines.end()
    home.recorder.flush()

    told = [e.data["message"] for e in home.store.events() if e.run_id == "run"]
    assert len(told) == 4 + 1 + 3
    assert told[0].endswith("y... (34464 characters left out)")
    assert sum(map(len, told)) < 500_000


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
