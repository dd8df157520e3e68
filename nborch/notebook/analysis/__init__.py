"""What a cell needs from the names before it, and what it makes of them."""

import ast
import inspect
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache

from nborch.notebook.analysis.cell_walk import CellWalk, parse
from nborch.notebook.analysis.liveness import BOUND, GONE, OLD, NoteKind
from nborch.notebook.analysis.prelude import plan
from nborch.notebook.analysis.statements import future_annotations

__all__ = ["CellAnalysis", "analyse"]

#: What one thread restores, another must not have changed meanwhile.
_filtering = threading.Lock()
_HISTORY = re.compile(r"_{1,3}|_\d+|_i{1,3}|_i\d+|_[iod]h|In|Out")


@dataclass(frozen=True, slots=True)
class CellAnalysis:
    """The names and surroundings that a cell depends on and changes.

    Parameters
    ----------
    reads
        Names whose value from before the cell it may read. A name that the namespace
        does not have is no input: it is a builtin, or a ``NameError`` of the cell's.
    writes
        Names that are bound whenever the cell succeeds.
    maybe_writes
        Names that are bound on some ways through the cell only.
    deletes
        Names that are gone at the end, on some way at least.
    deferred
        Names that only the bodies of functions read which the cell defines and cannot
        have called. They matter to whoever calls the functions.
    mutates
        Names whose object the cell visibly changes in place: by storing into it, by an
        augmented assignment or by a method known to. A hint: calls may do it unseen.
    reaches_into
        Names an attribute of whose object is changed: ``os.environ["A"] = "b"``. If
        such a name is a module, a restored cell would not repeat the change.
    dynamic
        Why the inputs cannot be proven, as ``"line 3 calls exec()"``.
    history
        The names among `reads` that depend on what was executed when: ``_``, ``Out``.
    effects
        What lies outside the namespace and a restored cell would not repeat.
    settings
        What lies outside the namespace and is repeated by `prelude`.
    star_imports
        Modules that are imported from with ``*``. They may bind any name.
    prelude
        The statements to execute again on a hit, in this order and before the values
        are bound: imports, plain definitions, and settings. They keep their lines.
    prelude_names
        The names whose last binding is by `prelude`: their values need no storing.
    unrestorable
        Names of functions and classes that are not safe to define again: a default is
        computed, a decorator needs a value that the cell has computed, or an attribute
        was set afterwards.
    literals
        The string constants, any of which could be a path.
    is_async
        The cell has to be awaited.
    ends_in_expression
        The cell ends in an expression, whose value is displayed.
    is_empty
        The cell has nothing but comments, ``pass`` or a docstring.
    """

    reads: frozenset[str]
    writes: frozenset[str]
    maybe_writes: frozenset[str]
    deletes: frozenset[str]
    deferred: frozenset[str]
    mutates: frozenset[str]
    reaches_into: frozenset[str]
    dynamic: tuple[str, ...]
    history: frozenset[str]
    effects: tuple[str, ...]
    settings: tuple[str, ...]
    star_imports: tuple[str, ...]
    prelude: tuple[ast.stmt, ...] = field(compare=False)
    prelude_names: frozenset[str]
    unrestorable: tuple[str, ...]
    literals: frozenset[str]
    is_async: bool
    ends_in_expression: bool
    is_empty: bool


@lru_cache(maxsize=64)
def analyse(source: str) -> CellAnalysis:
    """Return what a cell reads, writes and does, without running it.

    >>> cell = analyse("total = price * count")
    >>> sorted(cell.reads), sorted(cell.writes)
    (['count', 'price'], ['total'])

    Parameters
    ----------
    source
        The body of the cell, with magics already turned into calls by IPython.

    Raises
    ------
    SyntaxError
        If Python cannot read `source`.
    """
    tree = _parsed(source)
    lazy = future_annotations(tree.body)
    walk = CellWalk(text_annotations=lazy)
    steps = walk.cell(tree)
    frame, flow = walk.frame, walk.flow
    if flow.reachable:
        state = {n: flags for n, flags in flow.names.items() if isinstance(n, str)}
    else:
        state = dict.fromkeys(frame.writes, OLD | BOUND)
        state.update(dict.fromkeys(frame.deletes, OLD | BOUND | GONE))
    notes = sorted(frame.notes, key=lambda note: (note.line, note.phrase))
    deferred = {
        name for body in flow.pending for name in body.reads if flow.of(name) & OLD
    }
    prelude = plan(steps, frame.mutates, frame.calls, lazy=lazy)
    gone = {name for name, flags in state.items() if not flags & BOUND}
    return CellAnalysis(
        reads=frozenset(frame.reads),
        writes=frozenset(n for n, flags in state.items() if flags == BOUND),
        maybe_writes=frozenset(
            n for n, flags in state.items() if flags & BOUND and flags != BOUND
        ),
        deletes=frozenset(n for n, flags in state.items() if flags & GONE),
        deferred=frozenset(deferred - frame.reads),
        mutates=frozenset(frame.mutates),
        reaches_into=frozenset(frame.reaches_into),
        dynamic=tuple(str(n) for n in notes if n.kind is NoteKind.DYNAMIC),
        history=frozenset(n for n in frame.reads if _HISTORY.fullmatch(n)),
        effects=tuple(str(n) for n in notes if n.kind is NoteKind.EFFECT),
        settings=tuple(str(n) for n in notes if n.kind is NoteKind.SETTING),
        star_imports=tuple(walk.star_imports),
        prelude=prelude.statements,
        prelude_names=prelude.names - gone,
        unrestorable=tuple(n for n in prelude.unrestorable if n not in gone),
        literals=frozenset(walk.literals),
        is_async=_is_async(source, tree),
        ends_in_expression=bool(tree.body) and isinstance(tree.body[-1], ast.Expr),
        is_empty=all(map(_does_nothing, tree.body)),
    )


def _parsed(source: str) -> ast.Module:
    # Python warns again, and with the right line, when the cell is compiled to run.
    with _no_warnings():
        return parse(source)


@contextmanager
def _no_warnings() -> Iterator[None]:
    """Ignore all warnings for a moment.

    Not by `warnings.catch_warnings`: it makes Python forget which warnings it has
    shown, and each would be shown to the user once more.
    """
    with _filtering:
        filters = warnings.filters
        warnings.filters = [("ignore", None, Warning, None, 0)]
        try:
            yield
        finally:
            warnings.filters = filters


def _is_async(source: str, tree: ast.Module) -> bool:
    """Return whether Python makes a coroutine of the cell; most need no look."""
    if "await" not in source and "async" not in source:
        return False
    with _no_warnings():
        code = compile(
            tree, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
        )
    return bool(code.co_flags & inspect.CO_COROUTINE)


def _does_nothing(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant(value=str())):
            return True
    return False
