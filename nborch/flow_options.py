"""The options of a flow: their names and types, and what they declare."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict

from nborch.declarations import callable_name, common_spec
from nborch.exceptions import InvalidDeclaration
from nborch.runs import RunKind
from nborch.serializers import checked_serializer
from nborch.specs import Delays, Hook, RunNaming, Spec, checked_jitter
from nborch.task_runners.base import TaskRunner

__all__ = ["FlowOptions", "flow_spec"]


class FlowOptions(TypedDict, total=False):
    """The options of a flow, by name and type; `flow` says what they mean."""

    name: str | None
    version: str | None
    flow_run_name: RunNaming | None
    retries: int | None
    retry_delay_seconds: Delays | None
    retry_jitter_factor: float | None
    task_runner: TaskRunner | None
    description: str | None
    tags: Iterable[str] | None
    timeout_seconds: float | None
    validate_parameters: bool
    persist_result: bool | None
    result_storage: object
    result_serializer: object
    cache_result_in_memory: bool
    log_prints: bool | None
    on_completion: Sequence[Hook] | None
    on_failure: Sequence[Hook] | None
    on_cancellation: Sequence[Hook] | None
    on_crashed: Sequence[Hook] | None
    on_running: Sequence[Hook] | None


def flow_spec(fn: Callable[..., Any], options: Mapping[str, Any]) -> Spec:
    """Return what the options of a flow declare, checked."""
    given = dict(options)
    spec = common_spec(
        RunKind.FLOW,
        fn,
        callable_name(fn).replace("_", "-"),
        run_name=given.pop("flow_run_name"),
        **{name: given.pop(name) for name in _COMMON},
    )
    owner = f"Flow {spec.name!r}"
    if given["result_storage"]:
        raise InvalidDeclaration(
            f"{owner}: result_storage is not supported. Results are kept in the home "
            "folder: set NBORCH_HOME to have it elsewhere."
        )
    _check_runner(owner, given["task_runner"])
    return replace(
        spec,
        retry_jitter=checked_jitter(owner, given["retry_jitter_factor"]),
        persists=given["persist_result"],
        result_serializer=checked_serializer(owner, given["result_serializer"]),
    )


_COMMON = (
    "name", "description", "tags", "version", "retries", "retry_delay_seconds",
    "timeout_seconds", "log_prints", "on_completion", "on_failure", "on_running",
    "on_cancellation", "on_crashed",
)  # fmt: skip


def _check_runner(owner: str, runner: object) -> None:
    if runner is None or callable(getattr(runner, "duplicate", None)):
        if not isinstance(runner, type):
            return
        raise InvalidDeclaration(
            f"{owner}: task_runner must be a runner, not its class. "
            f"Write task_runner={runner.__name__}()."
        )
    raise InvalidDeclaration(
        f"{owner}: task_runner must be a runner such as "
        f"ThreadPoolTaskRunner(max_workers=8), not {runner!r}."
    )
