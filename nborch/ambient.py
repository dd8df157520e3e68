"""Who tells which run encloses code that no run of ours called.

It stands alone, so that the kernel of a notebook can say so before it knows what a run
is: most notebooks never ask.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

__all__ = ["ambient", "drop_ambient", "set_ambient"]

Provider = Callable[[], Any]

#: The last one counts.
_providers: list[Provider] = []


def set_ambient(provider: Provider) -> None:
    """Let `provider` tell the enclosing run from now on.

    In a notebook that is the session, or the cell that a notebook flow executes.
    """
    _providers.append(provider)


def drop_ambient(provider: Provider) -> None:
    """Ask a provider no more; the one before it counts again."""
    with suppress(ValueError):
        _providers.remove(provider)


def ambient() -> Any:
    """Return the context of the run that the surface of this process tells, if any."""
    return _providers[-1]() if _providers else None
