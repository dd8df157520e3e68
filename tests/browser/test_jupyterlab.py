"""A person in JupyterLab: Run All, restart, Run All again, and a run from a terminal."""

import os
import re
from pathlib import Path

import pytest

from nborch.runs import RunKind
from nborch.store.sqlite import SQLiteStore

#: As on the page: cell tasks with a print, a table and a plot.
CELLS = [
    "%load_ext nborch\n%matplotlib inline",
    "import time\n\nimport matplotlib.pyplot as plt\nimport pandas as pd",
    """%%task load
time.sleep(1)
rows = pd.DataFrame({'a': range(5)})
print(f'{len(rows)} rows')
rows.head(2)""",
    ("Each cell task says below what came of it.",),
    "%%task plot\nplt.figure(figsize=(4, 2))\nplt.plot(rows['a']);",
    "%%task square\nrows['b'] = rows['a'] ** 2\nint(rows['b'].sum())",
    "%%task shell\n!echo from the shell",
    "assert rows['b'].sum() == 30\nprint('as it should be')",
]
DONE = "as it should be"
OUTPUT = ".jp-OutputArea-output"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def menu(page, name, item):
    page.locator(".lm-MenuBar-itemLabel", has_text=name).first.click()
    page.locator(".lm-Menu-itemLabel", has_text=item).first.click()


def badges(page, count, seconds=60):
    """Wait until all cells have run; return what the badges say."""
    page.locator(OUTPUT, has_text=DONE).wait_for(timeout=seconds * 1000)
    shown = page.locator(f"{OUTPUT}.jp-RenderedHTMLCommon", has_text=re.compile("[●◌]"))
    texts = [" ".join(text.split()) for text in shown.all_inner_texts()]
    assert len(texts) == count, texts
    return texts


def test_jupyterlab(open_notebook, jupyter):
    """Badges appear under cell tasks; after a restart they say ``cached``, with the same
    outputs, and ``nborch run`` uses the same results.
    """
    view = {"width": 1100, "height": 1400}
    page = open_notebook("page.ipynb", CELLS, viewport=view).page

    menu(page, "Run", "Run All Cells")
    first = badges(page, 4)
    screenshot(page, "first")

    menu(page, "Kernel", "Restart Kernel and Run All Cells…")
    page.locator(".jp-Dialog button.jp-mod-accept").click()
    page.locator(".jp-Dialog").wait_for(state="detached")
    page.locator(OUTPUT, has_text=DONE).wait_for(state="detached", timeout=60_000)
    second = badges(page, 4)
    screenshot(page, "second")

    assert [text.split()[1] for text in first] == ["ran", "ran", "ran", "uncached"]
    assert [text.split()[1] for text in second] == [
        *["cached", "cached", "cached"],
        "uncached",
    ]
    assert "instead of" in second[0]
    assert page.locator(f"{OUTPUT} img").count() == 1
    assert page.locator(f"{OUTPUT} table").count() == 1
    assert page.locator(OUTPUT, has_text="5 rows").count() == 1
    assert page.locator(".jp-OutputArea-executeResult").last.inner_text().endswith("30")

    told = jupyter.run("nborch", "run", "page.ipynb")

    assert "3 of 4 cell tasks cached" in told
    assert named_sessions(jupyter.home).count("page") == 2


def named_sessions(home):
    store = SQLiteStore(home / "nborch.db")
    names = [record.run.of for record in store.records(kinds=(RunKind.SESSION,))]
    store.close()
    return names


def screenshot(page, name):
    """Keep a picture for those who want to look."""
    folder = os.environ.get("NBORCH_TEST_SCREENSHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"lab-{name}.png"))
