"""A server in a notebook: it shows what it does, and stops at the press of a button."""

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

FLOW = """
from nborch import flow, run_deployment

@flow
def report(day: int):
    if day == 2:
        raise ValueError("no data")

server = report.serve(name="nightly", cron="0 2 * * *", timezone="Europe/Berlin")
server
"""


def test_a_server_is_seen_at_work_and_stopped(open_notebook):
    """What it has run appears by itself; the button stops it, while a cell goes on."""
    cells = [
        FLOW,
        "for day in (1, 2):\n    run_deployment('nightly', {'day': day}, timeout=60)",
        "server",
    ]
    notebook = open_notebook("served.ipynb", cells)

    notebook.run(0, seconds=60)
    view = notebook.output(0).last
    view.get_by_text("report/nightly").first.wait_for()
    view.get_by_text("next").first.wait_for()
    notebook.run(1, seconds=90)
    view.get_by_text("✕ failed").wait_for()
    view.get_by_text("✓ completed").wait_for()
    view.get_by_role("button", name="Stop").click()
    view.get_by_text("stopped").wait_for()
    view.locator("button[disabled]").wait_for()
    notebook.run(2)

    assert "stopped" in notebook.output(2).first.inner_text()
