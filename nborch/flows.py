"""Flows: functions that call tasks, tracked as one run."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import (
    Any,
    Concatenate,
    ParamSpec,
    Self,
    TypedDict,
    TypeVar,
    Unpack,
    overload,
)

from nborch.calling import Call
from nborch.context import RunContext
from nborch.deadlines import door, is_overdue
from nborch.declaring import Declared, callable_name, changed_options, common_spec
from nborch.exceptions import InvalidDeclaration, RunTimedOut
from nborch.futures import Future, resolve_futures_to_states
from nborch.generating import Asked
from nborch.lifecycle import state_of_value
from nborch.logs import tell
from nborch.nested import hold
from nborch.parameters import bind, spread
from nborch.runs import RunKind, flow_run_name
from nborch.serializers import checked_serializer
from nborch.showing import of_flow
from nborch.sketching import Sketch, sketched, sketched_async
from nborch.specs import Delays, Hook, RunNaming, Spec, checked_jitter
from nborch.states import Completed, State
from nborch.submitting import Submissions
from nborch.task_runners.base import TaskRunner
from nborch.task_runners.threads import ThreadPoolTaskRunner
from nborch.validation import Validation

__all__ = ["Flow", "FlowOptions", "flow"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
T = TypeVar("T")
H = TypeVar("H", bound=Hook)


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


#: A message names at most this many of the task runs that failed.
MOST_NAMED = 3


class Flow(Declared[P, R]):
    """A function under ``@flow``: call it like the function itself.

    >>> @flow(name="My Pipeline")
    ... def pipeline(n: int = 1) -> int:
    ...     return n + 1
    >>> pipeline.name
    'My Pipeline'

    Attributes
    ----------
    task_runner
        Where the tasks run that are submitted within it.
    should_validate_parameters
        Whether parameters are made and checked as they are annotated.
    """

    def __init__(self, fn: Callable[P, R], spec: Spec, options: dict[str, Any]) -> None:
        super().__init__(fn, spec, options)
        self.task_runner: TaskRunner = options["task_runner"] or ThreadPoolTaskRunner()
        self.should_validate_parameters = options["validate_parameters"]
        self._validation = Validation(self.fn, self.signature, self.owner)

    def validate_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return parameters as the annotations ask for them.

        Raises
        ------
        ParameterTypeError
            Some do not fit.
        """
        return self._validation.validated(parameters)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...

    @overload
    def __get__(
        self: "Flow[Concatenate[Any, Q], T]",
        instance: object,
        owner: type | None = None,
    ) -> "Flow[Q, T]": ...

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Return it as it is called on an instance or, a classmethod, on a class."""
        return self.of(instance, owner)

    def with_options(self, **options: Unpack[FlowOptions]) -> Self:
        """Return this flow with some options changed; the original stays as it is.

        >>> @flow
        ... def report(month: int) -> int:
        ...     return month
        >>> report.with_options(name="monthly", retries=2).name
        'monthly'
        """
        options_now = changed_options(self.owner, self._options, options)
        changed: Self = _flow_of(self._declared_fn(), **options_now)
        return changed.bound_to(*self.bound) if self.bound else changed

    def on_cancellation(self, hook: H) -> H:
        """Call `hook` when a run has been cancelled; for use as a decorator."""
        return self._add_hook("on_cancellation", hook)

    def on_crashed(self, hook: H) -> H:
        """Call `hook` when a run's process ended under it; for use as a decorator."""
        return self._add_hook("on_crashed", hook)

    def visualize(self, *args: P.args, **kwargs: P.kwargs) -> Sketch:
        """Return a picture of what a run would do, without running any task.

        Its own code runs; each task gives its ``viz_return_value``, or a stand-in.
        A notebook shows the picture, and ``str()`` of it is mermaid text.
        """
        bind(self.signature, args, kwargs, self.owner)
        return sketched(self.fn, args, kwargs)

    def generate_mermaid_graph(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Return what a run would do as mermaid text, without running any task."""
        return str(self.visualize(*args, **kwargs))

    async def avisualize(self, *args: P.args, **kwargs: P.kwargs) -> Sketch:
        """Do what `visualize` does, in the running event loop."""
        return await sketched_async(self.fn, args, kwargs)

    async def agenerate_mermaid_graph(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Do what `generate_mermaid_graph` does, in the running event loop."""
        return str(await self.avisualize(*args, **kwargs))

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        rows = [
            ("retries", self.retries or None),
            ("timeout", self.timeout_seconds and f"{self.timeout_seconds:g} s"),
            ("task runner", self.task_runner),
        ]
        return of_flow(
            self.name,
            self.signature,
            description=self.description,
            tags=self.tags,
            rows=rows,
        )

    # What a call asks for.

    def names(self, parameters: dict[str, Any] | None) -> tuple[str, str]:
        """Return the name of a new run, and how its lines call it."""
        name = self._told_name(parameters) or flow_run_name()
        return name, name

    def body(self, call: Call) -> Any:
        """Return what the function returns, once all that it submitted has ended."""
        if self.isgenerator:
            return self._items_async(call) if self.yields_async else self._items(call)
        if self.isasync:
            return self._ended_async(call)
        context = call.context
        try:
            value = self._function(call)
            if context.submissions is None:
                return _with_states(value, context)
            value = _with_states(value, context)
            context.submissions.wait()
        except BaseException as error:
            _end_early(context, error)
            # NB. As in `Call.forget`: this frame is held by the error.
            del context
            raise
        return _observed(value, context)

    async def _ended_async(self, call: Call) -> Any:
        context = call.context
        try:
            value = await self._function(call)
            submissions: Submissions | None = context.submissions
            if submissions is not None:
                await submissions.wait_async()
            value = _with_states(value, context)
        except BaseException as error:
            submissions = context.submissions
            if submissions is not None:
                try:
                    await submissions.end_early_async(error, at_once=_is_late(error))
                finally:
                    _close(context)
            del context, submissions
            raise
        return value if submissions is None else _observed(value, context)

    def _items(self, call: Call) -> Any:
        """Yield the function's items; wait in the end for what it submitted."""
        context = call.context
        try:
            value = yield from self._function(call)
        except BaseException as error:
            _end_early(context, error)
            del context
            raise
        if context.submissions is None:
            return value
        context.submissions.wait()
        return _observed(value, context)

    async def _items_async(self, call: Call) -> Any:
        context = call.context
        items, asked = self._function(call), Asked()
        try:
            while True:
                try:
                    item = await asked.of_async(items)
                except StopAsyncIteration:
                    break
                try:
                    asked = Asked((yield item))
                except BaseException as error:  # noqa: BLE001  # it is the generator's
                    asked = Asked(error=error)
        except BaseException as error:
            _end_early(context, error)
            del context
            raise
        if context.submissions is not None:
            await context.submissions.wait_async()
            _observed(None, context)

    @door
    def _function(self, call: Call) -> Any:
        if not self.should_validate_parameters:
            return self.fn(*call.args, **call.kwargs)
        parameters = self._validation.validated(call.parameters)
        call.context.parameters = parameters
        args, kwargs = spread(self.signature, parameters)
        return self.fn(*args, **kwargs)


def _with_states(value: Any, context: RunContext) -> Any:
    """Return the value with states in place of futures, whose runs are waited for."""
    if isinstance(value, Future):
        return resolve_futures_to_states(value)
    # Only a flow that submits something is likely to return futures within a value.
    if context.submissions is not None and hold((value,), (Future,), _Nothing):
        return resolve_futures_to_states(value)
    return value


class _Nothing:
    """A type without instances."""


def _is_late(error: BaseException) -> bool:
    """Tell whether the flow run, or one around it, has taken longer than it may."""
    return isinstance(error, RunTimedOut) and is_overdue()


def _end_early(context: RunContext, error: BaseException) -> None:
    """End what was submitted within a flow that ends by `error`."""
    submissions: Submissions | None = context.submissions
    if submissions is None:
        return
    try:
        if isinstance(error, GeneratorExit):
            # Nobody wants more items, which is no reason to break off what was begun.
            submissions.wait()
        else:
            submissions.end_early(error, at_once=_is_late(error))
    finally:
        _close(context)


def _close(context: RunContext) -> None:
    submissions: Submissions = context.submissions
    # NB. Last: until its runs have ended they may submit others, which belong to it.
    context.submissions = None
    submissions.close()


def _observed(value: Any, context: RunContext) -> Any:
    """Return the value, or a state that tells of failures that nobody asked about."""
    submissions: Submissions = context.submissions
    _close(context)
    failed, count = submissions.unobserved()
    state = state_of_value(value)
    if not failed or not state.is_completed():
        return value
    names = [f"{each.name} ({each.state.message})" for each in failed[:MOST_NAMED]]
    more = f" and {len(failed) - MOST_NAMED} more" if len(failed) > MOST_NAMED else ""
    message = (
        f"{len(failed)} of {count} submitted task runs did not complete, and nobody "
        f"asked how they ended: {', '.join(names)}{more}."
    )
    advice = "Ask each future for its result(), or return the futures from the flow."
    tell(context, logging.WARNING, "%s %s", message, advice)
    if isinstance(value, State):
        return replace(state, message=state.message or message)
    return Completed(message=message, data=state.data)


@overload
def flow(fn: Callable[P, R], /) -> Flow[P, R]: ...


@overload
def flow(**options: Unpack[FlowOptions]) -> Callable[[Callable[P, R]], Flow[P, R]]: ...


def flow(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    version: str | None = None,
    flow_run_name: RunNaming | None = None,
    retries: int | None = None,
    retry_delay_seconds: Delays | None = None,
    retry_jitter_factor: float | None = None,
    task_runner: TaskRunner | None = None,
    description: str | None = None,
    tags: Iterable[str] | None = None,
    timeout_seconds: float | None = None,
    validate_parameters: bool = True,
    persist_result: bool | None = None,
    result_storage: object = None,
    result_serializer: object = None,
    cache_result_in_memory: bool = True,
    log_prints: bool | None = None,
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

    A run ends when the function has returned and every task has ended that was
    submitted within it. If the function returns states or futures, the run is
    completed only if they are.

    Parameters
    ----------
    name
        The name in runs; the function's own with dashes if not given.
    flow_run_name
        The name of each run: a template that the parameters fill, ``"{month}-report"``,
        or a function that returns one.
    retries, retry_delay_seconds, retry_jitter_factor
        How often a failed run is repeated, and after how many seconds; as for tasks.
    task_runner
        Where submitted tasks run: `ThreadPoolTaskRunner` if not given, or
        `ProcessPoolTaskRunner`.
    timeout_seconds
        End an attempt that takes longer.
    validate_parameters
        Whether parameters are made and checked as they are annotated.
    persist_result
        Whether its tasks keep their results, where they do not say otherwise, so that
        a retry reuses them.
    log_prints
        Have what is printed go to the run's log, in its tasks too.
    on_completion, on_failure, on_cancellation, on_crashed, on_running
        Lists of functions ``(flow, run, state)``. What they raise is logged.
    """
    options = dict(locals())
    del options["fn"]
    if fn is None:
        return lambda function: _flow_of(function, **options)
    return _flow_of(fn, **options)


def _flow_of(fn: Callable[..., Any], **options: Any) -> Any:
    """Return the flow that `flow` was asked for, its options checked."""
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
    spec = replace(
        spec,
        retry_jitter=checked_jitter(owner, given["retry_jitter_factor"]),
        persists=given["persist_result"],
        result_serializer=checked_serializer(owner, given["result_serializer"]),
    )
    return Flow(fn, spec, options)


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
