# What type checkers see of the package, whose names are loaded at first use.
from nborch.schedules.base import AnyOf as AnyOf
from nborch.schedules.base import Excluding as Excluding
from nborch.schedules.base import Schedule as Schedule
from nborch.schedules.base import schedule_from_json as schedule_from_json
from nborch.schedules.cron import CronSchedule as CronSchedule
from nborch.schedules.intervals import IntervalSchedule as IntervalSchedule
from nborch.schedules.moments import At as At
from nborch.schedules.plans import Cron as Cron
from nborch.schedules.plans import Interval as Interval
from nborch.schedules.plans import Plan as Plan
from nborch.schedules.plans import RRule as RRule
from nborch.schedules.policies import CatchUp as CatchUp
from nborch.schedules.policies import Overlap as Overlap
from nborch.schedules.policies import Policy as Policy
from nborch.schedules.policies import jittered as jittered
from nborch.schedules.recurrences import RRuleSchedule as RRuleSchedule

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
