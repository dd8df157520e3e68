"""Digests of source text: a cell's body, or a module that is not loaded yet."""

import ast
import importlib.util
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from nborch.cache.keys import digest
from nborch.cache.origins import is_local, library_version

__all__ = ["ast_digest", "source_digest"]

#: Cells whose digests are remembered: one that is restored is asked for it each time.
REMEMBERED = 256


@lru_cache(REMEMBERED)
def ast_digest(source: str) -> str:
    """Return the digest of what a piece of source says, not of how it is laid out.

    >>> ast_digest("x = f( 1 )  # one") == ast_digest("x = f(1)")
    True
    >>> ast_digest("x = 1") == ast_digest("x = 1.0")
    False
    """
    return digest("ast", ast.dump(ast.parse(source)))


def source_digest(module_name: str) -> bytes:
    """Return the digest of a local module's file and of all it imports in turn.

    A function may import a module of the user's only when it runs. Before that there
    is no loaded code to compare, and its file is the next best thing.
    """
    parts: list[str] = []
    seen: set[str] = set()
    waiting = [module_name]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if not is_local(name):
            parts.append(f"{name} {library_version(name)}")
            continue
        path = _file(name)
        if path is None:
            parts.append(f"{name} is absent")
            continue
        tree = ast.parse(path.read_bytes())
        parts += (name, ast.dump(tree))
        waiting += sorted(_imports(tree, name))
    return bytes.fromhex(digest(*parts))


def _file(module_name: str) -> Path | None:
    top, *rest = module_name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin)
    if not rest:
        return path if path.suffix == ".py" else None
    # Found by hand: find_spec would import the packages on the way.
    inner = path.parent.joinpath(*rest)
    for candidate in (inner.with_suffix(".py"), inner / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _imports(tree: ast.Module, module_name: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module_name.split(".")[: -node.level] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            if prefix:
                yield prefix
                yield from (f"{prefix}.{alias.name}" for alias in node.names)
