"""Going on with a notebook where an earlier run of it ended."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nborch.home import Home
from nborch.notebook.earlier_runs import Earlier, earlier_cells
from nborch.notebook.marks import marks_of
from nborch.notebook.reports import KeptCell
from nborch.runs import RunRecord

__all__ = ["Resumption", "kept_cells", "resume"]


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a run takes over from an earlier one of the same notebook.

    >>> print(Resumption("nimble-falcon", "Failed", cells=12, restored=(1, 2, 5)))
    Resuming nimble-falcon (Failed). 12 cells: 3 restored, 9 run.

    Parameters
    ----------
    name, state
        The earlier run, and how it ended.
    cells
        How many cells of code the notebook has.
    restored
        The places of cell tasks whose results are at hand, if what they depend on has
        not changed.
    kept
        Cells that may only run once and have, by their place, with what they showed.
    edited
        The places of cells that may only run once and have, but as another text.
    """

    name: str
    state: str
    cells: int = 0
    restored: tuple[int, ...] = ()
    kept: Mapping[int, KeptCell] = field(default_factory=dict)
    edited: tuple[int, ...] = ()

    def __str__(self) -> str:
        counts = {
            "restored": len(self.restored),
            "kept": len(self.kept),
            "run": self.cells - len(self.restored) - len(self.kept),
        }
        told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        cells = "1 cell" if self.cells == 1 else f"{self.cells} cells"
        text = f"Resuming {self.name} ({self.state}). {cells}: {told or 'none run'}."
        for index in self.edited:
            text += f" Cell {index + 1} is run once more: its text has changed since."
        return text

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {
            "resumes": self.name,
            "cells": self.cells,
            "restored": list(self.restored),
            "kept": list(self.kept),
            "edited": list(self.edited),
        }


def resume(home: Home, record: RunRecord, nb: Any) -> Resumption:
    """Return what a run of this notebook takes over from an earlier one.

    Parameters
    ----------
    nb
        The notebook as it is going to run, its parameters injected.
    """
    return _resumption(nb, record, tuple(earlier_cells(home, record)))


def kept_cells(nb: Any, earlier: Any, completed: Container[int]) -> dict[int, KeptCell]:
    """Return the cells that may only run once and have, in an attempt before this one.

    Parameters
    ----------
    earlier
        The notebook of that attempt.
    completed
        The places of the cells that ran to their end.
    """
    return {
        index: KeptCell(tuple(cell.outputs), cell.execution_count)
        for index, cell in enumerate(earlier.cells)
        if cell.cell_type == "code"
        and index in completed
        and index < len(nb.cells)
        and nb.cells[index].source == cell.source
        and marks_of(cell, index + 1).once
    }


def _resumption(nb: Any, record: RunRecord, earlier: Iterable[Earlier]) -> Resumption:
    earlier = list(earlier)
    kept: dict[int, KeptCell] = {}
    edited, restored, count = [], [], 0
    for index, cell in enumerate(nb.cells):
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        count += 1
        known = _found(index, cell, earlier)
        if known is None or not known.completed:
            continue
        same = known.source in {None, cell.source}
        if marks_of(cell, index + 1).once:
            if same:
                kept[index] = known.shown
            else:
                edited.append(index)
        elif same and known.cached:
            restored.append(index)
    return Resumption(
        record.run.name,
        record.state.name,
        count,
        tuple(restored),
        kept,
        tuple(edited),
    )


def _found(index: int, cell: Any, earlier: list[Earlier]) -> Earlier | None:
    """Return what is known of a cell: by its id, its text, or its place."""
    if not any(each.source is not None for each in earlier):
        return next((each for each in earlier if each.index == index), None)
    named = [e for e in earlier if e.cell_id and e.cell_id == cell.get("id")]
    # NB. Cells may have been moved or copied, and a notebook without ids gets others
    # with every reading: the text counts for more.
    same = [each for each in earlier if each.source == cell.source]
    known = [each for each in named if each in same] or same or named
    return min(known, key=lambda each: abs(each.index - index), default=None)
