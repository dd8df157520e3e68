"""What is known of an earlier run of a notebook: its values, cells and document."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nborch.exceptions import InvalidDeclaration, NotFound
from nborch.home import Home
from nborch.notebook.parameters import given_before
from nborch.notebook.reports import KeptCell
from nborch.parameters import shown
from nborch.runs import RunKind, RunRecord
from nborch.secrets import MASK

__all__ = [
    "Earlier",
    "check_parameters_are",
    "earlier_cells",
    "notebook_run_of",
    "parameters_of",
]

#: What papermill puts into a document at a failure.
_MARKER = "papermill-error-cell-tag"

#: A text about a value, as the store shows it, and not the value.
_TOLD = re.compile(r"[\[({<…].*|[A-Za-z_][\w.]*\(.*\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is known of a cell in an earlier run.

    Parameters
    ----------
    index
        Its place there, by which it is known where the document is lost.
    source
        Its text, or None where the document is lost.
    completed
        Whether it had run to its end.
    cached
        Whether its result was kept, and still is.
    """

    index: int
    cell_id: str | None = None
    source: str | None = None
    completed: bool = False
    cached: bool = False
    shown: KeptCell = field(default_factory=KeptCell)


def notebook_run_of(home: Home, reference: str) -> RunRecord:
    """Return the earlier run of a notebook by its name or id.

    Raises
    ------
    NotFound
        There is no such run.
    InvalidDeclaration
        It is not the run of a notebook, or it is still going on.
    """
    home.reap()
    record = home.store.record(reference)
    run = record.run
    if run.kind is not RunKind.FLOW or "notebook" not in run.details:
        what = f"a run of the {run.kind.value} {run.of!r}"
        raise InvalidDeclaration(
            f"{run.name!r} is {what}, not of a notebook. Call it once more in Python: "
            "what its tasks have kept is reused."
        )
    if not record.state.is_final():
        raise InvalidDeclaration(
            f"The run {run.name!r} is still going on ({record.state.name}), so there "
            "is nothing to resume."
        )
    return record


def parameters_of(
    record: RunRecord, given: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """Return the values that an earlier run was given.

    Parameters
    ----------
    given
        Values that take their place, or are known no longer.

    Raises
    ------
    NotFound
        Some are known no longer.
    """
    known, kept = dict(record.run.parameters), _kept_parameters(record)
    if kept is not None:
        known = kept
        lost = [name for name, value in known.items() if value == MASK]
        why = "is a secret, which nobody has kept"
    else:
        lost = [name for name, value in known.items() if _is_told(value)]
        why = "stood in its output notebook, which is gone"
    lost = [name for name in lost if name not in given]
    if lost:
        raise NotFound(
            f"The parameter {lost[0]!r} of {record.run.name!r} {why}. Give it again "
            f"with: -p {lost[0]}=VALUE"
        )
    return {**known, **given}


def _kept_parameters(record: RunRecord) -> dict[str, Any] | None:
    """Return the values that stand in the output notebook, if they are this run's."""
    document = _document_of(record, lambda _: record.run.id)
    if document is None:
        return None
    values = given_before(document)
    is_own = document.metadata.nborch.run == record.run.id
    # Another run, such as one that has resumed this, may have been given the same.
    return values if is_own or shown(values) == record.run.parameters else None


def _is_told(value: Any) -> bool:
    return isinstance(value, str) and bool(_TOLD.fullmatch(value))


def check_parameters_are(
    record: RunRecord, names: Iterable[str], values: Mapping[str, Any]
) -> None:
    """Raise if values that are taken over are not what the earlier run was given.

    A document keeps values as JSON. What the notebook does not declare the type of
    would come back as a text or a list.

    Parameters
    ----------
    names
        The parameters that were taken over.
    values
        As they are going to be used.
    """
    before, now = record.run.parameters, shown(values)
    for name in names:
        if name in before and now.get(name) != before[name]:
            raise InvalidDeclaration(
                f"The parameter {name!r} of {record.run.name!r} was {before[name]}, "
                f"of which its document keeps {now.get(name)!r} only. Give it again "
                f"with -p {name}=VALUE, and declare its type in the notebook."
            )


def earlier_cells(home: Home, record: RunRecord) -> Iterator[Earlier]:
    """Yield what is known of the cells of an earlier run."""

    def resumed_by(run_id: str) -> str | None:
        try:
            before = home.store.record(run_id).run.details.get("resumes")
        except NotFound:
            return None
        return str(before) if before else None

    document = _document_of(record, resumed_by)
    cells = document.cells if document else []
    # NB. papermill's marks of a failure were not there while the notebook ran.
    cells = [c for c in cells if _MARKER not in c.get("metadata", {}).get("tags", [])]
    for child in home.store.children(record.run.id):
        index = child.run.details.get("cell")
        if not isinstance(index, int):
            continue
        completed = child.state.is_completed() and child.state.name != "Skipped"
        key = str(child.state.details.get("cache_key") or "")
        cached = completed and key != "" and home.cache.lookup(key) is not None
        if index < len(cells):
            yield _earlier(index, cells[index], completed=completed, cached=cached)
        else:
            yield Earlier(index, completed=completed, cached=cached)


def _earlier(index: int, cell: Any, *, completed: bool, cached: bool) -> Earlier:
    shown = KeptCell(tuple(cell.get("outputs", ())), cell.get("execution_count"))
    return Earlier(
        index,
        cell.get("id"),
        cell.source,
        completed=completed,
        cached=cached,
        shown=shown,
    )


def _document_of(record: RunRecord, resumed_by: Callable[[str], str | None]) -> Any:
    """Return the output notebook of a run, or of one that has resumed it.

    None if it is gone, or another run's.

    Parameters
    ----------
    resumed_by
        Tells which run a run with this id has resumed.
    """
    from nbformat.v4 import nbjson

    path = record.run.details.get("output")
    try:
        nb = nbjson.reads(Path(path).read_text("utf-8")) if path else None
        whose = nb["metadata"]["nborch"]["run"] if nb else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    while whose is not None and whose != record.run.id:
        whose = resumed_by(whose)
    return nb if whose is not None else None
