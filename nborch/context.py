"""The current run, for the code that runs within it."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self

from nborch.ambient import ambient
from nborch.events import Event
from nborch.exceptions import MissingContextError
from nborch.home import Home
from nborch.runs import Run, RunKind, new_id, reseed
from nborch.specs import Spec, checked_tags
from nborch.states import State
from nborch.takeovers import GivenRun, given_run

__all__ = [
    "FlowRunContext",
    "RunContext",
    "RunView",
    "TaskRunContext",
    "current_run",
    "current_tags",
    "current_transaction",
    "enclosing_run",
    "get_run_context",
    "retry_of",
    "tags",
]


@dataclass(slots=True)
class RunContext:
    """A run that is going on in this thread or coroutine.

    Parameters
    ----------
    owner
        The task or flow, as hooks and key functions see it.
    parent
        The run within which it was made.
    parameters
        The values that it was called with, by name.
    log_prints
        Whether what it prints goes to its log.
    held
        The cache keys that this run and those above it are computing.
    sink
        Where the run's own events go, if not to the recorder of its home.
    logger
        Its logger, once it has written a line; see `nborch.logs`.
    submissions
        The task runs that were submitted within it, once there is one; see
        `nborch.submissions`. A flow run does not end before they do.
    lineage
        Where values came from that its task runs returned; see `nborch.lineage`.
    transaction
        The transaction that it is itself, once it needs one; see
        `nborch.transactions`.
    is_on_show
        Whether somebody sees its states as they change, and those of all within it:
        they are not printed besides, as long as all is well.
    """

    run: Run
    spec: Spec
    home: Home
    owner: object = None
    parent: "RunContext | None" = None
    state: State | None = None
    attempt: int = 0
    parameters: Mapping[str, Any] | None = None
    log_prints: bool = False
    held: frozenset[str] = frozenset()
    sink: Callable[[Event], object] | None = None
    logger: Any = None
    submissions: Any = None
    lineage: Any = None
    transaction: Any = None
    is_on_show: bool = False

    def record(self, event: Event) -> None:
        """Take a fact about the run."""
        (self.sink or self.home.recorder.record)(event)

    @classmethod
    def begin(  # noqa: PLR0913  # each is a fact of the run
        cls,
        spec: Spec,
        home: Home,
        parent: Self | None,
        *,
        name: str,
        owner: object = None,
        details: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Self:
        """Return the context of a new run of `spec`, called `name`.

        Parameters
        ----------
        details
            Further facts of the run, as JSON values.
        parameters
            The values that it is called with.
        """
        if parent is None and spec.kind is RunKind.FLOW:
            given = given_run.get()
            if given is not None:
                return cls._taken_over(
                    given,
                    spec,
                    home,
                    name=name,
                    owner=owner,
                    details=details or {},
                    parameters=parameters,
                )
        now = time.time()
        run = Run(
            new_id(now),
            spec.kind,
            spec.name,
            name,
            datetime.fromtimestamp(now, UTC),
            home.process,
            parent.run.id if parent else None,
            details or {},
        )
        context = cls(run, spec, home, owner, parent, None, 0, parameters)
        if parent is not None:
            context.held = parent.held
            context.log_prints = parent.log_prints
            context.is_on_show = parent.is_on_show
        if spec.log_prints is not None:
            context.log_prints = spec.log_prints
        return context

    @classmethod
    def _taken_over(  # noqa: PLR0913  # as for `begin`
        cls,
        given: GivenRun,
        spec: Spec,
        home: Home,
        *,
        name: str,
        owner: object,
        details: Mapping[str, Any],
        parameters: Mapping[str, Any] | None,
    ) -> Self:
        """Return the context of a run that is there already."""
        # What it calls are runs of their own.
        given_run.set(None)
        # As it was given, in full: another attempt may have to be made of it.
        known = {**details.get("parameters", {}), **given.run.parameters}
        run = replace(
            given.run,
            of=spec.name,
            # Unless the flow names its runs, it keeps the name by which it was told of.
            name=given.run.name if spec.run_name is None else name,
            process=home.process,
            details={**given.run.details, **details, "parameters": known},
        )
        context = cls(run, spec, home, owner, None, None, 0, parameters)
        context.log_prints = given.log_prints
        if spec.log_prints is not None:
            context.log_prints = spec.log_prints

        context.sink = given.recording(home.recorder.record)
        return context

    @property
    def task(self) -> Any:
        """The task that runs, as key functions ask for it."""
        return self.owner

    @property
    def task_run(self) -> Run:
        """The run, as key functions ask for it."""
        return self.run

    @property
    def flow_run(self) -> "RunContext | None":
        """The flow run that this run is, or is within, if any."""
        context: RunContext | None = self
        while context is not None and context.run.kind is not RunKind.FLOW:
            context = context.parent
        return context

    @property
    def is_subflow(self) -> bool:
        """Tell whether a flow run encloses this run."""
        return self.parent is not None and self.parent.flow_run is not None

    @property
    def is_outermost(self) -> bool:
        """Tell whether no other run of this process that will end encloses it."""
        if self.parent is None:
            return True
        parent = self.parent.run
        return parent.kind is RunKind.SESSION or parent.process != self.run.process


# Two children of one process would otherwise give their runs the same ids.
os.register_at_fork(after_in_child=reseed)

#: The run that is going on here, if any.
current_run: ContextVar[RunContext | None] = ContextVar("nborch_run", default=None)

#: The tags that every run made here gets.
current_tags: ContextVar[frozenset[str]] = ContextVar(
    "nborch_tags", default=frozenset()
)

#: The transaction whose block is being executed here, if any.
current_transaction: ContextVar[Any] = ContextVar("nborch_transaction", default=None)

#: The run that did not complete in whose place a flow is called here, by its id.
retry_of: ContextVar[str | None] = ContextVar("nborch_retry_of", default=None)


@contextmanager
def tags(*new_tags: str) -> Iterator[frozenset[str]]:
    """Give the tags to every run that is made in the block.

    >>> with tags("nightly"), tags("eu") as both:
    ...     sorted(both)
    ['eu', 'nightly']
    """
    both = current_tags.get() | checked_tags("tags()", new_tags)
    token = current_tags.set(both)
    try:
        yield both
    finally:
        current_tags.reset(token)


def enclosing_run() -> RunContext | None:
    """Return the run within which a run made here belongs, if any."""
    told: RunContext | None = current_run.get() or ambient()
    return told


class RunView:
    """A run as its own code sees it: its facts, and where it stands.

    Its attributes are those of `nborch.runs.Run`, and ``state`` and ``run_count``.
    """

    __slots__ = ("_context",)

    def __init__(self, context: RunContext) -> None:
        self._context = context

    @property
    def state(self) -> State | None:
        """The state that the run is in."""
        return self._context.state

    @property
    def run_count(self) -> int:
        """How many attempts have begun."""
        return self._context.attempt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context.run, name)

    def __repr__(self) -> str:
        return f"<{self._context.run.kind.value.title()} run {self.name!r}>"


class _KnownRun:
    """What is known alike of task runs and flow runs."""

    __slots__ = ("_context",)

    def __init__(self, context: RunContext) -> None:
        self._context = context

    @property
    def parameters(self) -> dict[str, Any]:
        """What it was called with, by name."""
        return dict(self._context.parameters or {})

    @property
    def start_time(self) -> datetime:
        """When its run was made."""
        return self._context.run.created

    @property
    def log_prints(self) -> bool:
        """Whether what it prints goes to its log."""
        return self._context.log_prints


class FlowRunContext(_KnownRun):
    """What is known of the flow run that this code is part of; see `get`."""

    __slots__ = ()

    @classmethod
    def get(cls) -> Self | None:
        """Return the context of the flow run that encloses this code, if any."""
        context = enclosing_run()
        flow_run = context and context.flow_run
        return cls(flow_run) if flow_run else None

    @property
    def flow(self) -> Any:
        """The flow that runs."""
        return self._context.owner

    @property
    def flow_run(self) -> RunView:
        """Its run: ``id``, ``name``, ``tags``, ``run_count``, ``state``, ..."""
        return RunView(self._context)

    @property
    def task_runner(self) -> Any:
        """What runs the tasks that are submitted in it."""
        return getattr(self._context.owner, "task_runner", None)


class TaskRunContext(_KnownRun):
    """What is known of the task run that executes this code; see `get`."""

    __slots__ = ()

    @classmethod
    def get(cls) -> Self | None:
        """Return the context of the task run that executes this code, if one does."""
        context = enclosing_run()
        if context is None or context.run.kind is not RunKind.TASK:
            return None
        return cls(context)

    @property
    def task(self) -> Any:
        """The task that runs."""
        return self._context.owner

    @property
    def task_run(self) -> RunView:
        """Its run: ``id``, ``name``, ``tags``, ``run_count``, ``state``, ..."""
        return RunView(self._context)


def get_run_context() -> FlowRunContext | TaskRunContext:
    """Return the context of the task run or flow run that executes this code.

    Raises
    ------
    MissingContextError
        No flow or task is running.
    """
    context = TaskRunContext.get() or FlowRunContext.get()
    if context is None:
        raise MissingContextError(
            "There is no active flow or task run, so there is no run context. Call "
            "get_run_context() within a flow or task."
        )
    return context
