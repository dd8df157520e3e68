"""What to do when a cache cannot be used, in the words of a warning."""

import errno
from pathlib import Path

from nborch.cache.index import IndexUnavailable
from nborch.cache.ownership import UntrustedFile

__all__ = ["remedy"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def remedy(folder: Path, problem: BaseException) -> str:
    """Return a sentence or two: what is wrong with the cache, and what helps.

    >>> print(remedy(Path("c"), OSError(errno.ENOSPC, "No space left on device")))
    The disk of the result cache 'c' is full. Free it: nborch cache gc --max-size 1GB
    """
    where = repr(str(folder))
    if isinstance(problem, UntrustedFile):
        return f"The result cache is not used. {problem}"
    if isinstance(problem, OSError) and problem.errno in _FULL:
        return (
            f"The disk of the result cache {where} is full."
            " Free it: nborch cache gc --max-size 1GB"
        )
    if isinstance(problem, MemoryError):
        return "There was too little memory to store it."
    if isinstance(problem, IndexUnavailable):
        if "full" in str(problem):
            return (
                f"The disk of the result cache {where} is full ({problem})."
                " Free it: nborch cache gc --max-size 1GB"
            )
        if "locked" in str(problem):
            return f"The result cache {where} is busy: {problem}."
    return (
        f"The result cache {where} cannot be used ({problem}). Make the folder"
        " writable, or choose another one."
    )
