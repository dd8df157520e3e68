"""Plans: a schedule with what is done at its times, as a deployment takes it.

`Cron`, `Interval` and `RRule` are Prefect's spellings:

>>> Cron("0 8 * * *", timezone="Europe/Berlin", parameters={"region": "eu"}).explain()
'At 08:00 every day, Europe/Berlin'
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Self

from nborch.exceptions import InvalidSchedule
from nborch.schedules.base import Schedule, schedule_from_json
from nborch.schedules.cron import CronSchedule
from nborch.schedules.intervals import IntervalSchedule
from nborch.schedules.policies import Policy
from nborch.schedules.recurrences import RRuleSchedule

__all__ = ["Cron", "Interval", "Plan", "RRule"]


@dataclass(frozen=True, slots=True)
class Plan(Schedule):
    """A schedule, and what is done at its times.

    It is a schedule itself, with the same times.

    Parameters
    ----------
    schedule
        When.
    policy
        What is done about runs that overlap, about times that were missed, and so on.
    active
        Whether anything is done at all; else it waits to be resumed.
    parameters
        Parameters of these runs, over those of the deployment.
    slug
        A name for the schedule within its deployment.
    """

    schedule: Schedule
    policy: Policy = field(default_factory=Policy)
    active: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)
    slug: str | None = None

    kind: ClassVar[str] = "plan"
    is_plan: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not isinstance(self.schedule, Schedule) or self.schedule.is_plan:
            raise InvalidSchedule(
                f"{self.schedule!r} is no schedule that a plan can be made of. Give "
                "one like CronSchedule('0 8 * * *')."
            )

    @classmethod
    def of(cls, schedule: Schedule) -> "Plan":
        """Return the plan that a schedule is, or one with the usual policy."""
        return schedule if isinstance(schedule, Plan) else cls(schedule)

    @property
    def timezone(self) -> str:  # type: ignore[override]  # of its schedule
        """The schedule's time zone."""
        return self.schedule.timezone

    def excluding(self, *what: Schedule | date | str) -> "Plan":
        """Return the plan without some of its times."""
        return replace(self, schedule=self.schedule.excluding(*what))

    def __or__(self, other: Schedule) -> "Plan":
        if not isinstance(other, Schedule):
            return NotImplemented
        if not isinstance(other, Plan):
            return replace(self, schedule=self.schedule | other)
        if replace(self, schedule=other.schedule) != other:
            raise InvalidSchedule(
                f"The plans {self.explain()!r} and {other.explain()!r} differ in more "
                "than their times, so they cannot be one. Give both to the deployment: "
                "schedules=[one, other]"
            )
        return replace(self, schedule=self.schedule | other.schedule)

    def __ror__(self, other: Schedule) -> "Plan":
        return replace(self, schedule=other | self.schedule)

    def next(self, after: datetime) -> datetime | None:
        """Return the schedule's first time later than `after`."""
        return self.schedule.next(after)

    def explain(self) -> str:
        """Return the schedule in words."""
        return self.schedule.explain()

    def notes(self, after: datetime) -> list[str]:
        """Return the schedule's notes."""
        return self.schedule.notes(after)

    def seeded(self, name: str) -> Schedule:
        """Return the plan with the seeded schedule."""
        return replace(self, schedule=self.schedule.seeded(name))

    def to_json(self) -> dict[str, Any]:
        """Return what makes an equal plan."""
        return {
            "kind": self.kind,
            "schedule": self.schedule.to_json(),
            "policy": self.policy.to_json(),
            "active": self.active,
            "parameters": dict(self.parameters),
            "slug": self.slug,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the plan of a form."""
        return cls(
            schedule_from_json(values["schedule"]),
            Policy.from_json(values["policy"]),
            active=values["active"],
            parameters=values["parameters"],
            slug=values["slug"],
        )


def Cron(
    cron: str,
    /,
    timezone: str | None = None,
    *,
    day_or: bool | None = None,
    policy: Policy | None = None,
    active: bool | None = None,
    parameters: Mapping[str, Any] | None = None,
    slug: str | None = None,
) -> Plan:
    """Return a plan by a cron expression: see `CronSchedule` and `Plan`.

    >>> Cron("@daily", timezone="America/New_York").timezone
    'America/New_York'
    """
    schedule = CronSchedule(cron, timezone or "UTC", day_or=day_or is not False)
    return _plan(schedule, policy, active, parameters, slug)


def Interval(
    interval: timedelta | float | str,
    /,
    anchor_date: datetime | None = None,
    timezone: str | None = None,
    *,
    policy: Policy | None = None,
    active: bool | None = None,
    parameters: Mapping[str, Any] | None = None,
    slug: str | None = None,
) -> Plan:
    """Return a plan by an interval: see `IntervalSchedule` and `Plan`.

    >>> Interval(timedelta(minutes=10)).explain()
    'Every 10 minutes, UTC'
    """
    schedule = IntervalSchedule(interval, anchor_date, timezone)
    return _plan(schedule, policy, active, parameters, slug)


def RRule(
    rrule: str,
    /,
    timezone: str | None = None,
    *,
    policy: Policy | None = None,
    active: bool | None = None,
    parameters: Mapping[str, Any] | None = None,
    slug: str | None = None,
) -> Plan:
    """Return a plan by a recurrence rule: see `RRuleSchedule` and `Plan`.

    >>> RRule("FREQ=WEEKLY;BYDAY=MO").explain()
    'By the rule FREQ=WEEKLY;BYDAY=MO, UTC'
    """
    schedule = RRuleSchedule(rrule, timezone)
    return _plan(schedule, policy, active, parameters, slug)


def _plan(
    schedule: Schedule,
    policy: Policy | None,
    active: bool | None,  # noqa: FBT001  # as it was given
    parameters: Mapping[str, Any] | None,
    slug: str | None,
) -> Plan:
    return Plan(
        schedule,
        policy or Policy(),
        active=active is not False,
        parameters=dict(parameters or {}),
        slug=slug,
    )
