"""The run graph as a browser draws it, without Jupyter around."""

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest
from runs_shown import BEGUN, delta, mapped, node, small, snapshot, tangled, thirty

from nborch.showing import GLYPHS, SHADES
from nborch.static import bundle, css
from nborch.view.grouping import arranged

pytestmark = pytest.mark.timeout(60)

CASES = Path(__file__).parents[1] / "unit" / "layout_cases.json"
CARD = ".nb-node[data-id='{}']"

#: What the innermost parts of elements say.
TEXTS = """(all) => all.map((one) => {
  const inner = [...one.querySelectorAll("*")].filter((part) => !part.children.length);
  return (inner.length ? inner : [one]).map((part) => part.textContent).join(" ");
})"""

#: What must be equal of each layout, and the numbers that must nearly be.
LAYOUTS = """async (cases) => {
  const { placed } = await import("/layout.js");
  return JSON.parse(cases).map(({ sizes, arrows, anchors, gap }) => {
    const held = anchors && new Map(Object.entries(anchors));
    const found = placed(new Map(sizes), arrows, gap, held);
    const boxes = [...found.boxes];
    const { depth, start, end, paths } = found;
    return [
      {
        depth,
        boxes: boxes.map(([id, { layer }]) => [id, layer]),
        paths: paths.map(({ arrow, places }) => [...arrow, places.map((at) => at.layer)]),
      },
      [start, end, ...boxes.map(([, { across }]) => across),
        ...paths.flatMap(({ places }) => places.map((at) => at.across))],
    ];
  });
}"""

DETAIL = {
    "id": "check-0",
    "history": [
        {"at": BEGUN, "type": "PENDING", "name": "Pending"},
        {"at": BEGUN + 2, "type": "FAILED", "name": "Failed", "message": "3 rows"},
    ],
    "attempts": [
        {"n": 1, "started": BEGUN, "ended": BEGUN + 1, "type": "FAILED", "name": "Failed"},
        {"n": 2, "started": BEGUN + 1, "ended": BEGUN + 2, "type": "FAILED", "name": "Failed"},
    ],
    "inputs": [{"name": "rows", "digest": "9f2c11ab77e0d3", "preview": "[1, 2, 3]"}],
    "outputs": [{"name": "result", "digest": None, "preview": "None"}],
    "key": "b1946ac9",
    "source_run": None,
    "saved_seconds": None,
    "why": "rows has changed",
    "error": {"type": "ValueError", "message": "3 rows", "traceback": "File etl.py"},
    "log": [{"at": BEGUN, "level": "INFO", "logger": "etl", "message": "reading"}],
    "more_log": False,
    "next": 7,
    "parameters": {},
    "tags": ["daily"],
    "code": None,
}


def texts(page, selector):
    """Return what elements say, each in one line."""
    # NB. Not `all_inner_texts`: shapes have none.
    found = page.locator(selector).evaluate_all(TEXTS)
    return [" ".join(text.split()) for text in found]


def chip(page, key):
    """Return the button that counts, and filters by, a state."""
    return page.locator(f".nb-chip[data-key='{key}']")


def place_of(page, id_):
    """Return where a card is on the page, and how large."""
    return page.locator(CARD.format(id_)).bounding_box()


def cards_are(page, count):
    """Wait for so many cards: a graph that grows fast is drawn when there is time."""
    page.wait_for_function(f"document.querySelectorAll('.nb-node').length === {count}")


# What it must agree on with Python


def test_layout_is_that_of_python(page):
    """The browser puts boxes and arrows where Python puts them."""
    cases = json.loads(CASES.read_text("utf-8"))
    found = page.evaluate(LAYOUTS, CASES.read_text("utf-8"))

    assert len(cases) > 10
    for case, (told, across) in zip(cases, found, strict=True):
        boxes, paths = case["boxes"], case["paths"]
        assert told == {
            "depth": case["depth"],
            "boxes": [[name, layer] for name, layer, _ in boxes],
            "paths": [[a, b, [layer for layer, _ in path]] for a, b, path in paths],
        }, case["name"]
        expected = [case["start"], case["end"], *(box[2] for box in boxes)]
        expected += [middle for _, _, path in paths for _, middle in path]
        assert across == pytest.approx(expected, abs=1e-6), case["name"]


@pytest.mark.parametrize("runs", [small, thirty, mapped, lambda: tangled(150)])
def test_grouping_is_that_of_python(page, runs):
    """The browser draws many runs as one where Python does."""
    told = snapshot(runs())
    found = page.evaluate(
        """async (told) => {
          const [{ RunModel }, { Arrangement }] = await Promise.all(
            [import("/model.js"), import("/grouping.js")]);
          const model = new RunModel();
          model.apply(told);
          const arrangement = new Arrangement();
          arrangement.arrange(model.nodes);
          const items = [...arrangement.items.values()];
          const arrows = items.reduce((sum, item) => sum + item.arrows.length, 0);
          return {
            items: items.map((item) => [item.node.id, item.members.length]).sort(),
            arrows: arrows + arrangement.arrows.length,
          };
        }""",
        told,
    )

    scene = arranged(told["nodes"])
    items = list(scene.walk())
    assert found["items"] == sorted([i.node["id"], len(i.members)] for i in items)
    assert found["arrows"] == len(scene.arrows) + sum(len(i.arrows) for i in items)


