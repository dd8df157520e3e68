"""What tasks and flows have in common: a declared function that makes runs."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, cast

from nborch import awaiting, blocking
from nborch.context import RunContext, enclosing_run
from nborch.exceptions import InvalidDeclaration
from nborch.home import current_home
from nborch.lifecycle import lifecycle
from nborch.parameters import bind, plain_names, shown, signature_of
from nborch.performing import Performer
from nborch.results import Recall
from nborch.runs import RunKind
from nborch.specs import (
    Delays,
    Hook,
    Spec,
    checked_delays,
    checked_name,
    checked_retries,
    checked_tags,
)
from nborch.states import State

__all__ = ["Declared", "called", "checked_hooks", "declared_spec"]

P = ParamSpec("P")
R = TypeVar("R")
H = TypeVar("H", bound=Hook)


class Declared(Generic[P, R]):
    """A function whose calls are runs."""

    def __init__(self, fn: Callable[P, R], spec: Spec) -> None:
        # NB. First: the function's own attributes must not replace ours.
        update_wrapper(cast("Any", self), fn)
        self.fn = fn
        self.spec = spec
        self._owner = f"{spec.kind.value.title()} {spec.name!r}"
        self._signature = signature_of(fn, self._owner)
        self._plain_names = plain_names(self._signature)
        self.isasync = inspect.iscoroutinefunction(fn)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Make a run and return its value; ``return_state=True`` returns its state.

        Raises
        ------
        ParameterBindError
            The arguments do not fit.
        """
        return_state = bool(kwargs.pop("return_state", False))
        parameters = bind(self._signature, args, kwargs, self._owner, self._plain_names)
        context = self._context(parameters)
        performer = Performer(context, self._recall(context, parameters))
        if self.isasync:
            running = self._run_async(performer, args, kwargs, return_state)
            return cast("R", running)

        def call() -> Any:
            return self.fn(*args, **kwargs)

        state = blocking.drive(lifecycle(self.spec), performer, call)
        error = _ending(context, state, return_state=return_state)
        if error is None:
            return cast("R", state if return_state else state.data)
        # NB. Raised here and nowhere deeper: each of our frames is two more lines in
        # the user's traceback.
        try:
            raise error
        finally:
            # The traceback holds this frame: without these it would hold itself.
            del error, state, context, performer

    async def _run_async(
        self,
        performer: Performer,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        return_state: bool,  # noqa: FBT001  # internal
    ) -> Any:
        """Do for an async function what `__call__` does for a plain one."""

        def call() -> Any:
            return self.fn(*args, **kwargs)

        state = await awaiting.drive(lifecycle(self.spec), performer, call)
        error = _ending(performer.context, state, return_state=return_state)
        if error is None:
            return state if return_state else state.data
        try:
            raise error
        finally:
            del error, state, performer

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

    def on_completion(self, hook: H) -> H:
        """Call `hook` when a run has completed; for use as a decorator."""
        return self._add_hook("on_completion", hook)

    def on_failure(self, hook: H) -> H:
        """Call `hook` when a run has failed; for use as a decorator."""
        return self._add_hook("on_failure", hook)

    def on_running(self, hook: H) -> H:
        """Call `hook` when a run begins an attempt; for use as a decorator."""
        return self._add_hook("on_running", hook)

    def _add_hook(self, option: str, hook: H) -> H:
        (checked,) = checked_hooks(self._owner, {option: [hook]})[option]
        hooks = dict(self.spec.hooks)
        hooks[option] = (*hooks.get(option, ()), checked)
        self.spec = replace(self.spec, hooks=hooks)
        return hook

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

    def __nborch_fingerprint__(self) -> object:
        """Return what a cell that calls it depends on: the function, not its runs."""
        return (type(self).__name__, self.name, self.fn)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


def _ending(
    context: RunContext, state: State, *, return_state: bool
) -> BaseException | None:
    """Return what the caller of a run is to be told by raising, if anything."""
    if context.is_outermost:
        # What the caller learns of a run is on disk.
        context.home.recorder.flush()
    error = state.data
    if isinstance(error, BaseException) and not isinstance(error, Exception):
        # Ctrl-C and sys.exit() pass through every run.
        return error
    if return_state or state.is_completed():
        return None
    return state.exception()


def called(fn: Callable[..., Any]) -> str:
    """Return the name of a function, or of the class of what can be called.

    Raises
    ------
    InvalidDeclaration
        It cannot be called.
    """
    if not callable(fn):
        raise InvalidDeclaration("'fn' must be callable")
    return str(getattr(fn, "__name__", type(fn).__name__))


def declared_spec(  # noqa: PLR0913  # the options of a decorator
    kind: RunKind,
    fn: Callable[..., Any],
    default: str,
    *,
    name: str | None,
    description: str | None,
    tags: Iterable[str] | None,
    version: str | None,
    retries: int,
    retry_delay_seconds: Delays | None,
    **hooks: Sequence[Hook] | None,
) -> Spec:
    """Return what tasks and flows have in common of a declaration, checked.

    Parameters
    ----------
    default
        The name if none was given.
    """
    name = checked_name(kind, default if name is None else name)
    owner = f"{kind.value.title()} {name!r}"
    retries = checked_retries(owner, retries)
    return Spec(
        kind=kind,
        name=name,
        description=description or inspect.getdoc(fn),
        version=version,
        tags=checked_tags(owner, tags),
        retries=retries,
        retry_delays=checked_delays(owner, retry_delay_seconds, retries),
        hooks=checked_hooks(owner, hooks),
    )


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
