"""What the runner sends to a kernel along with a cell: whose run the cell is."""

import sys
from datetime import UTC, datetime
from typing import Any

from nborch.context import RunContext
from nborch.home import current_home
from nborch.runs import Run, RunKind
from nborch.specs import Spec

__all__ = ["request_metadata", "sent_context"]


def request_metadata() -> dict[str, Any]:
    """Return what the runner sent along with the running cell, empty outside a run.

    >>> request_metadata()
    {}
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    # A shell without a kernel, in this process, knows its request itself.
    request = getattr(getattr(shell, "kernel", shell), "get_parent", None)
    if request is None:
        return {}
    sent = (request("shell") or {}).get("metadata", {}).get("nborch")
    return dict(sent) if isinstance(sent, dict) else {}


def sent_context() -> RunContext | None:
    """Return the run of the cell that a notebook flow executes, if one does."""
    sent = request_metadata()
    if "run_id" not in sent:
        return None
    name = str(sent.get("task", "cell"))
    home = current_home()
    run = Run(
        id=str(sent["run_id"]),
        kind=RunKind.TASK,
        of=name,
        name=str(sent.get("name", name)),
        created=datetime.now(UTC),
        process=home.process,
        parent_id=sent.get("flow_run_id"),
        details={"label": name},
    )
    return RunContext(run, Spec(kind=RunKind.TASK, name=name), home)
