"""Schedules: when something is due, and what is done about it.

>>> from nborch.schedules import CronSchedule
>>> CronSchedule("0 8 * * 1-5", timezone="Europe/Berlin").explain()
'At 08:00 on Monday to Friday, Europe/Berlin'
"""

from nborch.lazily import lazily

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
    "AnyOf": "nborch.schedules.base",
    "At": "nborch.schedules.moments",
    "CatchUp": "nborch.schedules.policies",
    "Cron": "nborch.schedules.plans",
    "CronSchedule": "nborch.schedules.cron",
    "Excluding": "nborch.schedules.base",
    "Interval": "nborch.schedules.plans",
    "IntervalSchedule": "nborch.schedules.intervals",
    "Overlap": "nborch.schedules.policies",
    "Plan": "nborch.schedules.plans",
    "Policy": "nborch.schedules.policies",
    "RRule": "nborch.schedules.plans",
    "RRuleSchedule": "nborch.schedules.recurrences",
    "Schedule": "nborch.schedules.base",
    "jittered": "nborch.schedules.policies",
    "schedule_from_json": "nborch.schedules.base",
}

# Who only looks at runs need not load what reads cron expressions.
__getattr__, __dir__ = lazily(__name__, _HOMES)
