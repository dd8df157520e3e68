"""The command line with NBORCH_API_URL: it asks a server, which has another home."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_notebook
from serving import Served

from nborch.cli.main import cli
from nborch.control import remote
from nborch.events import state_entered
from nborch.home import Home
from nborch.schedules import CronSchedule
from nborch.settings import Settings
from nborch.states import Completed, Running, StateType
from nborch.work import Deployment, DeploymentSchedule

pytestmark = pytest.mark.timeout(120)

SCHEMA = {
    "type": "object",
    "properties": {"month": {"type": "integer"}},
    "required": ["month"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server with a home of its own."""
    with Served(tmp_path_factory.mktemp("there") / "home") as server:
        yield server


@pytest.fixture(scope="module")
def there(served):
    """That home, in which something is deployed."""
    home = Home(Settings(served.home, served.home / "secret.key"))
    schedule = DeploymentSchedule(schedule=CronSchedule("0 8 * * *"))
    home.deployments.put(
        Deployment(
            name="nightly",
            flow_name="report",
            parameter_schema=SCHEMA,
            schedules=(schedule,),
            entrypoint={"kind": "module", "module": "reports", "name": "report"},
        )
    )
    yield home
    home.close()


@pytest.fixture
def shell(served, there, tmp_path, monkeypatch):
    """Run commands as on another machine; the home here stays empty."""
    here = tmp_path / "here"
    monkeypatch.setenv("NBORCH_HOME", str(here))
    monkeypatch.setenv("NBORCH_API_URL", served.way_in)
    asked, made_once = [], remote.remote_control.__wrapped__

    def remote_control(*given):
        asked.append(made_once(*given))
        return asked[-1]

    monkeypatch.setattr(remote, "remote_control", remote_control)

    def run(*words, code=0):
        done = CliRunner().invoke(cli, words, catch_exceptions=False)
        assert done.exit_code == code, done.output
        return done.output

    yield run
    for each in asked:
        each.close()
    assert not (here / "nborch.db").exists()


def test_deployments_elsewhere(shell, there):
    """What is deployed elsewhere is seen, run, paused, resumed and made up for."""
    assert "report/nightly" in shell("deployment", "ls")
    (listed,) = json.loads(shell("deployment", "ls", "--json"))
    inspected = json.loads(shell("deployment", "inspect", "nightly", "--json"))
    assert listed == inspected
    assert listed["parameter_schema"] == SCHEMA
    assert "reports:report" in shell("deployment", "inspect", "nightly")

    told = shell("deployment", "run", "nightly", "-p", "month=7", "--run-name", "july")
    assert "Run 'july' of 'report/nightly' begins as soon as a worker takes it." in told
    assert "Nobody runs it at present." in told
    assert there.store.record("july").run.parameters == {"month": 7}
    assert "Paused 'report/nightly'" in shell("deployment", "pause", "nightly")
    assert there.deployments.get("nightly").paused
    assert "Its next run is at" in shell("deployment", "resume", "nightly")
    words = ("--from", "2026-01-01 00:00", "--to", "2026-01-03 00:00")
    assert "Made 2 runs" in shell("deployment", "backfill", "nightly", *words)


def test_parameters_that_do_not_fit_elsewhere(shell):
    """A wrong parameter is refused in the same words as here."""
    words = ("deployment", "run", "nightly", "-p", "moth=7")

    told = shell(*words, code=2)

    assert "Deployment 'report/nightly' has no parameter 'moth'." in told
    assert "Did you mean 'month'?" in told


def test_runs_elsewhere(shell, there):
    """Runs elsewhere are listed, looked into, read, cancelled and made again."""
    shell("deployment", "run", "nightly", "-p", "month=1", "--run-name", "first")

    assert "first" in shell("flow-run", "ls")
    runs = json.loads(shell("flow-run", "ls", "--json", "--limit", "500"))
    record = there.store.record("first")
    assert record.to_json() in runs
    inspected = json.loads(shell("flow-run", "inspect", "first", "--json"))
    assert inspected == {**record.to_json(), "runs": []}
    assert "report" in shell("flow-run", "inspect", "first")
    assert "Cancelled the run 'first'." in shell("flow-run", "cancel", "first")
    assert "had ended before: Cancelled." in shell("flow-run", "cancel", "first")
    logs = shell("flow-run", "logs", "first")
    assert "Flow run 'first' - Finished in state Cancelled" in logs
    (line,) = json.loads(shell("flow-run", "logs", "first", "--json"))
    (event,) = there.store.logs(record.run.id)
    assert line == event.to_json()
    assert "begins as soon as a worker takes it" in shell("flow-run", "retry", "first")
    assert "No run is called 'nope'." in shell("flow-run", "inspect", "nope", code=2)


