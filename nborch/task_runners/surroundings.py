"""What a worker process takes over from the process that it works for."""

import os
import pickle
import sys
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from nborch.secrets import hidden, hide
from nborch.task_runners.messages import Piece

__all__ = ["Surroundings"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where code runs: folder, environment, import path, arguments, warning filters.

    Parameters
    ----------
    secrets
        Texts that are masked in what is recorded.
    """

    folder: str | None
    environ: dict[bytes, bytes]
    path: list[str]
    argv: list[str]
    filters: list[tuple[Any, ...]]
    secrets: list[str]

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
            sorted(hidden()),
        )

    def pack(self) -> bytes:
        """Return them as a pickle that can be read without any module of the user."""
        filters = [
            (action, text, (kind.__module__, kind.__qualname__), module, line)
            for action, text, kind, module, line in self.filters
        ]
        parts = (
            self.folder,
            self.environ,
            self.path,
            self.argv,
            filters,
            self.secrets,
        )
        return pickle.dumps(parts)

    @staticmethod
    def adopt(packed: Piece) -> None:
        """Make what `pack` has returned this process's own."""
        folder, environ, sys.path[:], sys.argv[:], filters, texts = pickle.loads(packed)
        hide(*texts)
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
        warnings.resetwarnings()  # tells Python that what it remembers is void
        warnings.filters[:] = [  # type: ignore[index]  # a list in truth
            (action, text, _category(*kind), module, line)
            for action, text, kind, module, line in filters
        ]


class _ByName(type):
    """The type of classes that stand for all classes of their name."""

    def __subclasscheck__(cls, kind: type) -> bool:
        return any(
            each.__module__ == cls.__module__ and each.__qualname__ == cls.__qualname__
            for each in kind.__mro__
        )


def _category(module: str, qualname: str) -> type:
    """Return the class of warnings, or one for it while its module is not loaded.

    Loading numpy takes longer than most calls, which may not need it.
    """
    found = getattr(sys.modules.get(module), qualname, None)
    if isinstance(found, type):
        return found
    named = {"__module__": module, "__qualname__": qualname}
    return _ByName(qualname, (Warning,), named)
