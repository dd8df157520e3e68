"""Futures: what a submitted task run will have come to.

>>> from nborch import flow, task
>>> @task
... def double(n: int) -> int:
...     return 2 * n
>>> @flow
... def doubled():
...     futures = [double.submit(n) for n in (1, 2)]
...     wait(futures)
...     return [future.result() for future in futures]
"""

from nborch.futures.base import Future, ended
from nborch.futures.slots import Slot, slot
from nborch.futures.waiting import (
    DoneAndNotDoneFutures,
    FutureList,
    as_completed,
    resolve_futures_to_results,
    resolve_futures_to_states,
    wait,
)

__all__ = [
    "DoneAndNotDoneFutures",
    "Future",
    "FutureList",
    "PrefectFuture",
    "PrefectFutureList",
    "Slot",
    "as_completed",
    "ended",
    "resolve_futures_to_results",
    "resolve_futures_to_states",
    "slot",
    "wait",
]

#: Prefect's names.
PrefectFuture = Future
PrefectFutureList = FutureList
