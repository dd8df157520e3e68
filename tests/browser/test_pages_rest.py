"""Pools, limits, the cache, settings and the way in, in a real browser."""

import re

import pytest
from page_site import until

from nborch.server.keys import Keys

pytestmark = pytest.mark.timeout(180)


def dialog(page):
    return page.get_by_role("dialog")


def test_a_pool_is_made_paused_changed_and_deleted(look, site_of_few):
    """All that can be done with a work pool is done in its pages."""
    page = look(site_of_few, "work-pools")
    page.get_by_role("button", name="New pool").click()
    dialog(page).get_by_label("Name").fill("by-a-form")
    dialog(page).get_by_label("Runs at once").fill("3")
    dialog(page).get_by_role("button", name="Create").click()
    card = page.locator(".card", has_text="by-a-form")
    card.get_by_text("0 of 3 running").wait_for()

    card.get_by_role("button", name="Pause").click()
    card.get_by_text("Paused").wait_for()
    card.get_by_role("link", name="by-a-form").click()
    page.wait_for_url("**/work-pools/by-a-form")
    page.get_by_role("button", name="Resume").click()
    page.locator(".head .tag").wait_for(state="detached")
    page.get_by_role("button", name="Change").click()
    dialog(page).get_by_label("Runs at once").fill("7")
    dialog(page).get_by_role("button", name="Save").click()
    page.get_by_text("0 of 7 running").wait_for()
    page.get_by_role("button", name="Delete").click()
    dialog(page).get_by_role("button", name="Delete").click()

    page.wait_for_url("**/work-pools")
    page.locator(".card", has_text="gpu").wait_for()
    assert page.locator(".card", has_text="by-a-form").count() == 0


def test_a_pool_shows_its_queue_and_its_workers(look, site_of_few):
    """Who works for a pool, and what waits in it, is there to be seen."""
    page = look(site_of_few, "work-pools/nightly")

    workers = page.locator(".workers li")
    assert workers.filter(has_text="gauss").get_by_text("Online").is_visible()
    assert workers.filter(has_text="laptop").get_by_text("Lost").is_visible()
    queue = page.locator(".queue li")
    assert queue.filter(has=page.locator("[data-type=RUNNING]")).count() == 3
    assert queue.filter(has_text="due").count() > 0


def test_a_pool_that_deployments_name_is_not_deleted(look, site_of_few):
    """What the server refuses is told in the dialog, which stays."""
    page = look(site_of_few, "work-pools/nightly")
    page.get_by_role("button", name="Delete").click()
    dialog(page).get_by_role("button", name="Delete").click()

    told = dialog(page).get_by_role("alert")
    until(page, "document.querySelector('dialog [role=alert]').textContent !== ''")
    assert "nightly" in told.inner_text()
    dialog(page).get_by_role("button", name="Cancel").click()
    dialog(page).wait_for(state="detached")


def test_a_limit_is_made_changed_and_deleted(look, site_of_few):
    """A concurrency limit lives and dies in its page."""
    page = look(site_of_few, "concurrency-limits")
    page.get_by_role("button", name="New limit").click()
    dialog(page).get_by_label("Name").fill("a/slash of it")
    dialog(page).get_by_label(re.compile("^Slots")).fill("2")
    dialog(page).get_by_role("button", name="Create").click()
    card = page.locator(".card", has_text="a/slash of it")
    card.get_by_text("0 of 2 in use").wait_for()

    card.get_by_role("button", name="Change").click()
    dialog(page).get_by_label(re.compile("^Slots")).fill("9")
    dialog(page).get_by_role("button", name="Save").click()
    card.get_by_text("0 of 9 in use").wait_for()
    card.get_by_role("button", name="Delete").click()
    dialog(page).get_by_role("button", name="Delete").click()

    card.wait_for(state="detached")


def test_a_limit_tells_who_holds_its_slots(look, site_of_few):
    """The runs that hold slots stand below the limit, and lead to their pages."""
    page = look(site_of_few, "concurrency-limits")
    card = page.locator(".card[data-id=database]")
    assert card.get_by_text("3 of 5 in use").is_visible()

    card.locator(".holders a").first.click()

    page.wait_for_url(f"**/runs/{site_of_few.made.live}")


