"""What the first line of a cell declares of its inputs and outputs."""

import glob
import os
import stat
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from nborch.cache.keys import digest
from nborch.exceptions import InvalidDeclaration, did_you_mean
from nborch.notebook.analysis import CellAnalysis
from nborch.notebook.effects.namespace import Uncachable
from nborch.notebook.files.traces import RACY
from nborch.notebook.headers.header import Header
from nborch.notebook.headers.options import TASK
from nborch.notebook.ingredients import UNDEFINED

__all__ = [
    "Declarations",
    "check_limits",
    "check_needs",
    "files_now",
]

#: Stands for the content of a file that is not there.
ABSENT = "absent"
#: Of a folder or a pattern with more files than this, all get one digest together.
MOST_NAMED = 100


class Declarations:
    """What a cell's header says of its inputs and outputs, and how long they hold.

    Parameters
    ----------
    own
        The folder of nborch's own files, which are nobody's inputs.

    Attributes
    ----------
    options
        What is part of the key beside the values that the header names.
    files
        The digests of the declared files as they were when the key was made.
    """

    def __init__(self, header: Header, own: Path) -> None:
        self._header = header
        self._own = own
        self.files: dict[str, str] = {}
        told = {"needs": header.needs, "makes": header.makes}
        self.options = {
            option: ",".join(sorted(names))
            for option, names in told.items()
            if names is not None
        }

    def added_to(self, analysis: CellAnalysis) -> CellAnalysis:
        """Return the analysis of a cell with what its header says beside the code.

        Where both inputs and outputs are declared, code that could read and bind
        anything is no obstacle. Inputs alone are not enough: nobody sees that it binds
        a name to the very object that the name had.
        """
        needs, makes = self._header.needs, self._header.makes
        if needs is None and makes is None:
            return analysis
        dynamic = analysis.dynamic
        if needs is not None:
            missing = "so --makes has to name what it makes"
            dynamic = tuple(f"{each}, {missing}" for each in dynamic)
        return replace(
            analysis,
            reads=analysis.reads | set(needs or ()),
            writes=analysis.writes | set(makes or ()),
            dynamic=dynamic if needs is None or makes is None else (),
        )

    def inputs(self) -> dict[str, str]:
        """Return the digests of the declared files and variables, as ingredients.

        Raises
        ------
        Uncachable
            A file cannot be read.
        """
        self.files = files_now(self._header.files, self._own)
        # Digests: a variable's value may be a secret.
        return self.files | {
            f"variable {name}": digest(os.environ[name])
            if name in os.environ
            else UNDEFINED
            for name in self._header.env
        }

    @property
    def missing(self) -> list[str]:
        """The declared paths and patterns that match no file."""
        return [
            name.removeprefix("file ")
            for name, told in self.files.items()
            if told == ABSENT
        ]

    def check(
        self,
        before: Collection[str],
        after: Collection[str],
        written: Collection[str],
    ) -> None:
        """See whether the cell has kept to what was declared.

        Parameters
        ----------
        before, after
            The names that there were, and that there are.
        written
            The paths that the cell itself is known to have written.

        Raises
        ------
        Uncachable
            A name was not made, or somebody else changed a file while the cell ran.
        """
        for name in self._header.makes or ():
            if name not in after:
                near = did_you_mean(name, [n for n in after if n not in before])
                raise Uncachable(f"did not make {name!r}, which --makes names.{near}")
        if not self._header.files:
            return
        now = files_now(self._header.files, self._own)
        theirs = {os.path.abspath(path) for path in written}  # noqa: PTH100
        for name in sorted({*self.files, *now}):
            path = name.removeprefix("file ")
            is_own = os.path.abspath(path) in theirs  # noqa: PTH100
            if self.files.get(name) != now.get(name) and not is_own:
                raise Uncachable(f"was given {path!r}, which changed meanwhile")

    def expires_at(self) -> float | None:
        """Return when what is kept now ends being a hit, in seconds since 1970."""
        lasts = self._header.cache_expiration
        return None if lasts is None else time.time() + lasts.total_seconds()

    def is_too_old(self, created_at: float) -> bool:
        """Tell whether a result was kept longer ago than the header allows now."""
        lasts = self._header.cache_expiration
        return lasts is not None and created_at + lasts.total_seconds() <= time.time()


