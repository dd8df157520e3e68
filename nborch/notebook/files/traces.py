"""Which files a cell read, so that a changed file is noticed without being declared.

Python tells every opening of a file to audit hooks (PEP 578). What a cell opened is
kept with its result and compared before the result is reused.
"""

import os
import site
import stat
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Self

from nborch.notebook.effects.namespace import Uncachable
from nborch.notebook.files import looking, readers

__all__ = [
    "FileTrace",
    "digests_now",
    "note_program",
    "trace_files",
    "traces_of",
    "unchanged",
]

#: A file changed less than this many nanoseconds before it was looked at may change
#: again without its time changing.
RACY = 2_000_000_000
#: Stands for the content of a folder of which only the existence counts.
FOLDER = "folder"

#: Audit events of paths that come or go.
_CHANGING = frozenset({"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate"})


class FileTrace:
    """The files and folders that were read, and those that were written."""

    def __init__(self, own: Path) -> None:
        self._own = str(own) + os.sep
        #: What was read, as it was just before.
        self.read: dict[str, list[int] | None] = {}
        self.written: set[str] = set()
        #: What was seen of files that were looked for.
        self.looked: dict[str, str] = {}
        self.program: str | None = None
        #: What attempts before this one have written.
        self.left: frozenset[str] = frozenset()
        self.started = time.time_ns()

    def note(self, event: str, args: tuple[Any, ...]) -> None:
        """Take an audit event."""
        path = args[0] if args else None
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if isinstance(path, os.PathLike):
            path = os.fspath(path)
        if not isinstance(path, str) or not self._counts(path):
            return
        path = _portable(path)
        reads, writes = _access(event, args)
        # What the cell itself has written before is no input of it.
        if reads and path not in self.written and path not in self.read:
            self.read[path] = _stamp_of(path)
        if writes:
            self.written.add(path)
        if event == "os.rename" and isinstance(args[1], str | os.PathLike):
            self.written.add(_portable(os.fspath(args[1])))

    def look(self, path: str, told: str) -> None:
        """Take what the user's code saw of a file, or that it is absent."""
        if self._counts(path):
            path = _portable(path)
            # What the cell itself has made is no input of it.
            if path not in self.written:
                self.looked.setdefault(path, told)

    def _counts(self, path: str) -> bool:
        """Tell whether a path is neither our own nor what versions stand for."""
        if path == ":memory:":
            return False
        # The folder itself, too: it comes into being, and files in it come and go.
        if f"{os.path.abspath(path)}{os.sep}".startswith(self._own):  # noqa: PTH100
            return False
        return not _is_environment(path)

    def follow(self, failed: Self) -> None:
        """Go on where a failed attempt has left off: what it did is done.

        What it read is of no importance, for its names were taken back.
        """
        self.left = failed.left | failed.written
        self.program = failed.program

    def check_processes(self) -> None:
        """Raise `Uncachable` if a program was started: what it reads is not seen."""
        if self.program is not None:
            raise Uncachable(f"starts the program {self.program!r}")


def _portable(path: str) -> str:
    """Return the path as it is meant from any folder that the notebook may lie in.

    The same notebook beside other data must not find the first one's files.
    """
    here = os.getcwd() + os.sep  # noqa: PTH109  # called for each opening
    return path.removeprefix(here)


def _access(event: str, args: tuple[Any, ...]) -> tuple[bool, bool]:
    """Tell whether the content there is read, and whether it is written."""
    if event != "open":
        return event not in _CHANGING, event in _CHANGING
    _, mode, flags = args
    if isinstance(mode, str):
        if "w" in mode or "x" in mode:
            return False, True
        return True, "a" in mode or "+" in mode
    if not isinstance(flags, int):
        return True, False
    writes = bool(flags & (os.O_WRONLY | os.O_RDWR))
    anew = bool(flags & (os.O_TRUNC | os.O_EXCL))
    return not (writes and anew), writes


@cache
def _environment() -> tuple[str, ...]:
    """Return the folders of what the versions of packages and system stand for."""
    home = Path.home()
    folders = [
        *(Path(prefix) for prefix in {sys.prefix, sys.base_prefix, sys.exec_prefix}),
        *(Path(each) for each in site.getsitepackages()),
        Path(site.getusersitepackages()),
        Path(sysconfig.get_paths()["stdlib"]),
        *(home / name for name in (".cache", ".config", ".ipython", ".jupyter")),
        *(home / name for name in (".matplotlib", ".local", "Library")),
        *(Path(name) for name in ("/proc", "/sys", "/dev", "/etc", "/usr", "/lib")),
    ]
    return tuple(str(folder) + os.sep for folder in folders)


