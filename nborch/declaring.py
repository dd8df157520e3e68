"""What tasks and flows have in common: a declared function that makes runs."""

import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from functools import partial, update_wrapper
from types import MethodType
from typing import (
    Any,
    Generic,
    Literal,
    ParamSpec,
    Self,
    SupportsIndex,
    TypeVar,
    cast,
    overload,
)

from nborch import awaiting, blocking
from nborch.calling import Call, ending
from nborch.context import RunContext
from nborch.deadlines import door
from nborch.declarations import check_template, checked_hooks
from nborch.exceptions import InvalidDeclaration
from nborch.home import Home
from nborch.parameters import plain_names, signature_of
from nborch.portable import Portable, imported, stands_at
from nborch.results import Recall
from nborch.sketching import current_sketch
from nborch.specs import Hook, Spec
from nborch.states import State
from nborch.yielding import run_generator

__all__ = ["Declared"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
H = TypeVar("H", bound=Hook)


class Declared(Generic[P, R]):
    """A function whose calls are runs.

    Attributes
    ----------
    fn
        The function itself; calling it makes no run.
    isasync, isgenerator
        Whether it is an async function, or a generator function of either kind.
    ismethod, isclassmethod, isstaticmethod
        Whether it is called on an instance or a class.
    unbound
        What it was before it was bound to one, if it was.
    """

    unbound: Self

    def __init__(
        self, fn: Callable[P, R], spec: Spec, options: Mapping[str, Any]
    ) -> None:
        self.isclassmethod = isinstance(fn, classmethod)
        self.isstaticmethod = isinstance(fn, staticmethod)
        plain: Callable[..., Any] = fn
        if isinstance(fn, classmethod | staticmethod):
            plain = fn.__func__
        # As in any class: what is no function stays as it is.
        # NB. A partial will be one in a later Python; from 3.13 on it warns of that.
        is_free = isinstance(plain, MethodType | partial)
        binds = hasattr(type(plain), "__get__") and not is_free
        self._binds = binds and not self.isstaticmethod
        # NB. First: the function's own attributes must not replace ours.
        update_wrapper(cast("Any", self), plain)
        self.fn: Callable[P, R] = plain
        self.spec = spec
        self.owner = f"{spec.kind.value.title()} {spec.name!r}"
        self.signature = signature_of(plain, self.owner)
        self.plain_names = plain_names(self.signature)
        self.isasync = inspect.iscoroutinefunction(plain)
        self.yields_async = inspect.isasyncgenfunction(plain)
        self.isgenerator = self.yields_async or inspect.isgeneratorfunction(plain)
        self.bound: tuple[Any, ...] = ()
        self._options = dict(options)
        check_template(self.owner, spec.run_name, self.signature)

    @overload
    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R: ...

    @overload
    def __call__(
        self: "Declared[P, Coroutine[Any, Any, T]]",
        /,
        *args: Any,
        return_state: Literal[True],
        **kwargs: Any,
    ) -> Coroutine[Any, Any, State]: ...

    @overload
    def __call__(
        self, /, *args: Any, return_state: Literal[True], **kwargs: Any
    ) -> State: ...

    @overload
    def __call__(
        self, /, *args: Any, wait_for: Iterable[Any] | None, **kwargs: Any
    ) -> R: ...

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Make a run and return its value.

        With ``return_state=True`` the run's state is returned and nothing is raised;
        with ``wait_for=[future, ...]`` the run begins when those have ended.

        Raises
        ------
        ParameterBindError
            The arguments do not fit.
        UpstreamTaskError
            A run did not complete whose result is an argument.
        """
        __tracebackhide__ = True  # IPython and pytest show the user's lines
        sketch = current_sketch.get()
        if sketch is not None:
            return cast("R", sketch.note(self, args, kwargs, kind="call"))
        return_state = bool(kwargs and kwargs.pop("return_state", False))
        wait_for: Any = kwargs.pop("wait_for", None) if kwargs else None
        call = Call(self, args, kwargs, wait_for)
        if self.isasync:
            return cast("R", self._run_async(call, return_state))
        if self.isgenerator:
            return cast("R", run_generator(call, return_state=return_state))
        state = blocking.drive(call.steps(), call.performer, call.function())
        error = ending(call.context, state, return_state=return_state)
        if error is None:
            return cast("R", state if return_state else state.data)
        # NB. Raised here and nowhere deeper: each of our frames is two more lines in
        # the user's traceback.
        try:
            raise error
        finally:
            # The traceback holds this frame: without these it would hold itself.
            call.forget()
            del error, state

    async def _run_async(
        self,
        call: Call,
        return_state: bool,  # noqa: FBT001  # internal
    ) -> Any:
        """Do for an async function what `__call__` does for a plain one."""
        __tracebackhide__ = True
        state = await awaiting.drive(call.steps(), call.performer, call.function())
        error = ending(call.context, state, return_state=return_state)
        if error is None:
            return state if return_state else state.data
        try:
            raise error
        finally:
            call.forget()
            del error, state

    def of(self, instance: object, owner: type | None = None) -> Self:
        """Return it as it is called on an instance or, a classmethod, on a class."""
        if not self._binds or self.bound:
            return self
        if self.isclassmethod:
            return self.bound_to(type(instance) if owner is None else owner)
        return self if instance is None else self.bound_to(instance)

    def bound_to(self, to: object) -> Self:
        """Return it as it is called on an instance or class."""
        bound = object.__new__(type(self))
        bound.__dict__.update(self.__dict__)
        bound.bound = (to,)
        bound.unbound = self
        bound.fn = self.fn.__get__(to)
        # Who asks for the signature is told that of the call.
        bound.__dict__["__wrapped__"] = bound.fn
        parameters = list(self.signature.parameters.values())[1:]
        bound.signature = self.signature.replace(parameters=parameters)
        bound.plain_names = plain_names(bound.signature)
        return bound

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """Return how to pickle it: by its name, as functions are, if it has one."""
        if self.bound:
            return Declared.bound_to, (self.unbound, *self.bound)
        at = stands_at(self)
        return (imported, at) if at is not None else super().__reduce_ex__(protocol)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "fn": Portable(self.fn), "__wrapped__": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # NB. A copy's state has not been through a pickle.
        fn = getattr(state["fn"], "function", state["fn"])
        self.__dict__.update(state, fn=fn, __wrapped__=fn)

    def _declared_fn(self) -> Any:
        """Return the function as the decorator got it."""
        plain = self.unbound.fn if self.bound else self.fn
        if self.isclassmethod:
            return classmethod(plain)  # type: ignore[arg-type]  # it was one
        return staticmethod(plain) if self.isstaticmethod else plain

    @property
    def ismethod(self) -> bool:
        """Whether it is bound to an instance or a class."""
        return bool(self.bound)

    @property
    def name(self) -> str:
        """The name it is known by in runs."""
        return self.spec.name

    @property
    def tags(self) -> frozenset[str]:
        """The tags of its runs."""
        return self.spec.tags

    @property
    def version(self) -> str | None:
        """The version that was declared."""
        return self.spec.version

    @property
    def retries(self) -> int:
        """How often a failed attempt is followed by another."""
        return self.spec.retries

    @property
    def retry_delay_seconds(self) -> float | list[float]:
        """Seconds before each retry: a number, or a list whose last one repeats."""
        delays = self.spec.retry_delays
        return delays[0] if len(delays) == 1 else list(delays)

    @property
    def timeout_seconds(self) -> float | None:
        """Seconds that an attempt may take."""
        return self.spec.timeout

    @property
    def log_prints(self) -> bool | None:
        """Whether prints go to the run's log; None means as the run around it."""
        return self.spec.log_prints

    @property
    def persist_result(self) -> bool | None:
        """Whether results are kept, as it was declared."""
        return self.spec.persists

    @property
    def result_serializer(self) -> Any:
        """What writes and reads the kept results, if something was declared."""
        return self._options.get("result_serializer")

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
        (checked,) = checked_hooks(self.owner, {option: [hook]})[option]
        hooks = dict(self.spec.hooks)
        hooks[option] = (*hooks.get(option, ()), checked)
        self.spec = replace(self.spec, hooks=hooks)
        self._options[option] = list(hooks[option])
        return hook

    # What a call asks for.

    @property
    def home(self) -> Home | None:
        """Where runs are kept that no other encloses, if not in the current home."""
        return None

    def names(self, parameters: dict[str, Any] | None) -> tuple[str, str]:
        """Return the name of a new run, and how its lines call it.

        Parameters
        ----------
        parameters
            What it is called with; None as long as that is not known.
        """
        raise NotImplementedError

    def spec_within(self, parent: RunContext | None) -> Spec:
        """Return the spec of a run within `parent`."""
        del parent
        return self.spec

    def recall(self, context: RunContext, parameters: dict[str, Any]) -> Recall | None:
        """Return how earlier results of a call are found, if at all."""
        del context, parameters
        return None

    @door
    def body(self, call: Call) -> Any:
        """Return what the function returns, or the awaitable of it."""
        return self.fn(*call.args, **call.kwargs)

    def _told_name(self, parameters: Mapping[str, Any] | None) -> str | None:
        """Return the name that the declaration gives a run, if it does."""
        naming = self.spec.run_name
        if naming is None or parameters is None:
            return None
        if isinstance(naming, str):
            return naming.format(**parameters)
        known = inspect.signature(naming).parameters
        name: object = (
            naming(parameters=dict(parameters)) if "parameters" in known else naming()
        )
        if isinstance(name, str):
            return name
        raise InvalidDeclaration(
            f"{self.owner}: the function that names its runs returned {name!r}. "
            "It must return a text."
        )

    def __nborch_fingerprint__(self) -> object:
        """Return what a cell that calls it depends on: the function, not its runs."""
        return (type(self).__name__, self.name, self.fn)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"
