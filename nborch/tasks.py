"""Tasks: functions whose calls are tracked, retried and reused."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar, overload

from nborch.context import RunContext
from nborch.declaring import Declared, called, declared_spec
from nborch.exceptions import CacheWarning, InvalidDeclaration, Unfingerprintable
from nborch.results import CallRecall, Recall
from nborch.runs import RunKind, task_run_name
from nborch.specs import Delays, Hook

__all__ = ["Task", "task", "task_input_hash"]

P = ParamSpec("P")
R = TypeVar("R")

CacheKeyFunction = Callable[[Any, dict[str, Any]], str | None]


class Task(Declared[P, R]):
    """A function under ``@task``: call it like the function itself.

    >>> @task
    ... def double(n: int) -> int:
    ...     return 2 * n
    >>> double.fn(4)
    8
    """

    def _names(self) -> tuple[str, str]:
        return task_run_name(self.name), self.name

    def _recall(self, context: RunContext, parameters: dict[str, Any]) -> Recall | None:
        return CallRecall(context, parameters) if self.spec.reuses else None


@overload
def task(fn: Callable[P, R], /) -> Task[P, R]: ...


@overload
def task(
    *,
    name: str | None = None,
    description: str | None = None,
    tags: Iterable[str] | None = None,
    version: str | None = None,
    cache_key_fn: CacheKeyFunction | None = None,
    cache_expiration: timedelta | None = None,
    refresh_cache: bool = False,
    retries: int = 0,
    retry_delay_seconds: Delays | None = None,
    on_completion: Sequence[Hook] | None = None,
    on_failure: Sequence[Hook] | None = None,
    on_running: Sequence[Hook] | None = None,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def task(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    tags: Iterable[str] | None = None,
    version: str | None = None,
    cache_key_fn: CacheKeyFunction | None = None,
    cache_expiration: timedelta | None = None,
    refresh_cache: bool = False,
    retries: int = 0,
    retry_delay_seconds: Delays | None = None,
    on_completion: Sequence[Hook] | None = None,
    on_failure: Sequence[Hook] | None = None,
    on_running: Sequence[Hook] | None = None,
) -> Any:
    """Make a function a task: each call is tracked, and retried or reused as told.

    >>> from datetime import timedelta
    >>> @task(cache_key_fn=task_input_hash, cache_expiration=timedelta(hours=1))
    ... def load(path: str) -> list[str]:
    ...     return open(path).read().splitlines()

    Parameters
    ----------
    name
        The name in runs; the function's own if not given.
    cache_key_fn
        Function ``(context, parameters)`` that returns a key: a later call with the
        same key gets the earlier result. `task_input_hash` is one. None as the key
        means: do not reuse.
    cache_expiration
        How long a result may be reused; for ever if not given.
    refresh_cache
        Compute in any case, and replace the result that was kept.
    retries
        How often a failed attempt is followed by another.
    retry_delay_seconds
        Seconds before each retry: a number, a list whose last one repeats, or a
        callable that is given the number of retries and returns a list.
    on_completion, on_failure, on_running
        Lists of functions ``(task, run, state)``. What they raise is logged.
    """
    options = dict(locals())
    del options["fn"]
    if fn is None:
        return lambda function: _task_of(function, **options)
    return _task_of(fn, **options)


def _task_of(
    fn: Callable[..., Any],
    *,
    cache_key_fn: CacheKeyFunction | None,
    cache_expiration: timedelta | None,
    refresh_cache: bool,
    **options: Any,
) -> Task[..., Any]:
    """Return the task that `task` was asked for, its options checked."""
    spec = declared_spec(RunKind.TASK, fn, called(fn), **options)
    owner = f"Task {spec.name!r}"
    if cache_key_fn is not None and not callable(cache_key_fn):
        raise InvalidDeclaration(
            f"{owner}: cache_key_fn must be a function (context, parameters), "
            f"not {cache_key_fn!r}."
        )
    if cache_expiration is not None and not isinstance(cache_expiration, timedelta):
        raise InvalidDeclaration(
            f"{owner}: cache_expiration must be a timedelta, not {cache_expiration!r}."
        )
    spec = replace(
        spec,
        reuses=cache_key_fn is not None,
        refreshes=refresh_cache,
        cache_key_fn=cache_key_fn,
        cache_expiration=cache_expiration,
    )
    return Task(fn, spec)


def task_input_hash(context: Any, parameters: dict[str, Any]) -> str | None:
    """Return a key of the task's code and its parameters' content.

    The code counts with every function, class and global that it uses, so that a
    changed helper is noticed. Give it to `task` as ``cache_key_fn``. The key is None,
    with one warning, where a parameter has no content to compare.
    """
    # Who reuses no result need not load what compares them (law 7).
    from nborch.cache.code import code_digest
    from nborch.cache.fingerprints import fingerprints
    from nborch.cache.keys import cache_key

    body = context.task
    try:
        found = fingerprints(parameters)
        return cache_key(
            body=code_digest(body.fn),
            inputs=found.each,
            options={"sharing": found.sharing},
        )
    except Unfingerprintable as error:
        warnings.warn(
            f"Task {body.name!r} runs uncached: {error}.", CacheWarning, stacklevel=2
        )
        return None
