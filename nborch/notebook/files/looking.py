"""What a cell asks of files without opening them: are they there, how large, how old.

Python tells of no such question by an audit event. While a cell is traced, the
functions of `os` that answer are replaced by ones that also note what the user's own
code has asked. What libraries ask for themselves is left alone.
"""

import genericpath
import glob
import os
import pathlib
import posixpath
import stat
import sys
import threading
from collections.abc import Callable
from functools import wraps
from types import FrameType
from typing import Any

__all__ = ["SEEN", "seen", "seen_again", "unwatch", "watch"]

#: What is noted of a look begins so, to be told from the digest of a content.
SEEN = "seen "

#: Called with a path and what was seen there.
Tell = Callable[[str, str], object]

_ASKED = ("stat", "lstat", "access")
_SETS = (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks)
#: Modules that ask on behalf of their callers.
_GO_BETWEENS = frozenset(
    str(code.co_filename)
    for function in (
        genericpath.exists,
        posixpath.realpath,
        pathlib.Path.exists,
        glob.glob,
        os.makedirs,
    )
    if (code := getattr(function, "__code__", None)) is not None
)
#: Functions whose answer is about the kind of a file and nothing else.
_KINDS = frozenset(
    "access exists glob is_dir is_file is_symlink isdir isfile islink lexists".split()  # noqa: SIM905
)

#: Whether this thread is noting something at the moment.
_noticing = threading.local()
_replaced: list[tuple[str, Any, Any]] = []


def watch(tell: Tell, is_users: Callable[[str], bool]) -> None:
    """Tell what the user's code asks, until `unwatch`.

    Parameters
    ----------
    is_users
        Whether code in a file of this name is the user's own.
    """
    for name in _ASKED:
        _replace(name, _noting(getattr(os, name), name, tell, is_users))

    here = os.getcwd

    @wraps(here)
    def getcwd_and_note() -> str:
        folder = here()
        with _unheard() as is_first:
            if is_first and _asker(sys._getframe(1), is_users) is not None:  # noqa: SLF001
                tell(".", f"{SEEN}here {folder}")
        return folder

    _replace("getcwd", getcwd_and_note)


def unwatch() -> None:
    """Give `os` its own functions back."""
    while _replaced:
        name, original, ours = _replaced.pop()
        setattr(os, name, original)
        for each in _SETS:
            each.discard(ours)


def _replace(name: str, ours: Any) -> None:
    original = getattr(os, name)
    _replaced.append((name, original, ours))
    for each in _SETS:
        # Who asks whether os.stat can do something asks with what it finds there.
        if original in each:
            each.add(ours)
    setattr(os, name, ours)


def _noting(
    ask: Any, name: str, tell: Tell, is_users: Callable[[str], bool]
) -> Callable[..., Any]:
    @wraps(ask)
    def ask_and_note(path: Any, *args: Any, **kwargs: Any) -> Any:
        with _unheard() as is_first:
            if is_first and isinstance(path, str | os.PathLike):
                through = _asker(sys._getframe(1), is_users)  # noqa: SLF001
                if through is not None and kwargs.get("dir_fd") is None:
                    kinds = bool(_KINDS & {name, *through})
                    told = seen(os.fspath(path), whole=not kinds)
                    tell(os.fspath(path), told)
        return ask(path, *args, **kwargs)

    return ask_and_note


class _unheard:  # noqa: N801  # a block
    """Do not note what noting itself asks; True for the outermost block."""

    def __enter__(self) -> bool:
        self._is_first = not getattr(_noticing, "now", False)
        _noticing.now = True
        return self._is_first

    def __exit__(self, *error: object) -> None:
        if self._is_first:
            _noticing.now = False


def _asker(frame: FrameType | None, is_users: Callable[[str], bool]) -> set[str] | None:
    """Return the functions between, if it is the user's code that asks."""
    through = set()
    while frame is not None and frame.f_code.co_filename in _GO_BETWEENS:
        through.add(frame.f_code.co_name)
        frame = frame.f_back
    if frame is None or not is_users(frame.f_code.co_filename):
        return None
    return through


def seen(path: str, *, whole: bool) -> str:
    """Return what there is to see at a path; `whole` with its size and age.

    >>> seen("/", whole=False)
    'seen folder'
    """
    try:
        status = os.stat(path)  # noqa: PTH116  # as it was asked
    except (OSError, ValueError):
        return f"{SEEN}absent"
    if stat.S_ISDIR(status.st_mode):
        return f"{SEEN}folder"
    age = f" {status.st_size} {status.st_mtime_ns}" if whole else ""
    return f"{SEEN}file{age}"


def seen_again(path: str, told: str) -> str:
    """Return what there is to see now where something was seen."""
    if told.startswith(f"{SEEN}here"):
        return f"{SEEN}here {os.getcwd()}"  # noqa: PTH109  # as it was asked
    return seen(path, whole=told.count(" ") > 1)
