"""The modules that a cell imports, by what decides their behaviour."""

import ast
import importlib
import sys
from collections.abc import Iterable

from nborch.cache.code import is_local, library_version
from nborch.cache.fingerprints import fingerprint

__all__ = ["imported_modules", "module_fingerprints"]


def imported_modules(source: str) -> list[str]:
    r"""Return the modules that a cell's code imports, anywhere in it.

    >>> imported_modules("import os.path\nfrom json import loads")
    ['json', 'os.path']
    """
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    found: set[str] = set()
    for node in ast.walk(compile(source, "<cell>", "exec", flags)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return sorted(found)


def module_fingerprints(names: Iterable[str]) -> dict[str, str]:
    """Return by module the version of a library, or the digest of local code.

    A local module is imported for it, as the cell would do.
    """
    return {name: _fingerprint(name) for name in names}


def _fingerprint(name: str) -> str:
    if not is_local(name):
        return library_version(name)
    return fingerprint(sys.modules.get(name) or importlib.import_module(name))
