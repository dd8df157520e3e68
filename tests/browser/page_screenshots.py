"""Make the pictures of the page in ``docs/images``: python tests/browser/page_screenshots.py

Look at each of them before you keep it.
"""

# ruff: noqa: E402  # what is imported lies in two folders

import shutil
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "integration"))

from conftest import ARGUMENTS, BROWSERS
from page_site import Site, until
from playwright.sync_api import sync_playwright

PLACE = HERE.parents[1] / "docs" / "images"

#: Where each of them is, and how it is shown.
PICTURES = {
    "page-runs": ("", "light"),
    "page-run": ("runs/{live}#graph", "light"),
    "page-deployments": ("deployments", "dark"),
}


def main(names):
    folder = Path(tempfile.mkdtemp(prefix="nborch-pictures-"))
    found = next(filter(None, map(shutil.which, BROWSERS)))
    site = Site(folder, runs=3_000)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
            for name in names or PICTURES:
                path, scheme = PICTURES[name]
                page = browser.new_page(
                    viewport={"width": 1240, "height": 760},
                    color_scheme=scheme,
                    reduced_motion="reduce",
                )
                page.goto(site.served.way_in)
                page.goto(site.address(path.format(live=site.made.live)))
                until(page, "document.documentElement.dataset.ready === 'true'")
                # What moves comes to rest.
                page.wait_for_timeout(800)
                page.screenshot(path=PLACE / f"{name}.png")
                page.close()
                sys.stdout.write(f"{name}.png\n")
            browser.close()
    finally:
        site.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
