"""``nborch concurrency-limit``: limits are made, seen, freed and removed."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from nborch import flow, task
from nborch.cli.main import cli
from nborch.concurrency.sync import concurrency


@pytest.fixture
def run(home):
    """Run a command in this process."""

    def invoke(*words, code=0):
        done = CliRunner().invoke(cli, ["concurrency-limit", *words])
        assert done.exit_code == code, done.output
        return done.output

    return invoke


def test_a_limit_is_made_in_one_process_and_holds_in_another(home):
    """The command of the manual creates a limit, and says so; again, it changes it."""

    def command(*words):
        return subprocess.run(
            [sys.executable, "-m", "nborch", "concurrency-limit", *words],
            capture_output=True,
            text=True,
            env=dict(os.environ),
            check=True,
        ).stdout

    created = command("create", "external-api", "5")
    changed = command("create", "external-api", "3")

    assert created == "Created the concurrency limit 'external-api': 5 slots.\n"
    assert changed == "Changed the concurrency limit 'external-api': 3 slots.\n"
    with concurrency("external-api", occupy=3):
        (limit,) = json.loads(command("ls", "--json"))
    assert (limit["slots"], limit["in_use"]) == (3, 3)


def test_who_holds_slots(run, home):
    """The run that holds slots is shown by name, with its process and since when."""
    run("create", "api", "2")

    @task
    def fetch():
        with concurrency("api"):
            home.recorder.flush()
            return run("ls"), run("inspect", "api"), run("inspect", "api", "--json")

    @flow
    def batch():
        return fetch()

    listed, shown, facts = batch()

    name = next(r for r in home.store.records() if r.run.of == "fetch").run.name
    assert name in listed
    assert name in shown
    assert str(os.getpid()) in shown
    assert "In use: 1" in shown
    assert json.loads(facts)["holders"][0]["slots"] == 1


def test_a_limit_without_holders(run):
    """An empty list says how to make a limit; a rate shows its decay."""
    assert "nborch concurrency-limit create NAME SLOTS" in run("ls")

    told = run("create", "search", "5", "--slot-decay-per-second", "2.5")

    assert told == (
        "Created the concurrency limit 'search': 5 slots, 2.5 back per second.\n"
    )
    assert "2.5 per second" in run("inspect", "search")
    assert "2.5/s" in run("ls")


def test_other_holders(run, home):
    """A holder that is no run of this home is shown by its own name, or its process."""
    run("create", "api", "3")

    with (
        concurrency("api", holder="me"),
        concurrency("api"),
        concurrency("api", holder={"type": "flow_run", "id": "of-another-home"}),
    ):
        shown = run("inspect", "api")

    assert "me" in shown
    assert f"process {os.getpid()}" in shown
    assert "of-another-home" in shown


@pytest.mark.filterwarnings("ignore:The slots of the concurrency limit")
def test_slots_are_freed(run):
    """Reset frees what is in use."""
    run("create", "api", "1")

    with concurrency("api"):
        assert run("reset", "api") == "Freed 1 slot of 'api'.\n"
        assert "In use: 0" in run("inspect", "api")


def test_a_limit_is_removed(run):
    """A deleted limit is gone, and a wrong name is told with the nearest right one."""
    run("create", "external-api", "1")
    assert "Did you mean 'external-api'?" in run("inspect", "external-ap", code=2)

    assert run("delete", "external-api") == (
        "Deleted the concurrency limit 'external-api'.\n"
    )
    for command in ("delete", "reset", "inspect"):
        assert "No concurrency limit is called" in run(command, "external-api", code=2)


def test_wrong_numbers_are_refused(run):
    """Slots and decay are numbers that are not negative."""
    run("create", "api", "many", code=2)
    run("create", "api", "--", "-1", code=2)
    run("create", "api", "1", "--slot-decay-per-second", "-1", code=2)
