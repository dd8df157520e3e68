"""The page of all runs, in a real browser, against a real server and store."""

import re

import pytest
from page_site import until

pytestmark = pytest.mark.timeout(180)

ROWS = ".run-row"


def chip(page, label):
    return page.locator(".chip", has_text=label)


def count_of(chip):
    return int(chip.locator(".chip-count").inner_text().replace(",", ""))


def names(page):
    return page.locator(".run-name").all_inner_texts()


def test_a_chip_shows_the_runs_in_its_state_also_after_a_reload(look, site_of_few):
    """A state that is chosen narrows the list, and stands in the address."""
    page = look(site_of_few)
    failed = count_of(chip(page, "Failed"))

    chip(page, "Failed").click()
    until(page, "location.search === '?state=FAILED'")
    until(
        page,
        "[...document.querySelectorAll('.run-row')]"
        ".every((row) => row.dataset.type === 'FAILED')",
    )
    page.reload()
    page.locator(ROWS).first.wait_for()

    assert page.locator(ROWS).count() == min(failed, page.locator(ROWS).count())
    shown = page.locator(ROWS).evaluate_all("(all) => all.map((e) => e.dataset.type)")
    assert set(shown) == {"FAILED"}
    assert chip(page, "Failed").get_attribute("aria-pressed") == "true"


def test_the_search_finds_runs_by_name_and_flow(look, site_of_few):
    """What is typed narrows the list; Escape takes it away again."""
    page = look(site_of_few)
    page.keyboard.press("/")
    page.keyboard.type("daily-rep")

    until(page, "location.search === '?q=daily-rep'")
    until(
        page,
        "[...document.querySelectorAll('.run-flow')]"
        ".every((e) => e.textContent === 'daily-report')",
    )
    page.keyboard.press("Escape")
    until(page, "location.search === ''")

    page.locator(".run-flow", has_text="clean-up").first.wait_for()


def test_the_flow_of_a_row_and_the_panel_narrow_the_list(look, site_of_few):
    """A flow, a deployment or a tag is chosen in a row or typed, and taken away."""
    page = look(site_of_few)
    page.locator(".run-flow", has_text="clean-up").first.click()
    page.locator(".token", has_text="Flow: clean-up").wait_for()

    page.get_by_role("button", name="Filter").click()
    page.get_by_label("Work pool").fill("archive")
    page.keyboard.press("Enter")
    page.locator(".token", has_text="Work pool: archive").wait_for()
    until(page, "location.search.includes('work_pool=archive')")
    page.locator(".token", has_text="Flow").click()
    until(page, "!location.search.includes('flow')")

    assert page.locator(".token").all_inner_texts() == ["Work pool: archive"]


def test_a_time_is_chosen_by_a_word_or_in_the_strip(look, site_of_few):
    """An hour, a day, or a piece of the strip of history narrows the list."""
    page = look(site_of_few)
    everything = count_of(chip(page, "All"))
    page.get_by_role("button", name="Day", exact=True).click()
    until(page, "location.search === '?span=24h'")
    until(
        page,
        "(all) => Number(document.querySelector('.chip-count').textContent) < all",
        arg=everything,
    )

    box = page.locator(".history-bars").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20, steps=4)
    page.mouse.up()

    until(page, "/since=.*until=/.test(location.search)")
    assert page.locator(".token").count() == 1
    page.locator(".token").click()
    until(page, "location.search === ''")


def test_a_run_appears_and_changes_without_a_reload(look, site_of_few):
    """A run that begins elsewhere comes to the top, is counted, and ends there."""
    page = look(site_of_few)
    running = count_of(chip(page, "Running"))

    told = site_of_few.told("clean-up", tags=["by-a-test"])
    row = page.locator(f"{ROWS}[data-id='{told.id}']")
    row.wait_for()
    assert names(page)[0] == told.name
    until(
        page,
        "(before) => Number(document.querySelector("
        "'.chip[data-type=RUNNING] .chip-count').textContent) === before + 1",
        arg=running,
    )
    told.end("FAILED")

    page.locator(f"{ROWS}[data-id='{told.id}'][data-type=FAILED]").wait_for()
    until(
        page,
        "(before) => Number(document.querySelector("
        "'.chip[data-type=RUNNING] .chip-count').textContent) === before",
        arg=running,
    )


def test_a_run_that_fits_no_more_leaves_the_list(look, site_of_few):
    """Among those that run, a run that has ended is not shown any more."""
    told = site_of_few.told()
    page = look(site_of_few, "?state=RUNNING")
    row = page.locator(f"{ROWS}[data-id='{told.id}']")
    row.wait_for()

    told.end()

    row.wait_for(state="detached")


def test_new_runs_do_not_move_what_is_read(look, site_of_few):
    """Further down in the list, runs that come are offered, and move nothing."""
    page = look(site_of_few)
    page.evaluate("scrollTo(0, 2_500)")
    until(page, "document.querySelectorAll('.run-row')[0].ariaPosInSet > 10")
    # The first answer ends with the sixtieth run, which is in sight.
    until(page, "document.querySelector('.run-row:last-child').ariaPosInSet > 60")
    before = names(page)

    told = site_of_few.told()
    page.get_by_role("button", name=re.compile("1 new run")).wait_for()
    assert names(page) == before
    page.get_by_role("button", name=re.compile("new run")).click()

    page.locator(f"{ROWS}[data-id='{told.id}']").wait_for()
    assert page.evaluate("scrollY") == 0
    told.end()


def test_the_keyboard_goes_along_the_list(look, site_of_few):
    """The keys j and k go from run to run, and Enter opens one."""
    page = look(site_of_few)
    known = page.locator(ROWS).evaluate_all("(all) => all.map((e) => e.dataset.id)")
    for key in "jjjk":
        page.keyboard.press(key)
    focused = page.evaluate("document.activeElement.closest('li').dataset.id")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/*")

    assert focused == known[1]
    assert page.url.endswith(focused)


def test_all_runs_are_reached_by_scrolling(look, site_of_many):
    """Ten thousand runs come as one scrolls, and few of them are in the page."""
    page = look(site_of_many)
    total = count_of(chip(page, "All"))
    assert total == 10_000

    until(
        page,
        "(total) => (scrollTo(0, document.documentElement.scrollHeight),"
        " [...document.querySelectorAll('.run-row')]"
        ".some((row) => Number(row.ariaPosInSet) === total))",
        arg=total,
        seconds=90,
    )

    assert page.locator(ROWS).count() < 60


def test_an_empty_home_says_how_to_begin(look, site_of_none):
    """Where nothing has run, the command to type is shown, and can be copied."""
    page = look(site_of_none)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    told = page.locator(".empty .command").first
    told.get_by_role("button", name="Copy the command").click()
    told.get_by_role("button", name="Copied").wait_for()

    assert (
        page.evaluate("navigator.clipboard.readText()") == "nborch run notebook.ipynb"
    )
    for path in ("deployments", "work-pools", "concurrency-limits", "cache"):
        page.goto(site_of_none.address(path))
        page.locator(".empty .command").first.wait_for()


def test_no_run_fits_and_all_filters_are_taken_away(look, site_of_few):
    """Where no run is like what is asked for, one click shows all again."""
    page = look(site_of_few, "?q=nobody-is-called-that&state=FAILED")
    page.get_by_text("No run is like that").wait_for()

    page.get_by_role("button", name="Take all filters away").click()

    page.locator(ROWS).first.wait_for()
    assert page.evaluate("location.search") == ""
