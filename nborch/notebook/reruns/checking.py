"""Checking whether a cell task is deterministic: it runs again, and nothing stays."""

from typing import Any

from nborch.cache.fingerprints import fingerprint
from nborch.exceptions import InvalidDeclaration
from nborch.notebook.cells import CellTask
from nborch.notebook.effects.surroundings import Surroundings, restore_generators
from nborch.notebook.reruns.reports import Report, Row
from nborch.notebook.reruns.steps import CellRun, Outcome

__all__ = ["check"]


def check(shell: Any, run: CellRun, cell: CellTask) -> Report:
    """Run a cell again and tell which of the names that it makes come out different.

    What it shows is not shown, and the names keep the values they have.

    Raises
    ------
    InvalidDeclaration
        Nothing is known to compare with, or the cell changes its own inputs.
    """
    _check_that_it_can_be(run, cell)
    namespace = shell.user_ns
    before, surroundings = dict(namespace), Surroundings.now()
    try:
        made = _made(shell, run, cell)
        changed = [n for n in sorted(run.reads) if _differs(cell, n, namespace)]
    finally:
        for name in namespace.keys() - before.keys():
            del namespace[name]
        namespace.update(before)
        states = {"python": surroundings.python, "numpy": surroundings.numpy}
        restore_generators({n: state for n, state in states.items() if state})
    rows = [
        Row("✓" if same else "✕", [name, "same" if same else "another value"], shade)
        for name, same in made.items()
        for shade in ["COMPLETED" if same else "FAILED"]
    ]
    differing = [name for name, same in made.items() if not same]
    lines = [f"`{name}` was changed by the check." for name in changed]
    if differing:
        told = ", ".join(f"`{name}`" for name in differing)
        lines.append(f"Running it again makes another {told}.")
        if any(each.startswith("generator ") for each in _found(cell)):
            lines.append("It draws random numbers. Seed the generator in the cell.")
        return Report(f"{run.task}: not deterministic", rows, lines)
    return Report(f"{run.task}: deterministic", rows, lines)


def _check_that_it_can_be(run: CellRun, cell: CellTask) -> None:
    """Raise where running the cell again would not be the same run, or would stay."""
    told = f"Task {run.task!r} cannot be checked: "
    if run.outcome is Outcome.FAILED:
        raise InvalidDeclaration(f"{told}it failed. Run its cell first.")
    if not any(run.made.values()):
        raise InvalidDeclaration(f"{told}it makes nothing that can be compared.")
    if run.changes_inputs:
        names = ", ".join(f"`{name}`" for name in sorted(run.changes_inputs))
        raise InvalidDeclaration(
            f"{told}it changes {names}, which it also reads. "
            "Let the cell make a new name instead."
        )
    if cell.ingredients is None or run.ingredients is None or cell.key != run.key:
        raise InvalidDeclaration(
            f"{told}what it reads has changed since it ran. Bring it up to date with: "
            f"%nborch run {run.task}"
        )
    if cell.analysis.is_async:
        raise InvalidDeclaration(f"{told}it awaits, and a magic cannot.")


def _made(shell: Any, run: CellRun, cell: CellTask) -> dict[str, bool]:
    """Run the cell unseen; tell of each name that it makes whether it is the same."""
    from IPython.utils.capture import capture_output

    with capture_output():
        cell.execute()
    return {
        name: name in shell.user_ns and _digest(shell.user_ns[name]) == made
        for name, made in sorted(run.made.items())
        if made
    }


def _digest(value: Any) -> str:
    try:
        return fingerprint(value)
    except Exception:  # noqa: BLE001  # the user's own code is asked
        return ""


def _differs(cell: CellTask, name: str, namespace: dict[str, Any]) -> bool:
    known = cell.fingerprints.get(name)
    return known is not None and name in namespace and _digest(namespace[name]) != known


def _found(cell: CellTask) -> list[str]:
    return list(cell.ingredients.found) if cell.ingredients else []