def test_the_cache_is_cleared_in_part_and_as_a_whole(look, site_of_few):
    """The results of one task are removed, then all, each after a question."""
    page = look(site_of_few, "cache")
    row = page.locator("tr[data-id=fit]")
    assert row.locator("td").first.inner_text() == "12"
    row.get_by_role("button", name="Clear the results of fit").click()
    dialog(page).get_by_role("button", name="Clear").click()
    page.locator(".notice", has_text="12 results removed").wait_for()
    until(page, "document.querySelector('tr[data-id=fit] td').textContent === ''")

    page.get_by_role("button", name="Clear", exact=True).click()
    dialog(page).get_by_label("Which").select_option("Older than 30 days")
    dialog(page).get_by_role("button", name="Clear").click()
    page.locator(".notice", has_text="0 results removed").wait_for()
    page.get_by_role("button", name="Clear", exact=True).click()
    dialog(page).get_by_role("button", name="Clear").click()
    # NB. Not how many: runs of other tests may have left some, too.
    until(
        page,
        "[...document.querySelectorAll('tr[data-id]')]"
        ".every((row) => row.querySelector('td').textContent === '')",
    )


def test_settings_are_shown_with_where_they_come_from(look, site_of_few):
    """Each setting has its value and its source, and can be searched."""
    page = look(site_of_few, "settings")
    row = page.locator("tbody tr", has_text="home").first
    assert "NBORCH_HOME" in row.inner_text()

    page.keyboard.press("/")
    page.keyboard.type("cache_size")
    until(page, "document.querySelectorAll('tbody tr:not([hidden])').length === 1")

    assert "cache_size_limit" in page.locator("tbody tr:visible").inner_text()


def test_who_is_not_let_in_signs_in_and_sees_what_was_asked_for(browser, site_of_few):
    """Without the cookie a page asks for the token, and is itself afterwards."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(site_of_few.address("settings"))
    page.get_by_label("Token or password").fill("a wrong one")
    page.get_by_role("button", name="Sign in").click()
    until(page, "document.querySelector('[role=alert]').textContent !== ''")

    page.get_by_label("Token or password").fill(site_of_few.served.token)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Settings").wait_for()

    assert page.url.endswith("/settings")
    assert site_of_few.served.token not in page.content()
    context.close()


def test_what_is_not_there_is_said_and_leads_back(look, site_of_few):
    """An address of nothing says so, and offers all runs."""
    for path in ("nowhere/at-all", "runs/none", "deployments/none", "work-pools/none"):
        page = look(site_of_few, path)
        page.get_by_text("There is nothing here").wait_for()

    page.get_by_role("link", name="All runs", exact=True).click()
    page.locator(".run-row").first.wait_for()


CHANGES = re.compile(
    "^(New |Run( |$)|Pause|Resume|Change|Delete|Clear|Backfill|Cancel|Retry)"
)


def changing(page):
    """Return how many buttons one sees that change something."""
    found = page.locator("main button:visible")
    names = found.evaluate_all(
        "all => all.map((e) => e.ariaLabel || e.textContent.trim())"
    )
    return sum(CHANGES.match(name) is not None for name in names)


@pytest.mark.parametrize(
    "path",
    [
        *("runs/{live}", "deployments", "deployments/{deployment}", "work-pools"),
        *("work-pools/nightly", "concurrency-limits", "cache"),
    ],
)
def test_who_may_look_only_sees_what_others_see_without_their_buttons(
    browser, look, site_of_few, path
):
    """Nothing is offered that would be refused, and nothing else is left out."""
    token = site_of_few.served.way_in.partition("token=")[2]
    path = path.format(**site_of_few.ids)
    known = look(site_of_few, path)
    heading = known.locator("h1").inner_text()
    until(known, "document.querySelector('main button') !== null")
    assert changing(known) > 0
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()

    page.goto(f"{site_of_few.served.base}/login?token={Keys(token).looking_token}")
    page.goto(site_of_few.address(path))
    page.locator(".condition", has_text="Live, to look").wait_for()

    assert page.locator("h1").inner_text() == heading
    assert changing(page) == 0
    context.close()
