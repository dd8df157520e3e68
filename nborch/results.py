"""How the results of calls are found and kept in the result cache."""

import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from nborch.cache.keys import digest
from nborch.context import RunContext
from nborch.exceptions import CacheWarning
from nborch.lifecycle import Hit

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
        The run of the call; its spec has the key function and the expiration.
    parameters
        The values the task was called with.
    """

    def __init__(self, context: RunContext, parameters: Mapping[str, Any]) -> None:
        self._context = context
        self._cache = context.home.cache
        told = _told_key(context, parameters)
        self.key = None if told is None else digest("call", told)

    def lookup(self) -> Hit | None:
        """Return the earlier result, if there is one."""
        if self.key is None:
            return None
        entry = self._cache.lookup(self.key)
        if entry is None:
            return None
        value = entry.load(PART)
        details = {"cache_key": self.key, "saved_seconds": entry.seconds}
        return Hit(value, details)

    def claim(self, timeout: float) -> AbstractContextManager[bool]:
        """Become the only one who computes the result, if that is possible now."""
        if self.key is None:
            return nullcontext(enter_result=True)
        return self._cache.claim(self.key, timeout)

    def keep(self, value: Any, seconds: float) -> dict[str, Any]:
        """Keep the value; return facts for the state."""
        if self.key is None:
            return {}
        expires = self._context.spec.cache_expiration
        state = self._context.state
        now = state and state.timestamp
        until = (
            now.timestamp() + seconds + expires.total_seconds()
            if now and expires
            else None
        )
        entry = self._cache.keep(
            self.key,
            {PART: value},
            meta={"run": self._context.run.id},
            seconds=seconds,
            expires_at=until,
            label=self._context.spec.name,
        )
        return {"cache_key": self.key} if entry else {}


def _told_key(context: RunContext, parameters: Mapping[str, Any]) -> str | None:
    """Return what the key function says, or None with a warning if it cannot."""
    key_function = context.spec.cache_key_fn
    if key_function is None:
        return None
    try:
        told = key_function(context, dict(parameters))
    except CacheWarning:
        raise  # where warnings are errors
    except Exception as error:  # noqa: BLE001  # a fault of the cache is not the task's
        problem = f"raised {error!r}"
    else:
        if told is None or isinstance(told, str):
            return told
        problem = f"must return a text or None, not {told!r:.100}"
    warnings.warn(
        f"Task {context.spec.name!r} runs uncached: its cache_key_fn {problem}.",
        CacheWarning,
        stacklevel=2,
    )
    return None
