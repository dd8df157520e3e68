"""Specs: what was declared of a task or flow, checked when it is declared."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf, log1p
from typing import Any

from nborch.exceptions import InvalidDeclaration
from nborch.runs import RunKind

__all__ = [
    "MAX_DELAYS",
    "Delays",
    "Hook",
    "RetryCondition",
    "RunNaming",
    "Spec",
    "checked_condition",
    "checked_delays",
    "checked_jitter",
    "checked_name",
    "checked_naming",
    "checked_retries",
    "checked_tags",
    "checked_timeout",
    "exponential_backoff",
]

#: More delays than this are a mistake: the last one repeats.
MAX_DELAYS = 50

Delays = float | Sequence[float] | Callable[[int], Sequence[float]]
Hook = Callable[[Any, Any, Any], object]
RetryCondition = Callable[[Any, Any, Any], object]
RunNaming = str | Callable[..., str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What was declared of a task, a flow or a cell.

    Parameters
    ----------
    run_name
        The name of each run: a template that the parameters fill, or a callable.
    retries
        How often a failed attempt is followed by another.
    retry_delays
        Seconds before each retry; the last one repeats.
    retry_jitter
        How far a delay may be off: ``1.0`` draws up to twice of it.
    retry_condition
        Function ``(task, run, state)`` that says whether to try again.
    timeout
        Seconds that one attempt may take.
    isolate
        Whether each attempt gets a process of its own, which can be killed.
    reuses
        Whether an earlier result may stand in for a call.
    refreshes
        Whether an earlier result is passed over, and replaced.
    cache_policy
        What the cache key is made of: see `nborch.cache_policies`.
    persists
        Whether results are kept; None means as the flow around it says.
    log_prints
        Whether printed lines go to the run's log; None means as the run around it.
    quiet
        Whether the run prints no lines of its own.
    hooks
        Functions ``(task or flow, run, state)`` by the name of their option.
    """

    kind: RunKind
    name: str
    description: str | None = None
    version: str | None = None
    tags: frozenset[str] = frozenset()
    run_name: RunNaming | None = None
    retries: int = 0
    retry_delays: tuple[float, ...] = (0.0,)
    retry_jitter: float | None = None
    retry_condition: RetryCondition | None = None
    timeout: float | None = None
    isolate: bool = False
    reuses: bool = False
    refreshes: bool = False
    cache_policy: Any = None
    cache_expiration: timedelta | None = None
    persists: bool | None = None
    result_serializer: Any = None
    result_storage_key: str | None = None
    log_prints: bool | None = None
    quiet: bool = False
    hooks: Mapping[str, tuple[Hook, ...]] = field(default_factory=dict)

    def delay(self, retry: int) -> float:
        """Return the seconds to wait before the given retry, from 1, without jitter.

        >>> Spec(kind=RunKind.TASK, name="t", retry_delays=(1.0, 5.0)).delay(3)
        5.0
        """
        return self.retry_delays[min(retry, len(self.retry_delays)) - 1]

    def jittered(self, delay: float, draw: float) -> float:
        """Return a delay as the jitter makes it of a random `draw` from [0, 1).

        The delays are exponentially distributed about the declared one, as the gaps
        of a Poisson process are, cut off at ``delay * (1 + retry_jitter)``.

        >>> Spec(kind=RunKind.TASK, name="t", retry_jitter=1.0).jittered(10.0, 0.5)
        6.931471805599453
        """
        if not self.retry_jitter:
            return delay
        return min(-log1p(-draw) * delay, delay * (1 + self.retry_jitter))


def exponential_backoff(backoff_factor: float) -> Callable[[int], list[float]]:
    """Return a function that gives delays which double with each retry.

    >>> exponential_backoff(10)(3)
    [10, 20, 40]

    Give it to ``@task(retry_delay_seconds=...)``.

    Parameters
    ----------
    backoff_factor
        The first delay in seconds.
    """

    def delays(retries: int) -> list[float]:
        return [backoff_factor * 2**i for i in range(min(retries, MAX_DELAYS))]

    return delays


def checked_retries(owner: str, retries: int | None) -> int:
    """Return `retries`, or raise `InvalidDeclaration` if it is no count."""
    if retries is None:
        return 0
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
    if _is_span(delays):
        return (float(delays),)  # type: ignore[arg-type]  # a number by now
    if not isinstance(delays, list | tuple) or not all(map(_is_span, delays)):
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


def checked_jitter(owner: str, factor: float | None) -> float | None:
    """Return the jitter factor, or raise if it is no number from 0."""
    if factor is None or _is_span(factor):
        return factor
    raise InvalidDeclaration(
        f"{owner}: retry_jitter_factor must be a number from 0, such as 0.5 for "
        f"delays up to one and a half times as long, not {factor!r}."
    )


def checked_condition(
    owner: str, condition: RetryCondition | None
) -> RetryCondition | None:
    """Return the retry condition, or raise if it cannot be called."""
    if condition is None or callable(condition):
        return condition
    raise InvalidDeclaration(
        f"{owner}: retry_condition_fn must be a function (task, run, state) that "
        f"tells whether to try again, not {condition!r}."
    )


def checked_timeout(owner: str, seconds: float | None) -> float | None:
    """Return the timeout in seconds, or raise if it is no span of time."""
    if seconds is None:
        return None
    if _is_span(seconds):
        # As in Prefect, zero takes a timeout back.
        return float(seconds) or None
    raise InvalidDeclaration(
        f"{owner}: timeout_seconds must be a number of seconds, not {seconds!r}."
    )


def checked_naming(
    owner: str, option: str, naming: RunNaming | None
) -> RunNaming | None:
    """Return how runs are named, or raise if that is no template nor callable."""
    if naming is None or isinstance(naming, str) or callable(naming):
        return naming
    raise InvalidDeclaration(
        f"{owner}: {option} must be a text such as '{{month}}-report' or a function "
        f"that returns one, not {naming!r}."
    )


def _is_span(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value < inf  # type: ignore[operator]  # a number


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
