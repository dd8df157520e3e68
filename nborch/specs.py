"""Specs: what was declared of a task or flow, checked when it is declared."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf
from typing import Any

from nborch.exceptions import InvalidDeclaration
from nborch.runs import RunKind

__all__ = [
    "MAX_DELAYS",
    "Delays",
    "Hook",
    "Spec",
    "checked_delays",
    "checked_name",
    "checked_retries",
    "checked_tags",
]

#: More delays than this are a mistake: ask for a callable instead.
MAX_DELAYS = 50

Delays = float | Sequence[float] | Callable[[int], Sequence[float]]
Hook = Callable[[Any, Any, Any], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What was declared of a task, a flow or a cell.

    Parameters
    ----------
    retries
        How often a failed attempt is followed by another.
    retry_delays
        Seconds before each retry; the last one repeats.
    reuses
        Whether an earlier result may stand in for a call.
    refreshes
        Whether an earlier result is passed over, and replaced.
    hooks
        Functions ``(task or flow, run, state)`` by the name of their option.
    """

    kind: RunKind
    name: str
    description: str | None = None
    version: str | None = None
    tags: frozenset[str] = frozenset()
    retries: int = 0
    retry_delays: tuple[float, ...] = (0.0,)
    reuses: bool = False
    refreshes: bool = False
    cache_key_fn: Callable[[Any, dict[str, Any]], str | None] | None = None
    cache_expiration: timedelta | None = None
    log_prints: bool = False
    quiet: bool = False
    hooks: Mapping[str, tuple[Hook, ...]] = field(default_factory=dict)

    def delay(self, retry: int) -> float:
        """Return the seconds to wait before the given retry, from 1.

        >>> Spec(kind=RunKind.TASK, name="t", retry_delays=(1.0, 5.0)).delay(3)
        5.0
        """
        return self.retry_delays[min(retry, len(self.retry_delays)) - 1]


def checked_retries(owner: str, retries: int) -> int:
    """Return `retries`, or raise `InvalidDeclaration` if it is no count."""
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise InvalidDeclaration(
            f"{owner}: retries must be a whole number from 0, not {retries!r}."
        )
    return retries


def checked_delays(
    owner: str,
    delays: Delays | None,
    retries: int,
) -> tuple[float, ...]:
    """Return the delays before each retry in seconds.

    >>> checked_delays("Task 'load'", [1, 10], retries=3)
    (1.0, 10.0)

    Parameters
    ----------
    delays
        A number, a list, or a callable that is given the number of retries and
        returns a list.
    """
    if callable(delays):
        delays = delays(retries)
    if delays is None:
        return (0.0,)
    if isinstance(delays, int | float) and not isinstance(delays, bool):
        delays = [delays]
    if not isinstance(delays, list | tuple) or not all(map(_is_delay, delays)):
        raise InvalidDeclaration(
            f"{owner}: retry_delay_seconds must be a number of seconds, a list of them "
            f"or a callable that returns one, not {delays!r}."
        )
    if len(delays) > MAX_DELAYS:
        raise InvalidDeclaration(
            f"{owner}: retry_delay_seconds has {len(delays)} delays, at most "
            f"{MAX_DELAYS} are allowed. Give a callable or fewer; the last one repeats."
        )
    return tuple(float(d) for d in delays) or (0.0,)


def _is_delay(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value < inf  # type: ignore[operator]  # a number by now


def checked_name(kind: RunKind, name: object) -> str:
    """Return `name`, or raise `InvalidDeclaration` if it is no text."""
    if not isinstance(name, str) or not name:
        raise InvalidDeclaration(
            f"{kind.value.title()}: name must be a text, not {name!r}."
        )
    return name


def checked_tags(owner: str, tags: Iterable[str] | None) -> frozenset[str]:
    """Return the tags, or raise `InvalidDeclaration` if they are no texts."""
    if isinstance(tags, str):
        raise InvalidDeclaration(
            f"{owner}: tags must be a list of texts, not {tags!r}. "
            f"Write tags=[{tags!r}]."
        )
    told = frozenset(tags or ())
    for tag in told:
        if not isinstance(tag, str):
            raise InvalidDeclaration(
                f"{owner}: tags must be a list of texts, not {tag!r} among them."
            )
    return told
