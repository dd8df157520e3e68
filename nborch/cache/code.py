"""The digest of code: a function with all it reaches, a class, a cell's body."""

from nborch.cache.fingerprints import fingerprint
from nborch.cache.origins import is_local, library_version
from nborch.cache.sources import ast_digest

__all__ = ["ast_digest", "code_digest", "is_local", "library_version"]


def code_digest(obj: object) -> str:
    """Return 32 hex digits for what a callable or class does, with all it reaches.

    >>> code_digest(lambda x: x + 1) == code_digest(lambda x: x + 2)
    False

    The digest covers the loaded code of the user's own functions, classes and modules
    as far as they refer to each other, their defaults and closures and the present
    values of the globals they look up. A library's code counts by its version.
    """
    return fingerprint(obj)
