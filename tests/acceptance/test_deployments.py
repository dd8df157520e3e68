"""Serving, deploying and working, as a person does it: programs and commands."""

import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_notebook

from nborch.cli.main import cli

BIN = Path(sys.executable).parent

pytestmark = pytest.mark.timeout(180)

#: As printed, with the import root replaced.
SERVED = """
from nborch import flow
from nborch.schedules import CronSchedule, IntervalSchedule
from datetime import timedelta

@flow(log_prints=True)
def daily_report():
    print("Generating daily report...")

# Local serve — runs the flow on schedule in the foreground process
if __name__ == "__main__":
    daily_report.serve(
        name="daily-report",
        cron="0 8 * * *",            # 8 AM UTC daily
        timezone="America/New_York",
    )
"""

SERVED_BY_INTERVAL = """
daily_report.serve(
    name="every-6h",
    interval=timedelta(hours=6),
)
"""

DEPLOYED = """
# deploy.py
from nborch import flow

@flow
def my_pipeline(env: str = "prod"):
    print(f"Running in {env}")

if __name__ == "__main__":
    my_pipeline.deploy(
        name="prod-pipeline",
        work_pool_name="local-process-pool",
        cron="0 6 * * *",
        parameters={"env": "prod"},
    )
"""


class Site:
    """A folder with a home, in which commands run and programs are started."""

    def __init__(self, folder):
        self.folder = folder
        self.home = folder / "home"
        self.environ = {
            **os.environ,
            "NBORCH_HOME": str(self.home),
            "COLUMNS": "200",
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }
        self.started = []

    def write(self, name, text):
        (self.folder / name).write_text(textwrap.dedent(text))

    def notebook(self, name, *sources):
        cells = [new_code_cell(source) for source in sources]
        cells[0].metadata["tags"] = ["parameters"]
        kernel = {"name": "python3", "display_name": "Python 3"}
        nb = new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(nb, self.folder / name)

    def run(self, command, code=0):
        """Run a command to its end; return what it printed.

        Commands of nborch are run in this process, which saves their start.
        """
        words = shlex.split(command)
        if words[0] == "nborch":
            done = CliRunner().invoke(cli, words[1:], catch_exceptions=False)
            assert done.exit_code == code, done.output
            return done.output
        words[0] = sys.executable
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def json(self, command):
        return json.loads(self.run(f"{command} --json"))

    def start(self, *command):
        """Start what goes on until it is stopped; return it."""
        path = self.folder / f"told-{len(self.started)}"
        with path.open("w") as file:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process.told = path.read_text
        self.started.append(process)
        self.until(process, "Press Ctrl-C to stop")
        return process

    def until(self, process, text, seconds=60):
        end = time.monotonic() + seconds
        while text not in process.told():
            assert process.poll() is None, process.told()
            assert time.monotonic() < end, process.told()
            time.sleep(0.02)

    def stop(self, process, number=signal.SIGINT):
        """Press Ctrl-C; return what was told."""
        process.send_signal(number)
        assert process.wait(60) == 0, process.told()
        return process.told()


@pytest.fixture
def site(tmp_path, home, monkeypatch):
    made = Site(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "path", [*sys.path])
    loaded = set(sys.modules)
    yield made
    for name in set(sys.modules) - loaded:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    for process in made.started:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_a_flow_is_served(site):
    """The program that serves a flow by cron runs it, and ends well with Ctrl-C."""
    site.write("report.py", SERVED)
    server = site.start(sys.executable, "report.py")

    ran = site.run("nborch deployment run daily-report --watch")

    assert "Generating daily report..." in ran
    assert re.search(r"Run '\S+' has ended: Completed\(\)", ran)
    (listed,) = site.json("nborch deployment ls")
    assert listed["name"] == "daily-report/daily-report"
    (schedule,) = listed["schedules"]
    assert schedule["words"] == "At 08:00 every day, America/New_York"
    told = site.stop(server)
    assert "Generating daily report..." in told
    assert told.endswith("Stopped.\n")


def test_a_flow_is_served_by_interval(site):
    """The program that serves a flow by an interval is served with that schedule."""
    program = SERVED.replace("__main__", "no") + SERVED_BY_INTERVAL
    site.write("report.py", program)
    server = site.start(sys.executable, "report.py")

    told = site.run("nborch deployment inspect every-6h")

    assert "Every 6 hours" in told
    assert "Completed" in site.run("nborch deployment run every-6h --watch")
    site.stop(server)