def check_needs(header: Header, namespace: Collection[str]) -> None:
    """Raise `InvalidDeclaration` if a name that the cell needs is not there."""
    for name in header.needs or ():
        if name not in namespace:
            raise InvalidDeclaration(
                f"{TASK} --needs {name!r}, which is not defined."
                f"{did_you_mean(name, namespace)} Run the cell that makes it first."
            )


def check_limits(header: Header, known: Collection[str]) -> None:
    """Raise `InvalidDeclaration` if a concurrency limit does not exist."""
    for name in header.concurrency:
        if name not in known:
            raise InvalidDeclaration(
                f"No concurrency limit is called {name!r}.{did_you_mean(name, known)} "
                f"Create it with: nborch concurrency-limit create {name} 5"
            )


def files_now(patterns: Iterable[str], own: Path) -> dict[str, str]:
    """Return the digests of the files that patterns stand for, as ingredients.

    A pattern without any file is `ABSENT`.

    Parameters
    ----------
    own
        The folder of nborch's own files, which change with every run.

    Raises
    ------
    Uncachable
        A file cannot be read.
    """
    return {
        f"file {name}": told
        for pattern in patterns
        for name, told in _digests(pattern, str(own.absolute()) + os.sep).items()
    }


def _digests(pattern: str, own: str) -> dict[str, str]:
    path = _portable(str(Path(pattern).expanduser()))
    found = [path]
    if glob.has_magic(path) and not os.path.lexists(path):
        found = sorted(glob.glob(path, recursive=True, include_hidden=True))  # noqa: PTH207  # as it is written
    digests: dict[str, str] = {}
    try:
        for each in found:
            for file in _files(each, own, set()):
                digests[file] = _content(file)
    except OSError as error:
        raise Uncachable(f"cannot read {error.filename!r} ({error.strerror})") from None
    if len(digests) > MOST_NAMED:
        return {path: digest(*(part for item in digests.items() for part in item))}
    return digests or {path: ABSENT}


def _portable(path: str) -> str:
    """Return the path as it is meant from any folder that the notebook may lie in."""
    here = os.getcwd() + os.sep  # noqa: PTH109  # text is all we need
    return os.path.normpath(path).removeprefix(here)


def _files(path: str, own: str, seen: set[str]) -> Iterator[str]:
    """Yield the file there, or all files in the folder there and below."""
    if not Path(path).is_dir():
        if os.path.exists(path):  # noqa: PTH110
            yield path
        return
    real = os.path.realpath(path)
    if real in seen or f"{real}{os.sep}".startswith(own):
        return
    seen.add(real)
    for entry in sorted(os.listdir(path)):  # noqa: PTH208
        yield from _files(os.path.join(path, entry), own, seen)  # noqa: PTH118


#: The digest of a file's content by what tells that it has not changed since.
_known: dict[tuple[int, ...], str] = {}


def _content(path: str) -> str:
    status = os.stat(path)  # noqa: PTH116
    if not stat.S_ISREG(status.st_mode):
        raise Uncachable(f"was given {path!r}, which is no file")
    stamp = (
        *(status.st_dev, status.st_ino, status.st_size),
        *(status.st_mtime_ns, status.st_ctime_ns),
    )
    if stamp in _known:
        return _known[stamp]
    from xxhash import xxh3_128

    hasher = xxh3_128()
    started = time.time_ns()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            hasher.update(block)
    told = hasher.hexdigest()
    if started - max(status.st_mtime_ns, status.st_ctime_ns) > RACY:
        # Later it could change again without its times changing.
        _known[stamp] = told
    return told
