"""What a worker process takes over from the process that it works for."""

import os
import sys
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from nborch.task_runners.messages import Piece, dumps, loads

__all__ = ["Surroundings"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where code runs: folder, environment, import path, arguments, warning filters."""

    folder: str | None
    environ: dict[bytes, bytes]
    path: list[str]
    argv: list[str]
    filters: list[tuple[Any, ...]]

    @classmethod
    def current(cls) -> "Surroundings":
        """Return this process's own, as they are now.

        >>> Surroundings.current() == Surroundings.current()
        True
        """
        folder = None
        with suppress(OSError):  # the folder has been removed
            folder = os.getcwd()  # noqa: PTH109  # a path of text is all we need
        return cls(
            folder,
            dict(os.environb),
            list(sys.path),
            list(getattr(sys, "argv", [])),
            list(warnings.filters),
        )

    def pack(self) -> list[bytes]:
        """Return them as pickles, the parts that may be unreadable apart."""
        plain = (self.folder, self.environ, self.path, self.argv)
        return [bytes(dumps(part)[0]) for part in (plain, *self.filters)]

    @staticmethod
    def adopt(packed: list[bytes]) -> None:
        """Make what `pack` has returned this process's own."""
        first, *filters = packed
        folder, environ, sys.path[:], sys.argv[:] = _load(first)
        if folder is not None:
            with suppress(OSError):
                os.chdir(folder)
        for name in os.environb.keys() - environ.keys():
            del os.environb[name]
        os.environb.update(environ)
        time.tzset()
        # A module may have been written a moment ago. (importlib.invalidate_caches()
        # would load half of the standard library first.)
        sys.path_importer_cache.clear()
        # A filter may name a warning of a module that cannot be imported here.
        readable = []
        for each in filters:
            with suppress(Exception):
                readable.append(_load(each))
        warnings.resetwarnings()  # tells Python that what it remembers is void
        warnings.filters[:] = readable  # type: ignore[index]  # a list in truth


def _load(pickled: Piece) -> Any:
    return loads([pickled])
