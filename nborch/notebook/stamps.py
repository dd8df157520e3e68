"""Stamps: what an executed notebook's metadata tell of its run, as papermill writes it.

The notebook and each of its cells carry a ``papermill`` entry: when it began and ended,
and how. ``nborch`` names the run itself.
"""

from datetime import UTC, datetime
from typing import Any

from nborch.notebook.reports import CellOutcome, CellReport
from nborch.runs import Run
from nborch.states import State

__all__ = [
    "stamp_ended",
    "stamp_finished",
    "stamp_run",
    "stamp_started",
    "stamp_waiting",
]

_STATUS = {
    CellOutcome.COMPLETED: "completed",
    CellOutcome.NOT_RUN: "pending",
    CellOutcome.KEPT: "completed",
}
_UNKNOWN = {"exception": None, "start_time": None, "end_time": None, "duration": None}


def stamp_waiting(nb: Any) -> None:
    """Note that the notebook has begun, and that its cells have not."""
    about = nb.metadata.setdefault("papermill", {})
    about.update({**_UNKNOWN, "start_time": _now()})
    for node in nb.cells:
        node.metadata["papermill"] = {"status": "pending", **_UNKNOWN}


def stamp_started(node: Any) -> None:
    """Note that a cell has begun."""
    stamp = {"status": "running", "start_time": _now(), "exception": False}
    node.metadata["papermill"].update(stamp)


def stamp_finished(node: Any, report: CellReport) -> None:
    """Note how a cell has ended."""
    if report.outcome is CellOutcome.NOT_RUN:
        return
    about = node.metadata["papermill"]
    about.update(
        {
            "status": _STATUS.get(report.outcome, "failed"),
            "exception": report.outcome.ends_the_run,
            "start_time": about.get("start_time") or _now(),
            "end_time": _now(),
            "duration": round(report.seconds, 6),
        }
    )


def stamp_ended(nb: Any, *, failed: bool) -> None:
    """Note that the notebook has ended."""
    about = nb.metadata.setdefault("papermill", {})
    about["end_time"] = _now()
    if about.get("start_time"):
        began = datetime.fromisoformat(about["start_time"])
        about["duration"] = (datetime.now(UTC) - began).total_seconds()
    about["exception"] = failed or None


def stamp_run(nb: Any, run: Run, ended: State | None) -> None:
    """Note whose outputs they are, and how the run ended once it has."""
    told = ended and ended.stamped(datetime.now(UTC), run.id)
    nb.metadata["nborch"] = {
        "run": run.id,
        "name": run.name,
        "state": told and told.to_json(),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat()
