"""What a declaration says of reusing results: the policy or key that it means."""

import warnings
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from nborch.cache_policies import (
    DEFAULT,
    NO_CACHE,
    CacheKeyFunction,
    CachePolicy,
    enclosing_flow,
)
from nborch.exceptions import CacheWarning, InvalidDeclaration, Unfingerprintable

__all__ = ["StorageKey", "effective_policy", "policy_of", "task_input_hash"]

#: What a hand-written key may name.
_NAMED = ("flow_run", "task_run", "parameters")


@dataclass(frozen=True)
class StorageKey(CachePolicy):
    """A key written by hand, as ``"{flow_run.name}/{parameters[day]}"``.

    It may name ``flow_run``, ``task_run`` (each with ``id``, ``name`` and
    ``parameters``; ``flow_run.flow_name``, ``task_run.task_name``) and ``parameters``.
    """

    template: str = ""

    def compute_key(
        self,
        task_ctx: Any,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        """Return the text with its fields filled in."""
        del kwargs
        flow = enclosing_flow(task_ctx)
        task_run = SimpleNamespace(
            id=task_ctx.run.id,
            name=task_ctx.run.name,
            task_name=task_ctx.run.of,
            parameters=inputs,
        )
        flow_run = flow and SimpleNamespace(
            id=flow.run.id,
            name=flow.run.name,
            flow_name=flow.run.of,
            parameters=flow_parameters,
        )
        return self.template.format(
            flow_run=flow_run, task_run=task_run, parameters=inputs
        )


def policy_of(  # noqa: PLR0913  # the options that decide together
    owner: str,
    *,
    cache_policy: CachePolicy | None = None,
    cache_key_fn: CacheKeyFunction | None = None,
    persist_result: bool | None = None,
    result_storage_key: str | None = None,
    result_serializer: object = None,
) -> CachePolicy | None:
    """Return the policy that a declaration means; None if it says nothing of it.

    >>> policy_of("Task 'load'", persist_result=True) == DEFAULT
    True
    >>> policy_of("Task 'load'") is None
    True

    A declaration that says nothing follows its flow: `effective_policy` decides when
    the task runs. One that says no is `NO_CACHE`.

    Raises
    ------
    InvalidDeclaration
        An option is not what it should be.
    """
    _check_options(owner, cache_policy, cache_key_fn, result_storage_key)
    policy = cache_policy
    if cache_key_fn is not None:
        if policy is not None:
            _warn(f"{owner}: cache_policy is ignored, because cache_key_fn is given.")
        policy = CachePolicy.from_cache_key_fn(cache_key_fn)
    elif policy is None and result_storage_key is not None:
        policy = StorageKey(template=result_storage_key)
    if persist_result is False:
        if policy is not None and policy != NO_CACHE:
            _warn(
                f"{owner} is not cached, because persist_result is False. Leave out "
                "persist_result to reuse its results."
            )
        return NO_CACHE
    if policy is None and (persist_result or result_serializer is not None):
        return DEFAULT
    return policy


def effective_policy(
    declared: CachePolicy | None, *, flow_persists: bool
) -> CachePolicy | None:
    """Return the policy of a run, None if nothing is reused.

    Parameters
    ----------
    declared
        What `policy_of` said.
    flow_persists
        Whether the enclosing flow was declared with ``persist_result=True``.
    """
    if declared is None:
        return DEFAULT if flow_persists else None
    return None if declared == NO_CACHE else declared


def task_input_hash(context: Any, parameters: dict[str, Any]) -> str | None:
    """Return a key of the task's code and its parameters' content.

    The code counts with every function, class and global that it uses, so that a
    changed helper is noticed. Give it to `task` as ``cache_key_fn``. The key is None,
    with one warning, where a parameter has no content to compare.
    """
    # Who reuses no result need not load what compares them (law 7).
    from nborch.cache.code import code_digest
    from nborch.cache.fingerprints import fingerprints
    from nborch.cache.keys import cache_key

    body = context.task
    try:
        found = fingerprints(parameters)
        return cache_key(
            body=code_digest(body.fn),
            inputs=found.each,
            options={"sharing": found.sharing},
        )
    except Unfingerprintable as error:
        warnings.warn(
            f"Task {body.name!r} runs uncached: {error}.", CacheWarning, stacklevel=2
        )
        return None


def _check_options(
    owner: str, policy: object, key_function: object, storage_key: object
) -> None:
    if policy is not None and not isinstance(policy, CachePolicy):
        hint = " Call it first." if isinstance(policy, type) else ""
        raise InvalidDeclaration(
            f"{owner}: cache_policy must be a cache policy such as INPUTS, "
            f"not {policy!r}.{hint}"
        )
    if key_function is not None and not callable(key_function):
        raise InvalidDeclaration(
            f"{owner}: cache_key_fn must be a function (context, parameters), "
            f"not {key_function!r}."
        )
    if storage_key is None:
        return
    if not isinstance(storage_key, str) or not storage_key:
        raise InvalidDeclaration(
            f"{owner}: result_storage_key must be a text, not {storage_key!r}."
        )
    for name in _fields(owner, storage_key):
        if name not in _NAMED:
            raise InvalidDeclaration(
                f"{owner}: result_storage_key names {name!r}, which is not known. It "
                f"may name {', '.join(_NAMED)}, as in '{{parameters[day]}}'."
            )


def _fields(owner: str, template: str) -> list[str]:
    """Return the first names of the fields in a format text."""
    from string import Formatter

    try:
        named = [name for _, name, _, _ in Formatter().parse(template)]
    except ValueError as error:
        raise InvalidDeclaration(
            f"{owner}: result_storage_key {template!r} is no format text ({error})."
        ) from None
    return [name.partition(".")[0].partition("[")[0] for name in named if name]


def _warn(message: str) -> None:
    warnings.warn(message, CacheWarning, stacklevel=5)
