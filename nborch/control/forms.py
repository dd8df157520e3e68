"""What a control plane answers and takes, as JSON values.

The description of the HTTP API is made of these: a text beside a type describes it, a
dict joins its JSON Schema. Times are seconds since 1970.
"""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

__all__ = [
    "Artifact",
    "BackfillRequest",
    "Bounds",
    "Backfilled",
    "CacheForm",
    "CacheUse",
    "ClearRequest",
    "Cleared",
    "CollectRequest",
    "DeploymentForm",
    "DeploymentPage",
    "DeploymentRef",
    "Happening",
    "HappeningPage",
    "Health",
    "History",
    "HistoryBin",
    "HolderForm",
    "KeptForm",
    "KeptPage",
    "LimitChange",
    "LimitForm",
    "LimitPage",
    "LimitRequest",
    "LogLine",
    "LogPage",
    "OutcomeForm",
    "OutcomePage",
    "PoolChange",
    "PoolForm",
    "PoolPage",
    "PoolRequest",
    "QueuedForm",
    "QueuedPage",
    "RunDetail",
    "RunError",
    "RunPage",
    "RunRequest",
    "RunSummary",
    "ScheduleForm",
    "SettingForm",
    "SettingPage",
    "StateForm",
    "StoredRun",
    "Told",
    "VersionForm",
    "WorkerForm",
    "WorkerPage",
]



class Bounds:
    """Keywords of JSON Schema that a type does not say.

    >>> Bounds(minimum=0).keywords
    {'minimum': 0}
    """

    def __init__(self, **keywords: Any) -> None:
        self.keywords = keywords


Text = Annotated[str, Bounds(maxLength=200)]
Name = Annotated[str, Bounds(minLength=1, maxLength=200)]
Time = Annotated[float, "Seconds since 1970."]
#: As far as a `datetime` goes on every machine.
Moment = Annotated[
    float, "Seconds since 1970.", Bounds(minimum=0, maximum=253_370_764_800)
]
Count = Annotated[int, Bounds(minimum=0, maximum=2**31 - 1)]
Cursor = Annotated[str | None, "Ask for the page after this one with it."]
StateName = Literal[
    "SCHEDULED",
    "PENDING",
    "RUNNING",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "CRASHED",
    "PAUSED",
    "CANCELLING",
]


# Runs.


class StateForm(TypedDict):
    """The state of a run: its type, and what people call it."""

    type: StateName
    name: str
    message: str | None


class DeploymentRef(TypedDict):
    """The deployment that a run was made by."""

    id: str
    name: Annotated[str, "Its full name: flow/deployment."]


class StoredRun(TypedDict):
    """What is stored of a run besides, for programs."""

    process: Annotated[str, "The process that answers for it: host:pid:token."]
    details: dict[str, Any]
    entered: Time
    state_details: dict[str, Any]


class RunSummary(TypedDict):
    """A run, as lists show it."""

    id: str
    name: str
    flow: Annotated[str, "The name of the flow or task that it is a run of."]
    kind: Literal["flow", "task", "session"]
    state: StateForm
    created: Time
    started: Time | None
    ended: Time | None
    due: Annotated[float | None, "When it may start, if it waits for that."]
    deployment: DeploymentRef | None
    work_pool: str | None
    tags: list[str]
    parent: Annotated[str | None, "The run within which it was made."]
    tasks: Annotated[
        dict[str, int] | None, "How many runs directly within it are in which state."
    ]
    notebook: str | None
    attempt: int
    stored: NotRequired[StoredRun]


class RunPage(TypedDict):
    """Runs, the newest first."""

    items: list[RunSummary]
    next: Cursor


class HistoryBin(TypedDict):
    """How many runs were made in a span of time, by the state they are in now."""

    start: Time
    end: Time
    states: dict[str, int]


class History(TypedDict):
    """A count of runs over time."""

    bins: list[HistoryBin]


class RunError(TypedDict):
    """What ended a run that did not complete."""

    type: str
    message: str
    traceback: str | None


class Artifact(TypedDict):
    """A value that a run has left behind."""

    name: str
    kind: Annotated[str, "The name of its class."]
    preview: str | None
    size: Annotated[int | None, "Bytes."]


class CacheUse(TypedDict):
    """What a run has reused."""

    hits: int
    seconds_saved: float


class RunDetail(RunSummary):
    """A run, with all that its page shows at first."""

    parameters: dict[str, Any]
    result: Annotated[str | None, "What it returned, in a few words."]
    error: RunError | None
    can: list[Literal["cancel", "retry", "resume"]]
    entrypoint: Annotated[str | None, "Where its code is."]
    output: Annotated[str | None, "The path of the executed notebook."]
    artifacts: list[Artifact]
    cache: CacheUse


class Happening(TypedDict):
    """A state that a run has entered."""

    at: Time
    type: StateName
    name: str
    message: str | None
    attempt: int


class HappeningPage(TypedDict):
    """The states that a run has entered, in order."""

    items: list[Happening]
    next: Cursor


class LogLine(TypedDict):
    """A line that a run wrote."""

    at: Time
    level: str
    logger: str
    message: str
    run: Annotated[str, "The id of the run that wrote it: this one, or one within it."]
    name: Annotated[str, "What that run is called."]
    kind: Literal["flow", "task", "session"]
    attempt: int
    sequence: Annotated[int, "Its place among all that is recorded."]


