"""The run graph as a browser draws it, without Jupyter around."""

import json

import pytest
from graph_page import CARD, DETAIL, cards_are, place_of, texts
from runs_shown import BEGUN, delta, node, small, snapshot, tangled, thirty

pytestmark = pytest.mark.timeout(60)


def test_snapshot_is_drawn(page, show, sent):
    """Each run is a card with its name and state, in columns along the edges."""
    show(snapshot(small(), expected_seconds=60.0))

    labels = page.locator(".nb-node").evaluate_all("all => all.map(e => e.ariaLabel)")
    assert labels[0] == "load-0, Completed, 4.2 s"
    assert len(labels) == 5
    places = [
        place_of(page, f"{name}-0") for name in ("load", "clean", "train", "report")
    ]
    assert [p["x"] for p in places] == sorted({p["x"] for p in places})
    assert page.locator(".nb-wire").count() == 5
    assert texts(page, ".nb-chip") == [
        *["Completed 1", "Cached 1", "Failed 1", "Running 1", "Pending 1"]
    ]
    assert "3 of 5" in texts(page, ".nb-run-time")[0]
    assert "left" in texts(page, ".nb-run-time")[0]
    assert sent() == []


def test_delta_changes_what_it_tells(page, show, deliver):
    """A card whose state changes stays where it is, and is the same element."""
    show(snapshot(small()))
    page.evaluate("window.card = document.querySelector(\"[data-id='train-0']\")")
    before = place_of(page, "train-0")

    deliver(delta(2, [node("train-0", state="COMPLETED", upstream=["clean-0"])]))

    assert page.evaluate("card.isConnected && card.dataset.type") == "COMPLETED"
    assert place_of(page, "train-0") == before
    assert texts(page, ".nb-chip")[0] == "Completed 2"


def test_new_and_gone_runs(page, show, deliver):
    """Runs come and go; those that were there hardly move."""
    show(snapshot(small()))
    before = place_of(page, "clean-0")

    deliver(delta(2, [node("mail-0", state="PENDING", upstream=["report-0"], order=9)]))
    deliver(delta(3, gone=["check-0"]))

    page.wait_for_selector(CARD.format("mail-0"))
    cards_are(page, 5)
    assert page.locator(CARD.format("check-0")).count() == 0
    assert place_of(page, "clean-0")["x"] == pytest.approx(before["x"], abs=2)


def test_gap_asks_once_for_a_snapshot(page, show, deliver, sent):
    """After a message was lost, all is asked for once; old messages change nothing."""
    show(snapshot(small()))

    deliver(delta(1, [node("load-0", state="FAILED")]))
    assert sent() == []
    deliver(delta(4, [node("load-0", state="FAILED")]))
    deliver(delta(5, [node("load-0", state="FAILED")]))

    assert page.locator(CARD.format("load-0")).get_attribute("data-type") == "COMPLETED"
    assert sent() == [{"op": "sync"}]
    deliver(snapshot([node("other-0")]) | {"seq": 9})
    deliver(delta(10, [node("other-0", state="FAILED")]))
    assert page.locator(".nb-node").evaluate_all(
        "all => all.map(e => e.dataset.type)"
    ) == ["FAILED"]


def test_without_snapshot_it_asks(page, sent, deliver):
    """A graph that was told nothing yet says so, asks, and shows what it gets."""
    page.evaluate("begin(null)")
    deliver({"type": "of a later version"})
    deliver(delta(3, [node("load-0")]))

    assert sent() == [{"op": "sync"}]
    assert texts(page, ".nb-empty") == ["Waiting for the run…"]
    deliver(snapshot([]))
    assert texts(page, ".nb-empty") == ["No task has been called yet."]
    deliver(snapshot([node("load-0")]) | {"seq": 2})
    assert page.locator(".nb-empty").is_hidden()


def test_what_is_looked_at_survives(page, show, deliver):
    """Zoom, focus, filter and selection are as before after an update."""
    show(snapshot(thirty()))
    page.locator(CARD.format("join-0")).click()
    page.keyboard.press("+")
    scale = page.locator(".nb-world").get_attribute("transform")

    deliver(delta(2, [node("join-0", state="FAILED"), node("late-0", order=99)]))

    assert page.locator(".nb-world").get_attribute("transform") == scale
    assert page.evaluate("document.activeElement.dataset.id") == "join-0"
    assert "nb-selected" in page.locator(CARD.format("join-0")).get_attribute("class")
    assert page.locator(".nb-drawer").is_visible()


