"""What a run leaves behind, and what can be done about it, in a real browser."""

import os
import subprocess
import sys
from textwrap import dedent

import nbformat
import pytest
from page_site import until

pytestmark = pytest.mark.timeout(180)

#: Gives what it has found, then needs what is not there yet.
CELLS = (
    """
    import nborch
    nborch.result("# Orders\\n\\nAll of **March** is there.", name="report")
    nborch.result([{"city": "Ulm", "rows": 3}, {"city": "Bern", "rows": 5}], "table")
    """,
    """
    nborch.result("https://example.org/orders?month=3", name="link")
    nborch.result(bytearray(200_000), name="raw")
    """,
    """
    from pathlib import Path
    Path("prices.csv").read_text()
    """,
)

PROGRAM = """
    import sys, time
    from pathlib import Path
    from nborch import flow

    @flow
    def tidy_up():
        while True:
            time.sleep(0.01)

    tidy_up()
"""


@pytest.fixture
def environ(site_of_few):
    return {**os.environ, "NBORCH_HOME": str(site_of_few.folder)}


@pytest.fixture
def failed(environ, tmp_path):
    """The name of a notebook's flow, of which a run has failed."""
    cells = [nbformat.v4.new_code_cell(dedent(cell).strip()) for cell in CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "orders_of.ipynb")
    command = [sys.executable, "-m", "nborch", "run", "--quiet", "orders_of.ipynb"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, check=False
    )
    assert done.returncode == 1, done.stderr
    return "orders_of"


def test_what_cells_gave_is_shown_and_a_run_goes_on(
    look, site_of_few, failed, tmp_path
):
    """Results have their name, kind and content; Resume goes on where the run ended."""
    page = look(site_of_few, f"?flow={failed}")
    page.locator(".run-row[data-type=FAILED] .run-name").click()
    page.wait_for_url("**/runs/*")

    page.locator(".tabs a[data-tab=artifacts]").click()
    page.locator(".artifacts li").first.wait_for()
    shown = page.locator(".artifacts").inner_text()
    for text in (
        *("report", "str", "# Orders\n\nAll of **March** is there."),
        *("table", "list", "Ulm", "Bern", "link", "https://example.org/orders?month=3"),
        *("raw", "bytearray", "200 kB"),
    ):
        assert text in shown
    assert "What it returned" not in shown

    (tmp_path / "prices.csv").write_text("apple,3\n")
    page.get_by_role("button", name="Resume").click()
    page.get_by_text("'orders_of.ipynb' goes on, as a new run.").wait_for()
    page.goto(site_of_few.address(f"?flow={failed}"))
    page.locator(".run-row[data-type=COMPLETED] .run-name").click(timeout=60_000)
    page.wait_for_url("**/runs/*")

    until(page, "document.documentElement.dataset.ready === 'true'")
    page.locator(".head .pill[data-type=COMPLETED]").wait_for()
    assert page.get_by_role("button", name="Resume").count() == 0


def test_a_program_is_cancelled_from_its_page(look, site_of_few, environ, script):
    """A run of a program ends as Cancelled, with its program."""
    program = script(PROGRAM, NBORCH_HOME=environ["NBORCH_HOME"])
    page = look(site_of_few, "?flow=tidy-up")
    page.locator(".run-row[data-type=RUNNING] .run-name").click()
    page.wait_for_url("**/runs/*")

    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the run").click()

    page.locator(".head .pill[data-type=CANCELLED]").wait_for()
    assert program.wait(20) != 0
