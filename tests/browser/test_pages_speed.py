"""What pages do with 10,000 runs: as much as with ten. `bench_pages` has the times."""

import pytest
from page_site import until

pytestmark = pytest.mark.timeout(240)

#: Bytes of a document, and elements of a page.
DOCUMENT = 120_000
ELEMENTS = 2_500

#: What a page has asked for before its first content, other than its own files, and
#: more of a list of which it shows the beginning.
ASKED_BEFORE = """new Promise((tell) => new PerformanceObserver((list) => {
  const [found] = list.getEntriesByName("first-contentful-paint");
  if (!found) return;
  const asked = performance.getEntriesByType("resource");
  tell(asked.filter(({ name, startTime }) =>
    startTime < found.startTime && name.includes("/api/") && !name.includes("cursor="))
    .map(({ name }) => name));
}).observe({ type: "paint", buffered: true }))"""


def test_no_page_has_to_ask_before_its_first_content(look, site_of_many):
    """A document has what is shown first, and no more than that, however many runs."""
    page = look(site_of_many)
    made = site_of_many.made
    deployment = made.deployments["hourly"].id
    for path in (
        *("", "?state=FAILED&q=orders", f"runs/{made.large}", "deployments"),
        *(f"deployments/{deployment}", "work-pools", "work-pools/nightly"),
        *("concurrency-limits", "cache", "settings"),
    ):
        document = page.goto(site_of_many.address(path)).body()
        page.locator("h1").first.wait_for()

        assert len(document) < DOCUMENT, path
        assert page.evaluate(ASKED_BEFORE) == [], path
        assert page.locator("*").count() < ELEMENTS, path


def test_the_strip_of_history_comes_after_the_runs(look, site_of_many):
    """Its hundreds of parts hold up nothing: they are drawn once runs are seen."""
    page = look(site_of_many)
    page.add_init_script(
        "addEventListener('DOMContentLoaded', () => window.drawn ="
        " ['.run-row', '.history-bars > div', 'figcaption span:not(:empty)'].map("
        "(part) => document.querySelectorAll(part).length))"
    )

    page.reload()

    page.locator(".history-bars > div").first.wait_for(state="attached")
    rows, bars, ends = page.evaluate("window.drawn")
    assert rows > 0
    assert bars == 0
    assert ends == 2


@pytest.mark.parametrize("view", ["graph", "timeline", "table", "logs"])
def test_a_run_of_ten_thousand_tasks_is_drawn_in_part(look, site_of_many, view):
    """Each view of a very large run draws what is in sight, and knows of all of it."""
    shown = {
        "graph": ".nb-node",
        "timeline": ".nb-attempt",
        "table": ".nb-table tr[data-id]",
        "logs": ".log-line",
    }
    page = look(site_of_many, f"runs/{site_of_many.made.large}#{view}")
    page.locator(shown[view]).first.wait_for()
    until(
        page, "document.querySelector('.run-progress').textContent.includes('10,000')"
    )

    assert page.locator(shown[view]).count() < 600
    assert page.locator("*").count() < 2 * ELEMENTS


def test_going_through_ten_thousand_runs_draws_few_at_a_time(look, site_of_many):
    """However far one scrolls, only what is in sight is in the page."""
    page = look(site_of_many)
    page.locator(".run-row").first.wait_for()
    for _ in range(40):
        page.evaluate("scrollBy(0, 4000)")
        page.wait_for_timeout(16)

    assert page.locator(".run-row").count() < 80
