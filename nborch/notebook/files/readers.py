"""Readers in compiled code, which open files without Python seeing it.

While a cell is traced, the functions of polars and pyarrow that read files are replaced
by ones that first tell what they are asked to read.
"""

import importlib
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from glob import glob
from pathlib import Path
from typing import Any

__all__ = ["unwatch", "watch", "watch_import"]

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

Tell = Callable[[str], object]

_importing: set[str] = set()
_wrapped: list[tuple[Any, str, Any]] = []
_tell: Tell = str


def watch(tell: Tell) -> None:
    """Call `tell` with every path that is read, until `unwatch`."""
    global _tell  # noqa: PLW0603  # as one of the process as the readers are
    _tell = tell
    for module in _UNSEEN:
        _wrap(module)


def unwatch() -> None:
    """Give the modules their own functions back."""
    while _wrapped:
        owner, name, original = _wrapped.pop()
        setattr(owner, name, original)


def watch_import(module: str) -> None:
    """Watch a module, too, that is being imported while others are watched."""
    if module not in _UNSEEN or module in _importing:
        return
    # The audit event comes before the module: get it now, so that it can be wrapped.
    _importing.add(module)
    try:
        importlib.import_module(module)
    except ImportError:
        return  # the cell is told by its own import
    finally:
        _importing.discard(module)
    _wrap(module)


def _wrap(module: str) -> None:
    """Let the unseen readers of a module tell what they are asked to read."""
    owner = sys.modules.get(module)
    if owner is None or module in _importing:
        return
    for name in _readers_in(module, vars(owner)):
        value = vars(owner).get(name)
        if isinstance(value, type):
            _replace(value, "__init__", _telling(value.__init__))  # type: ignore[misc]
        elif callable(value):
            _replace(owner, name, _telling(value))


#: The names of the readers in a module that had so many names.
_found: dict[str, tuple[int, list[str]]] = {}


def _readers_in(module: str, names: dict[str, Any]) -> list[str]:
    """Return the names of a module's readers; it is looked through when it grows."""
    size, found = _found.get(module, (0, []))
    if size != len(names):
        found = [
            name
            for name, value in list(names.items())
            if name.startswith(_UNSEEN[module]) and callable(value)
        ]
        _found[module] = len(names), found
    return found


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
            _tell(file)
