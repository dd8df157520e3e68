"""The run graph in Chromium: how soon a run is painted, and how fast it is brought up
to date; and its layout beside those of dagre and elkjs.

All times are milliseconds. A first paint is in a page that was just opened, from the
snapshot to the picture. An update is of 500 runs. The peers are installed by npm into
a temporary folder; without a network their rows are left out.

``--quick`` has fewer rounds.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Any

BROWSER = Path(__file__).parents[1] / "browser"
sys.path.insert(0, str(BROWSER))

PEERS = {
    "dagre": ("@dagrejs/dagre", "dist/dagre.min.js"),
    "elkjs": ("elkjs", "lib/elk.bundled.js"),
}

PAINTED = """async () => {
  const begun = performance.now();
  begin(window.told);
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - begun;
}"""

UPDATED = """async (seq) => {
  const nodes = told.nodes.slice(seq * 100, seq * 100 + 500).map((node) => ({
    ...node, state: { type: "FAILED", name: "Failed" } }));
  const begun = performance.now();
  deliver({ type: "delta", seq: seq + 2, now: told.now, nodes });
  const taken = performance.now() - begun;
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return [taken, performance.now() - begun];
}"""

LAYOUTS = {
    "nborch": """async (rounds) => {
      const { placed } = await import("/layout.js");
      const sizes = new Map(told.nodes.map(({ id }) => [id, 42]));
      const arrows = told.nodes.flatMap(({ id, upstream }) => upstream.map((u) => [u, id]));
      return timed(rounds, () => placed(sizes, arrows, 12));
    }""",
    "dagre": """(rounds) => timed(rounds, () => {
      const graph = new dagre.graphlib.Graph();
      graph.setGraph({ rankdir: "LR" });
      graph.setDefaultEdgeLabel(() => ({}));
      for (const { id } of told.nodes) graph.setNode(id, { width: 130, height: 42 });
      for (const { id, upstream } of told.nodes) {
        for (const from of upstream) graph.setEdge(from, id);
      }
      dagre.layout(graph);
    })""",
    "elkjs": """(rounds) => timed(rounds, () => new ELK().layout({
      id: "root",
      layoutOptions: { "elk.algorithm": "layered" },
      children: told.nodes.map(({ id }) => ({ id, width: 130, height: 42 })),
      edges: told.nodes.flatMap(({ id, upstream }) => upstream.map(
        (from) => ({ id: `${from} ${id}`, sources: [from], targets: [id] }))),
    }))""",
}

TIMED = """window.timed = async (rounds, layout) => {
  const times = [];
  for (let round = 0; round < rounds; round += 1) {
    const begun = performance.now();
    await layout();
    times.push(performance.now() - begun);
  }
  return times;
}"""


@contextmanager
def opened() -> Iterator[Any]:
    """Yield what opens a page with the modules of the graph."""
    # NB. Here: `tests/browser/conftest.py` imports pytest.
    from conftest import ARGUMENTS, BROWSERS, Files
    from playwright.sync_api import sync_playwright

    folder = str(files("nborch.static"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)

        def open_page(told: dict[str, Any]) -> Any:
            page = browser.new_page(viewport={"width": 1000, "height": 800})
            page.set_default_timeout(180_000)
            page.goto(f"http://127.0.0.1:{server.server_address[1]}")
            page.wait_for_function("window.isReady")
            page.evaluate(
                "(text) => { window.told = JSON.parse(text) }", json.dumps(told)
            )
            page.evaluate(TIMED)
            return page

        yield open_page
        browser.close()
    server.shutdown()
    server.server_close()


def painted(open_page: Any, rounds: int) -> None:
    """Print first paints and updates."""
    from runs_shown import snapshot, staged, tangled

    print(
        f"\n{'':24}{'first paint':>12}{'best':>8}{'update 500':>12}{'in script':>11}{'elements':>10}"
    )
    for runs in (staged, tangled):
        for count in (1_000, 10_000):
            firsts, updates = [], []
            for _ in range(rounds):
                page = open_page(snapshot(runs(count)))
                firsts.append(page.evaluate(PAINTED))
                updates += [page.evaluate(UPDATED, seq) for seq in range(5)]
                elements = page.locator(".nborch *").count()
                page.close()
            script, shown = (median(each) for each in zip(*updates, strict=True))
            name = f"{runs.__name__} {count:,}"
            print(
                f"{name:24}{median(firsts):12.0f}{min(firsts):8.0f}"
                f"{shown:12.1f}{script:11.1f}{elements:10}"
            )


def laid_out(open_page: Any, rounds: int) -> None:
    """Print layouts of a thousand boxes, with ratios to ours."""
    from runs_shown import snapshot, staged, tangled

    with tempfile.TemporaryDirectory() as folder:
        scripts = installed(Path(folder))
        print(f"\n{'layout of 1,000':24}{'median':>12}{'ratio':>10}")
        for runs in (staged, tangled):
            page = open_page(snapshot(runs(1_000)))
            ours = 0.0
            for name, source in LAYOUTS.items():
                if name != "nborch" and name not in scripts:
                    continue
                if name in scripts:
                    page.add_script_tag(path=scripts[name])
                often = rounds * 3 if name == "nborch" else min(rounds, 3)
                took = median(page.evaluate(source, often))
                ours = ours or took
                label = f"{runs.__name__} {name}"
                print(f"{label:24}{took:12.1f}{took / ours:9.0f}x")
            page.close()


def installed(folder: Path) -> dict[str, Path]:
    """Return the scripts of the peers that npm can fetch."""
    npm = shutil.which("npm")
    if npm is None:
        return {}
    command = [npm, "install", "--silent", "--no-audit", "--no-fund"]
    packages = [package for package, _ in PEERS.values()]
    subprocess.run([*command, *packages], cwd=folder, check=False, timeout=180)
    found = {
        name: folder / "node_modules" / package / path
        for name, (package, path) in PEERS.items()
    }
    return {name: path for name, path in found.items() if path.exists()}


def main() -> None:
    """Measure all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    rounds = 3 if parser.parse_args().quick else 7
    with opened() as open_page:
        painted(open_page, rounds)
        laid_out(open_page, rounds)


if __name__ == "__main__":
    main()