def test_height_is_what_the_graph_needs(page, show, deliver):
    """A small graph is small; while it grows, it never gets lower."""
    show(snapshot(small()[:3]))
    low = page.locator(".nborch").bounding_box()["height"]

    deliver(
        delta(
            2, [node(f"part-{n}", upstream=["load-0"], order=n + 9) for n in range(9)]
        )
    )
    cards_are(page, 12)
    high = page.locator(".nborch").bounding_box()["height"]
    deliver(delta(3, gone=[f"part-{n}" for n in range(9)]))
    cards_are(page, 3)

    assert low < 200
    assert low + 100 < high < 640
    assert page.locator(".nborch").bounding_box()["height"] == high


def test_destroy_leaves_nothing(page, show):
    """A graph that is taken away listens to nothing, and has no timer."""
    page.evaluate(
        """() => {
          window.timers = new Set();
          for (const kind of ["Interval", "Timeout"]) {
            const [set, clear] = [window[`set${kind}`], window[`clear${kind}`]];
            window[`set${kind}`] = (...told) => {
              const timer = set(...told);
              timers.add(timer);
              return timer;
            };
            window[`clear${kind}`] = (timer) => {
              timers.delete(timer);
              clear(timer);
            };
          }
        }"""
    )
    show(snapshot(small()))
    page.locator(CARD.format("train-0")).click()
    assert page.evaluate("timers.size") > 0

    page.evaluate("graph.destroy()")
    assert page.evaluate("[timers.size, listeners.size]") == [0, 0]
    large = json.dumps(snapshot(tangled(1_000)))
    page.evaluate("(told) => { begin(JSON.parse(told)); graph.destroy() }", large)

    assert page.evaluate("[timers.size, listeners.size]") == [0, 0]
    assert page.locator("#place > *").count() == 0


def test_ten_thousand_runs(page, show, deliver):
    """Of a large run only what can be seen and read is on the page."""
    show(snapshot(tangled(10_000)))
    assert page.locator(".nborch *").count() < 400
    page.locator(".nb-surface").click(position={"x": 500, "y": 200})
    page.wait_for_selector(".nb-node")
    assert page.locator(".nborch *").count() < 2_500

    deliver(delta(2, [node(f"step_{n}-0", state="FAILED") for n in range(500)]))
    for view in ["Timeline", "Table"]:
        page.locator(".nb-tab", has_text=view).click()
        assert page.locator(".nborch *").count() < 2_500


#: How many boxes are drawn from far away, and how many are in sight in each state.
BOXES = """() => {
  const { left, right } = document.querySelector(".nb-surface").getBoundingClientRect();
  let drawn = 0;
  const seen = {};
  for (const path of document.querySelectorAll(".nb-surface .nb-far-cards")) {
    const { a, e } = path.getScreenCTM();
    const boxes = [...path.getAttribute("d").matchAll(/M(-?[0-9]+)/g)];
    drawn += boxes.length;
    const { length } = boxes.map(([, x]) => x * a + e).filter((x) => x > left && x < right);
    if (length) seen[path.dataset.type] = (seen[path.dataset.type] ?? 0) + length;
  }
  return [drawn, seen];
}"""


def test_what_is_far_away_is_drawn_when_it_is_seen(page, show, deliver):
    """From far away boxes are drawn where one looks, in the states that they are in."""
    runs = tangled(4_000)
    show(snapshot(runs))
    drawn, seen = page.evaluate(BOXES)
    assert 300 < sum(seen.values()) < drawn < len(runs)
    assert len(seen) > 2

    failed = {"type": "FAILED", "name": "Failed"}
    deliver(delta(2, [run | {"state": failed} for run in runs]))
    count = sum(seen.values())
    assert page.evaluate(BOXES) == [drawn, {"FAILED": count}]

    box = page.locator(".nb-surface").bounding_box()
    page.mouse.move(box["x"] + 900, box["y"] + 90)
    page.mouse.down()
    page.mouse.move(box["x"] + 50, box["y"] + 90, steps=4)
    page.mouse.up()
    more, seen = page.evaluate(BOXES)
    assert list(seen) == ["FAILED"]
    assert seen["FAILED"] > 300
    assert drawn < more < len(runs)


def test_many_at_once(page, show):
    """Cards that are too many to be read are drawn as one, even if they were large enough."""
    show(snapshot([node(f"task_{n}-0") for n in range(560)]))

    assert page.locator(".nb-node").count() == 0
    assert page.locator(".nborch *").count() < 400