def _is_environment(path: str, *, code: bool = False) -> bool:
    """Tell whether a path is of what versions stand for; code has its own digests."""
    path = os.path.abspath(path)  # noqa: PTH100  # called for each opening
    if path.startswith(_environment()):
        return True
    return not code and path.endswith((".py", ".pyc", ".so"))


_tracing: list[FileTrace] = []
_STARTING = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"})
_EVENTS = _CHANGING | {"open", "sqlite3.connect", "os.listdir", "os.scandir"}


_IMPORTLIB = f"{os.sep}importlib{os.sep}"
_OWN_CODE = str(Path(__file__).parents[2]) + os.sep


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _tracing:
        return
    if event in _EVENTS:
        if _is_importing(sys._getframe(1).f_code.co_filename):  # noqa: SLF001
            return
        for trace in _tracing:
            trace.note(event, args)
    elif event == "import":
        readers.watch_import(str(args[0]))
    elif event in _STARTING and (program := _started_by_user(event, args)):
        for trace in _tracing:
            trace.program = program


def note_program(name: str) -> None:
    """Take note that a program was started in a way that Python does not tell of.

    What it reads is not seen, so that the cell which has started it is not kept.
    """
    for trace in _tracing:
        trace.program = name


def _started_by_user(event: str, args: tuple[Any, ...]) -> str | None:
    """Return the program that the user's own code starts, not a library's or ours.

    Libraries ask programs for the machine's facts, and start workers of their own,
    which compute on what they are given.
    """
    frame = sys._getframe(2)  # noqa: SLF001
    while frame.f_back and frame.f_code.co_filename == subprocess.__file__:
        frame = frame.f_back
    if not _is_users(frame.f_code.co_filename):
        return None
    command = args[1] if event == "subprocess.Popen" else args[0]
    if isinstance(command, list | tuple) and command:
        command = command[0]
    return os.fsdecode(command) if isinstance(command, bytes) else str(command)


def _is_importing(file: str) -> bool:
    """Tell whether code in `file` looks for modules and packages.

    It lists every folder of ``sys.path``, the notebook's own among them, in which each
    new output would look like a changed input. Modules have digests of their own.
    """
    return file.startswith("<frozen importlib") or _IMPORTLIB in file


def _is_users(file: str) -> bool:
    """Tell whether code in a file of this name is the user's own."""
    if file.startswith(("<frozen", _OWN_CODE)):
        return False
    return not _is_environment(file, code=True)


def _note_looking(path: str, told: str) -> None:
    for trace in _tracing:
        trace.look(path, told)


def _note_reading(path: str) -> None:
    for trace in _tracing:
        trace.note("open", (path, "r", 0))


@cache
def _install() -> None:
    """Add the hook, once: an audit hook stays for the life of the process."""
    sys.addaudithook(_hook)


@contextmanager
def trace_files(own: Path) -> Iterator[FileTrace]:
    """Note which files are read while the block runs, in any thread.

    Parameters
    ----------
    own
        The folder of nborch's own files, which are of no interest.
    """
    _install()
    trace = FileTrace(own)
    if not _tracing:
        readers.watch(_note_reading)
        looking.watch(_note_looking, _is_users)
    _tracing.append(trace)
    try:
        yield trace
    finally:
        _tracing.remove(trace)
        if not _tracing:
            readers.unwatch()
            looking.unwatch()


def traces_of(trace: FileTrace) -> list[dict[str, Any]]:
    """Return what tells each file that was read or made from what it may become.

    A file that the cell made is like one that it read afterwards: once it is gone or
    another, running the cell again does something that a hit would not.

    Raises
    ------
    Uncachable
        A file changed while it was read: nobody knows what was read.
    """
    traces = []
    written = trace.written | trace.left
    for path, before in sorted(trace.read.items()):
        facts = _facts(path)
        is_file = facts.get("changed", 0) > 0
        if path in written:
            # NB. The system's clock for files stands still for some milliseconds.
            is_safe = facts["stamp"] == before and not _is_racy(facts, trace.started)
            if is_file and not is_safe:
                raise Uncachable(f"changes the file {path!r}")
        elif is_file and facts["stamp"] != before:
            raise Uncachable(f"reads {path!r}, which changed meanwhile")
        traces.append(facts)
    for path in sorted(written - trace.read.keys()):
        facts = _facts(path)
        # Of a folder that was made, it counts only that it is there.
        traces.append(facts | {"digest": FOLDER} if Path(path).is_dir() else facts)
    return traces + _traces_of_looks(trace)


