"""What a cell can get hold of: objects that can change, and files.

Two cells that can touch the same thing must not run at the same time if the notebook is
to come out as if they had run one after the other.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from types import CodeType, FunctionType, ModuleType
from typing import Any

from nborch.cache.fingerprints.bytecode import references
from nborch.notebook.background.reaching import functions_in
from nborch.notebook.bodies import CellBody
from nborch.notebook.effects.memory import copies_on_write
from nborch.notebook.effects.parts import Parts, TooManyParts, parts_of, shares_memory

__all__ = ["Touched", "is_open", "touched"]

_PATH = re.compile(r"[/\\]|\.\w{1,8}$")
_LONGEST_PATH = 300
_READS = re.compile(
    r"open|read\w*|load\w*|glob|rglob|iterdir|listdir|scandir|walk|exists|is_file"
    r"|is_dir|stat|getsize|connect|imread|genfromtxt|fromfile|memmap"
)
_WRITES = re.compile(
    r"to_(csv|parquet|pickle|json|excel|feather|hdf|sql|stata|xml|html|markdown|latex"
    r"|orc|zarr|netcdf)|write\w*|save\w*|dump|mkdir|makedirs|touch|unlink|rmtree"
    r"|symlink_to|copyfile|copy2|copytree|tofile|urlretrieve|extractall|executemany"
    r"|executescript|commit|system|Popen|check_call|check_output|sink_\w+|imwrite"
)
_MODE = re.compile(r"[wax]b?\+?t?|r[bt]?\+[bt]?")


@dataclass(frozen=True, slots=True)
class Touched:
    """What a cell can get hold of through the names that it reads.

    Parameters
    ----------
    parts
        The objects; None if there are too many to say.
    names
        The names that it reads, by way of functions, too.
    paths
        Texts and paths that look like those of files.
    reads, writes
        Whether the code works with files, or changes some.
    """

    parts: Parts | None
    ids: frozenset[int] = frozenset()
    names: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    reads: bool = False
    writes: bool = False
    keeps: tuple[object, ...] = field(default=(), repr=False)

    def meets(self, other: "Touched") -> bool:
        """Tell whether one of the two could notice what the other one does.

        >>> rows = [1]
        >>> one, other = (touched("", {"rows": rows}) for _ in range(2))
        >>> one.meets(other), one.meets(touched("", {"rows": [1]}))
        (True, False)
        """
        return self.meets_files_of(other) or self._meets_objects_of(other)

    def meets_files_of(self, other: "Touched") -> bool:
        """Tell whether one of the two may change files that the other one uses."""
        if not (self.writes and (other.reads or other.writes)) and not (
            other.writes and (self.reads or self.writes)
        ):
            return False
        if not self.paths or not other.paths:
            return True  # nobody can say which files
        return bool(self.paths & other.paths)

    def _meets_objects_of(self, other: "Touched") -> bool:
        mine, theirs = self.parts, other.parts
        if mine is None or theirs is None:
            return True
        if self.ids & other.ids:
            return True
        return shares_memory(_memory(mine), theirs) or shares_memory(
            _memory(theirs), mine
        )


def touched(code: str, values: Mapping[str, Any]) -> Touched:
    """Return what code can get hold of.

    Parameters
    ----------
    code
        A cell's body as Python.
    values
        The names that it reads, with their values.
    """
    tree = _parsed(code)
    functions = list(functions_in(values.values()))
    words = {*_words(tree)}
    texts = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    names = {*values}
    for function in functions:
        names.update(each.name for each in references(function.__code__).names)
        for piece in _pieces(function.__code__):
            words.update(piece.co_names)
            texts.update(c for c in piece.co_consts if isinstance(c, str))
    reads = any(_READS.fullmatch(word) for word in words)
    writes = any(_WRITES.fullmatch(word) for word in words) or (
        "open" in words and any(_MODE.fullmatch(text) for text in texts)
    )
    given = {str(v) for v in values.values() if isinstance(v, str | PurePath)}
    paths = {text for text in texts | given if _is_path(text)}
    parts: Parts | None
    try:
        parts = parts_of(values.values(), into_code=True, quick=True)
    except TooManyParts:
        parts = None
    met = {} if parts is None else parts.met
    # A function that both call is no way from one to the other.
    ids = {i for i, value in met.items() if type(value) is not FunctionType}
    return Touched(
        parts,
        frozenset(ids | (parts.plain if parts is not None else set())),
        frozenset(names),
        frozenset(paths),
        reads,
        writes,
        tuple(values.values()),
    )


def _memory(parts: Parts) -> Iterable[Any]:
    """Return the arrays that something else may look at."""
    found = [*parts.arrays, *parts.blocks]
    if not copies_on_write():
        found += [array for *_, array in parts.columns]
    return found


def _words(tree: ast.AST) -> Iterator[str]:
    """Yield the names and attributes that stand in code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id


def _pieces(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of a function and of those within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _pieces(constant)


def _is_path(text: str) -> bool:
    return len(text) <= _LONGEST_PATH and bool(_PATH.search(text))


def _parsed(code: str) -> ast.AST:
    try:
        tree: ast.AST = compile(
            code, "<cell>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        )
    except (SyntaxError, RecursionError, ValueError):
        return ast.Module([], [])
    return tree


def is_open(body: CellBody, names: Mapping[str, Any]) -> bool:
    """Tell whether nobody can say what a cell works on, or it works on everything."""
    told = body.analysis
    reached = (names.get(name) for name in told.reaches_into)
    return any(isinstance(value, ModuleType) for value in reached) or bool(
        told.dynamic
        or told.history
        or told.effects
        or told.settings
        or told.star_imports
        or "get_ipython" in body.code
    )
