"""The modules that a cell imports, by what decides their behaviour."""

import ast
import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from types import ModuleType
from typing import Any

from nborch.cache.code import is_local, library_version
from nborch.cache.fingerprints import fingerprint

__all__ = [
    "imported_modules",
    "module_fingerprints",
    "setting_changed",
    "used_modules",
]

#: Cells of which is remembered what was read in their code.
REMEMBERED = 128
#: Stands for the code of a module that is not there.
MISSING = "no such module"


def imported_modules(source: str) -> list[str]:
    r"""Return the modules that a cell's code imports, anywhere in it.

    >>> imported_modules("import os.path\nfrom json import loads")
    ['json', 'os.path']
    """
    return list(_imported(source))


@lru_cache(REMEMBERED)
def _imported(source: str) -> tuple[str, ...]:
    if "import" not in source:
        return ()
    found: set[str] = set()
    for node in ast.walk(_parsed(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return tuple(sorted(found))


def used_modules(source: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a cell uses of the modules among its inputs.

    For a library that is the module, which stands for its version. For the user's own
    module it is what is looked up in it, so that a change elsewhere in it is no change
    for this cell; unless the cell also uses the module as a whole.

    Parameters
    ----------
    values
        The inputs of the cell by name.
    """
    used: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, ModuleType):
            looked_up = _looked_up(source, name) if is_local(value.__name__) else None
            if looked_up is None or not all(hasattr(value, each) for each in looked_up):
                used[name] = value
            else:
                used |= {f"{name}.{each}": getattr(value, each) for each in looked_up}
    return used


def _looked_up(source: str, name: str) -> set[str] | None:
    """Return the attributes that are looked up in a name; None if it stands alone."""
    nodes = list(ast.walk(_parsed(source)))
    uses = [
        node
        for node in nodes
        if isinstance(node, ast.Attribute) and _is_name(node.value, name)
    ]
    alone = sum(_is_name(node, name) for node in nodes) > len(uses)
    return None if alone else {node.attr for node in uses}


@lru_cache(REMEMBERED)
def _parsed(source: str) -> ast.AST:
    """Return the tree of a cell's code, which is asked for several times."""
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree: ast.AST = compile(source, "<cell>", "exec", flags)
    return tree


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


#: Functions of libraries that change settings for all that follows.
_SETTERS = frozenset(
    [
        *["basicConfig", "filterwarnings", "rc", "rcdefaults", "reset_option"],
        *["set_config", "set_context", "set_default_device", "set_default_dtype"],
        *["set_option", "set_palette", "set_printoptions", "set_style", "set_theme"],
        *["setlocale", "setrecursionlimit", "seterr", "simplefilter", "use"],
    ]
)


def setting_changed(source: str, is_module: Callable[[str], bool]) -> str | None:
    """Return the function of a library that a cell calls to change its settings.

    >>> setting_changed("pd.set_option('display.precision', 2)", {"pd"}.__contains__)
    'set_option'

    Parameters
    ----------
    is_module
        Tells whether a name stands for a module.
    """
    called = _setters_called(source)
    return next((name for owner, name in called if is_module(owner)), None)


@lru_cache(REMEMBERED)
def _setters_called(source: str) -> tuple[tuple[str, str], ...]:
    """Return the calls that change settings if they are a library's: owner and name."""
    found = []
    for node in ast.walk(_parsed(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner: ast.AST = node.func
            while isinstance(owner, ast.Attribute):
                owner = owner.value
            if isinstance(owner, ast.Name) and node.func.attr in _SETTERS:
                found.append((owner.id, node.func.attr))
    return tuple(found)


def module_fingerprints(names: Iterable[str]) -> dict[str, str]:
    """Return by module the version of a library, or the digest of local code.

    A local module is imported for it, as the cell would do.
    """
    return {name: _fingerprint(name) for name in names}


def _fingerprint(name: str) -> str:
    if not is_local(name):
        return library_version(name)
    try:
        module = sys.modules.get(name) or importlib.import_module(name)
    except ModuleNotFoundError:
        return MISSING  # asked for in vain, as an optional package is
    return fingerprint(module)
