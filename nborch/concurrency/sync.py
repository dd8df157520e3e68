"""Limits on how much runs at once, for plain code: `concurrency` and `rate_limit`."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nborch.concurrency.asking import Asking
from nborch.exceptions import (
    AcquireConcurrencySlotTimeoutError,
    ConcurrencySlotAcquisitionError,
)

__all__ = [
    "AcquireConcurrencySlotTimeoutError",
    "ConcurrencySlotAcquisitionError",
    "concurrency",
    "rate_limit",
]


@contextmanager
def concurrency(  # noqa: PLR0913, PLR0917  # as in Prefect
    names: str | list[str],
    occupy: int = 1,
    timeout_seconds: float | None = None,
    max_retries: int | None = None,
    lease_duration: float = 300,
    strict: bool = False,  # noqa: FBT001, FBT002  # as in Prefect
    holder: Any = None,
    raise_on_lease_renewal_failure: bool | None = None,  # noqa: FBT001  # as in Prefect
) -> Iterator[None]:
    """Run a block while it holds slots of concurrency limits.

    The block waits until the slots are free, behind those who asked before it. A limit
    is created once, with ``nborch concurrency-limit create external-api 5``, and holds
    for all processes that use the same home.

    >>> with concurrency("external-api", occupy=1):  # doctest: +SKIP
    ...     answer = fetch("/items")

    Parameters
    ----------
    names
        One name or several; of several, all are got or none. A name that is no limit
        does not limit, which is told once.
    occupy
        How many slots of each to take.
    timeout_seconds
        How long to wait for them; None waits for ever, 0 not at all.
    max_retries
        Another way to say how long, one second for each retry.
    lease_duration
        Seconds after which another machine takes the slots of a process that it has
        not heard of. On one machine the death of a process is seen at once.
    strict
        Raise where a name is no limit.
    holder
        Whom ``nborch concurrency-limit inspect`` shows; by default, the current run.
    raise_on_lease_renewal_failure
        Raise at the end of the block if its slots were given to others meanwhile;
        otherwise warn. None does what `strict` says.

    Raises
    ------
    AcquireConcurrencySlotTimeoutError
        No slots came free in time; also a ``TimeoutError``.
    ConcurrencySlotAcquisitionError
        No waiting would help: more slots were asked for than there are, the code holds
        them itself, or a name is no limit and `strict` was asked for.
    """
    if not names:
        yield
        return
    asking = Asking(
        names,
        occupy,
        timeout_seconds,
        max_retries,
        owner=threading.get_ident(),
        strict=strict,
        lease_duration=lease_duration,
        holder=holder,
        loud=raise_on_lease_renewal_failure,
    )
    with asking.waiting():
        lease = asking.turn.result(asking.patience)
        asking.begin(lease)
    try:
        yield
    except BaseException:
        lease.release()
        raise
    asking.end(lease)


def rate_limit(
    names: str | list[str],
    occupy: int = 1,
    timeout_seconds: float | None = None,
    strict: bool = False,  # noqa: FBT001, FBT002  # as in Prefect
) -> None:
    """Wait until the code may go on, as often as the limits allow.

    The slots are not given back but decay: a limit of 5 with 2 per second lets five
    through at once, and then one each half second. Such a limit is created with
    ``nborch concurrency-limit create search 5 --slot-decay-per-second 2``.

    >>> rate_limit("search")  # doctest: +SKIP

    Parameters
    ----------
    names, occupy, timeout_seconds, strict
        As for `concurrency`.
    """
    if names:
        owner = threading.get_ident()
        asking = Asking(
            names, occupy, timeout_seconds, owner=owner, strict=strict, is_rate=True
        )
        with asking.waiting():
            asking.begin(asking.turn.result(asking.patience))
