"""The audience: who wants to see a flow run from its beginning.

It stands alone, so that the engine can tell of a run without knowing who looks on: in a
program nobody does.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

__all__ = ["audience", "begins", "looks_of", "set_audience", "set_portraitist"]

#: Called with the context of a flow run that begins; may return what is to be called
#: when the run has ended.
Onlooker = Callable[[Any], Callable[[], object] | None]

_onlookers: list[Onlooker] = []
_portraitists: list[Callable[[Any], dict[str, Any] | None]] = []


def set_audience(onlooker: Onlooker | None) -> None:
    """Call `onlooker` when a flow run begins that is part of no other; None for nobody.

    There is one: a package that is loaded again must not look on twice.
    """
    _onlookers[:] = [onlooker] if onlooker is not None else []


def audience() -> Onlooker | None:
    """Return what is called when a flow run begins that is part of no other."""
    return _onlookers[0] if _onlookers else None


def begins(context: Any) -> list[Callable[[], object]]:
    """Tell that a flow run begins; return what is to be called when it has ended."""
    leaving = []
    for onlooker in tuple(_onlookers):
        with suppress(Exception):  # the run goes on, whoever looks at it
            leave = onlooker(context)
            if leave is not None:
                leaving.append(leave)
    return leaving


def set_portraitist(portraitist: Callable[[Any], dict[str, Any] | None]) -> None:
    """Let `portraitist` tell how front ends show a run's record, or a server."""
    _portraitists[:] = [portraitist]


def looks_of(what: Any) -> dict[str, Any] | None:
    """Return a thing in the forms that front ends show, if somebody draws it here."""
    return _portraitists[0](what) if _portraitists else None
