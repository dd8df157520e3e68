"""How pages look and who can use them: light, dark, narrow, by keyboard, for all."""

from collections import Counter

import pytest
from page_site import until

pytestmark = pytest.mark.timeout(240)

NARROW = {"width": 360, "height": 740}
#: How far a page is wider than its window.
OVER = "(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.documentElement)"
#: What the pages ask of the server, and never of anybody else.
OWN = ("http://127.0.0.1", "data:")


@pytest.fixture(scope="module")
def axe():
    """What finds faults in who can use a page."""
    found = pytest.importorskip("axe_playwright_python.sync_playwright")
    return found.Axe()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_any_page_which_fit_their_window(
    look, site_of_few, axe, theme
):
    """Names, roles and contrast are right on each page, in both themes.

    In the dark they are looked at in a narrow window, into which each of them fits.
    """
    narrow = {"viewport": NARROW} if theme == "dark" else {}
    # NB. Frames are another origin's: what is in them is not ours to judge.
    options = {"iframes": False}
    # All but colours is the same in the dark, and each page takes its time.
    options |= {"runOnly": ["color-contrast"]} if theme == "dark" else {}
    found = {}
    for path in site_of_few.paths():
        page = look(site_of_few, path, color_scheme=theme, **narrow)
        page.locator("[data-condition=live], .empty").first.wait_for()
        until(page, "!document.querySelector('.tab-place > :empty')")
        told = axe.run(page, options=options)
        for each in told.response["violations"]:
            where = [node["target"] for node in each["nodes"]][:3]
            found.setdefault(each["id"], []).append((path, where))
        if page.evaluate(OVER) > 0:
            found.setdefault("too wide", []).append(path)
        page.close()
    assert not found


def test_dialogs_have_no_faults_either(look, site_of_few, axe):
    """A form and a question are found right by axe as well."""
    deployment = site_of_few.made.deployments["nightly"].id
    page = look(site_of_few, f"deployments/{deployment}")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("dialog").wait_for()

    found = axe.run(page, options={"iframes": False}).response["violations"]

    assert [each["id"] for each in found] == []


def test_the_theme_is_turned_and_kept(look, site_of_few):
    """Light or dark is the system's until it is turned, and then stays so."""
    page = look(site_of_few, color_scheme="light")
    dark = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(dark)
    page.get_by_role("button", name="Turn to dark").click()
    assert page.evaluate(dark) != light

    page.goto(site_of_few.address("cache"))

    page.get_by_role("button", name="Turn to light").wait_for()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_address_tells_the_theme_to_a_panel(look, site_of_few):
    """What frames the pages says how it looks; links within keep it."""
    page = look(site_of_few, "?theme=dark", color_scheme="light")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"

    page.get_by_role("link", name="Cache").click()
    page.get_by_role("heading", name="Cache").wait_for()

    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.goto(site_of_few.address(f"runs/{site_of_few.made.live}"))
    page.locator(".nborch[data-theme=dark]").wait_for()


def test_two_keys_lead_to_each_page(look, site_of_few):
    """The letter g and another one lead anywhere, and ? tells which."""
    page = look(site_of_few)
    places = {"d": "deployments", "w": "work-pools", "l": "concurrency-limits"}
    places |= {"c": "cache", "s": "settings", "r": ""}
    for key, path in places.items():
        page.keyboard.press("g")
        page.keyboard.press(key)
        page.wait_for_url(site_of_few.address(path))
        until(page, "document.documentElement.dataset.ready === 'true'")

    page.keyboard.press("?")
    page.get_by_role("dialog").get_by_text("Go to Work pools").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")


def test_pages_ask_nobody_else_and_hold_one_stream(look, site_of_few):
    """All comes from the server itself; nothing asks again and again."""
    asked = []
    page = look(site_of_few, "settings")
    page.on("request", lambda request: asked.append(request.url))
    for path in ("deployments", f"runs/{site_of_few.made.failed}#logs"):
        asked.clear()
        page.goto(site_of_few.address(path))
        page.locator("[data-condition=live]").wait_for()
        page.wait_for_load_state("load")
        assert all(url.startswith(OWN) for url in asked)
        until(page, "!document.querySelector('[aria-busy]')")
        asked.clear()
        page.wait_for_timeout(2_500)
        # The stream may have told it at its beginning to look once more.
        assert max(Counter(asked).values(), default=0) <= 1, asked


def test_nothing_moves_for_who_wants_it_calm(look, site_of_few):
    """With reduced motion nothing is animated."""
    page = look(site_of_few, "?state=RUNNING", reduced_motion="reduce")
    page.locator(".run-row").first.wait_for()

    assert page.evaluate("document.getAnimations().length") == 0


def test_the_page_goes_on_when_the_server_comes_back(look, tmp_path):
    """Without its server a page says so; with it again, it shows what was missed."""
    from page_site import Site

    site = Site(tmp_path, runs=150)
    try:
        page = look(site)
        page.locator("[data-condition=live]").wait_for()
        site.served.kill()
        page.locator(".banner:visible").wait_for()
        told = site.told("clean-up")
        told.end("CRASHED")
        site.served.start()

        row = page.locator(f".run-row[data-id='{told.id}'][data-type=CRASHED]")
        row.wait_for()
        page.locator(".banner").wait_for(state="hidden")
    finally:
        site.close()
