"""What the run graph in the browser must do as Python does."""

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest
from graph_page import CARD, texts
from runs_shown import delta, mapped, node, small, snapshot, tangled, thirty

from nborch.showing import GLYPHS, SHADES
from nborch.static import bundle, css
from nborch.view.grouping import arranged

pytestmark = pytest.mark.timeout(60)

CASES = Path(__file__).parents[1] / "unit" / "layout_cases.json"

#: What must be equal of each layout, and the numbers that must nearly be.
LAYOUTS = """async (cases) => {
  const { placed } = await import("/layout.js");
  return JSON.parse(cases).map(({ sizes, arrows, anchors, gap }) => {
    const held = anchors && new Map(Object.entries(anchors));
    const found = placed(new Map(sizes), arrows, gap, held);
    const { depth, start, end, paths, places } = found;
    const boxes = sizes.map(([id], n) => [id, places.at(n)]);
    return [
      {
        depth,
        boxes: boxes.map(([id, { layer }]) => [id, layer]),
        paths: paths.map(({ from, to, places }) => [
          sizes[from][0], sizes[to][0], places.map((at) => at.layer)]),
      },
      [start, end, ...boxes.map(([, { across }]) => across),
        ...paths.flatMap(({ places }) => places.map((at) => at.across))],
    ];
  });
}"""


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


@pytest.mark.parametrize(
    "runs",
    [
        *[small(), thirty(), mapped(), mapped(12), mapped(13), tangled(150)],
        # One task again and again, each time after the time before.
        [node(f"step-{n}", upstream=[f"step-{n - 1}"]) for n in range(20)],
        # More than can be looked at: what is within subflows is not shown.
        [*thirty(), *(node(f"other_{n}-0", upstream=["join-0"]) for n in range(300))],
    ],
    ids=len,
)
def test_grouping_is_that_of_python(page, runs):
    """The browser draws many runs as one where Python does."""
    told = snapshot(runs)
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
    light = css().partition('.nborch[data-theme="dark"] [data-type]')[0]

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
    from_modules = texts(page, ".nb-label, .nb-chip")

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
    # It is drawn when the widget has found its place in the page.
    page.locator(".nb-label").first.wait_for()
    assert texts(page, ".nb-label, .nb-chip") == from_modules
    page.evaluate(
        "(told) => heard.get('msg:custom')(told)",
        delta(2, [node("fetch-0", state="FAILED")]),
    )
    assert page.locator(CARD.format("fetch-0")).get_attribute("data-type") == "FAILED"
    page.click("text=Cancel")
    assert page.evaluate("sent") == [{"op": "cancel"}]
    page.evaluate("end()")
    assert page.evaluate("heard.size") == 0
    assert page.locator(".nborch").count() == 0


def test_modules_import_no_others():
    """The modules need nothing from the network, and take no text for a page."""
    for path in files("nborch.static").iterdir():
        # What is shown in a frame of nobody's is HTML, and may do as it likes there.
        if path.name.endswith(".js") and path.name != "frame.js":
            text = path.read_text("utf-8")
            assert re.findall(r'from "(?!\./)', text) == []
            assert (
                re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|\beval\(", text)
                == []
            )
    assert "import" not in bundle()
