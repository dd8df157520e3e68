"""Kernels that are forked from a process which has imported all that they need.

A kernel spends nearly all of its start on imports. The first of its kind is started as
ever; from the second on they are forked, where that can be: on Linux, for kernels that
are ``python -m ipykernel_launcher`` of this interpreter, and as long as nothing has
changed that is settled when a process starts.
"""

import atexit
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

from nborch.hatching.hatchery import Hatchery, Program
from nborch.notebook.kernels.blueprints import PRELOAD, Blueprint, Wish
from nborch.notebook.kernels.forked import ForkedProcess
from nborch.notebook.kernels.lifelines import Lifeline

__all__ = ["Kind", "Nursery", "kind_of", "nursery_of"]

#: As many kinds of kernels are kept ready to be forked, and remembered.
_MOST = 2
_REMEMBERED = 64
#: Seconds until a kernel that is not forked is started instead.
_PATIENCE = 15.0
#: Seconds until it is tried again to fork kernels that could not be.
_UNFIT_SECONDS = 900.0

_LAUNCHER = "ipykernel_launcher"
# NB. The path of a kernel has no other entries than it would have by itself.
_START = (
    "import sys; kept = sys.path[:]; sys.path.remove('') if '' in kept else None; "
    "sys.path.append(sys.argv[2]); "
    "from nborch.notebook.kernels.cradle import main; "
    "main(int(sys.argv[1]), int(sys.argv[3]), kept, sys.argv[4:])"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What kernels that are forked from one process have in common.

    Parameters
    ----------
    command
        How Python is started for them.
    installed
        Tells when packages have been installed or removed.
    """

    blueprint: Blueprint
    command: tuple[str, ...]
    installed: tuple[tuple[str, int], ...]


class Nursery:
    """Where kernels of one kind are forked.

    Attributes
    ----------
    born
        When it was made: no module in its kernels is older.
    trouble
        Why it cannot fork any.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.born = monotonic()
        self.trouble = ""
        self._lock = threading.Lock()
        self._kernels: set[ForkedProcess] = set()
        self._is_retired = False
        self._lifeline: Lifeline | None = None
        self._hatchery = Hatchery(self._program, on_news=self._note)
        self._hatchery.start()

    @property
    def is_fit(self) -> bool:
        """Whether it can be asked for kernels."""
        return not self.trouble and self._hatchery.is_alive

    async def fork(
        self, command: Sequence[str], options: Mapping[str, Any]
    ) -> ForkedProcess | None:
        """Start a kernel; return None if it cannot be forked.

        Parameters
        ----------
        command
            What it would be started with.
        options
            And how, in the words of `subprocess.Popen`.
        """
        order = {
            "command": list(command),
            "env": {**options["env"], "JPY_PARENT_PID": str(os.getpid())},
            "cwd": options.get("cwd") or str(Path.cwd()),
        }
        process = ForkedProcess(command, self._forget)
        ends = (1, options["stderr"].fileno(), *options.get("pass_fds", ()))
        with self._lock:
            self._kernels.add(process)
        try:
            process.begin(self._hatchery, order, ends)
        except OSError:
            self._forget(process)
            return None
        if await process.has_begun(_PATIENCE):
            return process
        self.trouble = self.trouble or "it does not answer"
        self.retire()
        return None

    def retire(self) -> None:
        """Fork no more, and end when the last kernel has ended."""
        with self._lock:
            self._is_retired = True
        self._forget(None)

    def end(self) -> None:
        """End the process and all kernels that are left."""
        self._hatchery.end()
        if self._lifeline is not None:
            self._lifeline.cut()

    def _forget(self, process: ForkedProcess | None) -> None:
        with self._lock:
            if process is not None:
                self._kernels.discard(process)
            is_over = self._is_retired and not self._kernels
        if is_over:
            self.end()

    def _note(self, news: Mapping[str, Any]) -> None:
        self.trouble = news.get("unfit", self.trouble)

    def _program(self) -> Program:
        blueprint = self.kind.blueprint
        # Whatever the process does, or waits for, it ends with this one.
        if self._lifeline is not None:
            self._lifeline.cut()
        self._lifeline = line = Lifeline()
        root = str(Path(__file__).resolve().parents[3])
        return Program(
            (*self.kind.command, "-c", _START),
            (root, str(line.ends[0]), *blueprint.preload),
            blueprint.environ(os.environ),
            blueprint.cwd or "/",
            line.ends,
            line.tie,
        )


def nursery_of(kind: Kind, max_age_seconds: float) -> Nursery | None:
    """Return where such a kernel can be forked; None for the first of its kind.

    Parameters
    ----------
    max_age_seconds
        After this time modules are imported anew.
    """
    with _locks[0]:
        if kind.blueprint.preload and _is_unfit(kind):
            # The kernels import them themselves.
            kind = replace(kind, blueprint=replace(kind.blueprint, preload=()))
        nursery = _nurseries.get(kind)
        if nursery is not None:
            if nursery.trouble:
                _remember(_unfit, kind)
            if nursery.is_fit and monotonic() - nursery.born < max_age_seconds:
                return nursery
            _nurseries.pop(kind).retire()
        if _is_unfit(kind):
            return None
        if kind not in _asked:
            _remember(_asked, kind)
            return None
        while len(_nurseries) >= _MOST:
            _nurseries.pop(next(iter(_nurseries))).retire()
        try:
            return _nurseries.setdefault(kind, Nursery(kind))
        except OSError:
            return None


def kind_of(
    name: str, spec: Any, command: Sequence[str], options: Mapping[str, Any]
) -> Kind | None:
    """Return the kind of a kernel; None if it cannot be forked.

    Parameters
    ----------
    spec
        Its specification.
    command, options
        What it would be started with, in the words of `subprocess.Popen`.
    """
    start = _start_of(command)
    env, cwd = options["env"], options.get("cwd")
    if start is None or sys.platform != "linux" or not _can_enter(cwd):
        return None
    preload = tuple(each for each in env.get(PRELOAD, "").split(",") if each)
    blueprint = Wish(name, env, cwd).blueprint(spec, preload)
    if blueprint is None or not _is_open(1):
        return None
    return Kind(blueprint, start, _installed())


def _start_of(command: Sequence[str]) -> tuple[str, ...] | None:
    """Return how Python is started for a plain kernel of this interpreter."""
    place = command.index("-m") if "-m" in command else 0
    flags = command[1:place]
    if (
        place == 0
        or command[place + 1 : place + 2] != [_LAUNCHER]
        or not all(flag.startswith("-X") and len(flag) > len("-X") for flag in flags)
        or not _is_this_interpreter(Path(command[0]))
    ):
        return None
    return tuple(command[:place])


def _is_this_interpreter(executable: Path) -> bool:
    # NB. Not the real path alone: two environments may link to one interpreter.
    own = Path(sys.executable).absolute()
    other = executable.absolute()
    return other.parent == own.parent and other.resolve() == own.resolve()


def _installed() -> tuple[tuple[str, int], ...]:
    """Return what changes when a package is installed where Python looks for them."""
    found = []
    for entry in sys.path:
        if Path(entry).name in {"site-packages", "dist-packages"}:
            with suppress(OSError):
                found.append((entry, Path(entry).stat().st_mtime_ns))
    return tuple(found)


def _can_enter(folder: str | None) -> bool:
    return folder is None or (Path(folder).is_dir() and os.access(folder, os.X_OK))


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _remember(kinds: dict[Kind, float], kind: Kind) -> None:
    """Add a kind to those that are known, and forget the one known longest."""
    while len(kinds) >= _REMEMBERED:
        del kinds[next(iter(kinds))]
    kinds[kind] = monotonic()


def _is_unfit(kind: Kind) -> bool:
    """Return whether such a kernel could not be forked of late."""
    return kind in _unfit and monotonic() - _unfit[kind] < _UNFIT_SECONDS


# NB. A fork may happen while a thread holds it.
_locks = [threading.Lock()]
_nurseries: dict[Kind, Nursery] = {}
_asked: dict[Kind, float] = {}
_unfit: dict[Kind, float] = {}


@atexit.register
def _end_all() -> None:
    with _locks[0]:
        nurseries = list(_nurseries.values())
        _nurseries.clear()
    for nursery in nurseries:
        nursery.end()


def _forget_all() -> None:
    # The processes are the parent's.
    _locks[:] = [threading.Lock()]
    _nurseries.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
