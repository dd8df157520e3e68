"""Tasks: functions whose calls are tracked, retried and reused."""

from collections.abc import Callable, Coroutine, Generator, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import (
    Any,
    Concatenate,
    Literal,
    ParamSpec,
    Self,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from nborch.annotations import NotSet
from nborch.cache_policies import CacheKeyFunction, CachePolicy
from nborch.caching import effective_policy, task_input_hash
from nborch.calling import Call
from nborch.context import RunContext
from nborch.declarations import changed_options
from nborch.declaring import Declared
from nborch.futures import Future, FutureList
from nborch.generating import listed, listed_async
from nborch.mapping import mapped
from nborch.results import CallRecall, Recall
from nborch.runs import task_run_name
from nborch.showing import of_task
from nborch.sketching import current_sketch
from nborch.specs import (
    Delays,
    Hook,
    RetryCondition,
    RunNaming,
    Spec,
    exponential_backoff,
)
from nborch.states import State
from nborch.submissions import submissions_of
from nborch.task_options import TaskOptions, task_spec

__all__ = [
    "Task",
    "TaskOptions",
    "exponential_backoff",
    "task",
    "task_input_hash",
]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
T = TypeVar("T")
H = TypeVar("H", bound=Hook)


class Task(Declared[P, R]):
    """A function under ``@task``: call it like the function itself.

    >>> @task
    ... def double(n: int) -> int:
    ...     return 2 * n
    >>> double.fn(4)
    8
    """

    @overload
    def submit(  # type: ignore[overload-overlap]  # no parameter may be called so
        self, *args: Any, return_state: Literal[True], **kwargs: Any
    ) -> State: ...

    @overload
    def submit(
        self: "Task[P, Coroutine[Any, Any, T]]", *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]: ...

    @overload
    def submit(
        self: "Task[P, Generator[T, Any, Any]]", *args: P.args, **kwargs: P.kwargs
    ) -> Future[list[T]]: ...

    @overload
    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Future[R]: ...

    @overload
    def submit(
        self: "Task[P, Coroutine[Any, Any, T]]",
        *args: Any,
        wait_for: Iterable[Any] | None,
        **kwargs: Any,
    ) -> Future[T]: ...

    @overload
    def submit(
        self, *args: Any, wait_for: Iterable[Any] | None, **kwargs: Any
    ) -> Future[R]: ...

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        """Make a run in a worker of the flow's task runner; return its future at once.

        ::

            futures = [fetch.submit(url) for url in urls]
            pages = [future.result() for future in futures]

        Futures among the arguments are replaced by their results before the run
        begins, and until then it holds no worker. Outside a flow the run belongs to a
        pool of threads of this process.

        With ``return_state=True`` it waits and returns the run's state; with
        ``wait_for=[future, ...]`` the run begins when those have ended.

        Raises
        ------
        ParameterBindError
            The arguments do not fit.
        """
        sketch = current_sketch.get()
        if sketch is not None:
            return cast("Future[R]", sketch.note(self, args, kwargs, kind="submit"))
        return_state = bool(kwargs and kwargs.pop("return_state", False))
        wait_for: Any = kwargs.pop("wait_for", None) if kwargs else None
        future = self._submitted(args, kwargs, wait_for)
        if return_state:
            future.wait()
            return cast("Future[R]", future.state)
        return future

    @overload
    def map(
        self, *args: Any, return_state: Literal[True], **kwargs: Any
    ) -> list[State]: ...

    @overload
    def map(
        self: "Task[P, Coroutine[Any, Any, T]]", *args: Any, **kwargs: Any
    ) -> FutureList[T]: ...

    @overload
    def map(self, *args: Any, **kwargs: Any) -> FutureList[R]: ...

    def map(self, *args: Any, **kwargs: Any) -> Any:
        """Submit a run for each item of the iterables among the arguments.

        ``add.map([1, 2], unmapped(10))`` and ``add.map([1, 2], 10)`` both call
        ``add(1, 10)`` and ``add(2, 10)``. Texts, mappings and whatever else is no
        list-like iterable go to every run as they are; `unmapped` makes a list do so.

        With ``return_state=True`` it waits and returns the list of states; with
        ``wait_for=[future, ...]`` the runs begin when those have ended.

        Raises
        ------
        MappingLengthMismatch
            The iterables are of different lengths.
        MappingMissingIterable
            No argument is iterable.
        """
        sketch = current_sketch.get()
        if sketch is not None:
            return cast("FutureList[R]", sketch.note(self, args, kwargs, kind="map"))
        return_state = bool(kwargs.pop("return_state", False))
        wait_for = kwargs.pop("wait_for", None)
        kwargs.pop("deferred", None)
        calls = mapped(self.signature, args, kwargs, self.owner)
        if wait_for is not None and not isinstance(wait_for, Future):
            wait_for = list(wait_for)
        futures = FutureList(
            self._submitted(args, kwargs, wait_for) for args, kwargs in calls
        )
        if return_state:
            futures.wait()
            return cast("FutureList[R]", [future.state for future in futures])
        return futures

    def _submitted(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], wait_for: Any
    ) -> Future[Any]:
        call = Call(self, args, kwargs, wait_for)
        submissions = submissions_of(call.context.parent)
        elsewhere = submissions.runner.elsewhere
        function = call.function(elsewhere)
        is_async = self.isasync
        if elsewhere is not None or self.spec.isolate:
            is_async = is_async and elsewhere is None
        elif self.yields_async:
            function, is_async = listed_async(function), True
        elif self.isgenerator:
            function = listed(function)
        return submissions.submit(
            call.steps(gathers=True), call.performer, function, is_async=is_async
        )

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...

    @overload
    def __get__(
        self: "Task[Concatenate[Any, Q], T]",
        instance: object,
        owner: type | None = None,
    ) -> "Task[Q, T]": ...

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Return it as it is called on an instance or, a classmethod, on a class."""
        return self.of(instance, owner)

    def with_options(self, **options: Unpack[TaskOptions]) -> Self:
        """Return this task with some options changed; the original stays as it is.

        >>> @task(retries=3)
        ... def load(path: str) -> str:
        ...     return path
        >>> patient = load.with_options(retries=10, retry_delay_seconds=60)
        >>> load.retries, patient.retries
        (3, 10)
        """
        options_now = changed_options(self.owner, self._options, options)
        fn = self._declared_fn()
        changed = cast("Self", Task(fn, task_spec(fn, options_now), options_now))
        return changed.bound_to(*self.bound) if self.bound else changed

    @property
    def viz_return_value(self) -> Any:
        """What stands for the result while a flow is only drawn."""
        return self._options.get("viz_return_value")

    @property
    def task_run_name(self) -> RunNaming | None:
        """How its runs are named, if that was declared."""
        return self.spec.run_name

    def on_commit(self, hook: H) -> H:
        """Call ``hook(transaction)`` when a transaction with it is committed."""
        return self._add_hook("on_commit", hook)

    def on_rollback(self, hook: H) -> H:
        """Call ``hook(transaction)`` when a transaction with it is rolled back."""
        return self._add_hook("on_rollback", hook)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        rows = [
            ("retries", self.retries or None),
            ("timeout", self.timeout_seconds and f"{self.timeout_seconds:g} s"),
            ("cache policy", self.spec.cache_policy),
        ]
        return of_task(
            self.name,
            self.signature,
            description=self.description,
            tags=self.tags,
            rows=rows,
        )

    # What a call asks for.

    def names(self, parameters: dict[str, Any] | None) -> tuple[str, str]:
        """Return the name of a new run, and how its lines call it."""
        name = self._told_name(parameters)
        return (name, name) if name else (task_run_name(self.name), self.name)

    def spec_within(self, parent: RunContext | None) -> Spec:
        """Return the spec of a run within `parent`, whose flow may keep results."""
        spec = self.spec
        if spec.cache_policy is not None or parent is None:
            return spec
        flow_run = parent.flow_run
        if flow_run is None or not flow_run.spec.persists:
            return spec
        policy = effective_policy(None, flow_persists=True)
        return replace(spec, reuses=True, cache_policy=policy)

    def recall(self, context: RunContext, parameters: dict[str, Any]) -> Recall | None:
        """Return how earlier results of a call are found, if at all."""
        if self.bound:
            # What a method does depends on the object it is called on.
            parameters = {"self": self.bound[0], **parameters}
        return CallRecall(context, parameters)


@overload
def task(fn: Callable[P, R], /) -> Task[P, R]: ...


@overload
def task(**options: Unpack[TaskOptions]) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def task(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    tags: Iterable[str] | None = None,
    version: str | None = None,
    cache_policy: CachePolicy | None = NotSet,
    cache_key_fn: CacheKeyFunction | None = None,
    cache_expiration: timedelta | None = None,
    task_run_name: RunNaming | None = None,
    retries: int | None = None,
    retry_delay_seconds: Delays | None = None,
    retry_jitter_factor: float | None = None,
    retry_condition_fn: RetryCondition | None = None,
    persist_result: bool | None = None,
    result_storage: object = None,
    result_serializer: object = None,
    result_storage_key: str | None = None,
    cache_result_in_memory: bool = True,
    timeout_seconds: float | None = None,
    log_prints: bool | None = None,
    refresh_cache: bool | None = None,
    isolate: bool = False,
    on_completion: Sequence[Hook] | None = None,
    on_failure: Sequence[Hook] | None = None,
    on_running: Sequence[Hook] | None = None,
    on_rollback: Sequence[Callable[[Any], object]] | None = None,
    on_commit: Sequence[Callable[[Any], object]] | None = None,
    viz_return_value: object = None,
    asset_deps: object = None,
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
    tags
        Words to find its runs by. Those that are names of concurrency limits limit it.
    cache_policy
        What makes two calls the same, such as ``INPUTS + TASK_SOURCE``; see
        `nborch.cache_policies`.
    cache_key_fn
        Function ``(context, parameters)`` that returns a key: a later call with the
        same key gets the earlier result. `task_input_hash` is one. None as the key
        means: do not reuse.
    cache_expiration
        How long a result may be reused; for ever if not given.
    refresh_cache
        Compute in any case, and replace the result that was kept.
    persist_result
        Whether to keep results; without a policy they are reused within the flow run
        only, by its retries too.
    result_serializer
        How to write results: ``"json"``, ``"compressed/pickle"``, or an object with
        ``dumps`` and ``loads``. The default loads large arrays without copying them.
    result_storage_key
        The key itself: a template that ``parameters`` and others fill.
    task_run_name
        The name of each run: a template that the parameters fill, ``"{month}-report"``,
        or a function that returns one.
    retries
        How often a failed attempt is followed by another.
    retry_delay_seconds
        Seconds before each retry: a number, a list whose last one repeats, or a
        callable that is given the number of retries and returns a list, such as
        `exponential_backoff`.
    retry_jitter_factor
        Draw each delay at random, up to ``1 + factor`` times as long.
    retry_condition_fn
        Function ``(task, run, state)`` that says whether to try again.
    timeout_seconds
        End an attempt that takes longer. A submitted one that is stuck in C code is
        given up on time, and its late result dropped; with `isolate` it is killed.
    isolate
        Run each attempt in a process of its own.
    log_prints
        Have what is printed go to the run's log; as the flow has it if not given.
    on_completion, on_failure, on_running
        Lists of functions ``(task, run, state)``. What they raise is logged.
    on_rollback, on_commit
        Lists of functions ``(transaction)``; see `nborch.transactions`.
    viz_return_value
        What stands for the result while a flow is only drawn; see `Flow.visualize`.
    """
    options = dict(locals())
    del options["fn"]
    if fn is None:
        return lambda function: Task(function, task_spec(function, options), options)
    return Task(fn, task_spec(fn, options), options)
