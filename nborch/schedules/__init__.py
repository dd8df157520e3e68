"""Schedules: when something is due, and what is done about it.

>>> from nborch.schedules import CronSchedule
>>> CronSchedule("0 8 * * 1-5", timezone="Europe/Berlin").explain()
'At 08:00 on Monday to Friday, Europe/Berlin'
"""

from typing import TYPE_CHECKING

from nborch.lazily import lazily

if TYPE_CHECKING:
    from nborch.schedules.base import AnyOf, Excluding, Schedule, schedule_from_json
    from nborch.schedules.cron import CronSchedule
    from nborch.schedules.intervals import IntervalSchedule
    from nborch.schedules.moments import At
    from nborch.schedules.plans import Cron, Interval, Plan, RRule
    from nborch.schedules.policies import CatchUp, Overlap, Policy, jittered
    from nborch.schedules.recurrences import RRuleSchedule

__all__ = [
    "AnyOf",
    "At",
    "CatchUp",
    "Cron",
    "CronSchedule",
    "Excluding",
    "Interval",
    "IntervalSchedule",
    "Overlap",
    "Plan",
    "Policy",
    "RRule",
    "RRuleSchedule",
    "Schedule",
    "jittered",
    "schedule_from_json",
]

_HOMES = {
    "AnyOf": "base",
    "At": "moments",
    "CatchUp": "policies",
    "Cron": "plans",
    "CronSchedule": "cron",
    "Excluding": "base",
    "Interval": "plans",
    "IntervalSchedule": "intervals",
    "Overlap": "policies",
    "Plan": "plans",
    "Policy": "policies",
    "RRule": "plans",
    "RRuleSchedule": "recurrences",
    "Schedule": "base",
    "jittered": "policies",
    "schedule_from_json": "base",
}

# Who only looks at runs need not load what reads cron expressions.
__getattr__, __dir__ = lazily(__name__, _HOMES)
