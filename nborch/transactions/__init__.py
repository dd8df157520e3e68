"""Transactions: what tasks did is taken back if one of them fails.

::

    @write.on_rollback
    def remove(transaction):
        Path(transaction.get("path")).unlink()

    with transaction() as txn:
        txn.set("path", path)
        write(path, rows)
        check(path)  # if it fails, `remove` is called

A task has its hooks called by the transaction that it was called in. It is committed
when its block ends, and rolled back when the block raises or one of its tasks fails.
"""

from nborch.transactions.base import BaseTransaction
from nborch.transactions.blocks import (
    AsyncTransaction,
    Transaction,
    atransaction,
    get_transaction,
    transaction,
)
from nborch.transactions.following import follow
from nborch.transactions.modes import (
    CommitMode,
    IsolationLevel,
    ResultRecord,
    TransactionState,
)

__all__ = [
    "AsyncTransaction",
    "BaseTransaction",
    "CommitMode",
    "IsolationLevel",
    "ResultRecord",
    "Transaction",
    "TransactionState",
    "atransaction",
    "follow",
    "get_transaction",
    "transaction",
]
