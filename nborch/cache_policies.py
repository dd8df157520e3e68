"""Cache policies: what the key of a task's result is made of.

::

    @task(cache_policy=INPUTS + TASK_SOURCE - "progress_bar")
    def clean(rows, progress_bar): ...

A call whose key was seen before gets the earlier result. A policy returns None where it
has nothing to say; a call for which no policy has anything to say is not reused.
"""

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Self

from nborch.exceptions import InvalidDeclaration
from nborch.runs import RunKind

__all__ = [
    "DEFAULT",
    "FLOW_PARAMETERS",
    "INPUTS",
    "NONE",
    "NO_CACHE",
    "RUN_ID",
    "TASK_SOURCE",
    "CacheKeyFnPolicy",
    "CacheKeyFunction",
    "CachePolicy",
    "CompoundCachePolicy",
    "FlowParameters",
    "Inputs",
    "RunId",
    "TaskSource",
    "enclosing_flow",
]

CacheKeyFunction = Callable[[Any, dict[str, Any]], str | None]
Values = Mapping[str, Any]

_LEVELS = ("READ_COMMITTED", "SERIALIZABLE")


class CachePolicy:
    """How the key of a call is computed. Write your own by overriding `compute_key`.

    >>> class ByDay(CachePolicy):
    ...     def compute_key(self, task_ctx, inputs, flow_parameters, **kwargs):
    ...         return str(inputs["at"].date())
    >>> policy = ByDay() + TASK_SOURCE

    Parameters
    ----------
    key_storage
        Only None: keys stand beside their results, in the home.
    isolation_level
        Taken and not needed: one run computes a key and the others wait for it,
        which is more than either level promises.
    lock_manager
        Taken and not needed, for the same reason.
    """

    key_storage: Any = None
    isolation_level: Any = None
    lock_manager: Any = None

    def __init__(
        self,
        key_storage: Any = None,
        isolation_level: Any = None,
        lock_manager: Any = None,
    ) -> None:
        _check_settings(key_storage, isolation_level)
        self.isolation_level = isolation_level
        self.lock_manager = lock_manager

    @classmethod
    def from_cache_key_fn(cls, cache_key_fn: CacheKeyFunction) -> "CacheKeyFnPolicy":
        """Return the policy of a key function ``(context, parameters)``."""
        return CacheKeyFnPolicy(cache_key_fn=cache_key_fn)

    def configure(
        self,
        key_storage: Any = None,
        lock_manager: Any = None,
        isolation_level: Any = None,
    ) -> Self:
        """Return a copy with these settings, which change nothing here.

        Raises
        ------
        InvalidDeclaration
            A ``key_storage`` is given: keys are kept in the home.
        """
        _check_settings(key_storage, isolation_level)
        changed = copy(self)
        # NB. Not setattr(): a policy may be a frozen dataclass.
        if lock_manager is not None:
            object.__setattr__(changed, "lock_manager", lock_manager)
        if isolation_level is not None:
            object.__setattr__(changed, "isolation_level", isolation_level)
        return changed

    def compute_key(
        self,
        task_ctx: Any,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """Return the key of a call, or None if there is nothing to compare.

        Parameters
        ----------
        task_ctx
            The run's context, with ``task`` and ``task_run``.
        inputs
            The values that the task was called with, by parameter.
        flow_parameters
            The values that the enclosing flow was called with; empty without one.
        """
        raise NotImplementedError

    def __add__(self, other: "CachePolicy") -> "CachePolicy":
        """Return a policy of both: a call is reused only if both agree."""
        if not isinstance(other, CachePolicy):
            return NotImplemented
        if isinstance(other, _None):
            return self
        _check_same("isolation levels", self.isolation_level, other.isolation_level)
        _check_same("lock managers", self.lock_manager, other.lock_manager)
        return CompoundCachePolicy(
            isolation_level=self.isolation_level or other.isolation_level,
            lock_manager=self.lock_manager or other.lock_manager,
            policies=(self, other),
        )

    def __sub__(self, other: str) -> "CachePolicy":
        """Return the policy without an input; most do not look at inputs."""
        _check_name(other)
        return self


def _check_settings(key_storage: Any, isolation_level: Any) -> None:
    if key_storage is not None:
        raise InvalidDeclaration(
            f"Cache policy: key_storage={key_storage!r} is not supported, because keys "
            "stand beside their results. Set NBORCH_HOME to keep both elsewhere."
        )
    if isolation_level is None:
        return
    level = getattr(isolation_level, "name", isolation_level)
    if level not in _LEVELS:
        raise InvalidDeclaration(
            f"Cache policy: isolation_level must be one of {', '.join(_LEVELS)}, "
            f"not {isolation_level!r}."
        )


def _check_same(what: str, one: Any, other: Any) -> None:
    if one is not None and other is not None and one != other:
        raise ValueError(
            f"Two cache policies with different {what} cannot be added: {one!r} and "
            f"{other!r}. Configure the sum instead: (a + b).configure(...)."
        )


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(
            f"Only the name of an input can be taken from a cache policy, not {name!r}."
        )


@dataclass(frozen=True)
class _Plain(CachePolicy):
    """A policy that is told apart from others by what it consists of."""

    key_storage: Any = None
    isolation_level: Any = None
    lock_manager: Any = None

    def __post_init__(self) -> None:
        _check_settings(self.key_storage, self.isolation_level)


@dataclass(frozen=True)
class Inputs(_Plain):
    """The values a task is called with, compared by type and content.

    ``INPUTS - "debug"`` leaves one out. Results are not shared between different
    tasks: the task's name counts, its code does not.

    Parameters
    ----------
    exclude
        Names of parameters that do not count.
    """

    exclude: Iterable[str] = frozenset()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "exclude", frozenset(self.exclude))

    def compute_key(
        self,
        task_ctx: Any,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """Return a digest of the inputs; None for a task without parameters."""
        del flow_parameters, kwargs
        if not inputs:
            return None
        excluded = self.exclude
        counted = {name: inputs[name] for name in inputs if name not in excluded}
        return _digest_of("inputs", _identity(task_ctx), counted)

    def __sub__(self, other: str) -> "Inputs":
        """Return the policy that does not look at this input either."""
        _check_name(other)
        changed = copy(self)
        object.__setattr__(changed, "exclude", frozenset({*self.exclude, other}))
        return changed


def _identity(task_ctx: Any) -> tuple[str, str, str]:
    """Return what a task is known by: two of one name are two."""
    task = getattr(task_ctx, "task", None)
    function = getattr(task, "fn", None)
    return (
        str(getattr(task, "name", "")),
        str(getattr(function, "__module__", "")),
        str(getattr(function, "__qualname__", "")),
    )


def _digest_of(what: str, of: Iterable[str], values: Values) -> str:
    # Who reuses no result need not load what compares values (law 7).
    from nborch.cache.fingerprints import fingerprints
    from nborch.cache.keys import SCHEMA, digest

    found = fingerprints(values)
    each = (part for name in sorted(found.each) for part in (name, found.each[name]))
    return digest(SCHEMA, what, *of, found.sharing, *each)


@dataclass(frozen=True)
class TaskSource(_Plain):
    """The task's code, with all helpers, closures and globals that it uses.

    Comments, layout and the code's place do not count.
    """

    def compute_key(
        self,
        task_ctx: Any,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """Return a digest of the code that the task reaches."""
        del inputs, flow_parameters, kwargs
        if task_ctx is None:
            return None
        from nborch.cache.code import code_digest

        return code_digest(task_ctx.task.fn)


@dataclass(frozen=True)
class FlowParameters(_Plain):
    """The values that the enclosing flow was called with."""

    def compute_key(
        self,
        task_ctx: Any,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """Return a digest of the flow's parameters; None if there are none."""
        del task_ctx, inputs, kwargs
        if not flow_parameters:
            return None
        return _digest_of("flow parameters", (), flow_parameters)


@dataclass(frozen=True)
class RunId(_Plain):
    """The enclosing flow run: results are reused within it only.

    A task outside a flow has its own run's id, and is not reused.
    """

    def compute_key(
        self,
        task_ctx: Any,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """Return the id of the flow run, or of the task run if there is none."""
        del inputs, flow_parameters, kwargs
        if task_ctx is None:
            return None
        flow = enclosing_flow(task_ctx)
        run = (task_ctx if flow is None else flow).run
        # A run that is called once more goes on from what the first one has kept.
        return str(getattr(run, "details", {}).get("retry_of", run.id))


def enclosing_flow(task_ctx: Any) -> Any:
    """Return the context of the flow run that a run belongs to, if any."""
    context = task_ctx.parent
    while context is not None and context.run.kind is not RunKind.FLOW:
        context = context.parent
    return context


@dataclass(frozen=True)
class CacheKeyFnPolicy(_Plain):
    """What a function ``(context, parameters)`` of the user's returns.

    Tasks whose functions return the same key share a result.
    """

    cache_key_fn: CacheKeyFunction | None = None

    def compute_key(
        self,
        task_ctx: Any,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """Return what the function says."""
        del flow_parameters, kwargs
        return self.cache_key_fn(task_ctx, inputs) if self.cache_key_fn else None


@dataclass(frozen=True)
class CompoundCachePolicy(_Plain):
    """Several policies in one: a call is reused if all of them say the same.

    Those that have nothing to say do not count.
    """

    policies: Iterable[CachePolicy] = field(default=())

    def __post_init__(self) -> None:
        super().__post_init__()
        parts: list[CachePolicy] = []
        for policy in self.policies:
            inner = isinstance(policy, CompoundCachePolicy)
            parts += policy.policies if inner else (policy,)  # type: ignore[attr-defined]
        excluded = [p.exclude for p in parts if isinstance(p, Inputs)]
        distinct = [p for p in parts if not isinstance(p, Inputs)]
        if excluded:
            # First, so that sums of the same parts are equal more often.
            distinct.insert(0, Inputs(exclude=frozenset().union(*excluded)))
        object.__setattr__(self, "policies", _without_repeats(distinct))

    def compute_key(
        self,
        task_ctx: Any,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """Return a digest of what the policies say; None if none says anything."""
        told = []
        for policy in self.policies:
            key = policy.compute_key(
                task_ctx=task_ctx,
                inputs=inputs,
                flow_parameters=flow_parameters,
                **kwargs,
            )
            if key is not None:
                told.append(key)
        if not told:
            return None
        from nborch.cache.keys import digest

        return digest("compound", *told)

    def __sub__(self, other: str) -> "CompoundCachePolicy":
        """Return the policy whose inputs, if it looks at any, lack this one."""
        _check_name(other)
        changed = copy(self)
        parts = tuple(policy - other for policy in self.policies)
        object.__setattr__(changed, "policies", parts)
        return changed


def _without_repeats(policies: list[CachePolicy]) -> tuple[CachePolicy, ...]:
    kept: list[CachePolicy] = []
    for policy in policies:
        if policy not in kept:
            kept.append(policy)
    return tuple(kept)


@dataclass(frozen=True)
class _None(_Plain):
    """No caching, whatever else is declared."""

    def compute_key(
        self,
        task_ctx: Any,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """Return None: nothing is reused."""
        del task_ctx, inputs, flow_parameters, kwargs
        return None

    def __add__(self, other: CachePolicy) -> CachePolicy:
        """Return the other one."""
        return other


#: The values the task is called with.
INPUTS = Inputs()
#: The task's code, with all that it uses.
TASK_SOURCE = TaskSource()
#: The enclosing flow run.
RUN_ID = RunId()
#: The values that the enclosing flow was called with.
FLOW_PARAMETERS = FlowParameters()
#: No caching.
NO_CACHE = _None()
#: No caching.
NONE = _None()
#: What counts where nothing else is said: a result is reused within its flow run.
DEFAULT = INPUTS + TASK_SOURCE + RUN_ID
