"""Upstream: the futures and states among the arguments of a call."""

from collections.abc import Iterable, Mapping
from typing import Any

from nborch.annotations import Annotation, allow_failure, opaque, quote
from nborch.exceptions import UpstreamTaskError
from nborch.futures import Future
from nborch.nested import hold, replaced
from nborch.states import State

__all__ = ["Upstream", "upstream_of"]

_WANTED = (Future, State, Annotation)
_AS_THEY_ARE = (quote, opaque)


def upstream_of(
    args: tuple[Any, ...], kwargs: Mapping[str, Any], wait_for: Iterable[Any] | None
) -> "Upstream | None":
    """Return what a call depends on, or None if it depends on nothing.

    >>> upstream_of((1, [2, 3]), {}, None) is None
    True
    """
    if wait_for is None and not hold((*args, *kwargs.values()), _WANTED, quote):
        return None
    return Upstream(args, kwargs, wait_for)


class Upstream:
    """The futures and states that a call depends on.

    Parameters
    ----------
    wait_for
        Futures and states to wait for without using their results.

    Attributes
    ----------
    futures
        The futures that must have ended before the call.
    run_ids
        The runs whose results the call uses or waits for.
    """

    def __init__(
        self,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        wait_for: Iterable[Any] | None,
    ) -> None:
        self._args = args
        self._kwargs = dict(kwargs)
        # As a list: it is walked twice, and may be a generator.
        self._wait_for = [wait_for] if isinstance(wait_for, Future) else None
        if self._wait_for is None:
            self._wait_for = list(wait_for or ())
        self.futures: list[Future[Any]] = []
        self.run_ids: list[str] = []
        replaced([args, self._kwargs, self._wait_for], _WANTED, self._note)

    def _note(self, found: Any) -> Any:
        """Note a future or state that was found, or one with a mark on it."""
        if isinstance(found, _AS_THEY_ARE):
            return found
        if isinstance(found, Annotation):
            replaced(found.unwrap(), _WANTED, self._note)
        elif isinstance(found, Future):
            found.observe()
            self.futures.append(found)
            self.run_ids.append(found.task_run_id)
        elif found.run_id is not None:
            self.run_ids.append(found.run_id)
        return found

    def resolved(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments with results in place of futures and states.

        Raises
        ------
        UpstreamTaskError
            A run among them did not complete.
        """
        replaced(self._wait_for, _WANTED, _strict)
        args = tuple(replaced(value, _WANTED, _strict) for value in self._args)
        kwargs = {
            name: replaced(value, _WANTED, _strict)
            for name, value in self._kwargs.items()
        }
        return args, kwargs


def _strict(found: Any) -> Any:
    """Return the result that something found stands for."""
    if isinstance(found, _AS_THEY_ARE):
        return found.unwrap()
    if isinstance(found, allow_failure):
        return replaced(found.unwrap(), _WANTED, _lenient)
    if isinstance(found, Annotation):
        return replaced(found.unwrap(), _WANTED, _strict)
    state = _state_of(found)
    if state.is_completed():
        return state.data
    who = f" {found.name!r}" if isinstance(found, Future) else ""
    raise UpstreamTaskError(
        f"Upstream task run{who} did not reach a 'COMPLETED' state."
    ) from (state.exception() if state.is_final() else None)


def _lenient(found: Any) -> Any:
    """Return the result, or the exception of a run that failed."""
    if isinstance(found, Annotation):
        return _strict(found)
    state = _state_of(found)
    return state.result(raise_on_failure=False) if state.is_final() else state


def _state_of(found: Future[Any] | State) -> State:
    if isinstance(found, Future):
        # The engine has waited for it.
        return found.peeked() or found.state
    return found
