"""Changing how a run goes on: to end it, and to have it done again."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Literal

from nborch import leasing
from nborch.exceptions import InvalidDeclaration, NotFound, UnfinishedRun
from nborch.home import Home
from nborch.runs import RunKind, RunRecord

__all__ = ["again", "cancel", "possible", "resume"]

Action = Literal["cancel", "retry", "resume"]

#: Why a run has ended that was cancelled from elsewhere.
WHY = "Cancelled on request."


def possible(home: Home, record: RunRecord) -> list[Action]:
    """Return what can be done with a run as it stands."""
    can: list[Action] = []
    if not record.state.is_over():
        if _is_queued(record) or _ends_by_signal(home, record):
            can.append("cancel")
    elif _deployment_id(record):
        can.append("retry")
    elif _notebook(record) and not record.state.is_completed():
        can.append("resume")
    return can


def cancel(home: Home, record: RunRecord) -> str:
    """Have a run end as Cancelled; return what that comes to, in a word.

    That is "cancelled", "cancelling", or "over" if it had ended before.

    Raises
    ------
    NotFound
        It is no run that anybody but its own process could end.
    """
    if _is_queued(record):
        return home.queue.request_cancel(record.run.id)
    if record.state.is_over():
        return "over"
    # Which runs there are here knows who has begun one (law 7).
    from nborch import cancelling

    if cancelling.cancel(record.run.id, WHY):
        return "cancelling"
    if _ends_by_signal(home, record):
        cancelling.end_program(home, record.run, WHY)
        return "cancelling"
    raise NotFound(
        f"The run {record.run.name!r} is not one of a deployment, and goes on within "
        "something else. End it where it was started: by Ctrl-C, or with the "
        "notebook's own button."
    )


def again(home: Home, record: RunRecord) -> RunRecord:
    """Make a run of a deployment once more; return the new one.

    Raises
    ------
    UnfinishedRun
        It goes on.
    InvalidDeclaration
        It was not made by a deployment.
    """
    _check_over(record)
    deployment_id = _deployment_id(record)
    if deployment_id is None:
        what = "Resume it" if _notebook(record) else "Start it where its code is"
        raise InvalidDeclaration(
            f"The run {record.run.name!r} was made by no deployment, so no worker can "
            f"make it again. {what}."
        )
    deployment = home.deployments.get(deployment_id)
    # What it loads nobody needs who only looks (law 7).
    from nborch.deploy.triggering import trigger

    return trigger(home, deployment, record.run.parameters)


def resume(home: Home, record: RunRecord) -> str:
    """Have a notebook go on where its run ended, in a process; return what is told.

    Raises
    ------
    UnfinishedRun
        It goes on.
    InvalidDeclaration
        It is no run of a notebook, or completed.
    """
    _check_over(record)
    notebook = _notebook(record)
    if notebook is None or _deployment_id(record) or record.state.is_completed():
        raise InvalidDeclaration(
            f"The run {record.run.name!r} cannot be resumed: only one of a notebook "
            "can that was run by `nborch run`, and did not complete."
        )
    folder = Path(notebook).parent
    if not folder.is_dir():
        raise NotFound(f"The folder {str(folder)!r} of the notebook is not there.")
    # NB. The id is one of the store's own, and stands for itself.
    words = ["-m", "nborch", "flow-run", "retry", "--quiet", record.run.id]
    process = subprocess.Popen(  # noqa: S603  # ours
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "NBORCH_HOME": str(home.folder), "NBORCH_API_URL": ""},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    # NB. Somebody has to take note of its end: else it stays as a zombie.
    threading.Thread(target=process.wait, daemon=True).start()
    return f"The notebook {Path(notebook).name!r} goes on, as a new run."


def _check_over(record: RunRecord) -> None:
    if not record.state.is_over():
        raise UnfinishedRun(
            f"The run {record.run.name!r} is not over. Wait for it, or cancel it with: "
            f"nborch flow-run cancel {record.run.name}"
        )


def _is_queued(record: RunRecord) -> bool:
    # A server answers before it has loaded what knows of queues (law 7).
    from nborch.work import QUEUE

    return record.run.process == QUEUE or "deployment" in record.run.details


def _deployment_id(record: RunRecord) -> str | None:
    told = record.run.details.get("deployment")
    found = told.get("id") if isinstance(told, dict) else None
    return str(found) if found else None


def _notebook(record: RunRecord) -> str | None:
    told = record.run.details.get("notebook")
    return told if isinstance(told, str) else None


def _ends_by_signal(home: Home, record: RunRecord) -> bool:
    """Tell whether a signal would end this run, and nothing else.

    That is so for a program of this machine which does nothing but this flow.
    """
    from nborch import cancelling

    run = record.run
    if cancelling.is_cancellable(run.id):
        return True
    if run.kind is not RunKind.FLOW or run.parent_id is not None:
        return False
    host = run.process.partition(":")[0]
    is_here = host == os.uname().nodename.replace(":", "-")
    return (
        is_here
        and _pid(record) not in {0, os.getpid()}
        and leasing.is_alive(home.folder / "processes", run.process)
        and home.listing.is_alone(record)
    )


def _pid(record: RunRecord) -> int:
    parts = record.run.process.split(":")
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0
