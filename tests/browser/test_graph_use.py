"""What people can do with the run graph, with a mouse and without."""

import pytest
from graph_page import CARD, DETAIL, TIMES, chip, place_of, texts
from runs_shown import BEGUN, delta, mapped, node, small, snapshot, tangled, thirty

pytestmark = pytest.mark.timeout(60)


def test_groups_open_and_close(page, show, deliver):
    """Many runs of one task are one card with their number, which opens on a click."""
    show(snapshot(mapped()))
    assert texts(page, ".nb-node .nb-count") == ["", f"{TIMES}120", f"{TIMES}120", ""]
    assert page.locator(".nb-node[data-kind=many] .nb-bar rect").count() > 4

    page.locator("[data-id='many:read-0']").click()
    assert page.locator(".nb-node").count() == 123
    deliver(delta(2, [node("read-119", "read", "FAILED", ["list_files-0"])]))
    assert page.locator(CARD.format("read-119")).get_attribute("data-type") == "FAILED"

    page.locator(".nb-title[data-id='many:read-0']").click()
    assert page.locator(".nb-node").count() == 4


def test_subflows_are_frames(page, show):
    """A subflow is drawn around its runs, and closes to one card."""
    show(snapshot(thirty()))
    frame = page.locator(".nb-frame-box").bounding_box()
    inner = place_of(page, "encode-0")
    assert frame["x"] < inner["x"]
    assert inner["x"] + inner["width"] < frame["x"] + frame["width"]

    page.locator(".nb-title .nb-chevron").click()

    assert page.locator(CARD.format("encode-0")).count() == 0
    assert texts(page, f"{CARD.format('features')} .nb-count") == [f"{TIMES}6"]


def test_keyboard_alone(page, show):
    """Arrow keys go along the edges, Enter opens the detail, Escape goes back."""
    show(snapshot(small()))

    def here():
        return page.evaluate("document.activeElement.dataset.id ?? ''")

    page.locator(".nb-search").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    visited = [here()]
    for key in [
        "ArrowRight",
        "ArrowRight",
        "ArrowDown",
        "ArrowRight",
        "ArrowLeft",
        "ArrowUp",
    ]:
        page.keyboard.press(key)
        visited.append(here())
    assert visited[:5] == ["load-0", "clean-0", "train-0", "check-0", "report-0"]
    assert visited[-1] == "train-0"

    page.keyboard.press("Enter")
    assert texts(page, ".nb-drawer-title") == ["train-0"]
    page.keyboard.press("Escape")
    assert page.locator(".nb-drawer").is_hidden()
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.type") == "search"
    page.keyboard.type("report")
    page.keyboard.press("Enter")
    assert here() == "report-0"
    page.keyboard.press("Escape")
    assert page.locator(".nb-search").input_value() == ""


def test_keyboard_opens_groups(page, show):
    """Enter opens what is closed, and the space bar closes it again."""
    show(snapshot(mapped()))
    page.locator(".nb-surface").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")

    page.keyboard.press("Enter")
    assert page.locator(".nb-title[data-id='many:clean-0']").count() == 1
    assert page.evaluate("document.activeElement.ariaExpanded") == "true"
    page.keyboard.press(" ")
    assert page.evaluate("document.activeElement.ariaExpanded") == "false"


@pytest.mark.parametrize("view", ["Graph", "Timeline", "Table"])
def test_counts_and_search_filter(page, show, view):
    """A click on a count and a search leave what they say: alone, or in full colour."""
    show(snapshot(thirty()))
    page.locator(".nb-tab", has_text=view).click()

    shown = {
        "Graph": ".nb-node:not(.nb-faint)",
        "Timeline": ".nb-line",
        "Table": "tbody tr[data-id]",
    }[view]

    def seen():
        return page.locator(shown).evaluate_all(
            "all => all.map(e => e.dataset.id).sort()"
        )

    chip(page, "RUNNING").click()
    assert set(seen()) - {"features"} == {"encode-3", "encode-4", "fit-2"}
    page.locator(".nb-search").fill("FIT")
    assert seen() == ["fit-2"]
    page.locator(".nb-search").press("Escape")
    # The list has grown, and so has what is in sight.
    page.wait_for_function(
        "(shown) => document.querySelectorAll(shown).length > 15", arg=shown
    )


def test_timeline_tells_attempts_and_waiting(page, show):
    """Each attempt is a box, waiting is a line before it, what is ahead is dotted."""
    show(snapshot(thirty()))
    page.locator(".nb-tab", has_text="Timeline").click()
    page.locator(".nb-timeline").evaluate("e => e.scrollTop = 1e6")

    row = page.locator(".nb-line[data-id='fit-2']")
    assert row.locator(".nb-attempt").evaluate_all(
        "all => all.map(e => e.dataset.type)"
    ) == ["FAILED", "RUNNING"]
    assert row.locator(".nb-wait").count() == 1
    # NB. At one moment: what runs grows meanwhile.
    ahead, end = page.locator(".nb-timeline").evaluate("""(view) => {
      const boxes = (id, kind) => [...view.querySelectorAll(
        `.nb-line[data-id='${id}'] .${kind}`)].map((e) => e.getBoundingClientRect());
      return [boxes("notify-0", "nb-ahead")[0].left,
        boxes("fit-2", "nb-attempt").at(-1).right];
    }""")
    assert ahead == pytest.approx(end, abs=2)


