"""A picture of a notebook's run: its cells in the colours of how they ended."""

from collections.abc import Iterable
from typing import Any

from nborch.diagrams import Box, Diagram
from nborch.notebook.cell_runs import CellRun
from nborch.notebook.charting import chart, links

__all__ = ["add_picture", "run_diagram"]

#: The tag of the cell that holds the picture.
TAG = "nborch-graph"

#: Of a notebook with more cells, the picture shows the cell tasks alone.
MOST = 60


def run_diagram(nb: Any, cells: Iterable[CellRun]) -> Diagram:
    """Return the cells of a run, with an arrow where one reads what another made."""
    cells = list(cells)
    if len(cells) > MOST:
        cells = [cell for cell in cells if cell.is_task] or cells[:MOST]
    drawn = {cell.index for cell in cells}
    arrows = [
        (str(maker.index), str(taker.index))
        for maker, taker, _ in links(chart(nb))
        if {maker.index, taker.index} <= drawn
    ]
    return Diagram([_box(cell) for cell in cells], tuple(arrows))


def add_picture(nb: Any, cells: Iterable[CellRun], title: str) -> None:
    """Put a picture of the run at the end of the notebook, in place of an earlier one.

    Parameters
    ----------
    title
        What the picture is of.
    """
    from base64 import b64encode

    from nbformat.v4 import new_markdown_cell

    from nborch.pictures import svg

    picture = svg(run_diagram(nb, cells), title)
    # NB. An attachment: front ends that do not trust the notebook show it, too.
    cell = new_markdown_cell(
        f"![{title}](attachment:graph.svg)",
        attachments={
            "graph.svg": {"image/svg+xml": b64encode(picture.encode()).decode()}
        },
        metadata={"tags": [TAG]},
    )
    if (nb.nbformat, nb.nbformat_minor) < (4, 5):
        cell.pop("id", None)
    nb.cells[:] = [c for c in nb.cells if TAG not in c.metadata.get("tags", ())]
    nb.cells.append(cell)


def _box(cell: CellRun) -> Box:
    state = cell.state
    told = f" · {state.name}" if state and state.name != "Completed" else ""
    return Box(
        str(cell.index),
        f"{cell.name}{told}",
        state=state.type.value if state else None,
        is_flow=cell.is_task,
    )
