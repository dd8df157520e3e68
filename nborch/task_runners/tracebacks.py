"""Exceptions that travel between processes whole: traceback, cause and context.

A pickled exception loses all three, and one whose ``__init__`` wants other arguments
than it hands to ``Exception`` cannot be read back at all. Here each is taken apart into
plain values and put together again, so that a user sees the lines of his own code.
"""

import ast
from collections.abc import Callable
from itertools import islice
from types import CodeType, FunctionType, TracebackType
from typing import Any, NamedTuple

from nborch.exceptions import FailedRun

__all__ = ["Entry", "entries_of", "rebuild", "reduce", "restore", "summary"]

#: Characters of an exception's text that are worth repeating.
LONGEST = 2000

Sendable = Callable[[object], bool]


class Entry(NamedTuple):
    """One line of a traceback: where the code was, as plain values."""

    file: str
    name: str
    qualname: str
    module: str
    first: int  # line of the function
    line: int
    columns: tuple[int, int, int] | None  # last line, first and last column


def summary(error: BaseException) -> str:
    """Return the exception's type and text, also if its ``__str__`` raises.

    >>> summary(ValueError("no rows"))
    'ValueError: no rows'
    """
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001  # the user's __str__
        text = f"<its text raises {type(broken).__name__}>"
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}..."
    return f"{type(error).__qualname__}: {text}" if text else type(error).__qualname__


def reduce(error: BaseException, sendable: Sendable | None = None) -> tuple[Any, ...]:
    """Return what pickle needs to make the exception again: a reduction.

    Parameters
    ----------
    sendable
        Given at the second try, when the exception as it is could not be pickled:
        what it refuses is left out or replaced by its text.
    """
    made: Any = error.__reduce_ex__(5)
    function, args = made[:2]
    own = made[2] if len(made) > 2 else None  # noqa: PLR2004  # pickle's protocol
    kind: type[BaseException] = type(error)
    wanted = error.args
    if sendable is not None:
        function, args, own = _sendable_parts(error, sendable)
        kind, wanted = function, args
    state = (
        own,
        entries_of(error.__traceback__),
        error.__cause__,
        error.__context__,
        error.__suppress_context__,
    )
    return rebuild, (kind, wanted, function, args), state, None, None, restore


def _sendable_parts(
    error: BaseException, sendable: Sendable
) -> tuple[type[BaseException], tuple[Any, ...], dict[str, Any]]:
    if not sendable(type(error)):
        return FailedRun, (summary(error),), {}
    args = tuple(arg if sendable(arg) else _text(arg) for arg in error.args)
    own = {name: value for name, value in vars(error).items() if sendable(value)}
    return type(error), args, own


def _text(value: object) -> str:
    try:
        return repr(value)[:LONGEST]
    except Exception:  # noqa: BLE001  # the user's __repr__
        return f"<{type(value).__qualname__}>"


def rebuild(
    kind: type[BaseException],
    wanted: tuple[Any, ...],
    function: Callable[..., BaseException],
    args: tuple[Any, ...],
) -> BaseException:
    """Make the exception again, also if its ``__init__`` wants other arguments."""
    try:
        error = function(*args)
    except Exception:  # noqa: BLE001  # the user's __init__
        error = kind.__new__(kind, *wanted)
    # NB. An __init__ that makes a text of its argument has made one of the text now.
    error.args = wanted
    return error


def restore(error: BaseException, state: tuple[Any, ...]) -> None:
    """Give the exception its attributes, its traceback and what led to it."""
    own, entries, cause, context, suppressed = state
    if own is not None:
        error.__setstate__(own)
    error.__cause__ = cause
    error.__context__ = context
    error.__suppress_context__ = suppressed
    error.__traceback__ = _traceback(entries)


def entries_of(traceback: TracebackType | None) -> list[Entry]:
    """Return the lines of a traceback as plain values."""
    entries = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        entries.append(
            Entry(
                code.co_filename,
                code.co_name,
                code.co_qualname,
                str(traceback.tb_frame.f_globals.get("__name__") or ""),
                code.co_firstlineno,
                traceback.tb_lineno,
                _columns(code, traceback.tb_lasti),
            )
        )
        traceback = traceback.tb_next
    return entries


def _columns(code: CodeType, at: int) -> tuple[int, int, int] | None:
    if at < 0:
        return None
    _, *columns = next(islice(code.co_positions(), at // 2, None), (None,) * 4)
    return None if None in columns else tuple(columns)  # type: ignore[return-value]  # three of them


def _traceback(entries: list[Entry]) -> TracebackType | None:
    """Return a traceback that shows these lines, without the values of that time."""
    made: TracebackType | None = None
    lines: dict[Entry, tuple[Any, int]] = {}
    for entry in reversed(entries):
        if entry not in lines:
            lines[entry] = _frame(entry)
        frame, at = lines[entry]
        made = TracebackType(made, frame, at, entry.line)
    return made


def _frame(entry: Entry) -> tuple[Any, int]:
    """Return a frame that stands at the entry's line, and the instruction there.

    It is the frame of a generator: compiled from one ``yield`` that pretends to stand
    where the user's code stood, so that Python underlines the same part of the line.
    """
    last, first, end = entry.columns or (entry.line, 0, 0)
    where = {
        "lineno": max(entry.line, 1),
        "end_lineno": max(last, entry.line, 1),
        "col_offset": first,
        "end_col_offset": end,
    }
    stub: Any = ast.parse("def stub(): ...").body[0]
    stub.lineno = stub.end_lineno = max(entry.first, 1)
    stub.body = [ast.Expr(ast.Yield(None, **where), **where)]
    module = compile(ast.Module([stub], []), entry.file, "exec")
    code = next(part for part in module.co_consts if isinstance(part, CodeType))
    code = code.replace(co_name=entry.name, co_qualname=entry.qualname)
    names = {"__name__": entry.module, "__file__": entry.file}
    generator = FunctionType(code, names)()
    frame = generator.gi_frame
    # NB. IPython looks at where the frame stopped, not at the traceback.
    next(generator)
    return frame, _instruction(code, entry)


def _instruction(code: CodeType, entry: Entry) -> int:
    """Return the place of the instruction that bears the entry's columns."""
    if entry.columns is not None:
        wanted = (entry.line, *entry.columns)
        for index, position in enumerate(code.co_positions()):
            if position == wanted:
                return index * 2
    # Python then goes by the traceback's own line number.
    return -1
