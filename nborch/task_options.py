"""The options of a task: their names and types, and what they declare."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypedDict

from nborch.annotations import NotSet
from nborch.cache_policies import NO_CACHE, CacheKeyFunction, CachePolicy
from nborch.caching import effective_policy, policy_of
from nborch.declarations import callable_name, common_spec
from nborch.exceptions import InvalidDeclaration
from nborch.runs import RunKind
from nborch.serializers import checked_serializer
from nborch.specs import (
    Delays,
    Hook,
    RetryCondition,
    RunNaming,
    Spec,
    checked_condition,
    checked_jitter,
)

__all__ = ["TaskOptions", "task_spec"]


class TaskOptions(TypedDict, total=False):
    """The options of a task, by name and type; `task` says what they mean."""

    name: str | None
    description: str | None
    tags: Iterable[str] | None
    version: str | None
    cache_policy: CachePolicy | None
    cache_key_fn: CacheKeyFunction | None
    cache_expiration: timedelta | None
    task_run_name: RunNaming | None
    retries: int | None
    retry_delay_seconds: Delays | None
    retry_jitter_factor: float | None
    retry_condition_fn: RetryCondition | None
    persist_result: bool | None
    result_storage: object
    result_serializer: object
    result_storage_key: str | None
    cache_result_in_memory: bool
    timeout_seconds: float | None
    log_prints: bool | None
    refresh_cache: bool | None
    isolate: bool
    on_completion: Sequence[Hook] | None
    on_failure: Sequence[Hook] | None
    on_running: Sequence[Hook] | None
    on_rollback: Sequence[Callable[[Any], object]] | None
    on_commit: Sequence[Callable[[Any], object]] | None
    viz_return_value: object
    asset_deps: object


def task_spec(fn: Callable[..., Any], options: Mapping[str, Any]) -> Spec:
    """Return what the options of a task declare, checked."""
    given = dict(options)
    spec = common_spec(
        RunKind.TASK,
        fn,
        callable_name(fn),
        run_name=given.pop("task_run_name"),
        **{name: given.pop(name) for name in _COMMON},
    )
    owner = f"Task {spec.name!r}"
    _check_absent(owner, given)
    policy = given["cache_policy"]
    serializer = checked_serializer(owner, given["result_serializer"])
    policy = policy_of(
        owner,
        # Not given, it follows the flow; None says that nothing is to be reused.
        cache_policy=None if policy is NotSet else policy or NO_CACHE,
        cache_key_fn=given["cache_key_fn"],
        persist_result=given["persist_result"],
        result_storage_key=given["result_storage_key"],
        result_serializer=serializer,
    )
    effective = effective_policy(policy, flow_persists=False)
    return replace(
        spec,
        retry_jitter=checked_jitter(owner, given["retry_jitter_factor"]),
        retry_condition=checked_condition(owner, given["retry_condition_fn"]),
        isolate=bool(given["isolate"]),
        reuses=effective is not None,
        refreshes=bool(given["refresh_cache"]),
        cache_policy=policy,
        cache_expiration=_checked_expiration(owner, given["cache_expiration"]),
        persists=given["persist_result"],
        result_serializer=serializer,
        result_storage_key=given["result_storage_key"],
    )


_COMMON = (
    "name", "description", "tags", "version", "retries", "retry_delay_seconds",
    "timeout_seconds", "log_prints", "on_completion", "on_failure", "on_running",
    "on_rollback", "on_commit",
)  # fmt: skip


def _check_absent(owner: str, options: dict[str, Any]) -> None:
    """Raise for options of Prefect's that nborch has something else for."""
    for name, instead in (
        (
            "result_storage",
            "Results are kept in the home folder: NBORCH_HOME says where that is.",
        ),
        ("asset_deps", "Assets do not exist here: pass what a task needs to it."),
    ):
        if options.get(name):
            raise InvalidDeclaration(f"{owner}: {name} is not supported. {instead}")


def _checked_expiration(owner: str, expiration: object) -> timedelta | None:
    if expiration is None or isinstance(expiration, timedelta):
        return expiration
    raise InvalidDeclaration(
        f"{owner}: cache_expiration must be a timedelta, not {expiration!r}."
    )
