"""Policies: what is done when a time of a schedule comes.

>>> Policy(overlap="queue_one", jitter=timedelta(seconds=30)).overlap
<Overlap.QUEUE_ONE: 'queue_one'>
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self, TypeVar

from nborch.exceptions import InvalidSchedule, did_you_mean
from nborch.schedules.base import Schedule
from nborch.schedules.clocks import moment
from nborch.schedules.draws import draw
from nborch.schedules.durations import duration

__all__ = ["CatchUp", "Overlap", "Policy", "jittered"]

E = TypeVar("E", bound=StrEnum)

DAY = timedelta(days=1)
#: What `draw` returns is below this.
_WHOLE = 1 << 64


class Overlap(StrEnum):
    """What is done if an earlier run of the same schedule has not ended."""

    #: The new time is skipped.
    SKIP = "skip"
    #: One run waits for its end; a further time is skipped.
    QUEUE_ONE = "queue_one"
    #: All runs wait, one after the other.
    QUEUE_ALL = "queue_all"
    #: The earlier run is cancelled and the new one begins.
    CANCEL_PREVIOUS = "cancel_previous"
    #: They run side by side.
    ALLOW = "allow"


class CatchUp(StrEnum):
    """What is done about times that passed while nothing was there to fire them."""

    #: The latest of them is fired, the others are recorded as missed.
    LATEST = "latest"
    #: All are recorded as missed.
    NONE = "none"
    #: All are fired, one after the other.
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is done when a time of a schedule comes, and when the schedule ends.

    >>> Policy(catchup="all", catchup_window=timedelta(hours=6), max_runs=10).max_runs
    10

    Parameters
    ----------
    overlap
        What is done if an earlier run has not ended: ``"skip"``, ``"queue_one"``,
        ``"queue_all"``, ``"cancel_previous"`` or ``"allow"``.
    catchup
        What is done about times that passed while no scheduler ran: ``"latest"``,
        ``"none"`` or ``"all"``.
    catchup_window
        How old a time may be to be caught up with. Not given: see `window`.
    jitter
        Up to how much later than its time a run begins. Each time has a delay of its
        own, which is the same after a restart.
    pause_on_failure
        After how many failed runs in a row the schedule is paused.
    until
        No time from then on counts.
    max_runs
        How many runs there are in all.
    """

    overlap: Overlap = Overlap.SKIP
    catchup: CatchUp = CatchUp.LATEST
    catchup_window: timedelta | None = None
    jitter: timedelta = timedelta(0)
    pause_on_failure: int | None = None
    until: datetime | None = None
    max_runs: int | None = None

    def __post_init__(self) -> None:
        keep = object.__setattr__
        keep(self, "overlap", _choice(Overlap, self.overlap, "overlap policy"))
        keep(self, "catchup", _choice(CatchUp, self.catchup, "catch-up policy"))
        if self.catchup_window is not None:
            keep(self, "catchup_window", _span("catchup_window", self.catchup_window))
        keep(self, "jitter", _span("jitter", self.jitter))
        _check_count("pause_on_failure", self.pause_on_failure)
        _check_count("max_runs", self.max_runs)
        if self.until is not None:
            keep(self, "until", _until(self.until))

    def window(self, schedule: Schedule, nominal: datetime) -> timedelta:
        """Return how old this time of a schedule may be to be caught up with.

        Not given, that is until the schedule's next time, and at most a day.
        """
        if self.catchup_window is not None:
            return self.catchup_window
        following = schedule.next(nominal)
        return DAY if following is None else min(DAY, following - moment(nominal))

    def to_json(self) -> dict[str, Any]:
        """Return what differs from the defaults, for the store."""
        form: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value == field.default:
                continue
            if isinstance(value, timedelta):
                value = value.total_seconds()
            elif isinstance(value, datetime):
                value = value.isoformat()
            form[field.name] = str(value) if isinstance(value, StrEnum) else value
        return form

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the policy whose `to_json` returned these values."""
        given = dict(values)
        if "until" in given:
            given["until"] = datetime.fromisoformat(given["until"])
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                raise InvalidSchedule(
                    f"A policy has no option {name!r}.{did_you_mean(name, known)} "
                    "Was it stored by a newer nborch?"
                )
        return cls(**given)


def jittered(schedule_id: str, nominal: datetime, jitter: timedelta) -> datetime:
    """Return when the run of a nominal time begins, up to `jitter` later than that.

    The delay follows from the schedule and the time alone, so that a restart does not
    draw another one and two schedulers agree.

    >>> from datetime import UTC
    >>> due = datetime(2026, 11, 23, 8, tzinfo=UTC)
    >>> begin = jittered("a-schedule", due, timedelta(minutes=5))
    >>> due <= begin < due + timedelta(minutes=5)
    True
    >>> begin == jittered("a-schedule", due, timedelta(minutes=5))
    True
    """
    nominal = moment(nominal)
    most = jitter // timedelta(microseconds=1)
    share = draw(schedule_id, nominal.isoformat())
    return nominal + timedelta(microseconds=most * share // _WHOLE)


def _choice(kind: type[E], given: str, what: str) -> E:
    try:
        return kind(given)
    except ValueError:
        known = [str(each) for each in kind]
        raise InvalidSchedule(
            f"There is no {what} {given!r}.{did_you_mean(str(given), known)} "
            f"There are: {', '.join(known)}."
        ) from None


def _span(name: str, given: object) -> timedelta:
    span = duration(given, name)
    if span < timedelta(0):
        raise InvalidSchedule(
            f"The option {name} is {given!r}, which is negative. Give a time like "
            "timedelta(minutes=5)."
        )
    return span


def _check_count(name: str, given: object) -> None:
    if given is None:
        return
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        raise InvalidSchedule(
            f"The option {name} is {given!r}. Give a whole number from 1 on, or None."
        )


def _until(given: object) -> datetime:
    if not isinstance(given, datetime):
        raise InvalidSchedule(
            f"The option until is {given!r}, which is no time. Give one with a time "
            "zone: datetime(2027, 1, 1, tzinfo=UTC)"
        )
    return moment(given)
