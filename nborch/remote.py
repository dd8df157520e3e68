"""The calls of runs in other processes: where the run is still the current one."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from nborch.context import RunContext, current_run, current_tags
from nborch.home import open_home
from nborch.portable import Portable
from nborch.prints import logged
from nborch.runs import Run
from nborch.settings import Settings
from nborch.specs import Spec
from nborch.task_runners.base import Elsewhere

__all__ = ["There", "isolated"]


@dataclass(frozen=True, slots=True)
class _Ticket:
    """What another process needs to know of a run in order to call its function.

    Parameters
    ----------
    runs
        The run and those above it, the innermost first, each with the attempt that it
        is in and its version.
    """

    runs: tuple[tuple[Run, int, str | None], ...]
    settings: Settings
    log_prints: bool
    tags: frozenset[str]

    @classmethod
    def of(cls, context: RunContext) -> "_Ticket":
        """Return the ticket of a run."""
        runs = []
        above: RunContext | None = context
        while above is not None:
            runs.append((above.run, above.attempt, above.spec.version))
            above = above.parent
        return cls(
            tuple(runs),
            context.home.settings,
            context.log_prints,
            current_tags.get(),
        )

    def context(self) -> RunContext:
        """Return the context of the run, in the process that the ticket came to."""
        home = open_home(self.settings)
        context: RunContext | None = None
        for run, attempt, version in reversed(self.runs):
            spec = Spec(kind=run.kind, name=run.of, tags=run.tags, version=version)
            context = RunContext(run, spec, home, parent=context, attempt=attempt)
        if context is None:
            raise AssertionError("A ticket names at least one run.")
        context.log_prints = self.log_prints
        return context


class There:
    """A function to be called in another process, as part of the present run."""

    def __init__(self, context: RunContext, function: Callable[..., Any]) -> None:
        self._ticket = _Ticket.of(context)
        # As decorators do: messages are to name the user's function and parameters.
        self.__wrapped__ = function
        self.__qualname__ = getattr(function, "__qualname__", type(function).__name__)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "__wrapped__": Portable(self.__wrapped__)}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function with the run as the current one; return what it returns."""
        context = self._ticket.context()
        context.parameters = _bound(self.__wrapped__, args, kwargs)
        current_tags.set(self._ticket.tags)
        token = current_run.set(context)
        try:
            with logged(context):
                return _finished(self.__wrapped__(*args, **kwargs))
        finally:
            current_run.reset(token)
            # The lines it wrote come before the state that it leads to.
            context.home.recorder.flush()


def _bound(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    return inspect.signature(function).bind(*args, **kwargs).arguments


def _finished(value: Any) -> Any:
    """Return what the function has to say in the end."""
    if inspect.isawaitable(value):
        import asyncio

        return asyncio.run(_awaited(value))
    if inspect.isgenerator(value):
        return list(value)
    if inspect.isasyncgen(value):
        import asyncio

        return asyncio.run(_listed(value))
    return value


async def _awaited(value: Any) -> Any:
    return await value


async def _listed(items: Any) -> list[Any]:
    return [item async for item in items]


@cache
def isolated() -> Elsewhere:
    """Return what gives each isolated call a process of its own."""
    # Who isolates nothing need not load it (law 7).
    from nborch.task_runners.workers import Workers

    return Workers()
