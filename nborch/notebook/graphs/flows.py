"""Flow runs on show: each appears in the cell that calls it, and lives with it."""

import os
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from nborch.context import RunContext
from nborch.notebook.graphs.frames import Frame, has_notebook, shell_here
from nborch.notebook.graphs.live import LiveRun, going_on
from nborch.settings import load_settings
from nborch.view.notices import Notice

__all__ = ["run_begins", "setting"]

#: Graphs in the output of one cell: a loop that calls a flow must not flood it.
MOST = 8

#: How many flow runs a cell has called, by its request; of the last few cells.
_called: Counter[str] = Counter()
MOST_CELLS = 32


def run_begins(context: RunContext) -> Callable[[], object] | None:
    """Show a flow run that begins; return what is to be called when it has ended."""
    live = going_on.get()
    if live is not None:
        going_on.set(None)
        live.begin(context)
        return live.end
    wanted = setting()
    shell = shell_here()
    if wanted == "off" or context.spec.quiet or not has_notebook(shell):
        return None
    frame = Frame(shell)
    if not _has_room(frame):
        return None
    live = LiveRun(frame, freezes=wanted == "freeze")
    if frame.is_attended and frame.takes_updates:
        # NB. Before its first line is printed.
        context.is_on_show = context.home.settings.graph_lines != "all"
    live.begin(context)
    return live.end


def setting() -> str:
    """Return whether graphs are wanted here: "auto", "freeze" or "off"."""
    return _setting(Path.cwd(), os.environ.get("NBORCH_GRAPH"))


@lru_cache(maxsize=8)
def _setting(folder: Path, _environ: str | None) -> str:
    return load_settings(folder).graph


def _has_room(frame: Frame) -> bool:
    """Tell whether one more graph fits into the cell; say so once if it does not."""
    cell = frame.cell
    if len(_called) > MOST_CELLS:
        del _called[next(iter(_called))]
    _called[cell] += 1
    if _called[cell] == MOST + 1:
        told = Notice(
            "further flow runs of this cell are not drawn",
            "draw one with: %nborch graph NAME",
        )
        frame.show(told.bundle())
    return _called[cell] <= MOST
