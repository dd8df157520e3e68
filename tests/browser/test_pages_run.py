"""The page of one run, in a real browser, against a real server and store."""

import os
import subprocess
import sys

import nbformat
import pytest
from page_site import until

pytestmark = pytest.mark.timeout(180)


def tab(page, name):
    return page.locator(f".tabs a[data-tab={name}]")


def pill(page):
    return page.locator(".head .pill")


def test_a_run_is_followed_to_its_end(look, site_of_few):
    """Tasks, counts and the state change in the page as they do in the run."""
    told = site_of_few.told("load-orders")
    page = look(site_of_few, f"runs/{told.id}")
    assert pill(page).inner_text() == "Running"
    page.get_by_text("No task has been called yet.").wait_for()

    told.task("extract")
    told.task("clean", "FAILED")
    page.locator(".nb-node", has_text="extract").wait_for()
    page.get_by_text("2 tasks · 1 failed").wait_for()
    before = page.locator(".facts .time[data-since]").inner_text()
    until(
        page,
        "(before) => document.querySelector('.facts [data-since]').textContent"
        " !== before",
        before,
    )
    told.end("FAILED")

    page.locator(".pill[data-type=FAILED]").wait_for()
    page.locator(".error p", has_text="could not convert").wait_for()
    page.get_by_role("button", name="Cancel").wait_for(state="detached")


def test_graph_timeline_and_table_are_tabs_with_addresses(look, site_of_few):
    """Each view of the tasks has an address, and shows the same after a reload."""
    page = look(site_of_few, f"runs/{site_of_few.made.live}")
    page.locator(".nb-stage .nb-node").first.wait_for()

    tab(page, "timeline").click()
    page.locator(".nb-timeline .nb-attempt").first.wait_for()
    tab(page, "table").click()
    page.locator(".nb-table tbody tr[data-id]").first.wait_for()
    page.reload()

    page.locator(".nb-table tbody tr[data-id]").first.wait_for()
    assert tab(page, "table").get_attribute("aria-current") == "true"
    assert page.url.endswith("#table")
    assert page.locator(".nb-header").is_hidden()
    page.keyboard.press("1")
    page.locator(".nb-stage .nb-node").first.wait_for()


def test_a_card_opens_the_detail_of_its_task(look, site_of_few):
    """A click on a task shows what is known of it, with its log as it is written."""
    told = site_of_few.told()
    task = told.task("extract")
    page = look(site_of_few, f"runs/{told.id}")
    page.locator(f".nb-node[data-id='{task}']").click()

    drawer = page.locator(".nb-drawer")
    drawer.get_by_text("extract: 0.50 s").wait_for()

    assert drawer.get_by_text("Completed").first.is_visible()
    told.end()


def test_the_log_follows_and_is_narrowed(look, site_of_few):
    """Lines appear as they are written; a level and words narrow them, also new ones."""
    told = site_of_few.told()
    told.log(*[f"line {n}" for n in range(80)])
    page = look(site_of_few, f"runs/{told.id}#logs")
    page.get_by_text("line 79", exact=True).wait_for()

    told.log("the newest")
    page.get_by_text("the newest").wait_for()
    assert page.get_by_text("the newest").is_visible()
    told.log("beware of it", level="WARNING")
    page.get_by_text("beware of it").wait_for()
    page.get_by_label("Level").select_option("WARNING")
    page.get_by_text("line 79", exact=True).wait_for(state="detached")
    told.log("only told")
    told.log("beware of that", level="WARNING")
    page.get_by_text("beware of that").wait_for()
    page.get_by_label("Find in the log").fill("of it")
    page.get_by_text("beware of that").wait_for(state="detached")

    assert page.locator(".log-text").all_inner_texts() == ["beware of it"]
    told.end()


def test_a_log_that_is_read_stays_where_it_is(look, site_of_few):
    """Who has scrolled up is left there, and goes back to the end with a button."""
    told = site_of_few.told()
    told.log(*[f"line {n}" for n in range(200)])
    page = look(site_of_few, f"runs/{told.id}#logs")
    page.get_by_text("line 199", exact=True).wait_for()
    page.locator(".log").hover()
    page.mouse.wheel(0, -900)
    page.get_by_role("button", name="Follow").wait_for()
    top = page.evaluate("document.querySelector('.log').scrollTop")

    told.log("the newest")
    page.get_by_text("the newest").wait_for(state="attached")
    assert page.evaluate("document.querySelector('.log').scrollTop") == top
    page.get_by_role("button", name="Follow").click()

    until(
        page,
        "(({ scrollHeight, scrollTop, clientHeight }) =>"
        " scrollHeight - scrollTop - clientHeight < 2)(document.querySelector('.log'))",
    )
    told.end()


