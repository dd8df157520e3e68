"""Tracebacks as users want to read them: their own lines, without the engine's."""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from types import CodeType, TracebackType
from typing import TypeVar

__all__ = [
    "as_raised",
    "linked",
    "raises_again",
    "rendered",
    "shown_briefly",
    "users_lines",
    "users_lines_only",
]

Frames = list[TracebackType]
F = TypeVar("F", bound=Callable[..., object])


def users_lines(traceback: TracebackType | None) -> TracebackType | None:
    """Return the traceback without the engine's frames above the user's last one.

    What is below that one stays: the error is from there. What the engine calls them
    through, such as an event loop, goes with it.
    """
    frames = list(_frames(traceback))
    others = [i for i, frame in enumerate(frames) if not _is_ours(frame)]
    theirs = []
    within = False
    for i, frame in enumerate(frames):
        package = _module(frame).partition(".")[0]
        within = _is_ours(frame) or (within and package in sys.stdlib_module_names)
        if not within:
            theirs.append(i)
    # A task may be a function of Python's own.
    theirs = theirs or others
    last = theirs[-1] if theirs else -1
    return linked([frames[i] for i in theirs] + frames[last + 1 :])


def users_lines_only(
    traceback: TracebackType | None, *others: str
) -> TracebackType | None:
    """Return the traceback without any frame of the engine, or of what it calls.

    For what the user's line was stopped by: Ctrl-C, or an error that says it all.

    Parameters
    ----------
    others
        Packages whose frames are left out as well.
    """
    kept: Frames = []
    within = False
    for frame in _frames(traceback):
        package = _module(frame).partition(".")[0]
        is_engine = _is_ours(frame) or package in others
        if is_engine and kept and _module(kept[-1]) == "contextlib":
            # The user's ``with`` enters what is ours through it.
            kept.pop()
        # Where the engine waits, that is a lock of Python's own.
        within = is_engine or (within and package in sys.stdlib_module_names)
        if not within:
            kept.append(frame)
    return linked(kept)


_again: set[CodeType] = set()


def raises_again(function: F) -> F:
    """Mark a function that raises what ended a run, maybe not for the first time."""
    _again.add(function.__code__)
    return function


def as_raised(traceback: TracebackType | None) -> TracebackType | None:
    """Return what a traceback was before a marked function raised the error again."""
    part = traceback
    for frame in _frames(traceback):
        if frame.tb_frame.f_code in _again:
            part = frame.tb_next
    return part


def rendered(error: BaseException) -> list[str]:
    """Return what IPython shows for an error, with the user's lines only."""
    shell = sys.modules["IPython"].get_ipython()
    traceback = error.__traceback__
    shown = users_lines_only(traceback, "IPython") or traceback
    render = shell.InteractiveTB.structured_traceback
    lines: list[str] = render(type(error), error, shown, tb_offset=0)
    return lines


def shown_briefly(error: BaseException) -> None:
    """Have IPython show the user's lines only, by its own protocol.

    For Ctrl-C while the engine waits: where it does says nothing to who pressed it.
    """
    if "IPython" in sys.modules and not isinstance(error, Exception):
        # An exception with slots is shown with a frame more.
        with suppress(AttributeError):
            error._render_traceback_ = partial(rendered, error)  # type: ignore[attr-defined]  # its protocol


def linked(frames: Frames) -> TracebackType | None:
    """Return a new traceback of these frames; their old one stays as it is."""
    made: TracebackType | None = None
    for frame in reversed(frames):
        made = TracebackType(made, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return made


def _frames(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _is_ours(traceback: TracebackType) -> bool:
    return _module(traceback).startswith("nborch.")


def _module(traceback: TracebackType) -> str:
    return str(traceback.tb_frame.f_globals.get("__name__") or "")
