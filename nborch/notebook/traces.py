"""Which files a cell read, so that a changed file is noticed without being declared.

Python tells every opening of a file to audit hooks (PEP 578). What a cell opened is
kept with its result and compared before the result is reused.
"""

import importlib
import os
import site
import stat
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, wraps
from glob import glob
from pathlib import Path
from typing import Any

from nborch.notebook.namespace import Uncachable

__all__ = ["FileTrace", "trace_files", "traces_of", "unchanged"]

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
        self.read: set[str] = set()
        self.written: set[str] = set()
        self.started = time.time_ns()

    def note(self, event: str, args: tuple[Any, ...]) -> None:
        """Take an audit event."""
        path = args[0] if args else None
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if isinstance(path, os.PathLike):
            path = os.fspath(path)
        if not isinstance(path, str) or path == ":memory:":
            return
        if os.path.abspath(path).startswith(self._own):  # noqa: PTH100
            return
        if _is_environment(path):
            return
        path = _portable(path)
        reads, writes = _access(event, args)
        # What the cell itself has written before is no input of it.
        if reads and path not in self.written:
            self.read.add(path)
        if writes:
            self.written.add(path)
        if event == "os.rename" and isinstance(args[1], str | os.PathLike):
            self.written.add(_portable(os.fspath(args[1])))


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


def _is_environment(path: str) -> bool:
    path = os.path.abspath(path)  # noqa: PTH100  # called for each opening
    return path.startswith(_environment()) or path.endswith((".py", ".pyc", ".so"))


_tracing: list[FileTrace] = []
_EVENTS = _CHANGING | {"open", "sqlite3.connect", "os.listdir", "os.scandir"}


#: Functions and classes that open files without Python seeing it, by module.
_UNSEEN = {
    "polars": ("read_", "scan_"),
    "pyarrow": ("memory_map",),
    "pyarrow.csv": ("read_csv", "open_csv"),
    "pyarrow.dataset": ("dataset", "parquet_dataset"),
    "pyarrow.feather": ("read_",),
    "pyarrow.json": ("read_json", "open_json"),
    "pyarrow.orc": ("read_table", "ORCFile"),
    "pyarrow.parquet": ("read_", "ParquetFile", "ParquetDataset"),
}
_IMPORTLIB = f"{os.sep}importlib{os.sep}"
_importing: set[str] = set()
_wrapped: list[tuple[Any, str, Any]] = []


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _tracing:
        return
    if event in _EVENTS:
        if _is_importing(sys._getframe(1).f_code.co_filename):  # noqa: SLF001
            return
        for trace in _tracing:
            trace.note(event, args)
    elif event == "import" and args[0] in _UNSEEN and args[0] not in _importing:
        # The event comes before the module: get it now, so that it can be wrapped.
        _importing.add(args[0])
        try:
            importlib.import_module(args[0])
        except ImportError:
            return  # the cell is told by its own import
        finally:
            _importing.discard(args[0])
        _wrap(args[0])


def _is_importing(file: str) -> bool:
    """Tell whether code in `file` looks for modules and packages.

    It lists every folder of ``sys.path``, the notebook's own among them, in which each
    new output would look like a changed input. Modules have digests of their own.
    """
    return file.startswith("<frozen importlib") or _IMPORTLIB in file


def _wrap(module: str) -> None:
    """Let the unseen readers of a module tell what they are asked to read."""
    owner = sys.modules.get(module)
    if owner is None or module in _importing:
        return
    for name, value in list(vars(owner).items()):
        if not name.startswith(_UNSEEN[module]) or not callable(value):
            continue
        if isinstance(value, type):
            _replace(value, "__init__", _telling(value.__init__))  # type: ignore[misc]
        else:
            _replace(owner, name, _telling(value))


def _replace(owner: Any, name: str, value: Any) -> None:
    with suppress(AttributeError, TypeError):  # a class of compiled code stays
        original = getattr(owner, name)
        setattr(owner, name, value)
        _wrapped.append((owner, name, original))


def _telling(read: Any) -> Any:
    @wraps(read)
    def read_and_tell(*args: Any, **kwargs: Any) -> Any:
        for value in (*args[:2], *kwargs.values()):
            _tell_of(value)
        return read(*args, **kwargs)

    return read_and_tell


def _tell_of(source: Any) -> None:
    """Note a path, the paths that a pattern stands for, or all files of a folder."""
    if isinstance(source, list | tuple):
        for each in source:
            _tell_of(each)
    if not isinstance(source, str | os.PathLike):
        return
    # Looking for the files notes the folders that are listed for it.
    for path in glob(os.fspath(source), recursive=True):  # noqa: PTH207
        files = [path]
        if Path(path).is_dir():
            files = [os.path.join(top, f) for top, _, fs in os.walk(path) for f in fs]  # noqa: PTH118
        for file in files:
            for trace in _tracing:
                trace.note("open", (file, "r", 0))


def _unwrap() -> None:
    while _wrapped:
        owner, name, original = _wrapped.pop()
        setattr(owner, name, original)


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
        for module in _UNSEEN:
            _wrap(module)
    _tracing.append(trace)
    try:
        yield trace
    finally:
        _tracing.remove(trace)
        if not _tracing:
            _unwrap()


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
    for path in sorted(trace.read):
        facts = _facts(path)
        if facts.get("changed", 0) >= trace.started:
            if path in trace.written:
                raise Uncachable(f"changes the file {path!r}")
            raise Uncachable(f"reads {path!r}, which changed meanwhile")
        traces.append(facts)
    for path in sorted(trace.written - trace.read):
        facts = _facts(path)
        # Of a folder that was made, it counts only that it is there.
        traces.append(facts | {"digest": FOLDER} if Path(path).is_dir() else facts)
    return traces


def unchanged(traces: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the path of the first file that is not as it was, or None."""
    for trace in traces:
        if not _same(trace):
            return str(trace["path"])
    return None


def _same(trace: Mapping[str, Any]) -> bool:
    path = trace["path"]
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