def test_hostile_texts(page, show, deliver):
    """What runs are called is shown as it is, and does nothing."""
    names = [
        "<img src=x onerror=hacked()>",
        "<script>hacked()</script>",
        "a" * 100_000,
        "line\nbreak\u0000\u202egnirts",
        "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
        "\U0001f469\u200d\U0001f680 emoji",
        "",
        "__proto__",
        "constructor",
    ]
    made = [
        node(f"'\"]{n}", of=name, name=name, why=name) for n, name in enumerate(names)
    ]
    # NB. A function that an expression comes to would be called.
    page.evaluate("void (window.hacked = () => { window.wasHacked = true })")
    show(snapshot(made, name=names[0], of=names[1]))
    for view in ["Timeline", "Table", "Graph"]:
        page.locator(".nb-tab", has_text=view).click()
    page.locator(".nb-node").first.click()
    error = {"type": names[0], "message": names[1], "traceback": names[2]}
    value = {"name": names[1], "digest": names[0], "preview": names[2]}
    line = {"at": BEGUN, "level": names[0], "logger": "", "message": names[1]}
    detail = DETAIL | {"error": error, "inputs": [value], "log": [line], "tags": names}
    deliver({"type": "detail", "id": made[0]["id"], "detail": detail})

    assert page.locator(".nborch :is(img, script)").count() == 0
    assert names[0] in page.locator(".nb-drawer-title").inner_text()
    assert page.evaluate("document.querySelector('.nborch').outerHTML.length") < 200_000
    assert page.evaluate("window.wasHacked") is None


def test_odd_runs(page, show):
    """Unknown states, circles, and runs of unknown parents are drawn as far as known."""
    show(
        snapshot(
            [
                node("new-0", state="QUANTUM", state_name="Entangled"),
                node("a-0", upstream=["b-0", "nowhere"]),
                node("b-0", upstream=["a-0", "b-0"]),
                node("lost-0", parent="nowhere"),
                node("in-0", parent="out-0"),
                node("out-0", parent="in-0"),
                {"id": "bare"},
            ]
        )
    )

    assert page.locator(".nb-node").count() == 7
    assert "Entangled 1" in texts(page, ".nb-chip")
    for view in ["Timeline", "Table"]:
        page.locator(".nb-tab", has_text=view).click()
        assert page.locator("[data-id='out-0']:visible").count() == 1


def test_cells(page, show):
    """Cell tasks tell whether they are fresh, and why not."""
    show(
        snapshot(
            [
                node("load", kind="cell", state_name="fresh"),
                node(
                    "clean",
                    kind="cell",
                    state="SCHEDULED",
                    state_name="stale",
                    upstream=["load"],
                    why="rows has changed",
                ),
            ],
            state="COMPLETED",
            view="cells",
            can=[],
        )
    )

    assert texts(page, ".nb-chip") == ["fresh 1", "stale 1"]
    page.locator(CARD.format("clean")).click()
    assert "rows has changed" in page.locator(".nb-drawer").inner_text()


def test_theme_is_that_of_the_page(page, show):
    """In JupyterLab it is as dark as JupyterLab, elsewhere as the system."""
    show(snapshot(small()))
    theme = "document.querySelector('.nborch').dataset.theme"
    assert page.evaluate(theme) == "light"
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{theme} === 'dark'")
    page.evaluate("document.body.setAttribute('data-jp-theme-light', 'true')")
    page.wait_for_function(f"{theme} === 'light'")
    show(snapshot(small()), theme="dark")
    assert page.evaluate(theme) == "dark"


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1000), ("dark", 1000), ("light", 400)]
)
def test_everybody_can_use_it(open_page, scheme, width):
    """No rule of accessibility that a program can check is broken."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = open_page(width=width, color_scheme=scheme)
    if scheme == "dark":
        page.evaluate("document.body.classList.add('dark')")
        page.add_style_tag(content="h1 { color: #eee }")
    page.evaluate(
        "(told) => begin(told)", snapshot(thirty(), expected_seconds=45.0, link="/run")
    )
    page.locator(".nb-search").fill("fit-3")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.evaluate(
        "(told) => deliver(told)", {"type": "detail", "id": "fit-3", "detail": DETAIL}
    )
    page.locator(".nb-search").fill("")
    for view in ["Graph", "Timeline", "Table"]:
        page.locator(".nb-tab", has_text=view).click()
        found = axe.run(page).response["violations"]
        assert [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found] == []


def test_motion(open_page):
    """Cards glide to new places, unless less motion is asked for."""
    earlier = node("report-0", state="PENDING", upstream=["load-0"], order=4)
    places = {}
    for wish in ["no-preference", "reduce"]:
        page = open_page(reduced_motion=wish)
        page.clock.install(time=0)
        page.clock.pause_at(1_000)
        page.evaluate("(told) => begin(told)", snapshot(small()))
        card = page.locator(CARD.format("report-0"))
        places[wish] = {card.get_attribute("transform")}
        page.evaluate("(told) => deliver(told)", delta(2, [earlier]))
        for _ in range(25):
            places[wish].add(card.get_attribute("transform"))
            page.clock.run_for(100)

    assert len(places["no-preference"]) > 2
    assert len(places["reduce"]) == 2