def _traces_of_looks(trace: FileTrace) -> list[dict[str, Any]]:
    """Return what was seen of files that were not read.

    Raises
    ------
    Uncachable
        The cell acts on what it then changes: it would do something else now.
    """
    traces: list[dict[str, Any]] = []
    for path, told in sorted(trace.looked.items()):
        # NB. What an attempt before has left is there, as the last one saw it.
        if path in trace.written:
            raise Uncachable(f"looks for {path!r}, which it changes")
        if path not in trace.read or told.count(" ") > 1:
            traces.append({"path": path, "stamp": None, "racy": True, "digest": told})
    return traces


def unchanged(traces: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the path of the first file that is not as it was, or None."""
    for trace in traces:
        if not _same(trace):
            return str(trace["path"])
    return None


def digests_now(
    traces: Iterable[Mapping[str, Any]],
) -> Iterator[tuple[str, str]]:
    """Yield each path with the digest of what is there now; ``absent`` for nothing.

    Raises
    ------
    Uncachable
        There is neither a file nor a folder.
    """
    for trace in traces:
        path = str(trace["path"])
        if str(trace["digest"]).startswith(looking.SEEN):
            yield path, looking.seen_again(path, trace["digest"])
            continue
        try:
            status = os.stat(path)  # noqa: PTH116  # one call per file and lookup
            is_made = trace["digest"] == FOLDER and stat.S_ISDIR(status.st_mode)
            yield path, FOLDER if is_made else _digest(path, status)
        except OSError:
            yield path, "absent"


def _same(trace: Mapping[str, Any]) -> bool:
    path = trace["path"]
    if str(trace["digest"]).startswith(looking.SEEN):
        return bool(looking.seen_again(path, trace["digest"]) == trace["digest"])
    try:
        status = os.stat(path)  # noqa: PTH116  # one call per file and lookup
        if trace["digest"] == FOLDER:
            return stat.S_ISDIR(status.st_mode)
        if _stamp(status) == trace["stamp"] and not trace["racy"]:
            return True
        return bool(_digest(path, status) == trace["digest"])
    except OSError:
        return trace["digest"] is None


def _facts(path: str) -> dict[str, Any]:
    """Return what tells a file from what it may become.

    Raises
    ------
    Uncachable
        There is something else than a file or a folder: a pipe, a device.
    """
    try:
        status = os.stat(path)  # noqa: PTH116
        digest = _digest(path, status)
    except OSError:
        # Opened in vain, or gone: its absence is part of the result.
        return {"path": path, "stamp": None, "racy": True, "digest": None}
    is_file = stat.S_ISREG(status.st_mode)
    return {
        "path": path,
        "stamp": _stamp(status),
        "racy": not is_file or time.time_ns() - status.st_mtime_ns < RACY,
        "changed": status.st_mtime_ns if is_file else 0,
        "digest": digest,
    }


def _is_racy(facts: Mapping[str, Any], at: int) -> bool:
    """Tell whether a file may have changed after a time, for all that its own says."""
    return bool(facts["changed"] > at - RACY)


def _stamp_of(path: str) -> list[int] | None:
    try:
        return _stamp(os.stat(path))  # noqa: PTH116  # one call per file and cell
    except OSError:
        return None


def _stamp(status: os.stat_result) -> list[int]:
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _digest(path: str, status: os.stat_result) -> str:
    """Return the digest of a file's content or of a folder's names."""
    from xxhash import xxh3_128

    hasher = xxh3_128()
    if stat.S_ISDIR(status.st_mode):
        hasher.update("\0".join(sorted(os.listdir(path))).encode())  # noqa: PTH208
        return hasher.hexdigest()
    if not stat.S_ISREG(status.st_mode):
        raise Uncachable(f"reads {path!r}, which is no file")
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()
