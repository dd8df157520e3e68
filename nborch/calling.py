"""One call of a task or flow: its arguments, its run, and what is to be executed."""

import inspect
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from nborch.context import (
    RunContext,
    current_run,
    current_tags,
    enclosing_run,
    retry_of,
)
from nborch.events import noted
from nborch.exceptions import RunTimedOut, UpstreamTaskError
from nborch.futures import Future
from nborch.home import Home, current_home
from nborch.lifecycle import Steps, lifecycle
from nborch.lineage import Lineage
from nborch.parameters import bind, shown
from nborch.performing import Performer
from nborch.prints import logged
from nborch.remote import There, isolated
from nborch.results import Recall
from nborch.runs import RunKind
from nborch.specs import Spec
from nborch.states import State
from nborch.task_runners.base import Elsewhere
from nborch.upstream import Upstream, upstream_of

__all__ = ["Call", "Callee", "ending", "timed_out", "write_down"]


class Callee(Protocol):
    """What a call needs to know of the task or flow that is called."""

    spec: Spec
    signature: inspect.Signature
    plain_names: tuple[str, ...] | None
    owner: str
    fn: Callable[..., Any]
    #: The instance or class that it is called on, if it is a method.
    bound: tuple[Any, ...]
    isasync: bool
    yields_async: bool

    @property
    def home(self) -> Home | None:
        """Where runs are kept that no other encloses, if not in the current home."""
        ...

    def names(self, parameters: dict[str, Any] | None) -> tuple[str, str]:
        """Return the name of a new run, and how its lines call it."""
        ...

    def spec_within(self, parent: RunContext | None) -> Spec:
        """Return the spec of a run within `parent`."""
        ...

    def recall(self, context: RunContext, parameters: dict[str, Any]) -> Recall | None:
        """Return how earlier results of a call are found, if at all."""
        ...

    def body(self, call: "Call") -> Any:
        """Return what the function returns, or the awaitable of it."""
        ...


def timed_out(what: str, seconds: float) -> RunTimedOut:
    """Return the error of a run, such as a "Task run", that took too long."""
    return RunTimedOut(f"{what} exceeded timeout of {seconds:g} second(s)")