def test_earlier_lines_of_a_long_log_come_when_one_scrolls_up(look, site_of_few):
    """Of a long log the end is shown first, and all of it can be reached."""
    told = site_of_few.told()
    told.log(*[f"line {n}" for n in range(1_200)])
    page = look(site_of_few, f"runs/{told.id}#logs")
    page.get_by_text("line 1199", exact=True).wait_for()
    assert page.get_by_text("line 3", exact=True).count() == 0

    to_top = "document.querySelector('.log').scrollTop = 0"
    until(page, f"({to_top}, document.body.textContent.includes('line 0'))")

    lines = page.locator(".log-text").all_text_contents()
    assert lines == [f"line {n}" for n in range(1_200)]
    told.end()


def test_parameters_states_and_artifacts_of_a_run(look, site_of_few):
    """What a run was given, and what states it entered, is there to be read."""
    page = look(site_of_few, f"runs/{site_of_few.made.failed}#parameters")
    page.locator(".values th", has_text="rows").wait_for()

    tab(page, "states").click()
    page.locator(".states li").nth(2).wait_for()

    states = page.locator(".states strong").all_inner_texts()
    assert states == ["Pending", "Running", "Failed"]
    tab(page, "artifacts").click()
    page.get_by_text("Nothing was left behind").wait_for()
    summary = page.locator(".error summary")
    summary.click()
    page.get_by_text("line 41, in clean").wait_for()


GATE = """
import time
from pathlib import Path

def wait(name):
    while not Path(folder, name).exists():
        time.sleep(0.02)
"""


@pytest.fixture
def begin(site_of_few, tmp_path):
    """Runs something in a process of its own, with the home that the pages show."""
    begun = []

    def begin(*words):
        environ = {**os.environ, "NBORCH_HOME": str(site_of_few.folder)}
        begun.append(
            subprocess.Popen(
                [sys.executable, *words],
                cwd=tmp_path,
                env=environ,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        return begun[-1]

    yield begin
    for process in begun:
        process.kill()
        process.wait()


def test_an_executed_notebook_grows_cell_by_cell(look, site_of_few, begin, tmp_path):
    """Cells and what they show appear while the run goes on, in a frame of their own."""
    cells = [
        nbformat.v4.new_code_cell(f"folder = {str(tmp_path)!r}{GATE}"),
        nbformat.v4.new_code_cell("wait('one')\nprint('the first has run')"),
        nbformat.v4.new_code_cell("wait('two')\nprint('the second has run')"),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbformat.write(notebook, tmp_path / "grows.ipynb")
    begin("-m", "nborch", "run", "grows.ipynb")
    page = look(site_of_few, "?q=grows")
    page.locator(".run-row[data-type=RUNNING] .run-name").click()
    page.wait_for_url("**/runs/*")

    tab(page, "notebook").click()
    frame = page.frame_locator("iframe.notebook")
    frame.get_by_text("wait('two')").wait_for()
    (tmp_path / "one").touch()
    frame.get_by_text("the first has run", exact=True).wait_for()
    assert frame.get_by_text("the second has run", exact=True).count() == 0
    (tmp_path / "two").touch()
    frame.get_by_text("the second has run", exact=True).wait_for()

    page.locator(".pill[data-type=COMPLETED]").wait_for()
    sandbox = page.locator("iframe.notebook").get_attribute("sandbox")
    assert sandbox == "allow-scripts"


def test_a_run_that_waits_is_cancelled_from_its_page(look, site_of_few):
    """Cancel asks first; then the run has ended, and there is nothing to cancel."""
    site = site_of_few
    made = site.served.post(
        f"/api/deployments/{site.made.deployments['by-hand'].id}/runs", {}
    ).json
    page = look(site, f"runs/{made['id']}")
    dialog = page.get_by_role("dialog")

    page.get_by_role("button", name="Cancel").click()
    dialog.get_by_role("button", name="Let it go on").click()
    dialog.wait_for(state="detached")
    assert pill(page).get_attribute("data-type") == "SCHEDULED"
    page.get_by_role("button", name="Cancel").click()
    dialog.get_by_role("button", name="Cancel the run").click()

    page.locator(".pill[data-type=CANCELLED]").wait_for()
    page.get_by_role("button", name="Cancel").wait_for(state="detached")


def test_retry_makes_another_run_to_which_a_notice_leads(look, site_of_few):
    """A run of a deployment is made again with the same parameters."""
    site = site_of_few
    path = f"/api/deployments/{site.made.deployments['by-hand'].id}/runs"
    made = site.served.post(path, {"parameters": {"seconds": 0.5}}).json
    site.served.post(f"/api/runs/{made['id']}/cancel")
    page = look(site, f"runs/{made['id']}")

    page.get_by_role("button", name="Retry").click()
    page.locator(".notice a").click()
    until(page, "(id) => !location.href.includes(id)", made["id"])
    until(page, "document.documentElement.dataset.ready === 'true'")

    assert pill(page).get_attribute("data-type") == "SCHEDULED"
    tab(page, "parameters").click()
    assert page.locator(".values tr", has_text="seconds").inner_text() == "seconds\t0.5"
