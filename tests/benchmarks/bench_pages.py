"""The pages in Chromium with 10,000 runs, one of them with 10,000 task runs: how soon
each shows its first content, and the longest time for which it does not answer.

All times are milliseconds, of pages whose script the browser has seen before. The aim
is a first content within 200 and no task longer than 100. Beside each page stands how
long the server took for its document: the rest is the browser's. First comes a page of
one word, which no server has to make: what the browser itself takes.

``--quick`` has fewer rounds.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "browser"), str(TESTS / "integration")]

FIRST = """new Promise((tell) => new PerformanceObserver((list) => {
  const [found] = list.getEntriesByName("first-contentful-paint");
  if (found) {
    const [page] = performance.getEntriesByType("navigation");
    tell([found.startTime, page.responseEnd]);
  }
}).observe({ type: "paint", buffered: true }))"""

#: What has to be in the page for it to be whole, by the end of its address.
WHOLE = {
    "#graph": ".nb-node",
    "#timeline": ".nb-attempt",
    "#table": ".nb-table tr[data-id]",
    "#logs": ".log-line",
    "": "h1",
}


def paths(made: Any) -> dict[str, str]:
    """Return what is measured, by what it is called."""
    large = f"runs/{made.large}"
    return {
        "10,000 runs": "",
        "failed runs": "?state=FAILED",
        "a search": "?q=orders",
        "deployments": "deployments",
        "a deployment": f"deployments/{made.deployments['hourly'].id}",
        "work pools": "work-pools",
        "a work pool": "work-pools/nightly",
        "limits": "concurrency-limits",
        "cache": "cache",
        "settings": "settings",
        "10,000 tasks: graph": f"{large}#graph",
        "10,000 tasks: timeline": f"{large}#timeline",
        "10,000 tasks: table": f"{large}#table",
        "10,000 tasks: log": f"{large}#logs",
    }


#: No page can be sooner.
NOTHING = "data:text/html,<h1>Nothing</h1>"


def measured(page: Any, address: str, rounds: int) -> tuple[float, float, float]:
    """Return the medians of the first content, the document and the longest task."""
    whole = next(shown for end, shown in WHOLE.items() if address.endswith(end))
    found = []
    for _ in range(rounds + 1):
        page.goto("about:blank")
        page.goto(address)
        first, document = page.evaluate(FIRST)
        page.locator(whole).first.wait_for()
        page.wait_for_timeout(1_000)
        tasks = [took for _, took in page.evaluate("window.long")]
        found.append((first, document, max(tasks, default=0)))
    # The first round is for what the browser keeps.
    content, answered, longest = zip(*found[1:], strict=True)
    return median(content), median(answered), max(longest)


def scrolled(page: Any, address: str) -> float:
    """Return the longest task while one goes through all runs."""
    page.goto(address)
    page.locator(".run-row").first.wait_for()
    page.evaluate("window.long.length = 0")
    for _ in range(100):
        page.evaluate("scrollBy(0, 2000)")
        page.wait_for_timeout(16)
    return max([took for _, took in page.evaluate("window.long")], default=0)


def main() -> None:
    """Print a line for each page."""
    from conftest import ARGUMENTS, BROWSERS
    from page_site import WATCH, Site
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    rounds = 2 if parser.parse_args().quick else 7
    folder = Path(tempfile.mkdtemp(prefix="nborch-pages-"))
    site = Site(folder, runs=10_000, tasks=10_000)
    chromium = next(filter(None, map(shutil.which, BROWSERS)))
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium, args=ARGUMENTS
            )
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            page.add_init_script(WATCH)
            page.goto(site.served.way_in)
            print(f"{'':24}{'first content':>14}{'document':>10}{'longest task':>14}")
            addresses = {k: site.address(v) for k, v in paths(site.made).items()}
            for name, address in {"(nothing)": NOTHING, **addresses}.items():
                told = measured(page, address, rounds)
                print("{:24}{:14.0f}{:10.0f}{:14.0f}".format(name, *told), flush=True)
            print(f"{'scrolling 10,000 runs':48}{scrolled(page, site.address()):14.0f}")
            browser.close()
    finally:
        site.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
