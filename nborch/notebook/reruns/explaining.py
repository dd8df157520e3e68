"""Why a cell task ran again, or would: the ingredient that is another one."""

import ast
from collections.abc import Iterator
from difflib import unified_diff

from nborch.notebook.ingredients import UNDEFINED, Difference, Ingredients, differences
from nborch.notebook.reruns.history import History
from nborch.notebook.reruns.reports import Report, Row
from nborch.notebook.reruns.staleness import Standing, Status
from nborch.notebook.reruns.steps import CellRun, PlainRun

__all__ = ["explained"]

#: Lines of a diff that are shown.
MOST_LINES = 40
#: Digits of a digest that people compare.
DIGITS = 8


def explained(
    history: History,
    standing: Standing,
    now: Ingredients | None,
    previous: CellRun | None,
) -> Report:
    """Return what tells a cell's last run from the one before it, and from now.

    Parameters
    ----------
    now
        What would go into the cell if it ran now.
    previous
        The run before the last one, of this kernel or another.
    """
    run = standing.run
    rows: list[Row] = []
    code = ""
    if run.ingredients is not None and now is not None and standing.is_outdated:
        rows += _rows(history, run.number, differences(run.ingredients, now))
        lines = [_outlook(standing)]
    elif run.ingredients is None:
        told = run.reason or "nobody knows what goes into it"
        lines = [f"It runs each time: {told}."]
    else:
        changed = _between(previous, run)
        rows += _rows(history, previous.number if previous else 0, changed)
        lines = [_past(run, previous, changed)]
        if standing.status is not Status.FRESH:
            lines.append(_outlook(standing))
        if previous and previous.ingredients and any(d.kind == "code" for d in changed):
            code = _diff(previous.ingredients.text, run.ingredients.text)
    return Report(f"{run.task}: {standing.status.word}", rows, lines, code)


def _between(previous: CellRun | None, run: CellRun) -> list[Difference]:
    """Return what tells a run from the one before it."""
    if previous is None or previous.ingredients is None or run.ingredients is None:
        return []
    return differences(previous.ingredients, run.ingredients)


def _outlook(standing: Standing) -> str:
    reason = standing.reason or "it is out of date"
    if standing.is_outdated:
        return f"It would run again: {reason}."
    return f"It is {standing.status.word}: {reason}."


def _past(run: CellRun, previous: CellRun | None, changed: list[Difference]) -> str:
    """Return in one sentence how a run came about."""
    came = {"cached": "was restored", "failed": "failed"}.get(run.outcome, "ran")
    if previous is None:
        return f"It {came}; no earlier run of it is known here."
    if changed:
        which = "of another kernel " if not previous.number else ""
        return f"It {came}, and since the run {which}before it this has changed."
    if run.outcome == "cached":
        return "It was restored: its code and all that it reads are as they were."
    return (
        "It ran though its code and all that it reads are as they were: its result "
        "was not kept, or --refresh asked for it."
    )


def _rows(history: History, since: int, changed: list[Difference]) -> list[Row]:
    return [
        Row(
            "≠",
            [str(each), _digests(each), *_causes(history, since, each)],
            "SCHEDULED",
        )
        for each in changed
    ]


def _digests(difference: Difference) -> str:
    """Return the digests before and after."""
    if difference.kind == "sharing":
        return ""
    old, new = difference.old, difference.new
    return f"{_short(old)} → {_short(new)}"


def _short(digest: str | None) -> str:
    if digest is None:
        return "nothing"
    is_word = digest == UNDEFINED or not set(digest) <= set("0123456789abcdef")
    return digest if is_word else digest[:DIGITS]


def _causes(history: History, since: int, difference: Difference) -> Iterator[str]:
    """Yield what has changed an ingredient, as far as it is known."""
    if difference.via:
        names = ", ".join(f"`{name}`" for name in difference.via)
        yield f"differs in {names}"
    elif difference.kind == "name" and since:
        for step in list(history.writers(difference.name, since))[-1:]:
            if isinstance(step, CellRun):
                yield f"made by task `{step.task}`"
            elif isinstance(step, PlainRun):
                yield f"bound by the cell `{_first_line(step.text)}`"


def _first_line(text: str) -> str:
    line = next((line for line in text.splitlines() if line.strip()), "")
    return line.strip()[:60]


def _diff(old: str, new: str) -> str:
    """Return what differs between two codes, without layout and comments."""
    if not old or not new:
        return ""
    lines = list(
        unified_diff(_normal(old), _normal(new), "before", "after", lineterm="", n=1)
    )
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"... {len(lines) - MOST_LINES} more lines"]
    return "\n".join(lines)


def _normal(code: str) -> list[str]:
    try:
        return ast.unparse(ast.parse(code)).splitlines()
    except (SyntaxError, RecursionError, ValueError):
        return code.splitlines()
