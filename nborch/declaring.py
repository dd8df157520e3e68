"""What tasks and flows have in common: a declared function that makes runs."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, cast

from nborch import awaiting, blocking
from nborch.context import RunContext, enclosing_run
from nborch.exceptions import InvalidDeclaration
from nborch.home import current_home
from nborch.lifecycle import lifecycle
from nborch.parameters import bind, shown, signature_of
from nborch.performing import Performer
from nborch.results import Recall
from nborch.specs import Hook, Spec
from nborch.states import State

__all__ = ["Declared", "checked_hooks"]

P = ParamSpec("P")
R = TypeVar("R")


class Declared(Generic[P, R]):
    """A function whose calls are runs."""

    def __init__(self, fn: Callable[P, R], spec: Spec) -> None:
        self.fn = fn
        self.spec = spec
        self._owner = f"{spec.kind.value.title()} {spec.name!r}"
        self._signature = signature_of(fn, self._owner)
        self.isasync = inspect.iscoroutinefunction(fn)
        update_wrapper(cast("Any", self), fn)

    @property
    def name(self) -> str:
        """The name it is known by in runs."""
        return self.spec.name

    @property
    def tags(self) -> frozenset[str]:
        """The tags of its runs."""
        return self.spec.tags

    @property
    def retries(self) -> int:
        """How often a failed attempt is followed by another."""
        return self.spec.retries

    @property
    def description(self) -> str | None:
        """What it is for; the docstring if nothing was said."""
        return self.spec.description

    def _run(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], *, return_state: bool
    ) -> Any:
        """Make a run and drive it; a coroutine of it for an async function."""
        parameters = bind(self._signature, args, kwargs, self._owner)
        context = self._context(parameters)
        performer = Performer(context, self._recall(context, parameters))
        steps = lifecycle(self.spec)

        def call() -> Any:
            return self.fn(*args, **kwargs)

        if self.isasync:

            async def run() -> Any:
                state = await awaiting.drive(steps, performer, call)
                return self._outcome(state, context, return_state=return_state)

            return run()
        state = blocking.drive(steps, performer, call)
        return self._outcome(state, context, return_state=return_state)

    def _context(self, parameters: Mapping[str, Any]) -> RunContext:
        """Return the context of a new run within the current one."""
        parent = enclosing_run()
        home = parent.home if parent else current_home()
        name, label = self._names()
        details: dict[str, Any] = {"parameters": shown(parameters)}
        if self.spec.tags:
            details["tags"] = sorted(self.spec.tags)
        if label != name:
            details["label"] = label
        return RunContext.begin(
            self.spec, home, parent, name=name, owner=self, details=details
        )

    def _names(self) -> tuple[str, str]:
        """Return the name of a new run, and how its lines call it."""
        raise NotImplementedError

    def _recall(self, context: RunContext, parameters: dict[str, Any]) -> Recall | None:
        """Return how earlier results of this call are found, if at all."""
        del context, parameters
        return None

    def _outcome(self, state: State, context: RunContext, *, return_state: bool) -> Any:
        """Return what the caller gets: the state, the value, or the error."""
        if context.parent is None:
            # What the caller learns of a run is on disk.
            context.home.recorder.flush()
        if isinstance(state.data, BaseException) and not isinstance(
            state.data, Exception
        ):
            # Ctrl-C and sys.exit() pass through every run.
            raise state.data
        return state if return_state else state.result()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


def checked_hooks(
    owner: str, hooks: Mapping[str, Sequence[Hook] | None]
) -> dict[str, tuple[Hook, ...]]:
    """Return the hooks by option, those given; raise if one cannot be called."""
    checked = {}
    for option, given in hooks.items():
        if given is None:
            continue
        if not isinstance(given, list | tuple):
            raise InvalidDeclaration(
                f"{owner}: {option} must be a list of functions, not {given!r}. "
                f"Write {option}=[{getattr(given, '__name__', 'function')}]."
            )
        for hook in given:
            if not callable(hook):
                raise InvalidDeclaration(
                    f"{owner}: {option} has {hook!r}, which cannot be called."
                )
        if given:
            checked[option] = tuple(given)
    return checked
