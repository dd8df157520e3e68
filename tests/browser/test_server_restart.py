"""A server that is killed during a run: the run goes on, and the pages find back."""

import os
import subprocess
import sys
import time

import pytest
from page_site import Site, until

pytestmark = pytest.mark.timeout(180)

#: What the test paces: each step waits for a file that the test makes.
STEPS = 8
FLOW = """
import sys, time
from pathlib import Path
from nborch import flow, task, get_run_logger

@task
def step(n):
    while not Path(f"go-{n}").exists():
        time.sleep(0.02)
    get_run_logger().info("step %d is done", n)
    return n

@flow(name="goes-on")
def goes_on(steps):
    return sum(step(n) for n in range(steps))

print(goes_on(int(sys.argv[1])))
"""


@pytest.fixture
def site(tmp_path):
    """A server of this test's own, to be killed."""
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.fixture
def run(site, tmp_path):
    """A run in a process of its own, which waits before its first step."""
    (tmp_path / "goes_on.py").write_text(FLOW)
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "goes_on.py", str(STEPS)],
        cwd=tmp_path,
        env={**os.environ, "NBORCH_HOME": str(site.folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def at(moment, what):
    until = time.monotonic() + 30
    while not moment():
        assert time.monotonic() < until, what
        time.sleep(0.05)


def test_pages_miss_nothing_of_what_happens_without_a_server(site, run, look, tmp_path):
    """Pages that were open show all that has happened, once, without a reload."""

    def release(*steps):
        for n in steps:
            (tmp_path / f"go-{n}").touch()

    def is_done(n):
        done = (each for each in site.home.store.records() if each.run.of == "step")
        return sum(each.state.is_completed() for each in done) == n

    at(site.home.store.records, "the run has not begun")
    (record,) = [e for e in site.home.store.records() if e.run.of == "goes-on"]
    listed = look(site)
    table = look(site, f"runs/{record.run.id}#table")
    log = look(site, f"runs/{record.run.id}#logs")
    for page in (listed, table, log):
        page.evaluate("window.isTheSame = true")
    release(0, 1)
    log.get_by_text("step 1 is done").wait_for()
    later = site.told("clean-up")
    listed.locator(".run-row", has_text=later.name).wait_for()

    site.served.kill()
    release(2, 3, 4)
    later.end("FAILED")
    at(lambda: is_done(5), "the run has not gone on without a server")
    log.locator("[data-condition=lost], .lost").first.wait_for(state="attached")
    assert log.get_by_text("step 4 is done").count() == 0
    site.served.start()
    log.get_by_text("step 4 is done").wait_for()
    release(*range(5, STEPS))

    assert run.wait(30) == 0
    assert run.stdout.read().splitlines()[-1] == "28"
    log.locator(".pill[data-type=COMPLETED]").wait_for()
    done = [f"step {n} is done" for n in range(STEPS)]
    until(
        log,
        "(count) => [...document.querySelectorAll('.log-text')]"
        ".filter((each) => each.textContent.includes('is done')).length >= count",
        STEPS,
    )
    told = log.locator(".log-text").all_text_contents()
    assert [line for line in told if line in done] == done
    rows = table.locator(".nb-table tbody tr[data-id]")
    until(table, "() => document.querySelectorAll('.nb-table tr[data-id]').length >= 8")
    assert rows.count() == STEPS
    until(
        table,
        "() => [...document.querySelectorAll('.nb-table tr[data-id]')]"
        ".every((each) => each.textContent.includes('Completed'))",
    )
    for name, state in ((record.run.name, "COMPLETED"), (later.name, "FAILED")):
        listed.locator(f".run-row[data-type={state}]", has_text=name).wait_for()
    for page in (listed, table, log):
        assert page.evaluate("window.isTheSame")


def test_the_run_does_not_notice(site, run, tmp_path):
    """A run needs no server: it takes no longer and says nothing when one dies."""
    for n in range(STEPS):
        if n == 3:
            site.served.kill()
        (tmp_path / f"go-{n}").touch()

    assert run.wait(30) == 0
    said = run.stdout.read()
    assert "28" in said
    assert "WARNING" not in said
    assert "Traceback" not in said
    site.served.start()
    (record,) = [e for e in site.home.store.records() if e.run.of == "goes-on"]
    assert site.served.get(f"/api/runs/{record.run.id}").json["state"]["type"] == (
        "COMPLETED"
    )
