"""What tasks and flows have in common of a declaration: its options, checked."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from string import Formatter
from typing import Any

from nborch.annotations import NotSet
from nborch.exceptions import InvalidDeclaration, did_you_mean
from nborch.runs import RunKind
from nborch.specs import (
    Delays,
    Hook,
    RunNaming,
    Spec,
    checked_delays,
    checked_name,
    checked_naming,
    checked_retries,
    checked_tags,
    checked_timeout,
)

__all__ = [
    "callable_name",
    "changed_options",
    "check_template",
    "checked_hooks",
    "common_spec",
]


def callable_name(fn: Callable[..., Any]) -> str:
    """Return the name of a function, or of the class of what can be called.

    Raises
    ------
    InvalidDeclaration
        It cannot be called.
    """
    if isinstance(fn, classmethod | staticmethod):
        return str(fn.__func__.__name__)
    if not callable(fn):
        raise InvalidDeclaration("'fn' must be callable")
    return str(getattr(fn, "__name__", type(fn).__name__))


def common_spec(  # noqa: PLR0913  # the options of a decorator
    kind: RunKind,
    fn: Callable[..., Any],
    default: str,
    *,
    name: str | None,
    description: str | None,
    tags: Iterable[str] | None,
    version: str | None,
    run_name: RunNaming | None,
    retries: int | None,
    retry_delay_seconds: Delays | None,
    timeout_seconds: float | None,
    log_prints: bool | None,
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
        run_name=checked_naming(owner, f"{kind.value}_run_name", run_name),
        retries=retries,
        retry_delays=checked_delays(owner, retry_delay_seconds, retries),
        timeout=checked_timeout(owner, timeout_seconds),
        log_prints=log_prints,
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


def check_template(
    owner: str, naming: RunNaming | None, signature: inspect.Signature
) -> None:
    """Raise if a template for run names asks for what no call could give."""
    if not isinstance(naming, str):
        return
    known = signature.parameters
    if any(p.kind is p.VAR_KEYWORD for p in known.values()):
        return
    for _, field, _, _ in Formatter().parse(naming):
        name = field and field.partition(".")[0].partition("[")[0]
        if field is not None and name not in known:
            raise InvalidDeclaration(
                f"{owner}: the run name {naming!r} asks for {name!r}, which is no "
                f"parameter. Its parameters are: {', '.join(known) or 'none'}."
            )


def changed_options(
    owner: str, options: Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the options of a declaration with some changed.

    None stands for "as it was" where it cannot be meant.
    """
    for name in changes:
        if name not in options:
            raise InvalidDeclaration(
                f"{owner} has no option {name!r}.{did_you_mean(name, options)}"
            )
    new = {
        name: value
        for name, value in changes.items()
        if value is not NotSet and not (value is None and name in _NONE_KEEPS)
    }
    if "cache_key_fn" in new:
        new.setdefault("cache_policy", NotSet)
    elif "cache_policy" in new:
        new["cache_key_fn"] = None
    return {**options, **new}


#: Options of which None cannot be meant.
_NONE_KEEPS = frozenset(
    {
        "name", "description", "tags", "version", "cache_key_fn", "cache_expiration",
        "timeout_seconds", "on_completion", "on_failure", "on_running", "on_crashed",
        "on_cancellation", "on_rollback", "on_commit", "retry_condition_fn",
        "viz_return_value", "task_runner", "validate_parameters", "isolate",
        "flow_run_name", "cache_result_in_memory",
    }
)  # fmt: skip
