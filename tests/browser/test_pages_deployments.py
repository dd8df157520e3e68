"""The pages of deployments, in a real browser, against a real server and store."""

import time

import pytest
from page_site import until

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def path(site_of_few):
    """Returns the address of a deployment's page."""
    return lambda name: f"deployments/{site_of_few.made.deployments[name].id}"


def dialog(page):
    return page.get_by_role("dialog")


def test_each_deployment_tells_when_it_runs_and_how_its_runs_ended(look, site_of_few):
    """The list has schedules in words, the next time, and a bar for each last run."""
    page = look(site_of_few, "deployments")
    card = page.locator(".card", has_text="daily-report")

    assert "At 06:00 every day" in card.locator(".schedule").inner_text()
    assert "next" in card.locator(".card-next").inner_text()
    bars = card.locator(".outcomes a")
    states = {bars.nth(n).get_attribute("data-type") for n in range(bars.count())}
    assert states <= {"COMPLETED", "FAILED", "CRASHED", "CANCELLED", "RUNNING"}
    bars.last.click()
    page.wait_for_url("**/runs/*")


def test_a_run_is_made_with_what_is_typed(look, site_of_few, path):
    """Each parameter has a field of its kind; what is left alone stays as it was."""
    page = look(site_of_few, path("nightly"))
    page.get_by_role("button", name="Run", exact=True).click()
    form = dialog(page)
    assert form.get_by_label("month").input_value() == "2026-11-01"
    assert form.get_by_text("Any day of the month that is reported on.").is_visible()

    form.get_by_label("month").fill("2026-12-24")
    form.get_by_label("region").select_option("east")
    form.get_by_label("top").fill("5")
    form.get_by_label("threshold").fill("0.5")
    form.get_by_label("draft").uncheck()
    form.get_by_label("recipients").fill('["ann@example.com"]')
    form.get_by_label("options").fill('{"paper": "A4"}')
    form.get_by_label("not_before").fill("2026-12-24T18:00:00")
    form.get_by_text("Name and time").click()
    form.get_by_label("Name of the run").fill("made-in-a-form")
    form.get_by_role("button", name="Run", exact=True).click()
    page.locator(".notice", has_text="made-in-a-form").get_by_role("link").click()
    page.wait_for_url("**/runs/*")

    run = page.url.split("/")[-1].split("#")[0]
    made = site_of_few.served.get(f"/api/runs/{run}").json
    assert made["name"] == "made-in-a-form"
    assert made["parameters"] == {
        "month": "2026-12-24",
        "region": "east",
        "top": 5,
        "threshold": 0.5,
        "draft": False,
        "recipients": ["ann@example.com"],
        "options": {"paper": "A4"},
        "not_before": "2026-12-24T18:00:00",
    }


def test_what_is_wrong_is_told_beside_its_field(look, site_of_few, path):
    """A value that cannot be taken is told where it stands, by the page or the server."""
    page = look(site_of_few, path("nightly"))
    page.get_by_role("button", name="Run", exact=True).click()
    form = dialog(page)
    group = form.locator(".field-group")

    form.get_by_label("top").fill("many")
    form.get_by_label("options").fill("{not json")
    form.get_by_role("button", name="Run", exact=True).click()
    wrong = group.filter(has=page.locator("[name=top]")).locator(".wrong")
    assert wrong.inner_text() == "It must be a number."
    wrong = group.filter(has=page.locator("[name=options]")).locator(".wrong")
    assert wrong.inner_text().startswith("It must be JSON")
    assert form.get_by_label("top").get_attribute("aria-invalid") == "true"
    form.get_by_label("top").fill("10")
    form.get_by_label("options").fill("[1, 2]")
    form.get_by_role("button", name="Run", exact=True).click()
    until(
        page,
        "document.querySelector('[name=options]').ariaInvalid === 'true'"
        " && document.querySelector('[name=top]').ariaInvalid === null",
    )

    assert wrong.inner_text()
    page.keyboard.press("Escape")
    form.wait_for(state="detached")


def test_schedules_rest_and_go_on(look, site_of_few, path):
    """A deployment, and each of its schedules, is paused and resumed."""
    page = look(site_of_few, path("hourly"))
    page.get_by_role("button", name="Pause", exact=True).click()
    page.locator(".head .tag", has_text="Paused").wait_for()
    assert page.locator(".next-times").count() == 0
    page.get_by_role("button", name="Resume", exact=True).click()
    page.locator(".next-times").first.wait_for()

    page.get_by_role("button", name="Pause the schedule").first.click()
    page.get_by_role("button", name="Resume the schedule").wait_for()
    page.reload()
    page.get_by_role("button", name="Resume the schedule").click()

    page.get_by_role("button", name="Pause the schedule").first.wait_for()
    times = page.locator(".next-times").first.locator("li")
    assert times.count() > 1


def test_a_change_elsewhere_is_seen(look, site_of_few, path):
    """What the command line pauses, the page shows as paused."""
    page = look(site_of_few, path("weekly"))
    id_ = site_of_few.made.deployments["weekly"].id

    site_of_few.served.post(f"/api/deployments/{id_}/pause")
    page.locator(".head .tag", has_text="Paused").wait_for()
    site_of_few.served.post(f"/api/deployments/{id_}/resume")

    page.locator(".head .tag", has_text="Paused").wait_for(state="detached")


def test_a_backfill_is_counted_before_it_is_made(look, site_of_few, path):
    """The dialog tells how many runs it makes, and makes them."""
    page = look(site_of_few, path("hourly"))
    page.get_by_role("button", name="Backfill").click()
    form = dialog(page)
    noon = time.strftime("%Y-%m-%dT12:00", time.localtime(time.time() - 20 * 86_400))
    form.get_by_label("From").fill(noon)
    form.get_by_label("To").fill(noon.replace("T12", "T15"))
    form.get_by_label("To").blur()
    form.get_by_text("That makes 3 runs.").wait_for()

    form.get_by_role("button", name="Make the runs").click()

    page.locator(".notice", has_text="3 runs made.").wait_for()


def test_a_deployment_is_deleted_after_a_question(look, site_of_few, path):
    """Delete asks, and leads back to the list, where it is not any more."""
    page = look(site_of_few, path("rarely"))
    page.get_by_role("button", name="Delete").click()
    dialog(page).get_by_role("button", name="Delete").click()
    page.wait_for_url("**/deployments")

    page.locator(".card", has_text="hourly").wait_for()
    assert page.locator(".card", has_text="rarely").count() == 0
