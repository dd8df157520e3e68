"""Limits on how much runs at once, for async code: `concurrency` and `rate_limit`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from nborch.concurrency.asking import Asking
from nborch.exceptions import (
    AcquireConcurrencySlotTimeoutError,
    ConcurrencySlotAcquisitionError,
)
from nborch.limits import Lease

__all__ = [
    "AcquireConcurrencySlotTimeoutError",
    "ConcurrencySlotAcquisitionError",
    "concurrency",
    "rate_limit",
]


@asynccontextmanager
async def concurrency(  # noqa: PLR0913, PLR0917  # as in Prefect
    names: str | list[str],
    occupy: int = 1,
    timeout_seconds: float | None = None,
    max_retries: int | None = None,
    lease_duration: float = 300,
    strict: bool = False,  # noqa: FBT001, FBT002  # as in Prefect
    holder: Any = None,
    raise_on_lease_renewal_failure: bool | None = None,  # noqa: FBT001  # as in Prefect
) -> AsyncIterator[None]:
    """Run a block while it holds slots; see `nborch.concurrency.sync.concurrency`.

    The event loop goes on while the block waits for its turn.

    >>> async def fetch_one():
    ...     async with concurrency("external-api", occupy=1):
    ...         return await fetch("/items")
    """
    if not names:
        yield
        return
    asking = Asking(
        names,
        occupy,
        timeout_seconds,
        max_retries,
        owner=id(asyncio.current_task()),
        strict=strict,
        lease_duration=lease_duration,
        holder=holder,
        loud=raise_on_lease_renewal_failure,
    )
    with asking.waiting():
        lease = await _wait(asking)
        asking.begin(lease)
    try:
        yield
    except BaseException:
        lease.release()
        raise
    asking.end(lease)


async def rate_limit(
    names: str | list[str],
    occupy: int = 1,
    timeout_seconds: float | None = None,
    strict: bool = False,  # noqa: FBT001, FBT002  # as in Prefect
) -> None:
    """Wait until the code may go on; see `nborch.concurrency.sync.rate_limit`.

    >>> async def search(words):
    ...     await rate_limit("search")
    """
    if names:
        owner = id(asyncio.current_task())
        asking = Asking(
            names, occupy, timeout_seconds, owner=owner, strict=strict, is_rate=True
        )
        with asking.waiting():
            asking.begin(await _wait(asking))


async def _wait(asking: Asking) -> Lease:
    turn = asking.turn
    if turn.done():
        # Without a round through the event loop.
        return turn.result()  # type: ignore[no-any-return]  # what turns resolve to
    future: asyncio.Future[Lease] = asyncio.wrap_future(turn)  # type: ignore[arg-type]  # a Turn is the part of a Future that it needs
    return await asyncio.wait_for(future, asking.patience)
