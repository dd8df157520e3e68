"""Runs, as a control plane tells of them."""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from nborch.control.forms.basics import Bounds, Cursor, Moment, Name, StateName, Time

__all__ = [
    "Artifact",
    "CacheUse",
    "DeploymentRef",
    "Happening",
    "HappeningPage",
    "History",
    "HistoryBin",
    "LogLine",
    "LogPage",
    "RunDetail",
    "RunError",
    "RunPage",
    "RunRequest",
    "RunSummary",
    "StateForm",
    "StoredRun",
    "Told",
]


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
