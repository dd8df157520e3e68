"""What asking for slots means, for those who block and those who await."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nborch.context import enclosing_run
from nborch.exceptions import (
    AcquireConcurrencySlotTimeoutError,
    ConcurrencySlotAcquisitionError,
    LimitWarning,
)
from nborch.home import current_home
from nborch.limits import Lease, Turn

__all__ = ["Asking"]

#: Seconds that stand for one of ``max_retries``.
RETRY = 1.0

_told: set[str] = set()


class Asking:
    """Ask for slots; the drivers only wait for its `turn`, for `patience` seconds.

    Parameters
    ----------
    names
        One name or several, of which all are got or none.
    owner
        The thread or coroutine that asks.
    loud
        Whether lost slots raise; otherwise they warn.
    """

    def __init__(  # noqa: PLR0913  # what `concurrency` lets one say, by name
        self,
        names: str | list[str],
        occupy: int,
        timeout_seconds: float | None,
        max_retries: int | None = None,
        *,
        owner: object,
        strict: bool,
        is_rate: bool = False,
        lease_duration: float = 300.0,
        holder: Any = None,
        loud: bool | None = None,
    ) -> None:
        self.patience = _patience(timeout_seconds, max_retries)
        self._is_loud = strict if loud is None else loud
        context = enclosing_run()
        self._limits = (context.home if context else current_home()).limits
        if holder is None and context is not None:
            holder = {"type": f"{context.run.kind.value}_run", "id": context.run.id}
        self.claim = self._limits.claim(
            [names] if isinstance(names, str) else names,
            occupy,
            holder=_as_holder(holder),
            owner=owner,
            is_rate=is_rate,
            strict=strict,
            lease_duration=lease_duration,
        )
        self.turn: Turn = self._limits.ask(self.claim)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Leave the queue if the wait ends without slots, and say so if it was long."""
        try:
            yield
        except BaseException as error:
            self._limits.withdraw(self.turn)
            if isinstance(error, TimeoutError):
                raise self._time_ran_out() from None
            raise

    def begin(self, lease: Lease) -> None:
        """Tell, once per name, what does not limit."""
        for name in lease.unknown:
            if name not in _told:
                _told.add(name)
                warnings.warn(
                    f"No concurrency limit is called {name!r}, so nothing is limited. "
                    f"Create it with: nborch concurrency-limit create {name} 5",
                    LimitWarning,
                    # Who called rate_limit(), or who entered the block.
                    stacklevel=3 if self.claim.is_rate else 4,
                )

    def end(self, lease: Lease) -> None:
        """Give the slots back; tell if they were lost while the code ran.

        Raises
        ------
        ConcurrencySlotAcquisitionError
            They were lost, and that is to raise.
        """
        lease.release()
        if not lease.is_lost:
            return
        told = (
            f"The slots of {_listed(self.claim.names)} were given to others while the "
            "code that held them ran: the limit was reset, or this process was not "
            "heard of for longer than its lease. More may have run at once than the "
            "limit allows."
        )
        if self._is_loud:
            raise ConcurrencySlotAcquisitionError(told)
        warnings.warn(told, LimitWarning, stacklevel=4)

    def _time_ran_out(self) -> AcquireConcurrencySlotTimeoutError:
        """Return the error for who has waited long enough."""
        slots = "slot" if self.claim.slots == 1 else "slots"
        return AcquireConcurrencySlotTimeoutError(
            f"No {self.claim.slots} {slots} of {_listed(self.claim.names)} came free "
            f"within {self.patience:g} seconds. See who holds them with: "
            f"nborch concurrency-limit inspect {self.claim.names[0]}"
        )


def _patience(timeout: float | None, max_retries: int | None) -> float | None:
    limits = [] if timeout is None else [float(timeout)]
    if max_retries is not None:
        limits.append(max_retries * RETRY)
    return max(0.0, min(limits)) if limits else None


def _as_holder(holder: Any) -> Mapping[str, Any] | None:
    """Return a holder as JSON values: a mapping, a model or a name."""
    if holder is None or isinstance(holder, Mapping):
        return holder and {str(key): str(value) for key, value in holder.items()}
    if hasattr(holder, "type") and hasattr(holder, "id"):
        return {"type": str(holder.type), "id": str(holder.id)}
    return {"id": str(holder)}


def _listed(names: tuple[str, ...]) -> str:
    kind = "the concurrency limit" if len(names) == 1 else "the concurrency limits"
    return f"{kind} {', '.join(map(repr, names))}"
