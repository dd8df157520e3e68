"""The runs of a flow as a diagram, from their records."""

from collections import Counter
from collections.abc import Iterable, Mapping

from nborch.diagrams import Box, Diagram
from nborch.runs import RunKind, RunRecord
from nborch.showing import WORST

__all__ = ["diagram", "mermaid"]

#: More runs of one task within one run are drawn as one box.
MOST = 20

TIMES = "\N{MULTIPLICATION SIGN}"

Runs = Mapping[str, RunRecord]


def mermaid(records: Iterable[RunRecord]) -> str:
    """Return the runs as the text of a Mermaid flowchart.

    ``mermaid(store.within(run_id))`` draws a flow run with all runs within it: each
    in the colour of its state, subflows as boxes around theirs, and many runs of one
    task as one box with their number.
    """
    return diagram(records).mermaid()


def diagram(records: Iterable[RunRecord]) -> Diagram:
    """Return the runs as boxes, with an arrow where one took another's result."""
    runs = {record.run.id: record for record in records}
    box_of = _boxes(runs)
    members: dict[str, list[RunRecord]] = {}
    for run_id, record in runs.items():
        parent = record.run.parent_id
        if parent not in runs or box_of[run_id] != box_of[parent]:
            members.setdefault(box_of[run_id], []).append(record)
    boxes = [_box(box, members[box], box_of) for box in members]
    return Diagram(boxes, tuple(_arrows(runs, box_of, boxes)))


def _boxes(runs: Runs) -> dict[str, str]:
    """Return the id of the box that each run is drawn in: that of a run."""
    children: dict[str | None, list[RunRecord]] = {}
    for record in runs.values():
        parent = record.run.parent_id
        children.setdefault(parent if parent in runs else None, []).append(record)
    box_of: dict[str, str] = {}
    # Each with the box that hides all within, if it is one of many.
    waiting: list[tuple[str | None, str | None]] = [(None, None)]
    while waiting:
        parent, hidden = waiting.pop()
        siblings = children.get(parent, ())
        alike = Counter((record.run.kind, record.run.of) for record in siblings)
        first: dict[tuple[RunKind, str], str] = {}
        for record in siblings:
            run, kind = record.run, (record.run.kind, record.run.of)
            within = hidden
            if within is None and alike[kind] > MOST:
                within = first.setdefault(kind, run.id)
            box_of[run.id] = within or run.id
            waiting.append((run.id, within))
    return box_of


def _box(box: str, members: list[RunRecord], box_of: Mapping[str, str]) -> Box:
    """Return the box of a run, or of many runs of one task."""
    run = members[0].run
    states = Counter(record.state.type.value for record in members)
    label = run.name
    if len(members) > 1:
        others = [
            f"{states[state]} {state.lower()}"
            for state in WORST
            if states[state] and state != "COMPLETED"
        ]
        told = f" ({', '.join(others)})" if others else ""
        label = f"{run.of} {TIMES} {len(members)}{told}"
    return Box(
        id=box,
        label=label,
        within=box_of.get(run.parent_id or ""),
        state=next(state for state in WORST if states[state]),
        is_flow=run.kind is RunKind.FLOW,
    )


def _arrows(
    runs: Runs, box_of: Mapping[str, str], boxes: Iterable[Box]
) -> dict[tuple[str, str], None]:
    """Return the arrows between boxes, each once, in the order of the runs."""
    around = {box.id: box.within for box in boxes}
    arrows: dict[tuple[str, str], None] = {}
    for run_id, record in runs.items():
        target = box_of[run_id]
        for upstream in record.run.details.get("upstream", ()):
            source = box_of.get(upstream)
            # Mermaid draws none from a box to what is in it.
            if source and not (
                _encloses(source, target, around) or _encloses(target, source, around)
            ):
                arrows[source, target] = None
    return arrows


def _encloses(outer: str, inner: str, around: Mapping[str, str | None]) -> bool:
    """Tell whether a box is around another, or the same."""
    box: str | None = inner
    while box is not None and box != outer:
        box = around.get(box)
    return box is not None
