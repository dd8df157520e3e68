"""How the results of calls are found and kept in the result cache."""

import re
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from nborch.cache.base import KeptResult
from nborch.cache.keys import digest
from nborch.cache_policies import CacheKeyFnPolicy, CachePolicy, enclosing_flow
from nborch.context import RunContext
from nborch.exceptions import CacheWarning, NborchError, Unfingerprintable
from nborch.lifecycle import Hit
from nborch.serializers import mark_of

__all__ = ["CallRecall", "Recall"]

#: The one part of the entry of a call.
PART = "result"


class Recall(Protocol):
    """How earlier results of one call are found and kept.

    Its methods never raise for a fault of the cache: what cannot be reused is
    computed, what cannot be kept is not.
    """

    @property
    def key(self) -> str | None:
        """The cache key, or None where the call cannot be compared."""
        ...

    def lookup(self) -> Hit | None:
        """Return the earlier result, if there is one."""
        ...

    def claim(self, timeout: float) -> AbstractContextManager[bool]:
        """Become the only one who computes the result, if that is possible now."""
        ...

    def keep(self, value: Any, seconds: float) -> dict[str, Any]:
        """Keep the value; return facts for the state."""
        ...


class CallRecall:
    """Find and keep the result of one call of a task.

    Parameters
    ----------
    context
        The run of the call; its spec says how long results last and how they are
        written.
    parameters
        The values the task was called with.
    policy
        What the key is made of; the spec's own if not given.
    """

    def __init__(
        self,
        context: RunContext,
        parameters: Mapping[str, Any],
        policy: CachePolicy | None = None,
    ) -> None:
        self._context = context
        self._cache = context.home.cache
        policy = policy or context.spec.cache_policy
        told = None if policy is None else _told_key(policy, context, parameters)
        self.key = None if told is None else digest("call", told)

    def lookup(self) -> Hit | None:
        """Return the earlier result, if there is one."""
        if self.key is None:
            return None
        entry = self._cache.lookup(self.key)
        if entry is None:
            return None
        try:
            value = self._loaded(entry)
        except NborchError:
            return None  # told by the cache, or a class in it is gone: compute it
        except _Unreadable:
            return None
        details = {"cache_key": self.key, "saved_seconds": entry.seconds}
        source = entry.meta.get("run")
        if source is not None:
            details["source_run"] = source
        return Hit(value, details)

    def _loaded(self, entry: KeptResult) -> Any:
        serializer = self._context.spec.result_serializer
        if entry.meta.get("serializer", "") != mark_of(serializer):
            raise _Unreadable  # it was declared otherwise meanwhile
        value = entry.load(PART)
        if serializer is None:
            return value
        try:
            return serializer.loads(value)
        except Exception as error:
            self._warn(
                f"could not be read: its result_serializer raised {_told(error)}"
            )
            raise _Unreadable from error

    def claim(self, timeout: float) -> AbstractContextManager[bool]:
        """Become the only one who computes the result, if that is possible now."""
        if self.key is None:
            return nullcontext(enter_result=True)
        return self._cache.claim(self.key, timeout)

    def keep(self, value: Any, seconds: float) -> dict[str, Any]:
        """Keep the value; return facts for the state."""
        if self.key is None:
            return {}
        spec = self._context.spec
        meta = {"run": self._context.run.id}
        if spec.result_serializer is not None:
            try:
                value = bytes(spec.result_serializer.dumps(value))
            except Exception as error:  # noqa: BLE001  # the value's and theirs alike
                self._warn(f"was not kept: its result_serializer raised {_told(error)}")
                return {}
            meta["serializer"] = mark_of(spec.result_serializer)
        entry = self._cache.keep(
            self.key,
            {PART: value},
            meta=meta,
            seconds=seconds,
            expires_at=self._expiration(seconds),
            label=spec.name,
        )
        return {"cache_key": self.key} if entry else {}

    def _expiration(self, seconds: float) -> float | None:
        """Return when a result that took so many seconds until now ends being one."""
        expires = self._context.spec.cache_expiration
        state = self._context.state
        if expires is None or state is None or state.timestamp is None:
            return None
        return state.timestamp.timestamp() + seconds + expires.total_seconds()

    def _warn(self, problem: str) -> None:
        told = f"The result of task {self._context.spec.name!r} {problem}"
        _warn(told if told.endswith(".") else f"{told}.")


class _Unreadable(Exception):
    """A result is there, and this declaration cannot read it."""


def _told_key(
    policy: CachePolicy, context: RunContext, parameters: Mapping[str, Any]
) -> str | None:
    """Return what the policy says, or None with a warning if it cannot."""
    flow = enclosing_flow(context)
    around = dict(flow.parameters or {}) if flow else {}
    try:
        told = policy.compute_key(context, dict(parameters), around)
    except CacheWarning:
        raise  # where warnings are errors
    except Unfingerprintable as error:
        problem = f"{error} cannot be compared between calls.{_hint(error, parameters)}"
    except Exception as error:  # noqa: BLE001  # a fault of the cache is not the task's
        problem = f"its {_phrase(policy)} raised {error!r}."
    else:
        if told is None or isinstance(told, str):
            return told
        problem = (
            f"its {_phrase(policy)} must return a text or None, not {told!r:.100}."
        )
    _warn(f"Task {context.spec.name!r} runs uncached: {problem}")
    return None


def _hint(error: Unfingerprintable, parameters: Mapping[str, Any]) -> str:
    """Return what helps if a parameter is to blame, to end a message with."""
    named = re.match(r"\w+", error.path)
    if named is None or named[0] not in parameters:
        return ""
    return (
        f" If {named[0]!r} does not change the result, leave it out with"
        f" cache_policy=INPUTS - {named[0]!r}."
    )


def _phrase(policy: CachePolicy) -> str:
    if isinstance(policy, CacheKeyFnPolicy):
        return "cache_key_fn"
    return f"cache policy {type(policy).__name__}"


def _warn(message: str) -> None:
    warnings.warn(message, CacheWarning, stacklevel=2)


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