def test_states_look_as_in_python(page):
    """The signs and colours of states are those of the rest of nborch."""
    looks = page.evaluate("import('/states.js').then(({ LOOKS }) => LOOKS)")
    light = css().partition(".nborch[data-theme=\"dark\"] [data-type]")[0]

    assert {type_: look["glyph"] for type_, look in looks.items()} == dict(GLYPHS)
    for type_, shade in SHADES.items():
        rule = re.search(rf'\.nborch \[data-type="{type_}"\][^{{]*{{([^}}]*)}}', light)
        assert re.findall(r"#\w+", rule[1]) == [shade.line, shade.fill, shade.text]


def test_durations_are_those_of_python(page):
    """A duration reads the same in the graph and in text."""
    from nborch.showing import duration

    seconds = [0.0004, 0.0031, 0.0996, 4.13, 59.94, 59.96, 83, 3599.7, 5400, 90_000]
    told = page.evaluate(
        "async (all) => { const { duration } = await import('/words.js');"
        " return all.map((seconds) => duration(seconds)) }",
        seconds,
    )
    assert told == [duration(each) for each in seconds]


def test_bundle_is_the_modules(open_page):
    """What a notebook gets in one text does the same as the modules."""
    page = open_page()
    page.evaluate("(told) => begin(told)", snapshot(thirty()))
    from_modules = texts(page, ".nb-node, .nb-title, .nb-chip")

    page.evaluate(
        """async ([source, told]) => {
          graph.destroy();
          const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
          const { default: widget } = await import(url);
          const heard = new Map();
          window.model = {
            get: (name) => ({ snapshot: told })[name],
            send: (message) => sent.push(message),
            on: (name, callback) => heard.set(name, callback),
            off: (name) => heard.delete(name),
          };
          window.heard = heard;
          window.end = widget.render({ model, el: document.getElementById("place") });
        }""",
        [bundle(), snapshot(thirty())],
    )
    assert texts(page, ".nb-node, .nb-title, .nb-chip") == from_modules
    page.evaluate("(told) => heard.get('msg:custom')(told)", delta(2, [node("fetch-0", state="FAILED")]))
    assert page.locator(CARD.format("fetch-0")).get_attribute("data-type") == "FAILED"
    page.click("text=Cancel")
    assert page.evaluate("sent") == [{"op": "cancel"}]
    page.evaluate("end()")
    assert page.evaluate("heard.size") == 0
    assert page.locator(".nborch").count() == 0


