"""Refusals: cells that do not run, because what they read cannot be had."""

from collections.abc import Callable
from typing import Any

from IPython.core.error import InputRejected

from nborch.exceptions import UpstreamTaskError

__all__ = ["Gate", "Interrupted", "Rejected", "rejection"]


class Rejected(InputRejected, UpstreamTaskError):  # type: ignore[misc]  # untyped base
    """A cell was not run, because what it reads could not be made."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows: where it was rejected says nothing to the user."""
        return [f"{type(self).__name__}: {self}"]


class Interrupted(InputRejected, KeyboardInterrupt):  # type: ignore[misc]  # untyped base
    """A cell was not run, because somebody was tired of waiting for what it reads."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows."""
        return [f"{type(self).__name__}: {self}"]


# What a front end shows and a notebook stores is the name of what it is.
Rejected.__name__ = Rejected.__qualname__ = "UpstreamTaskError"
Interrupted.__name__ = Interrupted.__qualname__ = "KeyboardInterrupt"


class Gate:
    """Keeps a cell from running, as a transformer of its tree may.

    Parameters
    ----------
    refuse
        Raises what keeps the present cell from running, if anything does.
    """

    def __init__(self, refuse: Callable[[], object]) -> None:
        self._refuse = refuse

    def visit(self, tree: Any) -> Any:
        """Return the tree, unless the cell must not run."""
        self._refuse()
        return tree


def rejection(error: Exception) -> Rejected:
    """Return what IPython shows in one line, with the same cause."""
    rejected = Rejected(str(error))
    rejected.__cause__ = error.__cause__
    return rejected