def test_a_flow_is_deployed_to_a_pool(site):
    """A pool, a worker and a program that deploys are all that it takes."""
    site.write("deploy.py", DEPLOYED)
    site.run("nborch work-pool create --type process local-process-pool")
    worker = site.start("nborch", "worker", "start", "--pool", "local-process-pool")

    site.run("python deploy.py")

    name = "my-pipeline/prod-pipeline"
    assert "Running in prod" in site.run(f"nborch deployment run {name} --watch")
    ran = site.run(f"nborch deployment run {name} -p env=test --watch")
    assert "Running in test" in ran
    assert "local-process-pool" in site.run("nborch worker ls")
    (pool,) = site.json("nborch work-pool ls")
    assert (pool["running"], pool["waiting"]) == (0, 0)
    site.stop(worker, signal.SIGTERM)
    assert "No worker runs" in site.run("nborch worker ls")


def test_schedules_fire_while_something_is_served(site):
    """A served flow runs at each of its times, with nobody asking."""
    site.write("report.py", SERVED.replace('"0 8 * * *"', '"* * * * * *"'))
    server = site.start(sys.executable, "report.py")

    site.until(server, "Finished in state Completed()")

    (deployment,) = site.json("nborch deployment ls")
    assert deployment["schedules"][0]["active"]
    site.stop(server)


def test_a_notebook_is_served_from_the_command_line(site):
    """A notebook is served with its parameters, and its run gives its values."""
    site.notebook(
        "etl.ipynb",
        'region: str = "us"\nrows: int = 1',
        "import nborch\nprint('loading', region)\nnborch.result(rows * 2, name='twice')",
    )
    server = site.start(
        "nborch", "serve", "etl.ipynb", "--cron", "0 6 * * *", "-p", "region=eu"
    )

    told = site.run("nborch deployment inspect etl")
    assert "At 06:00 every day, UTC" in told
    assert "region='eu', rows=1" in told
    site.run("nborch deployment run etl -p rows=21 --run-name mine --watch")

    assert "42" in site.run("nborch flow-run result mine twice")
    facts = site.json("nborch flow-run inspect mine")
    assert facts["details"]["parameters"] == {"region": "eu", "rows": 21}
    assert facts["state"]["name"] == "Completed"
    refused = site.run("nborch deployment run etl -p rows=many", code=2)
    assert "'rows' must be of the type integer, not 'many'" in refused
    site.stop(server)


def test_exit_codes_tell_how_a_watched_run_ended(site):
    """Watching a run ends with 1 if it failed, and 130 if it was cancelled."""
    site.write(
        "flows.py",
        """
        import time
        from nborch import flow

        @flow
        def work(kind: str = "sleep"):
            if kind == "fail":
                raise ValueError("no rows")
            time.sleep(60)
        """,
    )
    server = site.start("nborch", "serve", "flows.py:work", "--name", "all")

    failed = site.run("nborch deployment run all -p kind=fail --watch", code=1)
    assert "ValueError: no rows" in failed
    site.run("nborch deployment run all --run-name long")
    site.until(server, "Created flow run 'long'")
    assert "is being cancelled" in site.run("nborch flow-run cancel long")
    site.run("nborch flow-run watch long", code=130)
    assert "had ended before: Cancelled" in site.run("nborch flow-run cancel long")

    again = site.run("nborch flow-run retry long")
    name = re.search(r"Run '(\S+)'", again)[1]
    site.until(server, f"Created flow run '{name}'")
    server.send_signal(signal.SIGINT)
    site.until(server, "Waiting for 1 run to end")
    told = site.stop(server)
    assert f"Run '{name}' waits again" in told


def test_a_project_is_deployed_as_a_whole(site):
    """What pyproject.toml declares is deployed; once more, and nothing changes."""
    site.write("deploy.py", DEPLOYED)
    site.notebook("etl.ipynb", 'region: str = "us"', "print(region)")
    site.write(
        "pyproject.toml",
        """
        [tool.nborch.deployments.nightly]
        entrypoint = "etl.ipynb"
        work_pool = "pool"
        cron = "0 2 * * *"
        timezone = "Europe/Berlin"
        overlap = "queue_one"
        parameters = { region = "eu" }

        [tool.nborch.deployments.pipeline]
        entrypoint = "deploy.py:my_pipeline"
        work_pool = "pool"
        tags = ["prod"]
        """,
    )
    assert "No work pool is called 'pool'" in site.run("nborch deploy --all", code=2)
    site.run("nborch work-pool create pool --concurrency-limit 2")

    first = site.run("nborch deploy --all")
    second = site.run("nborch deploy --all")

    assert first.count("Deployed") == 2
    assert second.count("Unchanged:") == 2
    nightly, pipeline = site.json("nborch deployment ls")
    assert nightly["name"] == "etl/nightly"
    assert nightly["schedules"][0]["policy"] == {"overlap": "queue_one"}
    assert pipeline["tags"] == ["prod"]
    path = site.folder / "pyproject.toml"
    path.write_text(path.read_text().replace("0 2 * * *", "0 3 * * *"))
    third = site.run("nborch deploy --all")
    assert third.count("Changed 'etl/nightly'") == third.count("Unchanged:") == 1
    path.write_text(path.read_text().replace("overlap", "overlp"))
    refused = site.run("nborch deploy --all", code=2)
    assert "unknown option 'overlp'. Did you mean 'overlap'?" in refused