def test_modules_import_no_others():
    """The modules need nothing from the network, and take no text for a page."""
    for path in files("nborch.static").iterdir():
        if path.name.endswith(".js"):
            text = path.read_text("utf-8")
            assert re.findall(r'from "(?!\./)', text) == []
            assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|\beval\(", text) == []
    assert "import" not in bundle()


# What it does with messages


def test_snapshot_is_drawn(page, show, sent):
    """Each run is a card with its name and state, in columns along the edges."""
    show(snapshot(small(), expected_seconds=60.0))

    labels = page.locator(".nb-node").evaluate_all("all => all.map(e => e.ariaLabel)")
    assert labels[0] == "load-0, Completed, 4.2 s"
    assert len(labels) == 5
    places = [place_of(page, f"{name}-0") for name in ("load", "clean", "train", "report")]
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
    deliver(delta(4, [node("load-0", state="FAILED")]))
    deliver(delta(5, [node("load-0", state="FAILED")]))

    assert page.locator(CARD.format("load-0")).get_attribute("data-type") == "COMPLETED"
    assert sent() == [{"op": "sync"}]
    deliver(snapshot([node("other-0")]) | {"seq": 9})
    deliver(delta(10, [node("other-0", state="FAILED")]))
    assert page.locator(".nb-node").evaluate_all("all => all.map(e => e.dataset.type)") == ["FAILED"]


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

    deliver(delta(2, [node(f"part-{n}", upstream=["load-0"], order=n + 9) for n in range(9)]))
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
    assert page.locator("#place > *").count() == 0


# What can be done with it


def test_groups_open_and_close(page, show, deliver):
    """Many runs of one task are one card with their number, which opens on a click."""
    show(snapshot(mapped()))
    assert texts(page, ".nb-node .nb-count") == ["", "×120", "×120", ""]
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
    assert texts(page, f"{CARD.format('features')} .nb-count") == ["×6"]


def test_keyboard_alone(page, show):
    """Arrow keys go along the edges, Enter opens the detail, Escape goes back."""
    show(snapshot(small()))

    def here():
        return page.evaluate("document.activeElement.dataset.id ?? ''")

    page.locator(".nb-search").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    visited = [here()]
    for key in ["ArrowRight", "ArrowRight", "ArrowDown", "ArrowRight", "ArrowLeft", "ArrowUp"]:
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

    def seen():
        shown = {
            "Graph": ".nb-node:not(.nb-faint)",
            "Timeline": ".nb-line",
            "Table": "tbody tr[data-id]",
        }[view]
        return page.locator(shown).evaluate_all("all => all.map(e => e.dataset.id).sort()")

    chip(page, "RUNNING").click()
    assert set(seen()) - {"features"} == {"encode-3", "encode-4", "fit-2"}
    page.locator(".nb-search").fill("FIT")
    assert seen() == ["fit-2"]
    page.locator(".nb-search").press("Escape")
    assert len(seen()) > 15


def test_timeline_tells_attempts_and_waiting(page, show):
    """Each attempt is a box, waiting is a line before it, what is ahead is dotted."""
    show(snapshot(thirty()))
    page.locator(".nb-tab", has_text="Timeline").click()
    page.locator(".nb-timeline").evaluate("e => e.scrollTop = 1e6")

    row = page.locator(".nb-line[data-id='fit-2']")
    assert row.locator(".nb-attempt").evaluate_all("all => all.map(e => e.dataset.type)") == ["FAILED", "RUNNING"]
    assert row.locator(".nb-wait").count() == 1
    waiting = page.locator(".nb-line[data-id='notify-0'] .nb-ahead")
    running = page.locator(".nb-line[data-id='fit-2'] .nb-attempt").last
    end = running.bounding_box()
    assert waiting.bounding_box()["x"] == pytest.approx(end["x"] + end["width"], abs=2)


def test_timeline_cuts_long_pauses(page, show):
    """A retry days later does not squash what went before."""
    later = BEGUN + 3 * 86_400
    attempts = [
        {"n": 1, "started": BEGUN, "ended": BEGUN + 40, "type": "FAILED", "name": "Failed"},
        {"n": 2, "started": later, "ended": later + 40, "type": "COMPLETED", "name": "Completed"},
    ]
    show(snapshot([node("a-0", attempts=attempts), node("b-0")], state="COMPLETED"))
    page.locator(".nb-tab", has_text="Timeline").click()

    boxes = [b.bounding_box()["width"] for b in page.locator("[data-id='a-0'] .nb-attempt").all()]
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

    deliver({"type": "detail", "id": "other", "detail": DETAIL | {"key": "not this"}})
    deliver({"type": "detail", "id": "check-0", "detail": DETAIL})

    told = page.locator(".nb-drawer").inner_text()
    for part in ["ValueError: 3 rows", "File etl.py", "rows has changed", "b1946ac9", "daily", "9f2c11ab77", "[1, 2, 3]", "reading", "1 · Failed"]:
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
    page.wait_for_function(f"document.querySelector('.nb-world').getAttribute('transform') !== '{before}'")
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


# How much and what it bears


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
    made = [node(f"'\"]{n}", of=name, name=name, why=name) for n, name in enumerate(names)]
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
                node("clean", kind="cell", state="SCHEDULED", state_name="stale", upstream=["load"], why="rows has changed"),
            ],
            state="COMPLETED",
            view="cells",
            can=[],
        )
    )

    assert texts(page, ".nb-chip") == ["fresh 1", "stale 1"]
    page.locator(CARD.format("clean")).click()
    assert "rows has changed" in page.locator(".nb-drawer").inner_text()


# How it looks


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1000])
def test_everybody_can_use_it(open_page, scheme, width):
    """No rule of accessibility that a program can check is broken."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = open_page(width=width, color_scheme=scheme)
    if scheme == "dark":
        page.evaluate("document.body.classList.add('dark')")
        page.add_style_tag(content="h1 { color: #eee }")
    page.evaluate("(told) => begin(told)", snapshot(thirty(), expected_seconds=45.0, link="/run"))
    page.locator(".nb-search").fill("fit-3")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.evaluate("(told) => deliver(told)", {"type": "detail", "id": "fit-3", "detail": DETAIL})
    page.locator(".nb-search").fill("")
    for view in ["Graph", "Timeline", "Table"]:
        page.locator(".nb-tab", has_text=view).click()
        found = axe.run(page).response["violations"]
        assert [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found] == []


def test_motion(open_page):
    """Cards glide to new places, unless less motion is asked for."""
    moved = {}
    for wish in ["no-preference", "reduce"]:
        page = open_page(reduced_motion=wish)
        page.evaluate("(told) => begin(told)", snapshot(small()))
        moved[wish] = page.evaluate(
            """(told) => {
              const card = document.querySelector("[data-id='clean-0']");
              const before = card.getAttribute("transform");
              deliver(told);
              return card.getAttribute("transform") !== before;
            }""",
            delta(2, [node(f"more-{n}", upstream=["load-0"], order=9) for n in range(6)]),
        )
        cards_are(page, 11)
    assert moved == {"no-preference": False, "reduce": True}
