"""The current run, for the code that runs within it."""

import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from nborch.events import Event
from nborch.home import Home
from nborch.runs import Run, RunKind, new_id, reseed
from nborch.specs import Spec
from nborch.states import State

__all__ = ["RunContext", "current_run", "enclosing_run", "set_ambient"]


@dataclass(slots=True)
class RunContext:
    """A run that is going on in this thread or coroutine.

    Parameters
    ----------
    owner
        The task or flow, as hooks and key functions see it.
    parent
        The run within which it was made.
    held
        The cache keys that this run and those above it are computing.
    sink
        Where the run's own events go, if not to the recorder of its home.
    """

    run: Run
    spec: Spec
    home: Home
    owner: object = None
    parent: "RunContext | None" = None
    state: State | None = None
    attempt: int = 0
    held: frozenset[str] = field(default_factory=frozenset)
    sink: Callable[[Event], object] | None = None

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
    ) -> Self:
        """Return the context of a new run of `spec`, called `name`.

        Parameters
        ----------
        details
            Further facts of the run, as JSON values.
        """
        now = datetime.now(UTC)
        run = Run(
            id=new_id(now.timestamp()),
            kind=spec.kind,
            of=spec.name,
            name=name,
            created=now,
            process=home.process,
            parent_id=parent.run.id if parent else None,
            details=details or {},
        )
        held = parent.held if parent else frozenset()
        return cls(run, spec, home, owner, parent, held=held)

    @property
    def task(self) -> Any:
        """The task that runs, as key functions ask for it."""
        return self.owner

    @property
    def task_run(self) -> Run:
        """The run, as key functions ask for it."""
        return self.run

    @property
    def is_subflow(self) -> bool:
        """Tell whether a flow run encloses this run."""
        context = self.parent
        while context is not None and context.run.kind is not RunKind.FLOW:
            context = context.parent
        return context is not None

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


_ambient: Callable[[], RunContext | None] = lambda: None  # noqa: E731  # replaceable


def set_ambient(provider: Callable[[], RunContext | None]) -> None:
    """Let `provider` tell the run that encloses code which no run of ours called.

    In a notebook that is the session, or the cell that a notebook flow executes.
    """
    global _ambient  # noqa: PLW0603  # one surface at a time holds a process
    _ambient = provider


def enclosing_run() -> RunContext | None:
    """Return the run within which a run made here belongs, if any."""
    return current_run.get() or _ambient()
