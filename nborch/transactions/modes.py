"""The choices that transactions offer, and where one stands."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

__all__ = ["CommitMode", "IsolationLevel", "ResultRecord", "TransactionState"]


class CommitMode(StrEnum):
    """When what was staged becomes final."""

    #: Each part as soon as it has ended well.
    EAGER = "EAGER"
    #: All parts when the outermost block has ended well.
    LAZY = "LAZY"
    #: Never by itself: what nobody commits is rolled back.
    OFF = "OFF"


class IsolationLevel(StrEnum):
    """What transactions with one key see of each other."""

    #: Several may run at the same time; each sees what was committed before it.
    READ_COMMITTED = "READ_COMMITTED"
    #: One at a time, over all processes of a machine; the others wait.
    SERIALIZABLE = "SERIALIZABLE"


class TransactionState(StrEnum):
    """Where a transaction stands."""

    #: Has not begun.
    PENDING = "PENDING"
    #: Its block is being executed.
    ACTIVE = "ACTIVE"
    #: Has a value that waits for the commit.
    STAGED = "STAGED"
    #: Is final, and its value kept.
    COMMITTED = "COMMITTED"
    #: Has been taken back.
    ROLLED_BACK = "ROLLED_BACK"


@dataclass(frozen=True, slots=True)
class ResultRecord:
    """What a committed transaction with a key has kept."""

    key: str
    result: Any