class LogPage(TypedDict):
    """Lines of the log of a run and of all runs within it, in order."""

    lines: list[LogLine]
    next: Annotated[int, "Ask for the lines after these ones with it."]
    previous: Annotated[int | None, "And for those before; null if there are none."]
    more: Annotated[bool, "Whether there are lines after these ones already."]


class Told(TypedDict):
    """What came of a request to change a run."""

    told: str
    run: RunSummary | None


class RunRequest(TypedDict, total=False):
    """A run of a deployment that is asked for."""

    parameters: dict[str, Any]
    at: Annotated[float | None, "When it begins; at once if not given.", Moment]
    name: Name | None
    tags: Annotated[list[Name], Bounds(maxItems=50)]
    priority: Annotated[int, Bounds(minimum=-(2**31), maximum=2**31 - 1)]
    idempotency_key: Annotated[
        Name | None, "A run that was asked for by it before is answered, and none made."
    ]


# Deployments.


class ScheduleForm(TypedDict):
    """When a deployment runs by itself."""

    id: str
    words: str
    json: dict[str, Any]
    active: bool
    paused_because: str | None
    next: Annotated[list[float], "Its next times."]
    policy: dict[str, Any]
    parameters: dict[str, Any]


class DeploymentForm(TypedDict):
    """What can be run without the program that declared it."""

    id: str
    name: Annotated[str, "Its own name."]
    full_name: str
    flow: str
    description: str | None
    entrypoint: Annotated[str, "Where its code is."]
    source: Annotated[dict[str, Any], "The same for programs."]
    parameters: dict[str, Any]
    parameter_schema: dict[str, Any]
    enforce_schema: bool
    work_pool: str | None
    lane: Annotated[str, "Where its runs wait."]
    paused: bool
    version: str | None
    tags: list[str]
    priority: int
    concurrency_limit: int | None
    max_crashes: int
    schedules: list[ScheduleForm]
    last: Annotated[list[RunSummary], "Its last runs, the newest first."]
    created: Time | None
    updated: Time | None


class DeploymentPage(TypedDict):
    """Deployments by name."""

    items: list[DeploymentForm]
    next: Cursor


class OutcomeForm(TypedDict):
    """What came of a nominal time of a schedule."""

    schedule: str
    nominal: Time
    last: Time
    count: int
    kind: str
    told: str
    run: RunSummary | None


class OutcomePage(TypedDict):
    """What came of the nominal times of a deployment, the latest first."""

    items: list[OutcomeForm]
    next: Cursor


#: What schedules would have done in a time: "from" is no name in Python.
BackfillRequest = TypedDict(
    "BackfillRequest",
    {
        "from": Moment,
        "to": NotRequired[Annotated[float | None, "Before it; now if not given.", Moment]],
        "side_by_side": NotRequired[bool],
        "dry_run": NotRequired[Annotated[bool, "Count them, and make none."]],
    },
)


class Backfilled(TypedDict):
    """The runs that were made for earlier times."""

    made: Annotated[int, "How many; none in a dry run."]
    times: Annotated[int, "How many nominal times there are."]
    runs: list[str]


# Where runs wait.


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


# Concurrency limits.


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


# The cache, settings.


class KeptForm(TypedDict):
    """A kept result."""

    key: str
    task: str
    created: Time
    seconds: float
    bytes: int
    expires: Time | None


class KeptPage(TypedDict):
    """Kept results, the newest first."""

    items: list[KeptForm]
    next: Cursor


CacheOfTask = TypedDict(
    "CacheOfTask",
    {
        "task": str,
        "entries": int,
        "size": int,
        "seconds": float,
        "hits": int,
        "seconds_saved": float,
    },
)


class CacheForm(TypedDict):
    """What the result cache holds, and what it has saved."""

    folder: str
    size: Annotated[int, "Bytes on disk."]
    limit: Annotated[int | None, "Bytes that it may take."]
    entries: int
    seconds: Annotated[float, "What computing all of it took."]
    hits: Annotated[int, "Task runs that were not called, of the last 30 days."]
    seconds_saved: float
    by_task: list[CacheOfTask]


class ClearRequest(TypedDict, total=False):
    """Which results are removed; all of them if nothing is said."""

    task: Text | None
    older_than: Annotated[float | None, "Seconds.", Bounds(minimum=0, maximum=1e12)]


class CollectRequest(TypedDict, total=False):
    """To how many bytes the cache is brought down."""

    max_bytes: Annotated[int | None, Bounds(minimum=0, maximum=2**60)]


class Cleared(TypedDict):
    """What was removed."""

    removed: int
    freed: Annotated[int, "Bytes."]


class SettingForm(TypedDict):
    """A setting in force."""

    name: str
    value: Annotated[str | None, "As it would be written; secrets are masked."]
    source: Annotated[str, "Where it comes from."]


class SettingPage(TypedDict):
    """The settings in force."""

    items: list[SettingForm]
    next: Cursor


class Health(TypedDict):
    """Whether the server answers."""

    status: Literal["ok"]


class VersionForm(TypedDict):
    """What answers."""

    name: Literal["nborch"]
    version: str
    api: int
