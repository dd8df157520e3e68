"""Portraits: what front ends show of runs and servers, beside their plain cards."""

from typing import Any

from nborch.deploy.serving import Server
from nborch.notebook.graphs.frames import has_notebook, shell_here
from nborch.notebook.graphs.stored import drawn
from nborch.notebook.served import ServedView
from nborch.runs import RunRecord

__all__ = ["looks_of"]


def looks_of(what: object) -> dict[str, Any] | None:
    """Return what a notebook shows of a run or a server; None without a notebook."""
    if not has_notebook(shell_here()):
        return None
    if isinstance(what, RunRecord):
        return drawn(what)
    if isinstance(what, Server):
        return ServedView(what).bundle()
    return None
