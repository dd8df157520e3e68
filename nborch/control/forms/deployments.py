"""Deployments, as a control plane tells of them."""

from typing import Annotated, Any, NotRequired, TypedDict

from nborch.control.forms.basics import Cursor, Moment, Time
from nborch.control.forms.runs import RunSummary

__all__ = [
    "BackfillRequest",
    "Backfilled",
    "DeploymentForm",
    "DeploymentPage",
    "OutcomeForm",
    "OutcomePage",
    "ScheduleForm",
]


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
        "to": NotRequired[
            Annotated[float | None, "Before it; now if not given.", Moment]
        ],
        "side_by_side": NotRequired[bool],
        "dry_run": NotRequired[Annotated[bool, "Count them, and make none."]],
    },
)


class Backfilled(TypedDict):
    """The runs that were made for earlier times."""

    made: Annotated[int, "How many; none in a dry run."]
    times: Annotated[int, "How many nominal times there are."]
    runs: list[str]