def test_timeline_cuts_long_pauses(page, show):
    """A retry days later does not squash what went before."""
    later = BEGUN + 3 * 86_400
    attempts = [
        {
            "n": 1,
            "started": BEGUN,
            "ended": BEGUN + 40,
            "type": "FAILED",
            "name": "Failed",
        },
        {
            "n": 2,
            "started": later,
            "ended": later + 40,
            "type": "COMPLETED",
            "name": "Completed",
        },
    ]
    show(snapshot([node("a-0", attempts=attempts), node("b-0")], state="COMPLETED"))
    page.locator(".nb-tab", has_text="Timeline").click()

    boxes = [
        b.bounding_box()["width"]
        for b in page.locator("[data-id='a-0'] .nb-attempt").all()
    ]
    assert min(boxes) > 200
    assert page.locator(".nb-cut").count() == 1


def test_table_sorts(page, show):
    """A click on a heading sorts, another one the other way, a third one not at all."""
    show(snapshot(thirty()))
    page.locator(".nb-tab", has_text="Table").click()

    def first():
        return texts(page, "tbody tr[data-id] .nb-link")[0]

    heading = page.locator("th", has_text="Duration")
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert first() == "features"
    heading.locator("button").click()
    assert first() in {"fetch-0", "parse-0"}
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") is None
    page.locator("tbody tr[data-id] button").first.press("ArrowDown")
    page.keyboard.press("Enter")
    assert texts(page, ".nb-drawer-title") == ["fetch-1"]


def test_drawer_tells_all(page, show, deliver, sent):
    """The drawer shows all that is known of a run, and its log as it is written."""
    show(snapshot(small()))
    page.locator(CARD.format("check-0")).click()
    assert sent() == [{"op": "detail", "id": "check-0"}]

    deliver({"type": "detail", "id": "check-0", "detail": DETAIL})
    deliver({"type": "detail", "id": "other", "detail": DETAIL | {"key": "not this"}})

    told = page.locator(".nb-drawer").inner_text()
    for part in [
        "ValueError: 3 rows",
        "File etl.py",
        "rows has changed",
        "b1946ac9",
        "daily",
        "9f2c11ab77",
        "[1, 2, 3]",
        "reading",
        "1 · Failed",
    ]:
        assert part in told
    assert "not this" not in told
    page.locator("[aria-label=Close]").click()
    assert page.locator(".nb-drawer").is_hidden()


def test_drawer_follows_the_log(page, show, deliver, sent):
    """The log of a run is asked for while it runs, and once more when it has ended."""
    show(snapshot(small()))
    page.locator(CARD.format("train-0")).click()
    deliver({"type": "detail", "id": "train-0", "detail": DETAIL | {"id": "train-0"}})

    page.wait_for_function("sent.some((told) => told.op === 'log')")
    assert {"op": "log", "id": "train-0", "after": 7} in sent()
    line = {"at": BEGUN, "level": "ERROR", "logger": "etl", "message": "epoch 1"}
    deliver({"type": "log", "id": "train-0", "lines": [line], "next": 8})
    assert texts(page, ".nb-log-text") == ["reading", "epoch 1"]

    deliver(delta(2, [node("train-0", state="COMPLETED")]))
    page.wait_for_function("sent.filter((told) => told.op === 'detail').length === 2")
    assert {"op": "log", "id": "train-0", "after": 8} in sent()


def test_actions(page, show, deliver, sent):
    """Cancel asks once and says so; what cannot be done is not offered."""
    show(snapshot(small(), link="javascript:alert(1)"))
    assert texts(page, ".nb-button:visible") == ["Cancel"]

    page.locator(".nb-button", has_text="Cancel").click()
    assert sent() == [{"op": "cancel"}]
    assert texts(page, ".nb-button:visible") == ["Cancelling…"]
    assert page.locator(".nb-button").first.is_disabled()

    ended = snapshot(small(), "CANCELLED", link="/nborch/runs/run-1")["run"]
    deliver(delta(2, run=ended))
    assert texts(page, ".nb-button:visible") == ["Retry", "Open ↗"]
    deliver({"type": "notice", "text": "Use Interrupt.", "level": "warning"})
    assert texts(page, ".nb-notice") == ["Use Interrupt."]
    show(snapshot(small()), canAct=False)
    assert page.locator(".nb-button:visible").count() == 0


def test_wheel_scrolls_the_notebook(page, show):
    """A plain wheel scrolls the page; with ctrl it makes the graph larger."""
    show(snapshot(thirty()))
    page.evaluate("document.body.style.height = '3000px'")
    page.locator(".nb-surface").hover()
    before = page.locator(".nb-world").get_attribute("transform")

    page.mouse.wheel(0, 120)
    page.wait_for_function("scrollY > 0")
    assert page.locator(".nb-world").get_attribute("transform") == before

    page.evaluate("scrollTo(0, 0)")
    page.locator(".nb-surface").hover()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -120)
    page.keyboard.up("Control")
    page.wait_for_function(
        f"document.querySelector('.nb-world').getAttribute('transform') !== '{before}'"
    )
    assert page.locator(".nb-overview").is_visible()


def test_drag_moves_and_does_not_click(page, show, sent):
    """Dragging moves the graph and opens nothing."""
    show(snapshot(small()))
    box = place_of(page, "load-0")
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 80, box["y"] + 50, steps=4)
    page.mouse.up()

    assert place_of(page, "load-0")["x"] == pytest.approx(box["x"] + 60, abs=2)
    assert sent() == []


def test_drag_from_far_away(page, show):
    """Where cards are too small to be read, a click goes nearer, but dragging does not."""
    show(snapshot(tangled(300)))
    box = page.locator(".nb-surface").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 90)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 90, steps=4)
    page.mouse.up()
    assert page.locator(".nb-node").count() == 0

    page.mouse.click(box["x"] + 200, box["y"] + 90)
    page.wait_for_selector(".nb-node")
