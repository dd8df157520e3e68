"""How a flow run ends: with what it submitted, and failures nobody asked about."""

import logging
from dataclasses import replace
from typing import Any

from nborch.context import RunContext
from nborch.deadlines import is_overdue
from nborch.exceptions import RunTimedOut
from nborch.futures import Future, resolve_futures_to_states
from nborch.lifecycle import state_of_value
from nborch.logs import tell
from nborch.nested import hold
from nborch.states import Completed, State
from nborch.submitting import Submissions

__all__ = ["close", "end_early", "is_late", "observed", "with_states"]

#: A message names at most this many of the task runs that failed.
MOST_NAMED = 3


def with_states(value: Any, context: RunContext) -> Any:
    """Return the value with states in place of futures, whose runs are waited for."""
    if isinstance(value, Future):
        return resolve_futures_to_states(value)
    # Only a flow that submits something is likely to return futures within a value.
    if context.submissions is not None and hold((value,), (Future,), _Nothing):
        return resolve_futures_to_states(value)
    return value


class _Nothing:
    """A type without instances."""


def is_late(error: BaseException) -> bool:
    """Tell whether the flow run, or one around it, has taken longer than it may."""
    return isinstance(error, RunTimedOut) and is_overdue()


def end_early(context: RunContext, error: BaseException) -> None:
    """End what was submitted within a flow that ends by `error`."""
    submissions: Submissions | None = context.submissions
    if submissions is None:
        return
    try:
        if isinstance(error, GeneratorExit):
            # Nobody wants more items, which is no reason to break off what was begun.
            submissions.wait()
        else:
            submissions.end_early(error, at_once=is_late(error))
    finally:
        close(context)


def close(context: RunContext) -> None:
    """End the workers of what was submitted within a flow."""
    submissions: Submissions = context.submissions
    # NB. Last: until its runs have ended they may submit others, which belong to it.
    context.submissions = None
    submissions.close()


def observed(value: Any, context: RunContext) -> Any:
    """Return the value, or a state that tells of failures that nobody asked about."""
    submissions: Submissions = context.submissions
    close(context)
    failed, count = submissions.unobserved()
    state = state_of_value(value)
    if not failed or not state.is_completed():
        return value
    names = [f"{each.name} ({each.state.message})" for each in failed[:MOST_NAMED]]
    more = f" and {len(failed) - MOST_NAMED} more" if len(failed) > MOST_NAMED else ""
    message = (
        f"{len(failed)} of {count} submitted task runs did not complete, and nobody "
        f"asked how they ended: {', '.join(names)}{more}."
    )
    advice = "Ask each future for its result(), or return the futures from the flow."
    tell(context, logging.WARNING, "%s %s", message, advice)
    if isinstance(value, State):
        return replace(state, message=state.message or message)
    return Completed(message=message, data=state.data)