class Call:
    """One call of a task or flow, from its arguments to its performer.

    Parameters
    ----------
    wait_for
        Futures and states to wait for.
    """

    __slots__ = (
        "_upstream",
        "args",
        "callee",
        "context",
        "futures",
        "kwargs",
        "parameters",
        "performer",
        "spec",
    )

    def __init__(
        self,
        callee: Callee,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        wait_for: Iterable[Any] | None = None,
    ) -> None:
        self.callee = callee
        self.args = args
        self.kwargs = kwargs
        parameters = self._bind()
        upstream = self._upstream = upstream_of(args, kwargs, wait_for)
        self.futures: Sequence[Future[Any]] = upstream.futures if upstream else ()
        parent = enclosing_run()
        spec = self.spec = callee.spec_within(parent)
        self.context = self._new_run(parent, spec, parameters, upstream)
        recall = self.recall() if spec.reuses and not upstream else None
        self.performer = Performer(self.context, recall, self if upstream else None)

    def _bind(self) -> dict[str, Any]:
        callee = self.callee
        parameters = self.parameters = bind(
            callee.signature, self.args, self.kwargs, callee.owner, callee.plain_names
        )
        return parameters

    def _new_run(
        self,
        parent: RunContext | None,
        spec: Spec,
        parameters: dict[str, Any],
        upstream: Upstream | None,
    ) -> RunContext:
        naming = spec.run_name
        # A template has nothing to say of a future, and a function may ask
        # `nborch.runtime` for the run.
        at_once = naming is None or (upstream is None and isinstance(naming, str))
        name, label = self.callee.names(parameters if at_once else None)
        details: dict[str, Any] = {"parameters": shown(parameters)}
        tags = spec.tags | current_tags.get()
        if tags:
            details["tags"] = sorted(tags)
        if at_once and label != name:
            details["label"] = label
        if spec.kind is RunKind.FLOW and (parent is None or parent.flow_run is None):
            first = retry_of.get()
            if first is not None:
                details["retry_of"] = first
        run_ids = upstream.run_ids if upstream else []
        lineage: Lineage | None = parent.lineage if parent is not None else None
        if lineage is not None:
            run_ids = [*run_ids, *lineage.origins(parameters.values())]
        if run_ids:
            # In order, each once.
            details["upstream"] = list(dict.fromkeys(run_ids))
        context = RunContext.begin(
            spec,
            parent.home if parent is not None else self.callee.home or current_home(),
            parent,
            name=name,
            owner=self.callee,
            details=details,
            parameters=parameters,
        )
        if not at_once and upstream is None:
            token = current_run.set(context)
            try:
                name, _ = self.callee.names(parameters)
            finally:
                current_run.reset(token)
            context.run = replace(context.run, name=name)
        return context

    def steps(self, *, gathers: bool = False) -> Steps:
        """Return the lifecycle of the call's run."""
        return lifecycle(
            self.spec,
            gathers=gathers or self._upstream is not None,
            occupies=self.spec.kind is RunKind.TASK
            and "tags" in self.context.run.details,
        )

    def forget(self) -> None:
        """Let go of the run: frames of a traceback may hold this call for long."""
        # NB. Else the error would hold itself, and with it all that the user's frames
        # hold: error, frame, call, run, state, error.
        del self.performer.context, self.performer, self.context

    # What the performer asks for once the futures have ended.

    def take(self) -> Exception | None:
        """Put results in place of futures; return why that cannot be, if so."""
        if self._upstream is None:
            return None
        try:
            self.args, self.kwargs = self._upstream.resolved()
        except UpstreamTaskError as error:
            # Where we have looked for it tells nobody anything.
            return error.with_traceback(None)
        self._upstream = None
        parameters = self.context.parameters = self._bind()
        if self.spec.run_name is not None:
            self._rename(parameters)
        return None

    def _rename(self, parameters: dict[str, Any]) -> None:
        """Name the run by its parameters, which are known only now."""
        context = self.context
        name, _ = self.callee.names(parameters)
        if name != context.run.name:
            context.run = replace(context.run, name=name)
            context.record(noted(context.run.id, time.time(), {"name": name}))

    def recall(self) -> Recall | None:
        """Return how earlier results of this call are found, if at all."""
        if not self.spec.reuses:
            return None
        return self.callee.recall(self.context, self.parameters)

    # What is executed.

    def body(self) -> Any:
        """Call the function."""
        return self.callee.body(self)

    def function(self, elsewhere: Elsewhere | None = None) -> Callable[[], Any]:
        """Return what a driver is to call, with all that stands around it.

        Parameters
        ----------
        elsewhere
            Calls functions in other processes, if that is to be done.
        """
        spec, context = self.spec, self.context
        if elsewhere is not None or spec.isolate:
            return self._function_elsewhere(elsewhere)
        if spec.timeout is None and not context.log_prints:
            return self.body
        return self._surrounded_async if self.callee.isasync else self._surrounded

    def _surrounded(self) -> Any:
        return self._step(self.body, self.spec.timeout)

    async def _surrounded_async(self) -> Any:
        return await self._step_async(self.body, self.spec.timeout)

    def limit(self) -> Callable[[Callable[[], Any], float], Any] | None:
        """Return what each step of a generator is to be made through, if anything."""
        if self.spec.timeout is None and not self.context.log_prints:
            return None
        return self._step_async if self.callee.yields_async else self._step

    def _step(self, function: Callable[[], Any], left: float | None) -> Any:
        with logged(self.context):
            if left is None or self.spec.timeout is None:
                return function()
            # Costs as much to load as a tenth of the package; few need it.
            from nborch.timeouts import limited

            return limited(function, left, timed_out(self._what, self.spec.timeout))

    async def _step_async(self, function: Callable[[], Any], left: float | None) -> Any:
        with logged(self.context):
            if left is None or self.spec.timeout is None:
                return await function()
            from nborch.timeouts import limited_async

            error = timed_out(self._what, self.spec.timeout)
            return await limited_async(function, left, error)

    @property
    def _what(self) -> str:
        return "Flow run" if self.spec.kind is RunKind.FLOW else "Task run"

    def _function_elsewhere(self, elsewhere: Elsewhere | None) -> Callable[[], Any]:
        """Return what has the function called in another process."""
        pool = elsewhere or isolated()
        seconds = self.spec.timeout

        def call() -> Any:
            start = time.monotonic()
            try:
                return pool.call(
                    There(self.context, self.callee.fn),
                    self.args,
                    self.kwargs,
                    timeout=seconds,
                    fresh=self.spec.isolate,
                )
            except RunTimedOut as error:
                if seconds is None or time.monotonic() - start < seconds:
                    raise
                raise timed_out(self._what, seconds) from error

        if elsewhere is not None or not self.callee.isasync:
            return call

        async def awaited() -> Any:
            import asyncio

            return await asyncio.to_thread(call)

        return awaited


def ending(
    context: RunContext, state: State, *, return_state: bool
) -> BaseException | None:
    """Return what the caller of a run is to be told by raising, if anything."""
    write_down(context)
    error = state.data
    if isinstance(error, BaseException) and not isinstance(error, Exception):
        # Ctrl-C and sys.exit() pass through every run.
        return error
    if return_state or state.is_completed():
        return None
    return state.exception()


def write_down(context: RunContext) -> None:
    """Have on disk what a caller learns of a run that no other one waits for."""
    if context.is_outermost:
        context.home.recorder.flush()
