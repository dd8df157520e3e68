"""Where runs wait, and how many go on: pools, workers, limits."""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from nborch.control.forms.basics import Bounds, Count, Cursor, Name, Time
from nborch.control.forms.runs import RunSummary

__all__ = [
    "HolderForm",
    "LimitChange",
    "LimitForm",
    "LimitPage",
    "LimitRequest",
    "PoolChange",
    "PoolForm",
    "PoolPage",
    "PoolRequest",
    "QueuedForm",
    "QueuedPage",
    "WorkerForm",
    "WorkerPage",
]


class PoolForm(TypedDict):
    """Where runs wait for workers."""

    name: str
    type: str
    limit: int | None
    paused: bool
    description: str | None
    running: int
    waiting: int
    created: Time | None
    deployments: list[str]
    workers: Annotated[list[str], "The names of those that are online."]


class PoolPage(TypedDict):
    """Work pools by name."""

    items: list[PoolForm]
    next: Cursor


class PoolRequest(TypedDict):
    """A work pool that is to be."""

    name: Name
    type: NotRequired[Literal["process"]]
    limit: NotRequired[Count | None]
    paused: NotRequired[bool]
    description: NotRequired[Annotated[str | None, Bounds(maxLength=2_000)]]


class PoolChange(TypedDict, total=False):
    """What is to be different about a work pool."""

    limit: Count | None
    paused: bool
    description: Annotated[str | None, Bounds(maxLength=2_000)]


class QueuedForm(TypedDict):
    """A run that waits, or that a worker has taken."""

    run: RunSummary
    status: str
    due: Time
    priority: int
    worker: str | None


class QueuedPage(TypedDict):
    """Runs in the order in which they are taken."""

    items: list[QueuedForm]
    next: Cursor


class WorkerForm(TypedDict):
    """A process that takes runs and has them done."""

    id: str
    name: str
    lanes: list[str]
    works_for: Annotated[list[str], "Its pools, and the deployments that it serves."]
    status: Literal["online", "left", "lost"]
    running: int
    limit: int | None
    host: str
    pid: int
    started: Time
    seen: Time


class WorkerPage(TypedDict):
    """Workers, those who began last first."""

    items: list[WorkerForm]
    next: Cursor


class HolderForm(TypedDict):
    """Who holds slots of a limit."""

    holder: dict[str, Any]
    name: Annotated[str, "What it is called: the run's name, if it is one."]
    run: Annotated[str | None, "The id of the run."]
    slots: int
    process: str
    since: Time


class LimitForm(TypedDict):
    """How much may go on at once."""

    name: str
    slots: int
    in_use: float
    slot_decay_per_second: float
    holders: list[HolderForm]


class LimitPage(TypedDict):
    """Concurrency limits by name."""

    items: list[LimitForm]
    next: Cursor


class LimitRequest(TypedDict):
    """A concurrency limit that is to be."""

    name: Name
    slots: Count
    slot_decay_per_second: NotRequired[Annotated[float, Bounds(minimum=0, maximum=1e9)]]


class LimitChange(TypedDict):
    """What a concurrency limit is to be."""

    slots: Count
    slot_decay_per_second: NotRequired[Annotated[float, Bounds(minimum=0, maximum=1e9)]]
