"""Concurrency limits, in the store of this machine."""

import time
from typing import Any

from nborch.control.forms import HolderForm, LimitForm, LimitPage
from nborch.control.pages import page_of
from nborch.control.pools import LocalPools
from nborch.exceptions import AlreadyExists
from nborch.slots import Limit
from nborch.store.limits import Holding

__all__ = ["LocalLimits"]


class LocalLimits(LocalPools):
    """See and change the concurrency limits in a home; see `nborch.control.base`."""

    def limits(self, *, limit: int = 50, cursor: str | None = None) -> LimitPage:
        """Return concurrency limits by name, with who holds their slots."""
        self.home.limits.reap()
        found = sorted(self.home.limits.store.limits(), key=_name)
        page, after = page_of(found, _name, limit, cursor)
        return {"items": [self._limit(each) for each in page], "next": after}

    def limit(self, name: str) -> LimitForm:
        """Return the concurrency limit of this name."""
        self.home.limits.reap()
        return self._limit(self.home.limits.store.limit(name))

    def create_limit(
        self, *, name: str, slots: int, slot_decay_per_second: float = 0.0
    ) -> LimitForm:
        """Create a concurrency limit."""
        if name in self.home.limits.store.names():
            raise AlreadyExists(
                f"The concurrency limit {name!r} exists. Change it with: "
                f"nborch concurrency-limit create {name} {slots}"
            )
        return self.put_limit(
            name, slots=slots, slot_decay_per_second=slot_decay_per_second
        )

    def put_limit(
        self, name: str, *, slots: int, slot_decay_per_second: float = 0.0
    ) -> LimitForm:
        """Create a concurrency limit, or change it."""
        self.home.limits.store.put(name, slots, slot_decay_per_second)
        return self.limit(name)

    def reset_limit(self, name: str) -> LimitForm:
        """Free all slots of a concurrency limit; return it as it was before."""
        before = self.limit(name)
        self.home.limits.store.reset(name)
        return before

    def delete_limit(self, name: str) -> None:
        """Remove a concurrency limit."""
        self.home.limits.store.delete(name)

    def _limit(self, limit: Limit) -> LimitForm:
        holdings = self.home.limits.store.holdings(limit.name)
        runs = [id_ for each in holdings if (id_ := _run_of(each)) is not None]
        found = self.home.listing.several(runs)
        names = {each.run.id: each.run.name for each in found}
        return {
            "name": limit.name,
            "slots": limit.slots,
            "in_use": limit.slots - limit.free(time.time()),
            "slot_decay_per_second": limit.decay,
            "holders": [_holder(each, names) for each in holdings],
        }


def _name(limit: Limit) -> str:
    return limit.name


def _run_of(holding: Holding) -> str | None:
    """Return the id of the run that holds slots, if it is one."""
    holder = holding.holder
    is_run = str(holder.get("type", "")).endswith("_run")
    return str(holder.get("id", "")) if is_run else None


def _holder(holding: Holding, names: dict[str, str]) -> HolderForm:
    """Return who holds slots: the run's name, or what else it was called."""
    called = str(holding.holder.get("id", ""))
    run_id = _run_of(holding)
    holder: dict[str, Any] = dict(holding.holder)
    pid = holding.process.split(":")[1] if ":" in holding.process else "?"
    return {
        "holder": holder,
        "name": names.get(called, called) or f"process {pid}",
        "run": run_id if run_id in names else None,
        "slots": holding.slots,
        "process": holding.process,
        "since": holding.since,
    }
