"""Who tells which run encloses code that no run of ours called.

It stands alone, so that the kernel of a notebook can say so before it knows what a run
is: most notebooks never ask.
"""

from collections.abc import Callable
from typing import Any

__all__ = ["ambient", "set_ambient"]

Provider = Callable[[], Any]

_provider: Provider = lambda: None  # noqa: E731  # replaceable


def set_ambient(provider: Provider) -> Provider:
    """Let `provider` tell the enclosing run; return who told it before.

    In a notebook that is the session, or the cell that a notebook flow executes.
    """
    global _provider  # one surface at a time holds a process
    before, _provider = _provider, provider
    return before


def ambient() -> Any:
    """Return the context of the run that the surface of this process tells, if any."""
    return _provider()
