"""Flows: functions that call tasks, tracked as one run."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, Unpack, cast, overload

from nborch.calling import Call
from nborch.deadlines import door
from nborch.declarations import changed_options
from nborch.declaring import Declared
from nborch.deploy.deployable import Deployable
from nborch.finishing import close, end_early, is_late, observed, with_states
from nborch.flow_options import FlowOptions, flow_spec
from nborch.generating import Asked
from nborch.parameters import bind, spread
from nborch.runs import flow_run_name
from nborch.showing import of_flow
from nborch.sketching import Sketch, sketched, sketched_async
from nborch.specs import Delays, Hook, RunNaming, Spec
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


class Flow(Declared[P, R], Deployable):
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
        fn = self._declared_fn()
        changed = cast("Self", Flow(fn, flow_spec(fn, options_now), options_now))
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
                return with_states(value, context)
            value = with_states(value, context)
            context.submissions.wait()
        except BaseException as error:
            end_early(context, error)
            # NB. As in `Call.forget`: this frame is held by the error.
            del context
            raise
        return observed(value, context)

    async def _ended_async(self, call: Call) -> Any:
        context = call.context
        try:
            value = await self._function(call)
            submissions: Submissions | None = context.submissions
            if submissions is not None:
                await submissions.wait_async()
            value = with_states(value, context)
        except BaseException as error:
            submissions = context.submissions
            if submissions is not None:
                try:
                    await submissions.end_early_async(error, at_once=is_late(error))
                finally:
                    close(context)
            del context, submissions
            raise
        return value if submissions is None else observed(value, context)

    def _items(self, call: Call) -> Any:
        """Yield the function's items; wait in the end for what it submitted."""
        context = call.context
        try:
            value = yield from self._function(call)
        except BaseException as error:
            end_early(context, error)
            del context
            raise
        if context.submissions is None:
            return value
        context.submissions.wait()
        return observed(value, context)

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
            end_early(context, error)
            del context
            raise
        if context.submissions is not None:
            await context.submissions.wait_async()
            observed(None, context)

    @door
    def _function(self, call: Call) -> Any:
        if not self.should_validate_parameters:
            return self.fn(*call.args, **call.kwargs)
        parameters = self._validation.validated(call.parameters)
        call.context.parameters = parameters
        args, kwargs = spread(self.signature, parameters)
        return self.fn(*args, **kwargs)


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
        return lambda function: Flow(function, flow_spec(function, options), options)
    return Flow(fn, flow_spec(fn, options), options)
