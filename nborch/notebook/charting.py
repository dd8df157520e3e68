"""What the cells of a notebook need of each other, by their text alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nborch.exceptions import InvalidDeclaration
from nborch.notebook.analysis import CellAnalysis, analyse
from nborch.notebook.cell_runs import CellFacts
from nborch.notebook.headers.header import Header, parse_header
from nborch.notebook.magics import is_flow, is_task
from nborch.notebook.parameters.declared import has_tag, is_python, names_declared

__all__ = ["ChartedCell", "analysis_of", "chart", "links", "makers_of"]


@dataclass(frozen=True, slots=True)
class ChartedCell:
    """A code cell, and what passes between it and the others.

    Parameters
    ----------
    index
        Its place among all cells, from 0.
    needs
        The names that it reads of an earlier cell, with the place of that cell.
    makes
        The names that it binds or changes, imports and definitions left out.
    """

    index: int
    name: str
    is_task: bool
    needs: Mapping[str, int] = field(default_factory=dict)
    makes: tuple[str, ...] = ()


def chart(nb: Any) -> list[ChartedCell]:
    """Return the code cells of a Python notebook with what passes between them.

    ::

        for cell in chart(nb):
            print(cell.name, "needs", *cell.needs)

    Cells whose text cannot be read need and make nothing.
    """
    cells = []
    makers: dict[str, int] = {}
    for index, node in enumerate(nb.cells):
        if node.cell_type != "code" or not node.source.strip():
            continue
        facts = CellFacts.of(index, node.source, node.metadata.get("tags", []))
        found, header = analysis_of(node.source), _header(node.source)
        reads, makes = _names(found, header, makers)
        if has_tag(node, "parameters"):
            # Those that are only annotated get their values from the run.
            makes |= _declared(node)
        needs = {name: makers[name] for name in sorted(reads) if name in makers}
        makers |= dict.fromkeys(makes, index)
        cells.append(
            ChartedCell(index, facts.name, facts.is_task, needs, tuple(sorted(makes)))
        )
    return cells


def links(
    cells: list[ChartedCell],
) -> Iterator[tuple[ChartedCell, ChartedCell, list[str]]]:
    """Yield which cell passes which names to which."""
    by_index = {cell.index: cell for cell in cells}
    for cell in cells:
        passed: dict[int, list[str]] = {}
        for name, maker in cell.needs.items():
            passed.setdefault(maker, []).append(name)
        for maker in sorted(passed):
            yield by_index[maker], cell, passed[maker]


#: Of a notebook with more cells it is not told what they need of each other: to read
#: them takes a quarter of a millisecond for each.
MOST = 400


def makers_of(nb: Any) -> dict[int, list[int]]:
    """Return, for cells that read what others make, the places of those others."""
    if len(nb.cells) > MOST or not is_python(nb):
        return {}
    makers: dict[int, list[int]] = {}
    try:
        cells = chart(nb)
    except Exception:  # noqa: BLE001  # what a graph shows must not end the run
        return {}
    for maker, taker, _ in links(cells):
        makers.setdefault(taker.index, []).append(maker.index)
    return makers


def analysis_of(source: str) -> CellAnalysis | None:
    """Return what a cell reads and makes; None if it is not Python's to read."""
    from IPython.core.inputtransformer2 import TransformerManager

    first, _, rest = source.partition("\n")
    body = rest if is_task(first) or is_flow(first) else source
    try:
        return analyse("\n" + TransformerManager().transform_cell(body))
    except (SyntaxError, ValueError, RecursionError):
        return None


def _declared(node: Any) -> frozenset[str]:
    try:
        return names_declared(node)
    except InvalidDeclaration:
        return frozenset()


def _header(source: str) -> Header:
    first = source.partition("\n")[0]
    if is_task(first):
        try:
            return parse_header(first)
        except InvalidDeclaration:
            # The cell itself tells of it when it runs.
            pass
    return Header()


def _names(
    found: CellAnalysis | None, header: Header, makers: Mapping[str, int]
) -> tuple[set[str], set[str]]:
    """Return what a cell reads, and what it makes as data."""
    reads, makes = set(header.needs or ()), set(header.makes or ())
    if found is not None:
        reads |= found.reads | found.deferred
        makes |= (found.writes | found.maybe_writes) - found.prelude_names
        makes |= found.mutates & makers.keys()
    return reads, {name for name in makes if not name.startswith("_")}
