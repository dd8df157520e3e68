"""Estimates: what a run and its tasks will take, by what earlier runs took."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from nborch.store.base import RunStore

__all__ = ["Estimates", "estimated"]


@dataclass(frozen=True, slots=True)
class Estimates:
    """Seconds as the last few runs took them.

    Parameters
    ----------
    run
        For the whole; None if it has not completed before.
    tasks
        For one run of each task or subflow, by its name.
    """

    run: float | None = None
    tasks: Mapping[str, float] = field(default_factory=dict)


def estimated(store: RunStore, of: str, *, besides: str = "") -> Estimates:
    """Return what runs of a flow and of its tasks take, by the last that completed.

    The middle one counts, so that one slow run does not. Runs that were cached were
    not called and say nothing.

    Parameters
    ----------
    of
        The name of the flow.
    besides
        The run that is to be estimated.
    """
    wholes: list[float] = []
    parts: dict[str, list[float]] = {}
    for name, seconds, is_whole in store.seconds(of, besides=besides):
        (wholes if is_whole else parts.setdefault(name, [])).append(max(seconds, 0.0))
    return Estimates(
        median(wholes) if wholes else None,
        {name: median(taken) for name, taken in parts.items()},
    )
