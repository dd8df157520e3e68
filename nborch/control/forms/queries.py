"""What narrows what is asked for: it stands behind the question mark."""

from typing import Annotated, Literal, TypedDict

from nborch.control.forms.basics import Bounds, Moment, StateName, Text

__all__ = [
    "Called",
    "DeploymentsQuery",
    "HistoryQuery",
    "LogQuery",
    "Narrowed",
    "OutcomesQuery",
    "Paged",
    "Place",
    "RunsQuery",
    "WorkersQuery",
]

Page = Annotated[int, "How many at most.", Bounds(minimum=1, maximum=200)]
Ref = Annotated[str, Bounds(minLength=1, maxLength=500)]
Kind = Literal["flow", "session", "task"]
Place = Annotated[int, Bounds(minimum=0, maximum=2**53)]
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class Paged(TypedDict, total=False):
    """Which page of a list."""

    limit: Page
    cursor: Annotated[str, "The 'next' of the page before.", Bounds(maxLength=1000)]


class Narrowed(TypedDict, total=False):
    """Which runs."""

    state: Annotated[list[StateName], "In states of these types."]
    kind: Annotated[list[Kind], "Runs of flows and sessions if not given."]
    flow: Annotated[Text, "Of the flow or task with this name."]
    deployment: Annotated[Text, "Made by the one with this id or full name."]
    work_pool: Text
    tag: Text
    q: Annotated[Text, "Has it in its name, its flow's name, or at the id's start."]
    since: Annotated[Moment, "Made from then on, in seconds since 1970."]
    until: Annotated[Moment, "Made before it, in seconds since 1970."]
    parent: Annotated[Ref, "Made within the run with this id."]
    top: Annotated[bool, "Made within no other run, or within a session."]


class RunsQuery(Narrowed, Paged, total=False):
    """Which runs, and which page of them."""

    whole: Annotated[bool, "Tell all that is stored of each."]


class HistoryQuery(Narrowed, total=False):
    """Which runs, in how many bins."""

    bins: Annotated[int, Bounds(minimum=1, maximum=1000)]


class LogQuery(TypedDict, total=False):
    """Which lines: the last ones, if nothing is said."""

    after: Annotated[Place, "The first ones after this place."]
    before: Annotated[Place, "The last ones before this place."]
    level: Annotated[Level, "Of this level and above."]
    q: Annotated[Text, "Have it in them."]
    limit: Annotated[int, Bounds(minimum=1, maximum=5000)]


class Called(TypedDict):
    """What it is called."""

    reference: Annotated[Ref, "Its id or name."]


class DeploymentsQuery(Paged, total=False):
    """Which deployments."""

    flow: Text
    work_pool: Text
    q: Annotated[Text, "Has it in its full name."]


class OutcomesQuery(TypedDict, total=False):
    """How many outcomes."""

    limit: Page


class WorkersQuery(Paged, total=False):
    """Which workers."""

    work_pool: Text
    status: list[Literal["online", "left", "lost"]]