def test_schedules_are_paused_resumed_and_made_up_for(site):
    """A deployment rests and goes on; times of the past are made up for, once."""
    site.write("deploy.py", DEPLOYED)
    site.run("nborch work-pool create local-process-pool")
    site.run("python deploy.py")
    times = "--from 2026-01-01T00:00+00:00 --to 2026-01-04T00:00+00:00"

    paused = site.run("nborch deployment pause prod-pipeline")
    resumed = site.run("nborch deployment resume prod-pipeline")
    first = site.run(f"nborch deployment backfill prod-pipeline {times}")
    second = site.run(f"nborch deployment backfill prod-pipeline {times}")

    assert "Paused 'my-pipeline/prod-pipeline'" in paused
    assert "Its next run is at" in resumed
    assert "Made 3 runs" in first
    assert "Made 0 runs" in second
    assert "3 times had one already" in second
    (pool,) = site.json("nborch work-pool ls")
    assert pool["waiting"] == 3
    assert "Deleted" in site.run("nborch deployment delete prod-pipeline")
    assert "Nothing is deployed" in site.run("nborch deployment ls")
    (pool,) = site.json("nborch work-pool ls")
    assert pool["waiting"] == 0


def test_a_run_is_asked_for_a_later_time(site):
    """A run may be asked for a time; without a worker it is told that none runs."""
    site.write("deploy.py", DEPLOYED)
    site.run("nborch work-pool create local-process-pool")
    site.run("python deploy.py")

    told = site.run(
        "nborch deployment run prod-pipeline --at 'in 10m' --run-name later"
    )

    assert "Run 'later' of 'my-pipeline/prod-pipeline' begins at" in told
    assert "nborch worker start --pool local-process-pool" in told
    facts = site.json("nborch flow-run inspect later")
    assert facts["state"]["name"] == "Scheduled"
    assert "is no time" in site.run(
        "nborch deployment run prod-pipeline --at someday", code=2
    )


def test_a_terminal_shows_what_goes_on(site):
    """On a terminal one sees what is next, what runs and what ended."""
    site.write("report.py", SERVED)
    own, theirs = pty.openpty()
    server = subprocess.Popen(
        [sys.executable, "report.py"],
        cwd=site.folder,
        env={**site.environ, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    site.started.append(server)

    shown = seen(own, "next")
    site.run("nborch deployment run daily-report --run-name mine")
    shown += seen(own, "✓ completed")

    assert "serving daily-report/daily-report" in shown
    assert "Flow run 'mine' - Generating daily report..." in shown
    server.send_signal(signal.SIGINT)
    assert "Stopped." in seen(own, "Stopped.")
    assert server.wait(60) == 0
    os.close(own)


def seen(terminal, text, seconds=60):
    """Return what a terminal shows until a text is there."""
    shown, end = b"", time.monotonic() + seconds
    while text not in shown.decode(errors="replace"):
        assert time.monotonic() < end, shown
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 65_536)
    return shown.decode(errors="replace")


def test_a_notebook_serves_in_the_background(kernel):
    """In a notebook serving does not block, and runs flows that cells define."""
    ran = kernel(
        """
        from nborch import flow, run_deployment, task
        factor = 7

        @task
        def times(n):
            return factor * n

        @flow
        def in_cell(n: int = 1):
            return times(n)

        server = in_cell.serve(name="here", cron="0 8 * * *")
        server
        """.replace("\n        ", "\n")
    )
    assert ran.ok, ran.error
    assert "Server of in-cell/here ◐ serving" in ran.result

    asked = kernel('run_deployment("here", {"n": 6}).result(60)', timeout=90)
    stopped = kernel("server.stop()\nserver")

    assert asked.result == "42", asked.error
    assert "stopped" in stopped.result
