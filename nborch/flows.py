"""Flows: functions that call tasks, tracked as one run."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ParamSpec, TypeVar, overload

from nborch.declaring import Declared, called, declared_spec
from nborch.runs import RunKind, flow_run_name
from nborch.specs import Delays, Hook

__all__ = ["Flow", "flow"]

P = ParamSpec("P")
R = TypeVar("R")
H = TypeVar("H", bound=Hook)


class Flow(Declared[P, R]):
    """A function under ``@flow``: call it like the function itself.

    >>> @flow(name="My Pipeline")
    ... def pipeline(n: int = 1) -> int:
    ...     return n + 1
    >>> pipeline.name
    'My Pipeline'
    """

    def on_cancellation(self, hook: H) -> H:
        """Call `hook` when a run has been cancelled; for use as a decorator."""
        return self._add_hook("on_cancellation", hook)

    def on_crashed(self, hook: H) -> H:
        """Call `hook` when a run's process ended under it; for use as a decorator."""
        return self._add_hook("on_crashed", hook)

    def _names(self) -> tuple[str, str]:
        name = flow_run_name()
        return name, name


@overload
def flow(fn: Callable[P, R], /) -> Flow[P, R]: ...


@overload
def flow(
    *,
    name: str | None = None,
    description: str | None = None,
    version: str | None = None,
    tags: Iterable[str] | None = None,
    retries: int = 0,
    retry_delay_seconds: Delays | None = None,
    on_completion: Sequence[Hook] | None = None,
    on_failure: Sequence[Hook] | None = None,
    on_cancellation: Sequence[Hook] | None = None,
    on_crashed: Sequence[Hook] | None = None,
    on_running: Sequence[Hook] | None = None,
) -> Callable[[Callable[P, R]], Flow[P, R]]: ...


def flow(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    version: str | None = None,
    tags: Iterable[str] | None = None,
    retries: int = 0,
    retry_delay_seconds: Delays | None = None,
    on_completion: Sequence[Hook] | None = None,
    on_failure: Sequence[Hook] | None = None,
    on_cancellation: Sequence[Hook] | None = None,
    on_crashed: Sequence[Hook] | None = None,
    on_running: Sequence[Hook] | None = None,
) -> Any:
    """Make a function a flow: each call is a run, with the task runs within it.

    >>> @flow(retries=1)
    ... def report(month: int) -> str:
    ...     return f"Report for {month}"

    Parameters
    ----------
    name
        The name in runs; the function's own with dashes if not given.
    retries, retry_delay_seconds
        How often a failed run is repeated, and after how many seconds.
    on_completion, on_failure, on_cancellation, on_crashed, on_running
        Lists of functions ``(flow, run, state)``. What they raise is logged.
    """
    options = dict(locals())
    del options["fn"]
    if fn is None:
        return lambda function: _flow_of(function, **options)
    return _flow_of(fn, **options)


def _flow_of(fn: Callable[..., Any], **options: Any) -> Flow[..., Any]:
    """Return the flow that `flow` was asked for, its options checked."""
    default = called(fn).replace("_", "-")
    return Flow(fn, declared_spec(RunKind.FLOW, fn, default, **options))
