"""Names of a parameters cell that follow from parameters which a run overrides.

``a = 2`` and ``b = a * 2``: who gives 5 for ``a`` means 10 for ``b``.
"""

import ast
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from nborch.notebook.analysis import analyse
from nborch.notebook.parameters.declared import plain_python

__all__ = ["followers"]

#: Calls that only show something; the first run of the cell has shown it.
_SHOWS = frozenset({"display", "pprint", "print"})


@dataclass(frozen=True, slots=True)
class _Statement:
    """One statement of a parameters cell.

    Parameters
    ----------
    reads
        Names that its effect depends on.
    writes
        Names that it binds or whose objects it changes.
    updates
        Names among them whose earlier value counts, read or not.
    deferred
        Names that only the bodies of functions read which it defines.
    """

    source: str
    reads: frozenset[str]
    writes: frozenset[str]
    updates: frozenset[str]
    deferred: frozenset[str]


def followers(source: str, given: Collection[str]) -> list[tuple[str, list[str]]]:
    r"""Return the statements to run again after the given names have new values.

    >>> followers("a = 2\nb = a * 2\nc = 1", {"a"})
    [('b = a * 2', [])]

    Each comes with the given names that it overwrites and that must be assigned once
    more. Statements are run again as a whole and in their order; what they build on
    (``rows = []`` before ``rows.append(a)``) is run again, too. Defaults of the given
    names themselves, imports, and what only shows something are not.

    Parameters
    ----------
    source
        The cell after which the values are set.
    """
    given = frozenset(given)
    statements = _statements(source)
    chosen = _chosen(statements, given)
    return [
        (statement.source, sorted(statement.writes & given))
        for index, statement in enumerate(statements)
        if index in chosen
    ]


def _chosen(statements: Sequence[_Statement], given: frozenset[str]) -> set[int]:
    """Return which statements to run again: a fixed point."""
    reads = _all_reads(statements)
    chosen: set[int] = set()
    while True:
        before = len(chosen)
        changed = set(given)
        for index, statement in enumerate(statements):
            if statement.writes and statement.writes <= given:
                continue
            # Those that put an end to a value that was made anew must, again.
            if reads[index] & changed or statement.writes & (changed - given):
                chosen.add(index)
            if index in chosen:
                changed |= statement.writes
        for index in tuple(chosen):
            chosen |= _needed(index, statements, reads[index], given)
        if len(chosen) == before:
            return chosen


def _needed(
    index: int,
    statements: Sequence[_Statement],
    reads: frozenset[str],
    given: frozenset[str],
) -> set[int]:
    """Return what must run again so that a statement finds what it found before."""
    later = {name for each in statements[index + 1 :] for name in each.writes}
    # What it changes in place is to be as it was; what it reads may be another by now.
    updates = statements[index].updates | (statements[index].writes & reads)
    lost = (updates | (reads & later)) - given
    return {
        place for place, statement in enumerate(statements) if statement.writes & lost
    }


def _all_reads(statements: Sequence[_Statement]) -> list[frozenset[str]]:
    """Return what each statement reads, in the functions that it calls as well."""
    within: dict[str, set[str]] = {}
    for statement in statements:
        for name in statement.writes:
            within.setdefault(name, set()).update(statement.deferred)
    return [_reached(statement.reads, within) for statement in statements]


def _reached(names: Iterable[str], within: Mapping[str, set[str]]) -> frozenset[str]:
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= within.get(name, set()) - found
    return frozenset(found)


def _statements(source: str) -> list[_Statement]:
    """Return the statements that may have to run again."""
    source = plain_python(source)
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return []
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    # NB. A module is not made anew by a call of one of its functions.
    imported = {
        alias.asname or alias.name.partition(".")[0]
        for node in imports
        for alias in node.names
    }
    return [
        _statement(node, ast.get_source_segment(source, node) or "", imported)
        for node in body
        if node not in imports and not _only_shows(node)
    ]


def _statement(node: ast.stmt, source: str, imported: set[str]) -> _Statement:
    found = analyse(source)
    changes = found.mutates | found.reaches_into | _receivers(node)
    writes = found.writes | found.maybe_writes | found.deletes | changes
    writes -= imported
    return _Statement(
        source,
        reads=found.reads,
        writes=writes,
        updates=found.maybe_writes | changes,
        deferred=found.deferred,
    )


def _only_shows(node: ast.stmt) -> bool:
    match node:
        case ast.Expr(value=ast.Call(func=ast.Name(id=name))):
            return name in _SHOWS
        case ast.Expr(value=ast.Call() | ast.Await()):
            return False
        case ast.Expr():
            return True
        case ast.AnnAssign(value=None):
            return True
    return False


def _receivers(node: ast.stmt) -> frozenset[str]:
    """Return the name whose method a statement calls: ``rows`` of ``rows.add(1)``."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute() as function)):
            inner: ast.expr = function
            while isinstance(inner, ast.Attribute | ast.Subscript | ast.Call):
                inner = inner.func if isinstance(inner, ast.Call) else inner.value
            if isinstance(inner, ast.Name):
                return frozenset({inner.id})
    return frozenset()
