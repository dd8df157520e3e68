"""Where code comes from: the user's own modules, or a library with a version."""

import importlib.util
import sys
import sysconfig
from functools import cache
from pathlib import Path

__all__ = ["is_local", "library_version", "python_version"]

_INSTALLED = frozenset({"site-packages", "dist-packages"})


def is_local(module_name: str) -> bool:
    """Return whether a module is the user's own code, to be compared by content.

    >>> is_local("__main__"), is_local("json"), is_local("numpy")
    (True, False, False)

    Everything outside the standard library and the installed packages is local: also
    a package that was installed in editable mode, and a module made by hand. nborch
    itself is a library, however it is installed.
    """
    if module_name == "__main__":
        return True
    top = module_name.partition(".")[0]
    if top == "nborch" or top in sys.builtin_module_names or _is_standard(top):
        return False
    places = _places(module_name)
    return not places or not all(_is_installed(place) for place in places)


def library_version(module_name: str) -> str:
    """Return the distribution that a library module belongs to, with its version.

    >>> library_version("json.decoder").startswith("python 3.")
    True

    The answer is remembered: it is the version this process has loaded, even if
    another one has been installed since.
    """
    top = module_name.partition(".")[0]
    if top in sys.builtin_module_names or _is_standard(top):
        return python_version()
    return _distribution(top)


def python_version() -> str:
    """Return the version that the standard library is known by: ``python 3.11``."""
    return f"python {sys.version_info[0]}.{sys.version_info[1]}"


@cache
def _distribution(top: str) -> str:
    # Imported here: it takes a fifth of the time of importing nborch.
    from importlib import metadata

    # NB. vars(), as asking some packages for __version__ raises a warning.
    loaded = vars(sys.modules[top]).get("__version__") if top in sys.modules else None
    try:
        version = metadata.version(top)
    except metadata.PackageNotFoundError:
        if isinstance(loaded, str):
            return f"{top} {loaded}"
        names = sorted(set(_owners().get(top, ())))
        found = ", ".join(f"{name} {metadata.version(name)}" for name in names)
        return found or f"{top} of no version"
    # A distribution may bear the name of another one's package (sklearn does).
    is_other = isinstance(loaded, str) and loaded != version
    return f"{top} {version} ({loaded})" if is_other else f"{top} {version}"


@cache
def _owners() -> dict[str, list[str]]:
    from importlib import metadata

    # Reads every installed distribution's file list once: tens of milliseconds.
    return dict(metadata.packages_distributions())


def _is_standard(top: str) -> bool:
    # NB. A user's own file may bear the name of a standard module (token.py, code.py)
    # and then hides it.
    if top not in sys.stdlib_module_names:
        return False
    places = _places(top)
    return not places or all(_is_in_standard_library(place) for place in places)


def _places(module_name: str) -> tuple[str, ...]:
    """Return the file, or the folders of a namespace package, of a module."""
    module = sys.modules.get(module_name)
    if module is not None:
        file = getattr(module, "__file__", None)
        if isinstance(file, str):
            return (file,)
        try:
            return tuple(getattr(module, "__path__", ()))
        except TypeError:
            return ()
    return _places_unloaded(module_name)


def _places_unloaded(module_name: str) -> tuple[str, ...]:
    # The top name alone: finding a submodule would import its parents.
    try:
        spec = importlib.util.find_spec(module_name.partition(".")[0])
    except (ImportError, ValueError):
        return ()
    if spec is None:
        return ()
    if spec.origin and spec.has_location:
        return (spec.origin,)
    return tuple(spec.submodule_search_locations or ())


@cache
def _is_installed(place: str) -> bool:
    return bool(_INSTALLED & set(Path(place).parts)) or _is_in_standard_library(place)


@cache
def _is_in_standard_library(place: str) -> bool:
    path = Path(place)
    if _INSTALLED & set(path.parts):
        return False
    names = ("stdlib", "platstdlib")
    folders = {Path(sysconfig.get_path(name)) for name in names}
    folders |= {folder.resolve() for folder in folders}
    return any(path.is_relative_to(folder) for folder in folders)
