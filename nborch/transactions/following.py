"""What the states of a task run mean for its transaction."""

from nborch.context import RunContext, current_transaction
from nborch.runs import RunKind
from nborch.settling import elsewhere, finished
from nborch.states import State
from nborch.transactions.base import BaseTransaction
from nborch.transactions.blocks import enclosing_transaction, own_transaction

__all__ = ["follow"]


def follow(context: RunContext, state: State) -> None:
    """Do what a new state of a run means for its transaction; the engine calls it.

    A completed task becomes part of the transaction around it, a failed one takes
    that back. What is called by a task is that task's affair.
    """
    if context.run.kind is not RunKind.TASK:
        return
    if state.is_completed():
        if state.name != "Cached":
            _complete(context, state)
        return
    own: BaseTransaction | None = context.transaction
    if own is not None:
        finished(own.roll_back_with(elsewhere))
        # Another attempt begins anew.
        context.transaction = None
    if state.is_final():
        around: BaseTransaction | None = current_transaction.get()
        if around is not None and enclosing_transaction(context) is around:
            finished(around.roll_back_with(elsewhere))


def _complete(context: RunContext, state: State) -> None:
    hooks = context.spec.hooks
    on_rollback, on_commit = hooks.get("on_rollback"), hooks.get("on_commit")
    key = state.details.get("cache_key")
    is_kept = key is not None and current_transaction.get() is not None
    if not (context.transaction or on_rollback or on_commit or is_kept):
        return
    own = own_transaction(context)
    own.stage(None, on_rollback, on_commit)  # type: ignore[arg-type]  # of one argument
    if key is not None:
        own.forgets = context.home.cache, key
    finished(own.end(elsewhere))
