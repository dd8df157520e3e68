"""Schedules: when something is due, and what is done about it.

>>> from nborch.schedules import CronSchedule
>>> CronSchedule("0 8 * * 1-5", timezone="Europe/Berlin").explain()
'At 08:00 on Monday to Friday, Europe/Berlin'
"""

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
