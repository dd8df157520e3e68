"""Where runs wait, and who takes them: lanes, pools and workers."""

from dataclasses import dataclass
from datetime import datetime

__all__ = [
    "WorkPool",
    "Worker",
    "pool_lane",
]


def pool_lane(pool: str) -> str:
    """Return the lane in which the runs of a pool wait.

    >>> pool_lane("nightly")
    'pool/nightly'
    """
    return f"pool/{pool}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkPool:
    """Where runs wait for workers.

    Parameters
    ----------
    kind
        How workers run them: ``process`` is a process for each.
    limit
        How many of its runs may go on at once, whoever works for it.
    held, waiting
        How many runs go on now, and how many wait for their time or their turn.
    """

    name: str
    kind: str = "process"
    limit: int | None = None
    paused: bool = False
    description: str | None = None
    created: datetime | None = None
    held: int = 0
    waiting: int = 0

    @property
    def lane(self) -> str:
        """Where its runs wait."""
        return pool_lane(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A process that takes runs and has them done.

    Parameters
    ----------
    process
        Its name among all processes; it holds a lock by it.
    status
        ``online``, ``left`` (it ended well) or ``lost`` (it died, or was not heard of).
    ends
        Until when it counts as alive without being heard of.
    """

    id: str
    name: str
    process: str
    lanes: tuple[str, ...]
    limit: int | None
    started: datetime
    seen: datetime
    status: str
    held: int = 0

    @property
    def host(self) -> str:
        """The machine it works on."""
        return self.process.split(":")[0]

    @property
    def pid(self) -> int:
        """Its process id there."""
        return int(self.process.split(":")[1])
