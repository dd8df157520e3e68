"""Testing: homes and clocks for tests of flows."""

import logging
import logging.config
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nborch import flow, get_run_logger, task
from nborch.cache_policies import INPUTS
from nborch.home import current_home
from nborch.testing import (
    Clock,
    disable_run_logger,
    prefect_test_harness,
    temporary_home,
)
from nborch.testing.utilities import prefect_test_harness as as_in_prefect


@flow
def report():
    return 1


def test_a_temporary_home_holds_what_runs_in_it(home):
    """Runs in the block are in its home and nowhere else, and gone with it."""
    with temporary_home() as inner:
        report()

        assert current_home() is inner
        assert [record.run.of for record in inner.store.records()] == ["report"]
        folder = Path(os.environ["NBORCH_HOME"])
        assert (folder / "nborch.db").exists()

    assert not folder.exists()
    assert current_home() is home
    assert home.store.records() == []


def test_the_environment_is_as_it_was(monkeypatch):
    """The block leaves the setting as it was, also when it was not set, or on errors."""
    monkeypatch.delenv("NBORCH_HOME")

    with pytest.raises(ValueError, match="boom"), temporary_home():
        raise ValueError("boom")

    assert "NBORCH_HOME" not in os.environ


def test_within_a_run_too(home):
    """In a flow, such as a notebook's, runs in the block are in its home as well."""

    @flow
    def outer():
        with temporary_home() as inner:
            report()
            return [record.run.of for record in inner.store.records()]

    assert outer() == ["report"]
    assert [record.run.of for record in home.store.records()] == ["outer"]


def test_prefects_name_works(home):
    """`prefect_test_harness` is a temporary home, whatever the server would need."""
    assert as_in_prefect is prefect_test_harness

    with prefect_test_harness(server_startup_timeout=60):
        assert report() == 1

    assert home.store.records() == []


def test_a_clock_turned_by_hand_lets_results_expire():
    """A test of `cache_expiration` turns the clock instead of waiting."""
    clock, calls = Clock(), []

    @task(cache_policy=INPUTS, cache_expiration=timedelta(hours=1))
    def load(day):
        calls.append(day)
        return day

    with temporary_home(clock=clock):
        load(1)
        clock.turn(minutes=59)
        load(1)
        assert calls == [1]

        clock.turn(minutes=2)
        load(1)
        assert calls == [1, 1]


def test_a_clock_stands_still():
    """A clock shows the time it was set to until it is turned, back as well."""
    clock = Clock(datetime(2024, 2, 28, 23, tzinfo=UTC))

    clock.turn(hours=2)
    clock.turn(seconds=-1)

    assert clock.now == datetime(2024, 2, 29, 0, 59, 59, tzinfo=UTC)
    assert clock() == clock.now.timestamp()
    assert repr(clock) == "<Clock at 2024-02-29T00:59:59+00:00>"


def test_a_function_that_logs_runs_without_a_run(home, caplog):
    """Under `disable_run_logger` a task's function can be tested by itself."""

    @task
    def shout(text):
        get_run_logger().info("Shouting")
        return text.upper()

    with disable_run_logger(), caplog.at_level(logging.INFO):
        assert shout.fn("hi") == "HI"

    assert "Shouting" not in caplog.text


def test_setting_up_logging_makes_a_silenced_function_no_louder(home, caplog):
    """A program that sets up logging, as Jupyter's do, enables all loggers it finds."""
    with disable_run_logger():
        quiet = get_run_logger()
        logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
        with caplog.at_level(logging.INFO):
            quiet.info("Shouting")

    assert "Shouting" not in caplog.text