def test_a_run_elsewhere_is_watched(served, there):
    """A run elsewhere is watched to its end; the exit code tells how it ended."""
    environ = {
        **os.environ,
        "NBORCH_API_URL": served.way_in,
        "NBORCH_HOME": "/nonexistent",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    words = "deployment run nightly -p month=2 --run-name watched --watch"
    watching = subprocess.Popen(
        [sys.executable, "-m", "nborch", *words.split()],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deployment = there.deployments.get("nightly")
    worker = there.workers.register("one", [deployment.lane])
    while not (claims := _claimed(there, deployment, worker, "watched")):
        assert watching.poll() is None, watching.stdout.read()
    for state in (Running(), Completed()):
        _enter(there, claims[0], state)

    told, _ = watching.communicate(timeout=60)

    assert watching.returncode == 0, told
    assert "Run 'watched' has ended: Completed()" in told


def _claimed(home, deployment, worker, name):
    """Take what waits, and return the run of this name, if it is among that."""
    return [
        each
        for each in home.queue.claim([deployment.lane], worker.id, 50)
        if each.record.run.name == name
    ]


def _enter(home, claim, state):
    entered = state.stamped(datetime.now(UTC))
    home.store.append([state_entered(claim.run_id, entered, claim.attempt)])


def test_a_notebook_elsewhere_goes_on(shell, served, there, tmp_path, until):
    """A notebook whose run failed goes on at the server, as a run of its own."""
    flag, notebook = tmp_path / "flag", tmp_path / "by_hand.ipynb"
    code = f"from pathlib import Path\nassert Path({str(flag)!r}).exists()"
    nbformat.write(new_notebook(cells=[new_code_cell(code)]), notebook)
    root = str(Path(__file__).parents[2])
    environ = {**os.environ, "NBORCH_HOME": str(served.home), "PYTHONPATH": root}
    environ.pop("NBORCH_API_URL")
    command = [sys.executable, "-m", "nborch", "run", str(notebook), "-q"]
    failed = subprocess.run(command, env=environ, capture_output=True, check=False)
    assert failed.returncode == 1, failed.stderr
    (run,) = there.store.records(of="by_hand", states=[StateType.FAILED])
    assert json.loads(shell("flow-run", "inspect", run.run.name, "--json"))["runs"]
    flag.touch()

    told = shell("flow-run", "retry", run.run.name)

    assert told == "The notebook 'by_hand.ipynb' goes on, as a new run.\n"
    done = [StateType.COMPLETED]
    (again,) = until(lambda: there.store.records(of="by_hand", states=done), 60)
    assert again.run.details["resumes"] in {run.run.id, run.run.name}


def test_pools_limits_and_workers_elsewhere(shell, there):
    """Pools and limits elsewhere are made, changed and removed; workers are seen."""
    assert "Created the work pool 'p'" in shell("work-pool", "create", "p")
    assert "exists" in shell("work-pool", "create", "p")
    shell("work-pool", "update", "p", "--limit", "3", "--description", "Mine.")
    shell("work-pool", "pause", "p")
    (pool,) = json.loads(shell("work-pool", "ls", "--json"))
    assert (pool["limit"], pool["paused"], pool["description"]) == (3, True, "Mine.")
    shell("work-pool", "resume", "p")
    assert "Mine." in shell("work-pool", "inspect", "p")
    assert "Deleted the work pool 'p'." in shell("work-pool", "delete", "p")

    created = shell("concurrency-limit", "create", "api/v1", "5")
    assert created == "Created the concurrency limit 'api/v1': 5 slots.\n"
    assert "Changed" in shell("concurrency-limit", "create", "api/v1", "4")
    assert there.limits.store.limit("api/v1").slots == 4
    assert "api/v1" in shell("concurrency-limit", "ls")
    assert "Freed 0 slots of 'api/v1'." in shell("concurrency-limit", "reset", "api/v1")
    shell("concurrency-limit", "delete", "api/v1")
    assert json.loads(shell("concurrency-limit", "ls", "--json")) == []

    worker = there.workers.register("far", ["pool/x"])
    assert "far" in shell("worker", "ls")
    there.workers.leave(worker.id)
    assert "far" not in shell("worker", "ls")
    assert "far" in shell("worker", "ls", "--all")


def test_the_cache_elsewhere(shell, there):
    """The cache elsewhere is looked at and cleared."""
    there.cache.keep("k", {"result": 1}, seconds=2.0, label="clean")

    assert json.loads(shell("cache", "stats", "--json"))["entries"] == 1
    assert "clean" in shell("cache", "ls")
    (entry,) = json.loads(shell("cache", "ls", "--json"))
    assert (entry["key"], entry["task"], entry["seconds"]) == ("k", "clean", 2.0)
    assert "Removed 1 results" in shell("cache", "clear", "--yes")
    assert "Freed" in shell("cache", "gc")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("cache", "verify"), "Reading every byte of the cache"),
        (("worker", "start", "--pool", "p"), "A worker"),
        (("flow-run", "result", "x"), "A value that a notebook gave"),
    ],
)
def test_what_only_works_there_is_said(shell, words, what):
    """What needs the files of the home is refused with what to do instead."""
    told = shell(*words, code=2)

    assert f"{what} needs the files of the home" in told
    assert "Do it on that machine, without NBORCH_API_URL." in told


def test_a_server_that_is_not_there(shell, monkeypatch):
    """A server that cannot be reached is an error in words, with what to do."""
    monkeypatch.setenv("NBORCH_API_URL", "http://127.0.0.1:9")

    told = shell("flow-run", "ls", code=2)

    assert "The server at http://127.0.0.1:9 cannot be reached:" in told
    assert "nborch server start" in told
